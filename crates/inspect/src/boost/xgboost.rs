//! XGBoost's models, in JSON and in universal binary JSON: the same document in two spellings.

mod tree;

use super::{
    looks_like_code, rules,
    ubjson::{Event, Problem, Reader},
};
use crate::{
    json::{self, Document, Kind, Value},
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};
use tree::{List, PER_NODE, Tree};

/// The door from `json`.
pub(crate) struct XgboostJson;

impl Kind for XgboostJson {
    fn matches(&self, _: &str, top: &Value) -> bool {
        let learner = top.get("learner");
        learner.is_some_and(|learner| {
            learner.get("gradient_booster").or(learner.get("learner_model_param")).is_some()
        })
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let mut model = Model::default();
        if document.whole {
            model.value(&document.top, scan);
            model.finish(scan);
            return Ok(FileFormat::XgboostJson);
        }
        let Some(mut reader) = document.reader(scan) else { return Ok(FileFormat::XgboostJson) };
        // A mark before it was found already.
        let _ = reader.skip_mark();
        // What is wrong with it as JSON was found, too.
        while let Ok(event) = reader.next() {
            let text = || reader.text().unwrap_or_default();
            let at = reader.began();
            match event {
                json::Event::End => break,
                json::Event::BeginObject => model.begin(true, at, scan),
                json::Event::BeginArray => model.begin(false, at, scan),
                json::Event::EndObject | json::Event::EndArray => model.end(at, scan),
                json::Event::Name => model.name(text()),
                json::Event::Text => model.text(text(), at, scan),
                json::Event::Number => match text().parse() {
                    Ok(number) => model.int(number, at, scan),
                    Err(_) => model.float(),
                },
                json::Event::Bool(value) => model.int(i64::from(value), at, scan),
                json::Event::Null => model.float(),
            }
        }
        model.finish(scan);
        Ok(FileFormat::XgboostJson)
    }
}

/// The door from `route` for universal binary JSON.
pub(crate) struct XgboostUbj;

impl Format for XgboostUbj {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let [b'{', marker, rest @ ..] = probe.head else { return None };
        let width = match marker {
            b'i' | b'U' => 1,
            b'I' => 2,
            b'l' => 4,
            b'L' => 8,
            _ => {
                return (probe.extension == "ubj" && matches!(marker, b'}' | b'#' | b'$'))
                    .then_some(Match::Sure);
            }
        };
        let len = rest.get(..width)?.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
        let name = rest.get(width..)?;
        let name = name.get(..usize::try_from(len).unwrap_or(usize::MAX).min(name.len()))?;
        let known = [&b"learner"[..], b"version", b"Config", b"Model"].contains(&name);
        (known || probe.extension == "ubj").then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let mut reader = Reader::new(content.into_stream());
        let mut model = Model::default();
        loop {
            let at = reader.at();
            match reader.next() {
                Ok(Event::End) => break,
                Ok(Event::BeginObject) => model.begin(true, at, scan),
                Ok(Event::BeginArray) => model.begin(false, at, scan),
                Ok(Event::EndObject | Event::EndArray) => model.end(at, scan),
                Ok(Event::Name) => model.name(&reader.text()),
                Ok(Event::Text) => model.text(&reader.text(), at, scan),
                Ok(Event::Int(number)) => model.int(number, at, scan),
                Ok(Event::Float(_) | Event::Other) => model.float(),
                Err(problem) => {
                    match problem {
                        Problem::Syntax(what) => scan.find(&rules::UBJSON, at, what.to_owned()),
                        Problem::Deep => {
                            let message = format!("more than {} levels", limits::JSON_DEPTH);
                            scan.find(&limits::JSON_TOO_DEEP, at, message);
                        }
                        Problem::Read(error) => scan.unreadable(error, &crate::compress::rules::CORRUPT)?,
                    }
                    return Ok(FileFormat::XgboostUbj);
                }
            }
        }
        match reader.peek() {
            Ok(None) => {}
            Ok(Some(_)) => {
                scan.find(&rules::UBJSON_AFTER, reader.at(), "the model has ended before".to_owned())
            }
            Err(Problem::Read(error)) => scan.unreadable(error, &crate::compress::rules::CORRUPT)?,
            Err(_) => {}
        }
        model.finish(scan);
        Ok(FileFormat::XgboostUbj)
    }
}

