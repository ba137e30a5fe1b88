//! A signed model on disk, and what happens to it between two reads.

use modelseal::{
    Algorithm, KeyAlgorithm, KeySigner, PrivateKey, Progress, PublicKey, VerifiedModel, Verifier,
    VerifyRequest,
};
use std::{
    fs,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;

static KEY: LazyLock<(KeySigner, PublicKey)> = LazyLock::new(|| {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let public = PublicKey::from_spki_der(&key.public_key_spki_der()).unwrap();
    (KeySigner::new(key), public)
});

pub(crate) struct Site {
    pub(crate) folder: TempDir,
    model: String,
}

/// Bytes without a pattern that a mistake could hit.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[5]
    };
    (0..len).map(|_| next()).collect()
}

impl Site {
    /// Signs a directory of these files.
    pub(crate) fn new(files: &[(&str, &[u8])], shards: Option<u64>, hash: Algorithm) -> Self {
        let site = Self { folder: TempDir::new().unwrap(), model: "model".into() };
        for (name, bytes) in files {
            let path = site.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        site.sign(shards, hash);
        site
    }

    /// Signs one file.
    pub(crate) fn of_file(name: &str, bytes: &[u8], shards: Option<u64>) -> Self {
        let site = Self { folder: TempDir::new().unwrap(), model: name.into() };
        fs::write(site.path(), bytes).unwrap();
        site.sign(shards, Algorithm::Sha256);
        site
    }

    /// What lies in a folder, not signed yet.
    pub(crate) fn of_directory(folder: TempDir, model: &std::path::Path) -> Self {
        Self { folder, model: model.to_str().unwrap().to_owned() }
    }

    pub(crate) fn sign_with_links(&self) {
        fs::remove_file(self.signature()).unwrap();
        modelseal::sign(self.path()).output(self.signature()).allow_symlinks(true).run(&KEY.0, &()).unwrap();
    }

    pub(crate) fn sign(&self, shards: Option<u64>, hash: Algorithm) {
        let mut request = modelseal::sign(self.path()).output(self.signature()).hash(hash);
        if let Some(size) = shards {
            request = request.shards(NonZeroU64::new(size).unwrap());
        }
        request.run(&KEY.0, &()).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.model)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn signature(&self) -> PathBuf {
        self.folder.path().join("model.sig")
    }

    pub(crate) fn request(&self) -> VerifyRequest<Verifier> {
        let threads = NonZeroUsize::new(1).unwrap();
        modelseal::verify(self.path()).signature(self.signature()).with_key(KEY.1.clone()).threads(threads)
    }

    pub(crate) fn open(&self) -> VerifiedModel {
        self.request().open(&()).unwrap_or_else(|refusal| panic!("{refusal}"))
    }
}

/// Does something once, when so many bytes were hashed: between two reads of the engine.
pub(crate) struct After<F> {
    bytes: u64,
    seen: AtomicU64,
    act: Mutex<Option<F>>,
}

impl<F: FnOnce() + Send> After<F> {
    pub(crate) fn new(bytes: u64, act: F) -> Self {
        Self { bytes, seen: AtomicU64::new(0), act: Mutex::new(Some(act)) }
    }

    /// Whether it was done.
    pub(crate) fn happened(&self) -> bool {
        self.act.lock().unwrap().is_none()
    }
}

impl<F: FnOnce() + Send> Progress for After<F> {
    fn plan(&self, _files: usize, _bytes: u64) {}

    fn advance(&self, bytes: u64) {
        let seen = self.seen.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if seen >= self.bytes
            && let Some(act) = self.act.lock().unwrap().take()
        {
            act();
        }
    }
}
