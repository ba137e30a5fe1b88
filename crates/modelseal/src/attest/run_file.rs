//! `run.toml`: what a run was given, written by whoever runs it. `docs/provenance.md` describes every key.
//!
//! Strict: a key that is not known is refused with its line. Numbers are kept as the text that was written; a seed above
//! 2^53, or above 2^64, is a seed.

use super::{
    error::AttestError,
    input::{Input, InputKind, InputPin, pin},
    run::{Byproduct, Run},
};
use crate::disk;
use modelseal_core::{
    limits::{MAX_RUN_INPUTS, MAX_STATE_BYTES},
    predicate::build_type::BuildType,
    text::Printable,
};
use std::path::{Path, PathBuf};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The schema that a run file may name.
const SCHEMA: &str = "modelseal.run/v1";

/// Each dot of a key is a table within a table, which the parser does not bound. No key here needs more than one.
const MAX_LINE_DOTS: usize = 256;

const TOP: [&str; 16] = [
    "schema",
    "build-type",
    "entry-point",
    "config",
    "method",
    "format",
    "hyperparameters",
    "options",
    "source",
    "base",
    "dataset",
    "container",
    "lockfile",
    "builder",
    "internal",
    "byproduct",
];

/// Reads the file of a run. Paths in it are taken from the folder that it lies in.
///
/// # Errors
/// [`AttestError::RunFile`] with the line.
pub(super) fn read(path: &Path) -> Result<Run, AttestError> {
    let wrong = |line, why| AttestError::RunFile { path: path.to_owned(), line, why };
    let bytes = disk::read(path, MAX_STATE_BYTES).map_err(|e| wrong(None, e))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong(None, "it is not UTF-8".into()))?;
    parse(text, &disk::parent(path)).map_err(|Bad { at, why }| {
        let line =
            at.map(|at| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count());
        wrong(line, why)
    })
}

/// What is wrong, and where.
#[derive(Debug)]
struct Bad {
    at: Option<usize>,
    why: String,
}

fn parse(text: &str, folder: &Path) -> Result<Run, Bad> {
    check_dots(text)?;
    let root = DeTable::parse(text)
        .map_err(|e| Bad { at: e.span().map(|span| span.start), why: e.message().into() })?;
    let top = Table { table: root.get_ref(), at: 0, name: "" };
    top.only(&TOP)?;
    if let Some(schema) = top.text("schema")?
        && schema != SCHEMA
    {
        return Err(top.bad("schema", format!("the schema is '{}', expected '{SCHEMA}'", Printable(&schema))));
    }
    let mut run = Run {
        build_type: top.text("build-type")?.map(|name| build_type(&top, &name)).transpose()?,
        entry_point: top.text("entry-point")?,
        config: top.text("config")?,
        method: top.text("method")?,
        format: top.text("format")?,
        ..Run::default()
    };
    for name in ["hyperparameters", "options"] {
        if let Some(table) = top.table(name)? {
            run.value_names.insert(name);
            run.values.extend(table.values()?);
        }
    }
    if let Some(table) = top.table("internal")? {
        run.internal = table.values()?;
    }
    if let Some(table) = top.table("builder")? {
        table.only(&["id", "version"])?;
        run.builder_id = table.text("id")?;
        if let Some(version) = table.table("version")? {
            run.builder_version = version.values()?.into_iter().collect();
        }
    }
    for (name, kind) in [
        ("source", InputKind::Source),
        ("base", InputKind::Base),
        ("dataset", InputKind::Dataset),
        ("container", InputKind::Container),
        ("lockfile", InputKind::Lockfile),
    ] {
        for table in top.tables(name)? {
            run.inputs.push(input(&table, kind, folder)?);
        }
    }
    for table in top.tables("byproduct")? {
        table.only(&["name", "path", "uri", "media-type"])?;
        let path = folder.join(table.required("path")?);
        let (name, uri) = (table.required("name")?, table.text("uri")?);
        run.byproducts.push(Byproduct { name, path, uri, media_type: table.text("media-type")? });
    }
    if run.inputs.len() + run.byproducts.len() > MAX_RUN_INPUTS {
        return Err(Bad { at: None, why: format!("more than {MAX_RUN_INPUTS} inputs and by-products") });
    }
    Ok(run)
}

fn check_dots(text: &str) -> Result<(), Bad> {
    let mut dots = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' | b',' | b'=' => dots = 0,
            b'.' => dots += 1,
            _ => {}
        }
        if dots > MAX_LINE_DOTS {
            return Err(Bad { at: Some(at), why: format!("more than {MAX_LINE_DOTS} dots in a line") });
        }
    }
    Ok(())
}

