//! Revocation lists: what is read, whose they are, and what they mean for signatures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod x509_support;

use der::oid::AssociatedOid;
use jiff::{SignedDuration, Timestamp};
use modelseal_verify::x509::{
    Crl, CrlError, MAX_CRL_BYTES, MAX_CRL_ENTRIES, RevocationError, RevocationLists, RevocationQuestion,
    VerifiedPath,
};
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};
use x509_support::*;

const EARLIER: &str = "2026-03-01T00:00:00Z";

/// A chain whose certificates have serial numbers of their own; the leaf's has its highest bit set.
fn chain() -> Chain {
    let mut chain = Chain::new();
    chain.leaf.serial = vec![0xa7, 3];
    chain.int.serial = vec![2];
    chain.int = chain.int.with(signs_lists());
    chain.root = chain.root.with(signs_lists());
    chain
}

fn signs_lists() -> x509_cert::ext::Extension {
    extension(KeyUsage::OID, true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))
}

fn ask(chain: &Chain, files: &[Vec<u8>]) -> Result<Option<Timestamp>, String> {
    ask_as(chain, files, &[], None, true)
}

/// The variant's name is what comes back of an error.
fn ask_as(
    chain: &Chain,
    files: &[Vec<u8>],
    times: &[&str],
    max_age: Option<SignedDuration>,
    status_required: bool,
) -> Result<Option<Timestamp>, String> {
    ask_about(&chain.verify().unwrap(), files, times, max_age, status_required)
}

fn ask_about(
    path: &VerifiedPath,
    files: &[Vec<u8>],
    times: &[&str],
    max_age: Option<SignedDuration>,
    status_required: bool,
) -> Result<Option<Timestamp>, String> {
    assert_eq!(path.certificates().count(), 3);
    let named = files.iter().enumerate().map(|(at, bytes)| (format!("{at}.crl"), bytes));
    let times: Vec<Timestamp> = times.iter().map(|at| at.parse().unwrap()).collect();
    let now = NOW.parse().unwrap();
    let question = RevocationQuestion { now, trusted_times: &times, max_age, status_required };
    let said = RevocationLists::read(named).check(path, &question);
    said.map_err(|error| {
        assert!(!error.to_string().contains(char::is_control), "{error}");
        variant(&error)
    })
}

