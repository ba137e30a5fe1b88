//! JSON that libraries make objects of: expressions of MONAI's bundles, jsonpickle, and what LangChain writes.

use super::{remote, rules};
use crate::{
    json::{Document, Member, Value},
    pickle::Standing,
    scan::Scan,
};

/// Looks at all of a document.
pub(super) fn inspect(document: &Document<'_>, scan: &mut Scan<'_>) {
    if is_bundle(document) {
        expressions(&document.top, 0, scan);
    }
    constructors(&document.top, 0, scan);
    document.top.walk(&mut |member| {
        pickled(member, scan);
        // A library that looks classes up by name takes paths as well; most other types have dots, too.
        if let ("type", Value::Text(name)) = (&*member.name, &member.value)
            && document.name.contains("config")
            && let Some((module, name)) = name.rsplit_once('.')
            && matches!(scan.globals.judge(module, name, 4), Standing::Dangerous(_))
        {
            let full = format!("{module}.{name}");
            remote(scan);
            scan.find_about(&rules::MODULE, member.at, &full, format!("'{full}'"));
        }
    });
}

/// Whether MONAI would take it for the configuration of a bundle.
fn is_bundle(document: &Document<'_>) -> bool {
    const NAMES: [&str; 5] =
        ["evaluate.json", "inference.json", "metadata.json", "multi_gpu_train.json", "train.json"];
    const TOP: [&str; 6] = ["bundle_root", "imports", "initialize", "network_def", "run", "workflow_type"];
    if NAMES.contains(&document.name) || TOP.iter().any(|name| document.top.get(name).is_some()) {
        return true;
    }
    let mut found = false;
    document.top.walk(&mut |member| {
        let refers = member.value.as_str().is_some_and(|text| {
            text.strip_prefix('@').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
                && document.name.contains("config")
        });
        found |= refers || &*member.name == "_target_";
    });
    found
}

/// Texts that are evaluated begin with a dollar sign.
fn expressions(value: &Value, at: u64, scan: &mut Scan<'_>) {
    match value {
        Value::Text(text) => {
            // Other libraries put in values where a name stands in braces.
            let code = text
                .strip_prefix('$')
                .is_some_and(|rest| !rest.is_empty() && (!rest.starts_with('{') || rest.contains('(')));
            if code {
                remote(scan);
                let shown: String = text.chars().take(64).collect();
                scan.find_about(&rules::EXPRESSION, at, &shown, format!("'{shown}'"));
            }
        }
        Value::Array(list) => list.items.iter().for_each(|item| expressions(item, at, scan)),
        Value::Object(object) => {
            object.members.iter().for_each(|member| expressions(&member.value, member.at, scan));
        }
        _ => {}
    }
}

/// What jsonpickle makes objects of.
fn pickled(member: &Member, scan: &mut Scan<'_>) {
    let at = member.at;
    match (&*member.name, &member.value) {
        ("py/object" | "py/type" | "py/function" | "py/class" | "py/mod", Value::Text(name)) => {
            named(name, at, scan);
        }
        ("py/repr", Value::Text(text)) => {
            remote(scan);
            let shown: String = text.chars().take(64).collect();
            scan.find_about(&rules::EXPRESSION, at, &shown, format!("'{shown}'"));
        }
        ("py/reduce" | "py/newargsex" | "py/initargs", Value::Array(_) | Value::Object(_)) => {
            remote(scan);
            scan.find_about(&rules::EXPRESSION, at, &member.name, format!("'{}'", member.name));
        }
        _ => {}
    }
}

fn constructors(value: &Value, at: u64, scan: &mut Scan<'_>) {
    match value {
        Value::Array(list) => list.items.iter().for_each(|item| constructors(item, at, scan)),
        Value::Object(object) => {
            constructor(value, at, scan);
            object.members.iter().for_each(|member| constructors(&member.value, member.at, scan));
        }
        _ => {}
    }
}

