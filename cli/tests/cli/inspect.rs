//! `inspect`: verdicts, reports and exit statuses.

mod rules;
mod sarif;

use crate::common::{World, with};
use serde_json::Value;

/// Nothing but `None`.
pub(crate) const HARMLESS: &[u8] = b"\x80\x04N.";
/// `os.system("true")`.
pub(crate) const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";
/// Names `acme.Net`.
pub(crate) const FOREIGN: &[u8] = b"\x80\x04\x8c\x04acme\x8c\x03Net\x93.";
/// Ends before its end.
pub(crate) const TRUNCATED: &[u8] = b"\x80\x04\x8c\xff";
/// Like nothing that is known.
pub(crate) const BLOB: &[u8] = b"\x01\x02\x03\x05\x07\x0b blob \x0d\x11\x13";

/// A working directory whose `model` has only these files.
pub(crate) fn world(files: &[(&str, &[u8])]) -> World {
    let world = World::new();
    std::fs::remove_dir_all(world.join("model")).unwrap();
    for (name, bytes) in files {
        world.file(&format!("model/{name}"), bytes);
    }
    world
}

pub(crate) const INSPECT: [&str; 2] = ["inspect", "model"];

pub(crate) fn json(world: &World, args: &[&str], exit: i32) -> Value {
    world.run(&with(args, &["--format", "json"])).exits(exit).json()
}

#[test]
fn the_exit_status_is_the_verdict() {
    for (bytes, verdict, exit) in [
        (HARMLESS, "clean", 0),
        (FOREIGN, "suspicious", 1),
        (TRUNCATED, "malformed", 1),
        (EVIL, "malicious", 1),
    ] {
        let world = world(&[("a.pkl", bytes), ("README.md", b"# A model\n")]);
        let ran = world.run(&INSPECT).exits(exit).says_nothing();
        assert!(ran.stdout.starts_with(&format!("{verdict}: ")), "{}", ran.stdout);
        let document = json(&world, &INSPECT, exit);
        assert_eq!((&document["verdict"], &document["denied"]), (&verdict.into(), &(exit == 1).into()));
        assert_eq!(document["files"][0]["path"], "README.md");
        assert_eq!(document["files"][1]["verdict"], verdict);
    }
    let world = world(&[("blob.xyz", BLOB)]);
    world.run(&INSPECT).exits(3).prints("unknown: not everything was understood");
    let document = json(&world, &INSPECT, 3);
    assert_eq!((&document["verdict"], &document["coverage"]), (&"unknown".into(), &"partial".into()));
    world.refused(&["inspect", "nowhere"], 3, "error.io", "there is no model at 'nowhere'");
    std::fs::create_dir(world.join("empty")).unwrap();
    world.refused(&["inspect", "empty"], 2, "integrity.empty-model", "empty");
    world.refused(&["inspect", "--threads", "0", "model"], 2, "usage.flags", "--threads");
    world.refused(&["inspect", "model", "--trace", "x"], 2, "usage.flags", "cannot be used with");
    world.refused(&["inspect", "model", "--trace-lines", "5"], 2, "usage.flags", "cannot be used with");
}

#[test]
fn people_read_the_verdict_first_and_what_to_do() {
    let world = world(&[
        ("a.pkl", EVIL),
        ("b.pkl", FOREIGN),
        ("c.pkl", HARMLESS),
        ("d.txt", b"text\n"),
        ("e.xyz", BLOB),
    ]);
    let ran = world.run(&INSPECT).exits(1).says_nothing();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("malicious: denied by the rules modelseal 20"), "{}", ran.stdout);
    let of = |start: &str| {
        lines.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {lines:#?}"))
    };
    let order = [
        of("malicious   a.pkl (pickle, pickle tier P5, "),
        of("  PKL001 malicious @14 dangerous-global: os.system is named"),
        of("    Do not load it."),
        of("suspicious  b.pkl (pickle, pickle tier P4, "),
        of("unknown     e.xyz (unknown, "),
        of("clean files: 2 of 5 (1 pickle, 1 text)"),
        of("pickles: up to tier P5"),
    ];
    assert!(order.is_sorted(), "{order:?}\n{}", ran.stdout);
}

#[test]
fn a_single_file_is_a_model() {
    let world = world(&[("a.pkl", EVIL)]);
    let document = json(&world, &["inspect", "model/a.pkl"], 1);
    assert_eq!(document["files"][0]["path"], "a.pkl");
    assert_eq!(document["files"].as_array().unwrap().len(), 1);
}

