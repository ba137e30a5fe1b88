use super::*;
use crate::public_key::PublicKey;
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use modelseal_core::{
    bundle::{Bundle, PublicKeyIdentifier, VerificationMaterial},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
    payload,
    rollback::RollbackState,
};

const POLICY: &[u8] = b"schema = \"modelseal.policy/v1\"\nid = \"acme.example/p\"\nversion = 7\nrule = []\n";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    let mut spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    spki.extend_from_slice(key(seed).verifying_key().as_bytes());
    PublicKey::from_spki_der(&spki).unwrap()
}

fn pem(seed: u8) -> String {
    pem::encode(&pem::Pem::new("PUBLIC KEY", public(seed).spki_der()))
}

fn sign_as(seed: u8, payload_type: &str, bytes: &[u8]) -> Bundle {
    let signature = key(seed).sign(&pae(payload_type, bytes)).to_bytes().to_vec();
    let hint = VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(public(seed).hint()));
    Bundle::new(hint, Envelope::new(payload_type, bytes.to_vec(), signature))
}

fn sign(seed: u8) -> Bundle {
    sign_as(seed, payload::POLICY, POLICY)
}

fn read(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "1.pub" => Ok(pem(1).into_bytes()),
        "2.pub" => Ok(pem(2).into_bytes()),
        "3.pub" => Ok(pem(3).into_bytes()),
        _ => Err("no such file".into()),
    }
}

fn parse(text: &str) -> Result<PolicyTrust, String> {
    let text = format!("schema = \"modelseal.trust/v1\"\n{text}");
    PolicyTrust::parse("trust.toml", &text, &read).map_err(|complaints| {
        complaints.iter().map(|c| format!("{}:{} {} {}\n", c.line, c.column, c.id, c.message)).collect()
    })
}

/// Alice has two keys, bob one; two people must sign.
fn two_of_two() -> PolicyTrust {
    parse(
        "threshold = 2\nsigners.alice = { kind = \"key\", file = \"1.pub\" }\n\
         signers.alice-laptop = { kind = \"key\", principal = \"alice\", file = \"2.pub\" }\n\
         signers.bob = { kind = \"key\", file = \"3.pub\" }\nmin-versions.\"acme.example/q\" = 9\n",
    )
    .unwrap()
}

fn accept(bundles: &[Bundle]) -> Result<AcceptedPolicy, PolicyTrustError> {
    two_of_two().accept(POLICY, bundles, &RollbackState::default(), Timestamp::UNIX_EPOCH)
}

#[test]
fn enough_people_are_enough() {
    let accepted = accept(&[sign(1), sign(3)]).unwrap();
    assert_eq!((accepted.id(), accepted.accepted().version), ("acme.example/p", 7));
    assert_eq!(accepted.principals().iter().collect::<Vec<_>>(), ["alice", "bob"]);
    // What else lies there never hurts.
    let other = sign_as(3, payload::POLICY, b"id = \"x\"\nversion = 1\n");
    let accepted = accept(&[sign(9), sign(1), other, sign(3)]).unwrap();
    assert_eq!(accepted.rejected().len(), 2);
    assert!(accepted.rejected()[1].contains("other bytes"), "{:?}", accepted.rejected());
}

#[test]
fn two_keys_of_one_person_are_one_person() {
    for bundles in [vec![sign(1), sign(2)], vec![sign(1), sign(1)], vec![sign(1), sign(9)], vec![]] {
        let error = accept(&bundles).unwrap_err();
        assert!(matches!(error, PolicyTrustError::Threshold { needed: 2, .. }), "{error}");
    }
    let error = accept(&[sign(1), sign(2)]).unwrap_err().to_string();
    assert_eq!(error, "signed by 1 of the 2 people who must have signed it: alice");
}

#[test]
fn a_signature_over_something_else_does_not_count() {
    let statement = sign_as(3, IN_TOTO_PAYLOAD_TYPE, POLICY);
    let feed = sign_as(3, payload::DENY_FEED, POLICY);
    let other = sign_as(3, payload::POLICY, b"version = 8");
    let envelope = Envelope::new(payload::POLICY, POLICY.to_vec(), sign(1).envelope().signature().to_vec());
    let borrowed = Bundle::new(sign(3).material().clone(), envelope);
    for bundle in [statement, feed, other, borrowed] {
        assert!(matches!(accept(&[sign(1), bundle]), Err(PolicyTrustError::Threshold { .. })));
    }
    let trust = two_of_two();
    let changed = [POLICY, b"\n"].concat();
    let state = RollbackState::default();
    assert!(trust.accept(&changed, &[sign(1), sign(3)], &state, Timestamp::UNIX_EPOCH).is_err());
}

