//! Reading certificates: PEM files, strictness, and certificates of an encoder that is not ours.

mod x509_support;

use der::oid::AssociatedOid;
use modelseal_verify::x509::{Certificate, CertificateError, MAX_CERTIFICATE_BYTES, Roots, verify_path};
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_support::*;

#[test]
fn pem_files() {
    let chain = Chain::new();
    let (leaf, int) = (pem(&chain.leaf.der()), pem(&chain.int.der()));
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let read = |text: &str| Certificate::from_pem_many(text.as_bytes());

    let subjects = |text: &str| read(text).unwrap().iter().map(Certificate::subject).collect::<Vec<_>>();
    assert_eq!(subjects(&leaf), ["CN=leaf"]);
    let commented =
        format!(" subject=CN = leaf\n{leaf}# its issuer:\n{}\nthe end\n", int.replace("\r\n", "\n"));
    assert_eq!(subjects(&commented), ["CN=leaf", "CN=int"]);
    // `cat` of files without a final newline.
    assert_eq!(subjects(&format!("{}{}", leaf.trim(), int.trim())), ["CN=leaf", "CN=int"]);

    let rows = [
        (String::new(), "NoCertificate", "BEGIN CERTIFICATE"),
        ("text".to_owned(), "NoCertificate", "BEGIN CERTIFICATE"),
        ("0\u{3}".to_owned(), "DerInsteadOfPem", "-inform DER"),
        (format!("{leaf}{}", &int[..int.len() / 2]), "TruncatedPem", "cut off"),
        (format!("{}{int}", &leaf[..leaf.len() / 2]), "TruncatedPem", "cut off"),
        (format!("{leaf}{}", block("PRIVATE KEY")), "PrivateKey", "file of its own"),
        (format!("{}{leaf}", block("RSA PRIVATE KEY")), "PrivateKey", "RSA PRIVATE KEY"),
        (format!("{leaf}{}", block("X509 CRL")), "OtherPem", "revocation"),
        (format!("{leaf}{}", block("PUBLIC KEY")), "OtherPem", "PUBLIC KEY"),
        (block("TRUSTED CERTIFICATE"), "OtherPem", "TRUSTED"),
        (leaf.replacen("MII", "M!I", 1), "Base64", "certificate 1"),
        (format!("{leaf}{}", block("CERTIFICATE")), "InPem", "certificate 2"),
        ("x".repeat(5_000_000), "TooLarge", "5000000"),
    ];
    for (text, expected, says) in rows {
        let error = read(&text).unwrap_err();
        assert_eq!(variant(&error), expected, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn certificates_that_do_not_parse() {
    let good = Chain::new().leaf;
    let change = |change: &dyn Fn(&mut Spec)| {
        let mut spec = good.clone();
        change(&mut spec);
        spec.der()
    };
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "Malformed"),
        ("garbage", b"\x30\x82garbage".to_vec(), "Malformed"),
        ("a byte too many", [good.der(), vec![0]].concat(), "Malformed"),
        ("a key", good.key.spki.clone(), "Malformed"),
        ("too large", vec![0x30; MAX_CERTIFICATE_BYTES + 1], "TooLarge"),
        ("v1 with extensions", change(&|spec| spec.version = Version::V1), "Version"),
        ("v2 with extensions", change(&|spec| spec.version = Version::V2), "Version"),
        (
            "two algorithms",
            change(&|spec| spec.outer_algorithm = Some("1.2.840.10045.4.3.4")),
            "SignatureAlgorithmsDiffer",
        ),
        (
            "basicConstraints twice",
            change(&|spec| spec.extensions.push(ca(true, None))),
            "DuplicateExtension",
        ),
        (
            "unknown extension twice",
            change(&|spec| spec.extensions.extend([empty("1.2.3.4", false), empty("1.2.3.4", true)])),
            "DuplicateExtension",
        ),
        ("EKU that is no list", change(&|spec| broken(spec, ExtendedKeyUsage::OID)), "MalformedExtension"),
        ("KU that is no bit string", change(&|spec| broken(spec, KeyUsage::OID)), "MalformedExtension"),
        (
            "basicConstraints of text",
            change(&|spec| broken(spec, BasicConstraints::OID)),
            "MalformedExtension",
        ),
        (
            "SAN of text",
            change(&|spec| broken(spec, x509_cert::ext::pkix::SubjectAltName::OID)),
            "MalformedExtension",
        ),
    ];
    for (name, der, expected) in rows {
        let error = Certificate::from_der(&der).expect_err(name);
        assert_eq!(variant(&error), expected, "{name}: {error}");
    }
}

#[test]
fn what_a_certificate_says() {
    let mut spec = Chain::new().leaf.valid("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z");
    spec.serial = vec![0x80];
    let der = spec.der();
    let certificate = Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.der(), der);
    assert_eq!((certificate.subject(), certificate.issuer()), ("CN=leaf".to_owned(), "CN=int".to_owned()));
    assert_eq!(certificate.serial_hex(), "80");
    assert_eq!(certificate.not_after(), jiff::Timestamp::MAX);
    assert_eq!(
        format!("{certificate:?}"),
        format!("Certificate(CN=leaf, sha256:{})", certificate.fingerprint())
    );
}

