//! One of XGBoost's trees: arrays with an item for each node.

use crate::{
    boost::trees::{self, Child},
    limits,
};

/// Arrays of a tree whose numbers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Left,
    Right,
    Indices,
    CategoryNodes,
    CategorySegments,
    CategorySizes,
    Categories,
}

impl List {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "left_children" => Self::Left,
            "right_children" => Self::Right,
            "split_indices" => Self::Indices,
            "categories_nodes" => Self::CategoryNodes,
            "categories_segments" => Self::CategorySegments,
            "categories_sizes" => Self::CategorySizes,
            "categories" => Self::Categories,
            _ => return None,
        })
    }
}

/// A tree while it goes by.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: Option<i64>,
    pub(super) features: Option<i64>,
    /// Numbers of each leaf; with more than one, they are in a list of their own, and a leaf's right child is its place there.
    pub(super) width: i64,
    pub(super) weights: i64,
    /// Lengths of its arrays, by their names.
    pub(super) lengths: Vec<(&'static str, i64)>,
    left: Vec<i32>,
    right: Vec<i32>,
    indices: Vec<u32>,
    /// Of each list of categories, how many numbers it has and the largest.
    categories: [(i64, i64); 4],
    negative: bool,
    pub(super) too_large: bool,
}

/// Arrays that have one item for each node.
pub(super) const PER_NODE: [&str; 7] = [
    "left_children",
    "right_children",
    "split_indices",
    "split_conditions",
    "default_left",
    "parents",
    "split_type",
];

impl Tree {
    /// One more number of a list.
    pub(super) fn number(&mut self, list: List, number: i64) {
        let child = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        let full = |len: usize| len >= limits::TREE_NODES;
        let place = match list {
            List::Left if !full(self.left.len()) => return self.left.push(child(number)),
            List::Right if !full(self.right.len()) => return self.right.push(child(number)),
            List::Indices if !full(self.indices.len()) => {
                return self.indices.push(u32::try_from(number).unwrap_or(u32::MAX));
            }
            List::Left | List::Right | List::Indices => {
                self.too_large = true;
                return;
            }
            List::CategoryNodes => 0,
            List::CategorySegments => 1,
            List::CategorySizes => 2,
            List::Categories => 3,
        };
        self.negative |= number < 0;
        if let Some((count, largest)) = self.categories.get_mut(place) {
            *count += 1;
            *largest = (*largest).max(number);
        }
    }

    /// Whether all of it fits together, once it has gone by.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let nodes = self.nodes.ok_or("a tree does not say how many nodes it has")?;
        if nodes < 1 {
            return Err("a tree has no nodes");
        }
        let need = ["left_children", "right_children", "split_indices", "split_conditions"];
        if need.iter().any(|name| !self.lengths.iter().any(|(known, _)| known == name)) {
            return Err("a tree lacks an array");
        }
        if self.lengths.iter().any(|&(_, len)| len != nodes) {
            return Err("an array of a tree has not one item for each node");
        }
        let [nodes_of, segments, sizes, (categories, _)] = self.categories;
        let beside = |(count, largest): (i64, i64), end: i64| count > 0 && largest > end;
        if beside(nodes_of, nodes - 1)
            || beside(segments, categories)
            || beside(sizes, categories)
            || self.negative
        {
            return Err("categories of a tree lie beside their array");
        }
        if self.too_large {
            return Ok(());
        }
        let child = |number: i32| u64::try_from(number).map_or(Child::None, Child::Node);
        let pairs = || self.left.iter().zip(&self.right);
        let listed = self.width > 1 && self.weights > 0;
        let leaves = if listed { self.weights / self.width } else { 0 };
        if listed && pairs().any(|(&left, &right)| left < 0 && i64::from(right) >= leaves) {
            return Err("a leaf lies beside the list of leaves");
        }
        if self.left.iter().chain(&self.right).any(|&number| number < -1) {
            return Err("a child is negative");
        }
        let features = self.features.unwrap_or(i64::MAX);
        // What a leaf has there is never used.
        let beside =
            pairs().zip(&self.indices).any(|((&left, _), &index)| left >= 0 && i64::from(index) >= features);
        if beside {
            return Err("a split is by a feature that does not exist");
        }
        let nodes = usize::try_from(nodes).unwrap_or(usize::MAX).min(limits::TREE_NODES);
        let pairs = pairs().map(|(&left, &right)| match child(left) {
            Child::None if listed => (Child::None, Child::None),
            left => (left, child(right)),
        });
        trees::check(nodes, 0, pairs)
    }
}