fn build_type(top: &Table<'_>, name: &str) -> Result<BuildType, Bad> {
    let found = BuildType::ALL.into_iter().find(|known| known.name() == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = BuildType::ALL.iter().map(|known| known.name()).collect();
        top.bad("build-type", format!("'{}' is none of {}", Printable(name), known.join(", ")))
    })
}

fn input(table: &Table<'_>, kind: InputKind, folder: &Path) -> Result<Input, Bad> {
    table.only(&["uri", "path", "digest"])?;
    let digest = match table.text("digest")? {
        None => None,
        Some(text) => match pin(kind, &text) {
            Ok(InputPin::Digest(digest)) => Some(digest),
            Ok(_) => {
                return Err(
                    table.bad("digest", format!("'{}' is not of the form sha256:<hex>", Printable(&text)))
                );
            }
            Err(why) => return Err(table.bad("digest", why)),
        },
    };
    let path = table.text("path")?.map(PathBuf::from);
    let pin = match (digest, path) {
        (Some(_), Some(_)) => {
            return Err(
                table.bad("digest", "give a path or a digest; of a path, the digest is measured".into())
            );
        }
        (Some(digest), None) => InputPin::Digest(digest),
        (None, Some(path)) => InputPin::Path(folder.join(path)),
        (None, None) => InputPin::Nothing,
    };
    Input::new(kind, table.text("uri")?, pin).map_err(|why| table.bad("uri", why))
}

/// A table, where it stands and what it is called.
struct Table<'a> {
    table: &'a DeTable<'a>,
    at: usize,
    name: &'a str,
}

impl<'a> Table<'a> {
    fn only(&self, known: &[&str]) -> Result<(), Bad> {
        match self.table.iter().find(|(key, _)| !known.contains(&&**key.get_ref())) {
            None => Ok(()),
            Some((key, _)) => {
                let known = known.join(", ");
                let (key, at) = (Printable(key.get_ref()).to_string(), key.span().start);
                let within = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
                Err(Bad { at: Some(at), why: format!("unknown key '{key}'{within}; known are {known}") })
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.iter().find(|(found, _)| found.get_ref() == key).map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Result<Option<String>, Bad> {
        match self.get(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::String(text)) if !text.is_empty() => Ok(Some(text.clone().into_owned())),
            Some(DeValue::String(_)) => Err(self.bad(key, format!("'{key}' is empty; leave it out"))),
            Some(other) => Err(self.bad(key, format!("'{key}' is {}, expected a string", kind(other)))),
        }
    }

    fn required(&self, key: &str) -> Result<String, Bad> {
        let missing = || Bad { at: Some(self.at), why: format!("a {} needs '{key}'", self.name) };
        self.text(key)?.ok_or_else(missing)
    }

    fn table(&self, key: &'a str) -> Result<Option<Self>, Bad> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Ok(Some(Self { table, at: value.span().start, name: key })),
                other => Err(self.bad(key, format!("'{key}' is {}, expected a table", kind(other)))),
            },
        }
    }

