//! LightGBM's models: text, a key and its values in each line, a section for each tree.

use super::{
    looks_like_code, rules,
    trees::{self, Child},
};
use crate::{
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    text::Lines,
};
use modelseal_core::inspection::{Capability, FileFormat};
use std::mem;

/// The door from `route`.
pub(crate) struct Lightgbm;

impl Format for Lightgbm {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let begins = probe.head.starts_with(b"tree\nversion=") || probe.head.starts_with(b"tree\r\nversion=");
        begins.then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::NativeState);
        let mut lines = Lines::new(content.into_stream());
        let mut model = Model::default();
        let mut values = Values::default();
        while let Some(line) = lines.next(scan)? {
            let (at, more) = (line.at, line.more);
            values.piece(line.bytes, at);
            if !more {
                let done = mem::take(&mut values);
                model.line(done, scan);
            }
        }
        model.finish(scan);
        Ok(FileFormat::Lightgbm)
    }
}

/// A line: its key, and the values behind it.
#[derive(Default)]
struct Values {
    at: u64,
    begun: bool,
    /// The key, or all of a line without an equals sign; cut when it is long.
    key: String,
    /// What is between the key and here is not whole yet.
    rest: Vec<u8>,
    has_value: bool,
    count: i64,
    numbers: Vec<i32>,
    /// Whether every value is a whole number.
    whole: bool,
    too_many: bool,
    /// The beginning of the values, as they are spelled.
    shown: String,
}

impl Values {
    fn piece(&mut self, bytes: &[u8], at: u64) {
        let mut bytes = bytes;
        if !self.begun {
            self.begun = true;
            self.at = at;
            self.whole = true;
            let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
            let end = head.iter().position(|&byte| byte == b'=');
            let key = bytes.get(..end.unwrap_or(head.len())).unwrap_or_default();
            self.key = String::from_utf8_lossy(key).into_owned();
            self.has_value = end.is_some();
            bytes = match end {
                Some(end) => bytes.get(end + 1..).unwrap_or_default(),
                None => return,
            };
        }
        if self.shown.len() < 4096 {
            self.shown
                .push_str(&String::from_utf8_lossy(bytes.get(..bytes.len().min(4096)).unwrap_or_default()));
        }
        // The last word may go on in the next piece.
        let mut words = bytes.split(|&byte| byte == b' ').peekable();
        while let Some(word) = words.next() {
            if self.rest.len() + word.len() <= 4096 {
                self.rest.extend_from_slice(word);
            }
            if words.peek().is_some() {
                self.word();
            }
        }
    }

    fn word(&mut self) {
        let word = mem::take(&mut self.rest);
        if word.is_empty() {
            return;
        }
        self.count = self.count.saturating_add(1);
        let number = std::str::from_utf8(&word).ok().and_then(|word| word.parse::<i32>().ok());
        self.whole &= number.is_some();
        if self.numbers.len() >= limits::TREE_NODES {
            self.too_many = true;
        } else if self.whole {
            self.numbers.extend(number);
        } else {
            self.numbers.clear();
        }
    }

