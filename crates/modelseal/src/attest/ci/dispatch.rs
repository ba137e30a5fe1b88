//! The inputs of a GitHub workflow that somebody started by hand: in the file that describes the event, under `inputs`.

use super::secret;
use crate::disk;
use modelseal_core::{
    json::value::Value, limits::MAX_EVENT_BYTES, predicate::field::Members, text::Printable,
};
use std::path::Path;

/// Characters of one input. GitHub lets all of them together have 65,535.
const MAX_INPUT_CHARACTERS: usize = 65_535;

/// The inputs, and what was left out of them. Values are text, as GitHub hands them over.
pub(super) fn inputs(path: &Path) -> Result<(Members, Vec<String>), String> {
    let refuse = |why: &dyn std::fmt::Display| format!("cannot read the event '{}': {why}", path.display());
    let bytes = disk::read(path, MAX_EVENT_BYTES).map_err(|e| refuse(&e))?;
    let event = Value::parse(&bytes, MAX_EVENT_BYTES).map_err(|e| refuse(&e))?;
    let found = match event.get("inputs") {
        None | Some(Value::Null) if event.as_object().is_some() => return Ok(<_>::default()),
        Some(Value::Object(found)) => found,
        _ => return Err(refuse(&"/inputs is no object")),
    };
    let (mut inputs, mut notes) = (Members::new(), Vec::new());
    for (name, value) in found {
        let text: Box<str> = match value {
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string().into(),
            Value::Number(number) => number.as_str().into(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => {
                return Err(refuse(&format_args!("/inputs/{} is {}", Printable(name), value.kind())));
            }
        };
        if text.chars().count() > MAX_INPUT_CHARACTERS {
            return Err(refuse(&format_args!("/inputs/{} is too long", Printable(name))));
        }
        if secret::is_named_so(name) || secret::looks_so(&text) {
            let name = Printable(name);
            notes.push(format!("the workflow's input '{name}' looks like a secret and was left out"));
        } else {
            inputs.insert(name.clone(), Value::String(text));
        }
    }
    Ok((inputs, notes))
}
