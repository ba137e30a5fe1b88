//! Base models that are not here: what accepted provenance pins stands for their measurement, and for nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod decision_support;

use decision_support::*;
use modelseal_core::{cover::digest_method, manifest::Manifest, predicate::descriptor::Descriptor};
use modelseal_verify::{
    decision::{
        BaseModel, BaseModels, Code, DecisionReport, MAX_BASE_MODELS, Request, Status, Verdict, decide,
        decide_with,
    },
    facts::{Facts, NoKeyless, RecordedFacts, collect},
    policy::reference::Reference,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PUBLISHER: u8 = 1;
const BUILDER: u8 = 2;
const VERIFIER: u8 = 4;
const STRANGER: u8 = 9;

const MID: &str = "hf://huggingface.co/acme/mid";
const ROOT: &str = "hf://huggingface.co/roots/root";

fn top() -> Manifest {
    model()
}

fn mid() -> Manifest {
    manifest(&[("config.json", "{}"), ("weights", "mid")])
}

fn root() -> Manifest {
    manifest(&[("config.json", "{}"), ("weights", "root")])
}

/// Models of `acme` are signed and built from models that the policy allows; those of `roots` as `root_rule` says.
fn policy_with(top: &str, root_rule: &str) -> String {
    let signers = [(PUBLISHER, "pub"), (BUILDER, "ci"), (VERIFIER, "importer")];
    let signers: String = signers.into_iter().map(|(seed, name)| Key::new(seed).signer(name, "")).collect();
    format!(
        "{}{top}{signers}builders.b = {{ signers = [\"ci\"], builder-id = \"https://acme.example/builder\", max-level = 2, \
         build-types = [\"https://acme.example/train\", \"https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/fine-tune/v1.md\"] }}\n\
         [[rule]]\nname = \"ours\"\nmodels = [\"hf://huggingface.co/acme/*\"]\nbind = \"signer\"\n\
         signature = {{ signers = [\"pub\"] }}\n\
         slsa = {{ builders = [\"b\"], min-level = 2, unknown-parameters = \"allow\", base-models = {{ verify = true }} }}\n\
         [[rule]]\nname = \"roots\"\nmodels = [\"hf://huggingface.co/roots/*\"]\n{root_rule}\n",
        head("p")
    )
}

fn policy_text() -> String {
    policy_with("", "bind = \"signer\"\nsignature = { signers = [\"pub\"] }")
}

fn pin(uri: &str, digest: Value) -> Value {
    json!({ "name": "baseModel", "uri": uri, "digest": digest })
}

fn by_dir_hash(manifest: &Manifest) -> Value {
    json!({ "dirHash": manifest.manifest_digest().to_hex() })
}

fn built(model: &Manifest, from: &[Value]) -> Vec<u8> {
    built_as("https://acme.example/train", json!({}), model, from)
}

fn built_as(build_type: &str, parameters: Value, model: &Manifest, from: &[Value]) -> Vec<u8> {
    let predicate = json!({
        "buildDefinition": {
            "buildType": build_type, "externalParameters": parameters, "resolvedDependencies": from,
        },
        "runDetails": { "builder": { "id": "https://acme.example/builder" } },
    });
    Key::new(BUILDER).sign_statement(&statement(PROVENANCE, model, predicate))
}

/// Evidence about base models, and a copy of some.
#[derive(Default)]
struct Site {
    evidence: BTreeMap<String, (Vec<Vec<u8>>, Option<Manifest>)>,
    facts: BTreeMap<String, (Request, Facts)>,
}

impl Site {
    fn with(mut self, name: &str, bundles: Vec<Vec<u8>>) -> Self {
        self.evidence.entry(name.to_owned()).or_default().0.extend(bundles);
        self
    }

    fn copy(mut self, name: &str, model: Manifest) -> Self {
        self.evidence.entry(name.to_owned()).or_default().1 = Some(model);
        self
    }

    fn judge(mut self, top: &Case) -> DecisionReport {
        for (name, (bundles, copy)) in &self.evidence {
            let mut case = Case::new(&policy_text()).named(name);
            (case.set, case.now) = (top.set.clone(), top.now);
            case.bundles.clone_from(bundles);
            case.feeds.clone_from(&top.feeds);
            let facts = collect(&case.set, &case.evidence(), &NoKeyless, case.now);
            let facts = match copy {
                Some(copy) => measure(facts, copy),
                None => facts,
            };
            self.facts.insert(name.clone(), (Request::new(reference(name)), facts));
        }
        decide_with(&top.set, &top.request, &top.facts(), top.now, &self).report().clone()
    }

    #[track_caller]
    fn allows(self, top: &Case) -> DecisionReport {
        let report = self.judge(top);
        assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
        report
    }

    /// Denied, with the code at the hop that is refused first of all from the end of the chain.
    #[track_caller]
    fn denies(self, top: &Case, code: Code) -> DecisionReport {
        let report = self.judge(top);
        assert_eq!(report.verdict, Verdict::Deny, "{}", show(&report));
        let last = report.base_models.iter().rev().find_map(|hop| hop.code);
        assert_eq!(last, Some(code), "{:#?}\n{}", report.base_models, show(&report));
        report
    }
}

impl BaseModels for Site {
    fn find(&self, reference: &Reference, _: &Descriptor) -> Option<BaseModel<'_>> {
        let (request, facts) = self.facts.get(reference.as_str())?;
        Some(BaseModel { request, facts })
    }
}

