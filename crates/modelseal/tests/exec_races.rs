//! Somebody who swaps a model's files between the moments in which `exec` lays it out, decides and copies. Each runs in a thread of
//! its own, which has its own namespace and gives up its own privileges. Only root can have a namespace beside other threads.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use modelseal::{ExecError, KeyAlgorithm, KeySigner, PrivateKey, Room};
use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    thread,
};
use tempfile::TempDir;

const NAME: &str = "hf://huggingface.co/acme/ranker";

struct Site(TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(TempDir::new().unwrap());
        fs::set_permissions(site.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(site.join("model")).unwrap();
        fs::write(site.join("model/weights"), "signed").unwrap();
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        fs::write(site.join("k.pub"), key.public_key_pem()).unwrap();
        let spki = modelseal::PublicKey::from_spki_der(&key.public_key_spki_der()).unwrap().fingerprint();
        let signature = site.join("model/model.sig");
        modelseal::sign(site.join("model")).output(signature).run(&KeySigner::new(key), &()).unwrap();
        let text = format!(
            "schema = \"modelseal.policy/v1\"\nid = \"p\"\nversion = 1\nexpires = 2099-01-01T00:00:00Z\n\
             signers.alice = {{ kind = \"key\", principal = \"alice\", file = \"k.pub\", spki-sha256 = \"{spki}\" }}\n\
             [[rule]]\nname = \"ranker\"\nmodels = [\"{NAME}\"]\nbind = \"signer\"\nsignature = {{ signers = [\"alice\"] }}\n"
        );
        fs::write(site.join("policy.toml"), text).unwrap();
        site
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts another file in the place of the weights, as a rename does.
    fn swap(&self, text: &str) {
        fs::write(self.join("new"), text).unwrap();
        fs::rename(self.join("new"), self.join("model/weights")).unwrap();
    }

    fn enter(&self, copy: bool) -> Room {
        let words = [OsString::from("/bin/true")];
        modelseal::exec(words, []).model(NAME, self.join("model")).copy(copy).enter().unwrap()
    }

    /// Decides and admits; `between` happens after the decision.
    fn admit(&self, room: &mut Room, between: impl FnOnce()) -> Result<(), Refused> {
        let policies = modelseal::policies().file(self.join("policy.toml")).unsigned(true).load().unwrap();
        let decided = room.judge(0, &room.decide(0).unwrap().under(&policies), &()).unwrap();
        let allowed =
            decided.into_allowed(false).map_err(|denial| Refused(denial.report().code.clone().unwrap()))?;
        between();
        room.admit(0, &allowed, &()).map_err(|e: ExecError| Refused(e.code().to_owned()))
    }
}

#[derive(Debug, PartialEq)]
struct Refused(String);

/// Closes the room, as which this thread then is no more than the command, and reads what the command would.
fn read(room: Room) -> String {
    let ready = room.close().unwrap();
    assert_eq!(fs::metadata("/proc/thread-self").unwrap().uid(), 65534, "privileges were kept");
    fs::read_to_string(PathBuf::from(&ready.report().models[0].path).join("weights")).unwrap()
}

fn apart(test: impl FnOnce() + Send + 'static) {
    if !fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0) {
        println!("not tested: only root can have a namespace for one thread");
        return;
    }
    thread::spawn(test).join().unwrap();
}

#[test]
fn a_file_swapped_in_after_the_layout_is_neither_verified_nor_read() {
    apart(|| {
        let site = Site::new();
        let mut room = site.enter(false);
        site.swap("evil");
        assert_eq!(site.admit(&mut room, || site.swap("worse")), Ok(()));
        assert_eq!(read(room), "signed");
    });
}

#[test]
fn good_bytes_shown_to_the_decision_alone_help_nobody() {
    apart(|| {
        let site = Site::new();
        site.swap("evil");
        let mut room = site.enter(false);
        site.swap("signed");
        assert_eq!(site.admit(&mut room, || {}), Err(Refused("integrity.digest-mismatch".into())));
        assert_eq!(room.close().unwrap_err().code(), "error.internal");
    });
}

#[test]
fn a_copy_is_compared_while_it_is_made() {
    apart(|| {
        let site = Site::new();
        let mut room = site.enter(true);
        // Of the same size: the decision is about names and sizes, the copy about bytes.
        site.swap("Signed");
        assert_eq!(site.admit(&mut room, || {}), Err(Refused("integrity.digest-mismatch".into())));
        let mut room = site.enter(true);
        site.swap("signed");
        let swapped = site.admit(&mut room, || site.swap("Signed"));
        assert_eq!(swapped, Err(Refused("integrity.changed-during-verify".into())));
        assert_eq!(room.close().unwrap_err().code(), "error.internal");
    });
}

#[test]
fn a_write_in_place_after_the_copy_is_not_seen() {
    apart(|| {
        let site = Site::new();
        let mut room = site.enter(true);
        assert_eq!(site.admit(&mut room, || {}), Ok(()));
        fs::write(site.join("model/weights"), "evil!!").unwrap();
        assert_eq!(read(room), "signed");
    });
}
