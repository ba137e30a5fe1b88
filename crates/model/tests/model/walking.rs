//! Which files a model consists of.

use crate::common::{Model, ignoring, noise, paths, sharded};
use modelseal_core::{
    limits::MAX_PATH_DEPTH,
    manifest::{Method, Serialization},
    path::PathError,
};
use modelseal_model::{ErrorKind, MeasureError, Note, Options, Progress, Source, measure, survey};
use std::{fs, num::NonZeroU64, path::Path};

#[test]
fn all_files_are_found_and_sorted_by_the_whole_name() {
    let model = Model::with(&[("a/b", b"1"), ("a-b", b"2"), ("a.b", b"3"), ("Z", b"4"), ("a/c/d/e", b"5")]);
    assert_eq!(model.names(&Options::default()), ["Z", "a-b", "a.b", "a/b", "a/c/d/e"]);
}

#[test]
fn names_are_taken_as_they_are() {
    let odd = [
        "a:b:0",
        "with space",
        "tab\tnew\nline",
        "*?[x]",
        "-",
        "~",
        "caf\u{e9}",
        "cafe\u{301}",
        "模型",
        "...",
    ];
    let odd: Vec<&str> =
        if cfg!(windows) { vec!["with space", "caf\u{e9}", "cafe\u{301}", "模型"] } else { odd.into() };
    let model = Model::new();
    odd.iter().for_each(|name| model.file(name, b"x"));
    let mut expected = odd.clone();
    expected.sort_unstable();
    assert_eq!(model.names(&Options::default()), expected);
}

#[test]
fn ignore_paths_match_whole_components_from_the_root() {
    let model = Model::with(&[
        (".git/config", b"1"),
        (".github", b"2"),
        ("sub/.git", b"3"),
        ("cache/x/y", b"4"),
        ("cachet", b"5"),
        ("deep/er/skip", b"6"),
        ("deep/er/skipped", b"7"),
    ]);
    let options = ignoring(&[".git", "cache", "deep/er/skip"]);
    assert_eq!(model.names(&options), [".github", "cachet", "deep/er/skipped", "sub/.git"]);
    assert_eq!(model.measure(&options).unwrap().notes, []);
}

#[test]
fn ignore_paths_that_match_nothing_are_noted_once() {
    let model = Model::with(&[("a", b"1"), ("skip/b", b"2")]);
    let options = ignoring(&["skip", "skip/b", "nothing", "a/b", "nothing", "skip", "Skip"]);
    let unmatched: Vec<Note> =
        paths(&["a/b", "nothing", "Skip"]).into_iter().map(Note::UnmatchedIgnorePath).collect();
    assert_eq!(model.measure(&options).unwrap().notes, unmatched);
    assert_eq!(unmatched[1].to_string(), "the ignore path 'nothing' matches nothing in the model");
}

#[test]
fn excluded_files_are_left_out_and_not_recorded() {
    let model = Model::with(&[("model.sig", b"1"), ("sub/model.sig", b"2"), ("w", b"3")]);
    let options = Options { exclude: paths(&["model.sig"]), ..Options::default() };
    let measured = model.measure(&options).unwrap();
    assert_eq!(crate::common::names(measured.manifest.get()), ["sub/model.sig", "w"]);
    assert_eq!(measured.manifest.get().serialization().ignore_paths, []);
    assert_eq!(measured.notes, []);
}

#[test]
fn when_only_some_files_count_nothing_else_matters() {
    let model = Model::with(&[("w/a", b"1"), ("w/b", b"2"), ("c", b"3"), ("x/y", b"4")]);
    #[cfg(unix)]
    {
        model.link("w/link", "nowhere");
        model.file("w/back\\slash", b"");
        model.file("skip/f", b"");
    }
    let mut options = ignoring(&["skip"]);
    options.only = Some(paths(&["w/b", "c", "gone", "c/d", "x"]));
    let measured = model.measure(&options).unwrap();
    assert_eq!(crate::common::names(measured.manifest.get()), ["c", "w/b"]);
    assert_eq!(measured.notes.len(), usize::from(cfg!(not(unix))));
    options.only = Some(paths(&["w/link"]));
    #[cfg(unix)]
    assert!(matches!(model.error(&options), MeasureError::Symlink { .. }));
}

#[test]
fn a_model_without_files_is_refused() {
    let model = Model::new();
    fs::create_dir_all(model.join("only/empty/folders")).unwrap();
    assert!(matches!(model.error(&Options::default()), MeasureError::Empty { excluded: false, .. }));
    model.file("x", b"");
    let error = model.error(&ignoring(&["x"]));
    assert!(matches!(error, MeasureError::Empty { excluded: true, .. }));
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let source = Source::open(&model.join("x")).unwrap();
    assert!(matches!(measure(&source, &ignoring(&["x"]), &()), Err(MeasureError::Empty { .. })));
}

#[test]
fn a_missing_model_is_said_to_be_missing() {
    let model = Model::with(&[("file", b"")]);
    for path in [model.join("nothing"), model.join("file/inside"), "".into()] {
        let error = Source::open(&path).unwrap_err();
        assert!(matches!(&error, MeasureError::Missing(p) if *p == path), "{error}");
        assert!(matches!(Source::open_following(&model.join("nothing")), Err(MeasureError::Missing(_))));
        assert_eq!(error.kind(), ErrorKind::Missing);
    }
}

