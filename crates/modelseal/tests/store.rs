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
use support::{digest, key, provenance, sign, step};
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

#[test]
fn many_writers_at_once_lose_nothing_and_write_nothing_twice() {
    let (signer, _) = key();
    let world = World::new();
    // Every bundle is put by every thread.
    let bundles: Vec<_> = (0..25).map(|n| step(&signer, &format!("m{n}"), "base")).collect();
    let new: usize = std::thread::scope(|scope| {
        let (world, bundles) = (&world, &bundles);
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || {
                    let store = world.store();
                    let mut own = bundles.clone();
                    own.rotate_left(thread * 3);
                    let new = own.iter().filter(|bundle| store.put(bundle).unwrap().new).count();
                    // Readers meanwhile see a prefix of the truth, and never half a bundle.
                    for bundle in store.used_by(&model("base")[0]).unwrap() {
                        assert!(bundles.contains(&bundle.bytes));
                    }
                    new
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(new, bundles.len());
    let store = world.store();
    assert_eq!(store.used_by(&model("base")[0]).unwrap().len(), bundles.len());
    assert_eq!((store.bundles().unwrap().count(), store.problems().unwrap()), (bundles.len(), vec![]));
    let left_over =
        fs::read_dir(world.path()).unwrap().flatten().flat_map(|folder| fs::read_dir(folder.path()));
    assert!(
        left_over.flatten().flatten().all(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp"))
    );
}

#[test]
fn what_a_crashed_writer_left_is_ignored_and_removed_when_it_is_old() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    let bundle = step(&signer, "tuned", "foundation");
    let folder = world.path().join(&sha256(&bundle)[..2]);
    fs::create_dir(&folder).unwrap();
    let (old, young) = (folder.join(".modelseal-old.tmp"), folder.join(".modelseal-young.tmp"));
    for path in [&old, &young] {
        fs::write(path, &bundle[..100]).unwrap();
    }
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(yesterday).unwrap();
    assert_eq!(store.about(&model("tuned")).unwrap().len(), 0);
    assert_eq!(store.bundles().unwrap().count(), 0);
    store.put(&bundle).unwrap();
    assert_eq!(store.about(&model("tuned")).unwrap().len(), 1);
    assert_eq!((old.exists(), young.exists()), (false, true));
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_reported_and_never_used() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    let (one, two) = (step(&signer, "one", "zero"), step(&signer, "two", "one"));
    let stored = store.put(&one).unwrap();
    assert_eq!(store.about(&model("one")).unwrap().len(), 1);
    // In place, so that only reading tells.
    fs::write(&stored.path, &two).unwrap();
    for store in [&store, &world.store()] {
        assert_eq!(store.about(&model("one")).unwrap().len(), 0);
        assert_eq!(store.about(&model("two")).unwrap().len(), 0);
        assert!(store.get(&stored.sha256).unwrap().is_none());
        let problems = store.problems().unwrap();
        assert!(
            matches!(&problems[..], [p] if p.kind == ProblemKind::NotRead && p.path == stored.path),
            "{problems:?}"
        );
    }
    // The same when the index is made of it.
    fs::remove_file(world.index()).unwrap();
    let store = world.store();
    assert_eq!(store.about(&model("two")).unwrap().len(), 0);
    assert_eq!(store.problems().unwrap().len(), 1);
    // Putting the bundle again mends it.
    assert!(store.put(&one).unwrap().new);
    let store = world.store();
    assert_eq!(store.about(&model("one")).unwrap().len(), 1);
    assert_eq!(store.problems().unwrap(), []);
}

#[test]
fn what_the_index_only_glanced_at_is_judged_when_it_is_used() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    // Nothing that it is found by is wrong; the strict reader still wants a builder that is a URI.
    let malformed = provenance("tuned", &[support::base("foundation")])
        .replace("https://builder.example.com/gpu", "no URI");
    let stored = store.put(&sign(&signer, &malformed)).unwrap();
    store.put(&step(&signer, "tuned", "other")).unwrap();
    assert_eq!((store.refresh().unwrap().bundles, store.problems().unwrap()), (2, vec![]));
    assert_eq!(store.about(&model("tuned")).unwrap().len(), 1);
    assert_eq!(store.used_by(&model("foundation")[0]).unwrap().len(), 0);
    let problems = store.problems().unwrap();
    assert!(
        matches!(&problems[..], [p] if p.kind == ProblemKind::Malformed && p.path == stored.path),
        "{problems:?}"
    );
    let read: Vec<Problem> = store.bundles().unwrap().filter_map(Result::err).collect();
    assert_eq!(read, problems);
}

#[test]
fn an_index_that_is_damaged_anywhere_is_built_anew() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    let names: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    for pair in names.windows(2) {
        store.put(&step(&signer, &pair[1], &pair[0])).unwrap();
    }
    agrees_with_brute_force(&store, &names);
    let whole = fs::read(world.index()).unwrap();
    let image = whole.len();
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), vec![]),
        ("zeros".into(), vec![0; image]),
        ("text".into(), b"hello, world\n".repeat(1000)),
        ("doubled".into(), [&whole[..], &whole].concat()),
        ("without its checksum".into(), whole[..image - 40].to_vec()),
    ];
    for length in [1, 16, 99, 100, 101, 4096, image / 2, image - 1] {
        cases.push((format!("cut to {length}"), whole[..length].to_vec()));
    }
    for at in (0..image).step_by(image / 61).chain([18, 19, 24, 28, 60, 68, 100, image - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x11;
        cases.push((format!("byte {at}"), bytes));
    }
    for (what, bytes) in cases {
        fs::write(world.index(), &bytes).unwrap();
        let store = world.store();
        agrees_with_brute_force(&store, &names);
        assert!(store.notes().iter().any(|note| note.contains("built anew")), "{what}: {:?}", store.notes());
        assert_eq!(world.store().refresh().unwrap().read, 0, "{what}: it is whole again");
    }
    #[cfg(unix)]
    {
        // A link is replaced, not what it leads to; a pipe is not waited for.
        let precious = world.directory.path().join("precious");
        fs::write(&precious, "x").unwrap();
        fs::remove_file(world.index()).unwrap();
        std::os::unix::fs::symlink(&precious, world.index()).unwrap();
        agrees_with_brute_force(&world.store(), &names);
        assert_eq!(fs::read(&precious).unwrap(), b"x");
        fs::remove_file(world.index()).unwrap();
        fs::create_dir(world.index()).unwrap();
        let store = world.store();
        agrees_with_brute_force(&store, &names);
        assert!(store.notes().iter().any(|note| note.contains("cannot be kept")), "{:?}", store.notes());
    }
}