#[test]
fn an_older_policy_is_refused() {
    let trust = parse(
        "signers.a = { kind = \"key\", file = \"1.pub\" }\nmin-versions = { \"acme.example/q\" = 9 }\n",
    )
    .unwrap();
    let mut state = RollbackState::default();
    let mut accept = |text: &str| {
        let bundle = sign_as(1, payload::POLICY, text.as_bytes());
        let accepted = trust.accept(text.as_bytes(), &[bundle], &state, Timestamp::UNIX_EPOCH);
        if let Ok(accepted) = &accepted {
            accepted.record(&mut state);
        }
        accepted
    };
    assert!(accept("id = \"p\"\nversion = 7\n").is_ok());
    assert!(accept("id = \"p\"\nversion = 7\n").is_ok());
    assert!(matches!(accept("id = \"p\"\nversion = 7\n# x\n"), Err(PolicyTrustError::Rollback(_))));
    assert!(matches!(accept("id = \"p\"\nversion = 6\n"), Err(PolicyTrustError::Rollback(_))));
    assert!(accept("id = \"p\"\nversion = 8\n").is_ok());
    assert!(matches!(accept("id = \"p\"\nversion = 7\n"), Err(PolicyTrustError::Rollback(_))));
    assert!(matches!(
        accept("id = \"acme.example/q\"\nversion = 8\n"),
        Err(PolicyTrustError::BelowMinimum { .. })
    ));
    assert!(accept("id = \"acme.example/q\"\nversion = 9\n").is_ok());
    for bad in [
        "",
        "id = \"p\"\n",
        "id = \"p\"\nversion = -1\n",
        "id = \"p\"\nversion = 8\nid = \"q\"\n",
        "id = 7\nversion = 1\n",
    ] {
        assert!(matches!(accept(bad), Err(PolicyTrustError::Header(_))), "{bad:?}");
    }
}

#[test]
fn trust_documents_are_strict() {
    let fingerprint = public(1).fingerprint();
    let good =
        format!("signers.a = {{ kind = \"key\", file = \"1.pub\", spki-sha256 = \"{fingerprint}\" }}\n");
    assert_eq!(parse(&good).unwrap().threshold(), 1);
    for (text, complaint) in [
        (String::new(), "1:1 trust.malformed missing field `signers`"),
        ("signers = {}".to_owned(), "2:11 trust.empty-signers"),
        (good.replace("kind", "knid"), "trust.malformed unknown field `knid`"),
        (good.replace("\"key\"", "\"keyless\""), "2:22 trust.unknown-kind"),
        (good.replace("1.pub", "9.pub"), "trust.file signers.a: '9.pub' cannot be read: no such file"),
        (good.replace("1.pub", "2.pub"), "trust.key-mismatch"),
        (good.replace("file = \"1.pub\"", "pem = \"x\""), "trust.key"),
        (good.replace("file = \"1.pub\", ", ""), "give exactly one of file and pem"),
        (good.replace("}", ", roots = \"r\" }"), "roots does not belong to kind 'key'"),
        (good.replace("}", ", principal = \" \" }"), "principal is empty"),
        (format!("threshold = 0\n{good}"), "2:13 trust.threshold-unreachable"),
        (format!("threshold = 2\n{good}"), "a threshold of 2, where the signers are 1 people"),
        (format!("{good}signers.b = {{ kind = \"key\", file = \"2.pub\" }}"), "trust.threshold-required"),
        (
            format!("threshold = 1\n{good}signers.b = {{ kind = \"key\", file = \"1.pub\" }}"),
            "4:13 trust.duplicate-key",
        ),
        (
            format!(
                "threshold = 2\n{good}signers.b = {{ kind = \"key\", principal = \"a\", file = \"2.pub\" }}"
            ),
            "trust.threshold-unreachable",
        ),
        (
            "signers.a = { kind = \"certificate\", roots = \"r.pem\" }".to_owned(),
            "trust.certificate-without-identity",
        ),
        (
            "signers.a = { kind = \"certificate\", roots = \"1.pub\", identity = \"email:a@b\" }".to_owned(),
            "trust.roots",
        ),
        (format!("{good}min-versions.p = -1"), "trust.malformed"),
        (format!("{good}[signers.a]\nkind = \"key\""), "trust.malformed"),
    ] {
        let found = parse(&text).unwrap_err();
        assert!(found.contains(complaint), "{text}: {found}");
    }
    let other =
        PolicyTrust::parse("t", &format!("schema = \"modelseal.trust/v2\"\n{good}"), &read).unwrap_err();
    assert_eq!((other[0].id, other[0].line, other[0].column), ("trust.schema-unknown", 1, 10));
}
