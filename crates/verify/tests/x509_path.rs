//! The rules of `verify_path`, each broken alone.

mod x509_support;

use der::oid::AssociatedOid;
use modelseal_verify::public_key::KeyAlgorithm;
use modelseal_verify::x509::{
    Certificate, MAX_BUNDLE_CERTIFICATES, MAX_PATH_LENGTH, Roots, SubjectAltName, verify_path,
};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_support::*;

/// One change to the usual chain.
type Change = fn(&mut Chain);

#[test]
fn good_chains_of_every_length_and_algorithm() {
    let (root, int, leaf) = (Key::p384(), Key::p256(), Key::p256());
    let chain = Chain::of(&root, &int, &leaf);
    assert_eq!(chain.verify().unwrap().certificates().count(), 3);
    let two = Spec::leaf("CN=leaf", &leaf, "CN=root", &root);
    assert_eq!(verify(&[&two], &[&chain.root]).unwrap().certificates().count(), 2);
    let me = Key::ed25519(); // signs the same way twice, so that both certificates are one
    let own = Spec::leaf("CN=me", &me, "CN=me", &me);
    assert_eq!(verify(&[&own], &[&own]).unwrap().certificates().count(), 1);

    let authorities = [Key::p256(), Key::p384(), Key::p521(), Key::ed25519(), Key::rsa(), Key::rsa_pss()];
    for authority in &authorities {
        Chain::of(authority, &authorities[0], &leaf).verify().unwrap();
        Chain::of(&authorities[0], authority, &leaf).verify().unwrap();
    }
    let leaves = [
        (Key::p256(), KeyAlgorithm::P256),
        (Key::p384(), KeyAlgorithm::P384),
        (Key::p521(), KeyAlgorithm::P521),
        (Key::ed25519(), KeyAlgorithm::Ed25519),
    ];
    for (key, algorithm) in leaves {
        let path = Chain::of(&root, &int, &key).verify().unwrap();
        assert_eq!(path.public_key().algorithm(), algorithm);
        assert_eq!(path.public_key().verify(b"model", &key.sign(b"model")), Ok(()));
    }
}