/// Changes the database inside an index and makes its checksum right again, as somebody would who can write to the store.
fn forge(index: &Path, change: impl FnOnce(&rusqlite::Connection)) {
    let bytes = fs::read(index).unwrap();
    let image = &bytes[..bytes.len() - 40];
    let mut database = rusqlite::Connection::open_in_memory().unwrap();
    database.deserialize_read_exact(rusqlite::MAIN_DB, image, image.len(), false).unwrap();
    change(&database);
    let image = database.serialize(rusqlite::MAIN_DB).unwrap().to_vec();
    let checksum = blake3::hash(&image);
    fs::write(index, [&image[..], b"msindex1", checksum.as_bytes()].concat()).unwrap();
}

#[test]
fn an_index_that_somebody_forged_leads_nowhere_else() {
    let (signer, _) = key();
    let world = World::new();
    let secret = step(&signer, "m1", "secret");
    fs::write(world.directory.path().join("secret.json"), &secret).unwrap();
    let store = world.store();
    let names: Vec<String> = (0..6).map(|n| format!("m{n}")).collect();
    for pair in names.windows(2) {
        store.put(&step(&signer, &pair[1], &pair[0])).unwrap();
    }
    world.write("team/extra.json", &step(&signer, "m3", "m1"));
    agrees_with_brute_force(&store, &names);
    let whole = fs::read(world.index()).unwrap();
    let forged: [(&str, bool); 19] = [
        ("PRAGMA user_version = 7", true),
        ("PRAGMA application_id = 7", true),
        ("DROP TABLE types", true),
        ("CREATE TABLE more(x)", true),
        ("CREATE VIEW v AS SELECT * FROM links", true),
        ("CREATE TRIGGER t AFTER INSERT ON documents BEGIN DELETE FROM links; END", true),
        ("DROP INDEX named_documents", true),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE folders(x)' WHERE name = 'folders'",
            true,
        ),
        ("UPDATE folders SET path = '../..' WHERE path = 'team'", true),
        ("UPDATE folders SET path = '/etc' WHERE path = 'team'", true),
        ("UPDATE documents SET name = '../../secret.json' WHERE name IS NOT NULL", true),
        ("UPDATE documents SET name = '../secret.json', sha256 = NULL WHERE name IS NULL", true),
        ("UPDATE documents SET sha256 = 'text' WHERE name IS NULL", true),
        ("UPDATE documents SET sha256 = x'00' WHERE name IS NULL", true),
        ("UPDATE folders SET size = 'x'", true),
        ("UPDATE documents SET folder = 4711", false),
        ("UPDATE links SET line = line + 1", false),
        ("INSERT INTO documents(id, folder, sha256) SELECT 9000 + id, folder, sha256 FROM documents", false),
        ("INSERT OR IGNORE INTO links SELECT a.key, b.document, b.line FROM links a, links b", false),
    ];
    for (sql, noticed) in forged {
        fs::write(world.index(), &whole).unwrap();
        forge(&world.index(), |database| database.execute_batch(sql).unwrap());
        let store = world.store();
        for name in &names {
            let ids = model(name);
            let (about, using) = by_brute_force(&store, &ids);
            // Bundles may be withheld by whoever may remove them. Nothing else may come instead.
            for (found, all) in
                [(store.about(&ids).unwrap(), about), (store.used_by(&ids[0]).unwrap(), using)]
            {
                let found = digests(&found);
                assert!(found.iter().all(|digest| all.contains(digest)), "{sql}");
                assert!(!noticed || found == all, "{sql}");
            }
        }
        assert_eq!(store.used_by(&model("secret")[0]).unwrap().len(), 0, "{sql}");
        let told = store.notes().iter().any(|note| note.contains("built anew"));
        assert_eq!(told, noticed, "{sql}: {:?}", store.notes());
    }
}

