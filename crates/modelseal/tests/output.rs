//! Where a signature goes when the place is bad: nothing is lost, nothing half-written stays, and nobody waits for ever.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use modelseal::{Error, KeyAlgorithm, KeySigner, Kind, PrivateKey, Progress, PublicKey, SignedFile};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
};
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    key: KeySigner,
    public: PublicKey,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("model")).unwrap();
        fs::write(directory.path().join("model/weights"), [7; 100]).unwrap();
        let (key, public) = generate();
        Self { directory, key, public }
    }

    fn join(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn sign(&self, to: &Path, force: bool, progress: &dyn Progress) -> Result<SignedFile, Error> {
        modelseal::sign(self.join("model")).output(to).force(force).run(&self.key, progress)
    }

    fn verifies(&self, signature: &Path) -> bool {
        let request = modelseal::verify(self.join("model")).signature(signature);
        request.with_key(self.public.clone()).run(&()).is_ok()
    }

    /// What lies beside the model, to see that no temporary file is left.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| n != "model").collect();
        names.sort();
        names
    }
}

fn generate() -> (KeySigner, PublicKey) {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let public = PublicKey::from_spki_der(&key.public_key_spki_der()).unwrap();
    (KeySigner::new(key), public)
}

/// Signing to `to` fails, of this kind, for a reason with this text, forced or not.
fn refused(place: &Place, to: &Path, kind: Kind, reason: &str) {
    for force in [false, true] {
        let error = place.sign(to, force, &()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().contains(&to.display().to_string()), "{error}");
    }
}

#[test]
fn a_place_that_cannot_hold_a_signature_is_refused() {
    let place = Place::new();
    fs::create_dir(place.join("directory")).unwrap();
    refused(&place, &place.join("directory"), Kind::Usage, "is a directory");
    refused(&place, &place.join("nowhere/model.sig"), Kind::Usage, "does not exist");
    fs::write(place.join("notes.txt"), "mine").unwrap();
    refused(&place, &place.join("notes.txt"), Kind::Usage, "not a Sigstore bundle");
    fs::write(place.join("empty"), "").unwrap();
    refused(&place, &place.join("empty"), Kind::Usage, "not a Sigstore bundle");
    assert_eq!(fs::read(place.join("notes.txt")).unwrap(), b"mine");
    assert_eq!(place.names(), ["directory", "empty", "notes.txt"]);
}

#[cfg(unix)]
#[test]
fn fifos_devices_and_links_are_not_written_through() {
    let place = Place::new();
    let fifo = place.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    refused(&place, &fifo, Kind::Usage, "not a regular file");
    refused(&place, Path::new("/dev/null"), Kind::Usage, "not a regular file");
    let link = |name: &str, to: &str| {
        std::os::unix::fs::symlink(place.join(to), place.join(name)).unwrap();
        place.join(name)
    };
    refused(&place, &link("dangling", "nothing"), Kind::Usage, "not a regular file");
    refused(&place, &link("loop", "loop"), Kind::Undecided, "loop");
    fs::write(place.join("notes.txt"), "mine").unwrap();
    refused(&place, &link("to-notes", "notes.txt"), Kind::Usage, "not a Sigstore bundle");
    assert_eq!(fs::read(place.join("notes.txt")).unwrap(), b"mine");

    // A link to another signature is itself replaced, when forced; what it points to stays.
    let other = Place { key: generate().0, ..Place::new() };
    other.sign(&place.join("old.sig"), false, &()).unwrap();
    let old = fs::read(place.join("old.sig")).unwrap();
    let to_old = link("to-old", "old.sig");
    assert_eq!(place.sign(&to_old, false, &()).unwrap_err().kind(), Kind::Usage);
    place.sign(&to_old, true, &()).unwrap();
    assert_eq!(fs::read(place.join("old.sig")).unwrap(), old);
    assert!(!to_old.is_symlink() && place.verifies(&to_old));
}

