//! Archives with handlers, and what is wrong with them.

use crate::zip::stored::archive;
use modelseal_core::inspection::{FileFormat, FileInspection, Verdict};

fn look(members: &[(&str, &[u8])]) -> FileInspection {
    crate::testing::look("model.mar", &archive(members))
}

fn has(found: &FileInspection, rule: &str) -> bool {
    found.findings.iter().any(|finding| finding.rule.as_str() == rule)
}

const WEIGHTS: (&str, &[u8]) = ("a.pkl", b"\x80\x04K\x01.");

fn manifest(handler: &str) -> String {
    format!(
        r#"{{"runtime": "python", "model": {{"modelName": "m", "handler": "{handler}", "serializedFile": "a.pkl"}}}}"#
    )
}

#[test]
fn handlers_of_torchserve_are_clean() {
    let text = manifest("image_classifier");
    let found = look(&[("MAR-INF/MANIFEST.json", text.as_bytes()), WEIGHTS]);
    assert_eq!(found.findings, []);
    assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::TorchServe));
}

#[test]
fn own_handlers_are_suspicious_and_what_they_do_counts() {
    let text = manifest("handler.py:handle");
    let with =
        |code: &[u8]| look(&[("MAR-INF/MANIFEST.json", text.as_bytes()), WEIGHTS, ("handler.py", code)]);
    let plain = with(b"import torch\nmodel.eval()\nre.compile('a')\n");
    assert!(has(&plain, "MAR001") && !has(&plain, "MAR002"));
    assert!(plain.contents.scripts.contains("handler.py"));
    for code in ["import os\nos.system('true')", "eval('1')", "x = subprocess.run(['a'])"] {
        let found = with(code.as_bytes());
        assert!(has(&found, "MAR002") && found.verdict() == Verdict::Malicious, "{code}");
    }
}

#[test]
fn what_is_wrong_with_a_manifest_is_found() {
    let text = manifest("other");
    assert!(has(&look(&[("MAR-INF/MANIFEST.json", text.as_bytes()), WEIGHTS]), "MAR004"));
    assert!(has(&look(&[("MAR-INF/MANIFEST.json", b"{}"), WEIGHTS]), "MAR004"));
    let text = manifest("image_classifier");
    let members = [("MAR-INF/MANIFEST.json", text.as_bytes()), WEIGHTS, ("requirements.txt", b"a\n")];
    assert!(has(&look(&members), "MAR003"));
    for end in 1..text.len() {
        let found = look(&[("MAR-INF/MANIFEST.json", &text.as_bytes()[..end]), WEIGHTS]);
        assert_ne!(found.verdict(), Verdict::Clean);
    }
}
