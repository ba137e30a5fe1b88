//! Where PINs come from, what a wrong one does, and that none is ever shown.

use crate::hsm::{PIN, with_softhsm};
use modelseal_attest::{
    pkcs11::{ModuleSearch, Pin, PinError, Pkcs11Error, Pkcs11Key, Uri},
    signer::SigningKey,
};

#[test]
fn a_pin_comes_from_the_uri_or_a_file_or_is_asked_for_once() {
    with_softhsm("pins::a_pin_comes_from_the_uri_or_a_file_or_is_asked_for_once", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        let uri = hsm.uri("token=release;object=models");
        let file = hsm.file("pin", format!("{PIN}\n").as_bytes());
        let file = file.display();
        for text in [
            format!("{uri}&pin-value={PIN}"),
            format!("{uri}&pin-source=file:{file}"),
            format!("{uri}&pin-source={file}"),
        ] {
            let uri = Uri::parse(&text).unwrap();
            let key = Pkcs11Key::open(&uri, &ModuleSearch::default(), |_| panic!("not asked for")).unwrap();
            assert!(key.sign(b"message").is_ok());
            assert!(!format!("{key:?} {uri:?} {uri}").contains(PIN));
        }
        let mut asked = Vec::new();
        let key = Pkcs11Key::open(&Uri::parse(&uri).unwrap(), &ModuleSearch::default(), |prompt| {
            asked.push((prompt.token.clone(), prompt.last_try));
            Pin::new(PIN.as_bytes().to_vec())
        });
        assert!(key.unwrap().sign(b"message").is_ok());
        assert_eq!(asked, [("release".to_owned(), false)]);
    });
}

#[test]
fn a_wrong_pin_is_tried_once_and_the_next_prompt_says_so() {
    with_softhsm("pins::a_wrong_pin_is_tried_once_and_the_next_prompt_says_so", |hsm| {
        hsm.token("release");
        hsm.key("release", "EC:prime256v1", "models", "01", &[]);
        let uri = hsm.uri("token=release;object=models");
        for wrong in ["8675309-WRONG", "8", &"9".repeat(1000)] {
            let uri = Uri::parse(&format!("{uri}&pin-value={wrong}")).unwrap();
            let error =
                Pkcs11Key::open(&uri, &ModuleSearch::default(), |_| panic!("not asked for")).unwrap_err();
            assert!(matches!(error, Pkcs11Error::WrongPin { .. }), "{error:?}");
            let said = format!("{error} {error:?}");
            assert!(said.contains("count wrong tries"), "{said}");
            assert!(wrong.len() == 1 || !said.contains(wrong), "{said}");
        }
        let uri = Uri::parse(&uri).unwrap();
        let key = Pkcs11Key::open(&uri, &ModuleSearch::default(), |prompt| {
            assert!(prompt.few_tries_left);
            Pin::new(PIN.as_bytes().to_vec())
        });
        assert!(key.is_ok());
    });
}

#[test]
fn a_pin_that_cannot_be_had_is_reported_with_the_token() {
    with_softhsm("pins::a_pin_that_cannot_be_had_is_reported_with_the_token", |hsm| {
        hsm.token("release");
        let uri = hsm.uri("token=release");
        let open = |text: &str| {
            Pkcs11Key::open(&Uri::parse(text).unwrap(), &ModuleSearch::default(), |_| Err(PinError::NotGiven))
                .unwrap_err()
                .to_string()
        };
        let said = open(&uri);
        assert!(
            said.starts_with("the token token=release;serial=") && said.ends_with("no PIN was given"),
            "{said}"
        );
        assert!(open(&format!("{uri}&pin-value=")).ends_with("the PIN given is empty"));
        let said = open(&format!("{uri}&pin-source=/nonexistent/pin"));
        assert!(said.contains("the PIN could not be read: '/nonexistent/pin': "), "{said}");
        // A directory, and a file without end.
        assert!(open(&format!("{uri}&pin-source=/")).contains("the PIN could not be read: '/': "));
        assert!(open(&format!("{uri}&pin-source=/dev/zero")).contains("longer than 1024 bytes"));
    });
}