/// Truncations, and every byte replaced by values that matter to DER: no panic.
#[test]
fn damaged_certificates() {
    let der = Chain::new().leaf.der();
    for length in 0..der.len() {
        Certificate::from_der(&der[..length]).unwrap_err();
    }
    for at in 0..der.len() {
        for byte in [0x00, 0x01, 0x02, 0x03, 0x05, 0x30, 0x31, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xA3, 0xFF]
        {
            let mut changed = der.clone();
            changed[at] = byte;
            if let Ok(certificate) = Certificate::from_der(&changed) {
                let _ = (certificate.subject(), certificate.issuer(), certificate.serial_hex());
                let _ = certificate.subject_alt_names().iter().map(ToString::to_string).collect::<Vec<_>>();
                let _ = Roots::new(vec![certificate]);
            }
        }
    }
    let text = pem(&der);
    for at in 0..text.len() {
        let _ = Certificate::from_pem_many(&text.as_bytes()[..at]);
        let _ = Certificate::from_pem_many(&text.as_bytes()[at..]);
    }
}

/// Our test certificates come from the library that reads them; these do not.
#[test]
fn certificates_of_another_encoder() {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
        PublicKeyData, SanType,
    };
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    };
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
        let key = || KeyPair::generate_for(algorithm).unwrap();
        let (root_key, int_key) = (key(), key());
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let root = CertifiedIssuer::self_signed(authority("root"), root_key).unwrap();
        let int = CertifiedIssuer::signed_by(authority("int"), int_key, &root).unwrap();
        let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.distinguished_name.push(DnType::OrganizationName, "Ünïcode");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names.push(SanType::Rfc822Name("dev@example.com".try_into().unwrap()));
        let leaf = params.signed_by(&leaf_key, &int).unwrap();

        let read = |der: &[u8]| Certificate::from_der(der).unwrap();
        let chain = [read(leaf.der()), read(int.der())];
        let roots = Roots::new(vec![read(root.der())]).unwrap();
        let path = verify_path(&chain, &roots, NOW.parse().unwrap()).unwrap();
        assert!(
            path.subject().contains("O=Ünïcode") && path.subject().contains("CN=leaf"),
            "{}",
            path.subject()
        );
        assert_eq!(path.subject_alt_names().len(), 2);
        assert_eq!(path.public_key().spki_der(), leaf_key.subject_public_key_info());
        assert_eq!(path.not_after().to_string(), "4096-01-01T00:00:00Z"); // rcgen's default
    }
}

#[test]
fn errors_name_the_certificate_of_the_file() {
    let text = format!(
        "{}{}",
        pem(&Chain::new().leaf.der()),
        pem(&Spec { version: Version::V1, ..Chain::new().leaf }.der())
    );
    let error = Certificate::from_pem_many(text.as_bytes()).unwrap_err();
    assert_eq!(error, CertificateError::InPem { number: 2, error: Box::new(CertificateError::Version) });
}

/// Replaces the content of an extension by a UTF8String.
fn broken(spec: &mut Spec, oid: der::oid::ObjectIdentifier) {
    *spec = spec.clone().with(extension(oid, false, &"text".to_owned()));
}
