//! Match values: what a text of a signer or of a statement must be. A plain string is itself and nothing else.

use super::{
    decode::{At, Decoder, FromNode},
    glob::Glob,
    lint_table as lint,
    pattern::Pattern,
    tree::{Kind, Node},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, fmt};

/// What a text must be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Match {
    /// This text, byte for byte.
    Literal(String),
    /// A text that the glob matches.
    Glob(Glob),
    /// A text that the regular expression matches from its first byte to its last.
    Regex(Pattern),
    /// One of these texts.
    AnyOf(Vec<String>),
}

impl Match {
    /// Whether `text` is what this asks for.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(pattern) => pattern.matches(text),
            Self::AnyOf(literals) => literals.iter().any(|literal| literal == text),
        }
    }
}

/// As it reads in a sentence: `"x"`, `the glob "x/*"`, `the regex "x+"`, `one of "x", "y"`.
impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => write!(f, "{literal:?}"),
            Self::Glob(glob) => write!(f, "the glob {:?}", glob.as_str()),
            Self::Regex(pattern) => write!(f, "the regex {:?}", pattern.as_str()),
            Self::AnyOf(literals) => {
                f.write_str("one of ")?;
                for (i, literal) in literals.iter().enumerate() {
                    write!(f, "{}{literal:?}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

const FORMS: &str = "write \"text\", { glob = \"..\" }, { regex = '..' } or { any-of = [\"..\"] }";

impl FromNode for Match {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        let entries = match &node.kind {
            Kind::String(_) => return String::from_node(node, at, decoder).map(Self::Literal),
            Kind::Table(entries) => entries,
            _ => return decoder.wrong_type(node, at, "a string, or a table with glob, regex or any-of"),
        };
        let [entry] = entries.as_slice() else {
            let message = format!("`{at}` has {} members, where a match value has one", entries.len());
            decoder.bad_value(node, at, message, Some(FORMS.to_owned()));
            return None;
        };
        let (value, at) = (&entry.value, at.key(&entry.key));
        match entry.key.as_str() {
            "glob" => Glob::from_node(value, &at, decoder).map(Self::Glob),
            "regex" => Pattern::from_node(value, &at, decoder).map(Self::Regex),
            "any-of" => Vec::from_node(value, &at, decoder).map(Self::AnyOf),
            other => {
                let message = format!("there is no match value `{other}`");
                decoder.complain(&lint::UNKNOWN_FIELD, entry.key_span, &at, message, Some(FORMS.to_owned()));
                None
            }
        }
    }
}

impl JsonSchema for Match {
    fn schema_name() -> Cow<'static, str> {
        "Match".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = |name: &str, schema: Schema| {
            json_schema!({
                "type": "object", "properties": { name: schema }, "required": [name], "additionalProperties": false,
            })
        };
        let literal = json_schema!({ "type": "string", "minLength": 1 });
        let any_of = json_schema!({ "type": "array", "minItems": 1, "items": literal.clone() });
        json_schema!({
            "description": "What a text must be: itself, or a glob, a regex for the whole of it, one of several.",
            "anyOf": [
                literal,
                one("glob", generator.subschema_for::<Glob>()),
                one("regex", generator.subschema_for::<Pattern>()),
                one("any-of", any_of),
            ],
        })
    }
}
