//! Models that a model was made from: evidence about them in a store, or beside a copy.

use super::{NAME, Site};
use crate::common::{Ran, with};
use serde_json::{Value, json};

const MID: &str = "hf://huggingface.co/acme/mid";
const ROOT: &str = "pkg:huggingface/roots/root@0123456789abcdef0123456789abcdef01234567";

/// A chain of three. `ranker` was made from `mid`, that from `root`, which another organisation signs; only the signature of
/// the ranker lies beside it, and everything else in the store.
struct Chain {
    site: Site,
}

impl Chain {
    fn new() -> Self {
        let chain = Self { site: Site::new(&["pub", "ci", "other"]) };
        chain.policy("");
        for (name, weights) in [("mid", "mid"), ("root", "root"), ("evil", "evil")] {
            chain.site.world.file(&format!("{name}/weights.bin"), weights);
            chain.site.world.file(&format!("{name}/config.json"), "{}");
        }
        chain.sign("pub", "model", "model/model.sig");
        chain.sign("pub", "mid", "store/aa/mid.sigstore.json");
        chain.sign("other", "root", "store/bb/root.sig");
        chain.built("ci", "model", MID, "mid", "store/cc/ranker.json");
        chain.built("ci", "mid", ROOT, "root", "store/dd/mid.json");
        chain.site.world.file("store/readme.json", "{}");
        chain
    }

    fn policy(&self, top: &str) {
        let builders = "builders.b = { signers = [\"ci\"], builder-id = \"https://acme.example/builder\", max-level = 2, build-types = [\"https://acme.example/train\"] }";
        let slsa = "slsa = { builders = [\"b\"], min-level = 2, base-models = { verify = true } }";
        let rule = format!(
            "models = [\"hf://huggingface.co/acme/*\"]\nbind = \"signer\"\nsignature = {{ signers = [\"pub\"] }}\n{slsa}\n\
             [[rule]]\nname = \"roots\"\nmodels = [\"hf://huggingface.co/roots/*\"]\nbind = \"signer\"\nsignature = {{ signers = [\"other\"] }}"
        );
        // Plain keys before tables.
        self.site.policy_with("policy.toml", 5, &format!("{top}\n{builders}"), &rule);
    }

    fn sign(&self, key: &str, model: &str, out: &str) {
        let key = format!("{key}.key");
        self.site.world.file(out, "");
        std::fs::remove_file(self.site.world.join(out)).unwrap();
        self.site.world.run(&["sign", "key", model, "--private-key", &key, "--signature", out]).exits(0);
    }

    /// The digest that covers names.
    fn digest(&self, model: &str) -> String {
        let document = self.site.world.run(&["digest", model, "--format", "json"]).exits(0).json();
        document["digests"]["manifest"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    fn built(&self, key: &str, model: &str, uri: &str, base: &str, out: &str) {
        // The ranker's signature lies in it, and is no part of it.
        let signature = self.site.world.join("model/model.sig");
        let aside = self.site.world.join("aside.sig");
        let _ = std::fs::rename(&signature, &aside);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": model, "digest": { "dirHash": self.digest(model) } }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://acme.example/train", "externalParameters": {},
                    "resolvedDependencies": [
                        { "name": "baseModel", "uri": uri, "digest": { "dirHash": self.digest(base) } },
                    ],
                },
                "runDetails": { "builder": { "id": "https://acme.example/builder" } },
            },
        });
        self.site.attest(key, &statement, out);
        let _ = std::fs::rename(&aside, &signature);
    }

    fn run(&self, more: &[&str]) -> Ran {
        self.site.world.run(&self.site.verify(more))
    }

    fn with_store(&self, more: &[&str]) -> Ran {
        self.run(&with(&["--store", "store"], more))
    }

    fn hops(&self, more: &[&str]) -> Vec<(String, bool, String, Value)> {
        let document = self.with_store(&with(&["--format", "json"], more)).json();
        let hops = document["base-models"].as_array().cloned().unwrap_or_default();
        let text = |hop: &Value, name: &str| hop[name].as_str().unwrap_or_default().to_owned();
        hops.iter()
            .map(|hop| (text(hop, "uri"), hop["measured"] == true, text(hop, "verdict"), hop["code"].clone()))
            .collect()
    }
}

#[test]
fn a_chain_of_three_with_a_store_and_with_copies() {
    let chain = Chain::new();
    chain.run(&[]).exits(1).says("slsa.missing");
    let allowed = chain.with_store(&[]).exits(0);
    let allowed =
        allowed.prints(&format!("made from: {MID}: allowed, not here, pinned by digest, rule 'ranker'"));
    allowed.prints(&format!("made from:   {ROOT}: allowed, not here, pinned by digest, rule 'roots'"));
    let pinned = |measured: [bool; 2]| {
        let hop = |uri: &str, measured| (uri.to_owned(), measured, "allow".to_owned(), Value::Null);
        vec![hop(MID, measured[0]), hop(ROOT, measured[1])]
    };
    assert_eq!(chain.hops(&[]), pinned([false, false]));
    // Copies, by reference, by package URL, and of the right version only.
    let mid = format!("{MID}=mid");
    let root = format!("{ROOT}=root");
    assert_eq!(chain.hops(&["--base", &mid]), pinned([true, false]));
    assert_eq!(chain.hops(&["--base", &mid, "--base", &root]), pinned([true, true]));
    assert_eq!(chain.hops(&["--base", "hf://huggingface.co/roots/root=root"]), pinned([false, true]));
    assert_eq!(chain.hops(&["--base", "hf://huggingface.co/roots/root@main=evil"]), pinned([false, false]));
    // Of several copies the one that was used.
    assert_eq!(chain.hops(&["--base", &format!("{MID}=evil"), "--base", &mid]), pinned([true, false]));
    chain.site.world.refused(&chain.site.verify(&["--base", "mid"]), 2, "usage.flags", "REFERENCE=PATH");
    chain.site.world.refused(&chain.site.verify(&["--store", "nowhere"]), 2, "usage.file", "nowhere");
}

