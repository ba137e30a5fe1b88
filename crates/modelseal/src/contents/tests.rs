use super::*;
use modelseal_core::{
    digest::Algorithm,
    manifest::{Resource, Serialization},
};
use modelseal_model::Source;
use std::{fs::File, path::PathBuf};

const SHARD: u64 = 1_000_000;

fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(<sha2::Sha256 as sha2::Digest>::digest(bytes).into())
}

/// A file of zeros, which takes no room on the disk.
fn sparse(len: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.bin");
    File::create(&path).unwrap().set_len(len).unwrap();
    (folder, path)
}

fn contents(path: &Path, method: Method, resources: Vec<Resource>) -> Contents {
    let serialization = Serialization { method, algorithm: Algorithm::Sha256, ..Serialization::default() };
    let manifest = Manifest::sorted(serialization, resources).unwrap();
    let files = Files::of(Source::open(path).unwrap(), &Options::default(), &()).unwrap();
    Contents::new(files, Arc::new(manifest), Effort::default())
}

#[test]
fn one_shard_of_a_huge_file_is_read_alone() {
    const LEN: u64 = 200_000_000_000;
    let (folder, _) = sparse(LEN);
    let path = ModelPath::parse("huge.bin").unwrap();
    let zeros = sha256(&[0; 1_000_000]);
    let shard = |n: u64| Resource {
        path: path.clone(),
        range: Some(ByteRange { start: n * SHARD, end: (n + 1) * SHARD }),
        // One shard is none of zeros.
        digest: if n == 77_777 { sha256(b"other") } else { zeros },
    };
    let method = Method::Shards(NonZeroU64::new(SHARD).unwrap());
    let contents = contents(folder.path(), method, (0..LEN / SHARD).map(shard).collect());
    let file = contents.open("huge.bin").unwrap();
    assert_eq!(file.len(), LEN);
    let mut buffer = [1; 4096];
    for offset in [0, 123_456_789_012, LEN - 4096, 77_776 * SHARD, 77_778 * SHARD] {
        buffer.fill(1);
        assert_eq!(file.read_at(&mut buffer, offset).unwrap(), 4096);
        assert!(buffer.iter().all(|byte| *byte == 0));
    }
    let mut tensor = vec![1; 2_500_000];
    contents.read_into("huge.bin", LEN - 2_500_000, &mut tensor, &()).unwrap();
    assert!(tensor.iter().all(|byte| *byte == 0));
    let error = LoadError::of(&file.read_at(&mut buffer, 77_777 * SHARD).unwrap_err()).cloned().unwrap();
    assert_eq!((error.code(), error.file()), ("integrity.digest-mismatch", Some("huge.bin")));
}

/// More than any machine has: the largest file of ext4 is a little larger.
#[test]
fn a_file_that_does_not_fit_into_memory_is_refused_before_it_is_read() {
    const LEN: u64 = 15_000_000_000_000;
    let (folder, _) = sparse(LEN);
    let whole = Resource { path: ModelPath::parse("huge.bin").unwrap(), range: None, digest: sha256(b"") };
    let contents = contents(folder.path(), Method::Files, vec![whole]);
    let file = contents.open("huge.bin").unwrap();
    let of_read = LoadError::of(&file.read_at(&mut [0; 10], 0).unwrap_err()).cloned().unwrap();
    let errors = [
        of_read,
        contents.read("huge.bin", &()).unwrap_err(),
        contents.open_all_fused(&()).unwrap_err(),
        #[cfg(target_os = "linux")]
        contents.sealed("huge.bin", &()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.code()), (crate::Kind::Undecided, "error.memory"), "{error}");
        assert!(error.to_string().contains("needs 15000000000000 bytes of memory"), "{error}");
        assert!(error.to_string().contains("shards"), "{error}");
    }
}

#[test]
fn the_reference_name_of_a_single_file_is_that_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.bin"), b"abc").unwrap();
    let dot = || Resource { path: ModelPath::reference_single_file(), range: None, digest: sha256(b"abc") };
    let of_file = contents(&folder.path().join("m.bin"), Method::Files, vec![dot()]);
    assert_eq!(&*of_file.read("m.bin", &()).unwrap(), b"abc");
    assert_eq!(of_file.open(".").unwrap_err().code(), "integrity.not-signed");
    let of_folder = contents(folder.path(), Method::Files, vec![dot()]);
    assert_eq!(of_folder.files().len(), 0);
    assert_eq!(of_folder.open("m.bin").unwrap_err().code(), "integrity.not-signed");
}

#[test]
fn shards_are_let_go_and_verified_again() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = vec![7; 3_000_000];
    std::fs::write(folder.path().join("f"), &bytes).unwrap();
    let shard = |n: u64| Resource {
        path: ModelPath::parse("f").unwrap(),
        range: Some(ByteRange { start: n * SHARD, end: (n + 1) * SHARD }),
        digest: sha256(&bytes[..1_000_000]),
    };
    let method = Method::Shards(NonZeroU64::new(SHARD).unwrap());
    let contents = contents(folder.path(), method, (0..3).map(shard).collect());
    let file = VerifiedFile::keeping(contents, 0, 2 * SHARD);
    let mut byte = [0];
    for n in [0, 1, 0, 2] {
        file.read_exact_at(&mut byte, n * SHARD).unwrap();
    }
    // 1 was used longest ago and is gone; the others are kept.
    std::fs::write(folder.path().join("f"), vec![8; 3_000_000]).unwrap();
    for n in [0, 2] {
        file.read_exact_at(&mut byte, n * SHARD).unwrap();
        assert_eq!(byte, [7]);
    }
    assert!(file.read_exact_at(&mut byte, SHARD).is_err());
    assert!(file.read_exact_at(&mut byte, 0).is_err(), "and the handle is poisoned");
}

#[test]
fn handles_go_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Contents>();
    check::<VerifiedFile>();
    check::<VerifiedBytes>();
    check::<LoadError>();
}