fn signed(model: &Manifest) -> Vec<u8> {
    Key::new(PUBLISHER).sign_model(model)
}

fn case(policy: &str, from: &[Value]) -> Case {
    Case::new(policy).bundle(signed(&top())).bundle(built(&top(), from))
}

fn usual() -> Case {
    case(&policy_text(), &[pin(MID, by_dir_hash(&mid()))])
}

fn chain() -> Site {
    Site::default()
        .with(MID, vec![signed(&mid()), built(&mid(), &[pin(ROOT, by_dir_hash(&root()))])])
        .with(ROOT, vec![signed(&root())])
}

#[test]
fn a_chain_of_three_of_which_two_are_not_here() {
    let report = chain().allows(&usual());
    let hops: Vec<_> = report
        .base_models
        .iter()
        .map(|hop| (hop.generation, hop.uri.as_str(), hop.made_into.as_str(), hop.measured, hop.verdict))
        .collect();
    assert_eq!(
        hops,
        [(1, MID, REFERENCE, false, Verdict::Allow), (2, ROOT, MID, false, Verdict::Allow)],
        "{}",
        show(&report)
    );
    // Copies that are measured do as well, and may be mixed.
    let report = chain().copy(MID, mid()).copy(ROOT, root()).allows(&usual());
    assert!(report.base_models.iter().all(|hop| hop.measured));
    chain().copy(ROOT, root()).allows(&usual());
}

#[test]
fn nothing_here_and_nothing_pinned_is_no_allow() {
    // Facts of a base model that nobody measured allow nothing by themselves.
    let case = Case::new(&policy_text()).named(ROOT).bundle(signed(&root())).unmeasured();
    let report = decide(&case.set, &case.request, &case.facts(), now()).report().clone();
    assert_eq!(report.verdict, Verdict::Error, "{}", show(&report));
    for digest in [json!({}), json!({ "md5": "0".repeat(32) }), json!({ "gitTag": "0".repeat(40) })] {
        let report = chain().judge(&case_of(pin(MID, digest.clone())));
        assert_eq!(report.verdict, Verdict::Deny, "{digest} {}", show(&report));
    }
}

fn case_of(pin: Value) -> Case {
    case(&policy_text(), &[pin])
}