/// `/proc` is read-only for everybody, root too.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_an_io_error() {
    refused(&Place::new(), Path::new("/proc/model.sig"), Kind::Undecided, "cannot write the signature");
}

#[test]
fn another_signature_is_replaced_only_when_forced_and_the_same_one_always() {
    let (place, other) = (Place::new(), Place::new());
    let signature = place.join("model.sig");
    other.sign(&signature, false, &()).unwrap();
    let old = fs::read(&signature).unwrap();
    assert!(place.sign(&signature, false, &()).unwrap_err().to_string().contains("--force"));
    assert_eq!(fs::read(&signature).unwrap(), old);
    place.sign(&signature, true, &()).unwrap();
    assert!(place.verifies(&signature));
    place.sign(&signature, false, &()).unwrap();
    assert_eq!(place.names(), ["model.sig"]);
}

/// Does something in the middle of a measurement.
struct Meanwhile<F>(F);

impl<F: Fn() + Sync> Progress for Meanwhile<F> {
    fn plan(&self, _files: usize, _bytes: u64) {
        self.0();
    }

    fn advance(&self, _bytes: u64) {}
}

#[test]
fn what_appears_while_the_model_is_measured_is_not_overwritten() {
    let place = Place::new();
    let signature = place.join("model.sig");
    let appear = Meanwhile(|| fs::write(&signature, "mine").unwrap());
    assert_eq!(place.sign(&signature, false, &appear).unwrap_err().kind(), Kind::Usage);
    assert_eq!(fs::read(&signature).unwrap(), b"mine");
    assert_eq!(place.names(), ["model.sig"]);
}

/// Eight signers, each with a key of its own, start writing at one moment: one wins, and its signature is whole.
#[test]
fn of_several_that_sign_to_one_place_one_wins() {
    for _ in 0..10 {
        let place = Place::new();
        let signature = place.join("model.sig");
        let barrier = Barrier::new(8);
        let winners: Vec<PublicKey> = std::thread::scope(|scope| {
            let sign = || {
                let (key, public) = generate();
                let all_measured = Meanwhile(|| {
                    barrier.wait();
                });
                let request = modelseal::sign(place.join("model")).output(&signature);
                request.run(&key, &all_measured).is_ok().then_some(public)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(sign)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        let [winner] = &winners[..] else { panic!("{} of 8 won", winners.len()) };
        let request = modelseal::verify(place.join("model")).signature(&signature);
        assert!(request.with_key(winner.clone()).run(&()).is_ok());
        assert_eq!(place.names(), ["model.sig"]);
    }
}

const CHILD: &str = "MODELSEAL_TEST_FULL_DISK";

/// Not a test of its own: what the process with the small limit does. Without the variable it does nothing.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let directory = Path::new(&directory);
    let request = modelseal::sign(directory.join("model")).output(directory.join("model.sig")).force(true);
    match request.run(&generate().0, &()) {
        Ok(_) => println!("signed"),
        Err(error) => println!("{:?} {error}", error.kind()),
    }
}

/// A limit on file size in place of a full disk: the write begins, and fails in the middle.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_loses_nothing_and_leaves_nothing() {
    let place = Place::new();
    let run = || {
        // 512 bytes, or 1024 where the unit is another; the signature is longer. The signal is ignored, so that the
        // write fails instead.
        let script = r#"trap "" XFSZ; ulimit -f 1; exec "$0" --exact child --nocapture"#;
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).arg(std::env::current_exe().unwrap()).env(CHILD, place.directory.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("Undecided cannot write the signature"), "{text}");
    };
    run();
    assert_eq!(place.names(), [""; 0]);
    let signature = place.join("model.sig");
    place.sign(&signature, false, &()).unwrap();
    let old = fs::read(&signature).unwrap();
    assert!(old.len() > 1024, "{} bytes", old.len());
    run();
    assert_eq!(fs::read(&signature).unwrap(), old);
    assert_eq!(place.names(), ["model.sig"]);
}
