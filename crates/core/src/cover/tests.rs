use super::*;
use crate::predicate::descriptor::DigestSet;
use proptest::prelude::*;
use std::num::NonZeroU64;

fn file(name: &str, byte: u8) -> Resource {
    Resource { path: ModelPath::parse(name).unwrap(), range: None, digest: Digest::sha256([byte; 32]) }
}

fn shard(name: &str, start: u64, end: u64, byte: u8) -> Resource {
    Resource { range: Some(ByteRange { start, end }), ..file(name, byte) }
}

fn files(resources: Vec<Resource>) -> Manifest {
    Manifest::sorted(Serialization::default(), resources).unwrap()
}

fn shards(resources: Vec<Resource>) -> Manifest {
    let method = Method::Shards(NonZeroU64::new(10).unwrap());
    Manifest::sorted(Serialization { method, ..Default::default() }, resources).unwrap()
}

fn subject(name: &str, digests: &[(&str, &str)], method: Option<&str>) -> Subject {
    Subject {
        name: (!name.is_empty()).then(|| name.to_owned()),
        uri: None,
        digest: DigestSet::of(digests.iter().copied()),
        digest_method: method.map(str::to_owned),
    }
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn of_file(name: &str, byte: u8) -> Subject {
    subject(name, &[("sha256", &hex(byte))], None)
}

fn cover(manifest: &Manifest, subjects: &[Subject]) -> Cover {
    Target::of(manifest).cover(subjects)
}

#[test]
fn digests_that_cover_names_cover_the_model() {
    let model = files(vec![file("a", 1), file("b/c", 2)]);
    let digest = model.manifest_digest().to_hex();
    let root = model.root_digest().to_hex();
    let full = [
        (subject("m", &[("dirHash", &digest)], None), FullBy::DirHash),
        (
            subject("", &[("sha256", &root), ("dirHash", &digest)], Some("oms/v1.0;files;sha256")),
            FullBy::DirHash,
        ),
        (subject("m", &[(MANIFEST_DIGEST, &digest)], Some("oms/v1.0;files;sha256")), FullBy::ManifestDigest),
    ];
    for (subject, by) in full {
        assert_eq!(cover(&model, &[of_file("other", 9), subject]), Cover::Full(by));
    }
    for no in [
        subject("m", &[("dirHash", &root)], None),
        subject("m", &[("sha256", &digest)], None),
        subject("m", &[("gitTree", &digest)], None),
        subject("m", &[(MANIFEST_DIGEST, &digest)], None),
        subject("m", &[(MANIFEST_DIGEST, &digest)], Some("oms/v1.0;files;blake3")),
    ] {
        assert!(!cover(&model, std::slice::from_ref(&no)).is_full(), "{no:?}");
    }
}

#[test]
fn digests_of_two_directories_at_once_cover_neither() {
    let model = files(vec![file("a", 1), file("b/c", 2)]);
    let (digest, other) = (model.manifest_digest().to_hex(), hex(9));
    for (dir_hash, manifest_digest) in [(&digest, &other), (&other, &digest), (&other, &other)] {
        let both = [("dirHash", &**dir_hash), (MANIFEST_DIGEST, &**manifest_digest)];
        let found = cover(&model, &[subject("m", &both, Some("oms/v1.0;files;sha256"))]);
        assert_eq!(found, Cover::None(vec![NearMiss::OtherDirectory { subject: "m".into() }]), "{both:?}");
    }
    // By another method the two are no contradiction: this one is the shards of something.
    let both = [("dirHash", &*digest), (MANIFEST_DIGEST, &*other)];
    let found = cover(&model, &[subject("m", &both, Some("oms/v1.0;shards;1000;sha256"))]);
    assert_eq!(found, Cover::Full(FullBy::DirHash));
}

#[test]
fn the_root_digest_alone_never_vouches() {
    let model = files(vec![file("a", 1), file("b", 2)]);
    let root = model.root_digest().to_hex();
    for method in [None, Some("oms/v1.0"), Some("oms/v1.0;files;sha256")] {
        let found = cover(&model, &[subject("m", &[("sha256", &root)], method)]);
        assert_eq!(found, Cover::None(vec![NearMiss::RootDigestOnly { subject: "m".into() }]));
        assert!(found.to_string().contains("does not cover file names"), "{found}");
    }
}

#[test]
fn a_renamed_or_swapped_file_is_another_model() {
    let signed = files(vec![file("a", 1), file("b", 2)]);
    let renamed = files(vec![file("a", 1), file("c", 2)]);
    let swapped = files(vec![file("a", 2), file("b", 1)]);
    assert_eq!(signed.root_digest(), renamed.root_digest());
    let whole = subject("m", &[("dirHash", &signed.manifest_digest().to_hex())], None);
    let each = [of_file("a", 1), of_file("b", 2)];
    for other in [&renamed, &swapped] {
        assert!(!cover(other, std::slice::from_ref(&whole)).is_full());
        assert!(!cover(other, &each).is_full());
    }
    assert_eq!(cover(&signed, &each), Cover::Full(FullBy::EveryFile(2)));
    let expected = Cover::Partial { covered: 1, files: 2, uncovered: vec!["c".into()] };
    assert_eq!(cover(&renamed, &each), expected);
    assert_eq!(expected.to_string(), "1 of 2 files; not 'c'");
    assert!(
        matches!(&cover(&swapped, &each), Cover::None(near) if near.len() == 4),
        "{}",
        cover(&swapped, &each)
    );
}

#[test]
fn a_file_never_stands_for_a_directory_nor_a_directory_for_a_file() {
    let model = files(vec![file("a", 1), file("b", 2)]);
    let root = model.root_digest();
    // A file that holds the digests one after the other has the root digest as its SHA-256.
    let crafted = subject("digests.bin", &[("sha256", &root.to_hex())], None);
    assert!(!cover(&model, &[crafted]).is_full());
    // The other way round: a directory's subject, and a model that is the crafted file.
    let directory = subject(
        "m",
        &[("sha256", &root.to_hex()), ("dirHash", &model.manifest_digest().to_hex())],
        Some("oms/v1.0;files;sha256"),
    );
    let one = Resource { digest: root, ..file("m", 0) };
    assert!(!cover(&files(vec![one.clone()]).of_single_file(), std::slice::from_ref(&directory)).is_full());
    assert!(!cover(&files(vec![one]), &[directory]).is_full());
    // A file's digest inside the model is no directory's either.
    let marked = subject("a", &[("sha256", &hex(1))], Some("oms/v1.0;files;sha256"));
    assert!(!cover(&files(vec![file("a", 1)]), &[marked]).is_full());
}

#[test]
fn a_model_of_one_file_is_covered_by_its_digest_under_any_name() {
    let single = files(vec![file("model.gguf", 7)]).of_single_file();
    let dot = files(vec![Resource { path: ModelPath::reference_single_file(), ..file("x", 7) }]);
    for model in [&single, &dot] {
        for name in ["model.gguf", "dist/renamed.gguf", ""] {
            assert_eq!(cover(model, &[of_file(name, 7)]), Cover::Full(FullBy::File), "{name}");
        }
        assert!(!cover(model, &[of_file("model.gguf", 8)]).is_full());
    }
    // In a directory, its name is part of the model.
    let directory = files(vec![file("model.gguf", 7)]);
    assert_eq!(cover(&directory, &[of_file("model.gguf", 7)]), Cover::Full(FullBy::EveryFile(1)));
    let miss = NearMiss::OtherName { subject: "renamed.gguf".into(), file: "model.gguf".into() };
    assert_eq!(cover(&directory, &[of_file("renamed.gguf", 7)]), Cover::None(vec![miss]));
}

#[test]
fn names_are_compared_as_whole_paths() {
    let model = files(vec![file("unet/model.bin", 1), file("vae/model.bin", 2)]);
    assert!(!cover(&model, &[of_file("model.bin", 1), of_file("model.bin", 2)]).is_full());
    assert!(!cover(&model, &[of_file("./unet/model.bin", 1), of_file("vae//model.bin", 2)]).is_full());
    assert!(!cover(&model, &[of_file("UNET/model.bin", 1), of_file("vae/model.bin", 2)]).is_full());
    assert!(
        cover(&model, &[of_file("unet/model.bin", 1), of_file("vae/model.bin", 2), of_file("x", 3)])
            .is_full()
    );
}

#[test]
fn two_digests_for_one_name_cover_nothing() {
    let model = files(vec![file("a", 1)]);
    let both = [of_file("a", 1), of_file("a", 2)];
    let miss = NearMiss::Contradiction { file: "a".into() };
    assert!(matches!(cover(&model, &both), Cover::None(near) if near.contains(&miss)));
    assert!(cover(&model, &[of_file("a", 1), of_file("a", 1)]).is_full());
    let other = [subject("a", &[("sha512", &"a".repeat(128))], None)];
    let miss = NearMiss::NotComparable { file: "a".into() };
    assert_eq!(cover(&model, &other), Cover::None(vec![miss]));
}

#[test]
fn shards_are_covered_by_the_manifest_digest_or_when_files_are_one_shard() {
    let small = shards(vec![shard("a", 0, 10, 1), shard("b", 0, 3, 2)]);
    assert!(cover(&small, &[of_file("a", 1), of_file("b", 2)]).is_full());
    let large = shards(vec![shard("a", 0, 10, 1), shard("a", 10, 12, 3), shard("b", 0, 3, 2)]);
    let each = [of_file("a", 1), of_file("b", 2)];
    assert!(matches!(cover(&large, &each), Cover::Partial { covered: 1, files: 2, .. }));
    let digest = large.manifest_digest().to_hex();
    let whole = |method| [subject("m", &[(MANIFEST_DIGEST, &digest)], method)];
    assert!(cover(&large, &whole(Some("oms/v1.0;shards;10;sha256"))).is_full());
    assert!(!cover(&large, &whole(Some("oms/v1.0;shards;11;sha256"))).is_full());
    assert!(!cover(&large, &whole(None)).is_full());
    assert!(!cover(&large, &[subject("m", &[("dirHash", &digest)], None)]).is_full());
}

#[test]
fn a_file_named_like_a_shard_is_no_shard() {
    let sharded = shards(vec![shard("a", 0, 10, 1)]);
    let plain = files(vec![file("a:0:10", 1)]);
    assert_eq!(sharded.manifest_digest(), plain.manifest_digest());
    let digest = plain.manifest_digest().to_hex();
    let of_plain =
        subject("m", &[("dirHash", &digest), (MANIFEST_DIGEST, &digest)], Some("oms/v1.0;files;sha256"));
    assert!(cover(&plain, std::slice::from_ref(&of_plain)).is_full());
    assert!(!cover(&sharded, &[of_plain]).is_full());
    assert!(!cover(&sharded, &[of_file("a:0:10", 1)]).is_full());
}

#[test]
fn a_part_of_a_directory_counts_for_nothing_by_itself() {
    let signed = files(vec![file("a", 1), file("b", 2)]);
    let mut subjects = vec![subject("m", &[("dirHash", &signed.manifest_digest().to_hex())], None)];
    subjects.extend(["a", "b"].iter().zip(1..).map(|(name, byte)| Subject {
        digest_method: Some(PART_OF_DIRECTORY.into()),
        ..of_file(name, byte)
    }));
    assert!(cover(&signed, &subjects).is_full());
    let miss = NearMiss::OtherDirectory { subject: "m".into() };
    let smaller = files(vec![file("a", 1)]);
    assert_eq!(cover(&smaller, &subjects), Cover::None(vec![miss.clone()]));
    assert_eq!(cover(&smaller.of_single_file(), &subjects), Cover::None(vec![miss]));
    assert!(!cover(&signed, &subjects[1..]).is_full());
}

#[test]
fn nothing_covers_nothing() {
    let model = files(vec![file("a", 1)]);
    assert_eq!(cover(&model, &[]), Cover::None(vec![]));
    assert_eq!(
        cover(&model, &[of_file("", 1)]),
        Cover::None(vec![NearMiss::OtherName { subject: String::new(), file: "a".into() }])
    );
    assert_eq!(cover(&model, &[]).to_string(), "nothing of the model");
}

fn rank(cover: &Cover) -> (u8, usize) {
    match cover {
        Cover::Full(_) => (2, 0),
        Cover::Partial { covered, .. } => (1, *covered),
        Cover::None(_) => (0, 0),
    }
}

fn arbitrary_subject() -> impl Strategy<Value = Subject> {
    (0..6_u8, 0..4_u8, 0..8_u8).prop_map(|(name, byte, kind)| {
        let model = files((0..4).map(|n| file(&n.to_string(), n)).collect());
        let manifest = model.manifest_digest().to_hex();
        let root = model.root_digest().to_hex();
        match kind {
            0 => subject("m", &[("sha256", &root)], Some("oms/v1.0;files;sha256")),
            1 => subject("m", &[("dirHash", &manifest)], None),
            2 => subject("m", &[(MANIFEST_DIGEST, &manifest)], None),
            _ => of_file(&name.to_string(), byte),
        }
    })
}

proptest! {
    /// Where no name stands twice with different digests, which a producer must not write.
    #[test]
    fn dropping_a_subject_never_raises_the_cover(
        mut subjects in proptest::collection::vec(arbitrary_subject(), 0..12),
        at in any::<prop::sample::Index>(),
    ) {
        let mut seen = HashMap::new();
        subjects.retain(|s| *seen.entry(s.name.clone()).or_insert_with(|| s.digest.clone()) == s.digest);
        let model = files((0..4).map(|n| file(&n.to_string(), n)).collect());
        let before = rank(&cover(&model, &subjects));
        if !subjects.is_empty() {
            subjects.remove(at.index(subjects.len()));
        }
        prop_assert!(rank(&cover(&model, &subjects)) <= before);
    }

    #[test]
    fn order_does_not_matter(subjects in proptest::collection::vec(arbitrary_subject(), 0..12)) {
        let model = files((0..4).map(|n| file(&n.to_string(), n)).collect());
        let reversed: Vec<Subject> = subjects.iter().rev().cloned().collect();
        prop_assert_eq!(rank(&cover(&model, &subjects)), rank(&cover(&model, &reversed)));
    }

    #[test]
    fn every_file_alone_is_full_and_less_is_not(
        names in proptest::collection::btree_set("[a-c]{1,3}", 1..8),
        without in any::<prop::sample::Index>(),
    ) {
        let resources: Vec<Resource> = names.iter().zip(1..).map(|(n, b)| file(n, b)).collect();
        let mut subjects: Vec<Subject> = names.iter().zip(1..).map(|(n, b)| of_file(n, b)).collect();
        let model = files(resources);
        prop_assert!(cover(&model, &subjects).is_full());
        subjects.remove(without.index(subjects.len()));
        prop_assert!(!cover(&model, &subjects).is_full());
    }
}

#[test]
fn a_digest_method_is_read_back_and_no_other_spelling_is() {
    let size = NonZeroU64::new(1_000_000_000).unwrap();
    for method in [Method::Files, Method::Shards(size)] {
        for algorithm in Algorithm::ALL {
            let serialization = Serialization { method, algorithm, ..Default::default() };
            assert_eq!(read_digest_method(&digest_method(&serialization)), Some((method, algorithm)));
        }
    }
    for other in [
        "",
        "oms/v1.0",
        "oms/v1.0;files",
        "oms/v1.0;files;md5",
        "oms/v1.0;files;sha256;",
        "oms/v1.0;shards;sha256",
        "oms/v1.0;shards;0;sha256",
        "oms/v1.0;shards;+10;sha256",
        "oms/v1.0;shards;010;sha256",
        "oms/v2;files;sha256",
        PART_OF_DIRECTORY,
    ] {
        assert_eq!(read_digest_method(other), None, "{other}");
    }
}
