//! Which keys sign, what they sign, and what is known about them.

use crate::hsm::{Hsm, PIN, openssl_verifies, with_softhsm};
use modelseal_attest::{
    pkcs11::Pkcs11Error,
    signer::{CertificateSigner, CertificateSignerError, KeySigner, SignError, Signer, SigningKey},
};
use modelseal_core::{
    bundle::{PublicKeyIdentifier, VerificationMaterial},
    key::{self, KeyAlgorithm},
};

#[test]
fn every_curve_signs_statements_of_any_size_and_openssl_agrees() {
    with_softhsm("keys::every_curve_signs_statements_of_any_size_and_openssl_agrees", |hsm| {
        hsm.token("release");
        for (kind, id, algorithm, hash) in [
            ("EC:prime256v1", "01", KeyAlgorithm::P256, Some("sha256")),
            ("EC:secp384r1", "02", KeyAlgorithm::P384, Some("sha384")),
            ("EC:secp521r1", "03", KeyAlgorithm::P521, Some("sha512")),
            ("EC:edwards25519", "04", KeyAlgorithm::Ed25519, None),
        ] {
            hsm.key("release", kind, "models", id, &[]);
            let key = hsm.open(&format!("token=release;id=%{id}")).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            // OpenSC 0.23 cannot write the others as DER.
            if algorithm == KeyAlgorithm::P256 {
                assert_eq!(key.public_key_pem(), hsm.public_key_pem("release", id));
            }
            let pem = key.public_key_pem();
            let signer = KeySigner::new(key);
            let hint = VerificationMaterial::PublicKey(PublicKeyIdentifier::Hint(key::hint(
                &signer.public_key_spki_der(),
            )));
            assert_eq!(signer.material(), hint);
            for size in [0, 1, 4096, 4097, 1 << 20] {
                let message = vec![b'm'; size];
                // Numbers with leading zero bytes come up once in 128 signatures.
                let times = if size == 1 { 300 } else { 2 };
                for _ in 0..times {
                    let signature = signer.sign(&message).unwrap();
                    if size > 1 {
                        assert!(
                            openssl_verifies(hsm, &pem, hash, &message, &signature),
                            "{algorithm} {size}"
                        );
                        assert!(
                            !openssl_verifies(hsm, &pem, hash, b"other", &signature),
                            "{algorithm} {size}"
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn a_certificate_on_the_token_is_found_and_bound_to_the_key() {
    with_softhsm("keys::a_certificate_on_the_token_is_found_and_bound_to_the_key", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        hsm.key("release", "EC:prime256v1", "other", "02", &[]);
        let key = hsm.open("token=release;object=models").unwrap();
        assert_eq!(key.certificate().unwrap(), None);

        let own = hsm.certificate(&key.public_key_pem());
        let foreign = hsm.certificate(&hsm.public_key_pem("release", "02"));
        // One that claims to belong to the key, and does not; then its own too.
        for (name, der, found) in [("foreign.der", &foreign, None), ("own.der", &own, Some(&own))] {
            let file = hsm.file(name, der).display().to_string();
            hsm.tool("release", &["--write-object", &file, "--type", "cert", "--id", "01", "--label", name]);
            let key = hsm.open("token=release;object=models").unwrap();
            assert_eq!(key.certificate().unwrap().as_ref(), found);
        }
        let key = hsm.open("token=release;object=models").unwrap();

        let error = CertificateSigner::new(key, foreign, Vec::new()).unwrap_err();
        assert!(matches!(error, CertificateSignerError::KeyMismatch { .. }), "{error}");
        let key = hsm.open("token=release;object=models").unwrap();
        let signer = CertificateSigner::new(key, own.clone(), vec![b"issuer".to_vec()]).unwrap();
        let chain = VerificationMaterial::CertificateChain(vec![own, b"issuer".to_vec()]);
        assert_eq!(signer.material(), chain);
        assert!(signer.sign(b"message").is_ok());
    });
}

#[test]
fn the_public_half_may_be_in_a_certificate_only_but_must_be_somewhere() {
    with_softhsm("keys::the_public_half_may_be_in_a_certificate_only_but_must_be_somewhere", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        let pem = hsm.public_key_pem("release", "01");
        hsm.tool("release", &["--delete-object", "--type", "pubkey", "--id", "01"]);
        let error = hsm.open("token=release;object=models").unwrap_err();
        assert!(matches!(error, Pkcs11Error::NoPublicKey(_)), "{error}");

        let file = hsm.file("own.der", &hsm.certificate(&pem)).display().to_string();
        hsm.tool("release", &["--write-object", &file, "--type", "cert", "--id", "01"]);
        let key = hsm.open("token=release;object=models").unwrap();
        assert_eq!(key.public_key_pem(), pem);
        assert!(key.sign(b"message").is_ok());
    });
}

#[test]
fn a_public_key_that_is_not_the_private_keys_own_is_noticed() {
    with_softhsm("keys::a_public_key_that_is_not_the_private_keys_own_is_noticed", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        hsm.key("release", "EC:prime256v1", "other", "02", &[]);
        let other = hsm.tool("release", &["--read-object", "--type", "pubkey", "--id", "02"]);
        let file = hsm.file("other.der", &other).display().to_string();
        hsm.tool("release", &["--delete-object", "--type", "pubkey", "--id", "01"]);
        hsm.tool("release", &["--write-object", &file, "--type", "pubkey", "--id", "01"]);
        let error = hsm.open("token=release;object=models").unwrap().sign(b"message").unwrap_err();
        assert!(matches!(error, SignError::Remote(_)), "{error}");
        assert!(error.to_string().contains("its own public key"), "{error}");
    });
}

#[test]
fn keys_that_cannot_sign_models_are_refused_with_their_kind() {
    with_softhsm("keys::keys_that_cannot_sign_models_are_refused_with_their_kind", |hsm| {
        hsm.token("release");
        hsm.key("release", "rsa:2048", "rsa", "01", &[]);
        hsm.key("release", "EC:secp256k1", "bitcoin", "02", &[]);
        make_key_not_for_signing(hsm);
        for (label, expected) in [
            ("rsa", "the key object=rsa;id=%01 (RSA) is RSA; supported are"),
            ("bitcoin", "is on the curve secp256k1 (1.3.132.0.10); supported are"),
            ("agreement", "the key object=agreement;id=%03 (EC) is not for signing"),
        ] {
            let error = hsm.open(&format!("token=release;object={label}")).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    });
}

/// `pkcs11-tool` cannot make one. Initialises the module too, as another part of a program might.
fn make_key_not_for_signing(hsm: &Hsm) {
    use cryptoki::{
        context::{CInitializeArgs, CInitializeFlags, Pkcs11},
        mechanism::Mechanism,
        object::Attribute,
        session::UserType,
        types::AuthPin,
    };
    let module = Pkcs11::new(&hsm.module).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).unwrap();
    let p256 = vec![6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let named = [Attribute::Token(true), Attribute::Label(b"agreement".to_vec()), Attribute::Id(vec![3])];
    let public = [&named[..], &[Attribute::EcParams(p256)]].concat();
    let private = [&named[..], &[Attribute::Sign(false), Attribute::Derive(true)]].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
}

/// SoftHSM takes the digest of raw ECDSA in one step only, in which no PIN can be given; see `NoReauthentication`.
#[test]
fn a_key_that_wants_its_pin_each_time_is_given_it_or_the_module_is_blamed() {
    with_softhsm("keys::a_key_that_wants_its_pin_each_time_is_given_it_or_the_module_is_blamed", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "careful", "01", &["--always-auth"]);
        let key = hsm.open("token=release;object=careful").unwrap();
        let error = key.sign(b"message").unwrap_err();
        assert!(matches!(error, SignError::Pkcs11(Pkcs11Error::NoReauthentication(_))), "{error:?}");
    });
}
