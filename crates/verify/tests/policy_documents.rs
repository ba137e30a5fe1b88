//! Whole policies: those of `testdata/policy/good` are accepted, those of `bad` give exactly the complaints that their
//! last lines list.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use modelseal_verify::policy::{
    LINTS, UnvalidatedPolicy, complaint::Complaint, format::format, load::has_errors,
};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn policies(kind: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/policy").join(kind);
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("test data")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
            (name, fs::read_to_string(path).expect("a policy"))
        })
        .collect();
    found.sort();
    found
}

fn lint(name: &str, text: &str) -> Vec<Complaint> {
    UnvalidatedPolicy::from_toml(name, text).lint(Some("2026-01-01T00:00:00Z".parse().expect("a time")))
}

#[test]
fn good_policies_are_accepted_as_toml_and_as_json() {
    for (name, text) in policies("good") {
        let complaints = lint(&name, &text);
        assert!(complaints.is_empty(), "{complaints:?}");
        let toml = UnvalidatedPolicy::from_toml(&name, &text);
        let json = toml.to_json().expect("a tree");
        let json = UnvalidatedPolicy::from_json(&name, &json);
        assert_eq!(json.lint(None), []);
        assert_eq!(json.document(), toml.document(), "{name}");
        assert!(toml.document().is_some());
    }
}

#[test]
fn bad_policies_give_exactly_the_complaints_they_list() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, text) in policies("bad") {
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# expect ")).collect();
        let complaints = lint(&name, &text);
        let found: Vec<String> =
            complaints.iter().map(|c| format!("{}:{} {}", c.line, c.column, c.id)).collect();
        if found != expected || found.is_empty() {
            wrong.push(format!("{name}: expected {expected:#?}, found {found:#?}"));
        }
        for complaint in &complaints {
            assert_eq!(complaint.file, name);
            assert!(!complaint.message.is_empty() && complaint.to_string().starts_with(&name));
            seen.insert(complaint.id);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The files that a policy names are another test's business.
    let missing: Vec<&str> = LINTS
        .iter()
        .map(|lint| lint.id)
        .filter(|id| !seen.contains(id) && !id.starts_with("file."))
        .collect();
    assert!(missing.is_empty(), "no bad policy gives {missing:?}");
}

#[test]
fn names_of_complaints_are_unique_and_explained() {
    let ids: BTreeSet<&str> = LINTS.iter().map(|lint| lint.id).collect();
    assert_eq!(ids.len(), LINTS.len());
    assert!(LINTS.iter().all(|lint| lint.explanation.ends_with('.')));
}

#[test]
fn a_layout_is_stable_and_keeps_every_comment() {
    for (name, text) in policies("good").into_iter().chain(policies("bad")) {
        let Ok(once) = format(&name, &text) else { continue };
        assert_eq!(format(&name, &once).expect("TOML"), once, "{name}");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(&once), comments(&text), "{name}");
        let read = |text: &str| UnvalidatedPolicy::from_toml(&name, text).to_json();
        assert_eq!(read(&once), read(&text), "{name}");
    }
}

#[test]
fn without_a_time_nothing_is_said_about_times() {
    for name in ["expired", "expires-soon", "waiver-too-long", "waiver-expired"] {
        let (_, text) = policies("bad").into_iter().find(|(bad, _)| bad == name).expect(name);
        assert_eq!(UnvalidatedPolicy::from_toml(name, &text).lint(None), [], "{name}");
    }
}

#[test]
fn complaints_are_counted_and_bounded() {
    let text: String = (0..5000).map(|n| format!("unknown-{n} = 1\n")).collect();
    let complaints = lint("many", &text);
    assert!(complaints.len() <= 200, "{}", complaints.len());
    assert!(has_errors(&complaints));
    assert!(complaints.last().expect("one").message.contains("further complaints are not shown"));
    assert_eq!(lint("large", &"#".repeat(1024 * 1024 + 1))[0].id, "parse.limit");
}

#[test]
fn columns_are_counted_in_characters() {
    let text = "schema = \"modelseal.policy/v1\"\nid = \"ü\"\nversion = 1\nexpires = 2031-01-01T00:00:00Z\n\
                deny = [{ id = \"üüü\", reaso = \"x\" }]\n";
    let complaints = lint("p", text);
    let complaint = complaints.iter().find(|c| c.id == "parse.unknown-field").expect("one");
    assert_eq!(
        (complaint.line, complaint.column, complaint.id),
        (5, 23, "parse.unknown-field"),
        "{complaint}"
    );
    assert_eq!(complaint.suggestion.as_deref(), Some("did you mean `reason`?"));
}
