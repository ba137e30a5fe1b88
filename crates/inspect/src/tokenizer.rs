//! Tokenizers and the chat templates beside them, in JSON.

use crate::{
    jinja,
    json::{Document, Kind, Member, Value},
    scan::{Halt, Scan},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a tokenizer.

    use crate::rule::rules;

    rules! {
        TEMPLATE = "TOK001" "tokenizer-template" Suspicious:
            "A chat template is no text and no list of texts, so that it cannot be told what loaders do with it." =>
            "Write the template as text.";
        MODEL = "TOK002" "tokenizer-model" Suspicious:
            "The tokenizer's model is of a type that loaders do not know." =>
            "Find out what reads it.";
    }
}

/// Files that hold tokenizers, by their names.
const NAMES: [&str; 6] = [
    "added_tokens.json",
    "chat_template.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
];

/// Types of models that the library of tokenizers has.
const MODELS: [&str; 4] = ["BPE", "Unigram", "WordLevel", "WordPiece"];

/// The door from `json`.
pub(crate) struct Tokenizer;

impl Kind for Tokenizer {
    fn matches(&self, name: &str, top: &Value) -> bool {
        let has = |name: &str| top.get(name).is_some();
        NAMES.contains(&name) || has("tokenizer_class") || has("added_tokens") && has("pre_tokenizer")
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let model = document.top.get("model").and_then(|model| model.get("type"));
        if let Some(kind) = model.and_then(Value::as_str).filter(|kind| !MODELS.contains(kind)) {
            scan.find(&rules::MODEL, None, format!("the type '{kind}'"));
        }
        Ok(FileFormat::Tokenizer)
    }
}

/// Looks at the value of `chat_template`, wherever it stands: a text, a list of texts with names, or an object of them.
pub(crate) fn templates(member: &Member, scan: &mut Scan<'_>) {
    let at = member.at;
    match &member.value {
        Value::Null | Value::Int(_) | Value::Float(_) => {}
        Value::Array(list) => {
            for item in &list.items {
                one(item.get("template").unwrap_or(item), at, scan);
            }
        }
        Value::Object(object) => object.members.iter().for_each(|member| one(&member.value, member.at, scan)),
        value => one(value, at, scan),
    }
}

/// Looks at a text under another name that says it is a template.
pub(crate) fn named(member: &Member, scan: &mut Scan<'_>) {
    if !is_template_name(&member.name) {
        return;
    }
    let mut look = |value: &Value, at| {
        if let Value::Text(text) = value
            && jinja::is_template(text)
        {
            jinja::inspect(text, at, scan);
        }
    };
    match &member.value {
        Value::Array(list) => {
            for item in &list.items {
                look(item, member.at);
            }
        }
        value => look(value, member.at),
    }
}

/// Whether a text of that name may be a template: not the name of which [`templates`] are.
pub(crate) fn is_template_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name != "chat_template" && (lower.contains("template") || lower.ends_with("prompt"))
}

/// Looks at the special tokens beside a template that asks for what they name.
pub(crate) fn tokens(top: &Value, scan: &mut Scan<'_>) {
    let Some(object) = top.as_object() else { return };
    for member in object.members.iter().filter(|member| member.name.ends_with("_token")) {
        if let Some(text) = member.value.as_str().or_else(|| member.value.get("content")?.as_str()) {
            jinja::token(text, member.at, scan);
        }
    }
}