/// What LangChain loads by the path of a class.
fn constructor(value: &Value, at: u64, scan: &mut Scan<'_>) {
    if value.get("lc").is_none() || value.get("type").and_then(Value::as_str) != Some("constructor") {
        return;
    }
    let parts = value.get("id").and_then(Value::as_array).unwrap_or_default();
    let names: Vec<&str> = parts.iter().map(|part| part.as_str().unwrap_or("?")).collect();
    let first = names.first().copied().unwrap_or_default();
    let own = first == "langchain" || first.starts_with("langchain_");
    let plain = names
        .iter()
        .all(|name| !name.starts_with('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    if !own || !plain {
        named(&names.join("."), at, scan);
    }
}

/// A class or function that is imported and called.
fn named(full: &str, at: u64, scan: &mut Scan<'_>) {
    let (module, name) = full.rsplit_once('.').unwrap_or(("builtins", full));
    let rule = match scan.globals.judge(module, name, 4) {
        Standing::Allowed(_) => return,
        Standing::Dangerous(_) => &rules::DANGEROUS,
        Standing::Unknown => &rules::MODULE,
    };
    remote(scan);
    scan.contents.add_name(|contents| &mut contents.globals, full);
    scan.find_about(rule, at, full, format!("'{full}'"));
}

#[cfg(test)]
mod tests {
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    fn finds(rule: &str, name: &str, data: &str) {
        let file = look(name, data.as_bytes());
        assert!(rules_in(&file).contains(&rule), "{data} {:?}", file.findings);
        let worst = if rule == "HFC009" { Verdict::Malicious } else { Verdict::Suspicious };
        assert_eq!(file.verdict(), worst, "{data}");
    }

    #[test]
    fn expressions_of_bundles() {
        for (name, data) in [
            ("inference.json", r#"{"imports": ["$import os"], "run": ["$os.system('id')"]}"#),
            ("x.json", r#"{"initialize": ["$exec(open('x.txt').read())"]}"#),
            ("x.json", r#"{"bundle_root": ".", "network": "$torch.hub.load('evil/x','m')"}"#),
            ("metadata.json", r#"{"network_def": {"a": [[{"x": "$__import__('os').system('id')"}]]}}"#),
            ("train.json", r#"{"a": "$getattr(torch,'hub')"}"#),
            ("x.json", r#"{"a": {"_target_": "torch.nn.Linear", "n": "${__import__('os')}"}}"#),
        ] {
            finds("HFC010", name, data);
        }
        for (name, data) in [
            ("vocab.json", r#"{"$(": 1}"#),
            ("x.json", r#"{"price": "$5", "a": ["$f(x)"]}"#),
            ("x.json", r#"{"_target_": "torch.nn.Linear", "n": "${model.size}"}"#),
            ("metadata.json", r#"{"version": "1.0", "network_def": {"n": "@size"}}"#),
        ] {
            let file = look(name, data.as_bytes());
            assert_eq!(file.verdict(), Verdict::Clean, "{data} {:?}", file.findings);
        }
    }

    #[test]
    fn objects_of_jsonpickle() {
        finds("HFC009", "x.json", r#"{"py/object": "os.system"}"#);
        finds("HFC009", "x.json", r#"{"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["id"]}]}"#);
        finds("HFC009", "x.json", r#"[{"a": {"py/function": "builtins.eval"}}]"#);
        finds("HFC005", "x.json", r#"{"py/object": "my.Class"}"#);
        finds("HFC010", "x.json", r#"{"py/repr": "os/os.getcwd()"}"#);
        let plain = br#"{"py/object": "collections.OrderedDict", "a": {"py/tuple": [1]}}"#;
        assert_eq!(look("x.json", plain).verdict(), Verdict::Clean);
    }

    #[test]
    fn constructors_of_langchain() {
        finds(
            "HFC009",
            "x.json",
            r#"{"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}"#,
        );
        finds("HFC005", "x.json", r#"[[{"a": [[{"lc": 1, "type": "constructor", "id": ["mine", "X"]}]]}]]"#);
        let plain =
            br#"{"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "PromptTemplate"], "kwargs": {}}"#;
        assert_eq!(look("x.json", plain).verdict(), Verdict::Clean);
    }

    #[test]
    fn types_that_are_paths() {
        finds("HFC005", "config.json", r#"{"model": {"type": "os.system"}}"#);
        let plain = br#"{"model": {"type": "my.model"}, "type": "image.png"}"#;
        assert_eq!(look("config.json", plain).verdict(), Verdict::Clean);
    }
}
