//! Whatever happens to a store between two questions, its index answers as reading every file would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "../../tests/support/mod.rs"]
mod support;

use super::{index::Key, *};
use modelseal_core::artifact::ArtifactId;
use proptest::prelude::*;
use std::fs;
use support::{base, digest, key, provenance, sign};
use tempfile::TempDir;

const NAMES: usize = 6;

/// What somebody does to a store, or a question.
#[derive(Debug, Clone)]
enum Act {
    /// Through the handle that is asked, or by another process.
    Put {
        model: usize,
        from: Vec<usize>,
        here: bool,
    },
    /// A file of some bundles under a name of somebody's own, in place of what has that name.
    Write {
        name: usize,
        models: Vec<(usize, usize)>,
    },
    /// The nth file or folder is removed.
    Remove(usize),
    /// Another byte in the nth file.
    Damage(usize),
    /// The nth file gets another name.
    Rename(usize, usize),
    /// The nth file becomes a link to itself, elsewhere.
    Link(usize),
    /// The index is removed, or damaged.
    Index(Option<usize>),
    /// Another handle is opened.
    Reopen,
    Ask,
}

const FOREIGN: [&str; 6] =
    ["a.json", "b.intoto.jsonl", "team/c.jsonl", "team/day/d.sig", "0a/e.json", "1/2/3/4/5/6/7/8/9/f.json"];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let model = 0..NAMES;
    let act = prop_oneof![
        4 => (model.clone(), prop::collection::vec(model.clone(), 0..3), any::<bool>())
            .prop_map(|(model, from, here)| Act::Put { model, from, here }),
        3 => (0..FOREIGN.len(), prop::collection::vec((model.clone(), model), 0..3))
            .prop_map(|(name, models)| Act::Write { name, models }),
        2 => any::<usize>().prop_map(Act::Remove),
        1 => any::<usize>().prop_map(Act::Damage),
        1 => (any::<usize>(), 0..FOREIGN.len()).prop_map(|(file, name)| Act::Rename(file, name)),
        1 => any::<usize>().prop_map(Act::Link),
        1 => prop::option::of(any::<usize>()).prop_map(Act::Index),
        1 => Just(Act::Reopen),
        3 => Just(Act::Ask),
    ];
    prop::collection::vec(act, 1..25)
}

struct World {
    directory: TempDir,
    signer: crate::KeySigner,
}

impl World {
    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn open(&self) -> Store {
        Store { ahead: Duration::from_secs(60), ..Store::create(self.path()).unwrap() }
    }

    /// Every file and folder, in order.
    fn all(&self) -> Vec<PathBuf> {
        let (mut all, mut queue) = (Vec::new(), vec![self.path()]);
        while let Some(folder) = queue.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    queue.push(entry.path());
                }
                if !entry.file_name().to_str().unwrap().starts_with('.') {
                    all.push(entry.path());
                }
            }
        }
        all.sort();
        all
    }

    fn nth(&self, n: usize, file: bool) -> Option<PathBuf> {
        let all: Vec<_> = self
            .all()
            .into_iter()
            .filter(|path| !file || path.symlink_metadata().unwrap().is_file())
            .collect();
        (!all.is_empty()).then(|| all[n % all.len()].clone())
    }

    fn bundle(&self, model: usize, from: &[usize]) -> Vec<u8> {
        let from: Vec<_> = from.iter().map(|n| base(&n.to_string())).collect();
        sign(&self.signer, &provenance(&model.to_string(), &from))
    }

    fn act(&self, act: &Act, store: Store) -> Store {
        match act {
            Act::Put { model, from, here } => {
                let bundle = self.bundle(*model, from);
                let other = self.open();
                if *here { &store } else { &other }.put(&bundle).unwrap();
            }
            Act::Write { name, models } => {
                let mut bytes = b"not a bundle\n".to_vec();
                if !FOREIGN[*name].ends_with('l') {
                    bytes.clear();
                }
                for (model, from) in models {
                    bytes.extend(self.bundle(*model, &[*from]));
                }
                let path = self.path().join(FOREIGN[*name]);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let _ = fs::remove_file(&path);
                let _ = fs::write(path, bytes);
            }
            Act::Remove(n) => match self.nth(*n, false) {
                Some(path) if path.is_dir() && !path.is_symlink() => fs::remove_dir_all(path).unwrap(),
                Some(path) => fs::remove_file(path).unwrap(),
                None => {}
            },
            Act::Damage(n) => {
                if let Some(path) = self.nth(*n, true) {
                    let mut bytes = fs::read(&path).unwrap();
                    let at = n % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1;
                    }
                    fs::write(path, bytes).unwrap();
                }
            }
            Act::Rename(n, name) => {
                let to = self.path().join(FOREIGN[*name]);
                if let Some(path) = self.nth(*n, true) {
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    let _ = fs::rename(path, to);
                }
            }
            Act::Link(n) => {
                #[cfg(unix)]
                if let Some(path) = self.nth(*n, true) {
                    let outside = self.directory.path().join("outside");
                    fs::rename(&path, &outside).unwrap();
                    std::os::unix::fs::symlink(outside, path).unwrap();
                }
                #[cfg(not(unix))]
                let _ = n;
            }
            Act::Index(at) => {
                let path = self.path().join(layout::INDEX);
                match at {
                    None => drop(fs::remove_file(path)),
                    Some(at) => {
                        if let Ok(mut bytes) = fs::read(&path) {
                            let at = at % bytes.len();
                            bytes[at] ^= 4;
                            fs::write(path, bytes).unwrap();
                        }
                    }
                }
            }
            Act::Reopen => return self.open(),
            Act::Ask => {
                store.refresh().unwrap();
                self.agrees(&store);
                // The times of some file systems count in hundredths of a second.
                std::thread::sleep(Duration::from_millis(11));
            }
        }
        store
    }

    fn agrees(&self, store: &Store) {
        for n in 0..NAMES {
            let ids = ArtifactId::parse(&format!("dirHash:{}", digest(&n.to_string()))).unwrap();
            let (mut about, mut using) = (Vec::new(), Vec::new());
            for bundle in store.bundles().unwrap().flatten() {
                // A damaged payload type makes it a bundle of something else.
                let Some(claims) = &bundle.claims else { continue };
                let text = bundle.bytes.trim_ascii().to_vec();
                if claims.subjects.iter().any(|subject| subject.is_any_of(&ids)) {
                    about.push(text.clone());
                }
                if claims.dependencies.iter().any(|dependency| dependency.is_any_of(&ids)) {
                    using.push(text);
                }
            }
            for (found, mut read) in
                [(store.about(&ids).unwrap(), about), (store.used_by(&ids[0]).unwrap(), using)]
            {
                let mut found: Vec<_> = found.iter().map(|found| found.bytes.trim_ascii().to_vec()).collect();
                found.sort();
                read.sort();
                read.dedup();
                assert_eq!(found.len(), read.len(), "model {n}");
                assert_eq!(found, read, "model {n}");
            }
        }
        // What is wrong is known the same way, but for statements that were only glanced at: that one is malformed is known when
        // it is used. Nothing is wrong that reading does not find.
        let paths = |problems: &[Problem], wanted: fn(ProblemKind) -> bool| {
            let wanted = problems.iter().filter(|problem| wanted(problem.kind));
            wanted.map(|problem| problem.path.clone()).collect::<BTreeSet<_>>()
        };
        let not_read = |kind| kind == ProblemKind::NotRead;
        let read: Vec<Problem> = store.bundles().unwrap().filter_map(Result::err).collect();
        let known = store.problems().unwrap();
        assert_eq!(paths(&known, not_read), paths(&read, not_read));
        let known_paths = paths(&known, |_| true);
        assert!(known_paths.is_subset(&paths(&read, |_| true)), "{known:?} {read:?}");
        let certain = paths(&read, |kind| kind != ProblemKind::Malformed);
        assert!(certain.is_subset(&known_paths), "{known:?} {read:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_index_answers_as_reading_every_file_does(acts in acts()) {
        let world = World { directory: TempDir::new().unwrap(), signer: key().0 };
        let mut store = world.open();
        for act in acts.iter().chain([&Act::Ask, &Act::Reopen, &Act::Ask]) {
            store = world.act(act, store);
        }
    }
}

