//! Files of models.

use modelseal_core::{
    inspection::{FileFormat, FileInspection, PickleTier, Severity, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Globals, inspect, rule, trace};
use std::io::Write;

/// A pickle is judged alike whether it can be read at any place or comes out of a decoder, and what is dangerous is not
/// called anything less.
pub fn inspect_pickle(data: &[u8]) {
    let found = look("model.pkl", data);
    let mut text = String::new();
    trace(&data.to_vec(), Globals::shipped(), &mut text, 10_000).expect("bytes in memory can be read");
    assert!(text.lines().count() <= 10_000);
    if found.contents.pickle_tier() == PickleTier::Dangerous {
        assert_eq!(found.verdict(), Verdict::Malicious);
    }
    // Only an opcode at the start makes it a pickle whatever follows; other marks are other formats.
    if data.starts_with(&[0x80]) && found.contents.members == 0 {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(data).expect("memory can be written");
        let packed = look("model.pkl.gz", &packed.finish().expect("memory can be written"));
        assert_eq!(packed.verdict() == Verdict::Malicious, found.verdict() == Verdict::Malicious);
        assert_eq!(packed.contents.globals, found.contents.globals);
    }
}

/// Any file under any name, which is the first line.
pub fn inspect_file(data: &[u8]) {
    let (name, data) = match data.iter().position(|&byte| byte == b'\n') {
        Some(end) if end < 32 => (&data[..end], &data[end + 1..]),
        _ => (&b"model.bin"[..], data),
    };
    let name = String::from_utf8_lossy(name);
    look(if ModelPath::parse(&name).is_ok() { &name } else { "model.bin" }, data);
}

/// What is put behind a clean GGUF file is seen.
pub fn inspect_gguf(data: &[u8]) {
    let found = look("model.gguf", data);
    if found.format == FileFormat::Gguf && found.verdict() == Verdict::Clean {
        // More than any padding that is let pass.
        let more = [data, &[1; 5000]].concat();
        assert_ne!(look("model.gguf", &more).verdict(), Verdict::Clean);
    }
}

/// What comes before an attack does not hide it, as long as it can be followed.
pub fn inspect_jinja(data: &[u8]) {
    let found = look("chat_template.jinja", data);
    let more = [data, b"{{ q.__class__ }}"].concat();
    if found.format == FileFormat::Jinja && more.len() < 256 * 1024 {
        let lost = found.findings.iter().any(|finding| finding.rule.as_str() == "JIN009");
        let more = look("chat_template.jinja", &more);
        assert!(lost || more.format != FileFormat::Jinja || more.verdict() == Verdict::Malicious);
    }
}

/// JSON without any finding is JSON to others.
pub fn inspect_json(data: &[u8]) {
    let found = look("config.json", data);
    if found.format == FileFormat::Json && found.findings.is_empty() {
        match serde_json::from_slice::<serde_json::Value>(data) {
            Ok(_) => {}
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("recursion limit") || error.contains("number out of range"),
                    "{error}"
                );
            }
        }
    }
}

/// A safetensors file is judged alike whether its length is known or it comes out of a decoder.
pub fn inspect_safetensors(data: &[u8]) {
    let found = look("model.safetensors", data);
    if found.format == FileFormat::Safetensors && found.formats.len() == 1 {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(data).expect("memory can be written");
        let packed = look("model.safetensors.gz", &packed.finish().expect("memory can be written"));
        assert_eq!(packed.verdict(), found.verdict());
    }
}

/// What holds of every inspection: it is the same every time, in order, and each finding has a rule.
fn look(name: &str, data: &[u8]) -> FileInspection {
    let path = ModelPath::parse(name).expect("a name");
    let look = || {
        inspect(&path, &data.to_vec(), Globals::shipped()).expect("bytes in memory can be read").into_inner()
    };
    let found = look();
    assert_eq!(look(), found);
    assert!(found.findings.is_sorted_by_key(|finding| finding.rule));
    for finding in &found.findings {
        let rule = rule(finding.rule).expect("a finding has a rule");
        assert!(finding.severity <= rule.severity && finding.count > 0);
        assert!(finding.severity == Severity::Note || found.verdict() > Verdict::Clean);
    }
    found
}
