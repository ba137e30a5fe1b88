//! Symbolic links (OMS v1.0 §6.1.1).

use crate::common::{Model, following, hash, ignoring, names, paths};
use modelseal_core::{digest::Algorithm, path::ModelPath};
use modelseal_model::{ErrorKind, MeasureError, Note, Options, Source, measure};
use std::{fs, path::Path};

fn outside(path: &str, target: &str) -> Note {
    Note::SymlinkOutside { path: ModelPath::parse(path).unwrap(), target: target.into() }
}

#[test]
fn any_link_is_refused_by_default_and_named() {
    for target in ["file", "sub", "nowhere", "../outside", "link"] {
        let model = Model::with(&[("file", b"x"), ("sub/f", b"y")]);
        model.link("link", target);
        let error = model.error(&Options::default());
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let MeasureError::Symlink { path, target: found } = &error else { panic!("{error}") };
        assert_eq!((path, &**found), (&model.join("link"), Path::new(target)));
        assert!(error.to_string().contains("--allow-symlinks"), "{error}");
    }
}

#[test]
fn ignored_links_are_not_looked_at() {
    let model = Model::with(&[("file", b"x")]);
    model.link("dangling", "nowhere");
    model.link("sub/loop", "loop");
    assert_eq!(model.names(&ignoring(&["dangling", "sub"])), ["file"]);
    let options = Options { exclude: paths(&["dangling", "sub/loop"]), ..Options::default() };
    assert_eq!(model.names(&options), ["file"]);
}

#[test]
fn links_to_files_are_files_under_their_own_names() {
    let model = Model::with(&[("dir/file", b"abc")]);
    model.link("direct", "dir/file");
    model.link("dir/chain", "../direct");
    let measured = model.measure(&following()).unwrap();
    assert_eq!(names(measured.manifest.get()), ["dir/chain", "dir/file", "direct"]);
    assert!(measured.manifest.get().resources().iter().all(|r| r.digest == hash(Algorithm::Sha256, b"abc")));
    assert_eq!(measured.notes, []);
}

#[test]
fn links_to_directories_are_entered() {
    let model = Model::with(&[("real/a", b"1"), ("real/sub/b", b"2")]);
    model.link("alias", "real");
    model.link("real/sub/c", "../a");
    let measured = model.measure(&following()).unwrap();
    let expected = ["alias/a", "alias/sub/b", "alias/sub/c", "real/a", "real/sub/b", "real/sub/c"];
    assert_eq!(names(measured.manifest.get()), expected);
    assert_eq!(measured.notes, []);
    let through: Vec<_> = measured.manifest.get().resources()[..3].iter().map(|r| r.digest).collect();
    let real: Vec<_> = measured.manifest.get().resources()[3..].iter().map(|r| r.digest).collect();
    assert_eq!(through, real);
}

#[test]
fn ignore_paths_below_a_linked_directory_go_by_the_name_through_the_link() {
    let model = Model::with(&[("real/a", b"1"), ("real/b", b"2")]);
    model.link("alias", "real");
    let mut options = ignoring(&["alias/a"]);
    options.serialization.allow_symlinks = true;
    assert_eq!(model.names(&options), ["alias/b", "real/a", "real/b"]);
}

#[test]
fn targets_outside_are_measured_and_noted() {
    let model = Model::with(&[("file", b"x")]);
    fs::create_dir_all(model.outside().join("other")).unwrap();
    fs::write(model.outside().join("other/data"), b"abc").unwrap();
    model.link("one", "../other/data");
    let absolute = model.outside().join("other");
    model.link("two", &absolute);
    let measured = model.measure(&following()).unwrap();
    assert_eq!(names(measured.manifest.get()), ["file", "one", "two/data"]);
    assert_eq!(measured.notes, [outside("one", "../other/data"), outside("two", absolute.to_str().unwrap())]);
}

#[test]
fn circles_are_noted_and_not_entered_again() {
    let cycle = |name: &str| Note::SymlinkCycle { path: ModelPath::parse(name).unwrap() };
    let model = Model::with(&[("a/b/file", b"x")]);
    model.link("a/b/here", ".");
    model.link("a/b/up", "../..");
    let measured = model.measure(&following()).unwrap();
    assert_eq!(names(measured.manifest.get()), ["a/b/file"]);
    assert_eq!(measured.notes, [cycle("a/b/here"), cycle("a/b/up")]);

    // Two directories that lead into each other, and out of the model and back in.
    let model = Model::with(&[("a/f", b"x"), ("b/g", b"y")]);
    model.link("a/to-b", "../b");
    model.link("b/to-a", "../a");
    model.link("b/out", "../..");
    let measured = model.measure(&ignoring_out(&["b/out"])).unwrap();
    assert_eq!(names(measured.manifest.get()), ["a/f", "a/to-b/g", "b/g", "b/to-a/f"]);
    assert!(measured.notes.contains(&cycle("a/to-b/to-a")) && measured.notes.contains(&cycle("b/to-a/to-b")));
    let measured = model.measure(&ignoring_out(&["a/to-b"])).unwrap();
    assert_eq!(names(measured.manifest.get()), ["a/f", "b/g", "b/to-a/f"]);
    assert_eq!(measured.notes, [outside("b/out", "../.."), cycle("b/out/model"), cycle("b/to-a/to-b")]);
}

fn ignoring_out(names: &[&str]) -> Options {
    let mut options = ignoring(names);
    options.serialization.allow_symlinks = true;
    options
}

#[test]
fn links_to_nothing_and_to_themselves_are_errors() {
    let model = Model::with(&[("file", b"x")]);
    model.link("link", "nowhere");
    assert!(matches!(model.error(&following()), MeasureError::DanglingSymlink { .. }));
    fs::remove_file(model.join("link")).unwrap();
    model.link("link", "file/below");
    assert!(matches!(model.error(&following()), MeasureError::DanglingSymlink { .. }));
    fs::remove_file(model.join("link")).unwrap();
    model.link("link", "knil");
    model.link("knil", "link");
    let error = model.error(&following());
    assert!(matches!(error, MeasureError::SymlinkLoop { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[test]
fn a_model_path_that_is_a_link_is_refused_unless_it_is_to_be_followed() {
    let model = Model::with(&[("f", b"x")]);
    let link = model.outside().join("link");
    std::os::unix::fs::symlink("model", &link).unwrap();
    for path in [link.clone(), link.join(""), link.join(".")] {
        let error = Source::open(&path).unwrap_err();
        assert!(
            matches!(&error, MeasureError::ModelIsSymlink { target, .. } if target == Path::new("model"))
        );
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
    let source = Source::open_following(&link).unwrap();
    assert_eq!(names(measure(&source, &Options::default(), &()).unwrap().manifest.get()), ["f"]);
    assert_eq!(source.model_name().unwrap(), "link");
    // Links on the way to the model are the system's business.
    assert!(Source::open(&link.join("f")).unwrap().is_file());
}