#[test]
fn changes_that_keep_a_chain_good() {
    let rows: &[(&str, Change)] = &[
        ("root embedded in the bundle too", |_| {}),
        ("leaf without EKU (as the largest publisher's)", |c| drop_ext(&mut c.leaf, ExtendedKeyUsage::OID)),
        ("leaf without KU", |c| drop_ext(&mut c.leaf, KeyUsage::OID)),
        ("leaf with further usages", |c| {
            set(&mut c.leaf, extended(&[SERVER_AUTH, CODE_SIGNING]));
            set(&mut c.leaf, usage_of(KeyUsages::DigitalSignature | KeyUsages::KeyAgreement));
        }),
        ("leaf without basicConstraints", |c| drop_ext(&mut c.leaf, BasicConstraints::OID)),
        ("leaf is an authority", |c| set(&mut c.leaf, ca(true, None))),
        ("leaf is an authority of its issuer's name", |c| {
            set(&mut c.leaf, ca(true, None));
            c.leaf.subject = "CN=int".to_owned();
        }),
        ("authorities without KU", |c| {
            drop_ext(&mut c.int, KeyUsage::OID);
            drop_ext(&mut c.root, KeyUsage::OID);
        }),
        ("intermediate for code signing", |c| set(&mut c.int, extended(&[CODE_SIGNING]))),
        ("intermediate for any usage", |c| set(&mut c.int, extended(&[ANY_USAGE]))),
        ("pathLen just enough", |c| {
            set(&mut c.root, ca(true, Some(1)));
            set(&mut c.int, ca(true, Some(0)));
        }),
        ("self-issued intermediate is not counted", |c| {
            set(&mut c.root, ca(true, Some(0)));
            c.int.subject = "CN=root".to_owned();
            c.leaf.issuer = "CN=root".to_owned();
        }),
        ("unknown extensions that are not critical", |c| {
            [&mut c.leaf, &mut c.int, &mut c.root]
                .into_iter()
                .for_each(|spec| set(spec, empty("1.2.3.4", false)));
        }),
        ("policies and key identifiers, critical", |c| {
            for oid in ["2.5.29.32", "2.5.29.35", "2.5.29.14"] {
                [&mut c.leaf, &mut c.int, &mut c.root]
                    .into_iter()
                    .for_each(|spec| set(spec, empty(oid, true)));
            }
        }),
        ("policyConstraints, not critical", |c| set(&mut c.int, empty("2.5.29.36", false))),
        ("never expires", |c| {
            for spec in [&mut c.leaf, &mut c.int, &mut c.root] {
                spec.not_after = "9999-12-31T23:59:59Z".to_owned();
            }
        }),
    ];
    for (name, change) in rows {
        let mut chain = Chain::new();
        change(&mut chain);
        if let Err(error) = verify(&[&chain.leaf, &chain.int, &chain.root], &[&chain.root]) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn each_rule_broken_alone() {
    /// What is broken, the error's variant, the certificate that it names, the change.
    type Row = (&'static str, &'static str, &'static str, Change);
    const OLD: (&str, &str) = ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    const NEW: (&str, &str) = ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let rows: &[Row] = &[
        // Time.
        ("expired leaf", "Expired", "leaf", |c| c.leaf = c.leaf.clone().valid(OLD.0, OLD.1)),
        ("expired intermediate", "Expired", "int", |c| c.int = c.int.clone().valid(OLD.0, OLD.1)),
        ("expired root", "Expired", "root", |c| c.root = c.root.clone().valid(OLD.0, OLD.1)),
        ("future leaf", "NotYetValid", "leaf", |c| c.leaf = c.leaf.clone().valid(NEW.0, NEW.1)),
        ("future intermediate", "NotYetValid", "int", |c| c.int = c.int.clone().valid(NEW.0, NEW.1)),
        ("future root", "NotYetValid", "root", |c| c.root = c.root.clone().valid(NEW.0, NEW.1)),
        ("validity backwards", "NotYetValid", "leaf", |c| c.leaf = c.leaf.clone().valid(NEW.1, OLD.0)),
        // Authorities.
        ("intermediate CA:FALSE", "NotACa", "int", |c| set(&mut c.int, ca(false, None))),
        ("intermediate without basicConstraints", "NotACa", "int", |c| {
            drop_ext(&mut c.int, BasicConstraints::OID);
        }),
        ("root CA:FALSE", "NotACa", "root", |c| set(&mut c.root, ca(false, None))),
        ("root of X.509 v1", "NotACa", "root", |c| {
            c.root.extensions.clear();
            c.root.version = x509_cert::certificate::Version::V1;
        }),
        ("intermediate without keyCertSign", "CaMayNotSignCertificates", "int", |c| {
            set(&mut c.int, usage(KeyUsages::DigitalSignature));
        }),
        ("root without keyCertSign", "CaMayNotSignCertificates", "root", |c| {
            set(&mut c.root, usage(KeyUsages::CRLSign));
        }),
        ("intermediate for TLS", "CaUsage", "int", |c| set(&mut c.int, extended(&[SERVER_AUTH]))),
        ("intermediate for nothing", "CaUsage", "int", |c| set(&mut c.int, extended(&[]))),
        ("root for TLS", "CaUsage", "root", |c| set(&mut c.root, extended(&[SERVER_AUTH]))),
        ("pathLen of the root", "PathLength", "root", |c| set(&mut c.root, ca(true, Some(0)))),
        // What is not enforced is not accepted.
        ("unknown critical in leaf", "CriticalExtension", "leaf", |c| {
            set(&mut c.leaf, empty("1.2.3.4", true))
        }),
        ("unknown critical in intermediate", "CriticalExtension", "int", |c| {
            set(&mut c.int, empty("1.2.3.4", true));
        }),
        ("unknown critical in root", "CriticalExtension", "root", |c| {
            set(&mut c.root, empty("1.2.3.4", true))
        }),
        ("critical policyConstraints", "CriticalExtension", "int", |c| {
            set(&mut c.int, empty("2.5.29.36", true))
        }),
        ("critical policyMappings", "CriticalExtension", "int", |c| {
            set(&mut c.int, empty("2.5.29.33", true))
        }),
        ("critical inhibitAnyPolicy", "CriticalExtension", "root", |c| {
            set(&mut c.root, empty("2.5.29.54", true));
        }),
        ("pre-certificate", "CriticalExtension", "leaf", |c| {
            set(&mut c.leaf, empty("1.3.6.1.4.1.11129.2.4.3", true));
        }),
        ("name constraints in leaf", "NameConstraints", "leaf", |c| {
            set(&mut c.leaf, empty("2.5.29.30", false))
        }),
        ("name constraints in intermediate", "NameConstraints", "int", |c| {
            set(&mut c.int, empty("2.5.29.30", true));
        }),
        ("name constraints in root", "NameConstraints", "root", |c| {
            set(&mut c.root, empty("2.5.29.30", false));
        }),
        // The leaf's usage.
        ("leaf for TLS", "LeafExtendedUsage", "leaf", |c| set(&mut c.leaf, extended(&[SERVER_AUTH]))),
        ("leaf for any usage", "LeafExtendedUsage", "leaf", |c| set(&mut c.leaf, extended(&[ANY_USAGE]))),
        ("leaf for no usage", "LeafExtendedUsage", "leaf", |c| set(&mut c.leaf, extended(&[]))),
        ("leaf with no usage at all", "LeafWithoutUsage", "leaf", |c| {
            drop_ext(&mut c.leaf, KeyUsage::OID);
            drop_ext(&mut c.leaf, ExtendedKeyUsage::OID);
        }),
        ("leaf for key agreement", "LeafKeyUsage", "leaf", |c| {
            drop_ext(&mut c.leaf, ExtendedKeyUsage::OID);
            set(&mut c.leaf, usage(KeyUsages::KeyAgreement));
        }),
        ("leaf for code signing without digitalSignature", "LeafKeyUsage", "leaf", |c| {
            set(&mut c.leaf, usage(KeyUsages::NonRepudiation));
        }),
        ("authority that may sign anything as leaf", "LeafIsAuthority", "leaf", |c| {
            drop_ext(&mut c.leaf, ExtendedKeyUsage::OID);
            set(&mut c.leaf, usage_of(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign));
        }),
        // Keys and signatures.
        ("RSA leaf", "LeafKey", "leaf", |c| c.leaf.key = Key::rsa()),
        ("secp256k1 leaf", "LeafKey", "leaf", |c| c.leaf.key = Key::p256().with_spki(secp256k1_spki())),
        ("secp256k1 intermediate", "IssuerKey", "int", |c| c.int.key = c.int.key.with_spki(secp256k1_spki())),
        ("RSA-1024 intermediate", "RsaKeySize", "int", |c| {
            c.int.key = c.int.key.with_spki(rsa_spki(1024));
            c.leaf.signer = c.leaf.signer.claiming("1.2.840.113549.1.1.11");
        }),
        ("SHA-1 ECDSA", "SignatureAlgorithm", "leaf", |c| {
            c.leaf.signer = c.leaf.signer.claiming("1.2.840.10045.4.1");
        }),
        ("SHA-1 RSA", "SignatureAlgorithm", "int", |c| {
            c.int.signer = c.int.signer.claiming("1.2.840.113549.1.1.5");
        }),
        ("MD5 RSA", "SignatureAlgorithm", "leaf", |c| {
            c.leaf.signer = c.leaf.signer.claiming("1.2.840.113549.1.1.4");
        }),
        ("RSA signature by an EC key", "BadSignature", "leaf", |c| {
            c.leaf.signer = c.leaf.signer.claiming("1.2.840.113549.1.1.11");
        }),
        ("leaf signed by a stranger", "BadSignature", "leaf", |c| c.leaf.signer = Key::p256()),
        ("leaf signed by the root's key", "BadSignature", "leaf", |c| c.leaf.signer = c.root.key.clone()),
        ("intermediate signed by a stranger", "BadSignature", "int", |c| c.int.signer = Key::p384()),
        ("leaf signed by itself", "BadSignature", "leaf", |c| c.leaf.signer = c.leaf.key.clone()),
        // Names.
        ("unknown issuer", "NoIssuer", "leaf", |c| c.leaf.issuer = "CN=nobody".to_owned()),
        ("issuer in other letters", "NoIssuer", "leaf", |c| c.leaf.issuer = "CN=INT".to_owned()),
        ("issuer is a part of the name", "NoIssuer", "leaf", |c| c.leaf.issuer = "CN=int,O=x".to_owned()),
    ];
    for (name, expected, at_fault, change) in rows {
        let mut chain = Chain::new();
        change(&mut chain);
        let error = chain.verify().expect_err(name);
        assert_eq!(variant(&error), *expected, "{name}: {error}");
        assert!(error.to_string().contains(&format!("\"CN={at_fault}\"")), "{name}: {error}");
    }
}

#[test]
fn both_ends_of_a_validity_belong_to_it() {
    let mut chain = Chain::new();
    chain.int = chain.int.valid("2026-02-01T00:00:00Z", "2026-11-30T23:59:59Z");
    let rows = [
        ("2026-01-31T23:59:59.999Z", Some("NotYetValid")),
        ("2026-02-01T00:00:00Z", None),
        ("2026-11-30T23:59:59Z", None),
        ("2026-11-30T23:59:59.999Z", None),
        ("2026-12-01T00:00:00Z", Some("Expired")),
        ("1960-01-01T00:00:00Z", Some("NotYetValid")),
        ("9999-12-30T00:00:00Z", Some("Expired")),
    ];
    for (at, expected) in rows {
        let result = verify_at(&[&chain.leaf, &chain.int], &[&chain.root], at);
        assert_eq!(result.as_ref().err().map(variant).as_deref(), expected, "{at}");
    }
    let window = chain.verify().unwrap().window();
    assert_eq!(window.not_before.to_string(), "2026-02-01T00:00:00Z");
    assert_eq!(window.not_after.to_string(), "2026-11-30T23:59:59Z");
}

#[test]
fn only_the_users_roots_give_trust() {
    let (ours, theirs) = (Chain::new(), Chain::new());
    let Chain { root, int, leaf } = &ours;
    let other = Spec::ca("CN=other", &theirs.root.key, "CN=other", &theirs.root.key);
    /// What is given, the chain, the roots, the error's variant.
    type Row<'a> = (&'a str, &'a [&'a Spec], &'a [&'a Spec], Option<&'a str>);
    let rows: &[Row<'_>] = &[
        ("complete", &[leaf, int], &[root], None),
        ("root embedded", &[leaf, int, root], &[root], None),
        ("intermediates in any order", &[leaf, root, &theirs.int, int], &[root], None),
        ("unrelated certificates embedded", &[leaf, &other, int, &theirs.root], &[root], None),
        ("intermediate from the user", &[leaf], &[root, int], None),
        ("intermediate first in the user's list", &[leaf], &[int, root], None),
        ("second of two roots", &[leaf, int], &[&other, root], None),
        ("root of the same name first", &[leaf, int], &[&theirs.root, root], None),
        ("intermediate of the same name first", &[leaf, &theirs.int, int], &[root], None),
        ("root only embedded", &[leaf, int, root], &[&other], Some("UntrustedRoot")),
        ("other root", &[leaf, int], &[&other], Some("NoIssuer")),
        ("root of the same name and another key", &[leaf, int], &[&theirs.root], Some("BadSignature")),
        ("intermediate missing", &[leaf], &[root], Some("NoIssuer")),
        ("intermediate trusted beside a strange root", &[leaf], &[&other, int], Some("NoIssuer")),
        ("intermediate first", &[int, leaf], &[root], Some("LeafKeyUsage")),
        ("root first", &[root, int, leaf], &[root], Some("LeafKeyUsage")),
        ("nothing", &[], &[root], Some("EmptyChain")),
    ];
    for (name, chain, roots, expected) in rows {
        let result = verify(chain, roots);
        assert_eq!(result.as_ref().err().map(variant).as_deref(), *expected, "{name}: {result:?}");
    }
    let own = Spec::leaf("CN=me", &leaf.key, "CN=me", &leaf.key);
    assert_eq!(variant(&verify(&[&own], &[root]).unwrap_err()), "UntrustedRoot");
    let twin = Spec::leaf("CN=me", &int.key, "CN=me", &int.key);
    assert_eq!(variant(&verify(&[&own], &[&twin]).unwrap_err()), "BadSignature");
    // A self-signed root is a signer only when it says so, and its leaf-like twin is no authority.
    assert_eq!(variant(&verify(&[root], &[root]).unwrap_err()), "LeafKeyUsage");
    let below = Spec::leaf("CN=below", &int.key, "CN=me", &leaf.key);
    assert_eq!(variant(&verify(&[&below], &[&own]).unwrap_err()), "NotACa");
}

#[test]
fn a_list_without_a_root_is_refused() {
    let Chain { root, int, leaf } = Chain::new();
    let error = |specs: &[&Spec]| Roots::new(specs.iter().map(|spec| spec.make()).collect()).unwrap_err();
    assert_eq!(variant(&error(&[])), "Empty");
    let none = error(&[&int, &leaf]);
    assert_eq!(variant(&none), "NoRoot");
    assert!(none.to_string().contains("CN=int; CN=leaf"), "{none}");
    // One name for subject and issuer is not yet self-signed.
    let rollover = Spec { signer: int.key.clone(), ..root.clone() };
    assert_eq!(variant(&error(&[&rollover])), "NoRoot");
    // Nor is its own key's signature under another issuer's name.
    let own_key = Spec { issuer: "CN=other".to_owned(), ..root.clone() };
    assert_eq!(variant(&error(&[&own_key])), "NoRoot");
    let sha1 = Spec { signer: root.key.claiming("1.2.840.10045.4.1"), ..root.clone() };
    let unusable = error(&[&sha1, &int]);
    assert_eq!(variant(&unusable), "UnusableRoot");
    assert!(unusable.to_string().contains("ecdsa-with-SHA1"), "{unusable}");
    let short = Key::rsa().with_spki(rsa_spki(1024));
    assert_eq!(variant(&error(&[&Spec::ca("CN=r", &short, "CN=r", &short)])), "UnusableRoot");
    assert_eq!(variant(&Roots::new(vec![root.make(); 1025]).unwrap_err()), "TooMany");
    Roots::new(vec![root.make(); 1024]).unwrap();
}

/// Two certificates of one intermediate, by two roots; whichever is good leads to its root.
#[test]
fn cross_signed_intermediates() {
    let (old_root, new_root, int_key, leaf_key) = (Key::p256(), Key::rsa(), Key::p384(), Key::p256());
    let old = Spec::ca("CN=old", &old_root, "CN=old", &old_root);
    let new = Spec::ca("CN=new", &new_root, "CN=new", &new_root);
    let by_old = Spec::ca("CN=int", &int_key, "CN=old", &old_root);
    let by_new = Spec::ca("CN=int", &int_key, "CN=new", &new_root);
    let expired = by_old.clone().valid("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let leaf = Spec::leaf("CN=leaf", &leaf_key, "CN=int", &int_key);

    for chain in [[&leaf, &expired, &by_new], [&leaf, &by_new, &expired]] {
        let path = verify(&chain, &[&old, &new]).unwrap();
        assert_eq!(path.root_subject(), "CN=new");
        assert_eq!(path.root_fingerprint(), new.make().fingerprint());
        // The only path to a trusted root is expired, and that is what is said, not that another root is unknown.
        assert_eq!(variant(&verify(&chain, &[&old]).unwrap_err()), "Expired");
    }
    assert_eq!(verify(&[&leaf, &by_new, &by_old], &[&old]).unwrap().root_subject(), "CN=old");
    // A root cross-signed by another, both embedded, only the other trusted.
    let new_by_old = Spec::ca("CN=new", &new_root, "CN=old", &old_root);
    for chain in [[&leaf, &by_new, &new, &new_by_old], [&leaf, &by_new, &new_by_old, &new]] {
        assert_eq!(verify(&chain, &[&old]).unwrap().certificates().count(), 4);
    }
}

/// The historical OMS bundles: RSA authorities, a P-384 leaf with CA:TRUE and its issuer's name, for code signing.
#[test]
fn historical_chain() {
    let (root, int, leaf) = (Key::rsa(), Key::rsa(), Key::p384());
    let mut chain = Chain::of(&root, &int, &leaf);
    chain.leaf = Spec::ca("CN=int", &leaf, "CN=int", &int)
        .with(usage_of(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign))
        .with(extended(&[CODE_SIGNING]));
    let path = chain.verify().unwrap();
    assert_eq!((path.subject(), path.issuer()), ("CN=int".to_owned(), "CN=int".to_owned()));
    assert_eq!(path.public_key().algorithm(), KeyAlgorithm::P384);
    assert_eq!(path.certificates().count(), 3);
    // It bears its issuer's name and is not self-signed: without the issuer there is no path.
    assert_eq!(variant(&verify(&[&chain.leaf], &[&chain.root]).unwrap_err()), "NoIssuer");
}

#[test]
fn circles_and_bombs_end() {
    let (a, b, leaf_key) = (Key::p256(), Key::p256(), Key::p256());
    let root = Chain::new().root;
    let leaf = Spec::leaf("CN=leaf", &leaf_key, "CN=a", &a);
    let a_by_b = Spec::ca("CN=a", &a, "CN=b", &b);
    let b_by_a = Spec::ca("CN=b", &b, "CN=a", &a);
    let error = verify(&[&leaf, &a_by_b, &b_by_a], &[&root]).unwrap_err();
    assert_eq!(variant(&error), "Circle", "{error}");

    // Six keys of one name, each certified by each other: the paths are permutations.
    let keys: Vec<Key> = (0..6).map(|_| Key::p256()).collect();
    let mut bomb = vec![Spec::leaf("CN=x", &leaf_key, "CN=x", &keys[0]).make()];
    for (i, subject) in keys.iter().enumerate() {
        for (_, issuer) in keys.iter().enumerate().filter(|(j, _)| *j != i) {
            bomb.push(Spec::ca("CN=x", subject, "CN=x", issuer).make());
        }
    }
    let roots = Roots::new(vec![root.make()]).unwrap();
    let now = NOW.parse().unwrap();
    assert_eq!(variant(&verify_path(&bomb, &roots, now).unwrap_err()), "SearchTooLarge");

    let many = |count| vec![leaf.make(); count];
    let error = verify_path(&many(MAX_BUNDLE_CERTIFICATES + 1), &roots, now).unwrap_err();
    assert_eq!(variant(&error), "TooManyCertificates");
    assert_eq!(variant(&verify_path(&many(1000), &roots, now).unwrap_err()), "TooManyCertificates");
    assert_eq!(variant(&verify_path(&many(MAX_BUNDLE_CERTIFICATES), &roots, now).unwrap_err()), "NoIssuer");
}

#[test]
fn paths_are_long_enough_and_not_longer() {
    let keys: Vec<Key> = (0..MAX_PATH_LENGTH + 1).map(|_| Key::p256()).collect();
    let name = |i: usize| format!("CN=ca{i}");
    // ca0 is the root; ca(i) is issued by ca(i-1).
    let authorities: Vec<Spec> = (0..MAX_PATH_LENGTH)
        .map(|i| Spec::ca(&name(i), &keys[i], &name(i.saturating_sub(1)), &keys[i.saturating_sub(1)]))
        .collect();
    for (length, expected) in [(MAX_PATH_LENGTH, None), (MAX_PATH_LENGTH + 1, Some("PathTooLong"))] {
        let last = length - 2;
        let leaf = Spec::leaf("CN=leaf", &keys[length - 1], &name(last), &keys[last]);
        let chain: Vec<&Spec> = std::iter::once(&leaf).chain(&authorities[1..=last]).collect();
        let result = verify(&chain, &[&authorities[0]]);
        assert_eq!(result.as_ref().err().map(variant).as_deref(), expected);
        assert!(result.is_err() || result.unwrap().certificates().count() == length);
    }
}

#[test]
fn a_verified_path_says_who_signed() {
    use x509_cert::ext::pkix::name::GeneralName;
    let ia5 = |text: &str| der::asn1::Ia5String::new(text).unwrap();
    let mut chain = Chain::new();
    chain.leaf.subject = "CN=release\\, team\u{1b}[2J,O=Example".to_owned();
    chain.leaf.serial = vec![0, 0xA1, 0x02];
    set(
        &mut chain.leaf,
        alt_names(vec![
            GeneralName::Rfc822Name(ia5("dev@example.com")),
            GeneralName::UniformResourceIdentifier(ia5("https://example.com/\n")),
            GeneralName::DnsName(ia5("example.com")),
            GeneralName::IpAddress(der::asn1::OctetString::new([127, 0, 0, 1]).unwrap()),
            GeneralName::DirectoryName(std::str::FromStr::from_str("CN=x").unwrap()),
            GeneralName::RegisteredId(der::oid::ObjectIdentifier::new_unwrap("1.2.3.4")),
        ]),
    );
    let path = chain.verify().unwrap();
    let leaf = chain.leaf.make();
    assert_eq!(path.subject(), "CN=release\\, team\\1b[2J,O=Example");
    assert_eq!((path.issuer(), path.root_subject()), ("CN=int".to_owned(), "CN=root".to_owned()));
    assert_eq!(path.serial_hex(), "a102");
    assert_eq!(path.not_before().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(path.not_after().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(path.public_key().spki_der(), chain.leaf.key.spki);
    assert_eq!(path.fingerprint().len(), 64);
    assert_ne!(path.fingerprint(), leaf.issuer());
    let names = path.subject_alt_names();
    assert_eq!(names[1], SubjectAltName::Uri("https://example.com/\n".to_owned()));
    let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
    let expected = [
        "email:dev@example.com",
        "URI:https://example.com/\\0A",
        "DNS:example.com",
        "IP:127.0.0.1",
        "dirName:CN=x",
        "other:88032a0304",
    ];
    assert_eq!(shown, expected);
}

/// No change of one bit of any certificate is believed.
#[test]
fn every_bit_counts() {
    let chain = Chain::new();
    let certificates = [chain.leaf.der(), chain.int.der()];
    let roots = Roots::new(vec![chain.root.make()]).unwrap();
    let now = NOW.parse().unwrap();
    let (mut parsed, mut refused) = (0, 0);
    for (which, der) in certificates.iter().enumerate() {
        for bit in 0..der.len() * 8 {
            let mut changed = certificates.clone();
            changed[which][bit / 8] ^= 1 << (bit % 8);
            let Ok(made) =
                changed.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()
            else {
                refused += 1;
                continue;
            };
            parsed += 1;
            assert!(verify_path(&made, &roots, now).is_err(), "certificate {which}, bit {bit}");
        }
    }
    assert!(parsed > 1000 && refused > 100, "{parsed} parsed, {refused} refused");
}

fn set(spec: &mut Spec, extension: x509_cert::ext::Extension) {
    *spec = spec.clone().with(extension);
}

fn drop_ext(spec: &mut Spec, oid: der::oid::ObjectIdentifier) {
    *spec = spec.clone().without(oid);
}

fn usage_of(flags: impl Into<KeyUsageFlags>) -> x509_cert::ext::Extension {
    extension(KeyUsage::OID, true, &KeyUsage(flags.into()))
}

type KeyUsageFlags = der::flagset::FlagSet<KeyUsages>;
