//! The samples that others have published, each with the verdict it should get: read through `MODELSEAL_SAMPLES`, where
//! `inspection/index.json` lists them. They are hostile data and are only ever read as bytes.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a test, and its scoreboard")]

use modelseal_core::{
    inspection::{FileInspection, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Globals, inspect};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

#[derive(Deserialize)]
struct Index {
    files: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    file: String,
    expected: String,
    family: String,
    why: String,
}

fn samples() -> Option<(PathBuf, Vec<Sample>)> {
    let Some(root) = env::var_os("MODELSEAL_SAMPLES") else {
        println!("skipped: MODELSEAL_SAMPLES is not set");
        return None;
    };
    let root = PathBuf::from(root).join("inspection");
    let index = fs::read(root.join("index.json")).expect("the samples have an index");
    let index: Index = serde_json::from_slice(&index).expect("the index can be read");
    Some((root, index.files))
}

fn inspected(root: &Path, sample: &Sample) -> FileInspection {
    let bytes = fs::read(root.join(&sample.file)).expect("a sample can be read");
    let path = ModelPath::parse(&sample.file).expect("a sample has a name");
    inspect(&path, &bytes, Globals::shipped()).expect("bytes in memory can be read").into_inner()
}

fn told(sample: &Sample, found: &FileInspection) -> String {
    let findings: Vec<String> = found
        .findings
        .iter()
        .map(|finding| {
            format!(
                "      {} {} {} x{}: {}",
                finding.rule, finding.severity, finding.place, finding.count, finding.message
            )
        })
        .collect();
    format!(
        "{} [{}] expected {}, found {} ({}, {})\n    {}\n{}",
        sample.file,
        sample.family,
        sample.expected,
        found.verdict(),
        found.format,
        found.contents.pickle_tier(),
        sample.why,
        findings.join("\n")
    )
}

#[test]
fn every_sample_gets_its_verdict() {
    let Some((root, samples)) = samples() else { return };
    let (mut wrong, mut clean, mut suspicious) = (Vec::new(), 0, Vec::new());
    let mut board: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for sample in &samples {
        let found = inspected(&root, sample);
        let verdict = found.verdict();
        *board.entry((&sample.family, &sample.expected)).or_default().entry(verdict.name()).or_default() += 1;
        let good = match sample.expected.as_str() {
            "malicious" | "suspicious" => verdict >= Verdict::Suspicious,
            "malformed" => verdict != Verdict::Clean,
            "clean" => {
                clean += 1;
                if verdict == Verdict::Suspicious {
                    suspicious.push(told(sample, &found));
                }
                verdict <= Verdict::Suspicious
            }
            other => panic!("an unknown verdict {other}"),
        };
        if !good || env::var_os("SCOREBOARD").is_some() && verdict.name() != sample.expected {
            let text = told(sample, &found);
            println!("{text}");
            if !good {
                wrong.push(text);
            }
        }
    }
    for ((family, expected), found) in &board {
        println!("{family:<28} {expected:<11} {found:?}");
    }
    assert!(wrong.is_empty(), "{} samples:\n{}", wrong.len(), wrong.join("\n"));
    assert!(suspicious.len() * 50 <= clean, "{} of {clean}:\n{}", suspicious.len(), suspicious.join("\n"));
}

#[test]
fn no_sample_takes_long() {
    let Some((root, samples)) = samples() else { return };
    for sample in &samples {
        let bytes = fs::metadata(root.join(&sample.file)).expect("a sample has a size").len();
        let start = Instant::now();
        inspected(&root, sample);
        let most = 2.0 + 2.0 * bytes as f64 / 1e6;
        let took = start.elapsed().as_secs_f64();
        assert!(took < most, "{} took {took} s", sample.file);
    }
}
