//! FIFOs, sockets and devices: refused, never opened (opening a FIFO would wait for ever).

use crate::common::{Model, following, ignoring, tick};
use modelseal_model::{Change, ErrorKind, MeasureError, Options, Progress, Source, SpecialFile, measure};
use std::{fs, os::unix::net::UnixListener, path::Path, process::Command};

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn refused(result: Result<impl Sized, MeasureError>) -> SpecialFile {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let MeasureError::SpecialFile { what, .. } = error else { panic!("{error}") };
    what
}

#[test]
fn as_the_model_itself() {
    let model = Model::new();
    fifo(&model.join("fifo"));
    let _socket = UnixListener::bind(model.join("socket")).unwrap();
    assert_eq!(refused(Source::open(&model.join("fifo"))), SpecialFile::Fifo);
    assert_eq!(refused(Source::open_following(&model.join("fifo"))), SpecialFile::Fifo);
    assert_eq!(refused(Source::open(&model.join("socket"))), SpecialFile::Socket);
    assert_eq!(refused(Source::open(Path::new("/dev/null"))), SpecialFile::CharacterDevice);
    let text = Source::open(&model.join("fifo")).unwrap_err().to_string();
    assert!(text.contains("fifo' is a named pipe (FIFO)"), "{text}");
}

#[test]
fn inside_a_model() {
    let model = Model::with(&[("file", b"x")]);
    fifo(&model.join("fifo"));
    assert_eq!(refused(model.measure(&Options::default())), SpecialFile::Fifo);
    assert_eq!(model.names(&ignoring(&["fifo"])), ["file"]);
    fs::remove_file(model.join("fifo")).unwrap();
    let _socket = UnixListener::bind(model.join("socket")).unwrap();
    assert_eq!(refused(model.measure(&Options::default())), SpecialFile::Socket);
}

#[test]
fn behind_a_link() {
    let model = Model::with(&[("file", b"x")]);
    model.link("link", "/dev/zero");
    assert_eq!(refused(model.measure(&following())), SpecialFile::CharacterDevice);
    fs::remove_file(model.join("link")).unwrap();
    fifo(&model.outside().join("fifo"));
    model.link("link", "../fifo");
    assert_eq!(refused(model.measure(&following())), SpecialFile::Fifo);
}

/// Puts a FIFO in a file's place when the walk has seen the file.
#[test]
fn in_place_of_a_file_after_the_walk() {
    struct Swap(std::path::PathBuf);
    impl Progress for Swap {
        fn plan(&self, _: usize, _: u64) {
            fs::remove_file(&self.0).unwrap();
            fifo(&self.0);
        }
        fn advance(&self, _: u64) {}
    }
    for bytes in [&b""[..], b"some"] {
        let model = Model::with(&[("file", bytes), ("other", b"")]);
        tick();
        let error = measure(&model.source(), &Options::default(), &Swap(model.join("file"))).unwrap_err();
        assert!(matches!(error, MeasureError::Changed { change: Change::Replaced, .. }), "{error}");
    }
}
