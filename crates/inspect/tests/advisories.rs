//! Every published way past scanners, and into loaders through model files, that we know of has a test named after it. This
//! list is ours; `cargo test --test advisories -- --nocapture` prints it with its tests.

#![expect(clippy::expect_used, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Advisories by what they are about. Numbers stand for themselves in the year before them.
const ADVISORIES: &[(&str, &str)] = &[
    (
        "picklescan",
        "cve 2025 1716 1889 1944 1945 10155 10156 10157 71321 71325 71339 71340 71342 71343 71344 71345 71347",
    ),
    (
        "picklescan",
        "cve 2025 71348 71350 71351 71352 71353 71354 71355 71356 71357 71358 71359 71360 71361 71362 71364",
    ),
    ("picklescan", "cve 2025 71365 71366 71367 71368 71369 71370 71372 71373 71375"),
    ("picklescan", "cve 2026 3490 53874 56304 56315"),
    ("picklescan", "ghsa 84r2-jw7c-4r5q 4675-36f9-wf6r vqmv-47xg-9wpr 7wx9-6375-f5wh"),
    ("fickling", "cve 2025 67747 67748"),
    ("fickling", "cve 2026 14535 22606 22607 22608 22609 22612"),
    ("fickling", "ghsa mhc9-48gj-9gp3 mxhj-88fx-4pcv 5hwf-rc88-82xm 6ggj-6f2q-f7mx 5j3x-jp52-966f"),
    ("fickling", "ghsa wccx-j62j-r448 fphw-536r-4p88"),
    ("CPython", "cpython 154848"),
    ("modelscan", "modelscan 85 89 263 330 331 346"),
    ("PyTorch", "cve 2025 32434"),
    ("PyTorch", "cve 2026 4538 24747"),
    ("Keras", "cve 2024 3660"),
    ("Keras", "cve 2025 1550 8747 9905 9906 12058 12060 49655"),
    ("Keras", "cve 2026 1669"),
    ("ONNX", "cve 2022 25882"),
    ("ONNX", "cve 2024 5187 27318"),
    ("ONNX", "cve 2025 51480"),
    ("ONNX", "cve 2026 27489 28500 34445 34446 34447"),
    ("llama.cpp", "cve 2025 53630"),
    ("llama.cpp", "cve 2026 27940"),
    ("Ollama", "cve 2026 7482"),
    ("llama-cpp-python", "cve 2024 34359"),
    ("skops", "cve 2025 54412 54413 54886"),
    ("NeMo", "cve 2025 23249 23250 23304"),
    ("NumPy", "cve 2019 6446"),
    ("scikit-learn", "cve 2020 13092"),
    ("joblib", "cve 2024 34997"),
    ("R", "cve 2024 27322"),
];

#[test]
fn every_advisory_has_a_test() {
    let mut tests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(root) {
        let text = fs::read_to_string(&file).expect("a source can be read");
        for name in text.lines().filter_map(test_name) {
            for advisory in advisories(&name.replace('_', " ")) {
                tests.entry(advisory).or_default().insert(name.to_owned());
            }
        }
    }
    let (mut missing, mut count) = (Vec::new(), 0);
    for (product, list) in ADVISORIES {
        for advisory in advisories(&list.replace('-', " ")) {
            count += 1;
            match tests.get(&advisory) {
                Some(names) => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    println!("{advisory:<26} {product:<17} {}", names.join(", "));
                }
                None => missing.push(format!("{advisory} ({product})")),
            }
        }
    }
    println!("{} of {count} advisories have a test", count - missing.len());
    assert!(missing.is_empty(), "there is no test of {}", missing.join(", "));
}

/// The name of a test, where the line is the head of one or an entry of a table of them.
fn test_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let (name, is_entry) = match line.strip_prefix("fn ") {
        Some(rest) => (rest.split_once('(')?.0, false),
        None => (line.split_once(':')?.0, true),
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let is_about = ["cve_", "ghsa_", "modelscan_", "cpython_"].iter().any(|start| name.starts_with(start));
    (is_name && (is_about || !is_entry)).then_some(name)
}

/// The advisories that words tell of: `cve 2025 54412 54413` are two.
fn advisories(words: &str) -> Vec<String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&word) = words.get(at) {
        at += 1;
        let mut numbers = |at: &mut usize, prefix: String| {
            while let Some(number) = words.get(*at).filter(|word| is_number(word)) {
                found.push(format!("{prefix}{number}"));
                *at += 1;
            }
        };
        match word {
            "cve" => {
                if let Some(year) = words.get(at).filter(|year| is_number(year) && year.len() == 4) {
                    at += 1;
                    numbers(&mut at, format!("cve-{year}-"));
                }
            }
            "modelscan" | "cpython" => numbers(&mut at, format!("{word}-")),
            "ghsa" => {
                while let Some(parts) =
                    words.get(at..at + 3).filter(|parts| parts.iter().all(|part| part.len() == 4))
                {
                    found.push(format!("ghsa-{}", parts.join("-")));
                    at += 3;
                }
            }
            _ => {}
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.join("src"), folder.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("a source").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
