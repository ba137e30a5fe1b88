//! The same policy for every hop: its rule for each name, its builders, its deny lists.

use crate::site::{BUILDER, Person, Site, base, named, provenance, statuses, without, write};
use modelseal::{
    LineageTrust,
    report::{LineageReport, LineageStatus as Status},
};
use modelseal_core::{
    manifest::Manifest,
    observed::Observed,
    predicate::{build_type::BuildType, slsa_provenance::PREDICATE_TYPE_V1},
};

const BASE: &str = "pkg:huggingface/acme/base@1";
const NAME: &str = "hf://huggingface.co/acme/tuned";

/// A base that the publisher signed, and a model that the builder made from it.
struct Made {
    site: Site,
    publisher: Person,
    builder: Person,
    foundation: Observed<Manifest>,
    tuned: Observed<Manifest>,
}

impl Made {
    fn new() -> Self {
        let site = Site::new();
        let (foundation, tuned) = (site.model("base", "1"), site.model("tuned", "2"));
        let made = Self { site, publisher: Person::new(), builder: Person::new(), foundation, tuned };
        made.site.put(&made.publisher.signs(&made.foundation));
        made
    }

    fn tune(self) -> Self {
        let bases = [base(BASE, &self.foundation)];
        self.site.put(&self.builder.made(&self.tuned, BuildType::FineTune, &bases));
        self
    }

    fn policy(&self, more: &str) -> LineageReport {
        self.policy_for("hf://huggingface.co/acme/base", more)
    }

    /// Walks under a policy with a rule for each of the two, and `more` at its top.
    fn policy_for(&self, base: &str, more: &str) -> LineageReport {
        let signer = |name: &str, person: &Person| {
            write(&self.site.path(&format!("{name}.pub")), &person.public_key_pem());
            let spki = person.public_key().fingerprint();
            format!(
                "signers.{name} = {{ kind = \"key\", principal = \"{name}\", file = \"{name}.pub\", spki-sha256 = \"{spki}\" }}\n"
            )
        };
        let text = format!(
            "schema = \"modelseal.policy/v1\"\nid = \"p\"\nversion = 1\nexpires = 2099-01-01T00:00:00Z\n{}{}\n{more}\n\
             [builders.trainer]\nsigners = [\"builder\"]\nbuilder-id = \"{BUILDER}\"\nbuild-types = [\"{}\"]\nmax-level = 1\n\
             [[rule]]\nname = \"base\"\nmodels = [\"{base}\"]\nbind = \"signer\"\nsignature = {{ signers = [\"publisher\"] }}\n\
             [[rule]]\nname = \"tuned\"\nmodels = [\"{NAME}\"]\n\
             slsa = {{ builders = [\"trainer\"], min-level = 1, external-parameters = {{ \"/baseModel\" = {{ any = true }} }}, base-models = {{ verify = true }} }}\n",
            signer("publisher", &self.publisher),
            signer("builder", &self.builder),
            BuildType::FineTune.uri(),
        );
        let path = self.site.path("policy.toml");
        write(&path, &text);
        let policies = modelseal::policies().file(path).unsigned(true).load().unwrap();
        let request = modelseal::lineage(self.site.path("tuned")).named(NAME);
        self.site.walk(&request, &LineageTrust::Policies(&policies))
    }
}

#[test]
fn each_model_is_judged_by_the_rule_for_its_name() {
    let made = Made::new().tune();
    let report = made.policy("");
    assert_eq!(
        (statuses(&report), report.complete),
        (vec![Status::Verified, Status::Signed], true),
        "{report:#?}"
    );
    // No rule speaks of the base.
    let report = made.policy_for("hf://huggingface.co/acme/another", "");
    assert_eq!((statuses(&report), report.complete), (vec![Status::Verified, Status::Denied], false));
    assert_eq!(named(&report, BASE).code.as_deref(), Some("policy.no-matching-rule"));
}

