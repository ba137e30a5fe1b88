//! What scripts rely on: exit statuses, streams, JSON, and the reference tool's words and flags.

use crate::common::{Ran, SIGN, VERIFY, World, with};
use serde_json::Value;
use std::{
    fs::File,
    io::Read,
    process::{Command, Stdio},
};

#[test]
fn the_four_exit_statuses() {
    let world = World::signed();
    world.run(&VERIFY).exits(0);
    world.file("model/a.bin", "other\n");
    world.run(&VERIFY).exits(1);
    world.run(&["verify", "key", "model", "--public-key", "nowhere"]).exits(2);
    world.run(&["verify", "key", "nowhere", "--public-key", "k.pub"]).exits(3);
}

#[test]
fn words_of_the_reference_tool() {
    let world = World::with_keys();
    let ran = world.run(&SIGN).exits(0).says_nothing();
    assert_eq!(ran.stdout.lines().next(), Some("Signing succeeded"));
    let ran = world.run(&VERIFY).exits(0).says_nothing();
    assert_eq!(ran.stdout.lines().next(), Some("Verification succeeded"));
    world.file("model/a.bin", "other\n");
    let ran = world.run(&VERIFY).exits(1);
    assert!(ran.stderr.starts_with("Verification failed with error: "), "{}", ran.stderr);
    let ran = world.run(&["sign", "key", "nowhere", "--private-key", "k.key"]).exits(3);
    assert!(ran.stderr.starts_with("Signing failed with error: "), "{}", ran.stderr);
    let digest = world.run(&["digest", "model"]).exits(0).says_nothing().stdout;
    let lines: Vec<&str> = digest.lines().collect();
    assert!(lines.len() == 2 && lines[0].len() == 71 && lines[0].starts_with("sha256:"), "{digest}");
    assert!(lines[1].starts_with("manifest-sha256:"), "{digest}");
}

#[test]
fn a_result_names_method_signer_digests_and_counts() {
    let world = World::signed();
    let ran = world.run(&VERIFY).exits(0);
    for text in [
        "method:    key",
        "signer:    Ed25519 key ",
        "model:     model, 2 files, 13 bytes",
        "root:      sha256:",
        "manifest:  sha256:",
    ] {
        assert!(ran.stdout.contains(text), "{text}\n{}", ran.stdout);
    }
    let document = world.run(&with(&VERIFY, &["--format", "json"])).exits(0).says_nothing().json();
    assert_eq!(document["verdict"], "allow");
    assert_eq!(document.get("code"), None);
    assert_eq!(document["signer"]["method"], "key");
    assert_eq!(document["measured"]["files"], 2);
    assert_eq!(document["signed"]["digests"]["root"], root(&world));
    assert_eq!(document["differences"]["changed"], Value::Array(vec![]));
    let fingerprint = world.read("k.pub");
    assert!(fingerprint.contains("PUBLIC KEY"));
    assert_eq!(document["signer"]["key-fingerprint"].as_str().unwrap().len(), 64);
}

fn root(world: &World) -> String {
    world.run(&["digest", "model"]).stdout.lines().next().unwrap().to_owned()
}

#[test]
fn json_of_every_command_is_one_document_that_obeys_its_schema() {
    let world = World::new();
    let json = |args: &[&str], exit: i32, schema: &str| {
        let document = world.run(&with(args, &["--format", "json"])).exits(exit).json();
        assert_eq!(document["schema"], schema);
        document
    };
    let key = json(&["key", "generate", "--no-password", "--output", "k"], 0, "modelseal.key/v1");
    assert_eq!(key["encrypted"], false);
    let digest = json(&["digest", "model"], 0, "modelseal.digest/v1");
    assert_eq!(digest["resources"][0]["name"], "a.bin");
    let signed = json(&SIGN, 0, "modelseal.signature/v1");
    assert_eq!(signed["digests"], digest["digests"]);
    assert_eq!(signed["signer"]["key-fingerprint"], key["key-fingerprint"]);
    json(&VERIFY, 0, "modelseal.result/v1");
    json(&["digest", "nowhere"], 3, "modelseal.error/v1");
    json(&["sign", "key", "model", "--private-key", "k.pub"], 2, "modelseal.error/v1");
    json(&["verify", "key", "model", "--public-key", "k.key"], 2, "modelseal.error/v1");
    json(&["key", "generate", "--no-password", "--output", "k"], 2, "modelseal.error/v1");
    world.file("model/more", "x");
    let denied = json(&VERIFY, 1, "modelseal.result/v1");
    assert_eq!((&denied["verdict"], &denied["code"]), (&"deny".into(), &"integrity.file-unsigned".into()));
    assert_eq!(denied["checks"].as_array().unwrap().len(), 4);
}