#[test]
fn the_document_says_what_was_found_where_and_what_to_do() {
    let world = world(&[("sub/a.pkl", EVIL)]);
    let document = json(&world, &INSPECT, 1);
    assert_eq!(document["schema"], "modelseal.inspection/v1");
    let file = &document["files"][0];
    assert_eq!(file["contents"]["pickle-tier"], "P5");
    assert_eq!(file["contents"]["globals"][0], "os.system");
    let finding = &file["findings"][0];
    assert_eq!(finding["rule"], "PKL001");
    assert_eq!(finding["name"], "dangerous-global");
    assert_eq!(finding["severity"], "malicious");
    assert_eq!(finding["place"]["file"], "sub/a.pkl");
    assert_eq!(finding["subject"], "os.system");
    assert!(finding["remedy"].as_str().unwrap().ends_with('.'));
    assert_eq!(document["summary"]["verdicts"]["malicious"], 1);
    assert_eq!(document["summary"]["pickle-tier"], "P5");
    assert_eq!(document["rules"]["id"], "modelseal");
    assert!(document["rules"]["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(document["rules"]["limits-digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn the_report_is_a_function_of_bytes_rules_and_bounds() {
    let names: Vec<String> = (0..60).map(|n| format!("{}/{n:02}.pkl", n % 7)).collect();
    let content = [HARMLESS, EVIL, FOREIGN, TRUNCATED];
    let files: Vec<(&str, &[u8])> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), content[n % 4])).collect();
    let (one, mut other) = (world(&files), files.clone());
    // Made in another order, somewhere else, inspected by another number of threads and by another name.
    other.reverse();
    let two = world(&other);
    std::fs::rename(two.join("model"), two.join("elsewhere")).unwrap();
    for format in ["json", "sarif", "text"] {
        let args = ["inspect", "model", "--format", format];
        let expected = one.run(&with(&args, &["--threads", "1"])).exits(1).stdout;
        for threads in ["2", "7", "64"] {
            assert_eq!(one.run(&with(&args, &["--threads", threads])).exits(1).stdout, expected);
        }
        let path = two.join("elsewhere");
        let args = ["inspect", path.to_str().unwrap(), "--format", format];
        assert_eq!(two.run(&args).exits(1).stdout, expected);
        assert!(!expected.contains(two.path().to_str().unwrap()));
    }
}

#[test]
fn what_is_left_out_is_not_inspected() {
    let world = world(&[("a.pkl", HARMLESS), ("evil/x.pkl", EVIL), (".git/y.pkl", EVIL)]);
    world.run(&INSPECT).exits(1);
    world.run(&with(&INSPECT, &["--ignore-paths", "model/evil"])).exits(0);
    let all = ["--ignore-paths", "model/evil", "--no-ignore-git-paths"];
    world.run(&with(&INSPECT, &all)).exits(1).prints(".git/y.pkl");
    let ran = world.run(&with(&INSPECT, &["--ignore-paths", "model/none"])).exits(1);
    ran.says("warning: the ignore path 'none' matches nothing");
    let document = json(&world, &with(&INSPECT, &["--ignore-paths", "model/none"]), 1);
    assert!(document["notes"][0].as_str().unwrap().contains("matches nothing"));
}

#[cfg(unix)]
#[test]
fn links_are_findings_and_are_not_followed() {
    use std::os::unix::fs::symlink;
    let world = world(&[("a.pkl", HARMLESS)]);
    world.file("outside.pkl", EVIL);
    symlink("a.pkl", world.join("model/in")).unwrap();
    world.run(&INSPECT).exits(0).prints("MDL002 in symbolic-link-within: it leads to 'a.pkl'");
    symlink("../outside.pkl", world.join("model/out")).unwrap();
    let ran = world.run(&INSPECT).exits(1).prints("suspicious  out (symlink, 0 bytes)");
    assert!(ran.stdout.contains("MDL001 suspicious symbolic-link: it leads to '../outside.pkl'"));
    assert!(!ran.stdout.contains("PKL"), "{}", ran.stdout);
    world
        .run(&with(&INSPECT, &["--allow-symlinks"]))
        .exits(1)
        .prints("PKL001")
        .says("leads out of the model");
    symlink("/nowhere", world.join("link")).unwrap();
    world.refused(&["inspect", "link"], 1, "integrity.symlink", "name the target itself");
}

