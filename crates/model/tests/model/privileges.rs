//! What the system does not let us do, seen from a process of its own: this test binary again, told by a variable
//! what to measure, as another user or with few descriptors.

use crate::common::{Model, noise};
use modelseal_model::{MeasureError, Options, Source, measure};
use std::{
    fs::{self, Permissions},
    num::NonZeroUsize,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};

const CHILD: &str = "MODELSEAL_TEST_MEASURE";

/// Not a test of its own: what the child process does. Without the variable it does nothing.
#[test]
fn child() {
    let Some(model) = std::env::var_os(CHILD) else { return };
    let ignored = std::env::var("MODELSEAL_TEST_IGNORE").ok();
    let mut options = ignored.map_or_else(Options::default, |name| crate::common::ignoring(&[&*name]));
    options.threads = NonZeroUsize::new(16);
    match measure_at(Path::new(&model), &options) {
        Ok(files) => println!("measured {files} files"),
        Err(error) => println!("{:?} error: {error}", error.kind()),
    }
}

fn measure_at(model: &Path, options: &Options) -> Result<usize, MeasureError> {
    Ok(measure(&Source::open(model)?, options, &())?.files)
}

fn run(mut command: Command, model: &Path) -> String {
    command.args(["--exact", "privileges::child", "--nocapture"]).env(CHILD, model);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{text}{}", String::from_utf8_lossy(&stderr));
    text
}

/// The test binary as a user for whom permissions count. Root runs a copy of it, for the folder it was built in may be
/// closed to others.
fn as_nobody(folder: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    if !rustix::process::geteuid().is_root() {
        return Command::new(this);
    }
    let copy = folder.join("test-binary");
    if !copy.exists() {
        fs::copy(this, &copy).unwrap();
    }
    let mut command = Command::new(copy);
    command.uid(65534).gid(65534);
    command
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_skipped() {
    let model = Model::with(&[("a", b"x"), ("closed/file", b"y")]);
    fs::set_permissions(model.outside(), Permissions::from_mode(0o755)).unwrap();
    let closed = model.join("closed");
    let with_mode = |mode: u32, ignore: Option<&str>| {
        fs::set_permissions(&closed, Permissions::from_mode(mode)).unwrap();
        let mut command = as_nobody(model.outside());
        command.envs(ignore.map(|name| ("MODELSEAL_TEST_IGNORE", name)));
        let text = run(command, &model.path());
        fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
        text
    };
    let text = with_mode(0o755, None);
    assert!(text.contains("measured 2 files"), "{text}");
    for mode in [0o000, 0o111, 0o444] {
        let text = with_mode(mode, None);
        assert!(text.contains("Io error: cannot ") && text.contains("model/closed"), "{mode:o}: {text}");
        assert!(text.contains("Permission denied"), "{mode:o}: {text}");
        let text = with_mode(mode, Some("closed"));
        assert!(text.contains("measured 1 files"), "{mode:o}: {text}");
    }
    fs::set_permissions(model.join("a"), Permissions::from_mode(0o000)).unwrap();
    let text = with_mode(0o755, None);
    assert!(text.contains("Io error: cannot open") && text.contains("model/a'"), "{text}");
}

#[test]
fn few_descriptors_are_enough() {
    let model = Model::new();
    let deep = vec!["d"; 25].join("/");
    for n in 0..600 {
        model.file(&format!("{}/{n}", if n % 3 == 0 { &deep } else { "d/e" }), &noise(n, 2000));
    }
    // Sixteen threads would keep four large files open each.
    for n in 0..64 {
        fs::File::create(model.join(&format!("large-{n}"))).unwrap().set_len(8 << 20).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 64; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
    let text = run(command, &model.path());
    assert!(text.contains("measured 664 files"), "{text}");
}
