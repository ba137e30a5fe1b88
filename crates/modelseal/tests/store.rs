//! An attestation store: what is put in comes out, whoever else writes, and whatever is done to the index.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "these are tests")]

mod support;

use modelseal::{ArtifactId, Problem, ProblemKind, Store, StoreError, StoredBundle};
use modelseal_core::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use support::{base, digest, file, key, provenance, sign, step};
use tempfile::TempDir;

fn sha256(bytes: &[u8]) -> String {
    Digest::sha256(Sha256::digest(bytes).into()).to_hex()
}

fn model(name: &str) -> Vec<ArtifactId> {
    ArtifactId::parse(&format!("dirHash:{}", digest(name))).unwrap()
}

fn digests(bundles: &[StoredBundle]) -> Vec<String> {
    let mut digests: Vec<_> = bundles.iter().map(|bundle| bundle.sha256.to_hex()).collect();
    digests.sort();
    digests
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// What every question about these models would be answered with, by reading every file.
fn by_brute_force(store: &Store, ids: &[ArtifactId]) -> (Vec<String>, Vec<String>) {
    let (mut about, mut using) = (Vec::new(), Vec::new());
    for bundle in store.bundles().unwrap().flatten() {
        let Some(claims) = &bundle.claims else { continue };
        if claims.subjects.iter().any(|subject| subject.is_any_of(ids)) {
            about.push(bundle.sha256.to_hex());
        }
        if claims.dependencies.iter().any(|dependency| dependency.is_any_of(ids)) {
            using.push(bundle.sha256.to_hex());
        }
    }
    (sorted(about), sorted(using))
}

fn agrees_with_brute_force(store: &Store, names: &[String]) {
    for name in names {
        let ids = model(name);
        let (about, using) = by_brute_force(store, &ids);
        assert_eq!(digests(&store.about(&ids).unwrap()), about, "about {name}");
        assert_eq!(digests(&store.used_by(&ids[0]).unwrap()), using, "used by {name}");
    }
}

struct World {
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn store(&self) -> Store {
        Store::create(self.path()).unwrap()
    }

    fn index(&self) -> PathBuf {
        self.path().join(".index.sqlite")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Makes every folder look as if nobody had touched it for long.
    fn settle(&self) {
        fn age(path: &Path) {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    age(&entry.path());
                }
            }
            let old = SystemTime::now() - Duration::from_secs(60);
            let folder = fs::File::open(path).unwrap();
            folder.set_modified(old).unwrap();
        }
        age(&self.path());
    }
}

#[test]
fn a_bundle_is_one_file_under_the_name_of_its_content() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    let bundle = step(&signer, "tuned", "foundation");
    let stored = store.put(&bundle).unwrap();
    assert!(stored.new);
    let hex = sha256(&bundle);
    assert_eq!(stored.path, world.path().join(&hex[..2]).join(format!("{hex}.sigstore.json")));
    assert_eq!((fs::read(&stored.path).unwrap(), stored.sha256.to_hex()), (bundle.clone(), hex));
    assert!(!store.put(&bundle).unwrap().new);
    for bad in [&b"{}"[..], b"", b"\xff", &bundle[..bundle.len() - 3]] {
        assert!(matches!(store.put(bad), Err(StoreError::NotABundle(_))));
    }
    assert_eq!(store.bundles().unwrap().count(), 1);

    let found = store.about(&model("tuned")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].bytes, found[0].line, &found[0].path), (&bundle, None, &stored.path));
    assert_eq!(digests(&store.used_by(&model("foundation")[0]).unwrap()), [stored.sha256.to_hex()]);
    assert_eq!(store.get(&stored.sha256).unwrap().unwrap().bytes, bundle);
    assert_eq!(store.naming("pkg:huggingface/acme/foundation@1").unwrap().len(), 1);
    for nothing in ["foundation", "other"] {
        assert_eq!(store.about(&model(nothing)).unwrap().len(), 0);
    }
    assert_eq!(store.used_by(&model("tuned")[0]).unwrap().len(), 0);
    assert_eq!(store.naming("pkg:huggingface/acme/other@1").unwrap().len(), 0);
    assert!(store.get(&Digest::sha256([7; 32])).unwrap().is_none());
    assert_eq!((store.problems().unwrap(), store.notes()), (vec![], vec![]));
    // A new handle, which reads the index that was kept.
    assert_eq!(world.store().refresh().unwrap().read, 0);
    assert_eq!(world.store().about(&model("tuned")).unwrap().len(), 1);
}

