//! What must hold of every model: what is signed verifies, and what differs in one bit, one name or one file does not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "these are tests")]

use modelseal::{
    Algorithm, Certificate, CertificateSigner, KeyAlgorithm, KeySigner, Kind, PasswordError, PrivateKey,
    PublicKey, Roots, Signer, Verifier, VerifyRequest,
};
use proptest::{prelude::*, sample::Index};
use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::LazyLock,
};
use tempfile::TempDir;

/// One key of each algorithm.
static KEYS: LazyLock<[Pair; 4]> = LazyLock::new(|| KeyAlgorithm::ALL.map(Pair::generate));

struct Pair {
    signer: KeySigner,
    public: PublicKey,
}

impl Pair {
    fn generate(algorithm: KeyAlgorithm) -> Self {
        let key = PrivateKey::generate(algorithm).unwrap();
        let public = PublicKey::from_spki_der(&key.public_key_spki_der()).unwrap();
        Self { signer: KeySigner::new(key), public }
    }
}

/// A model on disk and its signature beside it.
struct Signed {
    directory: TempDir,
    trust: Trust,
}

#[derive(Clone)]
enum Trust {
    Key(PublicKey),
    Roots(Roots),
}

impl Signed {
    fn new(
        files: &BTreeMap<String, Vec<u8>>,
        method: Option<u64>,
        hash: Algorithm,
        who: &dyn Signer,
        trust: Trust,
    ) -> Self {
        let directory = TempDir::new().unwrap();
        let signed = Self { directory, trust };
        for (name, bytes) in files {
            write(&signed.model().join(name), bytes);
        }
        let mut request = modelseal::sign(signed.model()).output(signed.signature()).hash(hash);
        if let Some(size) = method.and_then(NonZeroU64::new) {
            request = request.shards(size);
        }
        request.run(who, &()).unwrap();
        signed
    }

    fn model(&self) -> PathBuf {
        self.directory.path().join("model")
    }

    fn signature(&self) -> PathBuf {
        self.directory.path().join("model.sig")
    }

    fn request(&self) -> VerifyRequest<Verifier> {
        let request = modelseal::verify(self.model()).signature(self.signature());
        match self.trust.clone() {
            Trust::Key(key) => request.with_key(key),
            Trust::Roots(roots) => request.with_certificates(roots, None),
        }
    }

    /// `None` when the model was accepted.
    fn refusal(&self) -> Option<Kind> {
        self.request().run(&()).err().map(|refusal| refusal.kind())
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Files that can lie in one directory tree: no name is also a directory of another.
fn models() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    // Windows refuses colons and line breaks; everywhere else they are letters like any other.
    let names = if cfg!(windows) {
        "[a-e]{1,4}(/[a-e]{1,4}){0,2}"
    } else {
        "[a-e:é模 \n-]{1,4}(/[a-e:é]{1,4}){0,2}"
    };
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    prop::collection::btree_map(names, bytes, 1..8).prop_map(|mut files| {
        let names: Vec<String> = files.keys().cloned().collect();
        files.retain(|name, _| !names.iter().any(|other| other.starts_with(&format!("{name}/"))));
        files
    })
}

/// A change to a model. What cannot be done to the model at hand (too few files) is done in another way.
#[derive(Debug, Clone)]
enum Change {
    FlipBit(Index, Index, u8),
    Append(Index, u8),
    CutOff(Index),
    Remove(Index),
    Rename(Index),
    Swap(Index, Index),
    Add(Vec<u8>),
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<Index>(), 0..8_u8).prop_map(|(file, at, bit)| Change::FlipBit(file, at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(file, byte)| Change::Append(file, byte)),
        any::<Index>().prop_map(Change::CutOff),
        any::<Index>().prop_map(Change::Remove),
        any::<Index>().prop_map(Change::Rename),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Swap(a, b)),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Change::Add),
    ]
}