#[test]
fn what_did_not_change_is_not_looked_at_again() {
    let world = World { directory: TempDir::new().unwrap(), signer: key().0 };
    let store = world.open();
    for model in 0..40 {
        store.put(&world.bundle(model, &[model + 1])).unwrap();
    }
    let first = store.refresh().unwrap();
    assert_eq!((first.documents, first.bundles, first.read), (40, 40, 40));
    let again = world.open().refresh().unwrap();
    // The store's own folder changes with its index.
    assert_eq!((again.bundles, again.read, again.listed), (40, 0, 1));
    world.open().put(&world.bundle(50, &[51])).unwrap();
    let added = world.open().refresh().unwrap();
    assert_eq!((added.bundles, added.read, added.listed), (41, 1, 2));

    // While times are young, they say nothing.
    let young = Store::open(world.path()).unwrap();
    let _ = fs::remove_file(world.path().join(layout::INDEX));
    young.refresh().unwrap();
    let young = Store::open(world.path()).unwrap().refresh().unwrap();
    assert!(young.listed > 30 && young.read == 0, "{young:?}");
}

#[test]
fn a_folder_that_is_removed_takes_its_bundles_along() {
    let world = World { directory: TempDir::new().unwrap(), signer: key().0 };
    let path = world.path().join("team/day");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("a.sig"), world.bundle(1, &[2])).unwrap();
    let ids = ArtifactId::parse(&format!("dirHash:{}", digest("1"))).unwrap();
    assert_eq!(world.open().about(&ids).unwrap().len(), 1);
    fs::remove_dir_all(world.path().join("team")).unwrap();
    let store = world.open();
    assert_eq!(store.about(&ids).unwrap().len(), 0);
    assert_eq!((store.refresh().unwrap().documents, store.problems().unwrap()), (0, vec![]));
}

#[test]
fn dead_links_are_swept_away() {
    let mut index = Index::empty().unwrap();
    let document = |n: i64| index::DocumentRow {
        id: 0,
        folder: 1,
        sha256: Some([n.to_le_bytes()[0]; 32]),
        name: None,
        stamp: files::Stamp::default(),
        problem: None,
    };
    let statement = |n| index::StatementRow {
        line: 0,
        seen: glance::Seen { links: vec![Key::number(n)], ..glance::Seen::default() },
    };
    for round in 0..30 {
        index
            .change::<_, IndexError>(|writer| {
                writer.add_folder("")?;
                (0..100).try_for_each(|n| writer.add_document(&document(n), &[statement(round * 100 + n)]))
            })
            .unwrap();
        let all = index.documents_of(1).unwrap();
        assert_eq!(all.len(), 100);
        index
            .change::<_, IndexError>(|writer| all.iter().try_for_each(|row| writer.remove_document(row.id)))
            .unwrap();
    }
    assert_eq!(index.counts().unwrap(), (0, 0));
    assert!(index.links().unwrap() < 1200, "{}", index.links().unwrap());
}
