//! Where evidence is found, and what becomes of that which is none.

use super::Site;
use crate::common::with;

const ONE: &str = "signature = { signers = [\"alice\"] }\ncontent = { unsigned-files = \"deny\" }";

#[test]
fn evidence_is_found_beside_the_model() {
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    let bundle = site.world.read("alice.sig");
    let run = |more: &[&str], exit: i32| site.world.run(&site.verify(more)).exits(exit);
    run(&[], 1);
    for place in ["model/model.sig", "model/alice.sigstore.json", "model/all.intoto.jsonl", "model.sig"] {
        site.world.file(place, &bundle);
        run(&[], 0);
        std::fs::remove_file(site.world.join(place)).unwrap();
    }
    site.world.file("more/x.json", &bundle);
    site.world.file("more/readme.txt", "no evidence");
    run(&["--bundle-dir", "more"], 0).says_nothing();
    site.world.file("many.jsonl", format!("{}\n\nno bundle\n", bundle.trim()));
    run(&["--bundle", "many.jsonl"], 0).says("not used: many.jsonl:3");
    run(&[], 1);
}

#[test]
fn a_single_file_has_its_evidence_beside_it() {
    let site = Site::new(&["alice"]);
    site.policy(ONE);
    site.world.file("one/weights.bin", "weights");
    site.world
        .run(&[
            "sign",
            "key",
            "one/weights.bin",
            "--private-key",
            "alice.key",
            "--signature",
            "one/weights.sigstore.json",
        ])
        .exits(0);
    let mut args = site.verify(&[]);
    args[1] = "one/weights.bin";
    site.world.run(&args).exits(0);
    site.world.file("one/weights.bin", "other");
    site.world.refused(&args, 1, "integrity.digest-mismatch", "changed");
}

#[test]
fn what_is_no_evidence_is_reported_and_changes_nothing() {
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    site.world.file("garbage.sig", "{");
    site.world.file("empty.sig", "");
    site.world.file("huge.sig", "");
    site.world.sparse("huge.sig", 65 * 1024 * 1024);
    std::fs::create_dir(site.world.join("folder.sig")).unwrap();
    let bad = [
        "--bundle",
        "garbage.sig",
        "--bundle",
        "empty.sig",
        "--bundle",
        "huge.sig",
        "--bundle",
        "folder.sig",
        "--bundle",
        "nowhere",
    ];
    let ran = site.world.run(&with(&site.verify(&["--bundle", "alice.sig"]), &bad)).exits(0);
    for name in ["garbage.sig", "empty.sig", "huge.sig", "folder.sig", "nowhere"] {
        assert!(ran.stderr.contains(&format!("not used: {name}")), "{name}: {}", ran.stderr);
    }
    let document = site.world.run(&with(&site.verify(&["--format", "json"]), &bad)).exits(1).json();
    assert_eq!(document["rejected"].as_array().unwrap().len(), 5);
    assert_eq!(document["code"], "signature.no-trusted-signer");
}

#[test]
fn a_file_that_only_has_the_name_of_evidence_must_be_signed() {
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    let args = site.verify(&["--bundle", "alice.sig"]);
    site.world.file("model/code.sigstore.json", "import os");
    site.world.refused(&args, 1, "integrity.file-unsigned", "code.sigstore.json");
}

#[test]
fn a_pipe_is_no_evidence_and_nobody_waits_for_it() {
    let site = Site::new(&["alice"]);
    site.policy(ONE).sign("alice");
    site.world.tool("mkfifo", &["pipe.sig"]);
    site.world
        .run(&site.verify(&["--bundle", "pipe.sig", "--bundle", "alice.sig"]))
        .exits(0)
        .says("not a regular file");
}

#[test]
fn one_bundle_does_not_excuse_whatever_else_a_file_in_the_model_holds() {
    let site = Site::new(&["alice"]);
    site.sign("alice").policy("signature = { signers = [\"alice\"] }");
    let verify = site.verify(&["--bundle", "alice.sig"]);
    let bundle = site.world.read("alice.sig").trim().to_owned();
    for (text, exit) in [
        (format!("{bundle}\n"), 0),
        (format!("\n{bundle}\n\n{bundle}\n"), 0),
        (format!("import os\n{bundle}\n"), 1),
        (format!("{bundle}\nPK\u{3}\u{4}"), 1),
        ("{}\n".repeat(100), 1),
        ("\n\n".to_owned(), 1),
    ] {
        site.world.file("model/x.intoto.jsonl", &text);
        let ran = site.world.run(&verify).exits(exit);
        assert!(exit == 0 || ran.stderr.contains("integrity.file-unsigned"), "{}", ran.stderr);
    }
    // Very many lines are more than is looked at: nothing is decided, and soon.
    site.world.file("model/x.intoto.jsonl", "{}\n".repeat(1_000_000));
    let started = std::time::Instant::now();
    assert_ne!(site.world.run(&verify).code, Some(0));
    assert!(started.elapsed().as_secs() < 20);
    std::fs::remove_file(site.world.join("model/x.intoto.jsonl")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../alice.sig", site.world.join("model/x.sigstore.json")).unwrap();
        assert_ne!(site.world.run(&verify).code, Some(0));
    }
}