fn refused(chain: &Chain, files: &[Vec<u8>], name: &str) {
    assert_eq!(ask(chain, files), Err(name.to_owned()));
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// Current lists of both authorities that revoke nothing.
fn good(chain: &Chain) -> [CrlSpec; 2] {
    [CrlSpec::of(&chain.int), CrlSpec::of(&chain.root)]
}

#[test]
fn every_certificate_but_the_root_needs_a_status() {
    let chain = chain();
    let [int, root] = good(&chain);
    assert_eq!(ask(&chain, &[int.der(), root.der()]), Ok(at("2026-06-07T00:00:00Z")));
    assert_eq!(ask(&chain, &[root.pem(), int.pem()]), Ok(at("2026-06-07T00:00:00Z")));
    let both = [b"# lists\n".to_vec(), int.pem(), root.pem()].concat();
    assert_eq!(ask(&chain, &[both]), Ok(at("2026-06-07T00:00:00Z")));
    for files in [vec![], vec![int.der()], vec![root.der()]] {
        refused(&chain, &files, "Unavailable");
        assert!(ask_as(&chain, &files, &[], None, false).is_ok());
    }
    // The first list to end is what counts.
    let sooner = root.updates("2026-05-31T00:00:00Z", Some("2026-06-02T00:00:00Z"));
    assert_eq!(ask(&chain, &[int.der(), sooner.der()]), Ok(at("2026-06-02T00:00:00Z")));
}

#[test]
fn a_revoked_certificate_of_any_place_refuses() {
    let chain = chain();
    let [int, root] = good(&chain);
    let rows = [
        ("leaf", int.clone().revoking(&chain.leaf, EARLIER, vec![]), root.clone()),
        ("intermediate", int.clone(), root.clone().revoking(&chain.int, EARLIER, vec![])),
        ("in time to come", int.clone().revoking(&chain.leaf, "2026-06-05T00:00:00Z", vec![]), root.clone()),
    ];
    for (what, int, root) in rows {
        for required in [true, false] {
            let said = ask_as(&chain, &[int.der(), root.der()], &[], None, required);
            assert_eq!(said, Err("Revoked".to_owned()), "{what}");
        }
    }
    // Revoked by one authority while the other's list is missing: what is known is said.
    let leaf = int.clone().revoking(&chain.leaf, EARLIER, vec![]);
    refused(&chain, &[leaf.der()], "Revoked");
    // Another certificate's serial number, and the same one of another authority.
    let mut other = chain.leaf.clone();
    other.serial = vec![0xa7, 4];
    let lists = [int.revoking(&other, EARLIER, vec![]), root.revoking(&chain.leaf, EARLIER, vec![])];
    assert!(ask(&chain, &lists.map(|list| list.der())).is_ok());
}

#[test]
fn one_list_that_revokes_counts_among_any() {
    let chain = chain();
    let [int, root] = good(&chain);
    let old = int.clone().updates("2026-01-02T00:00:00Z", Some("2026-01-09T00:00:00Z"));
    let old = old.revoking(&chain.leaf, "2026-01-01T00:00:00Z", vec![]);
    refused(&chain, &[int.der(), root.der(), old.der()], "Revoked");
    refused(&chain, &[old.der(), int.der(), root.der()], "Revoked");
    // So does one from time to come: our clock may be behind.
    let early = int.clone().updates("2026-06-02T00:00:00Z", None).revoking(&chain.leaf, EARLIER, vec![]);
    refused(&chain, &[int.der(), root.der(), early.der()], "Revoked");
    // A hold is over when the newest list does not have it.
    let hold = |list: CrlSpec| list.for_reason(&chain.leaf, "2026-01-01T00:00:00Z", 6);
    let held = hold(int.clone().updates("2026-01-02T00:00:00Z", None));
    assert!(ask(&chain, &[held.der(), int.der(), root.der()]).is_ok());
    refused(&chain, &[held.der(), root.der()], "Revoked");
    refused(&chain, &[hold(int).der(), root.der()], "Revoked");
}

#[test]
fn lists_must_be_current() {
    let chain = chain();
    let [int, root] = good(&chain);
    let with = |list: &CrlSpec, days: Option<i64>| {
        let age = days.map(|days| SignedDuration::from_hours(days * 24));
        ask_as(&chain, &[list.der(), root.der()], &[], age, true)
    };
    let of = |this: &str, next: Option<&str>| int.clone().updates(this, next);
    let stale = Err("Stale".to_owned());
    assert_eq!(with(&of("2026-05-01T00:00:00Z", Some("2026-05-31T23:59:59Z")), None), stale);
    assert_eq!(with(&of("2026-05-01T00:00:00Z", Some(NOW)), None), Ok(at(NOW)));
    assert_eq!(with(&of("2026-05-22T00:00:00Z", Some("2026-07-01T00:00:00Z")), Some(9)), stale);
    assert_eq!(with(&of("2026-05-22T00:00:00Z", Some("2026-07-01T00:00:00Z")), Some(10)), Ok(at(NOW)));
    assert_eq!(with(&of("2026-05-22T00:00:00Z", None), Some(9)), stale);
    assert_eq!(with(&int, Some(3)), Ok(at("2026-06-03T00:00:00Z")), "thisUpdate and max-age");
    assert_eq!(with(&of(NOW, None), Some(30)), Ok(at("2026-06-07T00:00:00Z")), "the root's");
    assert_eq!(with(&of("2026-06-01T00:00:01Z", None), None), Err("Unavailable".to_owned()), "to come");
    // Not required: no reason to refuse.
    let old = of("2026-01-01T00:00:00Z", Some("2026-01-08T00:00:00Z"));
    assert!(ask_as(&chain, &[old.der(), root.der()], &[], None, false).is_ok());
    // One current list is enough, wherever it stands.
    for files in [[old.der(), int.der(), root.der()], [int.der(), old.der(), root.der()]] {
        assert_eq!(ask(&chain, &files), Ok(at("2026-06-07T00:00:00Z")));
    }
}

/// Neither gives a status nor revokes.
#[test]
fn lists_of_nobody_we_asked_count_for_nothing() {
    type Change = fn(&mut CrlSpec, &Chain);
    let rows: &[(&str, Change)] = &[
        ("another's name", |list, _| list.issuer = "CN=other".to_owned()),
        ("another's key", |list, _| list.forger = Some(Key::p256())),
        ("the root's key under the intermediate's name", |list, chain| list.signer = chain.root.key.clone()),
        ("another algorithm", |list, _| {
            list.signer = list.signer.claiming("1.2.840.10045.4.1"); // ECDSA with SHA-1
        }),
        ("unknown and critical", |list, _| list.extensions.push(empty("1.2.3.4", true))),
        ("delta", |list, _| list.extensions.push(raw("2.5.29.27", true, &[2, 1, 1]))),
        ("for some certificates only", |list, _| list.extensions.push(empty("2.5.29.28", true))),
        ("delta that does not say it is critical", |list, _| {
            list.extensions.push(raw("2.5.29.27", false, &[2, 1, 1]));
        }),
        ("part that does not say it is critical", |list, _| list.extensions.push(empty("2.5.29.28", false))),
        ("an entry with an unknown critical extension", |list, chain| {
            *list = list.clone().revoking(&chain.root, EARLIER, vec![raw("2.5.29.29", true, &[0x30, 0])]);
        }),
    ];
    let chain = chain();
    let [int, root] = good(&chain);
    for (what, change) in rows {
        let mut list = int.clone();
        change(&mut list, &chain);
        assert_eq!(ask(&chain, &[list.der(), root.der()]), Err("Unavailable".to_owned()), "{what}");
        let revoking = list.revoking(&chain.leaf, EARLIER, vec![]);
        assert_eq!(ask(&chain, &[revoking.der(), root.der()]), Err("Unavailable".to_owned()), "{what}");
        assert!(ask(&chain, &[revoking.der(), int.der(), root.der()]).is_ok(), "{what}, and a good one");
    }
    let mut harmless = int.clone();
    harmless.extensions.extend([
        empty("1.2.3.4", false),
        empty("2.5.29.35", true),
        empty("2.5.29.46", false),
    ]);
    let harmless = harmless.revoking(&chain.root, EARLIER, vec![raw("2.5.29.23", false, &[5, 0])]);
    assert!(ask(&chain, &[harmless.der(), root.der()]).is_ok());
}

#[test]
fn authorities_need_crl_sign_where_they_have_a_key_usage() {
    let with = |usages: KeyUsage| {
        let mut chain = chain();
        chain.int = chain.int.with(extension(KeyUsage::OID, true, &usages));
        let [int, root] = good(&chain);
        ask(&chain, &[int.der(), root.der()])
    };
    assert!(with(KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)).is_ok());
    let mut without = chain();
    without.int = without.int.without(KeyUsage::OID);
    let [int, root] = good(&without);
    assert!(ask(&without, &[int.der(), root.der()]).is_ok());
    assert_eq!(with(KeyUsage(KeyUsages::KeyCertSign.into())), Err("Unavailable".to_owned()));
}

