//! Models of boosted trees: XGBoost, LightGBM, CatBoost. Compiled code follows the numbers in them without looking, so
//! that the trees must hold together.

mod catboost;
mod lightgbm;
mod trees;
mod ubjson;
mod xgboost;

pub(crate) use catboost::Catboost;
pub(crate) use lightgbm::Lightgbm;
pub(crate) use xgboost::{XgboostJson, XgboostUbj};

use crate::suspect;

pub(crate) mod rules {
    //! What can be found in a model of boosted trees.

    use crate::rule::rules;

    rules! {
        SCHEMA = "XGB001" "xgboost-schema" Malformed:
            "The model lacks what every model of XGBoost has, or a number in it makes no sense." =>
            "Get the file again from its maker.";
        TREES = "XGB002" "xgboost-trees" Malformed:
            "A tree's arrays do not fit together: compiled code would read beside them, or without end." =>
            "Do not load it.";
        CODE = "XGB003" "xgboost-code-in-text" Suspicious:
            "A text in the model looks like code." =>
            "Find out what it is for.";
        UBJSON = "XGB004" "broken-ubjson" Malformed:
            "The file cannot be read as universal binary JSON, or ends too early." =>
            "Get the file again from its maker.";
        UBJSON_AFTER = "XGB005" "data-after-ubjson" Suspicious:
            "There are bytes after the model." =>
            "Find out what they are.";
        LGB_BROKEN = "LGB001" "lightgbm-structure" Malformed:
            "The model lacks what every model of LightGBM has, or ends too early." =>
            "Get the file again from its maker.";
        LGB_TREES = "LGB002" "lightgbm-trees" Malformed:
            "A tree's lists do not fit together: compiled code would read beside them, or without end." =>
            "Do not load it.";
        LGB_CODE = "LGB003" "lightgbm-code-in-text" Suspicious:
            "A parameter of the model looks like code or commands." =>
            "Find out what it is for.";
        LGB_UNKNOWN = "LGB004" "lightgbm-unknown-line" Unknown:
            "The model has lines that are not known, so that nothing can be said about them." =>
            "Find out which program writes them.";
        CBM_BROKEN = "CBM001" "broken-catboost" Malformed:
            "The model's parts lead beyond the file, or some of them are missing." =>
            "Get the file again from its maker.";
        CBM_AFTER = "CBM002" "data-after-catboost" Suspicious:
            "There are bytes after the model, and it names no further parts." =>
            "Find out what they are.";
        CBM_CODE = "CBM003" "catboost-code-in-text" Suspicious:
            "A text in the model looks like code." =>
            "Find out what it is for.";
    }
}

/// Whether a text that should be a setting looks like code, or like commands for a shell.
fn looks_like_code(text: &str) -> bool {
    /// In a text that somebody wrote, these are harmless.
    const NO_SETTING: [&str; 8] =
        ["compile(", "subprocess", "import sys", "base64.b64decode", "$(", "`", "curl http", "wget http"];
    let text = text.to_ascii_lowercase();
    suspect::code(&text).is_some() || NO_SETTING.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::looks_like_code;

    #[test]
    fn settings_are_no_code() {
        assert!(looks_like_code("__import__('os').system('true')") && looks_like_code("$(curl x)"));
        for text in ["binary:logistic", "{\"n_estimators\": 10}", "evaluation", "0.5", "sigmoid:1", "l2(x)"] {
            assert!(!looks_like_code(text), "{text}");
        }
    }
}
