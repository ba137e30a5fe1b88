//! Attestations, exact JSON and deny feeds.

use modelseal_core::{
    artifact::ArtifactId,
    attestation::{Subject, read_attestation},
    cover::{Target, read_digest_method},
    croissant::{Croissant, Pin},
    deny_feed::DenyFeed,
    digest::{Algorithm, Digest},
    dsse::IN_TOTO_PAYLOAD_TYPE,
    json::{
        pointer::{Pointer, PointerError},
        value::Value,
    },
    manifest::{Manifest, Resource, Serialization},
    path::ModelPath,
    predicate::{Predicate, descriptor::DigestSet, svr_v0_2::Svr, vsa_v1::Vsa},
    purl::Purl,
    rollback::RollbackState,
};
use modelseal_verify::{provenance::producer::commits, statement_check::check};

/// What reads keeps its predicate exactly, what we write of it reads back as the same, and its subjects cover no model that
/// they do not name. What is wrong with a statement has a place in it, and none is accepted that cannot be read.
pub fn attestation(data: &[u8]) {
    let checked = check(data);
    for problem in &checked.problems {
        assert!(!problem.message.is_empty());
        // A document that is nested too deeply has its place there, too.
        let pointer = Pointer::parse(&problem.at);
        assert!(matches!(&pointer, Ok(_) | Err(PointerError::TooDeep(_))), "{pointer:?}");
    }
    let read = match read_attestation(IN_TOTO_PAYLOAD_TYPE, data) {
        Ok(read) => read,
        Err(e) => {
            assert!(checked.attestation.is_none() && checked.problems.len() == 1);
            assert!(!e.to_string().is_empty() && e.at() == checked.problems[0].at);
            return;
        }
    };
    assert_eq!(checked.attestation.as_ref(), Some(&read));
    assert!(!read.subjects.is_empty() && !read.predicate_type.is_empty());
    let again = Value::parse(read.raw.to_string().as_bytes(), 1 << 30).expect("what we write, we read");
    assert_eq!(again, read.raw);
    match &read.predicate {
        Predicate::Vsa(vsa) => assert_eq!(Vsa::read(&vsa.to_value()).as_ref(), Ok(&**vsa)),
        Predicate::Svr(svr) => assert_eq!(Svr::read(&svr.to_value()).as_ref(), Ok(&**svr)),
        Predicate::Provenance(provenance) => drop((provenance.source(), commits(provenance))),
        _ => {}
    }
    for method in read.subjects.iter().filter_map(|subject| subject.digest_method.as_deref()) {
        // Sizes of shards have no bound here: the measurement has.
        assert!(read_digest_method(method).is_none() || method.starts_with("oms/v1.0;"));
    }
    covers(&read.subjects);
}

/// What identifies an artifact has one spelling, which reads back as itself.
fn artifacts(text: &str) {
    match ArtifactId::parse(text) {
        Ok(ids) => {
            assert!(!ids.is_empty());
            for id in ids {
                assert_eq!(ArtifactId::parse(&id.to_string()), Ok(vec![id]));
            }
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    if let Ok(digests) = DigestSet::parse(text) {
        assert!(digests.has_accepted() && ArtifactId::parse(text).is_ok());
    }
}

/// What a description pins has a SHA-256, or is part of something else in it.
fn croissant(data: &[u8]) {
    let described = match Croissant::parse(data) {
        Ok(described) => described,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    let pinned = described.pinned();
    assert_eq!(pinned.len(), described.files.len());
    for (file, pinned) in described.files.iter().zip(pinned) {
        assert!(!file.pin.to_string().is_empty());
        match &file.pin {
            Pin::Sha256(hex) => assert!(pinned && Digest::from_hex(Algorithm::Sha256, hex).is_ok()),
            Pin::Inside(_) => {}
            _ => assert!(!pinned),
        }
    }
}

/// The same JSON as `serde_json` sees, and every pointer into it gives something or says that there is nothing.
pub fn value(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let pointer = Pointer::parse(&text);
    drop(Purl::parse(&text).map(|purl| purl.reference()));
    artifacts(&text);
    croissant(data);
    // `serde_json` gives this member name a meaning of its own when it builds a `Value`.
    if text.contains("serde_json::private") {
        return;
    }
    let Ok(value) = Value::parse(data, 1 << 20) else { return };
    let theirs: serde_json::Value = serde_json::from_slice(data).expect("what we read is JSON");
    let ours: serde_json::Value = serde_json::from_str(&value.to_string()).expect("what we write is JSON");
    assert_eq!(ours, theirs);
    for text in ["", "/a", "/*", "/*/*", "/0/*/name", "/predicate/buildDefinition/resolvedDependencies/*/uri"]
    {
        let pointer = Pointer::parse(text).expect("a pointer");
        let places = pointer.select(&value);
        assert!(!places.is_empty() && (pointer.is_many() || places.len() == 1));
    }
    if let Ok(pointer) = pointer {
        assert!(!pointer.select(&value).is_empty());
    }
}

/// Deny feeds and remembered versions: what reads can be written and means the same.
pub fn feed(data: &[u8]) {
    match DenyFeed::parse(data) {
        Ok(feed) => {
            let written = feed.to_json().expect("a feed can be written");
            assert_eq!(DenyFeed::parse(&written).expect("what we write, we read"), feed);
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    match RollbackState::parse(data) {
        Ok(state) => {
            let written = state.to_json().expect("a state can be written");
            assert_eq!(RollbackState::parse(&written).expect("what we write, we read"), state);
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// A model of the files that subjects name, and the same model with one more file.
fn covers(subjects: &[Subject]) {
    let file = |subject: &Subject| {
        let digest = Digest::from_hex(Algorithm::Sha256, subject.digest.get("sha256")?).ok()?;
        Some(Resource { path: ModelPath::parse(subject.name.as_deref()?).ok()?, range: None, digest })
    };
    let mut files: Vec<Resource> = subjects.iter().take(64).filter_map(file).collect();
    for extra in [false, true] {
        if extra {
            let path = ModelPath::parse("no-subject-has-this-name").expect("a name");
            files.push(Resource { path, range: None, digest: Digest::sha256([0; 32]) });
        }
        let Ok(manifest) = Manifest::sorted(Serialization::default(), files.clone()) else { return };
        let cover = Target::of(&manifest).cover(subjects);
        assert!(!cover.to_string().is_empty());
        let named = |subject: &Subject| {
            let whole = manifest.manifest_digest().to_hex();
            subject.name.as_deref() == Some("no-subject-has-this-name")
                || ["dirHash", "manifest-sha256"].iter().any(|name| subject.digest.get(name) == Some(&whole))
        };
        assert!(!(extra && cover.is_full() && !subjects.iter().any(named)));
        assert!(!Target::of(&manifest).cover(&[]).is_full());
    }
}
