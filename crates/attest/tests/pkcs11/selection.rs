//! Which module, token and key a URI means.

use crate::hsm::{PIN, with_softhsm};
use modelseal_attest::{
    pkcs11::{ModuleSearch, Pin, Pkcs11Error, Pkcs11Key, Uri},
    signer::SigningKey,
};

#[test]
fn tokens_are_told_apart_by_every_attribute() {
    with_softhsm("selection::tokens_are_told_apart_by_every_attribute", |hsm| {
        for label in ["release one", "release two"] {
            hsm.token(label);
            hsm.key(label, "EC:prime256v1", "models", "01", &[]);
        }
        let one = hsm.open("token=release%20one").unwrap();
        let two = hsm.open("token=release%20two").unwrap();
        assert_ne!(one.public_key_pem(), two.public_key_pem());
        let token = one.token().clone();
        for path in [
            format!("serial={}", token.serial),
            format!("slot-id={}", token.slot),
            format!(
                "token=release%20one;serial={};model=SoftHSM%20v2;manufacturer=SoftHSM%20project",
                token.serial
            ),
        ] {
            assert_eq!(hsm.open(&path).unwrap().public_key_pem(), one.public_key_pem(), "{path}");
        }

        let said = hsm.open("object=models").unwrap_err().to_string();
        assert!(said.starts_with("2 tokens are there: token=release%20one;serial="), "{said}");
        assert!(
            said.contains("token=release%20two;serial=") && said.ends_with("with token= or serial="),
            "{said}"
        );
        let error = hsm.open("model=SoftHSM%20v2").unwrap_err();
        assert!(
            matches!(&error, Pkcs11Error::SeveralTokens { matching, .. } if matching.len() == 2),
            "{error}"
        );
        for path in [
            "token=release".to_owned(),
            "token=Release%20one".to_owned(),
            "slot-id=99".to_owned(),
            format!("token=release%20two;serial={}", token.serial),
        ] {
            let error = hsm.open(&path).unwrap_err();
            assert!(matches!(&error, Pkcs11Error::NoToken { present, .. } if present.len() == 2), "{error}");
            assert!(error.to_string().contains("there is token=release%20one;serial="), "{error}");
        }
    });
}

#[test]
fn keys_are_told_apart_by_label_and_id() {
    with_softhsm("selection::keys_are_told_apart_by_label_and_id", |hsm| {
        hsm.token("release");
        let error = hsm.open("token=release").unwrap_err();
        assert!(
            error.to_string().contains("it shows no private keys")
                || error.to_string().contains("there is no private key"),
            "{error}"
        );
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        // The only key needs no name.
        let first = hsm.open("token=release").unwrap();
        hsm.key("release", "EC:prime256v1", "models", "02", &[]);
        hsm.key("release", "EC:prime256v1", "köder; x", "0a0b", &[]);
        assert_eq!(hsm.open("token=release;id=%01").unwrap().public_key_pem(), first.public_key_pem());
        let second = hsm.open("token=release;object=models;id=%02;type=private").unwrap();
        assert_ne!(second.public_key_pem(), first.public_key_pem());
        assert!(hsm.open("token=release;object=k%C3%B6der%3B%20x").unwrap().sign(b"m").is_ok());

        let said = hsm.open("token=release;object=models").unwrap_err().to_string();
        assert!(said.starts_with("2 private keys on the token token=release;serial="), "{said}");
        assert!(said.contains("are object=models: object=models;id=%0"), "{said}");
        assert!(said.ends_with("say which with object= and id="), "{said}");
        for path in ["object=model", "id=%03", "object=models;id=%0A%0B", "id="] {
            let error = hsm.open(&format!("token=release;{path}")).unwrap_err();
            assert!(
                matches!(&error, Pkcs11Error::NoKey { present, .. } if present.len() == 3),
                "{path}: {error}"
            );
            assert!(error.to_string().contains("object=k%C3%B6der%3B%20x;id=%0A%0B (EC)"), "{error}");
        }
    });
}

#[test]
fn a_module_is_found_by_name_and_an_empty_one_is_no_token() {
    with_softhsm("selection::a_module_is_found_by_name_and_an_empty_one_is_no_token", |hsm| {
        let error = hsm.open("").unwrap_err();
        assert!(matches!(error, Pkcs11Error::NoToken { .. }), "{error}");
        assert_eq!(error.to_string(), "the PKCS#11 module has no initialised token");

        let directory = hsm.module.parent().unwrap().to_owned();
        let search = ModuleSearch { module: None, directories: vec![directory] };
        let pin = || Pin::new(PIN.as_bytes().to_vec());
        let uri = Uri::parse("pkcs11:?module-name=softhsm2").unwrap();
        let error = Pkcs11Key::open(&uri, &search, |_| pin()).unwrap_err();
        assert!(matches!(error, Pkcs11Error::NoToken { .. }), "{error}");
        let uri = Uri::parse("pkcs11:?module-name=softhsm3").unwrap();
        let error = Pkcs11Key::open(&uri, &search, |_| pin()).unwrap_err();
        assert!(matches!(error, Pkcs11Error::NoModule { .. }), "{error}");
    });
}

#[test]
fn a_library_that_is_no_module_is_refused() {
    with_softhsm("selection::a_library_that_is_no_module_is_refused", |_| {
        let libc =
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
        let Some(libc) = libc.iter().find(|path| std::path::Path::new(path).is_file()) else { return };
        let uri = Uri::parse(&format!("pkcs11:?module-path={libc}")).unwrap();
        let error = Pkcs11Key::open(&uri, &ModuleSearch::default(), |_| Pin::new(b"1".to_vec())).unwrap_err();
        assert!(
            error.to_string().ends_with("is no usable PKCS#11 module: it has no function C_GetFunctionList"),
            "{error}"
        );
    });
}

#[test]
fn a_uri_without_a_module_means_every_module_of_the_system() {
    with_softhsm("selection::a_uri_without_a_module_means_every_module_of_the_system", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        let uri = Uri::parse("pkcs11:token=release;object=models").unwrap();
        let pin = || Pin::new(PIN.as_bytes().to_vec());
        match Pkcs11Key::open(&uri, &ModuleSearch::default(), |_| pin()) {
            Ok(key) => assert!(key.sign(b"message").is_ok()),
            Err(Pkcs11Error::NoModule { name: None, .. }) => {
                eprintln!("skipped: p11-kit-modules not installed")
            }
            Err(Pkcs11Error::NoToken { .. }) => eprintln!("skipped: softhsm2 is not registered with p11-kit"),
            Err(e) => panic!("{e}"),
        }
    });
}