/// The document, as far as it matters, while it goes by.
#[derive(Default)]
struct Model {
    open: Vec<Open>,
    /// The name whose value comes next.
    name: String,
    /// The tree that goes by, and how deep it lies.
    tree: Option<(usize, u64, Tree)>,
    features: Option<i64>,
    trees: i64,
    /// How many trees there should be.
    trees_said: Option<i64>,
    /// Length of the list that says of each tree which class it is of.
    tree_info: Option<i64>,
    booster: bool,
    linear: bool,
    code_seen: bool,
    /// Where the last name was, of a document that was kept.
    place: u64,
}

struct Open {
    object: bool,
    /// The name of which it is the value, or of the array that it lies in.
    name: String,
    items: i64,
    /// Which array of a tree it is.
    list: Option<List>,
}

impl Model {
    /// A value that was kept, which is never deep.
    fn value(&mut self, value: &Value, scan: &mut Scan<'_>) {
        // Where it is, is known of names only.
        let at = self.place;
        match value {
            Value::Object(object) => {
                self.begin(true, at, scan);
                for member in &object.members {
                    self.place = member.at;
                    self.name(&member.name);
                    self.value(&member.value, scan);
                }
                self.end(at, scan);
            }
            Value::Array(array) => {
                self.begin(false, at, scan);
                array.items.iter().for_each(|item| self.value(item, scan));
                self.end(at, scan);
            }
            Value::Int(number) => self.int(*number, at, scan),
            Value::Bool(value) => self.int(i64::from(*value), at, scan),
            Value::Text(text) => self.text(text, at, scan),
            Value::Float(_) | Value::Null | Value::LongText(_) => self.float(),
        }
    }

    fn begin(&mut self, object: bool, at: u64, scan: &mut Scan<'_>) {
        self.item();
        let name = std::mem::take(&mut self.name);
        let in_array = self.open.last().filter(|open| !open.object).map(|open| open.name.clone());
        let name = in_array.unwrap_or(name);
        if object
            && name == "trees"
            && self.open.last().is_some_and(|open| !open.object)
            && self.tree.is_none()
        {
            self.trees = self.trees.saturating_add(1);
            self.tree = Some((self.open.len(), at, Tree::default()));
        }
        self.booster |= object && name == "gradient_booster";
        if self.open.is_empty() && !object {
            scan.find(&rules::SCHEMA, at, "it is no object".to_owned());
        }
        let list = if object { None } else { List::of(&name) };
        self.open.push(Open { object, name, items: 0, list });
    }

    fn end(&mut self, _: u64, scan: &mut Scan<'_>) {
        let Some(open) = self.open.pop() else { return };
        self.name.clear();
        match &mut self.tree {
            Some((depth, at, tree)) if *depth == self.open.len() => {
                if let Err(what) = tree.check() {
                    scan.find(&rules::TREES, *at, what.to_owned());
                } else if tree.too_large {
                    scan.find(
                        &limits::TREE_TOO_LARGE,
                        *at,
                        format!("more than {} nodes", limits::TREE_NODES),
                    );
                }
                self.tree = None;
            }
            Some((_, _, tree)) if !open.object => {
                if open.name == "leaf_weights" {
                    tree.weights = open.items;
                }
                if let Some(name) = PER_NODE.iter().find(|name| **name == open.name) {
                    tree.lengths.push((name, open.items));
                }
            }
            None if !open.object && open.name == "tree_info" => self.tree_info = Some(open.items),
            _ => {}
        }
    }

