//! Files of other formats that are pickles as well: their first bytes are an opcode whose operand goes on behind what is
//! looked at first.

use super::{bounds::deflated, containers::zip};
use crate::{
    protobuf::wire::build::{bytes, number},
    testing::{look, rules_in},
};
use modelseal_core::inspection::{FileInspection, Verdict};
use std::io::Write;

const RUNS: &[u8] = b"cposix\nsystem\n(S'id'\ntR.";

/// A safetensors file whose header has this length's low byte, so that it begins with an opcode.
fn safetensors(opcode: u8, least: usize, data: &[u8]) -> Vec<u8> {
    let len = data.len();
    let header = |spaces: usize| {
        let spaces = " ".repeat(spaces);
        format!("{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{len}],\"data_offsets\":[0,{len}]}}{spaces}\n}}")
    };
    let spaces = least + (256 + usize::from(opcode) - header(least).len() % 256) % 256;
    let header = header(spaces);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn harmful() -> Vec<u8> {
    safetensors(b'V', 4200, &[RUNS, &[0; 40]].concat())
}

fn is_two(found: &FileInspection) {
    assert_eq!(found.verdict(), Verdict::Malicious, "{:?}", found.findings);
    assert!(rules_in(found).contains(&"FMT004"), "{:?}", found.findings);
}

#[test]
fn tensors_that_are_a_pickle_as_well() {
    for name in
        ["pytorch_model.bin", "model.safetensors", "a.pkl", "a.pt", "a.ckpt", "a.joblib", "a", "README.md"]
    {
        is_two(&look(name, &harmful()));
        is_two(&look(name, &safetensors(b'V', 300_000, RUNS)));
    }
    // A number that C ends at a NUL, and one of another base.
    is_two(&look("pytorch_model.bin", &{
        let header = "{\"w\":{\"dtype\":\"U8\",\"shape\":[24],\"data_offsets\":[0,24]}}";
        let header = format!("{header:<72}\n");
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), RUNS].concat()
    }));
    // Honest ones, that begin with the same opcode.
    for data in [&[7; 3000][..], b"\n", b"\nabc.", b"\nc\n\n", &[b'\n'; 400]] {
        for opcode in [b'V', b'S', b'c', b'X', b'('] {
            let found = look("model.safetensors", &safetensors(opcode, 4200, data));
            assert_eq!(found.verdict(), Verdict::Clean, "{:?}", found.findings);
            assert!(found.findings.is_empty(), "{:?}", found.findings);
        }
    }
}

#[test]
fn members_that_are_a_pickle_as_well() {
    // The second shows within the head.
    for bytes in
        [harmful(), safetensors(b'V', 300_000, RUNS), safetensors(b'V', 200, &[RUNS, &[0; 9000]].concat())]
    {
        is_two(&look("a.zip", &zip(&[("a/pytorch_model.bin", &bytes)])));
        is_two(&look("a.zip", &deflated("a/pytorch_model.bin", &bytes)));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&bytes).unwrap();
        is_two(&look("a.bin.gz", &gzip.finish().unwrap()));
    }
    let honest = safetensors(b'V', 4200, &[7; 100_000]);
    let found = look("a.zip", &deflated("a/pytorch_model.bin", &honest));
    assert!(!rules_in(&found).contains(&"FMT004"), "{:?}", found.findings);
    assert_eq!(found.verdict(), Verdict::Clean, "{:?}", found.findings);
}

#[test]
fn text_that_is_a_pickle_as_well() {
    let words = "abcdefg ".repeat(2000);
    let long = "9".repeat(20_000);
    for name in ["a.txt", "a.csv", "README", "README.md", "a.yaml", "a.bin", "a.pkl"] {
        for start in [
            format!("V{words}\n0"),
            "I0x10\n0".to_owned(),
            "L0b1L\n0".to_owned(),
            format!("S'{words}'\n0"),
            format!("F{long}\n0"),
            format!("I{}1\n0", " ".repeat(20_000)),
            format!("K1p{}1\n0", " ".repeat(20_000)),
        ] {
            let found = look(name, &[start.as_bytes(), RUNS, b"\nmore\n"].concat());
            assert_eq!(found.verdict(), Verdict::Malicious, "{name}: {:?}", found.findings);
        }
        if name != "a.pkl" && name != "a.bin" {
            let honest = format!("V{words}\ncat\ndog\neel\n");
            let found = look(name, honest.as_bytes());
            assert!(
                found.verdict() <= Verdict::Unknown
                    && !rules_in(&found).iter().any(|rule| rule.starts_with("PKL")),
                "{:?}",
                found.findings
            );
        }
    }
}

#[test]
fn a_graph_that_is_a_pickle_as_well() {
    // Fields of ONNX: the version 'K', and texts of which the first begins with 'V'.
    let entry =
        [bytes(1, [&b"V"[..], &[b'k'; 92]].concat()), bytes(2, [&[b'a'; 8000], &b"\n"[..], RUNS].concat())];
    let text = [&b"V"[..], &[b'a'; 92]].concat();
    let node = bytes(7, bytes(1, bytes(4, "Identity")));
    let file = [number(5, 0x4b), bytes(6, text), bytes(14, entry.concat()), node].concat();
    for name in ["model.onnx", "pytorch_model.bin", "model.pkl"] {
        let found = look(name, &file);
        assert_eq!(found.verdict(), Verdict::Malicious, "{name}: {:?}", found.findings);
    }
}