    /// A table, or an array of them.
    fn tables(&self, key: &'a str) -> Result<Vec<Self>, Bad> {
        let Some(DeValue::Array(items)) = self.get(key).map(Spanned::get_ref) else {
            return Ok(self.table(key)?.into_iter().collect());
        };
        items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::Table(table) => Ok(Self { table, at: item.span().start, name: key }),
                other => {
                    let why = format!("'{key}' holds {}, expected tables", kind(other));
                    Err(Bad { at: Some(item.span().start), why })
                }
            })
            .collect()
    }

    /// Values as text, each as it was written, but for the underscores in numbers, which are TOML's.
    fn values(&self) -> Result<Vec<(String, String)>, Bad> {
        self.table
            .iter()
            .map(|(key, value)| {
                let text = match value.get_ref() {
                    DeValue::String(text) => text.clone().into_owned(),
                    DeValue::Integer(number) => number.to_string(),
                    DeValue::Float(number) => number.to_string(),
                    DeValue::Boolean(value) => value.to_string(),
                    DeValue::Datetime(time) => time.to_string(),
                    other => {
                        let why = format!(
                            "'{}' is {}; a value is a string, a number, a boolean or a time. Put what is nested into the \
                             configuration file that 'config' names",
                            Printable(key.get_ref()),
                            kind(other)
                        );
                        return Err(Bad { at: Some(value.span().start), why });
                    }
                };
                Ok((key.get_ref().clone().into_owned(), text))
            })
            .collect()
    }

    fn bad(&self, key: &str, why: String) -> Bad {
        Bad { at: self.get(key).map(|value| value.span().start).or(Some(self.at)), why }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
schema = "modelseal.run/v1"
build-type = "fine-tune"
entry-point = "train.py"
config = "configs/lora.toml"

[hyperparameters]
learning-rate = 2e-4
seed = 9007199254740993
huge = 340282366920938463463374607431768211457
steps = 1_000
mask = 0xFF
shuffle = true
quoted = "0.10"

[source]
uri = "git+https://git.example.com/a/b@refs/heads/main"
path = ".."

[[base]]
uri = "pkg:huggingface/acme/base@1"
path = "base"

[[dataset]]
uri = "hf://datasets/acme/chat"
digest = "sha256:abababababababababababababababababababababababababababababababab"

[lockfile]
path = "uv.lock"

[builder]
id = "https://trainer.example.com/v1"
version = { trainer = "3" }

[internal]
hosts = 8

[[byproduct]]
name = "log"
path = "train.log"
"#;

    fn parse(text: &str) -> Result<Run, Bad> {
        super::parse(text, Path::new("runs"))
    }

    #[test]
    fn every_key_is_read_and_numbers_keep_their_text() {
        let run = parse(GOOD).unwrap();
        assert_eq!(run.build_type, Some(BuildType::FineTune));
        let value = |name: &str| run.values.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
        for (name, text) in [
            ("learning-rate", "2e-4"),
            ("seed", "9007199254740993"),
            ("huge", "340282366920938463463374607431768211457"),
            ("steps", "1000"),
            ("mask", "0xFF"),
            ("shuffle", "true"),
            ("quoted", "0.10"),
        ] {
            assert_eq!(value(name), Some(text), "{name}");
        }
        assert_eq!(run.inputs.len(), 4);
        assert_eq!(run.inputs[1].pin, InputPin::Path("runs/base".into()));
        assert_eq!(run.internal, [("hosts".to_owned(), "8".to_owned())]);
        assert_eq!(run.builder_version["trainer"], "3");
        assert_eq!(run.byproducts[0].path, PathBuf::from("runs/train.log"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        let long_key = format!("{}a = 1", "a.".repeat(300));
        let deep = format!("hyperparameters = {}1{}", "[".repeat(5000), "]".repeat(5000));
        let both = "[[base]]\nuri = \"a:b\"\npath = \"x\"\ndigest = \"sha256:00\"";
        for (text, line, part) in [
            ("learning_rate = 3", 1, "unknown key 'learning_rate'"),
            ("\n[builder]\nident = \"x:y\"", 3, "unknown key 'ident' in builder; known are id, version"),
            ("[[base]]\nurl = \"a:b\"", 2, "unknown key 'url' in base"),
            ("build-type = \"bake\"", 1, "none of training, fine-tune"),
            ("schema = \"modelseal.run/v2\"", 1, "expected 'modelseal.run/v1'"),
            ("config = 7", 1, "'config' is a number, expected a string"),
            ("config = \"\"", 1, "empty"),
            ("[hyperparameters]\nlr = [1, 2]", 2, "'lr' is an array"),
            ("[hyperparameters]\nlr = 1\nlr = 2", 3, "duplicate"),
            ("hyperparameters = 3", 1, "expected a table"),
            ("[[base]]\nuri = \"base\"", 2, "no URI"),
            ("[[base]]\npath = \"x\"", 1, "needs a URI"),
            ("dataset = [3]", 1, "expected tables"),
            ("[[dataset]]\nuri = \"a:b\"\ndigest = \"sha256:XY\"", 3, "lowercase hexadecimal"),
            ("[[dataset]]\nuri = \"a:b\"\ndigest = \"file.json\"", 3, "not of the form"),
            (both, 4, "lowercase"),
            ("[[byproduct]]\nname = \"log\"", 1, "a byproduct needs 'path'"),
            ("a = ", 1, "string values must be quoted"),
            (&long_key, 1, "dots"),
            (&deep, 1, "max recursion depth"),
            ("x\u{1b}[2J = 1", 1, "key with no value"),
        ] {
            let Bad { at, why } = parse(text).unwrap_err();
            let found = at.map(|at| 1 + text[..at.min(text.len())].matches('\n').count());
            assert!(why.contains(part) && found == Some(line), "{text:.60}: {found:?} {why}");
            assert!(!why.contains('\u{1b}'), "{why}");
        }
    }
}
