//! Rules: each has a lasting name, a severity, and what to do about what it finds. Each format keeps the table of its own
//! beside its reader; [`all`] joins them.

use modelseal_core::inspection::{RuleId, Severity};

/// What can be found, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its lasting name.
    pub id: RuleId,
    /// The same in words, for people.
    pub name: &'static str,
    /// How bad it is unless a rule set says otherwise.
    pub severity: Severity,
    /// What it means when this is found.
    pub summary: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Makes the constants and the table of one format's rules.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $id:literal $words:literal $severity:ident: $summary:literal => $remedy:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: $crate::rule::Rule = $crate::rule::Rule {
                id: modelseal_core::inspection::RuleId::of($id),
                name: $words,
                severity: modelseal_core::inspection::Severity::$severity,
                summary: $summary,
                remedy: $remedy,
            };
        )*

        /// The rules of this module.
        pub(crate) static TABLE: &[&$crate::rule::Rule] = &[$(&$name,)*];
    };
}
pub(crate) use rules;

/// Every rule there is, in the order of their names.
#[must_use]
pub fn all() -> Vec<&'static Rule> {
    let tables: &[&[&'static Rule]] = &[
        crate::limits::TABLE,
        crate::model::rules::TABLE,
        crate::route::rules::TABLE,
        crate::pickle::rules::TABLE,
        crate::compress::rules::TABLE,
        crate::zip::rules::TABLE,
        crate::tar::rules::TABLE,
        crate::npy::rules::TABLE,
        crate::torch::rules::TABLE,
        crate::hdf5::rules::TABLE,
        crate::keras::rules::TABLE,
        crate::sevenz::rules::TABLE,
        crate::flax::rules::TABLE,
        crate::torch7::rules::TABLE,
        crate::rdata::rules::TABLE,
        crate::skops::rules::TABLE,
        crate::torchserve::rules::TABLE,
        crate::json::rules::TABLE,
        crate::jinja::rules::TABLE,
        crate::hf::rules::TABLE,
        crate::tokenizer::rules::TABLE,
        crate::gguf::rules::TABLE,
        crate::lfs::rules::TABLE,
        crate::media::rules::TABLE,
        crate::native::rules::TABLE,
        crate::text::rules::TABLE,
        crate::boost::rules::TABLE,
        crate::yaml::rules::TABLE,
        crate::requirements::rules::TABLE,
        crate::source::rules::TABLE,
        crate::onnx::rules::TABLE,
        crate::tensorflow::rules::TABLE,
        crate::tensorflow::checkpoint::rules::TABLE,
        crate::tflite::rules::TABLE,
        crate::executorch::rules::TABLE,
        crate::coreml::rules::TABLE,
        crate::paddle::rules::TABLE,
        crate::tensorrt::rules::TABLE,
        crate::xml::rules::TABLE,
        crate::xml::openvino_rules::TABLE,
        crate::xml::pmml_rules::TABLE,
        crate::safetensors::rules::TABLE,
        crate::vocabulary::rules::TABLE,
    ];
    let mut all: Vec<&'static Rule> = tables.iter().copied().flatten().copied().collect();
    all.sort_by_key(|rule| rule.id);
    all
}

/// The rule of this name.
#[must_use]
pub fn find(id: RuleId) -> Option<&'static Rule> {
    all().into_iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_well_formed() {
        let all = all();
        let ids: BTreeSet<RuleId> = all.iter().map(|rule| rule.id).collect();
        let names: BTreeSet<&str> = all.iter().map(|rule| rule.name).collect();
        assert_eq!((ids.len(), names.len()), (all.len(), all.len()));
        for rule in all {
            assert!(!rule.id.as_str().starts_with("ERR"), "{} has no name", rule.name);
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(rule.name.chars().all(kebab), "{}", rule.name);
            assert!(rule.summary.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.id);
            assert_eq!(find(rule.id), Some(rule));
        }
    }
}