#[test]
fn the_digest_of_a_directory_never_stands_for_a_file() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    store.put(&step(&signer, "tuned", "foundation")).unwrap();
    let root = digest("root of tuned");
    // A file whose bytes are the concatenated digests has the directory's root digest.
    let statement =
        provenance("x", &[]).replace(&support::directory("x"), &format!(r#""digest":{{"sha256":"{root}"}}"#));
    let of_file = store.put(&sign(&signer, &statement)).unwrap();
    let file_ids = ArtifactId::parse(&format!("sha256:{root}")).unwrap();
    assert_eq!(digests(&store.about(&file_ids).unwrap()), [of_file.sha256.to_hex()]);
    assert_eq!(store.about(&model("tuned")).unwrap().len(), 1);
    let base_root = ArtifactId::parse(&format!("sha256:{}", digest("root of foundation"))).unwrap();
    assert_eq!(store.used_by(&base_root[0]).unwrap().len(), 0);
}

#[test]
fn lines_come_in_in_any_order_and_what_is_unknown_is_left_out() {
    let (signer, _) = key();
    let (one, two) = (step(&signer, "one", "zero"), step(&signer, "two", "one"));
    let policy = {
        use modelseal::Signer as _;
        let envelope = modelseal_core::dsse::Envelope::new("text/plain", b"x".to_vec(), vec![1]);
        modelseal_core::bundle::Bundle::new(signer.material(), envelope).to_json().unwrap()
    };
    let lines: Vec<&[u8]> =
        vec![b"{\"future\": 1}\n", &one, b"\n", b"not json\n", &two, &policy, b"[]\n", &one];
    let mut all = Vec::new();
    for rotation in 0..lines.len() {
        let world = World::new();
        let store = world.store();
        let mut rotated = lines.clone();
        rotated.rotate_left(rotation);
        let imported = store.import_json_lines(&rotated.concat()).unwrap();
        assert_eq!((imported.stored.len(), imported.skipped), (4, 3), "{imported:?}");
        assert_eq!(imported.stored.iter().filter(|stored| stored.new).count(), 3);
        assert!(imported.first_skipped.is_some_and(|(line, why)| line > 0 && !why.is_empty()));
        // The same names as when each had been put.
        for bundle in [&one, &two, &policy] {
            assert!(!store.put(bundle).unwrap().new);
        }
        let mut out = Vec::new();
        assert_eq!(store.export(&mut out).unwrap(), 3);
        all.push(out);

        // The same lines, left where somebody else put them.
        let world = World::new();
        world.write("team/day/all.intoto.jsonl", &rotated.concat());
        let store = world.store();
        agrees_with_brute_force_once(&store, "one", &one);
        let found = store.about(&model("two")).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bytes, two.trim_ascii());
        assert!(found[0].place().contains("all.intoto.jsonl:"));
        assert_eq!(store.get(&found[0].sha256).unwrap().unwrap().line, found[0].line);
        let problems = store.problems().unwrap();
        assert!(
            matches!(&problems[..], [Problem { kind: ProblemKind::NoBundle, message, .. }] if message.contains("3 lines"))
        );
    }
    all.dedup();
    assert_eq!(all.len(), 1, "an export depends on nothing but the bundles");
}

/// The same line twice is one answer.
fn agrees_with_brute_force_once(store: &Store, name: &str, bundle: &[u8]) {
    let found = store.about(&model(name)).unwrap();
    assert_eq!(digests(&found), [sha256(bundle.trim_ascii())]);
}
