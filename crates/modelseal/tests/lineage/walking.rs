//! Chains, loops, people nobody knows, statements about something else.

use crate::site::{BUILDER, Base, Person, Site, base, imagined, named, provenance, statuses, trust, without};
use modelseal::{
    ArtifactId, Statements, StoreError, StoredBundle,
    report::{LineageInputKind, LineageStanding, LineageStatus as Status},
};
use modelseal_core::{
    bundle::Bundle,
    digest::Digest,
    predicate::{build_type::BuildType, slsa_provenance::PREDICATE_TYPE_V1},
};
use serde_json::json;
use std::collections::HashMap;

const BASE: &str = "pkg:huggingface/acme/base@1";
const TUNED: &str = "pkg:huggingface/acme/tuned@1";

#[test]
fn a_chain_to_a_signed_model_is_complete() {
    let (site, alice) = (Site::new(), Person::new());
    let (foundation, tuned, converted) =
        (site.model("base", "1"), site.model("tuned", "2"), site.model("gguf", "3"));
    site.put(&alice.signs(&foundation));
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    site.put(&alice.made(&converted, BuildType::Convert, &[base(TUNED, &tuned)]));
    let report = site.from("gguf", &[&alice]);
    assert!(report.complete, "{report:#?}");
    assert_eq!(statuses(&report), [Status::Verified, Status::Verified, Status::Signed]);
    assert_eq!(report.edges.len(), 2);
    assert_eq!(report.edges[0].relation.as_deref(), Some("convert"));
    assert_eq!(report.edges[1].relation.as_deref(), Some("fine-tune"));
    assert!(report.edges.iter().all(|edge| edge.proven && !edge.cycle && edge.evidence.len() == 1));
    assert_eq!(report.nodes[2].depth, 2);
    let build = report.nodes[0].statements[0].build.as_ref().unwrap();
    assert_eq!((&*build.builder, build.inputs[0].kind), (BUILDER, LineageInputKind::BaseModel));
    // The same from its digest alone.
    let request = modelseal::lineage_of(ArtifactId::of_manifest(converted.get()));
    assert!(site.walk(&request, &trust(&[&alice])).complete);
    // With a signature and nothing else, history ends; without one, nothing is known.
    assert_eq!(statuses(&site.from("base", &[&alice])), [Status::Signed]);
    site.model("other", "4");
    let report = site.from("other", &[&alice]);
    assert_eq!((statuses(&report), report.complete), (vec![Status::Unresolved], false));
}

#[test]
fn a_base_without_a_statement_is_unresolved_unless_that_is_allowed() {
    let (site, alice) = (Site::new(), Person::new());
    let (foundation, tuned) = (site.model("base", "1"), site.model("tuned", "2"));
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    let report = site.from("tuned", &[&alice]);
    assert_eq!((statuses(&report), report.complete), (vec![Status::Verified, Status::Unresolved], false));
    let request = modelseal::lineage(site.path("tuned")).allow_unresolved(true);
    assert!(site.walk(&request, &trust(&[&alice])).complete);
    // The model itself is no root of history for want of statements.
    let request = modelseal::lineage(site.path("base")).allow_unresolved(true);
    assert!(!site.walk(&request, &trust(&[&alice])).complete);
}