#[test]
fn a_model_is_named_by_its_absolute_path() {
    let model = Model::with(&[("sub/f", b"")]);
    let name = |path: &Path| Source::open(path).unwrap().model_name();
    assert_eq!(name(&model.path()).unwrap(), "model");
    assert_eq!(name(&model.join("")).unwrap(), "model");
    assert_eq!(name(&model.join(".")).unwrap(), "model");
    assert_eq!(name(&model.join("sub/..")).unwrap(), "model");
    let here = std::env::current_dir().unwrap();
    assert_eq!(name(Path::new(".")).unwrap(), here.file_name().unwrap().to_str().unwrap());
    assert!(matches!(name(Path::new("/")), Err(MeasureError::NoName(_))));
}

#[test]
fn depth_is_bounded() {
    let model = Model::new();
    let directory = |depth: usize| vec!["d"; depth].join("/");
    let deepest = format!("{}/f", directory(MAX_PATH_DEPTH - 1));
    model.file(&deepest, b"x");
    assert_eq!(model.names(&Options::default()), [deepest]);
    fs::create_dir(model.join(&directory(MAX_PATH_DEPTH))).unwrap();
    let error = model.error(&Options::default());
    assert!(matches!(error, MeasureError::Name { error: PathError::TooDeep(129), .. }), "{error}");
}

/// A path that is longer than the system takes in one piece (4096 bytes on Linux) is reached step by step.
#[cfg(unix)]
#[test]
fn names_longer_than_path_max_are_reached() {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let model = Model::new();
    let name = "n".repeat(200);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = rustix::fs::open(model.path(), flags, Mode::empty()).unwrap();
    for _ in 0..30 {
        mkdirat(&dir, &*name, Mode::RWXU).unwrap();
        dir = openat(&dir, &*name, flags, Mode::empty()).unwrap();
    }
    drop(openat(&dir, "leaf", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap());
    let expected = format!("{}leaf", format!("{name}/").repeat(30));
    assert_eq!(model.names(&Options::default()), [expected]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_refused_wherever_it_is_not_ignored() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let bad = OsStr::from_bytes(b"bad-\xff");
    let model = Model::with(&[("sub/ok", b"x")]);
    fs::write(model.join("sub").join(bad), b"").unwrap();
    let error = model.error(&Options::default());
    let MeasureError::NotUtf8 { directory, name } = &error else { panic!("{error}") };
    assert_eq!((directory, &**name), (&model.join("sub"), "bad-\u{fffd}"));
    assert_eq!(error.kind(), ErrorKind::Rejected);
    fs::create_dir(model.join("other")).unwrap();
    fs::write(model.join("other/x"), b"").unwrap();
    assert_eq!(model.names(&ignoring(&["sub"])), ["other/x"]);
    fs::write(model.outside().join(bad), b"").unwrap();
    let source = Source::open(&model.outside().join(bad)).unwrap();
    assert!(matches!(measure(&source, &Options::default(), &()), Err(MeasureError::NotUtf8 { .. })));
}

#[cfg(unix)]
#[test]
fn a_name_with_a_backslash_is_refused() {
    for name in ["sub/back\\slash", "back\\dir/file"] {
        let model = Model::with(&[(name, b"x"), ("a", b"")]);
        let error = model.error(&Options::default());
        assert!(matches!(error, MeasureError::Name { error: PathError::Backslash(_), .. }), "{error}");
        assert!(error.to_string().contains("backslash"), "{error}");
    }
}

#[test]
fn hard_links_are_files() {
    let model = Model::with(&[("a", b"same")]);
    fs::hard_link(model.join("a"), model.join("b")).unwrap();
    let measured = model.measure(&Options::default()).unwrap();
    let resources = measured.manifest.get().resources();
    assert_eq!(resources[0].digest, resources[1].digest);
    assert_eq!(resources.len(), 2);
}

#[test]
fn a_survey_reads_nothing() {
    let model = Model::with(&[("b", b"12"), ("a", b"")]);
    let huge = fs::File::create(model.join("huge")).unwrap();
    huge.set_len(64 << 30).unwrap();
    let survey = survey(&model.source(), &ignoring(&["x"])).unwrap();
    let files: Vec<(&str, u64)> = survey.files.iter().map(|(path, size)| (path.as_str(), *size)).collect();
    assert_eq!(files, [("a", 0), ("b", 2), ("huge", 64 << 30)]);
    assert_eq!(survey.bytes, (64 << 30) + 2);
    assert_eq!(survey.notes, [Note::UnmatchedIgnorePath(paths(&["x"]).remove(0))]);
}

#[test]
fn too_many_shards_are_refused_before_anything_is_done() {
    let model = Model::new();
    fs::File::create(model.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    for (size, expected) in [(1, 1 << 40), (500_000, 2_199_024)] {
        let error = model.error(&sharded(size));
        let MeasureError::TooManyResources { count, shard_size } = error else { panic!("{error}") };
        assert_eq!((count, shard_size), (expected, Some(size)));
    }
}

#[test]
fn a_wish_to_stop_is_heard_in_the_walk_and_in_the_reading() {
    struct Stop(bool, std::sync::atomic::AtomicBool);
    impl Progress for Stop {
        fn plan(&self, _: usize, _: u64) {
            self.1.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        fn advance(&self, _: u64) {}
        fn cancelled(&self) -> bool {
            self.0 || self.1.load(std::sync::atomic::Ordering::Relaxed)
        }
    }
    let model = Model::with(&[("a", &noise(1, 10))]);
    fs::File::create(model.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let method = Method::Shards(NonZeroU64::new(1 << 30).unwrap());
    let serialization = Serialization { method, ..Serialization::default() };
    let options = Options { serialization, ..Options::default() };
    for at_once in [true, false] {
        let error = measure(&model.source(), &options, &Stop(at_once, false.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