#[test]
fn another_base_model_than_the_pinned_one() {
    // Swapped: the publisher signed something else under that name, and that alone.
    let other = manifest(&[("weights", "other")]);
    let swapped = || Site::default().with(ROOT, vec![signed(&other)]);
    let from_root = case_of(pin(ROOT, by_dir_hash(&root())));
    swapped().denies(&from_root, Code::IntegrityDigestMismatch);
    // Older or newer signatures besides do no harm.
    swapped().with(ROOT, vec![signed(&root())]).allows(&from_root);
    // A copy that is another model, though the publisher signed that one, too.
    let report = swapped().copy(ROOT, other.clone()).denies(&from_root, Code::SlsaBaseModelUnverified);
    assert!(report.message.contains("other bytes"), "{}", report.message);
    swapped()
        .with(ROOT, vec![signed(&root())])
        .copy(ROOT, other)
        .denies(&from_root, Code::SlsaBaseModelUnverified);
    // A copy that was tampered with.
    let tampered = manifest(&[("config.json", "{}"), ("weights", "evil")]);
    let site = Site::default().with(ROOT, vec![signed(&root())]).copy(ROOT, tampered);
    site.denies(&from_root, Code::IntegrityDigestMismatch);
}

#[test]
fn a_file_and_a_directory_never_stand_for_each_other() {
    // A pin by the root digest, which does not cover names and is what a plain file could have.
    let by_root = case_of(pin(ROOT, json!({ "sha256": root().root_digest().to_hex() })));
    Site::default().with(ROOT, vec![signed(&root())]).denies(&by_root, Code::IntegrityDigestMismatch);
    // By the manifest digest, without and with how it was computed.
    let hex = root().manifest_digest().to_hex();
    let mut by_manifest =
        pin(ROOT, json!({ "manifest-sha256": hex, "sha256": root().root_digest().to_hex() }));
    let site = || Site::default().with(ROOT, vec![signed(&root())]);
    site().denies(&case_of(by_manifest.clone()), Code::SlsaBaseModelUnverified);
    by_manifest["annotations"] = json!({ "digestMethod": "oms/v1.0;shards;1000;sha256" });
    site().denies(&case_of(by_manifest.clone()), Code::IntegrityDigestMismatch);
    by_manifest["annotations"] = json!({ "digestMethod": digest_method(root().serialization()) });
    site().allows(&case_of(by_manifest.clone()));
    // Digests that contradict each other.
    by_manifest["digest"]["sha256"] = json!("0c".repeat(32));
    site().denies(&case_of(by_manifest), Code::IntegrityDigestMismatch);
    // A model of one file is pinned by the file's digest.
    let file = manifest(&[("m.gguf", "gguf")]).of_single_file();
    let by_file = case_of(pin(ROOT, json!({ "sha256": digest_of(b"gguf").to_hex() })));
    Site::default().with(ROOT, vec![signed(&file)]).allows(&by_file);
    Site::default().with(ROOT, vec![signed(&file)]).copy(ROOT, file.clone()).allows(&by_file);
    let folder = manifest(&[("m.gguf", "gguf")]);
    let report = Site::default().with(ROOT, vec![signed(&folder)]).copy(ROOT, folder.clone()).judge(&by_file);
    assert!(report.verdict == Verdict::Deny && report.message.contains("other bytes"), "{}", show(&report));
    let by_folder = case_of(pin(ROOT, by_dir_hash(&folder)));
    let report = Site::default().with(ROOT, vec![signed(&file)]).copy(ROOT, file.clone()).judge(&by_folder);
    assert_eq!(report.verdict, Verdict::Deny, "{}", show(&report));
}

#[test]
fn a_base_model_signed_by_a_stranger_or_built_by_one() {
    let site = Site::default().with(ROOT, vec![Key::new(STRANGER).sign_model(&root())]);
    site.denies(&case_of(pin(ROOT, by_dir_hash(&root()))), Code::SignatureNoTrustedSigner);
    // A stranger's provenance says that the middle was made from nothing; the builder's says from what.
    let said = |key: u8| {
        let predicate = json!({
            "buildDefinition": {
                "buildType": "https://acme.example/train", "externalParameters": {}, "resolvedDependencies": [],
            },
            "runDetails": { "builder": { "id": "https://acme.example/builder" } },
        });
        Key::new(key).sign_statement(&statement(PROVENANCE, &mid(), predicate))
    };
    let with = |key| Site::default().with(MID, vec![signed(&mid()), said(key)]);
    with(STRANGER).denies(&usual(), Code::SlsaMissing);
    with(PUBLISHER).denies(&usual(), Code::SlsaMissing);
    with(BUILDER).allows(&usual());
}