#[test]
fn somebody_unknown_in_the_middle_ends_the_walk_there() {
    let (site, alice, mallory) = (Site::new(), Person::new(), Person::new());
    let (foundation, tuned, converted) =
        (site.model("base", "1"), site.model("tuned", "2"), site.model("gguf", "3"));
    site.put(&alice.signs(&foundation));
    site.put(&mallory.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    site.put(&alice.made(&converted, BuildType::Convert, &[base(TUNED, &tuned)]));
    let report = site.from("gguf", &[&alice]);
    // What Mallory says of the base is not followed.
    assert_eq!((statuses(&report), report.complete), (vec![Status::Verified, Status::UnknownSigner], false));
    let node = named(&report, TUNED);
    assert!(node.message.contains(&mallory.public_key().hint()), "{}", node.message);
    assert_eq!(node.statements[0].standing, LineageStanding::Unknown);
    assert_eq!(node.statements[0].build, None);
    let allowing = modelseal::lineage(site.path("gguf")).allow_unresolved(true);
    assert!(!site.walk(&allowing, &trust(&[&alice])).complete);
    assert!(site.from("gguf", &[&alice, &mallory]).complete);
}

#[test]
fn a_changed_bundle_helps_nobody() {
    let (site, alice) = (Site::new(), Person::new());
    let tuned = site.model("tuned", "2");
    let bundle = alice.made(&tuned, BuildType::Training, &[]);
    let json = String::from_utf8(bundle.to_json().unwrap()).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&json).unwrap();
    let other = alice.made(&tuned, BuildType::Training, &[base(BASE, &imagined(1))]);
    let other: serde_json::Value = serde_json::from_slice(&other.to_json().unwrap()).unwrap();
    document["dsseEnvelope"]["payload"] = other["dsseEnvelope"]["payload"].clone();
    site.file("store/changed.sigstore.json", document.to_string());
    site.file(&format!("store/ab/ab{}.sigstore.json", "0".repeat(62)), "{}");
    let report = site.from("tuned", &[&alice]);
    assert_eq!(statuses(&report), [Status::UnknownSigner]);
    assert!(report.nodes[0].message.contains("does not verify"), "{}", report.nodes[0].message);
    assert!(report.notes.iter().any(|note| note.contains("00.sigstore.json")), "{:?}", report.notes);
}

#[test]
fn a_large_statement_is_read_only_when_somebody_trusted_signed_it() {
    let (site, alice, mallory) = (Site::new(), Person::new(), Person::new());
    let tuned = site.model("tuned", "2");
    let statement = alice.made(&tuned, BuildType::Training, &[]);
    let mut statement: serde_json::Value = serde_json::from_slice(statement.payload_unverified()).unwrap();
    let subjects = statement["subject"].as_array_mut().unwrap();
    subjects.extend((0..12_000).map(
        |n| serde_json::json!({ "name": format!("f{n}"), "digest": { "sha256": format!("{n:064x}") } }),
    ));
    site.file("tuned/large.sigstore.json", mallory.states(&statement).to_json().unwrap());
    let report = site.from("tuned", &[&alice]);
    assert_eq!(statuses(&report), [Status::UnknownSigner]);
    let message = &report.nodes[0].message;
    assert!(message.contains(&mallory.public_key().hint()) && message.contains("were not read"), "{message}");
    site.file("tuned/other.sigstore.json", alice.states(&statement).to_json().unwrap());
    assert_eq!(statuses(&site.from("tuned", &[&alice])), [Status::Verified]);
}

#[test]
fn a_loop_is_found_and_is_not_complete() {
    let (site, alice) = (Site::new(), Person::new());
    let (a, b) = (site.model("a", "1"), site.model("b", "2"));
    site.put(&alice.made(&a, BuildType::FineTune, &[base("x:b", &b)]));
    site.put(&alice.made(&b, BuildType::FineTune, &[base("x:a", &a)]));
    let report = site.from("a", &[&alice]);
    assert_eq!((statuses(&report), report.complete), (vec![Status::Verified; 2], false));
    assert_eq!(report.edges.iter().map(|edge| edge.cycle).collect::<Vec<_>>(), [false, true]);
    assert!(report.message.contains("1 in a cycle"), "{}", report.message);
    // Of itself.
    let c = site.model("c", "3");
    site.put(&alice.made(&c, BuildType::FineTune, &[base("x:c", &c)]));
    let report = site.from("c", &[&alice]);
    assert_eq!((report.nodes.len(), report.edges[0].cycle, report.complete), (1, true, false));
}

#[test]
fn two_ways_to_one_ancestor_are_no_loop() {
    let (site, alice) = (Site::new(), Person::new());
    let (root, a, b, merged) =
        (site.model("r", "0"), site.model("a", "1"), site.model("b", "2"), site.model("m", "3"));
    site.put(&alice.signs(&root));
    site.put(&alice.made(&a, BuildType::FineTune, &[base("x:r", &root)]));
    site.put(&alice.made(&b, BuildType::FineTune, &[base("x:another-name-of-r", &root)]));
    site.put(&alice.made(&merged, BuildType::Merge, &[base("x:a", &a), base("x:b", &b)]));
    let report = site.from("m", &[&alice]);
    assert!(report.complete, "{report:#?}");
    assert_eq!((report.nodes.len(), report.edges.len()), (4, 4));
}