#[test]
fn an_index_may_be_elsewhere_and_never_replaces_another_file() {
    let (signer, _) = key();
    let world = World::new();
    world.store().put(&step(&signer, "tuned", "foundation")).unwrap();
    let elsewhere = world.directory.path().join("elsewhere.sqlite");
    let store = || world.store().with_index(&elsewhere);
    assert_eq!(store().about(&model("tuned")).unwrap().len(), 1);
    assert!(elsewhere.exists() && !world.index().exists());
    assert_eq!(store().refresh().unwrap().read, 0);
    // Damaged, it is still known to be an index.
    let mut bytes = fs::read(&elsewhere).unwrap();
    bytes[5000] ^= 1;
    fs::write(&elsewhere, bytes).unwrap();
    assert_eq!(store().about(&model("tuned")).unwrap().len(), 1);
    for other in [&b"my thesis"[..], &[0; 5000]] {
        fs::write(&elsewhere, other).unwrap();
        assert!(matches!(store().about(&model("tuned")), Err(StoreError::NotAnIndex(_))));
        assert_eq!(fs::read(&elsewhere).unwrap(), other);
    }
    // Of another store: every folder is another one.
    let other = World::new();
    other.store().put(&step(&signer, "other", "foundation")).unwrap();
    fs::remove_file(&elsewhere).unwrap();
    store().refresh().unwrap();
    let borrowed = other.store().with_index(&elsewhere);
    assert_eq!(borrowed.about(&model("other")).unwrap().len(), 1);
    assert_eq!(borrowed.about(&model("tuned")).unwrap().len(), 0);
}

#[cfg(unix)]
#[test]
fn links_pipes_and_large_files_are_reported_and_not_followed() {
    let (signer, _) = key();
    let world = World::new();
    let store = world.store();
    let outside = world.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.json"), step(&signer, "outside", "x")).unwrap();
    std::os::unix::fs::symlink(&outside, world.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(outside.join("a.json"), world.path().join("link.json")).unwrap();
    std::os::unix::fs::symlink(&outside, world.path().join("aa")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.path().join("pipe.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    world.write("large.jsonl", b"");
    fs::File::options().write(true).open(world.path().join("large.jsonl")).unwrap().set_len(1 << 40).unwrap();
    world.write("deep/1/2/3/4/5/6/7/8/9/a.json", &step(&signer, "deep", "x"));
    world.write("notes.txt", b"x");
    assert_eq!(store.about(&model("outside")).unwrap().len(), 0);
    assert_eq!(store.about(&model("deep")).unwrap().len(), 0);
    let problems = store.problems().unwrap();
    let names: Vec<_> =
        problems.iter().map(|p| p.path.strip_prefix(world.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["aa", "deep/1/2/3/4/5/6/7/8", "folder", "large.jsonl", "link.json", "pipe.json"]);
    assert!(problems.iter().all(|problem| problem.kind == ProblemKind::NotRead));
    let read: Vec<_> = store.bundles().unwrap().map(|read| read.unwrap_err().path).collect();
    assert_eq!(read.len(), problems.len());
    // A folder of the store that is a link is not written to.
    let mut n = 0;
    let bundle = loop {
        n += 1;
        let bundle = step(&signer, &n.to_string(), "x");
        if sha256(&bundle).starts_with("aa") {
            break bundle;
        }
    };
    assert!(store.put(&bundle).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_model_signature_is_about_its_directory_and_what_is_no_statement_about_nothing() {
    let (signer, _) = key();
    let world = World::new();
    let model = world.directory.path().join("model");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("weights"), "w").unwrap();
    let signature = world.directory.path().join("model.sig");
    modelseal::sign(&model).output(&signature).run(&signer, &()).unwrap();
    let measured = modelseal::digest(&model).run(&()).unwrap();
    let store = world.store();
    store.add_file(&signature).unwrap();
    let found = store.about(&ArtifactId::of_manifest(measured.manifest())).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].claims.as_ref().unwrap().predicate_type, "https://model_signing/signature/v1.0");
    let root = ArtifactId::parse(&measured.manifest().root_digest().to_string()).unwrap();
    assert_eq!(store.about(&root).unwrap().len(), 0, "the root digest covers no names");
}

#[test]
fn a_store_that_is_not_there_or_cannot_be_written_is_said_so() {
    let world = World::new();
    let missing = Store::open(world.directory.path().join("missing")).unwrap_err();
    assert_eq!((missing.kind(), missing.code()), (modelseal::Kind::Usage, "usage.file"));
    fs::write(world.directory.path().join("file"), "x").unwrap();
    assert!(Store::open(world.directory.path().join("file")).is_err());
    assert!(Store::create(world.directory.path().join("file/store")).is_err());
    let (signer, _) = key();
    let store = world.store();
    fs::remove_dir(world.path()).unwrap();
    assert!(matches!(store.put(&step(&signer, "tuned", "foundation")), Err(StoreError::Io { .. })));
}
