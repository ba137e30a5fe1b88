//! Classes and modules that libraries import by names in a configuration, and the files that they open.

use super::{file, remote, rules};
use crate::{
    json::{Document, Member, Value},
    outside,
    scan::Scan,
};
use modelseal_core::inspection::Capability;

/// Looks at one member of a configuration.
pub(super) fn look(document: &Document<'_>, member: &Member, scan: &mut Scan<'_>) {
    let (name, at) = (&*member.name, member.at);
    if is_trust(name) && is_true(&member.value) {
        remote(scan);
        scan.find(&rules::TRUST, at, "it is true".to_owned());
    }
    let Value::Text(text) = &member.value else {
        if name == "types" && has_routes(document) {
            member.value.walk(&mut |route| {
                if let Value::Text(class) = &route.value {
                    step(class, route.at, scan);
                }
            });
        }
        return;
    };
    match name {
        "megatron_core" if &**text != "megatron.core" => imported(text, at, scan),
        // Names without dots are those of the library's own table.
        "activation_function"
        | "activation_fn"
        | "sbert_ce_default_activation_function"
        | "tokenizer_class"
            if text.contains('.') =>
        {
            step(text, at, scan);
        }
        "custom_ops_library" | "session.register_custom_ops_library" => {
            outside::external(scan, text);
            scan.contents.capabilities.insert(Capability::NativeCode);
            scan.contents.capabilities.insert(Capability::CustomOperators);
            scan.find_about(&rules::LIBRARY, at, text, format!("'{text}'"));
            file(text, at, scan);
        }
        "filename" if is_genai(document) => file(text, at, scan),
        // Where its writer had downloaded it to; nobody else has it there.
        "vocab_file" | "tokenizer_file" | "merges_file" if !is_cache(text) => file(text, at, scan),
        "model_file" if is_python(text) => {
            remote(scan);
            scan.find_about(&rules::REMOTE_CODE, at, text, format!("'{text}'"));
        }
        // A module is imported by the name.
        "model_type" if text.contains(['/', '\\']) || text.starts_with('.') => imported(text, at, scan),
        _ => {}
    }
}

/// A class that sentence-transformers makes a step, an activation or a tokenizer of.
pub(super) fn step(name: &str, at: u64, scan: &mut Scan<'_>) {
    let parts: Vec<&str> = name.split('.').collect();
    let plain = parts.iter().all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let class = parts.last().is_some_and(|class| class.starts_with(|c: char| c.is_ascii_uppercase()));
    let known = match parts.as_slice() {
        ["torch", "nn", "modules", _, _] | ["torch", "nn", _] | ["transformers", "activations", _] => true,
        ["sentence_transformers" | "pylate", inner @ .., _] => {
            inner.iter().any(|part| matches!(*part, "models" | "modules"))
        }
        _ => false,
    };
    if !(plain && class && known) {
        imported(name, at, scan);
    }
}

fn imported(name: &str, at: u64, scan: &mut Scan<'_>) {
    remote(scan);
    scan.find_about(&rules::MODULE, at, name, format!("'{name}'"));
}

/// As arguments of programs, too.
fn is_trust(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    name.len() < 32 && letters.map(|byte| byte.to_ascii_lowercase()).eq(b"trustremotecode".iter().copied())
}

/// Whether Python, or a reader of arguments, takes it for true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Int(number) => *number != 0,
        Value::Text(text) => {
            ["true", "1", "yes", "on", "y", "t"].contains(&text.trim().to_ascii_lowercase().as_str())
        }
        _ => false,
    }
}

/// Whether it says which input goes through which steps.
fn has_routes(document: &Document<'_>) -> bool {
    document.name == "router_config.json" || document.top.get("structure").is_some()
}

fn is_genai(document: &Document<'_>) -> bool {
    document.name.eq_ignore_ascii_case("genai_config.json")
        || document.top.get("model").is_some_and(|model| model.get("decoder").is_some())
}

fn is_cache(path: &str) -> bool {
    path.contains("/.cache/huggingface/") && !path.split('/').any(|part| part == "..")
}

fn is_python(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_ascii_lowercase());
    ["py", "pyc", "pyo", "pyd", "so"].contains(&end.as_str())
}

#[cfg(test)]
mod tests {
    use modelseal_core::inspection::{Capability, FileInspection, Verdict};

    fn look(name: &str, data: &str) -> FileInspection {
        crate::testing::look(name, data.as_bytes())
    }

    fn finds(rule: &str, name: &str, data: &str) -> FileInspection {
        let file = look(name, data);
        let rules = crate::testing::rules_in(&file);
        assert!(rules.contains(&rule), "{data} {rules:?}");
        assert_eq!(file.verdict(), Verdict::Suspicious, "{data}");
        file
    }

