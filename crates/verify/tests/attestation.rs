//! From a bundle to a verified attestation, and the file of many bundles.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use modelseal_core::{
    attestation::{AttestationError, read_attestation},
    bundle::{Bundle, PublicKeyIdentifier, VerificationMaterial},
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
    limits::MAX_ATTESTATION_LINES,
    payload,
    predicate::Predicate,
};
use modelseal_verify::{
    attestation::{JsonLinesError, read_json_lines},
    public_key::PublicKey,
    verifier::{Verifier, VerifyError},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn public(key: &SigningKey) -> PublicKey {
    let mut spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    spki.extend_from_slice(key.verifying_key().as_bytes());
    PublicKey::from_spki_der(&spki).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn sign(payload_type: &str, payload: &str) -> Bundle {
    let signature = key().sign(&pae(payload_type, payload.as_bytes())).to_bytes().to_vec();
    let hint = VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(public(&key()).hint()));
    Bundle::new(hint, Envelope::new(payload_type, payload.as_bytes().to_vec(), signature))
}

fn verifier() -> Verifier {
    Verifier::with_key(public(&key()))
}

fn statement(predicate_type: &str, predicate: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"a","digest":{{"sha256":"{}"}}}}],
           "predicateType":"{predicate_type}","predicate":{predicate}}}"#,
        "ab".repeat(32)
    )
}

#[test]
fn a_verified_payload_becomes_a_verified_attestation() {
    let release = statement(
        "https://in-toto.io/attestation/release/v0.2",
        r#"{"purl":"pkg:huggingface/acme/m@276e7028","packageId":7}"#,
    );
    let verified = verifier().verify(&sign(IN_TOTO_PAYLOAD_TYPE, &release), NOW).unwrap();
    let attestation = verified.into_attestation().unwrap();
    let Predicate::Release(release) = &attestation.get().predicate else { panic!("{attestation:?}") };
    assert_eq!(release.purl.reference().as_deref(), Some("hf://huggingface.co/acme/m"));
    assert_eq!(attestation.get().subjects.len(), 1);
    assert_eq!(attestation.signer().public_key(), &public(&key()));

    let malformed = statement("https://in-toto.io/attestation/release/v0.2", "{}");
    let verified = verifier().verify(&sign(IN_TOTO_PAYLOAD_TYPE, &malformed), NOW).unwrap();
    assert!(matches!(verified.into_attestation(), Err(AttestationError::Predicate { .. })));
}

#[test]
fn a_payload_of_one_type_never_passes_for_another() {
    let text = statement("https://example.com/p", "{}");
    let types = [IN_TOTO_PAYLOAD_TYPE, payload::POLICY, payload::DENY_FEED, "application/vnd.in-toto.x+json"];
    for signed in types {
        let bundle = sign(signed, &text);
        for expected in types {
            let found = verifier().verify_payload(&bundle, expected, NOW);
            match found {
                Ok(verified) => {
                    assert_eq!(signed, expected);
                    assert_eq!(
                        (verified.get().payload_type(), verified.get().bytes()),
                        (signed, text.as_bytes())
                    );
                    assert_eq!(verified.into_attestation().is_ok(), signed == IN_TOTO_PAYLOAD_TYPE);
                }
                Err(VerifyError::OtherPayloadType { .. }) => assert_ne!(signed, expected),
                Err(e) => panic!("{e}"),
            }
        }
        assert_eq!(verifier().verify(&bundle, NOW).is_ok(), signed == IN_TOTO_PAYLOAD_TYPE);
        // The type is under the signature: writing another one on the envelope breaks it.
        let envelope =
            Envelope::new(payload::POLICY, text.clone().into_bytes(), bundle.envelope().signature().to_vec());
        let relabelled = Bundle::new(bundle.material().clone(), envelope);
        assert_eq!(
            verifier().verify_payload(&relabelled, payload::POLICY, NOW).is_ok(),
            signed == payload::POLICY
        );
    }
}

#[test]
fn a_file_of_bundles_is_read_line_by_line() {
    let line = String::from_utf8(
        sign(IN_TOTO_PAYLOAD_TYPE, &statement("https://example.com/p", "{}")).to_json().unwrap(),
    );
    let line = line.unwrap();
    let file = format!("{line}\n  \r\nnot json\n{{}}\n{line}{}", line.trim_end());
    let read = read_json_lines(file.as_bytes()).unwrap();
    assert_eq!(read.bundles.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 6, 7]);
    assert_eq!(read.skipped.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [4, 5]);
    assert!(read.bundles.iter().all(|(_, bundle)| verifier().verify(bundle, NOW).is_ok()));
    let windows = read_json_lines(line.replace('\n', "\r\n").as_bytes()).unwrap();
    assert_eq!((windows.bundles.len(), windows.skipped.len()), (1, 0));
    assert!(read_json_lines(b"").unwrap().bundles.is_empty());
    let many = "x\n".repeat(MAX_ATTESTATION_LINES + 1);
    assert!(matches!(read_json_lines(many.as_bytes()), Err(JsonLinesError::TooManyLines { .. })));
    assert_eq!(read_json_lines(&many.as_bytes()[2..]).unwrap().skipped.len(), MAX_ATTESTATION_LINES);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test is about the time that something takes")]
fn what_nobody_trusted_signed_is_not_read() {
    let subjects: Vec<String> =
        (0..20_000).map(|n| format!(r#"{{"name":"f{n}","digest":{{"sha256":"{n:064x}"}}}}"#)).collect();
    let payload = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{{}}}}"#,
        subjects.join(",")
    );
    let hint = VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(public(&key()).hint()));
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let signature = stranger.sign(&pae(IN_TOTO_PAYLOAD_TYPE, payload.as_bytes())).to_bytes().to_vec();
    let envelope = Envelope::new(IN_TOTO_PAYLOAD_TYPE, payload.clone().into_bytes(), signature);
    let bundle = Bundle::new(hint, envelope);
    // The best of three, so that it does not matter what else the machine does.
    let best = |work: &dyn Fn()| {
        let took = || {
            let start = std::time::Instant::now();
            work();
            start.elapsed()
        };
        (0..3).map(|_| took()).min().unwrap()
    };
    let refused = best(&|| assert!(matches!(verifier().verify(&bundle, NOW), Err(VerifyError::Signature))));
    let read = best(&|| drop(read_attestation(IN_TOTO_PAYLOAD_TYPE, payload.as_bytes())));
    assert!(refused * 2 < read, "refused in {refused:?}, to read it takes {read:?}");
}
