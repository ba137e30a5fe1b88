//! The in-toto Statement v1 (in-toto/attestation `spec/v1/statement.md`): subjects and a predicate about them.

use crate::{
    json::{AtMost, Object},
    limits::MAX_RESOURCES,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

/// The value of `_type`.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement as it stands on the wire; its meaning is read by the modules of [`crate::predicate`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<'a, P = &'a RawValue> {
    /// Must be [`STATEMENT_TYPE`].
    #[serde(rename = "_type", borrow)]
    pub statement_type: Cow<'a, str>,
    /// What the statement is about.
    #[serde(borrow)]
    pub subject: AtMost<Object<Subject<'a>>, MAX_RESOURCES>,
    /// Names the shape of `predicate`.
    #[serde(rename = "predicateType", borrow)]
    pub predicate_type: Cow<'a, str>,
    /// What is said about the subjects.
    pub predicate: P,
}

/// One subject: an in-toto ResourceDescriptor, of which these fields matter here.
#[derive(Debug, Serialize, Deserialize)]
pub struct Subject<'a> {
    /// A name for people; never relied on for a model's identity.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Digests by algorithm name, lowercase hex.
    #[serde(borrow)]
    pub digest: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Anything else the producer said about it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub annotations: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}
