//! Tests on the data of attestations: a JSON pointer, and what stands there must be. Operators are few and closed;
//! whatever is missing or of another type fails.

use super::{
    decode::{At, Decoder, FromKey, FromNode, closest, listed, text_fault},
    glob::Glob,
    lint_table as lint,
    pattern::Pattern,
    tree::{Entry, Kind, Node},
};
use modelseal_core::json::{
    pointer::Pointer,
    value::{Number, Value},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, fmt, ops::Deref};

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Test {
    /// This text, number or truth value; numbers by value, nothing converted.
    Eq(Value),
    /// One of these.
    In(Vec<Value>),
    /// There, and none of these, but of a type that one of them has.
    NotIn(Vec<Value>),
    /// A text that the glob matches.
    Glob(Glob),
    /// A text that the regular expression matches as a whole.
    Regex(Pattern),
    /// A number below this one.
    Lt(Number),
    /// A number not above this one.
    Le(Number),
    /// A number above this one.
    Gt(Number),
    /// A number not below this one.
    Ge(Number),
    /// There (`true`) or not there (`false`).
    Exists(bool),
    /// A list of at least one element, each of which passes.
    Every(Box<Test>),
    /// A list with an element that passes.
    Some(Box<Test>),
    /// There, whatever it is.
    Any,
}

/// Why a value fails a [`Test`]. Each is a reason code of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestFailure {
    /// Nothing stands there (`field-missing`).
    Missing,
    /// It is of another type (`field-type`).
    Type {
        /// What the test is for: "a string", "a number".
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// It is of the right type and not what it must be (`field-mismatch`).
    Mismatch {
        /// What stands there, shortened.
        found: String,
    },
}

/// A JSON pointer as a table's member name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointerKey(pub Pointer);

impl Test {
    /// Tests what stands at `pointer` in `document`. With a `*` in the pointer the test is `every` or `some`, and is about
    /// the elements; without one, it is about the value, which for these two is a list.
    ///
    /// # Errors
    /// [`TestFailure`], for `every` that of the first element that fails.
    pub fn check(&self, pointer: &Pointer, document: &Value) -> Result<(), TestFailure> {
        let places = pointer.select(document);
        if pointer.is_many() {
            return match self {
                Self::Every(test) => every(test, &places),
                Self::Some(test) => some(test, &places),
                // Refused when the policy is read; nothing passes here.
                _ => Err(TestFailure::Missing),
            };
        }
        self.check_place(places.first().copied().flatten())
    }

    fn check_place(&self, place: Option<&Value>) -> Result<(), TestFailure> {
        let value = match (self, place) {
            (Self::Exists(wanted), place) => {
                return match (wanted, place) {
                    (true, None) => Err(TestFailure::Missing),
                    (false, Some(value)) => Err(mismatch(value)),
                    _ => Ok(()),
                };
            }
            (_, None) => return Err(TestFailure::Missing),
            (_, Some(value)) => value,
        };
        let text = || value.as_str().ok_or(TestFailure::Type { expected: "a string", found: value.kind() });
        let number =
            || value.as_number().ok_or(TestFailure::Type { expected: "a number", found: value.kind() });
        let holds = match self {
            Self::Any | Self::Exists(_) => true,
            Self::Eq(wanted) => same_type(value, std::slice::from_ref(wanted)).map(|()| value == wanted)?,
            Self::In(wanted) => same_type(value, wanted).map(|()| wanted.contains(value))?,
            Self::NotIn(unwanted) => same_type(value, unwanted).map(|()| !unwanted.contains(value))?,
            Self::Glob(glob) => glob.matches(text()?),
            Self::Regex(pattern) => pattern.matches(text()?),
            Self::Lt(bound) => number()? < bound,
            Self::Le(bound) => number()? <= bound,
            Self::Gt(bound) => number()? > bound,
            Self::Ge(bound) => number()? >= bound,
            Self::Every(test) => return every(test, &elements(value)?),
            Self::Some(test) => return some(test, &elements(value)?),
        };
        if holds { Ok(()) } else { Err(mismatch(value)) }
    }
}

