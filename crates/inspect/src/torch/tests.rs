//! Archives of PyTorch that hold more than tensors.

use crate::zip::stored::archive;
use modelseal_core::inspection::{Capability, FileFormat, FileInspection, Verdict};

const DATA: &[u8] = b"\x80\x02}q\x00.";
const EVIL: &[u8] = b"\x80\x02cos\nsystem\n(S'true'\ntR.";

fn look(name: &str, members: &[(&str, &[u8])]) -> FileInspection {
    crate::testing::look(name, &archive(members))
}

fn has(found: &FileInspection, rule: &str) -> bool {
    found.findings.iter().any(|finding| finding.rule.as_str() == rule)
}

fn script(code: &[u8]) -> FileInspection {
    look(
        "net.pt",
        &[
            ("net/data.pkl", DATA),
            ("net/code/__torch__.py", code),
            ("net/constants.pkl", b"\x80\x02)."),
            ("net/version", b"3\n"),
        ],
    )
}

fn exported(inputs: &[u8], more: &[(&str, &[u8])]) -> FileInspection {
    let nested = archive(&[("archive/data.pkl", inputs), ("archive/version", b"3\n")]);
    let members: [(&str, &[u8]); 4] = [
        ("m/archive_format", b"pt2"),
        ("m/models/model.json", b"{\"schema_version\": {\"major\": 8}}"),
        ("m/data/sample_inputs/model.pt", &nested),
        ("m/data/weights/weight_0", &[1; 64]),
    ];
    look("m.pt2", &[&members[..], more].concat())
}

#[test]
fn exports_are_clean_and_so_are_their_raw_weights() {
    let found = exported(DATA, &[]);
    assert_eq!(found.findings, []);
    assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::TorchExport));
}

#[test]
fn cve_2026_4538_pickles_in_exports() {
    let found = exported(EVIL, &[]);
    assert_eq!(found.verdict(), Verdict::Malicious);
    let place = found.findings[0].place.to_string();
    assert!(place.contains("sample_inputs/model.pt!/archive/data.pkl"), "{place}");
    assert!(has(&exported(DATA, &[("m/data/weights/weight_1", EVIL)]), "TOR005"));
    assert_eq!(exported(DATA, &[("m/data/constants/custom_obj_0", EVIL)]).verdict(), Verdict::Malicious);
}

#[test]
fn compiled_code_in_exports_is_found() {
    let found = exported(DATA, &[("m/data/aotinductor/model/a.wrapper.so", b"\x7fELF")]);
    assert!(has(&found, "TOR009") && found.contents.capabilities.contains(&Capability::NativeCode));
}

#[test]
fn torchscript_that_computes_is_clean() {
    let found =
        script(b"class Net(Module):\n  def forward(self, x):\n    return torch.add(x, ops.aten.relu(x))\n");
    assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::TorchScript));
}

#[test]
fn torchscript_that_reaches_files_or_libraries_is_suspicious() {
    for code in [
        "torch.from_file(\"/etc/passwd\")",
        "torch.save(x, \"/tmp/a\")",
        "ops.mylib.run(x)",
        "ops.image.read_file(\"/etc/passwd\")",
        "__torch__.torch.classes.mylib.Thing",
    ] {
        let found = script(format!("def forward(self, x):\n  return {code}\n").as_bytes());
        assert!(
            has(&found, "TOR006") && found.verdict() == Verdict::Suspicious,
            "{code}: {:?}",
            found.findings
        );
    }
    let known = script(
        b"def forward(self, x : __torch__.torch.classes.quantized.LinearPackedParamsBase):\n  return x\n",
    );
    assert!(!has(&known, "TOR006"));
}

#[test]
fn packages_of_torch_hold_code() {
    let members: [(&str, &[u8]); 4] = [
        ("p/.data/python_version", b"3.11"),
        ("p/.data/extern_modules", b""),
        ("p/net/model.pkl", DATA),
        ("p/net/code.py", b"import os\n"),
    ];
    let found = look("p.pt", &members);
    assert!(has(&found, "TOR008") && found.format == FileFormat::TorchPackage);
    assert!(found.verdict() >= Verdict::Suspicious);
}