#[cfg(unix)]
#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let hostile = "a\u{1b}[2J\u{202e}\nb.pkl";
    let foreign = [&b"\x80\x04\x8c\x09ac\x1b[31mme\x8c\x03Net\x93."[..]].concat();
    let world = world(&[(hostile, EVIL), ("b.pkl", &foreign)]);
    let ran = world.run(&INSPECT).exits(1).says_nothing();
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{}", ran.stdout);
    assert!(ran.stdout.contains("a\\u{1b}[2J\\u{202e}\\u{a}b.pkl"), "{}", ran.stdout);
    let document = json(&world, &INSPECT, 1);
    assert_eq!(document["files"][0]["path"], hostile);
    let ran = world.run(&with(&INSPECT, &["--format", "sarif"])).exits(1);
    let uri = "a%1B%5B2J%E2%80%AE%0Ab.pkl";
    assert!(ran.stdout.contains(uri) && !ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    let trace = world.run(&["inspect", "--trace", "model/b.pkl"]).exits(0);
    assert!(!trace.stdout.contains('\u{1b}'), "{}", trace.stdout);
}

#[test]
fn every_rule_is_explained() {
    let world = World::new();
    let ran = world.run(&["inspect", "--explain", "PKL001"]).exits(0).says_nothing();
    assert!(ran.stdout.starts_with("PKL001 dangerous-global: malicious\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("what to do: ") && ran.stdout.contains("docs/rules/PKL001.md"));
    assert_eq!(world.run(&["inspect", "--explain", "pkl001"]).exits(0).stdout, ran.stdout);
    let document = json(&world, &["inspect", "--explain", "PKL001"], 0);
    assert_eq!(document["schema"], "modelseal.rule/v1");
    assert_eq!(document["rules"][0]["name"], "dangerous-global");
    let all = world.run(&["inspect", "--explain"]).exits(0).stdout;
    let document = json(&world, &["inspect", "--explain"], 0);
    assert_eq!(document["rules"].as_array().unwrap().len(), all.lines().count());
    assert!(all.lines().count() > 80 && all.lines().is_sorted(), "{all}");
    for line in all.lines() {
        let id = line.split(' ').next().unwrap();
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/rules/{id}.md"));
        assert!(page.exists(), "{id} has no page");
    }
    for name in ["nope", "ZZZ999", "PKL1", "\u{1b}[2J"] {
        let args = ["inspect", "--explain", name];
        let document = world.refused(&args, 2, "usage.flags", "there is no rule");
        assert!(document["message"].as_str().unwrap().contains("lists all"));
    }
    world.refused(&["inspect", "model", "--explain", "PKL001"], 2, "usage.flags", "cannot be used with");
}

#[test]
fn a_trace_shows_what_would_happen() {
    let world = world(&[("a.pkl", EVIL), ("b.txt", b"text\n")]);
    let ran = world.run(&["inspect", "--trace", "model/a.pkl"]).exits(0).says_nothing();
    assert!(ran.stdout.starts_with("pickle 1 of a.pkl@0\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("PKL002 malicious dangerous-call: os.system('true',)"), "{}", ran.stdout);
    let short = world.run(&["inspect", "--trace", "model/a.pkl", "--trace-lines", "3"]).exits(0).stdout;
    assert!(short.lines().count() == 3 && short.contains("the trace goes on"), "{short}");
    let text = world.run(&["inspect", "--trace", "model/b.txt"]).exits(2);
    assert!(text.says("there is no pickle in").stdout.is_empty());
    world.run(&["inspect", "--trace", "model/a.pkl", "--format", "json"]).exits(2).says("no JSON form");
    world.run(&["inspect", "--trace", "nowhere"]).exits(3);
    world.run(&["inspect", "--trace", "model"]).exits(2);
}

#[test]
fn only_inspect_and_its_formats() {
    let world = world(&[("a.pkl", HARMLESS)]);
    for format in ["junit", "github", "dot", "mermaid"] {
        world.run(&with(&INSPECT, &["--format", format])).exits(2).says("use text or json");
    }
    world.run(&["digest", "model", "--format", "sarif"]).exits(2).says("`inspect` sarif");
    world.run(&["inspect", "--explain", "PKL001", "--format", "sarif"]).exits(2);
}
