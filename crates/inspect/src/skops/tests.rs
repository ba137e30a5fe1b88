//! Descriptions as skops writes them, and as attackers do.

use crate::zip::stored::archive;
use modelseal_core::inspection::{FileFormat, FileInspection, Verdict};

fn look(data: &[u8]) -> FileInspection {
    crate::testing::look("model.skops", data)
}

fn schema(text: &str) -> FileInspection {
    look(&archive(&[("schema.json", text.as_bytes()), ("1.npy", &npy())]))
}

fn rules(text: &str) -> Vec<String> {
    schema(text).findings.iter().map(|finding| finding.rule.to_string()).collect()
}

fn npy() -> Vec<u8> {
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
    [&b"\x93NUMPY\x01\0"[..], &[118, 0], header.as_bytes(), &[0; 8]].concat()
}

fn node(loader: &str, module: &str, class: &str, content: &str) -> String {
    format!(
        r#"{{"__class__": "{class}", "__module__": "{module}", "__loader__": "{loader}", "content": {content}, "__id__": 1}}"#
    )
}

#[test]
fn a_model_is_clean() {
    let array = r#"{"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy",
        "file": "1.npy", "__id__": 2}"#;
    let attributes = node("DictNode", "builtins", "dict", &format!(r#"{{"coef_": {array}}}"#));
    let function = node("FunctionNode", "numpy", "log1p", "null");
    let list = node("ListNode", "builtins", "list", &format!("[{attributes}, {function}]"));
    let found = schema(&node("ObjectNode", "sklearn.linear_model._logistic", "LogisticRegression", &list));
    assert_eq!(found.findings, []);
    assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::Skops));
    assert_eq!((found.contents.tensors, found.contents.parameters), (1, 2));
}

#[test]
fn types_and_functions_are_judged() {
    assert_eq!(schema(&node("FunctionNode", "os", "system", "null")).verdict(), Verdict::Malicious);
    assert_eq!(rules(&node("FunctionNode", "builtins", "eval", "null")), ["SKO001"]);
    assert_eq!(rules(&node("TypeNode", "subprocess", "Popen", "null")), ["SKO001"]);
    assert_eq!(rules(&node("ObjectNode", "my_project", "Model", "null")), ["SKO002"]);
    let deep =
        node("ListNode", "builtins", "list", &format!("[{}]", node("ObjectNode", "os", "system", "null")));
    assert_eq!(rules(&deep), ["SKO001"]);
    assert_eq!(rules(&node("SomeNode", "builtins", "list", "null")), ["SKO003"]);
}

#[test]
fn cve_2025_54412_operators_under_another_name() {
    let found = rules(&node("OperatorFuncNode", "sklearn.linear_model._base", "LinearRegression", "null"));
    assert!(found.contains(&"SKO004".to_owned()) && found.contains(&"SKO003".to_owned()));
    assert_eq!(rules(&node("OperatorFuncNode", "operator", "itemgetter", "null")), ["SKO003"]);
    assert_eq!(
        schema(&node("OperatorFuncNode", "operator", "methodcaller", "null")).verdict(),
        Verdict::Malicious
    );
}

#[test]
fn cve_2025_54413_methods_of_another_object() {
    let inner = node("ObjectNode", "my_project", "Evil", "null");
    let content = format!(r#"{{"func": "run", "obj": {inner}}}"#);
    let found = rules(&node("MethodNode", "sklearn.linear_model._base", "LinearRegression", &content));
    assert_eq!(found, ["SKO002", "SKO003", "SKO004"]);
    let content = format!(r#"{{"func": "__init__", "obj": {inner}}}"#);
    assert!(rules(&node("MethodNode", "my_project", "Evil", &content)).contains(&"SKO001".to_owned()));
}

#[test]
fn cve_2025_54886_a_pickle_in_its_place() {
    assert_eq!(look(b"cos\nsystem\n(S'true'\ntR.").verdict(), Verdict::Malicious);
    assert_eq!(look(b"\x80\x04K\x01.").verdict(), Verdict::Malformed);
}

#[test]
fn what_is_wrong_is_found() {
    let missing =
        r#"{"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "file": "../2.npy"}"#;
    assert_eq!(rules(missing), ["SKO005"]);
    assert_eq!(rules("{}"), ["SKO007"]);
    let good = node("ListNode", "builtins", "list", "[]");
    let found = look(&archive(&[("schema.json", good.as_bytes()), ("a.pkl", b"\x80\x04K\x01.")]));
    assert_eq!(found.findings.iter().map(|f| f.rule.to_string()).collect::<Vec<_>>(), ["SKO006"]);
    let evil = [("schema.json", good.as_bytes()), ("a.bin", &b"cos\nsystem\n(S'true'\ntR."[..])];
    look(&archive(&evil));
    for end in 1..good.len() {
        assert_ne!(schema(&good[..end]).verdict(), Verdict::Clean, "{end}");
    }
}