#[test]
fn reasons_and_times() {
    let chain = chain();
    let [int, root] = good(&chain);
    let (before, after) = (&["2026-02-01T00:00:00Z"], &["2026-04-01T00:00:00Z"]);
    let said = |list: &CrlSpec, times: &[&str]| {
        let said = ask_as(&chain, &[list.der(), root.der()], times, None, true);
        assert!(said.is_ok() || said == Err("Revoked".to_owned()), "{said:?}");
        said.is_ok()
    };
    // affiliationChanged, superseded, cessationOfOperation: the key was in the right hands before.
    for code in [3, 4, 5] {
        let list = int.clone().for_reason(&chain.leaf, EARLIER, code);
        assert!(said(&list, before), "{code}");
        assert!(!said(&list, after), "{code}");
        assert!(!said(&list, &[EARLIER]), "{code}: that very second");
        assert!(!said(&list, &[]), "{code}: no trusted time");
        assert!(!said(&list, &[before[0], after[0]]), "{code}: every time must be before");
        let since = |at| vec![reason(code), invalid_since(at)];
        let list = int.clone().revoking(&chain.leaf, EARLIER, since("2026-01-15T00:00:00Z"));
        assert!(!said(&list, before), "{code}: invalid since before");
        let list = int.clone().revoking(&chain.leaf, EARLIER, since("2026-05-01T00:00:00Z"));
        assert!(said(&list, before) && !said(&list, after), "{code}: the earlier of the two dates");
        let unreadable = vec![reason(code), raw("2.5.29.24", false, &[5, 0])];
        assert!(!said(&int.clone().revoking(&chain.leaf, EARLIER, unreadable), before), "{code}");
    }
    for code in [0, 1, 2, 6, 7, 9, 10, 11, 255] {
        let list = int.clone().for_reason(&chain.leaf, EARLIER, code);
        assert!(!said(&list, before) && !said(&list, after), "{code}");
    }
    assert!(!said(&int.clone().revoking(&chain.leaf, EARLIER, vec![]), before), "no reason");
    let odd = vec![raw("2.5.29.21", false, &[2, 1, 4])];
    assert!(!said(&int.clone().revoking(&chain.leaf, EARLIER, odd), before), "no ENUMERATED");
    assert!(said(&int.clone().for_reason(&chain.leaf, EARLIER, 8), &[]), "removeFromCRL");
    // Of two entries the worse one counts.
    let two = int.for_reason(&chain.leaf, EARLIER, 8).for_reason(&chain.leaf, EARLIER, 1);
    assert!(!said(&two, before));
}