fn every(test: &Test, places: &[Option<&Value>]) -> Result<(), TestFailure> {
    if places.is_empty() {
        return Err(TestFailure::Missing);
    }
    places.iter().try_for_each(|place| test.check_place(*place))
}

fn some(test: &Test, places: &[Option<&Value>]) -> Result<(), TestFailure> {
    let mut failure = TestFailure::Missing;
    for place in places {
        match test.check_place(*place) {
            Ok(()) => return Ok(()),
            Err(TestFailure::Missing) => {}
            Err(other) => failure = other,
        }
    }
    Err(failure)
}

fn elements(value: &Value) -> Result<Vec<Option<&Value>>, TestFailure> {
    let items = value.as_array().ok_or(TestFailure::Type { expected: "a list", found: value.kind() })?;
    Ok(items.iter().map(Some).collect())
}

fn same_type(value: &Value, wanted: &[Value]) -> Result<(), TestFailure> {
    if wanted.iter().any(|one| one.kind() == value.kind() || (is_bool(one) && is_bool(value))) {
        return Ok(());
    }
    let expected = wanted.first().map_or("nothing", Value::kind);
    Err(TestFailure::Type { expected, found: value.kind() })
}

fn is_bool(value: &Value) -> bool {
    value.as_bool().is_some()
}

fn mismatch(value: &Value) -> TestFailure {
    TestFailure::Mismatch { found: shortened(&value.to_string()) }
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() { short + " ..." } else { short }
}

/// Characters of foreign data in a message.
const SHOWN: usize = 200;

impl Deref for PointerKey {
    type Target = Pointer;

    fn deref(&self) -> &Pointer {
        &self.0
    }
}

/// As it reads in a sentence: `= "PASSED"`, `<= 5`, `some element = "x"`.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Eq(value) => write!(f, "= {value}"),
            Self::In(values) => write!(f, "one of {}", list(values)),
            Self::NotIn(values) => write!(f, "none of {}", list(values)),
            Self::Glob(glob) => write!(f, "matches the glob {:?}", glob.as_str()),
            Self::Regex(pattern) => write!(f, "matches the regex {:?}", pattern.as_str()),
            Self::Lt(bound) => write!(f, "< {bound}"),
            Self::Le(bound) => write!(f, "<= {bound}"),
            Self::Gt(bound) => write!(f, "> {bound}"),
            Self::Ge(bound) => write!(f, ">= {bound}"),
            Self::Exists(true) => f.write_str("is there"),
            Self::Exists(false) => f.write_str("is not there"),
            Self::Every(test) => write!(f, "every element {test}"),
            Self::Some(test) => write!(f, "some element {test}"),
            Self::Any => f.write_str("is anything"),
        }
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nothing stands there"),
            Self::Type { expected, found } => write!(f, "{found} stands where {expected} is expected"),
            Self::Mismatch { found } => write!(f, "{found} stands there"),
        }
    }
}

impl std::error::Error for TestFailure {}

/// The operators.
const OPERATORS: &[&str] =
    &["eq", "in", "not-in", "glob", "regex", "lt", "le", "gt", "ge", "exists", "every", "some", "any"];

/// Deepest nesting of `every` and `some`.
const MAX_QUANTIFIERS: usize = 4;