#[test]
fn a_base_model_that_is_denied_by_its_rule_or_by_a_list() {
    let from_root = |policy: &str| case(policy, &[pin(ROOT, by_dir_hash(&root()))]);
    let site = || Site::default().with(ROOT, vec![signed(&root())]);
    let policy = policy_with("", "action = \"reject\"");
    site().denies(&from_root(&policy), Code::PolicyRejected);
    let policy = policy_text().replace("hf://huggingface.co/roots/*", "hf://huggingface.co/other/*");
    site().denies(&from_root(&policy), Code::PolicyNoMatchingRule);
    let policy = policy_with("", "action = \"insecure-allow-unverified\"");
    let report = site().judge(&from_root(&policy));
    assert_eq!(report.verdict, Verdict::Deny, "{}", show(&report));
    let signature = "bind = \"signer\"\nsignature = { signers = [\"pub\"] }";
    let deny = |what: &str, value: String| {
        policy_with(
            &format!("deny = [{{ id = \"D\", reason = \"x\", {what} = [\"{value}\"] }}]\n"),
            signature,
        )
    };
    let policy = deny("digests", manifest_name(&root()));
    site().denies(&from_root(&policy), Code::DenyDigest);
    let policy = deny("file-digests", format!("sha256:{}", digest_of(b"root").to_hex()));
    site().denies(&from_root(&policy), Code::DenyFileDigest);
    let policy = deny("file-digests", format!("sha256:{}", digest_of(b"something else").to_hex()));
    site().allows(&from_root(&policy));
    // The builder of the middle model lost its key, and the top one is by another.
    let policy = deny("keys", format!("spki-sha256:{}", Key::new(STRANGER).fingerprint()));
    site().allows(&from_root(&policy));
}

/// What a deny list says of files needs a list of the files, whoever signed it.
#[test]
fn a_deny_list_of_files_and_a_base_model_of_which_nobody_knows_the_files() {
    let root_rule = format!("bind = \"digest\"\ndigests = [\"{}\"]", manifest_name(&root()));
    let deny = |digest: &[u8]| {
        format!(
            "deny = [{{ id = \"D\", reason = \"x\", file-digests = [\"sha256:{}\"] }}]\n",
            digest_of(digest).to_hex()
        )
    };
    let from = [pin(ROOT, by_dir_hash(&root()))];
    let unknown = || Site::default().with(ROOT, vec![]);
    unknown().allows(&case(&policy_with("", &root_rule), &from));
    unknown().denies(&case(&policy_with(&deny(b"else"), &root_rule), &from), Code::ErrorUnsupported);
    let listed = || Site::default().with(ROOT, vec![signed(&root())]);
    listed().allows(&case(&policy_with(&deny(b"else"), &root_rule), &from));
    listed().denies(&case(&policy_with(&deny(b"root"), &root_rule), &from), Code::DenyFileDigest);
    // A statement of any kind lists them, too: one by a known signer, of the files that have the pinned digest.
    let parts_of = |files: &Manifest, signer: u8| {
        let mut said = statement("https://acme.example/list/v1", &root(), json!({}));
        let subjects = said["subject"].as_array_mut().unwrap();
        subjects.extend(files.resources().iter().map(|file| {
            json!({
                "name": file.path.as_str(), "digest": { "sha256": file.digest.to_hex() },
                "annotations": { "digestMethod": "file;part-of-directory" },
            })
        }));
        Site::default().with(ROOT, vec![Key::new(signer).sign_statement(&said)])
    };
    let (else_denied, root_denied) =
        (policy_with(&deny(b"else"), &root_rule), policy_with(&deny(b"root"), &root_rule));
    parts_of(&root(), BUILDER).allows(&case(&else_denied, &from));
    parts_of(&root(), BUILDER).denies(&case(&root_denied, &from), Code::DenyFileDigest);
    parts_of(&mid(), BUILDER).denies(&case(&else_denied, &from), Code::ErrorUnsupported);
    parts_of(&root(), STRANGER).denies(&case(&else_denied, &from), Code::ErrorUnsupported);
}

