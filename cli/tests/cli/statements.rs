//! `statement check`: what it prints, and how it exits.

use crate::common::{Ran, World};
use serde_json::{Value, json};
use std::{io::Write, process::Stdio};

const SHA256: &str = "abababababababababababababababababababababababababababababababab";

fn provenance() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": SHA256}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/training/v1.md",
                "externalParameters": {"source": "git+https://git.example.com/a/b@refs/tags/v1"},
                "resolvedDependencies": [
                    {"name": "source", "uri": "git+https://git.example.com/a/b@refs/tags/v1",
                     "digest": {"gitCommit": "94efdd6f628eda9c1ae893467c9652808443ef3e"}},
                    {"name": "data", "uri": "https://data.example.com/d"},
                ],
            },
            "runDetails": {
                "builder": {"id": "https://trainer.example.com"},
                "metadata": {"invocationId": 412, "startedOn": "2026-03-01T00:00:00Z"},
            },
        },
    })
}

fn without(pointer: &str, member: &str) -> String {
    let mut statement = provenance();
    statement.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    statement.to_string()
}

fn with_stdin(world: &World, args: &[&str], input: &str) -> Ran {
    let mut command = world.command(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_good_statement_is_accepted_and_says_what_it_claims() {
    let world = World::new();
    world.file("s.json", provenance().to_string());
    let ran = world.run(&["statement", "check", "s.json"]).exits(0).says_nothing();
    ran.prints("s.json: well formed; not signed, so everything below is only claimed\n")
        .prints("docs/buildtypes/training/v1.md (training)\n")
        .prints("source       https://git.example.com/a/b at refs/tags/v1\n")
        .prints("from         UNRESOLVED data https://data.example.com/d\n")
        .prints("inputs       1 resolved, 1 unresolved\n");

    let document = world.run(&["statement", "check", "s.json", "--format", "json"]).exits(0).json();
    assert_eq!(document["schema"], "modelseal.statement/v1");
    assert_eq!((&document["verdict"], &document["code"]), (&json!("accepted"), &Value::Null));
    let said = &document["statements"][0];
    assert_eq!(said["predicate-type"], "https://slsa.dev/provenance/v1");
    assert_eq!(said["subjects"], json!([{"name": "model", "digests": {"sha256": SHA256}}]));
    assert_eq!(said["problems"], json!([]));
    let facts = &said["provenance"];
    assert_eq!(facts["known-as"], "training");
    assert_eq!(facts["builder"], "https://trainer.example.com");
    assert_eq!(
        (&facts["source"], &facts["source-ref"]),
        (&json!("https://git.example.com/a/b"), &json!("refs/tags/v1"))
    );
    assert_eq!(
        (&facts["invocation-id"], &facts["started-on"]),
        (&json!("412"), &json!("2026-03-01T00:00:00Z"))
    );
    assert_eq!(facts["dependencies"][0]["resolved"], true);
    assert_eq!((&facts["resolved"], &facts["unresolved"]), (&json!(1), &json!(1)));
}

#[test]
fn a_bad_one_is_refused_with_its_place() {
    let world = World::new();
    let source = "/predicate/buildDefinition/externalParameters/source";
    let unresolved = without("/predicate/buildDefinition/resolvedDependencies/0", "digest");
    for (text, code, at) in [
        (
            without("/predicate/runDetails/builder", "id"),
            "statement.predicate",
            "/predicate/runDetails/builder/id",
        ),
        (unresolved, "statement.unresolved", source),
        (
            provenance().to_string().replacen("\"name\"", "\"name\":1,\"name\"", 1),
            "statement.duplicate-key",
            "",
        ),
        ("not json".to_owned(), "statement.malformed", ""),
        (String::new(), "statement.malformed", ""),
    ] {
        world.file("s.json", &text);
        let ran = world.run(&["statement", "check", "s.json"]).exits(1).says_nothing();
        ran.prints("s.json: REFUSED\nfailed: /").prints(&format!(" [{code}]\n"));
        let document = world.run(&["statement", "check", "s.json", "--format", "json"]).exits(1).json();
        let said = &document["statements"][0];
        assert_eq!((&document["verdict"], &said["verdict"]), (&json!("refused"), &json!("refused")));
        assert_eq!((&document["code"], &said["code"]), (&json!(code), &json!(code)));
        if !at.is_empty() {
            assert_eq!(said["pointer"], at);
            assert!(document["message"].as_str().unwrap().starts_with(&format!("{at}: ")));
        }
    }
}

#[test]
fn several_are_all_judged_and_the_worst_decides() {
    let world = World::new();
    world.file("good.json", provenance().to_string());
    world.file("bad.json", without("", "subject"));
    let ran = world.run(&["statement", "check", "good.json", "bad.json", "good.json"]).exits(1);
    assert_eq!(ran.stdout.matches("well formed").count(), 2);
    let all = ["statement", "check", "bad.json", "absent.json", "good.json", "--format", "json"];
    let document = world.run(&all).exits(2).says("cannot read 'absent.json'").json();
    assert_eq!((&document["verdict"], &document["code"]), (&json!("error"), &json!("usage.file")));
    assert_eq!(document["message"], "3 statements: 1 accepted, 1 refused, 1 not judged");
    let verdicts: Vec<_> = document["statements"].as_array().unwrap().iter().map(|s| &s["verdict"]).collect();
    assert_eq!(verdicts, ["refused", "error", "accepted"]);
}

#[test]
fn standard_input_is_read_once() {
    let world = World::new();
    with_stdin(&world, &["statement", "check", "-"], &provenance().to_string())
        .exits(0)
        .prints("-: well formed");
    with_stdin(&world, &["statement", "check", "-"], "{}").exits(1).prints("-: REFUSED");
    world.refused(
        &["statement", "check", "-", "-"],
        2,
        "usage.flags",
        "standard input can be read only once",
    );
    world.run(&["statement", "check"]).exits(2);
}

#[test]
fn what_cannot_be_judged_is_no_refusal() {
    let world = World::signed();
    let check = |file| ["statement", "check", file];
    world.refused(&check("absent.json"), 2, "usage.file", "cannot read 'absent.json'");
    world.refused(&check("model"), 2, "usage.file", "cannot read 'model'");
    world.refused(&check("model.sig/x"), 2, "usage.file", "cannot read 'model.sig/x'");

    world.refused(&check("model.sig"), 2, "usage.statement", "is a Sigstore bundle");
    let bundle: Value = serde_json::from_str(&world.read("model.sig")).unwrap();
    world.file("lines.jsonl", format!("\n{bundle}\n{bundle}\n"));
    world.refused(&check("lines.jsonl"), 2, "usage.statement", "is a Sigstore bundle");
    world.file("envelope.json", serde_json::to_string_pretty(&bundle["dsseEnvelope"]).unwrap());
    world.refused(&check("envelope.json"), 2, "usage.statement", "jq -r .payload FILE | base64 -d");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_be_read_decides_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.file("s.json", provenance().to_string());
    std::fs::set_permissions(world.join("s.json"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let ran = Ran::of(&mut world.command_as_nobody(&["statement", "check", "s.json", "--format", "json"]));
    let document = ran.exits(3).says("Permission denied").json();
    assert_eq!(document["code"], "error.io");
}

#[test]
fn text_that_would_move_a_terminal_is_escaped() {
    let world = World::new();
    let evil = "x\u{1b}[2J\u{202e}y\nz";
    let mut statement = provenance();
    statement["subject"][0]["name"] = evil.into();
    statement["predicate"]["runDetails"]["metadata"]["invocationId"] = evil.into();
    world.file("s.json", statement.to_string());
    let ran = world.run(&["statement", "check", "s.json"]).exits(0).prints("x\\u{1b}[2J\\u{202e}y\\u{a}z");
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']));
    statement["predicate"]["buildDefinition"]["externalParameters"][evil] = 1.into();
    world.file("s.json", statement.to_string());
    let ran = world.run(&["statement", "check", "s.json"]).exits(1).prints("externalParameters/x\\u{1b}[2J");
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']));
    statement["_type"] = evil.into();
    world.file("s.json", statement.to_string());
    world.run(&["statement", "check", "s.json"]).exits(1).prints("_type is 'x\\u{1b}[2J");
}