    fn name(&mut self, name: &str) {
        self.name.clear();
        self.name.extend(name.chars().take(64));
    }

    fn text(&mut self, text: &str, at: u64, scan: &mut Scan<'_>) {
        // Numbers of parameters are spelled as texts.
        match text.parse::<i64>() {
            Ok(number) => self.int(number, at, scan),
            Err(_) => {
                let parameter = self.above().ends_with("_param");
                let count = self.name.starts_with("num_") || self.name.starts_with("size_");
                if parameter && count {
                    scan.find(&rules::SCHEMA, at, format!("'{}' is no number", self.name));
                }
                if self.above() == "gradient_booster" && self.name == "name" {
                    self.linear = text == "gblinear";
                    if !matches!(text, "gbtree" | "dart" | "gblinear") {
                        scan.find(&rules::SCHEMA, at, "there is no such booster".to_owned());
                    }
                }
                if !self.code_seen && looks_like_code(text) {
                    self.code_seen = true;
                    scan.find(&rules::CODE, at, format!("in '{}' of '{}'", self.name, self.above()));
                }
                self.item();
            }
        }
    }

    fn int(&mut self, number: i64, at: u64, scan: &mut Scan<'_>) {
        // Nearly all numbers are here, and only those of a few arrays matter.
        if let Some(open) = self.open.last_mut().filter(|open| !open.object) {
            open.items = open.items.saturating_add(1);
            if let (Some((_, _, tree)), Some(list)) = (&mut self.tree, open.list) {
                tree.number(list, number);
            }
            return;
        }
        let above = self.above().to_owned();
        let name = std::mem::take(&mut self.name);
        let parameter = above.ends_with("_param");
        let count = name.starts_with("num_") || name.starts_with("size_");
        if parameter && count && (number < 0 || number > i64::from(i32::MAX)) {
            scan.find(&rules::SCHEMA, at, format!("'{name}' is {number}"));
        }
        match (&*above, &*name) {
            ("learner_model_param", "num_feature") => self.features = Some(number),
            ("gbtree_model_param", "num_trees") => self.trees_said = Some(number),
            _ => {}
        }
        if let Some((_, _, tree)) = &mut self.tree {
            match (&*above, &*name) {
                ("tree_param", "num_nodes") => tree.nodes = Some(number),
                ("tree_param", "num_feature") => tree.features = Some(number),
                ("tree_param", "size_leaf_vector") => tree.width = number,
                _ => {}
            }
        }
        self.item();
    }

    fn float(&mut self) {
        // A number that is none where a child should be.
        if let Some((_, _, tree)) = &mut self.tree
            && let Some(list @ (List::Left | List::Right | List::Indices)) =
                self.open.last().and_then(|open| open.list)
        {
            tree.number(list, i64::MAX);
        }
        self.item();
    }