#[test]
fn the_model_itself_is_found_in_the_store_by_its_bytes() {
    let chain = Chain::new();
    std::fs::rename(chain.site.world.join("model/model.sig"), chain.site.world.join("store/ranker.sig"))
        .unwrap();
    chain.run(&[]).exits(1);
    chain.with_store(&[]).exits(0);
    chain.site.world.file("model/a.bin", "changed");
    chain.with_store(&[]).exits(1);
}

#[test]
fn a_base_model_that_was_swapped_signed_by_a_stranger_or_denied() {
    let chain = Chain::new();
    let denied = |more: &[&str], at: &str, code: &str, message: &str| {
        chain.with_store(more).exits(1).says(message);
        let hops = chain.hops(more);
        let hop = hops.iter().find(|hop| hop.0 == at).unwrap();
        assert_eq!((hop.2.as_str(), hop.3.as_str()), ("deny", Some(code)), "{hops:?}");
    };
    // The copy is another one.
    let evil = format!("{ROOT}=evil");
    denied(&["--base", &evil], ROOT, "integrity.digest-mismatch", "other bytes");
    // Somebody else signed what was used.
    chain.site.world.file("mid/weights.bin", "mid, from evil");
    chain.built("ci", "mid", ROOT, "evil", "store/dd/mid.json");
    chain.built("ci", "model", MID, "mid", "store/cc/ranker.json");
    denied(&[], MID, "signature.no-trusted-signer", "nobody of pub signed this model");
    chain.sign("pub", "mid", "store/aa/mid.sigstore.json");
    denied(&[], ROOT, "signature.missing", "there is no signature");
    chain.sign("pub", "evil", "store/ee/evil.sig");
    denied(&[], ROOT, "signature.no-trusted-signer", "nobody of other signed this model");
    chain.sign("other", "evil", "store/ee/evil.sig");
    chain.with_store(&[]).exits(0);
    // It is revoked.
    let denial = |what: &str| format!("deny = [{{ id = \"D-1\", reason = \"poisoned\", {what} }}]");
    let evil = chain.digest("evil");
    chain.policy(&denial(&format!("digests = [\"manifest-sha256:{evil}\"]")));
    denied(&[], ROOT, "deny.digest", "poisoned");
    let file = chain.site.world.tool("sha256sum", &["evil/weights.bin"]);
    chain.policy(&denial(&format!("file-digests = [\"sha256:{}\"]", &file[..64])));
    denied(&[], ROOT, "deny.file-digest", "poisoned");
}

#[test]
fn withheld_evidence_never_allows() {
    let chain = Chain::new();
    for name in ["aa/mid.sigstore.json", "bb/root.sig", "cc/ranker.json", "dd/mid.json"] {
        let (at, aside) = (chain.site.world.join(&format!("store/{name}")), chain.site.world.join("aside"));
        std::fs::rename(&at, &aside).unwrap();
        chain.with_store(&[]).exits(1);
        // Nor does a copy with nothing beside it make up for evidence.
        let copies = [format!("{MID}=mid"), format!("{ROOT}=root")];
        chain.with_store(&["--base", &copies[0], "--base", &copies[1]]).exits(1);
        std::fs::rename(&aside, &at).unwrap();
    }
    chain.with_store(&[]).exits(0);
}

#[test]
fn what_a_decision_rests_on_includes_base_models() {
    let chain = Chain::new();
    chain
        .with_store(&[
            "--facts-out",
            "facts.json",
            "--vsa",
            "v.json",
            "--verifier-id",
            "https://gate.example",
        ])
        .exits(0);
    let cases = |verdict: &str, policy: &str| {
        format!(
            "policy = [\"{policy}\"]\n[[case]]\nname = \"chain\"\nfacts = \"facts.json\"\nverdict = \"{verdict}\"\n"
        )
    };
    chain.site.world.file("cases.toml", cases("allow", "policy.toml"));
    chain.site.world.run(&["policy", "test", "cases.toml"]).exits(0).prints("1 passed");
    chain.policy(&format!(
        "deny = [{{ id = \"D-1\", reason = \"x\", digests = [\"manifest-sha256:{}\"] }}]",
        chain.digest("root")
    ));
    chain.site.world.file("cases.toml", cases("deny", "policy.toml"));
    chain.site.world.run(&["policy", "test", "cases.toml"]).exits(0).prints("1 passed");
    let vsa: Value = serde_json::from_str(&chain.site.world.read("v.json")).unwrap();
    assert_eq!(vsa["predicate"]["inputAttestations"].as_array().map(Vec::len), Some(5), "{vsa:#}");
    // A case has the flags' counterparts.
    chain.policy("");
    chain.site.world.file(
        "cases.toml",
        format!(
            "policy = [\"policy.toml\"]\n[[case]]\nname = \"store\"\nmodel = \"model\"\nas = \"{NAME}\"\nstore = \"store\"\n\
             bases = {{ \"{MID}\" = \"mid\" }}\nverdict = \"allow\"\n"
        ),
    );
    chain.site.world.run(&["policy", "test", "cases.toml"]).exits(0).prints("1 passed");
}

#[test]
fn a_verdict_that_rests_on_base_models_is_not_kept() {
    let chain = Chain::new();
    chain.with_store(&["--verdict-cache", "verdicts"]).exits(0);
    assert!(std::fs::read_dir(chain.site.world.join("verdicts")).unwrap().next().is_none());
}