/// Bundles by the manifest digest of what they are about.
struct InMemory(HashMap<String, Bundle>);

impl Statements for InMemory {
    fn about(&self, ids: &[ArtifactId]) -> Result<Vec<StoredBundle>, StoreError> {
        let found = ids.iter().filter_map(|id| Some((id, self.0.get(&id.to_string())?)));
        let bundle = |(id, bundle): (&ArtifactId, &Bundle)| StoredBundle {
            path: id.to_string().into(),
            line: None,
            sha256: Digest::sha256([0; 32]),
            bytes: bundle.to_json().unwrap(),
            bundle: bundle.clone(),
            claims: None,
        };
        Ok(found.map(bundle).collect())
    }
}

#[test]
fn ten_thousand_generations_are_walked_or_cut() {
    const LONG: usize = 10_000;
    let alice = Person::new();
    let id = |n| format!("dir:oms/v1.0;files;sha256:{}", imagined(n).get().manifest_digest().to_hex());
    let made = (0..LONG).map(|n| {
        let bundle = match n + 1 {
            LONG => alice.made(&imagined(n), BuildType::Training, &[]),
            next => alice.made(&imagined(n), BuildType::FineTune, &[base("x:generation", &imagined(next))]),
        };
        (id(n), bundle)
    });

    let store = InMemory(made.collect());
    let request = modelseal::lineage_of(ArtifactId::of_manifest(imagined(0).get()));
    let report = request.run(&store, &trust(&[&alice]), &()).unwrap();
    assert_eq!((report.nodes.len(), report.complete), (modelseal::DEFAULT_MAX_DEPTH + 2, false));
    assert_eq!(report.nodes.last().unwrap().status, Status::TooDeep);
    assert!(report.message.contains("1 too-deep"), "{}", report.message);
    let report = request.max_depth(usize::MAX).run(&store, &trust(&[&alice]), &()).unwrap();
    assert_eq!((report.nodes.len(), report.edges.len(), report.complete), (LONG, LONG - 1, true));
    assert_eq!(statuses(&report), vec![Status::Verified; LONG]);
}

#[test]
fn a_statement_about_another_model_says_nothing_of_this_one() {
    let (site, alice) = (Site::new(), Person::new());
    let (one, other) = (site.model("one", "1"), site.model("other", "2"));
    // It lies beside the model, and is by somebody trusted.
    site.put_beside("one", &alice.made(&other, BuildType::Training, &[]));
    let report = site.from("one", &[&alice]);
    assert_eq!((statuses(&report), report.nodes[0].statements.len()), (vec![Status::Unresolved], 0));
    site.put_beside("one", &alice.made(&one, BuildType::Training, &[]));
    assert!(site.from("one", &[&alice]).complete);
    // A file more, and it is another model.
    site.file("one/added.py", "import os");
    assert_eq!(statuses(&site.from("one", &[&alice])), [Status::Unresolved]);
}

#[test]
fn nobody_untrusted_leaves_files_out() {
    let (site, alice, mallory) = (Site::new(), Person::new(), Person::new());
    let honest = site.model("m", "1");
    site.put(&alice.made(&honest, BuildType::Training, &[]));
    site.file("m/evil.py", "import os");
    // Mallory signs the model without the file that she added.
    let left_out = without(&honest, "evil.py");
    site.put_beside("m", &mallory.signs(&left_out));
    assert_eq!(statuses(&site.from("m", &[&alice])), [Status::Unresolved]);
    // Alice may.
    site.put_beside("m", &alice.signs(&left_out));
    assert_eq!(statuses(&site.from("m", &[&alice])), [Status::Verified]);
}

