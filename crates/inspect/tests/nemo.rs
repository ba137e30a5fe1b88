//! Archives of NeMo: a tar archive of a configuration and a checkpoint.

#![expect(clippy::unwrap_used, reason = "a test")]

use modelseal_core::{
    inspection::{FileFormat, FileInspection, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Globals, inspect};

const PICKLE: &[u8] = b"\x80\x04}\x94.";
const CONFIG: &[u8] = b"target: nemo.collections.asr.models.EncDecCTCModel\nlabels: [a, b]\n";

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in members {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(*content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn look(members: &[(&str, &[u8])]) -> FileInspection {
    let path = ModelPath::parse("model.nemo").unwrap();
    inspect(&path, &tar(members), Globals::shipped()).unwrap().into_inner()
}

#[test]
fn a_model_is_known_by_its_configuration() {
    let found = look(&[("./model_config.yaml", CONFIG), ("./model_weights.ckpt", PICKLE)]);
    assert_eq!(found.format, FileFormat::Nemo);
    assert!(found.verdict() <= Verdict::Unknown, "{:?}", found.findings);
}

#[test]
fn cve_2025_23249_pickles_are_judged() {
    let found = look(&[("model_config.yaml", CONFIG), ("model_weights.ckpt", b"cos\nsystem\n(S'true'\ntR.")]);
    assert_eq!(found.verdict(), Verdict::Malicious);
}

#[test]
fn cve_2025_23250_members_stay_inside() {
    let found = look(&[("model_config.yaml", CONFIG), ("../../.bashrc", b"true\n")]);
    assert!(found.verdict() >= Verdict::Suspicious);
    assert!(found.findings.iter().any(|finding| finding.rule.as_str() == "TAR002"));
}

#[test]
fn cve_2025_23304_targets_are_never_clean() {
    let config = b"model:\n  _target_: os.system\n  command: 'true'\n";
    let found = look(&[("model_config.yaml", config), ("model_weights.ckpt", PICKLE)]);
    assert_ne!(found.verdict(), Verdict::Clean);
}