#[test]
fn shards_and_every_hash_sign_and_verify() {
    let world = World::with_keys();
    for hash in ["sha256", "blake2b", "blake3"] {
        for method in [&["--method", "files"][..], &["--method", "shards", "--shard-size", "4"]] {
            let args = with(&with(&SIGN, &["--force", "--hash", hash]), method);
            world.run(&args).exits(0);
            let document = world.run(&with(&VERIFY, &["--format", "json"])).exits(0).json();
            assert_eq!(document["signed"]["serialization"]["hash"], hash);
            assert_eq!(document["signed"]["resources"], if method.len() == 2 { 2 } else { 4 });
        }
    }
}

#[test]
fn both_spellings_of_every_reference_flag() {
    let world = World::with_keys();
    for (a, b) in [('-', '_'), ('_', '-')] {
        let flag = |name: &str| format!("--{}", name.replace('-', &a.to_string()));
        let other = |name: &str| format!("--{}", name.replace('-', &b.to_string()));
        world
            .run(&[
                "sign",
                "key",
                "model",
                "--force",
                "--log-level",
                "INFO",
                &flag("private-key"),
                "k.key",
                &flag("allow-symlinks"),
                &other("ignore-paths"),
                "model/sub",
                &flag("ignore-git-paths"),
                "--signature",
                "s.sig",
            ])
            .exits(0);
        world
            .run(&[
                "verify",
                "key",
                "model",
                "--log-level",
                "DEBUG",
                &other("public-key"),
                "k.pub",
                &other("allow-symlinks"),
                &flag("ignore-unsigned-files"),
                &flag("ignore-paths"),
                "model/sub",
                &other("ignore-git-paths"),
                "--signature",
                "s.sig",
            ])
            .exits(0);
    }
    for spelling in ["--no-ignore-git-paths", "--no-ignore_git_paths"] {
        world.run(&["digest", "model", spelling]).exits(0);
    }
    for spelling in ["--no-ignore-unsigned-files", "--no-ignore_unsigned_files"] {
        world.run(&with(&VERIFY, &["--signature", "s.sig", "--ignore_unsigned_files", spelling])).exits(0);
        world.file("model/c", "x");
        world.run(&with(&VERIFY, &["--signature", "s.sig", "--ignore_unsigned_files", spelling])).exits(1);
        std::fs::remove_file(world.join("model/c")).unwrap();
    }
    let chain = ["--certificate-chain", "--certificate_chain"];
    let leaf = ["--signing-certificate", "--signing_certificate"];
    for (chain, leaf) in chain.into_iter().zip(leaf) {
        let args = ["sign", "certificate", "model", "--private_key", "k.key", leaf, "k.pub", chain, "k.pub"];
        world.run(&args).exits(2).says("cannot use 'k.pub'");
        world
            .run(&["verify", "certificate", "model", "--log_fingerprints", chain, "k.pub"])
            .exits(2)
            .says("'k.pub'");
    }
}

#[test]
fn warnings_are_silenced_by_level_and_part_of_the_json() {
    let world = World::signed();
    let args = with(&VERIFY, &["--ignore-paths", "elsewhere"]);
    world.run(&args).exits(0).says("warning: the ignore path 'elsewhere' lies outside the model");
    world.run(&with(&args, &["--log-level", "ERROR"])).exits(0).says_nothing();
    let document = world.run(&with(&args, &["--format", "json"])).exits(0).says_nothing().json();
    assert!(document["notes"][0].as_str().unwrap().contains("lies outside the model"));
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let world = World::with_keys();
    for n in 0..2000 {
        world.file(&format!("model/{n}"), "x");
    }
    world.run(&SIGN).exits(0);
    let cases: [(&[&str], i32); 4] = [
        (&["digest", "model", "--format", "json"], 0),
        (&["--help"], 0),
        (&["completions", "bash"], 0),
        (&["schema", "result"], 0),
    ];
    for (args, exit) in cases {
        let mut child = world.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        Ran::from(child.wait_with_output().unwrap()).exits(exit).says_nothing();
    }
    world.file("model/0", "y");
    let mut child = world
        .command(&with(&VERIFY, &["--format", "json"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[cfg(unix)]
#[test]
fn closed_streams_change_nothing() {
    let world = World::signed();
    for (redirection, exit) in [(">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!(r#""$0" "$@" {redirection}"#), env!("CARGO_BIN_EXE_modelseal")]);
        Ran::of(&mut world.prepared(shell, &VERIFY)).exits(exit).says_nothing();
    }
    world.file("model/a.bin", "other");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$0" "$@" >&- 2>&-"#, env!("CARGO_BIN_EXE_modelseal")]);
    Ran::of(&mut world.prepared(shell, &VERIFY)).exits(1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    let world = World::signed();
    for args in [&VERIFY[..], &["digest", "model", "--format", "json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = world.command(args).stdout(full).output().unwrap();
        Ran::from(output).exits(3).says("cannot write to standard output: No space left on device");
    }
}

#[test]
fn nothing_is_coloured_when_piped() {
    let world = World::signed();
    for args in [&["--help"][..], &["sign", "model"], &["wat"], &VERIFY] {
        let ran = world.run(args);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}