fn vsa(subject: Value, result: &str) -> Vec<u8> {
    Key::new(VERIFIER).sign_statement(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": VSA,
        "predicate": {
            "verifier": { "id": "https://import.example" }, "timeVerified": "2026-11-01T00:00:00Z",
            "resourceUri": ROOT, "verificationResult": result, "verifiedLevels": ["IMPORTED"],
            "policy": { "uri": "https://import.example/policy", "digest": { "sha256": "ab".repeat(32) } },
        },
    }))
}

#[test]
fn a_summary_about_the_pinned_artifact_stands_for_a_signature() {
    let root_rule = "bind = \"vsa\"\nvsa = { verifiers = [{ signer = \"importer\", id = \"https://import.example\" }], levels = [\"IMPORTED\"] }";
    let policy = policy_with("", root_rule);
    let from_root = case(&policy, &[pin(ROOT, by_dir_hash(&root()))]);
    let about = |manifest: &Manifest| json!({ "name": "root", "digest": by_dir_hash(manifest) });
    let site = |bundle| Site::default().with(ROOT, vec![bundle]);
    site(vsa(about(&root()), "PASSED")).allows(&from_root);
    site(vsa(about(&root()), "FAILED")).denies(&from_root, Code::VsaNotPassed);
    site(vsa(about(&mid()), "PASSED")).denies(&from_root, Code::VsaMissing);
    site(signed(&root())).denies(&from_root, Code::VsaMissing);
    let part = json!({ "name": "root", "digest": by_dir_hash(&root()), "annotations": { "digestMethod": "file;part-of-directory" } });
    site(vsa(part, "PASSED")).denies(&from_root, Code::VsaMissing);
    let by_root = json!({ "name": "root", "digest": { "sha256": root().root_digest().to_hex() } });
    site(vsa(by_root, "PASSED")).denies(&from_root, Code::VsaMissing);
    // With the list of files besides, and by naming every file.
    site(vsa(about(&root()), "PASSED")).with(ROOT, vec![signed(&root())]).allows(&from_root);
    let mut files = json!([]);
    for resource in root().resources() {
        let digest = json!({ "sha256": resource.digest.to_hex() });
        files.as_array_mut().unwrap().push(json!({ "name": resource.path.as_str(), "digest": digest }));
    }
    let all = |files: &Value| {
        let payload: Value = json!({
            "_type": "https://in-toto.io/Statement/v1", "subject": files, "predicateType": VSA,
            "predicate": {
                "verifier": { "id": "https://import.example" }, "timeVerified": "2026-11-01T00:00:00Z",
                "resourceUri": ROOT, "verificationResult": "PASSED", "verifiedLevels": ["IMPORTED"],
                "policy": { "uri": "https://import.example/policy", "digest": { "sha256": "ab".repeat(32) } },
            },
        });
        Key::new(VERIFIER).sign_statement(&payload)
    };
    site(all(&files)).allows(&from_root);
    files.as_array_mut().unwrap().pop();
    site(all(&files)).denies(&from_root, Code::VsaMissing);
}

#[test]
fn what_needs_the_bytes_of_a_base_model_fails_without_them() {
    let rule = |content: &str| {
        policy_with(
            "",
            &format!("bind = \"signer\"\nsignature = {{ signers = [\"pub\"] }}\ncontent = {{ {content} }}"),
        )
    };
    let judge = |content: &str, copy: bool| {
        let site = Site::default().with(ROOT, vec![signed(&root())]);
        let site = if copy { site.copy(ROOT, root()) } else { site };
        site.judge(&case(&rule(content), &[pin(ROOT, by_dir_hash(&root()))])).verdict
    };
    for content in ["max-bytes = 1000000", "deny-formats = [\"pickle\"]", "remote-code = \"deny\""] {
        assert_eq!(judge(content, false), Verdict::Deny, "{content}");
    }
    assert_eq!(judge("max-bytes = 1000000", true), Verdict::Allow);
    for content in ["max-files = 2", "unsigned-files = \"deny\"", "symlinks = \"deny\"", "ignore-paths = []"]
    {
        assert_eq!(judge(content, false), Verdict::Allow, "{content}");
        assert_eq!(judge(content, true), Verdict::Allow, "{content}");
    }
    assert_eq!(judge("max-files = 1", false), Verdict::Deny);
    // Links that a signer followed may be anything.
    let linked = manifest_with(
        modelseal_core::manifest::Serialization { allow_symlinks: true, ..Default::default() },
        &[("config.json", "{}"), ("weights", "root")],
    );
    let site = Site::default().with(ROOT, vec![signed(&linked)]);
    site.denies(
        &case(&rule("symlinks = \"deny\""), &[pin(ROOT, by_dir_hash(&root()))]),
        Code::SlsaBaseModelUnverified,
    );
}

