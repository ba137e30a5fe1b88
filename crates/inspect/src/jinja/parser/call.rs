//! Calls and filters: what they give, and what they are given.

use super::{Parsed, Parser, judge::is_format};
use crate::{
    jinja::{
        known::{self, has},
        rules,
        value::{From, Value},
    },
    limits,
};

impl Parser<'_> {
    pub(super) fn call(
        &mut self,
        called: &Callee,
        value: Value,
        root: Option<&String>,
        at: usize,
    ) -> Parsed<Value> {
        let given = self.arguments()?;
        let all = given.all();
        Ok(match called {
            Callee::Function(name) => {
                if name == "strftime_now" {
                    self.widths(&all, at);
                    return Ok(Value::default());
                }
                if name == "range" || name == "lipsum" {
                    let most = given.values.iter().filter_map(|(_, value)| value.int).max();
                    if let Some(most) = most.filter(|most| *most > limits::JINJA_RANGE) {
                        self.find(&rules::WORK, at, format!("{name} of {most}"));
                    }
                    return Ok(Value { int: most, ..Value::default() });
                }
                if matches!(name.as_str(), "namespace" | "dict") {
                    for (key, value) in &given.values {
                        if let Some(key) = key {
                            self.set(&format!(".{key}"), value);
                        }
                    }
                    let made = given.keys().or(&all).within();
                    return Ok(Value { mapping: true, fixed: false, ..made });
                }
                if self.names.contains_key(&format!("{name}()")) {
                    self.set(&format!("{name}("), &all);
                    return Ok(self.names.get(&format!("{name}()")).cloned().unwrap_or_default());
                }
                if self.names.contains_key(name) && name != "loop" && name != "caller" {
                    self.find(&rules::UNKNOWN_CALL, at, format!("a call of '{name}', which is a value"));
                }
                if value.is_text() || all.is_text() {
                    value.or(&all).blurred()
                } else {
                    Value::default().made_of(&all)
                }
            }
            Callee::Method(name) if is_format(name) => {
                self.format(name, &value, at);
                value.or(&all).blurred()
            }
            Callee::Method(name) => {
                self.method_given(name, &given, at);
                let from = value.from.or(all.from).taken();
                let made = match name.as_str() {
                    "get" | "setdefault" | "pop" => {
                        if let Some((_, key)) = given.values.first() {
                            self.key(key, at);
                        }
                        let rest: Vec<&Value> = given.values.iter().skip(1).map(|(_, value)| value).collect();
                        rest.into_iter().fold(value.part(), |value, other| value.or(other))
                    }
                    "join" => all.mixed(&value),
                    "replace" | "removeprefix" | "removesuffix" | "center" | "ljust" | "rjust" => {
                        value.mixed(&all)
                    }
                    "lower" | "casefold" => value.map(str::to_lowercase),
                    "upper" => value.map(str::to_uppercase),
                    "items" => {
                        let from = value.from;
                        Value { from, ..value.within() }
                    }
                    "keys" | "values" | "copy" => value,
                    "append" | "extend" | "insert" | "update" => {
                        for (key, value) in &given.values {
                            if let Some(key) = key {
                                self.set(&format!(".{key}"), value);
                            }
                        }
                        if let Some(root) = root.filter(|_| all.is_text() || all.from.data) {
                            self.set(root, &all.within());
                        }
                        Value::default()
                    }
                    name if name.starts_with("is")
                        || matches!(name, "startswith" | "endswith" | "count" | "find") =>
                    {
                        Value::default()
                    }
                    _ => value.letters(),
                };
                match name.as_str() {
                    "count" | "find" | "rfind" | "index" | "rindex" | "startswith" | "endswith"
                    | "strftime" | "append" | "extend" | "insert" | "update" => made,
                    name if name.starts_with("is") => made,
                    "keys" | "items" | "copy" => made,
                    "values" | "split" | "rsplit" | "splitlines" | "partition" | "rpartition" => {
                        Value { from: From { held: from.data, ..from }, ..made }
                    }
                    _ => Value { from: made.from.or(from).taken(), ..made },
                }
            }
            Callee::Other => {
                self.find(&rules::UNKNOWN_CALL, at, "a call of something that is computed".to_owned());
                Value::default()
            }
        })
    }

    pub(super) fn filter(&mut self, value: Value) -> Parsed<Value> {
        let at = self.place();
        let mut name = self.name()?;
        while self.eat(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let given = if self.eat("(") { self.arguments()? } else { Arguments::default() };
        self.apply(&name, value, &given, at)
    }

    /// What a filter gives.
    pub(super) fn apply(&mut self, name: &str, value: Value, given: &Arguments, at: usize) -> Parsed<Value> {
        if !has(known::FILTERS, name) {
            self.find(&rules::UNKNOWN_CALL, at, format!("the filter '{name}', which loaders do not have"));
        }
        let first = given.values.iter().find(|(key, _)| key.is_none()).map(|(_, value)| value);
        for (key, attribute) in &given.values {
            if key.as_deref() == Some("attribute") {
                self.path(attribute, at);
            }
        }
        self.filter_given(name, &value, given, at);
        let from = value.from.or(given.all().from);
        let made = match name {
            "attr" => {
                let key = first.cloned().unwrap_or_default();
                if !self.key(&key, at) {
                    self.find(&rules::COMPUTED_NAME, at, "the filter 'attr'".to_owned());
                }
                Value::default()
            }
            "map" => {
                if let Some(first) = first {
                    for text in &first.texts {
                        if &**text == "attr" {
                            let key = given.values.get(1).map(|(_, key)| key.clone()).unwrap_or_default();
                            if !self.key(&key, at) {
                                self.find(&rules::COMPUTED_NAME, at, "the filter 'attr'".to_owned());
                            }
                        } else if !has(known::FILTERS, text) {
                            self.find(&rules::UNKNOWN_CALL, at, format!("the filter '{text}'"));
                        }
                    }
                    if first.built || first.texts.is_empty() {
                        self.find(
                            &rules::COMPUTED_NAME,
                            at,
                            "'map' with a filter that is computed".to_owned(),
                        );
                    }
                }
                let all = given.all();
                if value.is_text() { value.or(&all).letters() } else { Value::default() }
            }
            "selectattr" | "rejectattr" | "groupby" => value,
            "safe" | "e" | "escape" => value,
            "sort" | "unique" | "select" | "reject" | "list" => value.listed(),
            "dictsort" | "items" | "batch" | "slice" => Value { from: value.from, ..value.listed().within() },
            "min" | "max" | "random" | "first" | "last" => value.part(),
            "default" | "d" => first.map_or_else(|| value.clone(), |first| value.clone().or(first)),
            "lower" => value.map(str::to_lowercase),
            "upper" => value.map(str::to_uppercase),
            "trim" if given.values.is_empty() => value.map(|text| text.trim().to_owned()),
            "trim" => value.letters(),
            "reverse" => value.clone().or(&value.map(|text| text.chars().rev().collect())),
            "capitalize" | "title" => value.map(|text| {
                let mut chars = text.chars();
                chars
                    .next()
                    .into_iter()
                    .flat_map(char::to_uppercase)
                    .chain(chars.flat_map(char::to_lowercase))
                    .collect()
            }),
            "int" => {
                let texts = value.texts.iter().filter_map(|text| text.trim().parse().ok());
                Value { int: texts.max().or(value.int), ..Value::default() }
            }
            "length" | "count" | "float" | "abs" | "round" | "wordcount" | "filesizeformat" | "sum" => {
                Value::default()
            }
            "format" => self.percent(&value, &given.all(), at),
            "join" | "replace" => {
                let mut mixed = value.mixed(&given.all());
                // What is joined is a text, wherever it comes from.
                mixed.built = true;
                mixed
            }
            _ => value.letters().blurred(),
        };
        Ok(match name {
            "length" | "count" | "float" | "abs" | "round" | "wordcount" | "filesizeformat" | "int" => made,
            "list" | "sort" | "unique" | "reverse" | "select" | "reject" | "selectattr" | "rejectattr"
            | "items" | "dictsort" | "default" | "d" | "safe" => {
                made.made_of(&Value { from, ..Value::default() })
            }
            "first" | "last" | "min" | "max" | "random" | "attr" | "sum" => {
                Value { from: From { held: false, ..made.from.or(from).taken() }, ..made }
            }
            "map" | "groupby" | "batch" | "slice" => {
                Value { from: From { held: from.data, ..made.from.or(from).taken() }, ..made }
            }
            _ => Value { from: made.from.or(from).taken(), ..made },
        })
    }

    /// What methods are given that is more than a value: functions, and widths.
    fn method_given(&mut self, name: &str, given: &Arguments, at: usize) {
        let key = given.values.iter().any(|(key, _)| key.as_deref() == Some("key"));
        if key || given.spread && name == "sort" {
            self.find(&rules::UNKNOWN_CALL, at, format!("the method '{name}', which calls what it is given"));
        }
        match name {
            "ljust" | "rjust" | "center" | "zfill" | "expandtabs" => {
                for (_, width) in &given.values {
                    self.width(name, width, at);
                }
            }
            "strftime" => {
                let all = given.all();
                self.widths(&all, at);
            }
            _ => {}
        }
    }

    /// What filters are given that is more than a value: names of attributes, and widths.
    fn filter_given(&mut self, name: &str, value: &Value, given: &Arguments, at: usize) {
        if given.spread {
            let what = format!("the filter '{name}' with names that are not written out");
            self.find(&rules::COMPUTED_NAME, at, what);
        }
        let places: Vec<&Value> =
            given.values.iter().filter(|(key, _)| key.is_none()).map(|(_, value)| value).collect();
        for (filter, place) in known::BY_ATTRIBUTE {
            if *filter == name
                && let Some(attribute) = places.get(*place)
            {
                self.path(attribute, at);
            }
            // A filter that `map` calls for each item.
            let mapped = name == "map" && places.first().is_some_and(|first| first.texts.contains(*filter));
            if mapped && let Some(attribute) = places.get(*place + 1) {
                self.path(attribute, at);
            }
        }
        match name {
            "center" | "indent" | "batch" | "slice" | "tojson" | "ljust" | "rjust" | "zfill" => {
                for (_, width) in &given.values {
                    self.width(name, width, at);
                }
            }
            _ => {}
        }
        // `center` and the like, called by `map`.
        if name == "map" {
            for (_, width) in &given.values {
                self.width(name, width, at);
            }
        }
        if name == "format" {
            self.widths(value, at);
        }
    }
}

/// What is called.
pub(super) enum Callee {
    Function(String),
    Method(String),
    Other,
}

/// What is given to a function or a filter.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) values: Vec<(Option<String>, Value)>,
    /// Whether there is a list or a mapping that is spread.
    pub(super) spread: bool,
}

impl Arguments {
    pub(super) fn all(&self) -> Value {
        self.values.iter().fold(Value::default(), |all, (_, value)| all.or(value))
    }

    pub(super) fn keys(&self) -> Value {
        let keys = self.values.iter().filter_map(|(key, _)| key.as_deref());
        keys.fold(Value::default(), |all, key| all.or(&Value::text(key)))
    }
}