impl Change {
    fn apply(&self, model: &Path, files: &BTreeMap<String, Vec<u8>>) {
        let pick = |index: &Index| {
            let (name, bytes) = files.iter().nth(index.index(files.len())).unwrap();
            (model.join(name), bytes.clone())
        };
        let add = |bytes: &[u8]| write(&model.join("zzzzz-new"), bytes);
        match self {
            Self::FlipBit(file, at, bit) => {
                let (path, mut bytes) = pick(file);
                if bytes.is_empty() {
                    return write(&path, b"x");
                }
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
                write(&path, &bytes);
            }
            Self::Append(file, byte) => {
                let (path, mut bytes) = pick(file);
                bytes.push(*byte);
                write(&path, &bytes);
            }
            Self::CutOff(file) => match pick(file) {
                (_, bytes) if bytes.is_empty() => add(b""),
                (path, bytes) => write(&path, &bytes[..bytes.len() - 1]),
            },
            Self::Remove(file) => fs::remove_file(pick(file).0).unwrap(),
            Self::Rename(file) => fs::rename(pick(file).0, model.join("zzzzz-renamed")).unwrap(),
            Self::Swap(a, b) => match (pick(a), pick(b)) {
                ((_, one), (_, other)) if one == other => add(b"x"),
                ((a, one), (b, other)) => {
                    write(&a, &other);
                    write(&b, &one);
                }
            },
            Self::Add(bytes) => add(bytes),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_was_signed_verifies_and_what_was_changed_does_not(
        files in models(),
        shard in prop::option::of(1..300_u64),
        hash in prop::sample::select(&Algorithm::ALL),
        pair in 0..4_usize,
        change in changes(),
    ) {
        let pair = &KEYS[pair];
        let signed = Signed::new(&files, shard, hash, &pair.signer, Trust::Key(pair.public.clone()));
        prop_assert_eq!(signed.refusal(), None);
        change.apply(&signed.model(), &files);
        prop_assert_eq!(signed.refusal(), Some(Kind::Denied));
    }

    #[test]
    fn another_key_of_the_same_kind_is_refused(files in models(), pair in 0..4_usize) {
        let other = Pair::generate(KeyAlgorithm::ALL[pair]);
        let signed =
            Signed::new(&files, None, Algorithm::Sha256, &KEYS[pair].signer, Trust::Key(other.public));
        prop_assert_eq!(signed.refusal(), Some(Kind::Denied));
    }
}

fn small_model() -> BTreeMap<String, Vec<u8>> {
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    BTreeMap::from([file("config.json", b"{\"layers\": 2}\n"), file("weights/part-0", &[7; 40])])
}

/// A small model signed in each way.
fn small_models() -> Vec<(&'static str, Signed)> {
    let mut all = Vec::new();
    for (pair, algorithm) in KEYS.iter().zip(KeyAlgorithm::ALL) {
        let trust = Trust::Key(pair.public.clone());
        all.push((
            algorithm.name(),
            Signed::new(&small_model(), None, Algorithm::Sha256, &pair.signer, trust),
        ));
    }
    let trust = Trust::Key(KEYS[0].public.clone());
    all.push(("shards", Signed::new(&small_model(), Some(16), Algorithm::Blake3, &KEYS[0].signer, trust)));
    all.push(("certificate", certificate_model()));
    all
}

/// Signed under a certificate with an intermediate that only the bundle carries.
fn certificate_model() -> Signed {
    let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/keys/pki");
    let read = |name: &str| fs::read(pki.join(name)).unwrap();
    let certificate = |name: &str| Certificate::from_pem_many(&read(name)).unwrap().remove(0);
    let key = PrivateKey::from_pem(&read("leaf-p256.key.pem"), || Err(PasswordError::NotGiven)).unwrap();
    let (leaf, issuer) = (certificate("leaf-p256.pem"), certificate("int.pem"));
    let signer = CertificateSigner::new(key, leaf.der().to_vec(), vec![issuer.der().to_vec()]).unwrap();
    let roots = Roots::new(vec![certificate("root.pem")]).unwrap();
    Signed::new(&small_model(), None, Algorithm::Sha256, &signer, Trust::Roots(roots))
}

/// Every bit, without exception: not one bit of what we write is free to vary. (Of the kinds that are slower to check,
/// one bit of nearly every byte.)
#[test]
fn each_single_bit_of_a_bundle_counts() {
    for (name, signed) in small_models() {
        let bundle = fs::read(signed.signature()).unwrap();
        let step = if name == "ed25519" { 1 } else { 7 };
        for bit in (0..bundle.len() * 8).step_by(step) {
            let mut changed = bundle.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(signed.signature(), &changed).unwrap();
            let context = String::from_utf8_lossy(
                &bundle[(bit / 8).saturating_sub(20)..(bit / 8 + 20).min(bundle.len())],
            );
            assert_eq!(signed.refusal(), Some(Kind::Denied), "{name}: bit {bit}, near {context}");
        }
        fs::write(signed.signature(), &bundle).unwrap();
        assert_eq!(signed.refusal(), None, "{name}");
    }
}

/// Every prefix, and a byte more.
#[test]
fn a_bundle_that_is_cut_off_or_longer_is_refused() {
    let (_, signed) = small_models().swap_remove(0);
    let bundle = fs::read(signed.signature()).unwrap();
    // The last byte is the line end, which JSON does not need.
    assert_eq!(bundle.last(), Some(&b'\n'));
    for end in 0..bundle.len() - 1 {
        fs::write(signed.signature(), &bundle[..end]).unwrap();
        assert_eq!(signed.refusal(), Some(Kind::Denied), "first {end} bytes");
    }
    for extra in 1..=255_u8 {
        fs::write(signed.signature(), [&bundle[..], &[extra]].concat()).unwrap();
        let expected = if b" \t\r\n".contains(&extra) { None } else { Some(Kind::Denied) };
        assert_eq!(signed.refusal(), expected, "{extra:#x} at the end");
    }
}

#[test]
fn each_single_bit_of_a_model_counts() {
    for (name, signed) in small_models() {
        for (file, bytes) in small_model() {
            let path = signed.model().join(&file);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, &changed).unwrap();
                assert_eq!(signed.refusal(), Some(Kind::Denied), "{name}: bit {bit} of {file}");
            }
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(signed.refusal(), None, "{name}");
    }
}

/// The signature is of files, their names and their bytes. These are what it does not speak of.
#[test]
fn what_a_signature_does_not_cover_is_only_this() {
    let (_, signed) = small_models().swap_remove(0);
    fs::create_dir(signed.model().join("empty-directory")).unwrap();
    assert_eq!(signed.refusal(), None, "a directory without files");
    write(&signed.model().join(".git/config"), b"x");
    assert_eq!(signed.refusal(), None, "git's own files at the top");
    write(&signed.model().join("weights/.git/config"), b"x");
    assert_eq!(signed.refusal(), Some(Kind::Denied), "git's own files elsewhere");
}

/// A bundle that is laid out in another way is another file with the same meaning: white space between tokens, the
/// order of members, escapes in strings. The signature covers the decoded payload, whose bytes stay the same.
#[test]
fn a_bundle_that_was_written_anew_with_the_same_meaning_still_verifies() {
    let (_, signed) = small_models().swap_remove(0);
    let bundle: serde_json::Value = serde_json::from_slice(&fs::read(signed.signature()).unwrap()).unwrap();
    fs::write(signed.signature(), serde_json::to_vec_pretty(&bundle).unwrap()).unwrap();
    assert_eq!(signed.refusal(), None);
}