impl FromNode for Test {
    fn from_node(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Self> {
        read(node, at, decoder, 0)
    }
}

fn read(node: &Node, at: &At<'_>, decoder: &mut Decoder, within: usize) -> Option<Test> {
    let Kind::Table(entries) = &node.kind else { return scalar(node, at, decoder).map(Test::Eq) };
    let [Entry { key, key_span, value }] = entries.as_slice() else {
        let message = format!("`{at}` has {} operators, where a test has one", entries.len());
        decoder.bad_value(node, at, message, Some(format!("the operators are {}", listed(OPERATORS))));
        return None;
    };
    let at = &at.key(key);
    match key.as_str() {
        "eq" => scalar(value, at, decoder).map(Test::Eq),
        "in" => scalars(value, at, decoder).map(Test::In),
        "not-in" => scalars(value, at, decoder).map(Test::NotIn),
        "glob" => Glob::from_node(value, at, decoder).map(Test::Glob),
        "regex" => Pattern::from_node(value, at, decoder).map(Test::Regex),
        "lt" => number(value, at, decoder).map(Test::Lt),
        "le" => number(value, at, decoder).map(Test::Le),
        "gt" => number(value, at, decoder).map(Test::Gt),
        "ge" => number(value, at, decoder).map(Test::Ge),
        "exists" => match bool::from_node(value, at, decoder)? {
            // Of an empty list one could not tell whether nothing stands in each of its elements or in none.
            false if within > 0 => {
                decoder.bad_value(value, at, "`exists = false` cannot be asked of elements of a list", None);
                None
            }
            wanted => Some(Test::Exists(wanted)),
        },
        "every" | "some" if within == MAX_QUANTIFIERS => {
            let message = format!("`every` and `some` nest deeper than {MAX_QUANTIFIERS}");
            decoder.complain(&lint::LIMIT, *key_span, at, message, None);
            None
        }
        "every" => read(value, at, decoder, within + 1).map(Box::new).map(Test::Every),
        "some" => read(value, at, decoder, within + 1).map(Box::new).map(Test::Some),
        "any" => {
            let truth = bool::from_node(value, at, decoder)?;
            if !truth {
                decoder.bad_value(
                    value,
                    at,
                    "`any` can only be true",
                    Some("write { exists = false }".to_owned()),
                );
            }
            truth.then_some(Test::Any)
        }
        other => {
            let help = match closest(other, OPERATORS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the operators are {}", listed(OPERATORS)),
            };
            let message = format!("there is no operator `{other}`");
            decoder.complain(&lint::UNKNOWN_FIELD, *key_span, at, message, Some(help));
            None
        }
    }
}

fn scalar(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Value> {
    match &node.kind {
        Kind::String(text) => Some(Value::from(text.as_str())),
        Kind::Bool(truth) => Some(Value::Bool(*truth)),
        Kind::Number(_) => number(node, at, decoder).map(Value::Number),
        _ => decoder.wrong_type(node, at, "a string, a number, true or false"),
    }
}

fn scalars(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Vec<Value>> {
    let Kind::Array(items) = &node.kind else { return decoder.wrong_type(node, at, "a list") };
    items.iter().enumerate().map(|(i, item)| scalar(item, &at.index(i), decoder)).collect()
}

fn number(node: &Node, at: &At<'_>, decoder: &mut Decoder) -> Option<Number> {
    let Kind::Number(text) = &node.kind else { return decoder.wrong_type(node, at, "a number") };
    let number = Number::parse(text);
    if number.is_none() {
        decoder.bad_value(node, at, format!("`{at}` is {text}, which is no JSON number"), None);
    }
    number
}

impl FromKey for PointerKey {
    fn from_key(key: &str) -> Result<Self, (String, Option<String>)> {
        if let Some(fault) = text_fault(key) {
            return Err((format!("the JSON pointer {fault}"), None));
        }
        Pointer::parse(key).map(Self).map_err(|error| {
            let help = (!key.starts_with('/')).then(|| format!("did you mean \"/{key}\"?"));
            (error.to_string(), help)
        })
    }
}

impl JsonSchema for PointerKey {
    fn schema_name() -> Cow<'static, str> {
        "JsonPointer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^/" })
    }
}

