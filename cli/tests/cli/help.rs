//! Help texts and usage errors, kept as files so that every change is seen. `SNAPSHOTS=overwrite` rewrites them.

use crate::common::World;
use snapbox::{Data, assert_data_eq};
use std::{fs, path::Path};

const COMMANDS: [&[&str]; 51] = [
    &[],
    &["digest"],
    &["inspect"],
    &["lineage"],
    &["sign"],
    &["sign", "sigstore"],
    &["sign", "key"],
    &["sign", "certificate"],
    &["sign", "pkcs11-key"],
    &["sign", "pkcs11-certificate"],
    &["verify"],
    &["verify", "sigstore"],
    &["verify", "key"],
    &["verify", "certificate"],
    &["exec"],
    &["freeze"],
    &["freeze", "policy"],
    &["attest"],
    &["attest", "provenance"],
    &["attest", "inspection"],
    &["attest", "statement"],
    &["attest", "begin"],
    &["attest", "finish"],
    &["show"],
    &["trust"],
    &["trust", "show"],
    &["trust", "update"],
    &["key"],
    &["key", "generate"],
    &["man"],
    &["schema"],
    &["verify", "policy"],
    &["verify", "provenance"],
    &["policy"],
    &["policy", "lint"],
    &["policy", "fmt"],
    &["policy", "schema"],
    &["policy", "explain"],
    &["policy", "test"],
    &["policy", "diff"],
    &["policy", "sign"],
    &["policy", "verify"],
    &["policy", "import"],
    &["statement"],
    &["statement", "check"],
    &["store"],
    &["store", "add"],
    &["store", "list"],
    &["store", "export"],
    &["store", "check"],
    &["store", "index"],
];

fn same_as_snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots").join(name);
    assert_data_eq!(text.to_owned(), Data::read_from(&path, None));
}

#[test]
fn help_of_every_command_is_as_it_was() {
    let world = World::new();
    for command in COMMANDS {
        let ran = world.run(&[command, &["--help"]].concat()).exits(0).says_nothing();
        let name = ["modelseal"].iter().chain(command).copied().collect::<Vec<_>>().join("-");
        same_as_snapshot(&format!("{name}.help.txt"), &ran.stdout.replace("modelseal.exe", "modelseal"));
        world.run(&[command, &["-h"]].concat()).exits(0).says_nothing().prints("Usage: ");
    }
}

#[test]
fn usage_errors_are_as_they_were() {
    let world = World::signed();
    let cases: [(&str, &[&str]); 12] = [
        ("verify-no-method", &["verify", "--signature", "model.sig", "model"]),
        ("sign-token-twice", &["sign", "model", "--identity-token", "x", "--use-ambient-credentials"]),
        ("sign-no-key", &["sign", "key", "model"]),
        ("verify-no-roots", &["verify", "certificate", "model"]),
        ("unknown-command", &["singn", "key", "model"]),
        ("unknown-flag", &["digest", "model", "--fast"]),
        ("unknown-hash", &["digest", "model", "--hash", "md5"]),
        ("shard-size-zero", &["digest", "model", "--shard-size", "0"]),
        ("shard-size-without-shards", &["digest", "model", "--shard-size", "4"]),
        ("shard-size-unit", &["digest", "model", "--shard-size", "1TB"]),
        ("key-algorithm", &["key", "generate", "--algorithm", "rsa"]),
        ("no-such-shell", &["completions", "tcsh"]),
    ];
    for (name, args) in cases {
        let ran = world.run(args).exits(2);
        assert_eq!(ran.stdout, "", "{name}");
        same_as_snapshot(&format!("{name}.error.txt"), &ran.stderr);
        let document = world.run(&[args, &["--format", "json"]].concat()).exits(2).json();
        assert_eq!(document["schema"], "modelseal.error/v1");
        assert_eq!(document["code"], "usage.flags", "{name}");
    }
}

#[test]
fn no_arguments_at_all_are_a_usage_error_that_shows_the_help() {
    let world = World::new();
    for args in [&[][..], &["sign"], &["verify"], &["key"]] {
        let ran = world.run(args).exits(2).says("Usage: modelseal").says("Commands:");
        assert_eq!(ran.stdout, "");
    }
    let document = world.run(&["--format", "json"]).exits(2).json();
    assert_eq!(document["code"], "usage.flags");
}

#[test]
fn the_version_is_that_of_the_package() {
    for flag in ["--version", "-V"] {
        let ran = World::new().run(&[flag]).exits(0).says_nothing();
        assert_eq!(ran.stdout, format!("modelseal {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn there_is_a_completion_script_for_every_shell() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = world.run(&["completions", shell]).exits(0).says_nothing();
        assert!(ran.stdout.contains("ignore-unsigned-files"), "{shell}");
    }
    let document = world.run(&["completions", "bash", "--format", "json"]).exits(2).json();
    assert_eq!(document["code"], "usage.flags");
}

#[test]
fn manual_pages_go_into_a_directory() {
    let world = World::new();
    world.run(&["man", "man"]).exits(0).says_nothing();
    let pages = world.list("man");
    for page in
        ["modelseal.1", "modelseal-sign-key.1", "modelseal-verify-certificate.1", "modelseal-digest.1"]
    {
        assert!(pages.iter().any(|p| p == page), "{page} in {pages:?}");
    }
    let page = world.read("man/modelseal-verify-certificate.1");
    assert!(page.starts_with(".ie") && page.contains("certificate\\-identity"));
    fs::write(world.join("taken"), "").unwrap();
    world.run(&["man", "taken"]).exits(3).says("cannot make the directory 'taken'");
}
