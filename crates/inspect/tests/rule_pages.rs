//! The pages about rules are what the tables of rules say: a rule without its page fails, and a page without its rule.
//! `RULE_PAGES=overwrite` writes them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "whether to write the pages is the caller's choice, as with snapshots"
)]

use modelseal_core::inspection::Severity;
use modelseal_inspect::{Rule, RuleSet, rules};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// What rules that begin so are about.
const SUBJECTS: &[(&str, &str)] = &[
    ("CBM", "CatBoost models"),
    ("CML", "Core ML models"),
    ("CMP", "compressed streams"),
    ("FLX", "Flax models in MessagePack"),
    ("FMT", "what a file is, compared with what its name promises"),
    ("GGF", "GGUF"),
    ("GIT", "files of Git"),
    ("HDF", "HDF5"),
    ("HFC", "configurations of Hugging Face repositories"),
    ("IMG", "pictures"),
    ("JIN", "Jinja chat templates"),
    ("JSN", "JSON"),
    ("KER", "Keras"),
    ("LFS", "pointers of Git LFS"),
    ("LGB", "LightGBM models"),
    ("LIM", "bounds on what is inspected"),
    ("LUA", "Torch7 of Lua"),
    ("MAR", "TorchServe archives"),
    ("MDL", "what only shows when all files of a model are seen together"),
    ("NAT", "programs and libraries"),
    ("NPY", "NumPy's files"),
    ("ONX", "ONNX"),
    ("OVN", "OpenVINO"),
    ("PDF", "PDF documents"),
    ("PDL", "PaddlePaddle"),
    ("PKL", "Python pickles"),
    ("PMM", "PMML"),
    ("PTE", "ExecuTorch"),
    ("RDS", "R's serialisation"),
    ("REQ", "lists of packages to install"),
    ("SKO", "skops"),
    ("SPM", "SentencePiece models"),
    ("SRC", "sources and scripts"),
    ("STN", "safetensors"),
    ("SVZ", "7z archives"),
    ("TAR", "tar archives"),
    ("TFC", "TensorFlow checkpoints"),
    ("TFG", "TensorFlow graphs"),
    ("TFL", "TensorFlow Lite"),
    ("TOK", "tokenizers"),
    ("TOR", "PyTorch's files"),
    ("TRT", "TensorRT engines"),
    ("TXT", "text"),
    ("VOC", "vocabularies"),
    ("XGB", "XGBoost models"),
    ("XML", "XML"),
    ("YML", "YAML"),
    ("ZIP", "zip archives"),
];

#[test]
fn every_rule_has_its_page_and_every_page_its_rule() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut wanted: BTreeMap<PathBuf, String> =
        rules().iter().map(|rule| (docs.join(format!("rules/{}.md", rule.id)), page(rule))).collect();
    wanted.insert(docs.join("rules.md"), index());
    let there = fs::read_dir(docs.join("rules")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let strays: Vec<PathBuf> = there.filter(|path| !wanted.contains_key(path)).collect();
    if std::env::var("RULE_PAGES").is_ok_and(|value| value == "overwrite") {
        fs::create_dir_all(docs.join("rules")).unwrap();
        strays.iter().for_each(|path| fs::remove_file(path).unwrap());
        wanted.iter().for_each(|(path, text)| fs::write(path, text).unwrap());
        return;
    }
    assert_eq!(strays, Vec::<PathBuf>::new(), "pages without a rule");
    for (path, text) in wanted {
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            found,
            text,
            "{} is not as the table says; RULE_PAGES=overwrite writes it",
            path.display()
        );
    }
}

/// What a page offers to copy is a rule set.
#[test]
fn what_pages_say_about_severities_is_true() {
    for rule in rules() {
        for lines in changes(rule).values() {
            let text = format!("schema = \"modelseal.rules/v1\"\nid = \"a\"\nversion = 1\n{lines}");
            let changed = RuleSet::parse(&text).map(|rules| rules.changed().count());
            assert_eq!(changed, Ok(1), "{text}");
        }
    }
}

fn page(rule: &Rule) -> String {
    let Rule { id, name, severity, summary, remedy } = rule;
    let mut text = format!("# {id}: {name}\n\n{summary}\n\n## What to do\n\n{remedy}\n\n");
    let _ = write!(
        text,
        "## What it does\n\n| | |\n|---|---|\n| severity | {severity}: {} |\n| outcome | {} |\n",
        meaning(*severity),
        outcome(*severity)
    );
    for (heading, lines) in changes(rule) {
        let _ = write!(text, "\n{heading}:\n\n```toml\n{lines}```\n");
    }
    let _ = write!(
        text,
        "\nRules that begin with `{}` are about {}. [How to inspect](../inspection.md). [All rules](../rules.md).\n",
        &id.as_str()[..3],
        about(rule)
    );
    text
}

/// What to write into a rule set.
fn changes(rule: &Rule) -> BTreeMap<&'static str, String> {
    let id = rule.id;
    let mut changes = BTreeMap::new();
    if rule.severity < Severity::Malicious {
        changes.insert("A rule set may raise it", format!("[rules.{id}]\nseverity = \"malicious\"\n"));
    }
    // What was not understood is never clean.
    let least = if rule.severity == Severity::Unknown || id.as_str().starts_with("LIM") {
        Severity::Unknown
    } else {
        Severity::Note
    };
    if rule.severity > least {
        changes.insert(
            "A rule set may lower it, with a reason",
            format!("[rules.{id}]\nseverity = \"{least}\"\nreason = \"why it does no harm here\"\n"),
        );
    }
    changes
}

fn index() -> String {
    let mut text = "# Rules of inspection\n\nEvery finding of [`modelseal inspect`](inspection.md) is by a rule with a lasting \
                    name. The list only grows, and a name never changes its meaning. `modelseal inspect --explain RULE` \
                    prints the same.\n"
        .to_owned();
    let subjects: BTreeSet<&str> = rules().iter().map(|rule| &rule.id.as_str()[..3]).collect();
    for subject in subjects {
        let of = |rule: &&&'static Rule| rule.id.as_str().starts_with(subject);
        let rules = rules();
        let rules: Vec<&&'static Rule> = rules.iter().filter(of).collect();
        let about = rules.first().map(|rule| about(rule)).unwrap_or_default();
        let _ = write!(
            text,
            "\n## {subject}: {about}\n\n| rule | | severity | what it means |\n|---|---|---|---|\n"
        );
        for rule in rules {
            let Rule { id, name, severity, summary, .. } = rule;
            let _ = writeln!(
                text,
                "| [{id}](rules/{id}.md) | {name} | {severity} | {} |",
                summary.replace('|', "\\|")
            );
        }
    }
    text
}

fn about(rule: &Rule) -> &'static str {
    let subject = &rule.id.as_str()[..3];
    let row = SUBJECTS.iter().find(|(known, _)| *known == subject);
    row.unwrap_or_else(|| panic!("SUBJECTS does not say what rules that begin with {subject} are about")).1
}

fn meaning(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "worth knowing; changes no verdict",
        Severity::Unknown => "something was not understood, or not inspected",
        Severity::Suspicious => "cannot be shown to be harmless",
        Severity::Malformed => "breaks its format: readers disagree about it, or fail",
        Severity::Malicious => "runs code when it is loaded, or names something that does",
    }
}

fn outcome(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "the file stays clean",
        Severity::Unknown => {
            "undecided, exit status 3; denied where a rule set says `deny-from = \"unknown\"`"
        }
        _ => "denied, exit status 1",
    }
}