#[test]
fn a_file_with_the_digest_of_a_directory_is_not_the_directory() {
    let (site, alice) = (Site::new(), Person::new());
    let (foundation, tuned) = (site.model("base", "1"), site.model("tuned", "2"));
    let root = foundation.get().root_digest().to_hex();
    // The concatenated digests of the directory's files, as a file: its SHA-256 is the directory's root digest.
    let mut bytes = Vec::new();
    for resource in foundation.get().resources() {
        let hex = resource.digest.to_hex();
        bytes.extend((0..32).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()));
    }
    site.file("harmless.bin", &bytes);
    let file = site.measured("harmless.bin");
    assert_eq!(file.get().resources()[0].digest.to_hex(), root);
    // A statement about the file, where the directory is pinned.
    site.put(&alice.made(&file, BuildType::Training, &[]));
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    let report = site.from("tuned", &[&alice]);
    assert_eq!(statuses(&report), [Status::Verified, Status::Unresolved]);
    assert_eq!(statuses(&site.from("harmless.bin", &[&alice])), [Status::Verified]);
    assert_eq!(statuses(&site.from("base", &[&alice])), [Status::Unresolved]);
    // And the other way round: the root digest alone pins a file, never the directory that was signed.
    let (other, digest) = (site.model("other", "3"), json!({ "sha256": root }));
    site.put(&alice.made(&other, BuildType::FineTune, &[Base { uri: BASE, digest, method: None }]));
    let only_directory = Site::new();
    only_directory.model("other", "3");
    only_directory.put(&alice.signs(&foundation));
    let digest = json!({ "sha256": root });
    only_directory.put(&alice.made(&other, BuildType::FineTune, &[Base { uri: BASE, digest, method: None }]));
    assert_eq!(statuses(&only_directory.from("other", &[&alice])), [Status::Verified, Status::Unresolved]);
}

#[test]
fn digests_that_contradict_each_other_are_of_two_models() {
    let (site, alice) = (Site::new(), Person::new());
    let (foundation, tuned) = (site.model("base", "1"), site.model("tuned", "2"));
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    let statement = |root: &str| {
        let dir = foundation.get().manifest_digest().to_hex();
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "base", "digest": { "dirHash": dir, "sha256": root } }],
            "predicateType": PREDICATE_TYPE_V1,
            "predicate": provenance(BuildType::Training, BUILDER, &[]),
        })
    };
    site.put(&alice.states(&statement(&"ab".repeat(32))));
    assert_eq!(statuses(&site.from("tuned", &[&alice])), [Status::Verified, Status::Unresolved]);
    site.put(&alice.states(&statement(&foundation.get().root_digest().to_hex())));
    assert!(site.from("tuned", &[&alice]).complete);
}

#[test]
fn a_base_that_nothing_strong_pins_is_unresolved() {
    let (site, alice) = (Site::new(), Person::new());
    let foundation = site.model("base", "1");
    site.put(&alice.signs(&foundation));
    let root = json!({ "sha256": foundation.get().root_digest().to_hex() });
    let oms = Some("oms/v1.0;files;sha256");
    for (name, digest, method, why) in [
        ("md5", json!({ "md5": "0".repeat(32) }), None, "weak"),
        ("none", json!({}), None, "no digest"),
        ("root", root, oms, "does not cover the names"),
    ] {
        let tuned = site.model(name, name);
        site.put(&alice.made(&tuned, BuildType::FineTune, &[Base { uri: BASE, digest, method }]));
        let report = site.from(name, &[&alice]);
        assert_eq!(statuses(&report), [Status::Verified, Status::Unresolved], "{name}");
        assert!(report.nodes[1].message.contains(why), "{}", report.nodes[1].message);
        assert!(!report.nodes[0].statements[0].build.as_ref().unwrap().inputs[0].pinned);
    }
    // An input that the user asked for and nothing resolves.
    let tuned = site.model("asked", "asked");
    let mut predicate = provenance(BuildType::FineTune, BUILDER, &[]);
    predicate["buildDefinition"]["externalParameters"]["baseModel"] = BASE.into();
    site.put(&alice.says(&tuned, PREDICATE_TYPE_V1, &predicate));
    let report = site.from("asked", &[&alice]);
    assert_eq!(statuses(&report), [Status::Verified, Status::Unresolved]);
    assert!(named(&report, BASE).message.contains("no resolved dependency"));
}