    fn one(&self) -> Option<i64> {
        match self.numbers[..] {
            [number] if self.whole && self.count == 1 => Some(i64::from(number)),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Header,
    Trees,
    /// Behind the trees: importances, parameters, categories of pandas.
    End,
    Parameters,
}

#[derive(Default)]
struct Model {
    part: Part,
    version: bool,
    classes: Option<i64>,
    largest_feature: Option<i64>,
    names: Option<i64>,
    infos: Option<i64>,
    sizes: Option<i64>,
    trees: i64,
    tree: Option<Tree>,
    open_parameters: bool,
    unknown: bool,
}

#[derive(Default)]
struct Tree {
    at: u64,
    leaves: Option<i64>,
    categories: i64,
    lengths: Vec<(&'static str, i64)>,
    left: Vec<i32>,
    right: Vec<i32>,
    features: Vec<i32>,
    decisions: Vec<i32>,
    boundaries: Vec<i32>,
    thresholds: i64,
    too_many: bool,
}

/// Lists with one item for each split.
const PER_SPLIT: [&str; 9] = [
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_value",
    "internal_weight",
    "internal_count",
];
/// Lists with one item for each leaf.
const PER_LEAF: [&str; 5] = ["leaf_value", "leaf_weight", "leaf_count", "leaf_const", "num_features"];

impl Model {
    fn line(&mut self, mut line: Values, scan: &mut Scan<'_>) {
        line.word();
        let at = line.at;
        let key = line.key.trim().to_owned();
        match (self.part, &*key) {
            (_, "") => {}
            (Part::Header | Part::Trees, "Tree") => {
                self.close(scan);
                self.part = Part::Trees;
                if line.one() != Some(self.trees) {
                    scan.find(
                        &rules::LGB_BROKEN,
                        at,
                        "the trees are not numbered one after the other".to_owned(),
                    );
                }
                self.trees += 1;
                self.tree = Some(Tree { at, ..Tree::default() });
            }
            (Part::Header | Part::Trees, "end of trees") => {
                self.close(scan);
                self.part = Part::End;
            }
            (Part::Header, _) => self.header(&key, &line, scan),
            (Part::Trees, _) => match &mut self.tree {
                Some(tree) => {
                    if !tree.line(&key, line) {
                        self.unknown(at, &key, scan);
                    }
                }
                None => self.unknown(at, &key, scan),
            },
            (Part::End, "parameters:") => {
                self.part = Part::Parameters;
                self.open_parameters = true;
            }
            (Part::Parameters, "end of parameters") => {
                self.part = Part::End;
                self.open_parameters = false;
            }
            (Part::Parameters, _) => {
                if looks_like_code(&key) || looks_like_code(&line.shown) {
                    scan.find(&rules::LGB_CODE, at, "a parameter looks like code".to_owned());
                }
                if !key.starts_with('[') {
                    self.unknown(at, &key, scan);
                }
            }
            (Part::End, _) => {
                let known = matches!(&*key, "feature_importances:" | "end of parameters" | "loaded_parameters:")
                    || key.starts_with("pandas_categorical:")
                    // Importances: a name and a number.
                    || line.has_value;
                if looks_like_code(&key) || looks_like_code(&line.shown) {
                    scan.find(&rules::LGB_CODE, at, "a text looks like code".to_owned());
                }
                if !known {
                    self.unknown(at, &key, scan);
                }
            }
        }
    }

    fn header(&mut self, key: &str, line: &Values, scan: &mut Scan<'_>) {
        let at = line.at;
        if looks_like_code(&line.shown) {
            scan.find(&rules::LGB_CODE, at, format!("'{key}' looks like code"));
        }
        match key {
            "tree" | "average_output" if !line.has_value => {}
            "version" => {
                self.version = true;
                if !matches!(&*line.shown, "v2" | "v3" | "v4") {
                    self.unknown(at, "version", scan);
                }
            }
            "num_class" => {
                self.classes = line.one();
                self.at_least(key, line, 1, scan);
            }
            "num_tree_per_iteration" => self.at_least(key, line, 1, scan),
            "label_index" => self.at_least(key, line, -1, scan),
            "max_feature_idx" => {
                self.largest_feature = line.one();
                self.at_least(key, line, 0, scan);
            }
            "feature_names" => self.names = Some(line.count),
            "feature_infos" => self.infos = Some(line.count),
            "tree_sizes" => self.sizes = Some(line.count),
            "objective" | "monotone_constraints" | "boosting" => {}
            _ => self.unknown(at, key, scan),
        }
    }

    fn at_least(&self, key: &str, line: &Values, least: i64, scan: &mut Scan<'_>) {
        if line.one().is_none_or(|number| number < least) {
            let shown: String = line.shown.chars().take(40).collect();
            scan.find(&rules::LGB_BROKEN, line.at, format!("'{key}' is '{shown}'"));
        }
    }

    fn unknown(&mut self, at: u64, key: &str, scan: &mut Scan<'_>) {
        if !mem::replace(&mut self.unknown, true) {
            let shown: String = key.chars().take(80).collect();
            scan.find(&rules::LGB_UNKNOWN, at, format!("'{shown}'"));
        }
    }

    fn close(&mut self, scan: &mut Scan<'_>) {
        let Some(tree) = self.tree.take() else { return };
        if let Err(what) = tree.check(self.largest_feature.unwrap_or(i64::MAX)) {
            scan.find(&rules::LGB_TREES, tree.at, what.to_owned());
        } else if tree.too_many {
            scan.find(&limits::TREE_TOO_LARGE, tree.at, format!("more than {} nodes", limits::TREE_NODES));
        }
    }

    fn finish(mut self, scan: &mut Scan<'_>) {
        self.close(scan);
        let mut wrong = |what: &str| scan.find(&rules::LGB_BROKEN, None, what.to_owned());
        if !self.version || self.classes.is_none() || self.largest_feature.is_none() {
            wrong("its version, its classes or its features are missing");
        }
        let features = self.largest_feature.map(|largest| largest + 1);
        if self.names.is_some() && self.names != features || self.infos.is_some() && self.infos != features {
            wrong("there is not one name for each feature");
        }
        if self.part != Part::End || self.open_parameters {
            wrong("it ends before its end");
        } else if self.sizes.is_some_and(|sizes| sizes != self.trees) {
            wrong("there are more or fewer trees than it says");
        }
    }
}

impl Tree {
    /// False when the key is not known.
    fn line(&mut self, key: &str, line: Values) -> bool {
        self.too_many |= line.too_many;
        if let Some(name) = PER_SPLIT.iter().chain(&PER_LEAF).find(|name| **name == key) {
            self.lengths.push((name, line.count));
        }
        match key {
            "num_leaves" => self.leaves = line.one(),
            "num_cat" => self.categories = line.one().unwrap_or(-1),
            "split_feature" => self.features = line.numbers,
            "left_child" => self.left = line.numbers,
            "right_child" => self.right = line.numbers,
            "decision_type" => self.decisions = line.numbers,
            "cat_boundaries" => self.boundaries = line.numbers,
            "cat_threshold" => self.thresholds = line.count,
            "is_linear" | "shrinkage" | "leaf_features" | "leaf_coeff" => {}
            _ => return PER_SPLIT.contains(&key) || PER_LEAF.contains(&key),
        }
        true
    }

    fn check(&self, largest_feature: i64) -> Result<(), &'static str> {
        let leaves = self.leaves.filter(|&leaves| leaves >= 1).ok_or("a tree has no leaves")?;
        let count = |name: &str| self.lengths.iter().find(|(known, _)| *known == name).map(|(_, len)| *len);
        if count("leaf_value").is_none() {
            return Err("a tree has no values");
        }
        for (name, len) in &self.lengths {
            // What was left empty is not there: a tree of one leaf, and linear ones.
            let optional = matches!(*name, "leaf_weight" | "leaf_count" | "leaf_const" | "num_features");
            let need = if PER_LEAF.contains(name) { leaves } else { leaves - 1 };
            if *len != need && !(*len == 0 && optional) {
                return Err("a list of a tree has another length than it should");
            }
        }
        if leaves == 1 {
            return Ok(());
        }
        if ["split_feature", "threshold", "left_child", "right_child", "decision_type"]
            .iter()
            .any(|n| count(n).is_none())
        {
            return Err("a tree lacks a list");
        }
        if self.categories < 0
            || self.boundaries.len() as u64
                != match self.categories {
                    0 => self.boundaries.len() as u64,
                    many => many.unsigned_abs() + 1,
                }
        {
            return Err("categories of a tree do not fit together");
        }
        let rising = self.boundaries.is_sorted() && self.boundaries.first().is_none_or(|&first| first >= 0);
        if !rising || self.boundaries.last().is_some_and(|&last| i64::from(last) > self.thresholds) {
            return Err("categories of a tree lie beside their list");
        }
        if self.too_many {
            return Ok(());
        }
        let splits = usize::try_from(leaves - 1).unwrap_or(usize::MAX);
        if [&self.features, &self.left, &self.right].iter().any(|list| list.len() != splits) {
            return Err("a child or a feature is no number");
        }
        if self.features.iter().any(|&feature| feature < 0 || i64::from(feature) > largest_feature) {
            return Err("a split is by a feature that does not exist");
        }
        let child = |number: i32| match u64::try_from(number) {
            Ok(node) => Child::Node(node),
            // Leaves are counted from -1 downwards.
            Err(_) => Child::Leaf(u64::from(number.unsigned_abs()) - 1),
        };
        let pairs = self.left.iter().zip(&self.right).map(|(&left, &right)| (child(left), child(right)));
        trees::check(splits, splits + 1, pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    const MODEL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=2\n\
        objective=binary sigmoid:1\nfeature_names=a b c\nfeature_infos=[0:1] [0:1] none\ntree_sizes=300 100\n\n\
        Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 2\nsplit_gain=4 2\nthreshold=0.5 0.1\ndecision_type=2 2\n\
        left_child=1 -1\nright_child=-3 -2\nleaf_value=-0.1 0.3 0.5\nleaf_weight=5 6 7\nleaf_count=24 26 3\n\
        internal_value=0.1 0\ninternal_weight=12 3\ninternal_count=50 5\nis_linear=0\nshrinkage=1\n\n\n\
        Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=0.5\nis_linear=0\nshrinkage=1\n\n\nend of trees\n\n\
        feature_importances:\na=2\nb=1\n\nparameters:\n[boosting: gbdt]\n[data: ]\nend of parameters\n\n\
        pandas_categorical:null\n";

    #[test]
    fn models_are_clean() {
        for name in ["model.txt", "lgb.model"] {
            let found = look(name, MODEL.as_bytes());
            assert_eq!((found.format, found.verdict()), (FileFormat::Lightgbm, Verdict::Clean), "{found:?}");
            assert!(found.contents.capabilities.contains(&Capability::NativeState));
        }
        let found = look("a.txt", MODEL.replace('\n', "\r\n").as_bytes());
        assert_eq!(found.verdict(), Verdict::Clean, "{found:?}");
    }

    #[test]
    fn lines_of_any_length_are_read() {
        // A chain: each split has a leaf and the next split.
        let leaves = 30_000;
        let list = |of: &dyn Fn(i64) -> i64, len: i64| {
            (0..len).map(|n| of(n).to_string()).collect::<Vec<_>>().join(" ")
        };
        let tree = format!(
            "Tree=0\nnum_leaves={leaves}\nnum_cat=0\nsplit_feature={0}\nthreshold={0}\ndecision_type={0}\nleft_child={1}\n\
             right_child={2}\nleaf_value={3}\n\nend of trees\n",
            list(&|_| 0, leaves - 1),
            list(&|n| -n - 1, leaves - 1),
            list(&|n| if n + 2 == leaves { -leaves } else { n + 1 }, leaves - 1),
            list(&|n| n, leaves),
        );
        let head =
            "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\nfeature_names=a\n";
        let found = look("a.txt", format!("{head}{tree}").as_bytes());
        assert_eq!(found.verdict(), Verdict::Clean, "{found:?}");
        let found = look("a.txt", format!("{head}{}", tree.replace(" -29000 ", " -28999 ")).as_bytes());
        assert_eq!(rules_in(&found), ["LGB002"]);
    }

    #[test]
    fn what_does_not_fit_together_is_found() {
        for (from, to, rule) in [
            ("num_class=1", "num_class=-1", "LGB001"),
            ("max_feature_idx=2", "max_feature_idx=x", "LGB001"),
            ("max_feature_idx=2", "max_feature_idx=3", "LGB001"),
            ("tree_sizes=300 100", "tree_sizes=300", "LGB001"),
            ("Tree=1", "Tree=2", "LGB001"),
            ("end of trees", "", "LGB001"),
            ("end of parameters", "", "LGB001"),
            ("num_leaves=3", "num_leaves=4", "LGB002"),
            ("num_leaves=3", "num_leaves=-1", "LGB002"),
            ("left_child=1 -1", "left_child=0 -1", "LGB002"),
            ("left_child=1 -1", "left_child=1 -2", "LGB002"),
            ("left_child=1 -1", "left_child=1 -9", "LGB002"),
            ("left_child=1 -1", "left_child=1 x", "LGB002"),
            ("left_child=1 -1", "left_child=1 -2147483648", "LGB002"),
            ("split_feature=0 2", "split_feature=0 3", "LGB002"),
            ("num_cat=0\nsplit", "num_cat=1\nsplit", "LGB002"),
            ("[data: ]", "[data: $(curl x)]", "LGB003"),
            ("shrinkage=1\n\n\nTree", "other=1\n\n\nTree", "LGB004"),
            ("version=v4", "version=v9", "LGB004"),
        ] {
            let changed = MODEL.replacen(from, to, 1);
            assert_ne!(changed, MODEL, "{from}");
            let found = look("a.txt", changed.as_bytes());
            assert!(rules_in(&found).contains(&rule), "{to}: {found:?}");
        }
        // Old versions end with the trees.
        let (trees, parameters) = (MODEL.find("end of trees").unwrap(), MODEL.find("parameters:").unwrap());
        let end = MODEL.find("pandas").unwrap() - 1;
        for end in (14..trees + 12).chain(parameters + 12..end - 1) {
            assert!(look("a.txt", &MODEL.as_bytes()[..end]).verdict() > Verdict::Clean, "{end}");
        }
    }
}
