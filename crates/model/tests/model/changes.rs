//! Files that do not hold still. The measurement itself drives the change, from its progress reports.

use crate::common::{Model, noise, sharded, tick};
use modelseal_model::{Change, ErrorKind, MeasureError, Options, Progress, measure};
use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Does something when the plan is made, and at each advance.
struct Act<P, A> {
    plan: P,
    advance: A,
    advances: AtomicUsize,
}

impl<P: Fn() + Sync, A: Fn(usize) + Sync> Progress for Act<P, A> {
    fn plan(&self, _: usize, _: u64) {
        tick();
        (self.plan)();
    }
    fn advance(&self, _: u64) {
        (self.advance)(self.advances.fetch_add(1, Ordering::Relaxed));
    }
}

const SIZE: usize = 1_200_000;

/// Measures a model with one large file `big` beside two small ones, under `files` and under `shards`; both must fail
/// with the same change of `big`.
fn change(plan: impl Fn(&Path) + Sync, advance: impl Fn(&Path, usize) + Sync) -> Change {
    let mut seen = None;
    for options in [Options::default(), sharded(400_000)] {
        let model = Model::with(&[("a", b"1"), ("sub/big", &noise(3, SIZE)), ("z", b"2")]);
        tick();
        let big = model.join("sub/big");
        let act = Act { plan: || plan(&big), advance: |n| advance(&big, n), advances: AtomicUsize::new(0) };
        let error = measure(&model.source(), &options, &act).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let MeasureError::Changed { path, change } = &error else { panic!("{error}") };
        assert_eq!(path, &big);
        assert!(seen.is_none_or(|seen| seen == *change), "{seen:?} {change:?}");
        seen = Some(*change);
    }
    seen.unwrap()
}

fn first(n: usize, act: impl FnOnce()) {
    if n == 0 {
        tick();
        act();
    }
}

fn append(path: &Path) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(&[7; 4096]).unwrap();
}

const GREW: Change = Change::Grew { from: SIZE as u64 };
const SHRANK: Change = Change::Shrank { from: SIZE as u64 };

#[test]
fn a_file_that_grows() {
    assert_eq!(change(append, |_, _| ()), GREW);
    assert_eq!(change(|_| (), |path, n| first(n, || append(path))), GREW);
    assert_eq!(change(|_| (), |path, _| append(path)), GREW, "for ever");
}

#[test]
fn a_file_that_shrinks() {
    let cut = |path: &Path| OpenOptions::new().write(true).open(path).unwrap().set_len(900_000).unwrap();
    assert_eq!(change(cut, |_, _| ()), SHRANK);
    assert_eq!(change(|_| (), |path, n| first(n, || cut(path))), SHRANK);
}

#[test]
fn a_file_that_is_written_to_and_given_its_old_times() {
    let scribble = |path: &Path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(10)).unwrap();
        file.write_all(b"!").unwrap();
        file.set_modified(modified).unwrap();
    };
    assert_eq!(change(scribble, |_, _| ()), Change::Modified);
    assert_eq!(change(|_| (), |path, n| first(n, || scribble(path))), Change::Modified);
}

#[test]
fn a_file_that_is_replaced_by_another_of_its_size() {
    let swap = |path: &Path| {
        fs::write(path.with_extension("new"), noise(4, SIZE)).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    assert_eq!(change(swap, |_, _| ()), Change::Modified);
    // The descriptor keeps the old file, which the renaming has taken the name from.
    assert_eq!(change(|_| (), |path, n| first(n, || swap(path))), Change::Modified);
}

#[test]
fn a_file_that_vanishes_or_becomes_a_link_or_a_directory() {
    let vanish = |path: &Path| fs::remove_file(path).unwrap();
    assert_eq!(change(vanish, |_, _| ()), Change::Vanished);
    let link = |path: &Path| {
        fs::rename(path, path.with_extension("old")).unwrap();
        std::os::unix::fs::symlink(path.with_extension("old"), path).unwrap();
    };
    assert_eq!(change(link, |_, _| ()), Change::Replaced);
    let directory = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    };
    assert_eq!(change(directory, |_, _| ()), Change::Replaced);
}

#[test]
fn a_directory_that_becomes_a_link_to_itself() {
    let model = Model::with(&[("sub/f", b"x"), ("g", b"")]);
    let plan = || {
        fs::rename(model.join("sub"), model.outside().join("elsewhere")).unwrap();
        model.link("sub", model.outside().join("elsewhere"));
    };
    let act = Act { plan, advance: |_| (), advances: AtomicUsize::new(0) };
    let error = measure(&model.source(), &Options::default(), &act).unwrap_err();
    assert!(matches!(error, MeasureError::Changed { change: Change::Replaced, .. }), "{error}");
}

#[test]
fn the_model_that_was_opened_is_measured_though_its_path_is_given_away() {
    let model = Model::with(&[("f", b"first")]);
    let source = model.source();
    fs::rename(model.path(), model.outside().join("moved")).unwrap();
    model.file("f", b"second");
    let measured = measure(&source, &Options::default(), &()).unwrap();
    let expected = crate::common::hash(modelseal_core::digest::Algorithm::Sha256, b"first");
    assert_eq!(measured.manifest.get().resources()[0].digest, expected);
}

#[test]
fn a_single_file_that_changes() {
    let model = Model::with(&[("big", &noise(1, SIZE))]);
    tick();
    let source = modelseal_model::Source::open(&model.join("big")).unwrap();
    append(&model.join("big"));
    let error = measure(&source, &Options::default(), &()).unwrap_err();
    assert!(matches!(error, MeasureError::Changed { change: GREW, .. }), "{error}");
    assert!(error.to_string().contains("grew beyond its 1200000 bytes"), "{error}");
}

#[test]
fn of_many_changes_each_thread_count_names_a_file_and_ends() {
    let model = Model::new();
    for n in 0..3000 {
        model.file(&format!("f{n:04}"), b"x");
    }
    for threads in 1..=8 {
        tick();
        let plan = || (0..3000).step_by(7).for_each(|n| append(&model.join(&format!("f{n:04}"))));
        let act = Act { plan, advance: |_| (), advances: AtomicUsize::new(0) };
        let options = Options { threads: std::num::NonZeroUsize::new(threads), ..Options::default() };
        let error = measure(&model.source(), &options, &act).unwrap_err();
        assert!(matches!(error, MeasureError::Changed { change: Change::Grew { .. }, .. }), "{error}");
        let _ = File::open(model.path());
    }
}