#[test]
fn loops_end_and_versions_of_one_model_are_none() {
    let name = "hf://huggingface.co/acme/mid";
    let a_loop = Site::default()
        .with(name, vec![signed(&mid()), built(&mid(), &[pin(REFERENCE, by_dir_hash(&top()))])])
        .with(REFERENCE, vec![signed(&top()), built(&top(), &[pin(name, by_dir_hash(&mid()))])]);
    let report = a_loop.judge(&usual());
    assert_eq!(
        (report.verdict, report.code),
        (Verdict::Error, Some(Code::ErrorLimitExceeded)),
        "{}",
        show(&report)
    );
    assert!(report.message.contains("made from itself"), "{}", report.message);
    // A model that was trained further from its own former version.
    let former = Site::default().with(REFERENCE, vec![signed(&mid()), built(&mid(), &[])]);
    let report = former.allows(&case_of(pin(REFERENCE, by_dir_hash(&mid()))));
    assert_eq!(report.base_models.len(), 1);
}

#[test]
fn many_base_models_of_many_parents_are_each_decided_once_or_not_at_all() {
    // Every model of a generation was merged from all of the next: paths multiply, models do not.
    let name = |generation: usize, n: usize| format!("hf://huggingface.co/acme/g{generation}-{n}");
    let bytes = |generation: usize, n: usize| manifest(&[("weights", &format!("{generation} {n}"))]);
    let pins = |generation: usize, width: usize| -> Vec<Value> {
        (0..width).map(|n| pin(&name(generation, n), by_dir_hash(&bytes(generation, n)))).collect()
    };
    let judge = |generations: usize, width: usize| {
        let mut site = Site::default();
        for generation in 1..=generations {
            for n in 0..width {
                let from = if generation == generations { Vec::new() } else { pins(generation + 1, width) };
                let bytes = bytes(generation, n);
                site = site.with(&name(generation, n), vec![signed(&bytes), built(&bytes, &from)]);
            }
        }
        site.judge(&case(&policy_text(), &pins(1, width)))
    };
    // Were each decided once for each path, this would end in years.
    let report = judge(8, 6);
    assert_eq!(report.verdict, Verdict::Allow, "{}", report.message);
    let report = judge(1, MAX_BASE_MODELS + 1);
    assert_eq!((report.verdict, report.code), (Verdict::Error, Some(Code::ErrorLimitExceeded)));
    let report = judge(9, 1);
    assert_eq!((report.verdict, report.code), (Verdict::Error, Some(Code::ErrorLimitExceeded)));
}

#[test]
fn a_base_model_that_is_a_parameter_and_no_dependency_is_not_overlooked() {
    let fine_tune = "https://github.com/modelseal/modelseal/blob/main/docs/buildtypes/fine-tune/v1.md";
    let with = |parameters: Value, from: &[Value]| {
        let bundle = built_as(fine_tune, parameters, &top(), from);
        let case = Case::new(&policy_text()).bundle(signed(&top())).bundle(bundle);
        Site::default().with(ROOT, vec![signed(&root())]).judge(&case)
    };
    let purl = "pkg:huggingface/roots/root@0123456789abcdef";
    let pinned = [pin(purl, by_dir_hash(&root()))];
    let report = with(json!({ "baseModel": purl }), &pinned);
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
    assert_eq!(report.base_models[0].reference.as_deref(), Some(ROOT));
    for (parameters, from) in [
        (json!({ "baseModel": purl }), &[][..]),
        (json!({ "baseModel": "pkg:huggingface/roots/other@1" }), &pinned[..]),
        (json!({ "baseModel": [purl] }), &[][..]),
        (json!({}), &[][..]),
    ] {
        let report = with(parameters.clone(), from);
        assert_eq!(report.verdict, Verdict::Deny, "{parameters} {}", show(&report));
    }
    // The bundle that vouches for a base model is no model.
    let bundle =
        json!({ "name": "baseModelSignature", "uri": "file:///x", "digest": { "sha256": "ab".repeat(32) } });
    let report = with(json!({ "baseModel": purl }), &[pinned[0].clone(), bundle]);
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
}