#[test]
fn the_right_key_for_the_wrong_builder_is_refused() {
    let made = Made::new();
    let predicate =
        provenance(BuildType::FineTune, "https://laptop.example", &[base(BASE, &made.foundation)]);
    made.site.put(&made.builder.says(&made.tuned, PREDICATE_TYPE_V1, &predicate));
    let report = made.policy("");
    // What it was made from is not followed.
    assert_eq!((statuses(&report), report.complete), (vec![Status::Denied], false));
    assert_eq!(report.nodes[0].code.as_deref(), Some("slsa.builder-untrusted"));
    assert!(report.nodes[0].message.contains("https://laptop.example"), "{}", report.nodes[0].message);
}

#[test]
fn the_right_builder_by_the_wrong_key_is_refused() {
    let made = Made::new();
    made.site.put(&made.publisher.made(&made.tuned, BuildType::FineTune, &[base(BASE, &made.foundation)]));
    let report = made.policy("");
    assert_eq!(statuses(&report), [Status::Denied]);
    assert_eq!(report.nodes[0].code.as_deref(), Some("slsa.missing"));
    let stranger = Made::new();
    stranger.site.put(&Person::new().made(
        &stranger.tuned,
        BuildType::FineTune,
        &[base(BASE, &stranger.foundation)],
    ));
    assert_eq!(statuses(&stranger.policy("")), [Status::UnknownSigner]);
}

#[test]
fn what_is_on_a_deny_list_is_revoked() {
    let made = Made::new().tune();
    let deny = |what: String| format!("[[deny]]\nid = \"d1\"\nreason = \"poisoned\"\n{what}\n");
    let digest = made.foundation.get().manifest_digest().to_hex();
    let key = made.publisher.public_key().fingerprint();
    let file = made.foundation.get().resources()[1].digest.to_hex();
    for (what, code) in [
        (format!("digests = [\"manifest-sha256:{digest}\"]"), "deny.digest"),
        (format!("keys = [\"spki-sha256:{key}\"]"), "deny.key"),
        (format!("file-digests = [\"sha256:{file}\"]"), "deny.file-digest"),
    ] {
        let report = made.policy(&deny(what));
        assert_eq!(
            (statuses(&report), report.complete),
            (vec![Status::Verified, Status::Revoked], false),
            "{code}"
        );
        assert_eq!(named(&report, BASE).code.as_deref(), Some(code));
    }
    let builder = made.builder.public_key().fingerprint();
    let report = made.policy(&deny(format!("keys = [\"spki-sha256:{builder}\"]")));
    assert_eq!(statuses(&report), [Status::Revoked], "what a revoked key says is not followed");
}

#[test]
fn a_base_by_nobody_in_the_policy_is_unknown_and_one_without_statements_unresolved() {
    let made = Made::new().tune();
    let report = {
        let other = Made { publisher: Person::new(), ..Made::new() };
        other.site.put(&other.builder.made(
            &other.tuned,
            BuildType::FineTune,
            &[base(BASE, &other.foundation)],
        ));
        other.policy("")
    };
    assert_eq!(statuses(&report), [Status::Verified, Status::UnknownSigner]);
    std::fs::remove_dir_all(made.site.store()).unwrap();
    std::fs::create_dir(made.site.store()).unwrap();
    let report = made.tune().policy("");
    assert_eq!(statuses(&report), [Status::Verified, Status::Unresolved]);
}

#[test]
fn who_has_no_say_about_a_model_leaves_nothing_out_of_it() {
    let made = Made::new().tune();
    made.site.file("tuned/evil.py", "import os");
    let left_out = without(&made.tuned, "evil.py");
    // In the policy, and for another model.
    made.site.put_beside("tuned", &made.publisher.signs(&left_out));
    assert_eq!(statuses(&made.policy("")), [Status::Unresolved]);
    made.site.put_beside("tuned", &made.builder.signs(&left_out));
    assert_eq!(statuses(&made.policy("")), [Status::Verified, Status::Signed]);
}