fn one(value: &Value, at: u64, scan: &mut Scan<'_>) {
    match value {
        Value::Text(text) => jinja::inspect(text, at, scan),
        Value::LongText(length) => jinja::too_long(at, *length, scan),
        _ => scan.find(&rules::TEMPLATE, at, "it is something else".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use modelseal_core::inspection::{Capability, FileFormat, FileInspection, Verdict};

    fn look(name: &str, data: &str) -> FileInspection {
        crate::testing::look(name, data.as_bytes())
    }

    #[test]
    fn tokenizers_are_known_and_clean() {
        for (name, data) in [
            (
                "tokenizer_config.json",
                r#"{"tokenizer_class": "LlamaTokenizer", "chat_template": "{{ messages }}"}"#,
            ),
            (
                "x.json",
                r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": null, "model": {"type": "BPE", "vocab": {"chat_template": 7}}}"#,
            ),
            ("vocab.json", r#"{"a": 0, "b": 1}"#),
            ("chat_template.json", r#"{"chat_template": ""}"#),
        ] {
            let file = look(name, data);
            assert_eq!((file.format, file.verdict()), (FileFormat::Tokenizer, Verdict::Clean), "{name}");
        }
        let file = look("tokenizer.json", r#"{"model": {"type": "Remote"}}"#);
        assert_eq!(file.findings[0].rule.to_string(), "TOK002");
    }

    #[test]
    fn special_tokens_that_a_template_asks_for_are_malicious() {
        for (template, token, verdict) in [
            ("{{ ''[bos_token] }}", r#""__class__""#, Verdict::Malicious),
            ("{{ ['']|map(attribute=bos_token)|list }}", r#""__class__.__mro__""#, Verdict::Malicious),
            ("{{ ''[bos_token] }}", r#"{"content": "__class__"}"#, Verdict::Malicious),
            ("{{ ''[bos_token] }}", r#""<s>""#, Verdict::Suspicious),
            ("{{ bos_token }}", r#""__start__""#, Verdict::Clean),
        ] {
            let data = format!(r#"{{"chat_template": "{template}", "bos_token": {token}}}"#);
            let file = look("tokenizer_config.json", &data);
            assert_eq!(file.verdict(), verdict, "{data} {file:?}");
        }
    }

    #[test]
    fn cve_2024_34359_templates_are_looked_at_wherever_they_stand() {
        let evil = "{{ x.__class__ }}";
        for (name, data) in [
            ("tokenizer_config.json", format!(r#"{{"chat_template": "{evil}"}}"#)),
            (
                "tokenizer_config.json",
                format!(r#"{{"chat_template": [{{"name": "a", "template": "{evil}"}}]}}"#),
            ),
            ("tokenizer_config.json", format!(r#"{{"chat_template": ["ok", "{evil}"]}}"#)),
            ("tokenizer_config.json", format!(r#"{{"chat_template": {{"tool": "{evil}"}}}}"#)),
            ("chat_template.json", format!(r#"{{"chat_template": "{evil}"}}"#)),
            ("processor_config.json", format!(r#"{{"a": [{{"chat_template": "{evil}"}}]}}"#)),
            ("tokenizer_config.json", format!(r#"{{"chat_template": "{evil}", "chat_template": "good"}}"#)),
            ("tokenizer_config.json", format!(r#"{{"chat_template": "{evil}", "broken"#)),
            ("chat_template.jinja", evil.to_owned()),
        ] {
            let file = look(name, &data);
            assert_eq!(file.verdict(), Verdict::Malicious, "{name} {data}");
            assert!(file.contents.capabilities.contains(&Capability::Template));
        }
    }

    #[test]
    fn templates_have_other_names_too() {
        let evil = "{{ x.__class__ }}";
        for name in ["default_chat_template", "chatTemplate", "Chat_Template", "prompt_template", "template"]
        {
            for data in [
                format!(r#"{{"model": {{"{name}": "{evil}"}}}}"#),
                format!(r#"{{"{name}": ["a", "{evil}"]}}"#),
                format!(r#"{{"_type": "prompt", "template_format": "jinja2", "{name}": "{evil}"}}"#),
            ] {
                assert_eq!(look("x.json", &data).verdict(), Verdict::Malicious, "{data}");
            }
        }
        for data in [
            r#"{"template": "Hello {name}", "single": "{{ x.__class__ }}"}"#,
            r#"{"template": "{{ if .System }}{{ .System }}{{ end }}"}"#,
            r#"{"template": "{{#if a}}{{a}}{{/if}}"}"#,
            r#"{"prompt_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}"#,
        ] {
            let file = look("x.json", data);
            assert_eq!(file.verdict(), Verdict::Clean, "{data} {:?}", file.findings);
        }
        let data = r#"{"template": "{{ if .System }}{{ x.__class__ }}{{ end }}"}"#;
        assert!(look("x.json", data).verdict() >= Verdict::Suspicious);
    }

    #[test]
    fn templates_that_are_none_are_found() {
        for data in [
            r#"{"chat_template": true}"#,
            r#"{"chat_template": [7]}"#,
            r#"{"chat_template": [{"name": "a"}]}"#,
        ] {
            assert_eq!(look("tokenizer_config.json", data).findings[0].rule.to_string(), "TOK001", "{data}");
        }
        let long = format!(r#"{{"chat_template": "{}"}}"#, "x".repeat(2 << 20));
        assert_eq!(look("tokenizer_config.json", &long).findings[0].rule.to_string(), "LIM019");
    }
}
