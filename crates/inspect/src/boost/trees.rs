//! Whether a tree holds together: each of its nodes is reached from the root, in one way, and nothing lies beside it.

/// A child of a node: another node, or a leaf of its own list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Node(u64),
    Leaf(u64),
    None,
}

/// Looks at the children of all nodes, in their order: each at most once, and the root at none.
///
/// With that, whoever follows the tree from its root comes to an end.
pub(super) fn check(
    nodes: usize,
    leaves: usize,
    children: impl Iterator<Item = (Child, Child)>,
) -> Result<(), &'static str> {
    let mut seen_nodes = vec![false; nodes];
    let mut seen_leaves = vec![false; leaves];
    let mut see = |child: Child| {
        let (seen, index) = match child {
            Child::Node(0) => return Err("the root is a child"),
            Child::Node(index) => (&mut seen_nodes, index),
            Child::Leaf(index) => (&mut seen_leaves, index),
            Child::None => return Ok(()),
        };
        match usize::try_from(index).ok().and_then(|index| seen.get_mut(index)) {
            None => Err("a child lies beside the tree"),
            Some(seen) if *seen => Err("a node is a child twice"),
            Some(seen) => {
                *seen = true;
                Ok(())
            }
        }
    };
    for (left, right) in children {
        if (left == Child::None) != (right == Child::None) {
            return Err("a node has one child");
        }
        see(left)?;
        see(right)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_hold_together() {
        use Child::{Leaf, Node, None};
        let look =
            |nodes, leaves, children: &[(Child, Child)]| check(nodes, leaves, children.iter().copied());
        assert!(look(3, 0, &[(Node(1), Node(2)), (None, None), (None, None)]).is_ok());
        assert!(look(2, 3, &[(Node(1), Leaf(0)), (Leaf(1), Leaf(2))]).is_ok());
        assert!(look(3, 0, &[(Node(1), Node(3)), (None, None), (None, None)]).is_err());
        assert!(look(3, 0, &[(Node(1), Node(1)), (None, None), (None, None)]).is_err());
        assert!(look(3, 0, &[(Node(1), Node(0)), (None, None), (None, None)]).is_err());
        assert!(look(3, 0, &[(Node(1), None), (None, None), (None, None)]).is_err());
    }
}