#[test]
fn what_is_no_list_is_as_if_it_were_not_there() {
    let chain = chain();
    let [int, root] = good(&chain);
    let (int_der, root_pem) = (int.der(), root.pem());
    let garbage = [
        Vec::new(),
        b"README".to_vec(),
        vec![0x30, 0x83, 0xff, 0xff, 0xff],
        vec![0xff; 1000],
        int_der[..int_der.len() - 1].to_vec(),
        [&int_der[..], &[0]].concat(),
        pem(&chain.leaf.der()).into_bytes(),
        root_pem[..root_pem.len() - 5].to_vec(),
        b"-----BEGIN X509 CRL-----\n%%\n-----END X509 CRL-----\n".to_vec(),
    ];
    refused(&chain, &garbage, "Unavailable");
    let revoking = int.clone().revoking(&chain.leaf, EARLIER, vec![]).pem();
    let mixed = [&pem(&chain.leaf.der()).into_bytes()[..], &revoking].concat();
    let all = |last: &[u8]| [&garbage[..], &[root_pem.clone(), last.to_vec()]].concat();
    assert!(ask(&chain, &all(&int_der)).is_ok());
    refused(&chain, &all(&mixed), "Revoked");
    // And the message says what is wrong.
    let read = RevocationLists::read(garbage.iter().map(|bytes| ("x.crl".to_owned(), bytes)));
    assert_eq!((read.lists().count(), read.unreadable().count()), (0, garbage.len()));
    let path = chain.verify().unwrap();
    let now = NOW.parse().unwrap();
    let question = RevocationQuestion { now, trusted_times: &[], max_age: None, status_required: true };
    let error = read.check(&path, &question).unwrap_err();
    assert!(matches!(error, RevocationError::Unavailable { .. }), "{error:?}");
    assert!(
        error.to_string().contains("'CN=int'") && error.to_string().contains("x.crl: there is no"),
        "{error}"
    );
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed() {
    let chain = chain();
    let [int, root] = good(&chain);
    let (path, root) = (chain.verify().unwrap(), root.der());
    let list = int.for_reason(&chain.leaf, EARLIER, 1).der();
    for end in 0..list.len() {
        assert!(Crl::from_der(&list[..end]).is_err(), "{end}");
    }
    for place in 0..list.len() {
        let mut changed = list.clone();
        changed[place] ^= 1;
        let said = ask_about(&path, &[changed, root.clone()], &[], None, true);
        assert_eq!(said, Err("Unavailable".to_owned()), "{place}");
    }
}

#[test]
fn versions() {
    let chain = chain();
    let [int, root] = good(&chain);
    let mut v1 = int.clone();
    v1.version = None;
    assert_eq!(Crl::from_der(&v1.der()).unwrap_err(), CrlError::Version);
    v1.extensions.clear();
    assert!(ask(&chain, &[v1.der(), root.der()]).is_ok());
    let plain = v1.clone().revoking(&chain.leaf, EARLIER, vec![]);
    refused(&chain, &[plain.der(), root.der()], "Revoked");
    assert_eq!(Crl::from_der(&v1.for_reason(&chain.leaf, EARLIER, 1).der()).unwrap_err(), CrlError::Version);
    let mut other = int.clone();
    for version in [0, 2, 3] {
        other.version = Some(version);
        assert_eq!(variant(&Crl::from_der(&other.der()).unwrap_err()), "Malformed");
    }
    let mut differ = int.clone();
    differ.outer_algorithm = Some("1.2.840.10045.4.3.3");
    assert_eq!(variant(&Crl::from_der(&differ.der()).unwrap_err()), "SignatureAlgorithmsDiffer");
    let mut twice = int;
    twice.extensions.push(twice.extensions[0].clone());
    assert_eq!(variant(&Crl::from_der(&twice.der()).unwrap_err()), "Malformed");
}

#[test]
fn lists_have_bounds() {
    let chain = chain();
    let [mut int, root] = good(&chain);
    assert_eq!(variant(&Crl::from_der(&vec![0x30; MAX_CRL_BYTES + 1]).unwrap_err()), "TooLarge");
    assert_eq!(variant(Crl::from_file(&vec![b'-'; MAX_CRL_BYTES + 1])[0].as_ref().unwrap_err()), "TooLarge");
    for serial in 0..u32::try_from(MAX_CRL_ENTRIES).unwrap() {
        let [_, serial @ ..] = serial.to_be_bytes();
        int.more_entries.extend([0x30, 0x15, 2, 4, 0x11]);
        int.more_entries.extend(serial);
        int.more_entries.extend(b"\x17\x0d260301000000Z");
    }
    let read = Crl::from_der(&int.der()).unwrap();
    assert_eq!((read.len(), read.is_empty(), read.issuer()), (MAX_CRL_ENTRIES, false, "CN=int".to_owned()));
    assert!(ask(&chain, &[int.der(), root.der()]).is_ok());
    int = int.revoking(&chain.root, EARLIER, vec![]);
    assert_eq!(variant(&Crl::from_der(&int.der()).unwrap_err()), "TooManyEntries");
    refused(&chain, &[int.der(), root.der()], "Unavailable");
    let mut many = root;
    many.extensions = (0..33).map(|arc| empty(&format!("1.2.3.{arc}"), false)).collect();
    assert_eq!(variant(&Crl::from_der(&many.der()).unwrap_err()), "Malformed");
    many.extensions.pop();
    assert!(Crl::from_der(&many.der()).is_ok());
}

/// An encoder that is not ours.
#[test]
fn lists_of_rcgen() {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    };
    let params = |name: &str, usages: &[KeyUsagePurpose]| {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.key_usages = usages.to_vec();
        params
    };
    let mut root = params("root", &[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root_certificate = root.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(root, root_key);
    let mut leaf = params("leaf", &[KeyUsagePurpose::DigitalSignature]);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    leaf.serial_number = Some(0xbeef_u64.into());
    let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let certificate = |der: &[u8]| modelseal_verify::x509::Certificate::from_der(der).unwrap();
    let roots = modelseal_verify::x509::Roots::new(vec![certificate(root_certificate.der())]).unwrap();
    let now = NOW.parse().unwrap();
    let path = modelseal_verify::x509::verify_path(&[certificate(leaf.der())], &roots, now).unwrap();
    let list = |serials: &[u64]| {
        let revoked = |serial: &u64| rcgen::RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: rcgen::date_time_ymd(2026, 3, 1),
            reason_code: Some(rcgen::RevocationReason::Superseded),
            invalidity_date: Some(rcgen::date_time_ymd(2026, 2, 1)),
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 5, 31),
            next_update: rcgen::date_time_ymd(2026, 6, 7),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&issuer).unwrap().der().to_vec()
    };
    let check = |serials: &[u64], times: &[&str]| {
        let times: Vec<Timestamp> = times.iter().map(|at| at.parse().unwrap()).collect();
        let question =
            RevocationQuestion { now, trusted_times: &times, max_age: None, status_required: true };
        RevocationLists::read([("a.crl".to_owned(), list(serials))]).check(&path, &question)
    };
    assert_eq!(check(&[1, 2], &[]), Ok(at("2026-06-07T00:00:00Z")));
    assert_eq!(check(&[], &[]), Ok(at("2026-06-07T00:00:00Z")));
    assert_eq!(variant(&check(&[1, 0xbeef], &[]).unwrap_err()), "Revoked");
    assert!(check(&[0xbeef], &["2026-01-20T00:00:00Z"]).is_ok());
    assert_eq!(variant(&check(&[0xbeef], &["2026-02-20T00:00:00Z"]).unwrap_err()), "Revoked");
}