    #[test]
    fn peft_imports_megatron() {
        finds("HFC005", "adapter_config.json", r#"{"peft_type": "LORA", "megatron_core": "evil.core"}"#);
        for good in [r#""megatron.core""#, "null"] {
            let data = format!(r#"{{"peft_type": "LORA", "megatron_core": {good}}}"#);
            assert_eq!(look("adapter_config.json", &data).verdict(), Verdict::Clean);
        }
    }

    #[test]
    fn sentence_transformers_imports_dotted_names() {
        for (name, data) in [
            ("2_Dense/config.json", r#"{"in_features": 1, "activation_function": "my.evil"}"#),
            ("2_Dense/config.json", r#"{"in_features": 1, "activation_function": "torch.hub.load"}"#),
            ("config.json", r#"{"sbert_ce_default_activation_function": "evil.mod.fn"}"#),
            ("config.json", r#"{"sentence_transformers": {"activation_fn": "os.system"}}"#),
            ("config.json", r#"{"types": {"1": "evil.Mod"}, "structure": {}, "parameters": {}}"#),
            ("router_config.json", r#"{"types": {"1": "evil.Mod"}}"#),
            ("wordembedding_config.json", r#"{"tokenizer_class": "evil.mod.Tok"}"#),
            ("modules.json", r#"[{"type": "torch.hub.load"}]"#),
            ("modules.json", r#"[{"type": "sentence_transformers.util.http_get"}]"#),
            ("modules.json", r#"[{"type": "transformers.X"}]"#),
        ] {
            finds("HFC005", name, data);
        }
        for (name, data) in [
            ("2_Dense/config.json", r#"{"activation_function": "torch.nn.modules.linear.Identity"}"#),
            ("config.json", r#"{"activation_function": "gelu_new", "activation_fn": "relu"}"#),
            (
                "config.json",
                r#"{"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "4"}}"#,
            ),
            (
                "router_config.json",
                r#"{"types": {"q": "sentence_transformers.models.Dense"}, "structure": {"query": ["q"]}}"#,
            ),
            (
                "wordembedding_config.json",
                r#"{"tokenizer_class": "sentence_transformers.models.tokenizer.WhitespaceTokenizer.WhitespaceTokenizer"}"#,
            ),
            (
                "modules.json",
                r#"[{"type": "sentence_transformers.sparse_encoder.models.SpladePooling.SpladePooling"}]"#,
            ),
            ("modules.json", r#"[{"type": "pylate.models.Dense.Dense"}]"#),
            ("modules.json", r#"[{"type": "torch.nn.modules.linear.Linear"}]"#),
        ] {
            let file = look(name, data);
            assert_eq!(file.verdict(), Verdict::Clean, "{data} {:?}", file.findings);
        }
    }

    #[test]
    fn genai_loads_libraries() {
        let data = r#"{"model": {"decoder": {"filename": "model.onnx", "session_options": {"custom_ops_library": "evil.so"}}}}"#;
        let file = finds("HFC008", "genai_config.json", data);
        assert!(file.contents.external.contains("evil.so"));
        assert!(file.contents.capabilities.contains(&Capability::NativeCode));
        let data = r#"{"model": {"decoder": {"filename": "../x.onnx"}}}"#;
        finds("HFC006", "genai_config.json", data);
        let data = r#"{"model": {"decoder": {"filename": "model.onnx", "session_options": {}}}}"#;
        assert_eq!(look("genai_config.json", data).verdict(), Verdict::Clean);
    }

    #[test]
    fn trust_is_true_in_many_ways() {
        for member in [
            r#""trust_remote_code": "True""#,
            r#""trust_remote_code": "true""#,
            r#""trust_remote_code": 1"#,
            r#""trust-remote-code": true"#,
            r#""trustRemoteCode": true"#,
            r#""--trust-remote-code": true"#,
        ] {
            finds("HFC003", "config.json", &format!(r#"{{"a": {{{member}}}}}"#));
        }
        for member in [r#""trust_remote_code": "False""#, r#""trust_remote_code": 0"#] {
            assert_eq!(look("config.json", &format!("{{{member}}}")).verdict(), Verdict::Clean);
        }
    }

    #[test]
    fn files_of_code_and_of_words() {
        finds("HFC001", "config.json", r#"{"model_type": "x", "model_file": "custom.py"}"#);
        finds("HFC005", "config.json", r#"{"model_type": "../../evil"}"#);
        finds("HFC006", "tokenizer_config.json", r#"{"tokenizer_file": "/etc/passwd"}"#);
        finds("HFC006", "tokenizer_config.json", r#"{"vocab_file": "../../x"}"#);
        let honest = r#"{"vocab_file": "vocab.txt", "tokenizer_file": "/root/.cache/huggingface/transformers/16a2", "merges_file": null}"#;
        assert_eq!(look("tokenizer_config.json", honest).verdict(), Verdict::Clean);
        let honest = r#"{"model_type": "qwen2.5", "model_file": "model.onnx"}"#;
        assert_eq!(look("config.json", honest).verdict(), Verdict::Clean);
    }
}
