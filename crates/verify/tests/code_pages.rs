//! The pages about reason codes are what the table of codes says: a code without its page fails, and a page without its
//! code. `CODE_PAGES=overwrite` writes them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "whether to write the pages is the caller's choice, as with snapshots"
)]

use modelseal_verify::decision::{Code, CodeEntry, CodeKind};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// What the codes of a domain have in common, and where `docs/policy.md` speaks of it.
const DOMAINS: &[(&str, &str, &str)] = &[
    ("policy", "the policy itself, or the rule that it has for a model", "which-rule"),
    ("reference", "the name under which a model is asked for", "references"),
    ("deny", "deny lists, which beat waivers and audit mode", "deny-lists"),
    ("signature", "signatures and how many people made them", "signature"),
    ("identity", "who signed, and whether somebody trusted vouches for it", "signers"),
    ("revocation", "certificates that were taken back", "signers"),
    ("log", "transparency logs", "signature"),
    ("time", "when something was signed, by somebody else's clock", "signature"),
    ("bind", "whether these bytes are the model of that name", "bind"),
    ("integrity", "the bytes and names of files, compared with what was signed", "integrity"),
    ("content", "what the files are", "content"),
    ("attestation", "signed statements about the model", "attestation"),
    ("slsa", "how the model was built", "slsa"),
    ("vsa", "what another verifier has found", "vsa"),
    ("aibom", "bills of materials", "aibom"),
    ("dataset", "training data", "datasets"),
    ("statement", "statements that are not signed yet", ""),
    ("usage", "the command line, and what was given with it", ""),
    ("error", "what could not be decided", "results-and-exit-statuses"),
];

const KINDS: &[(CodeKind, &str, &str)] = &[
    (CodeKind::Denied, "Denied", "1"),
    (CodeKind::Usage, "Wrong usage", "2"),
    (CodeKind::Undecided, "Undecided", "3"),
];

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut wanted: BTreeMap<PathBuf, String> = Code::all()
        .iter()
        .map(|entry| (docs.join(format!("codes/{}.md", entry.name)), page(entry)))
        .collect();
    wanted.insert(docs.join("codes.md"), index());
    let there = fs::read_dir(docs.join("codes")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let strays: Vec<PathBuf> = there.filter(|path| !wanted.contains_key(path)).collect();
    if std::env::var("CODE_PAGES").is_ok_and(|value| value == "overwrite") {
        fs::create_dir_all(docs.join("codes")).unwrap();
        strays.iter().for_each(|path| fs::remove_file(path).unwrap());
        wanted.iter().for_each(|(path, text)| fs::write(path, text).unwrap());
        return;
    }
    assert_eq!(strays, Vec::<PathBuf>::new(), "pages without a code");
    for (path, text) in wanted {
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            found,
            text,
            "{} is not as the table says; CODE_PAGES=overwrite writes it",
            path.display()
        );
    }
}

/// A page's links lead somewhere.
#[test]
fn what_pages_link_to_is_there() {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
    let text = fs::read_to_string(policy).unwrap();
    let anchors: Vec<String> = text.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for (domain, _, anchor) in DOMAINS {
        assert!(anchor.is_empty() || anchors.iter().any(|a| a == anchor), "{domain}: no heading #{anchor}");
    }
}

/// How the common renderers of Markdown name a heading.
fn anchor(heading: &str) -> String {
    let kept =
        heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn domain(entry: &CodeEntry) -> (&'static str, &'static str) {
    let row = DOMAINS.iter().find(|(domain, ..)| *domain == entry.code.domain());
    let (_, about, anchor) = row.unwrap_or_else(|| panic!("no row for the domain of {}", entry.name));
    (about, anchor)
}

fn kind(entry: &CodeEntry) -> (&'static str, &'static str) {
    let row = KINDS.iter().find(|(kind, ..)| *kind == entry.code.kind()).unwrap();
    (row.1, row.2)
}

fn page(entry: &CodeEntry) -> String {
    let CodeEntry { code, name, meaning, remedy, example } = entry;
    let (about, anchor) = domain(entry);
    let (outcome, status) = kind(entry);
    let waived = if code.is_waivable() {
        "yes, for models that the waiver lists by digest"
    } else {
        "no; a policy whose waiver names it is refused"
    };
    let relaxed = if code.is_relaxed_by_audit() { "a warning" } else { "a failure all the same" };
    let mut text = format!("# {name}\n\n{}.\n\n", sentence(meaning));
    // As `verify --policy` prints a failed check, and every command an error.
    let shown = match code.kind() {
        CodeKind::Denied => format!("failed: {example} [{name}]"),
        _ => format!("error: {example} [{name}]"),
    };
    let _ = write!(
        text,
        "## What it looks like\n\n```text\n{shown}\n```\n\n## What to do\n\n{}.\n\n\
         ## What it does\n\n| | |\n|---|---|\n| outcome | {}, exit status {status} |\n",
        sentence(remedy),
        outcome.to_lowercase(),
    );
    if !["usage", "statement"].contains(&code.domain()) {
        let _ =
            write!(text, "| can a waiver excuse it | {waived} |\n| under `mode = \"audit\"` | {relaxed} |\n");
    }
    let link = if anchor.is_empty() { String::new() } else { format!(" [More](../policy.md#{anchor}).") };
    let _ = write!(
        text,
        "\nCodes that begin with `{}.` are about {about}.{link} [All codes](../codes.md).\n",
        code.domain()
    );
    text
}

fn index() -> String {
    let mut text = "# Codes\n\nEvery denial and every error carries one stable code, in `--format json` as `code`. The list \
                    only grows, and a code never changes its meaning. Each has a page with an example.\n\n\
                    Waiver: whether a waiver of a [trust policy](policy.md) may excuse it. Audit: whether a rule in audit \
                    mode makes it a warning.\n"
        .to_owned();
    for (kind, heading, status) in KINDS {
        let _ = write!(text, "\n## {heading} (exit {status})\n\n");
        text.push_str("| code | what it means | what to do | waiver | audit |\n|---|---|---|---|---|\n");
        for entry in Code::all().iter().filter(|entry| entry.code.kind() == *kind) {
            let CodeEntry { code, name, meaning, remedy, .. } = entry;
            let yes = |yes: bool| if yes { "yes" } else { "" };
            let (waived, relaxed) = (yes(code.is_waivable()), yes(code.is_relaxed_by_audit()));
            let _ = writeln!(
                text,
                "| [`{name}`](codes/{name}.md) | {} | {} | {waived} | {relaxed} |",
                cell(meaning),
                cell(remedy)
            );
        }
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
