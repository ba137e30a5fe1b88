//! Reading JSON answers of services strictly.

use super::SigningError;
use crate::http::{Answer, ServiceUrl};
use modelseal_core::json::{self, JsonError};
use serde::Deserialize;
use serde_json::error::Category;

/// Reads an answer's body into `T`. The error is about form only: an answer may hold a token in the wrong place, and a parser's
/// message would repeat it.
pub(super) fn read<'a, T: Deserialize<'a>>(
    service: &'static str,
    url: &ServiceUrl,
    answer: &'a Answer,
) -> Result<T, SigningError> {
    json::read(&answer.body, answer.body.len() as u64).map_err(|e| {
        let form = match &e {
            JsonError::Empty => "it is empty".to_owned(),
            JsonError::Malformed(e) => {
                let said = e.to_string();
                let kind = match e.classify() {
                    // These name our own fields.
                    _ if said.starts_with("missing field") => said.as_str(),
                    Category::Data => "JSON of another form",
                    _ => "no proper JSON",
                };
                format!("{kind} (at line {} column {})", e.line(), e.column())
            }
            _ => "no proper JSON".to_owned(),
        };
        let kind = answer.content_type.as_deref().filter(|kind| !kind.contains("json"));
        let kind = kind.map(|kind| format!("; it claims to be {kind}")).unwrap_or_default();
        SigningError::Answer { service, url: url.clone(), what: format!("{form}{kind}") }
    })
}