    /// One more item of the array that is open.
    fn item(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.items = open.items.saturating_add(1);
        }
    }

    /// The name of what is open.
    fn above(&self) -> &str {
        self.open.last().map_or("", |open| &open.name)
    }

    fn finish(self, scan: &mut Scan<'_>) {
        let mut wrong = |what: String| scan.find(&rules::SCHEMA, None, what);
        if self.features.is_none() {
            wrong("it does not say how many features there are".to_owned());
        }
        if !self.booster {
            wrong("there is no booster".to_owned());
        } else if !self.linear {
            match self.trees_said {
                None => wrong("it does not say how many trees there are".to_owned()),
                Some(said) if said != self.trees => {
                    wrong(format!("there are {} trees, and it says {said}", self.trees));
                }
                Some(said) if self.tree_info != Some(said) => {
                    wrong("there is not one item for each tree in 'tree_info'".to_owned());
                }
                Some(_) => {}
            }
        }
        scan.contents.capabilities.insert(Capability::NativeState);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    fn tree() -> String {
        r#"{"base_weights": [0.1, 0.2, 0.3], "categories": [], "categories_nodes": [], "categories_segments": [],
            "categories_sizes": [], "default_left": [0, 0, 0], "id": 0, "left_children": [1, -1, -1],
            "loss_changes": [0.0, 0.0, 0.0], "parents": [2147483647, 0, 0], "right_children": [2, -1, -1],
            "split_conditions": [0.5, 0.1, 0.2], "split_indices": [2, 0, 0], "split_type": [0, 0, 0],
            "sum_hessian": [1.0, 1.0, 1.0],
            "tree_param": {"num_deleted": "0", "num_feature": "3", "num_nodes": "3", "size_leaf_vector": "1"}}"#
            .to_owned()
    }

    fn model() -> String {
        format!(
            r#"{{"learner": {{"attributes": {{"best_score": "0.5"}}, "feature_names": [], "feature_types": [],
            "gradient_booster": {{"model": {{"gbtree_model_param": {{"num_parallel_tree": "1", "num_trees": "1"}},
            "tree_info": [0], "trees": [{}]}}, "name": "gbtree"}},
            "learner_model_param": {{"base_score": "5E-1", "num_class": "0", "num_feature": "3", "num_target": "1"}},
            "objective": {{"name": "reg:squarederror", "reg_loss_param": {{"scale_pos_weight": "1"}}}}}},
            "version": [2, 0, 3]}}"#,
            tree()
        )
    }

    /// The same in universal binary JSON.
    fn binary(json: &str) -> Vec<u8> {
        fn put(value: &serde_json::Value, out: &mut Vec<u8>) {
            let text = |text: &str, out: &mut Vec<u8>| {
                out.push(b'L');
                out.extend((text.len() as i64).to_be_bytes());
                out.extend(text.as_bytes());
            };
            match value {
                serde_json::Value::Object(members) => {
                    out.push(b'{');
                    for (name, value) in members {
                        text(name, out);
                        put(value, out);
                    }
                    out.push(b'}');
                }
                serde_json::Value::Array(items) => {
                    out.extend(b"[#L");
                    out.extend((items.len() as i64).to_be_bytes());
                    items.iter().for_each(|item| put(item, out));
                }
                serde_json::Value::String(string) => {
                    out.push(b'S');
                    text(string, out);
                }
                serde_json::Value::Number(number) => match number.as_i64() {
                    Some(number) => {
                        out.push(b'l');
                        out.extend(i32::try_from(number).unwrap().to_be_bytes());
                    }
                    None => {
                        out.push(b'D');
                        out.extend(number.as_f64().unwrap().to_be_bytes());
                    }
                },
                _ => out.push(b'Z'),
            }
        }
        let mut out = Vec::new();
        put(&serde_json::from_str(json).unwrap(), &mut out);
        out
    }

    #[test]
    fn models_are_clean_in_both_spellings() {
        let found = look("model.json", model().as_bytes());
        assert_eq!((found.format, found.verdict()), (FileFormat::XgboostJson, Verdict::Clean), "{found:?}");
        assert!(found.contents.capabilities.contains(&Capability::NativeState));
        let found = look("model.ubj", &binary(&model()));
        assert_eq!((found.format, found.verdict()), (FileFormat::XgboostUbj, Verdict::Clean), "{found:?}");
        let linear = r#"{"learner": {"attributes": {}, "gradient_booster": {"model": {"weights": [0.1, 0.2]}, "name": "gblinear"},
            "learner_model_param": {"num_feature": "1"}}, "version": [2, 0, 3]}"#;
        assert_eq!(look("a.json", linear.as_bytes()).verdict(), Verdict::Clean);
    }

    #[test]
    fn trees_of_several_numbers_in_each_leaf() {
        let several = model()
            .replace(
                r#""right_children": [2, -1, -1]"#,
                r#""right_children": [2, 0, 1], "leaf_weights": [1.0, 2.0, 3.0, 4.0]"#,
            )
            .replace(r#""size_leaf_vector": "1""#, r#""size_leaf_vector": "2""#);
        let found = look("model.json", several.as_bytes());
        assert_eq!(found.verdict(), Verdict::Clean, "{found:?}");
        let beside = several.replace("[2, 0, 1]", "[2, 0, 2]");
        assert_eq!(rules_in(&look("model.json", beside.as_bytes())), ["XGB002"]);
    }

    #[test]
    fn what_does_not_fit_together_is_malformed() {
        for (from, to, rule) in [
            (r#""num_feature": "3", "num_target""#, r#""num_feature": "-1", "num_target""#, "XGB001"),
            (r#""num_feature": "3", "num_target""#, r#""num_features": "3", "num_target""#, "XGB001"),
            (r#""num_feature": "3", "num_target""#, r#""num_feature": "x", "num_target""#, "XGB001"),
            (r#""num_trees": "1""#, r#""num_trees": "2""#, "XGB001"),
            (r#""num_trees": "1""#, r#""num_trees": "99999999999""#, "XGB001"),
            (r#""tree_info": [0]"#, r#""tree_info": [0, 0]"#, "XGB001"),
            (r#""name": "gbtree""#, r#""name": "other""#, "XGB001"),
            (r#""num_nodes": "3""#, r#""num_nodes": "4""#, "XGB002"),
            (r#""num_nodes": "3""#, r#""num_nodes": "0""#, "XGB002"),
            (r#""left_children": [1, -1, -1]"#, r#""left_children": [1, -1]"#, "XGB002"),
            (r#""left_children": [1, -1, -1]"#, r#""left_children": [7, -1, -1]"#, "XGB002"),
            (r#""left_children": [1, -1, -1]"#, r#""left_children": [0, -1, -1]"#, "XGB002"),
            (r#""left_children": [1, -1, -1]"#, r#""left_children": [2, -1, -1]"#, "XGB002"),
            (r#""left_children": [1, -1, -1]"#, r#""left_children": [-2, -1, -1]"#, "XGB002"),
            (r#""left_children": [1, -1, -1]"#, r#""left_children": [1.5, -1, -1]"#, "XGB002"),
            (r#""split_indices": [2, 0, 0]"#, r#""split_indices": [3, 0, 0]"#, "XGB002"),
            (r#""split_indices": [2, 0, 0]"#, r#""split_indices": [-1, 0, 0]"#, "XGB002"),
            (r#""split_conditions""#, r#""conditions""#, "XGB002"),
            (r#""categories_nodes": []"#, r#""categories_nodes": [9]"#, "XGB002"),
            (r#""size_leaf_vector": "1""#, r#""size_leaf_vector": "-1""#, "XGB001"),
            (r#""best_score": "0.5""#, r#""x": "__import__('os').system('true')""#, "XGB003"),
        ] {
            let changed = model().replacen(from, to, 1);
            assert_ne!(changed, model(), "{from}");
            let found = look("model.json", changed.as_bytes());
            assert!(rules_in(&found).contains(&rule), "{to}: {found:?}");
            let found = look("model.ubj", &binary(&changed));
            assert!(rules_in(&found).contains(&rule), "{to}: {found:?}");
        }
    }

    #[test]
    fn truncation_anywhere_and_more_at_the_end_are_found() {
        let whole = binary(&model());
        for end in 1..whole.len() {
            assert!(look("model.ubj", &whole[..end]).verdict() > Verdict::Clean, "{end}");
        }
        let more = [&whole[..], b"x"].concat();
        assert_eq!(rules_in(&look("model.ubj", &more)), ["XGB005"]);
        assert_eq!(rules_in(&look("a.ubj", b"{L\0\0\0\0\0\0\0\x01a[$d#L\x10\0\0\0\0\0\0\0")), ["XGB004"]);
    }
}