impl JsonSchema for Test {
    fn schema_name() -> Cow<'static, str> {
        "Test".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let scalar = json_schema!({ "type": ["string", "number", "boolean"] });
        let scalars = json_schema!({ "type": "array", "minItems": 1, "items": scalar.clone() });
        let number = json_schema!({ "type": "number" });
        let this = generator.subschema_for::<Self>();
        json_schema!({
            "description": "A plain value is itself; a table has one operator.",
            "anyOf": [
                scalar.clone(),
                {
                    "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
                    "properties": {
                        "eq": scalar, "in": scalars.clone(), "not-in": scalars,
                        "glob": generator.subschema_for::<Glob>(), "regex": generator.subschema_for::<Pattern>(),
                        "lt": number.clone(), "le": number.clone(), "gt": number.clone(), "ge": number,
                        "exists": { "type": "boolean" }, "every": this.clone(), "some": this,
                        "any": { "type": "boolean", "enum": [true] },
                    },
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::complaint::Complaints;
    use proptest::prelude::*;

    fn read_test(test: &str) -> Option<Test> {
        let mut complaints = Complaints::new("p", &format!("{{\"t\": {test}}}"));
        let tree = crate::policy::tree::from_json(&mut complaints)?;
        let mut decoder = Decoder { complaints, tagged: None };
        Test::from_node(&tree.entry("t")?.value, &At::ROOT, &mut decoder)
    }

    fn check(test: &str, pointer: &str, document: &str) -> Result<(), TestFailure> {
        let test = read_test(test).unwrap_or_else(|| panic!("{test} is no test"));
        let document = Value::parse(document.as_bytes(), 10_000).unwrap();
        test.check(&Pointer::parse(pointer).unwrap(), &document)
    }

    const DOCUMENT: &str = r#"{"s": "x", "n": 5, "f": 5.0, "big": 9007199254740993, "t": true, "z": null, "e": [],
        "l": ["a", "b"], "o": {"k": 1}, "r": [{"v": 1}, {"v": 2}, {}], "m": [["a"], ["a", "b"]], "d": 0.1}"#;

    #[test]
    fn every_operator_passes_and_fails() {
        use TestFailure::{Mismatch, Missing, Type};
        let (missing, kind, other) = (
            |f: &_| matches!(f, Missing),
            |f: &_| matches!(f, Type { .. }),
            |f: &_| matches!(f, Mismatch { .. }),
        );
        type Is = fn(&TestFailure) -> bool;
        let cases: &[(&str, &str, Option<Is>)] = &[
            ("\"x\"", "/s", None),
            ("\"y\"", "/s", Some(other)),
            ("\"5\"", "/n", Some(kind)),
            ("\"true\"", "/t", Some(kind)),
            ("1", "/t", Some(kind)),
            ("\"x\"", "/none", Some(missing)),
            ("\"x\"", "/s/x", Some(missing)),
            ("\"\"", "/z", Some(kind)),
            ("5", "/f", None),
            ("5.0", "/n", None),
            ("9007199254740993", "/big", None),
            ("9007199254740992", "/big", Some(other)),
            ("0.1", "/d", None),
            ("0.10000000000000001", "/d", Some(other)),
            ("true", "/t", None),
            ("false", "/t", Some(other)),
            ("{\"eq\": \"x\"}", "/s", None),
            ("{\"in\": [\"w\", \"x\"]}", "/s", None),
            ("{\"in\": [\"w\"]}", "/s", Some(other)),
            ("{\"in\": [\"5\"]}", "/n", Some(kind)),
            ("{\"in\": [\"5\", 5]}", "/n", None),
            ("{\"not-in\": [\"w\"]}", "/s", None),
            ("{\"not-in\": [\"x\"]}", "/s", Some(other)),
            ("{\"not-in\": [\"w\"]}", "/none", Some(missing)),
            ("{\"not-in\": [\"w\"]}", "/n", Some(kind)),
            ("{\"glob\": \"x*\"}", "/s", None),
            ("{\"glob\": \"y*\"}", "/s", Some(other)),
            ("{\"glob\": \"5*\"}", "/n", Some(kind)),
            ("{\"regex\": \"[wx]\"}", "/s", None),
            ("{\"regex\": \"w\"}", "/s", Some(other)),
            ("{\"regex\": \"w\"}", "/none", Some(missing)),
            ("{\"lt\": 5.5}", "/n", None),
            ("{\"lt\": 5}", "/n", Some(other)),
            ("{\"le\": 5}", "/n", None),
            ("{\"le\": 9007199254740992}", "/big", Some(other)),
            ("{\"gt\": 4.9}", "/n", None),
            ("{\"gt\": 9007199254740992}", "/big", None),
            ("{\"ge\": 6}", "/n", Some(other)),
            ("{\"ge\": 5}", "/s", Some(kind)),
            ("{\"exists\": true}", "/z", None),
            ("{\"exists\": true}", "/none", Some(missing)),
            ("{\"exists\": false}", "/none", None),
            ("{\"exists\": false}", "/s", Some(other)),
            ("{\"any\": true}", "/o", None),
            ("{\"any\": true}", "/none", Some(missing)),
            ("{\"every\": {\"in\": [\"a\", \"b\"]}}", "/l", None),
            ("{\"every\": \"a\"}", "/l", Some(other)),
            ("{\"every\": {\"any\": true}}", "/e", Some(missing)),
            ("{\"every\": {\"any\": true}}", "/e/*", Some(missing)),
            ("{\"every\": {\"any\": true}}", "/s", Some(kind)),
            ("{\"every\": {\"any\": true}}", "/none/*", Some(missing)),
            ("{\"some\": \"b\"}", "/l", None),
            ("{\"some\": \"c\"}", "/l", Some(other)),
            ("{\"some\": {\"any\": true}}", "/e", Some(missing)),
            ("{\"some\": 2}", "/r/*/v", None),
            ("{\"every\": {\"ge\": 1}}", "/r/*/v", Some(missing)),
            ("{\"every\": {\"some\": \"a\"}}", "/m", None),
            ("{\"every\": {\"some\": \"b\"}}", "/m", Some(other)),
            ("{\"some\": {\"every\": \"a\"}}", "/m/*", None),
            ("{\"every\": {\"any\": true}}", "/o", Some(kind)),
            ("\"a\"", "/l/*", Some(missing)),
        ];
        for (test, pointer, failure) in cases {
            match (check(test, pointer, DOCUMENT), failure) {
                (Ok(()), None) => {}
                (Err(found), Some(expected)) if expected(&found) => {}
                (found, _) => panic!("{test} at {pointer}: {found:?}"),
            }
        }
    }

    #[test]
    fn quantifiers_do_not_nest_without_end() {
        let nested = |n: usize| format!("{}1{}", "{\"every\": ".repeat(n), "}".repeat(n));
        assert!(read_test(&nested(MAX_QUANTIFIERS)).is_some());
        assert!(read_test(&nested(MAX_QUANTIFIERS + 1)).is_none());
    }

    #[test]
    fn hostile_data_is_shown_shortened() {
        let long = format!("{{\"s\": \"{}\"}}", "y".repeat(5000));
        let failure = check("\"x\"", "/s", &long).unwrap_err();
        assert!(failure.to_string().len() < 300);
    }

    proptest! {
        #[test]
        fn numbers_are_compared_exactly(a in any::<i64>(), b in any::<i64>()) {
            let holds = |op: &str| check(&format!("{{\"{op}\": {b}}}"), "/n", &format!("{{\"n\": {a}}}")).is_ok();
            prop_assert_eq!(
                [holds("lt"), holds("le"), holds("gt"), holds("ge"), holds("eq")],
                [a < b, a <= b, a > b, a >= b, a == b]
            );
        }

        #[test]
        fn strings_equal_only_themselves(a in "\\PC{1,12}", b in "\\PC{1,12}") {
            let document = format!("{{\"s\": {}}}", serde_json::Value::from(b.as_str()));
            let found = check(&serde_json::Value::from(a.as_str()).to_string(), "/s", &document);
            prop_assert_eq!(found.is_ok(), a == b);
        }
    }
}