#[test]
fn a_waived_parameter_does_not_carry_the_base_models() {
    let policy = policy_text().replace("unknown-parameters = \"allow\", ", "")
        + &format!(
            "[[waiver]]\nid = \"W\"\nreason = \"x\"\nrule = \"ours\"\ndigests = [\"{}\"]\ncodes = [\"slsa.parameter-unknown\"]\n\
             expires = 2027-01-01T00:00:00Z\napproved-by = [\"ciso\"]\n",
            manifest_name(&top())
        );
    let from = [pin(ROOT, by_dir_hash(&root()))];
    let bundle = built_as("https://acme.example/train", json!({ "debug": true }), &top(), &from);
    let case = Case::new(&policy).bundle(signed(&top())).bundle(bundle);
    let report = Site::default().with(ROOT, vec![signed(&root())]).allows(&case);
    assert_eq!(report.with(Status::Waived).count(), 1);
    Site::default().with(ROOT, vec![]).denies(&case, Code::SignatureMissing);
}

#[test]
fn one_provenance_whose_base_models_are_allowed_is_enough() {
    // Whichever document comes first in order.
    let good = pin(ROOT, by_dir_hash(&root()));
    let site = || Site::default().with(ROOT, vec![signed(&root())]);
    for n in 0..8 {
        let other = pin(&format!("hf://huggingface.co/elsewhere/{n}"), by_dir_hash(&mid()));
        let data = json!({ "name": "dataset", "uri": format!("s3://data/{n}"), "digest": { "sha256": "ab".repeat(32) } });
        let case = case(&policy_text(), &[good.clone(), data]).bundle(built(&top(), &[other]));
        site().allows(&case);
    }
}

#[test]
fn recorded_facts_open_no_door_by_a_pin() {
    let case = usual();
    let facts = RecordedFacts::record(&case.request, &case.evidence(), &case.facts(), now());
    let again = RecordedFacts::parse(&facts.to_json().unwrap()).unwrap();
    let report = again.replay(&case.set, &NoKeyless, None).report().clone();
    assert_eq!(report.verdict, Verdict::Deny);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Of the model and of each base model.
    #[test]
    fn taking_evidence_away_never_turns_a_denial_into_an_allow(mask in 0_u32..1024, fewer in 0_u32..1024) {
        let other = manifest(&[("weights", "other")]);
        let judge = |mask: u32| {
            let all = [
                ("", signed(&top())),
                ("", built(&top(), &[pin(MID, by_dir_hash(&mid()))])),
                ("", built(&top(), &[pin(ROOT, by_dir_hash(&other))])),
                ("", built(&top(), &[pin(ROOT, by_dir_hash(&root())), pin(MID, by_dir_hash(&mid()))])),
                (MID, signed(&mid())),
                (MID, signed(&other)),
                (MID, built(&mid(), &[pin(ROOT, by_dir_hash(&root()))])),
                (MID, built(&mid(), &[])),
                (ROOT, signed(&root())),
                (ROOT, Key::new(STRANGER).sign_model(&root())),
            ];
            let mut case = Case::new(&policy_text());
            let mut site = Site::default().with(MID, vec![]).with(ROOT, vec![]);
            for (n, (name, bundle)) in all.into_iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1) {
                match name {
                    "" => case = case.bundle(bundle),
                    name => site = site.with(name, vec![bundle]),
                }
                let _ = n;
            }
            site.judge(&case)
        };
        let (more, less) = (judge(mask), judge(mask & fewer));
        prop_assert!(more.verdict <= less.verdict, "{}\n{}", show(&more), show(&less));
    }
}
