//! What the statement is about: this model, all of it, and nothing else.

use super::{Site, V1, digests, github, statement};
use crate::common::with;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn about(site: &Site, subject: Value) {
    site.bundle("p.json", &statement(subject, V1, github()));
}

const P: [&str; 2] = ["--bundle", "p.json"];

#[test]
fn only_the_whole_model_is_the_model() {
    let site = Site::new();
    let (root, manifest) = site.digests.clone();
    let (a, b) = (sha256(b"first\n"), sha256(b"second\n"));
    let file = |name: &str, hex: &str| json!({"name": name, "digest": {"sha256": hex}});
    let annotated = |method: &str| json!([{"name": "m", "digest": {"sha256": root, "manifest-sha256": manifest}, "annotations": {"digestMethod": method}}]);
    for (subject, by) in [
        (json!([{"digest": {"dirHash": manifest}}]), "by its dirHash"),
        (annotated("oms/v1.0;files;sha256"), "by its manifest digest"),
        (json!([file("a.bin", &a), file("sub/b.bin", &b)]), "all 2 files"),
        (json!([file("a.bin", &a), file("else", &root), file("sub/b.bin", &b)]), "all 2 files"),
    ] {
        about(&site, subject);
        site.run(&P).exits(0).prints(by);
    }
    let code = "attestation.subject-mismatch";
    for (subject, why) in [
        (json!([file("a.bin", &a)]), "1 of 2 files; not 'sub/b.bin'"),
        (json!([file("a.bin", &a), file("sub/b.bin", &a)]), "1 of 2 files"),
        (json!([file("a.bin", &a), file("b.bin", &b)]), "1 of 2 files"),
        (json!([file("model", &root)]), "which does not cover file names"),
        (annotated("oms/v1.0;shards;1000;sha256"), "nothing of the model"),
        (annotated("something else"), "its digestMethod is 'something else'"),
        (json!([{"name": "m", "digest": {"dirHash": "0".repeat(64)}}]), "other files or other names"),
        (json!([{"name": "m", "digest": {"sha256": "0".repeat(64)}}]), "nothing of the model"),
        (json!([{"name": "a.bin", "digest": {"md5": "0".repeat(32)}}]), "nothing of the model"),
        (json!([{"name": "a.bin", "digest": {"sha1": "0".repeat(40)}}]), "nothing of the model"),
        (json!([{"name": "m", "digest": {"somecoolhash": manifest}}]), "nothing of the model"),
    ] {
        about(&site, subject);
        let report = site.refused(&P, code, why);
        assert!(report["provenances"][0]["cover"]["extent"] != "full");
        assert!(report["provenances"][0]["checks"][1]["fix"].is_string(), "{report:#}");
    }
    // A model that has changed since.
    about(&site, json!([site.subject()]));
    site.run(&P).exits(0);
    site.world.file("model/a.bin", b"other\n");
    site.refused(&P, code, "other files or other names");
}

#[test]
fn a_file_never_vouches_for_a_directory_nor_a_directory_for_a_file() {
    let site = Site::new();
    // A harmless file whose SHA-256 is the root digest of the directory.
    let digests = [Sha256::digest(b"first\n"), Sha256::digest(b"second\n")].concat();
    site.world.file("harmless.bin", &digests);
    assert_eq!(sha256(&digests), site.digests.0);
    about(&site, json!([{"name": "harmless.bin", "digest": {"sha256": site.digests.0}}]));
    let verify =
        |model: &'static str| ["verify", "provenance", model, "--public-key", "k.pub", "--bundle", "p.json"];
    site.world.run(&verify("harmless.bin")).exits(0).prints("the file that the model is");
    let code = "attestation.subject-mismatch";
    site.world.refused(&verify("model"), 1, code, "the model's root digest, which does not cover file names");
    // The provenance of the directory is not one of the file.
    for subject in [
        json!([site.subject()]),
        json!([{"name": "model", "digest": {"sha256": site.digests.0}, "annotations": {"digestMethod": "oms/v1.0;files;sha256"}}]),
    ] {
        about(&site, subject);
        site.world.refused(&verify("harmless.bin"), 1, code, "nothing of the model");
    }
    about(&site, json!([site.subject()]));
    site.world.run(&verify("model")).exits(0);
}

#[test]
fn the_model_is_measured_the_way_the_statement_was_made() {
    let site = Site::new();
    for (how, method) in [
        (&["--hash", "blake3"][..], "oms/v1.0;files;blake3"),
        (&["--method", "shards", "--shard-size", "4"], "oms/v1.0;shards;4;sha256"),
    ] {
        let (root, manifest) = digests(&site.world, how);
        let digest = json!({"sha256": root, "manifest-sha256": manifest});
        about(&site, json!([{"name": "m", "digest": digest, "annotations": {"digestMethod": method}}]));
        site.run(&P).exits(0).prints("by its manifest digest");
    }
    // Each way reads the whole model, so that there is a bound.
    let subject = |size: usize| {
        json!({"name": format!("m{size}"), "digest": {"manifest-sha256": "0".repeat(64)},
               "annotations": {"digestMethod": format!("oms/v1.0;shards;{size};sha256")}})
    };
    about(&site, (10..15).map(subject).collect());
    site.world.refused(&with(&super::VERIFY, &P), 3, "error.limit-exceeded", "5 ways of measuring");
}

#[test]
fn documents_in_the_model_are_no_part_of_it() {
    let site = Site::new();
    site.bundle("model/p.sigstore.json", &site.statement(github()));
    site.world.file("model/model.sig", site.world.read("model.sig"));
    site.run(&["--bundle", "model/p.sigstore.json"])
        .exits(0)
        .prints("not part of the model: model.sig")
        .prints("not part of the model: p.sigstore.json");
    // What only looks like one is.
    site.world.file("model/q.sigstore.json", "{}");
    site.refused(
        &["--bundle", "model/p.sigstore.json"],
        "attestation.subject-mismatch",
        "other files or other names",
    );
    site.run(&["--bundle", "model/p.sigstore.json", "--ignore-paths", "model/q.sigstore.json"]).exits(0);
    std::fs::remove_file(site.world.join("model/q.sigstore.json")).unwrap();
    let lines = format!("{}\nnot a document\n", site.world.read("model/p.sigstore.json"));
    site.world.file("model/r.intoto.jsonl", lines);
    site.refused(
        &["--bundle", "model/p.sigstore.json"],
        "attestation.subject-mismatch",
        "other files or other names",
    );
}

#[cfg(target_os = "linux")]
#[test]
fn links_are_read_through_only_when_asked() {
    let site = Site::new();
    site.bundle("p.json", &site.statement(github()));
    std::fs::rename(site.world.join("model/a.bin"), site.world.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", site.world.join("model/a.bin")).unwrap();
    site.refused(&P, "integrity.symlink", "--allow-symlinks");
    site.run(&with(&P, &["--allow-symlinks"])).exits(0);
}
