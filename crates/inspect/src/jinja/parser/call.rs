//! Calls and filters: what they give, and what they are given.

use super::{Parsed, Parser, judge::is_format};
use crate::{
    jinja::{
        known::{self, has},
        rules,
        value::Value,
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
                    return Ok(given.keys().or(&all).within());
                }
                if self.names.contains_key(&format!("{name}()")) {
                    self.set(&format!("{name}("), &all);
                    return Ok(self.names.get(&format!("{name}()")).cloned().unwrap_or_default());
                }
                if self.names.contains_key(name) && name != "loop" && name != "caller" {
                    self.find(&rules::UNKNOWN_CALL, at, format!("a call of '{name}', which is a value"));
                }
                if value.is_text() || all.is_text() { value.or(&all).blurred() } else { Value::default() }
            }
            Callee::Method(name) if is_format(name) => {
                self.format(name, &value, at);
                value.or(&all).blurred()
            }
            Callee::Method(name) => match name.as_str() {
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
                "items" => value.within(),
                "keys" | "values" | "copy" => value,
                "append" | "extend" | "insert" | "update" => {
                    for (key, value) in &given.values {
                        if let Some(key) = key {
                            self.set(&format!(".{key}"), value);
                        }
                    }
                    if let Some(root) = root.filter(|_| all.is_text()) {
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
            },
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
        Ok(match name {
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
            "selectattr" | "rejectattr" | "groupby" => {
                if let Some(first) = first {
                    self.path(first, at);
                }
                value
            }
            "safe" | "e" | "escape" => value,
            "sort" | "unique" | "select" | "reject" | "list" => value.listed(),
            "dictsort" | "items" | "batch" | "slice" => value.listed().within(),
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
            "length" | "count" | "int" | "float" | "abs" | "round" | "wordcount" | "filesizeformat"
            | "sum" => Value::default(),
            "format" => self.percent(&value, &given.all()),
            "join" | "replace" => {
                let mut mixed = value.mixed(&given.all());
                // What is joined is a text, wherever it comes from.
                mixed.built = true;
                mixed
            }
            _ => value.letters().blurred(),
        })
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
