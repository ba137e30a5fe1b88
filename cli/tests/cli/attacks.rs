//! What an attacker tried, and what it takes to stay refused or harmless.

use crate::{
    common::{SIGN, VERIFY, World, with},
    pki::{LEAF, Pki, SIGN_WITH_LEAF},
};
use std::fs;

/// An object with millions of members would be kept in memory to find duplicates.
#[test]
fn an_object_of_many_members_is_refused_early() {
    let world = World::signed();
    let members: Vec<String> = (0..200_000).map(|i| format!("\"{i:x}\":0")).collect();
    world.file("model.sig", format!("{{{}}}", members.join(",")));
    world.refused(&VERIFY, 1, "signature.malformed", "an object of more than 10000 members");
}

/// Reading a list stops at the first item that is too many.
#[test]
fn long_lists_are_refused_early() {
    let world = World::signed();
    let bundle = world.read("model.sig");
    let many =
        bundle.replacen("\"tlogEntries\":[]", &format!("\"tlogEntries\":[{}0]", "0,".repeat(100_000)), 1);
    world.file("model.sig", many);
    world.refused(&VERIFY, 1, "signature.malformed", "more than 32 items");
}

/// The advice that follows a verification is pasted into shells.
#[test]
fn a_subject_cannot_become_a_command() {
    let pki = Pki::new();
    pki.issue("leaf", "x' $(touch PWNED) '", "int", LEAF);
    pki.world.run(&SIGN_WITH_LEAF).exits(0);
    let verify = ["verify", "certificate", "model", "--certificate-chain", "root.pem"];
    let ran = pki.world.run(&verify).exits(0).says(r"--certificate-identity 'CN=x'\'' $(touch PWNED) '\'''");
    let advice = ran.stderr.lines().find(|line| line.contains("--certificate-identity")).unwrap();
    let (_, words) = advice.split_once("--certificate-identity ").unwrap();
    let printed = pki.world.tool("sh", &["-c", &format!("printf %s {words}")]);
    assert_eq!(printed, "CN=x' $(touch PWNED) '");
    assert!(!pki.world.join("PWNED").exists());
}

/// What lies in the model and was not looked at is part of the result, whoever wished it.
#[test]
fn what_was_not_looked_at_is_said() {
    let world = World::with_keys();
    world.run(&with(&SIGN, &["--no-ignore-git-paths"])).exits(0);
    world.file("model/.github/evil.so", "x");
    world.file("model/extra", "x");
    let args = with(&VERIFY, &["--ignore-paths", "model/extra"]);
    let ran = world
        .run(&args)
        .exits(0)
        .prints("not looked at: .github (by default; --no-ignore-git-paths looks at it)");
    ran.prints("not looked at: extra (--ignore-paths)");
    let document = world.run(&with(&args, &["--format", "json"])).exits(0).json();
    assert_eq!(document["overlooked"].as_array().unwrap().len(), 2, "{document}");
    let all = with(&VERIFY, &["--ignore-unsigned-files"]);
    world.run(&all).exits(0).prints("not looked at: unsigned files (--ignore-unsigned-files)");
    world.refused(&with(&VERIFY, &["--no-ignore-git-paths"]), 1, "integrity.file-unsigned", ".github");
}

/// A model that is a bundle itself would be replaced by its own signature.
#[test]
fn a_signature_never_replaces_its_model() {
    let world = World::signed();
    fs::copy(world.join("model.sig"), world.join("one.json")).unwrap();
    let before = world.read("one.json");
    let args = ["sign", "key", "one.json", "--private-key", "k.key", "--signature", "one.json", "--force"];
    world.refused(&args, 2, "usage.output", "the model itself");
    assert_eq!(world.read("one.json"), before);
}

/// Direction marks and C1 controls are legal in JSON, and obeyed by terminals.
#[test]
fn json_carries_no_terminal_controls() {
    let world = World::signed();
    world.file("model/x\u{9b}31m\u{202e}y\u{7f}", "x");
    let ran = world.run(&with(&VERIFY, &["--format", "json"])).exits(1);
    assert!(ran.stdout.is_ascii(), "{}", ran.stdout);
    assert_eq!(ran.json()["differences"]["unsigned"][0], "x\u{9b}31m\u{202e}y\u{7f}");
}

/// A signer may leave out a great many paths; the terminal is not theirs to flood.
#[test]
fn a_long_list_of_ignored_paths_is_cut() {
    let world = World::with_keys();
    let paths: Vec<String> = (0..60).map(|i| format!("model/absent-{i}")).collect();
    let mut args = SIGN.to_vec();
    for path in &paths {
        args.extend(["--ignore-paths", path]);
    }
    world.run(&args).exits(0);
    world.run(&VERIFY).exits(0).prints("and 44 more");
}
