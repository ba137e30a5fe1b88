//! What descends from an artifact, by the statements in a store.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

mod support;

use modelseal::{ArtifactId, Store, Verifier, affected, graph::GraphLanguage, report::AffectedReport};
use std::{
    fs,
    num::NonZeroUsize,
    time::{Duration, Instant},
};
use support::{base, digest, file, key, provenance, sign, step};
use tempfile::TempDir;

fn ids(name: &str) -> Vec<ArtifactId> {
    ArtifactId::parse(&format!("dirHash:{}", digest(name))).unwrap()
}

fn depth(steps: usize) -> NonZeroUsize {
    NonZeroUsize::new(steps).unwrap()
}

/// A store of these bundles in one file, which takes no time to write.
fn store(bundles: &[Vec<u8>]) -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("all.intoto.jsonl"), bundles.concat()).unwrap();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn names(report: &AffectedReport) -> Vec<(&str, usize)> {
    report.affected.iter().map(|artifact| (&*artifact.name, artifact.steps)).collect()
}

fn says(report: &AffectedReport, text: &str) -> bool {
    report.notes.iter().any(|note| note.contains(text))
}

#[test]
fn descendants_are_found_over_every_kind_of_dependency() {
    let (signer, public) = key();
    let commit = "ab".repeat(20);
    let data = file("dataset", "https://data.example.com/d", "sha256", &digest("data"));
    let source = file("source", "git+https://git.example.com/a", "gitCommit", &commit);
    let adapter = file("baseModel", "pkg:huggingface/a/adapter@1", "sha256", &digest("adapter"));
    let adapter_statement = provenance("adapter", &[base("tuned")]).replace(
        &support::directory("adapter"),
        &format!(r#""digest":{{"sha256":"{}"}}"#, digest("adapter")),
    );
    let (_directory, store) = store(&[
        sign(&signer, &provenance("trained", &[data.clone(), source.clone()])),
        sign(&signer, &provenance("other", &[source])),
        step(&signer, "tuned", "trained"),
        sign(&signer, &adapter_statement),
        sign(&signer, &provenance("merged", &[base("trained"), adapter])),
        step(&signer, "unrelated", "elsewhere"),
    ]);
    let run = |text: &str| {
        let ids = ArtifactId::parse(text).unwrap();
        affected(&store, &ids).signed_by(Verifier::with_key(public.clone())).run().unwrap()
    };
    let report = run(&format!("sha256:{}", digest("data")));
    assert_eq!(names(&report), [("trained", 1), ("tuned", 2), ("merged", 2), ("adapter", 3)]);
    assert!(report.complete && report.notes.is_empty(), "{:?}", report.notes);
    assert!(report.statements.iter().all(|statement| statement.verified && statement.signer.is_some()));
    // merged was made from trained and from adapter: two edges, one artifact.
    let merged = report.affected.iter().find(|artifact| artifact.name == "merged").unwrap();
    let into: Vec<_> = report.edges.iter().filter(|edge| edge.to == merged.number).collect();
    assert_eq!(into.len(), 2);
    assert_eq!(report.edges[merged.found_by].dependency.as_deref(), Some("baseModel"));
    assert_eq!(names(&run(&format!("gitCommit:{commit}"))).len(), 5);
    assert_eq!(names(&run(&format!("manifest-sha256:{}", digest("tuned")))), [("adapter", 1), ("merged", 2)]);
    // The root digest of a directory, and the digest of a directory in place of a file's.
    for nothing in [digest("root of trained"), digest("trained")] {
        assert_eq!(names(&run(&format!("sha256:{nothing}"))), []);
    }
    assert_eq!(names(&run(&format!("dirHash:{}", digest("adapter")))), []);

    let dot = report.graph().to_text(GraphLanguage::Dot);
    assert_eq!(dot.matches(" -> ").count(), report.edges.len());
    assert!(report.graph().to_text(GraphLanguage::Mermaid).contains("merged"));
}

#[test]
fn only_statements_of_whoever_was_named_count() {
    let ((signer, public), (stranger, _)) = (key(), key());
    let (_directory, store) = store(&[
        step(&signer, "a", "base"),
        step(&stranger, "b", "a"),
        step(&signer, "c", "b"),
        step(&stranger, "base", "c"),
    ]);
    let everybody = affected(&store, &ids("base")).run().unwrap();
    assert_eq!(names(&everybody), [("a", 1), ("b", 2), ("c", 3)]);
    assert!(everybody.statements.iter().all(|statement| !statement.verified && statement.signer.is_none()));
    assert!(says(&everybody, "no signature was verified") && says(&everybody, "made from it"));
    let some = affected(&store, &ids("base")).signed_by(Verifier::with_key(public)).run().unwrap();
    assert_eq!(names(&some), [("a", 1)]);
    assert_eq!(some.not_counted.len(), 1);
    assert!(says(&some, "1 statements are by nobody") && some.not_counted[0].why.contains("another key"));
    let (_, unknown) = key();
    let none = affected(&store, &ids("base")).signed_by(Verifier::with_key(unknown)).run().unwrap();
    assert_eq!(names(&none), []);
}

#[test]
fn loops_end() {
    let (signer, public) = key();
    let (_directory, store) = store(&[
        step(&signer, "a", "b"),
        step(&signer, "b", "a"),
        step(&signer, "self", "self"),
        step(&signer, "c", "b"),
        step(&signer, "self", "c"),
    ]);
    let run =
        |name| affected(&store, &ids(name)).signed_by(Verifier::with_key(public.clone())).run().unwrap();
    let report = run("a");
    assert_eq!(names(&report), [("b", 1), ("c", 2), ("self", 3)]);
    assert!(
        report.complete
            && says(&report, "2 statements say that an artifact was made from one that was made from it")
    );
    assert_eq!(names(&run("self")), []);
    // Two ways to one artifact are no loop.
    let (_directory, diamond) = self::store(&[
        sign(&signer, &provenance("d", &[base("x"), base("y")])),
        step(&signer, "x", "r"),
        step(&signer, "y", "r"),
    ]);
    let report = affected(&diamond, &ids("r")).run().unwrap();
    assert_eq!((names(&report).len(), says(&report, "made from it")), (3, false));
}

#[test]
fn a_chain_of_ten_thousand_is_followed_or_cut_and_never_silently() {
    const LENGTH: usize = 10_000;
    let (signer, _) = key();
    let chain: Vec<_> =
        (0..LENGTH).map(|n| step(&signer, &format!("m{}", n + 1), &format!("m{n}"))).collect();
    // Each under its own name: reading a line of a large file for each step would take a while.
    let directory = TempDir::new().unwrap();
    for bundle in &chain {
        let hex = sha256(bundle);
        let folder = directory.path().join(&hex[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{hex}.sigstore.json")), bundle).unwrap();
    }
    let store = Store::open(directory.path()).unwrap();
    let report = affected(&store, &ids("m0")).max_depth(depth(2 * LENGTH)).run().unwrap();
    assert!(report.complete);
    assert_eq!(report.affected.len(), LENGTH);
    assert_eq!(report.affected[LENGTH - 1].steps, LENGTH);
    let report = affected(&store, &ids("m0")).run().unwrap();
    assert_eq!((report.affected.len(), report.complete), (64, false));
    assert!(says(&report, "more than 64 steps"));
    let exactly = affected(&store, &ids(&format!("m{}", LENGTH - 64))).run().unwrap();
    assert_eq!((exactly.affected.len(), exactly.complete), (64, true));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    modelseal_core::digest::Digest::sha256(sha2::Sha256::digest(bytes).into()).to_hex()
}

#[test]
fn what_could_not_be_read_makes_the_answer_incomplete() {
    let (signer, _) = key();
    let (directory, store) = store(&[step(&signer, "a", "base")]);
    assert!(affected(&store, &ids("base")).run().unwrap().complete);
    let stored = store.put(&step(&signer, "b", "base")).unwrap();
    fs::write(&stored.path, "{}").unwrap();
    let store = Store::open(directory.path()).unwrap();
    let report = affected(&store, &ids("base")).run().unwrap();
    assert_eq!((names(&report), report.complete), (vec![("a", 1)], false));
    assert!(says(&report, "1 files of the store could not be read"));
    assert_eq!(report.problems.len(), 1);
    // A file that is something else is no matter.
    fs::remove_file(&stored.path).unwrap();
    fs::write(directory.path().join("config.json"), "{}").unwrap();
    let store = Store::open(directory.path()).unwrap();
    assert!(affected(&store, &ids("base")).run().unwrap().complete);
}

#[test]
fn an_artifact_is_one_however_many_names_it_has() {
    let (signer, public) = key();
    // The same file by two digests, of which one statement knows both.
    let both = format!(r#""digest":{{"sha256":"{}","sha512":"{}"}}"#, digest("f"), "cd".repeat(64));
    let file_from = |name: &str, digests: &str, from: &str| {
        provenance(name, &[base(from)]).replace(&support::directory(name), digests)
    };
    let only = format!(r#""digest":{{"sha256":"{}"}}"#, digest("f"));
    let by_512 = file("baseModel", "a:b", "sha512", &"cd".repeat(64));
    let (_directory, store) = store(&[
        sign(&signer, &file_from("first name", &only, "base")),
        sign(&signer, &file_from("second name", &both, "base")),
        sign(&signer, &provenance("child", &[by_512])),
    ]);
    let report = affected(&store, &ids("base")).signed_by(Verifier::with_key(public)).run().unwrap();
    assert_eq!(report.affected.len(), 2, "{:?}", names(&report));
    assert!(report.affected.iter().any(|artifact| artifact.name == "child" && artifact.steps == 2));
    assert_eq!(
        report.affected[0].ids.len(),
        4,
        "two digests, and a directory of that one file under each name: {:?}",
        report.affected[0]
    );
}

/// The better of two, so that it matters little what else the machine does.
fn best(work: impl Fn()) -> Duration {
    let took = || {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..2).map(|_| took()).min().unwrap()
}

#[test]
fn a_bundle_is_read_once_however_many_edges_it_makes() {
    let ((signer, public), everybody) = (key(), 0..40);
    let made = |n: usize| {
        let others = everybody.clone().filter(|other| *other != n);
        let bases: Vec<String> = others.map(|other| base(&format!("m{other}"))).collect();
        sign(&signer, &provenance(&format!("m{n}"), &bases))
    };
    let (_directory, store) = store(&everybody.clone().map(made).collect::<Vec<_>>());
    store.refresh().unwrap();
    let read = best(|| assert_eq!(store.bundles().unwrap().flatten().count(), 40));
    let verifier = Verifier::with_key(public);
    let answered = best(|| {
        store.refresh().unwrap();
        let report = affected(&store, &ids("m0")).signed_by(verifier.clone()).run().unwrap();
        assert_eq!(report.edges.len(), 40 * 39);
    });
    assert!(answered < read * 12, "answered in {answered:?}, to read all takes {read:?}");
}

#[test]
fn a_chain_in_one_file_is_followed_in_the_time_that_its_length_takes() {
    let (signer, public) = key();
    let verifier = Verifier::with_key(public);
    let time = |length: usize| {
        let steps = (0..length).map(|n| step(&signer, &format!("m{}", n + 1), &format!("m{n}")));
        let (_directory, store) = store(&steps.collect::<Vec<_>>());
        store.refresh().unwrap();
        best(|| {
            let request = affected(&store, &ids("m0")).signed_by(verifier.clone()).max_depth(depth(length));
            assert_eq!(request.run().unwrap().affected.len(), length);
        })
    };
    let (short, long) = (time(100), time(800));
    assert!(long < short * 20, "{short:?} for 100, {long:?} for eight times as many");
}