#[test]
fn parameters_are_closed() {
    let (site, alice) = (Site::new(), Person::new());
    let tuned = site.model("m", "1");
    let mut predicate = provenance(BuildType::Training, BUILDER, &[]);
    predicate["buildDefinition"]["externalParameters"]["backdoor"] = "x".into();
    site.put(&alice.says(&tuned, PREDICATE_TYPE_V1, &predicate));
    let report = site.from("m", &[&alice]);
    assert_eq!(statuses(&report), [Status::Denied]);
    assert!(report.nodes[0].message.contains("backdoor"), "{}", report.nodes[0].message);
    // Another one by the same person that is in order is enough.
    site.put(&alice.made(&tuned, BuildType::Training, &[]));
    assert!(site.from("m", &[&alice]).complete);
}

#[test]
fn provenances_that_disagree_are_both_shown_and_followed() {
    let (site, alice, bob) = (Site::new(), Person::new(), Person::new());
    let (one, other, tuned) = (site.model("one", "1"), site.model("other", "2"), site.model("tuned", "3"));
    site.put(&alice.signs(&one));
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base("x:one", &one)]));
    assert!(site.from("tuned", &[&alice, &bob]).complete);
    site.put(&bob.made(&tuned, BuildType::FineTune, &[base("x:other", &other)]));
    let report = site.from("tuned", &[&alice, &bob]);
    assert_eq!(report.nodes.len(), 3);
    assert_eq!(
        (named(&report, "x:one").status, named(&report, "x:other").status),
        (Status::Signed, Status::Unresolved)
    );
    assert_eq!(report.nodes[0].statements.iter().filter(|statement| statement.build.is_some()).count(), 2);
    let note = &report.nodes[0].notes[0];
    assert!(note.contains("2 trusted provenances of it disagree about the base models"), "{note}");
    assert!(!report.complete);
}

#[test]
fn lines_of_bundles_count_in_any_order_and_unknown_lines_are_passed_over() {
    let (site, alice) = (Site::new(), Person::new());
    let (foundation, tuned) = (site.model("base", "1"), site.model("tuned", "2"));
    let lines =
        [alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]), alice.signs(&foundation)];
    let lines: Vec<String> = lines.iter().map(|b| String::from_utf8(b.to_json().unwrap()).unwrap()).collect();
    for order in [[0, 1], [1, 0]] {
        let text = format!("\n{}garbage\n{}{{}}\n", lines[order[0]], lines[order[1]]);
        site.file("store/all.intoto.jsonl", text);
        let report = site.from("tuned", &[&alice]);
        assert!(report.complete, "{report:#?}");
        assert!(
            report.nodes[1].statements[0].place.ends_with(&format!("all.intoto.jsonl:{}", 2 + 2 * order[1]))
        );
    }
}

#[test]
fn names_by_strangers_are_kept_as_data() {
    let (site, alice) = (Site::new(), Person::new());
    let name = "x:\"]\u{1b}[2J\n<b>`";
    let (foundation, tuned) = (site.model("base", "1"), site.model("tuned", "2"));
    let mut predicate = provenance(BuildType::Training, BUILDER, &[]);
    predicate["buildDefinition"]["buildType"] = "https://example.com/other".into();
    let digest = base(name, &foundation).digest;
    predicate["buildDefinition"]["resolvedDependencies"] = json!([{ "name": "baseModel", "uri": name, "digest": digest }, { "name": "dataset", "uri": "d:\u{202e}" }]);
    site.put(&alice.says(&tuned, PREDICATE_TYPE_V1, &predicate));
    let report = site.from("tuned", &[&alice]);
    assert_eq!(named(&report, name).status, Status::Unresolved);
    assert!(!report.nodes[0].statements[0].build.as_ref().unwrap().inputs[1].pinned);
}

#[cfg(unix)]
#[test]
fn links_in_a_store_are_not_followed_and_pipes_do_not_hang() {
    let (site, alice) = (Site::new(), Person::new());
    let tuned = site.model("tuned", "2");
    site.file("elsewhere/a.sigstore.json", alice.made(&tuned, BuildType::Training, &[]).to_json().unwrap());
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(site.path(from), site.path(to)).unwrap();
    link("elsewhere", "store/folder");
    link("elsewhere/a.sigstore.json", "store/a.sigstore.json");
    link("store", "store/loop");
    let made = std::process::Command::new("mkfifo").arg(site.path("store/pipe.json")).status();
    assert!(made.is_ok_and(|status| status.success()));
    assert_eq!(statuses(&site.from("tuned", &[&alice])), [Status::Unresolved]);
}
