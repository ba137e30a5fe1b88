//! What the kernel may answer for, with a double in its place: tests/verity_vm.sh asks a real one.

use super::{Answer, double::stand};
use crate::report::{KernelReport, Status, VerifyReport};
use modelseal::{KeyAlgorithm, KeySigner, Kind, Policies, PrivateKey, Progress, PublicKey, Refusal, Signer};
use modelseal_core::{
    bundle::Bundle,
    dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae},
    path::ModelPath,
    predicate::{Reading, read_signed_model, signature_v1},
    verity::FsVerityDigest,
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A model of two files, which a double tells apart by their length, and its signature.
struct Site {
    folder: tempfile::TempDir,
    public: PublicKey,
    private: PathBuf,
    /// What was signed for each file, by its length.
    signed: BTreeMap<u64, FsVerityDigest>,
}

#[derive(Default)]
struct Count(AtomicU64);

impl Progress for Count {
    fn plan(&self, _: usize, _: u64) {}

    fn advance(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("model")).unwrap();
        fs::write(folder.path().join("model/config.json"), "{}").unwrap();
        fs::write(folder.path().join("model/weights.bin"), vec![7; 10_000]).unwrap();
        let (key, public) = key();
        let private = folder.path().join("private.pem");
        fs::write(&private, key.to_pkcs8_pem(None).unwrap().as_bytes()).unwrap();
        let mut site = Self { folder, public, private, signed: BTreeMap::new() };
        site.sign("model.sig", true);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signer(&self) -> KeySigner {
        let never = || Err(modelseal::PasswordError::NotGiven);
        KeySigner::new(PrivateKey::from_pem(&fs::read(&self.private).unwrap(), never).unwrap())
    }

    fn sign(&mut self, to: &str, annotate: bool) {
        let request = modelseal::sign(self.path("model")).output(self.path(to)).fs_verity(annotate);
        let prepared = request.clone().prepare(&()).unwrap();
        let said = read_signed_model(IN_TOTO_PAYLOAD_TYPE, prepared.statement(), Reading::Field).unwrap();
        let model = self.path("model");
        let len = |path: &ModelPath| fs::metadata(model.join(path.as_str())).unwrap().len();
        self.signed.extend(said.fs_verity.iter().map(|(path, digest)| (len(path), *digest)));
        request.run(&self.signer(), &()).unwrap();
    }

    fn verify(&self, signature: &str) -> (Result<VerifyReport, Refusal>, u64) {
        let count = Count::default();
        let request = modelseal::verify(self.path("model")).signature(self.path(signature));
        let verified = request.with_key(self.public.clone()).run(&count);
        (verified.map(|model| model.report().clone()), count.0.into_inner())
    }

    /// Decides with bundles from `names`; gives the report and how many bytes were read.
    fn decide(&self, policies: &Policies, names: &[&str]) -> (VerifyReport, u64) {
        let count = Count::default();
        let mut request = modelseal::decide(self.path("model")).under(policies).only_named();
        for name in names {
            request = request.bundle(self.path(name));
        }
        let decided = request.named("hf://huggingface.co/acme/ranker").unwrap().run(&count).unwrap();
        (decided.report().clone(), count.0.into_inner())
    }

    fn policy(&self, signers: &[(&str, &PublicKey)], rule: &str, more: &str) -> Policies {
        let mut text = "schema = \"modelseal.policy/v1\"\nid = \"acme/models\"\nversion = 1\n".to_owned();
        text.push_str("expires = 2099-01-01T00:00:00Z\n");
        for (name, key) in signers {
            let pem = modelseal_core::key::spki_pem(key.spki_der()).replace('\n', "\\n");
            let spki = key.fingerprint();
            text.push_str(&format!(
                "signers.{name} = {{ kind = \"key\", pem = \"{pem}\", spki-sha256 = \"{spki}\" }}\n"
            ));
        }
        text.push_str("[[rule]]\nname = \"ours\"\nmodels = [\"hf://huggingface.co/acme/ranker\"]\n");
        text.push_str(&format!("{rule}\n{more}\n"));
        let path = self.path("policy.toml");
        fs::write(&path, text).unwrap();
        modelseal::policies().file(path).unsigned(true).load().unwrap()
    }

    /// The kernel enforces every file, and answers as was signed.
    fn honest(&self) -> impl Fn(&File) -> Answer + 'static {
        let signed = self.signed.clone();
        move |file| {
            let digest = signed.get(&file.metadata().unwrap().len());
            digest.map_or(Answer::NotEnforced, |digest| Answer::Enforced(*digest))
        }
    }
}

fn key() -> (PrivateKey, PublicKey) {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let public = PublicKey::from_pem(key.public_key_pem().as_bytes()).unwrap();
    (key, public)
}

fn kernel(report: &VerifyReport) -> Option<(usize, usize, usize)> {
    report
        .kernel
        .as_ref()
        .map(|KernelReport { files, enforced, verified, .. }| (*files, *enforced, *verified))
}

const BYTES: u64 = 10_002;

#[test]
fn nothing_is_read_that_the_kernel_answers_for() {
    let site = Site::new();
    let (report, read) = site.verify("model.sig");
    assert_eq!((kernel(&report.unwrap()), read), (None, BYTES));
    let _kernel = stand(site.honest());
    let (report, read) = site.verify("model.sig");
    let report = report.unwrap();
    assert_eq!((kernel(&report), read), (Some((2, 2, 2)), 0));
    assert_eq!(report.measured.unwrap().bytes, BYTES);
}

/// The point: 64 GiB in the time of a call. If a byte of it were read, `read` would be 64 GiB, and this test would take minutes.
#[test]
fn a_large_sparse_model_is_not_read() {
    const SIZE: u64 = 64 << 30;
    let mut site = Site::new();
    fs::remove_file(site.path("model/weights.bin")).unwrap();
    fs::write(site.path("model/weights.bin"), vec![0; 5000]).unwrap();
    // Signing all of it would read it: it is signed while it is small, and the kernel's double knows it as the same.
    site.sign("large.sig", true);
    File::options().write(true).open(site.path("model/weights.bin")).unwrap().set_len(SIZE).unwrap();
    site.signed.insert(SIZE, site.signed[&5000]);
    let _kernel = stand(site.honest());
    let (report, read) = site.verify("large.sig");
    let report = report.unwrap();
    assert_eq!((kernel(&report), read), (Some((2, 2, 2)), 0));
    assert_eq!(report.measured.unwrap().bytes, SIZE + 2);
}

#[test]
fn another_digest_than_the_signed_one_counts_for_nothing() {
    let site = Site::new();
    for answer in [Answer::Enforced(FsVerityDigest::new([1; 32])), Answer::EnforcedOtherwise] {
        let _kernel = stand(move |_| answer);
        let (report, read) = site.verify("model.sig");
        let report = report.unwrap();
        assert_eq!((kernel(&report), read), (Some((2, 2, 0)), BYTES));
        let said = report.notes.iter().any(|note| note.contains("are not the signed ones"));
        assert_eq!(said, answer != Answer::EnforcedOtherwise, "{:?}", report.notes);
    }
    // Of a file that was changed and then frozen, too.
    fs::write(site.path("model/weights.bin"), vec![8; 10_000]).unwrap();
    let honest = site.honest();
    let _kernel = stand(move |file| match file.metadata().unwrap().len() {
        10_000 => Answer::Enforced(FsVerityDigest::new([1; 32])),
        _ => honest(file),
    });
    let (report, read) = site.verify("model.sig");
    let refusal = report.unwrap_err();
    assert_eq!(
        (refusal.kind(), refusal.report().code.as_deref()),
        (Kind::Denied, Some("integrity.digest-mismatch"))
    );
    assert_eq!((kernel(refusal.report()), read), (Some((2, 2, 1)), 10_000));
}

/// One file's digest does not stand for another's.
#[test]
fn files_that_changed_places_are_read() {
    let mut site = Site::new();
    fs::write(site.path("model/other.bin"), vec![9; 10_001]).unwrap();
    site.sign("model.sig2", true);
    let swapped: BTreeMap<u64, FsVerityDigest> =
        [(10_000, site.signed[&10_001]), (10_001, site.signed[&10_000])].into();
    let _kernel = stand(move |file| {
        swapped.get(&file.metadata().unwrap().len()).map_or(Answer::NotEnforced, |d| Answer::Enforced(*d))
    });
    let (report, read) = site.verify("model.sig2");
    assert_eq!((kernel(&report.unwrap()), read), (Some((3, 2, 0)), BYTES + 10_001));
}

#[test]
fn a_signature_without_annotations_asks_nobody() {
    let mut site = Site::new();
    site.sign("plain.sig", false);
    let _kernel = stand(site.honest());
    let (report, read) = site.verify("plain.sig");
    assert_eq!((kernel(&report.unwrap()), read), (None, BYTES));
}

#[test]
fn shards_are_known_as_files_are() {
    let site = Site::new();
    let request = modelseal::sign(site.path("model")).output(site.path("shards.sig")).fs_verity(true);
    let signed = request.shards(NonZeroU64::new(3000).unwrap()).run(&site.signer(), &()).unwrap();
    assert_eq!(signed.report.fs_verity, Some(2));
    let _kernel = stand(site.honest());
    let (report, read) = site.verify("shards.sig");
    assert_eq!((kernel(&report.unwrap()), read), (Some((2, 2, 2)), 0));
}

const SIGNATURE: &str = "signature = { signers = [\"a\"] }";

#[test]
fn a_policy_that_asks_signers_alone_reads_nothing() {
    let site = Site::new();
    let policies = site.policy(&[("a", &site.public)], SIGNATURE, "");
    let _kernel = stand(site.honest());
    let (report, read) = site.decide(&policies, &["model.sig"]);
    assert_eq!(report.verdict, crate::report::Verdict::Allow, "{}", report.message);
    assert_eq!((kernel(&report), read), (Some((2, 2, 2)), 0));
}

/// Whatever else judges the digests of files, or what is in them, is not what their signer vouches for.
#[test]
fn policies_in_which_others_judge_the_bytes_read_them() {
    let site = Site::new();
    let spki = "11".repeat(32);
    let deny = format!("[[deny]]\nid = \"d\"\nreason = \"r\"\nfile-digests = [\"sha256:{spki}\"]");
    let deny_model = format!("[[deny]]\nid = \"d\"\nreason = \"r\"\ndigests = [\"manifest-sha256:{spki}\"]");
    let content = "content = { max-pickle-tier = \"P0\" }";
    let pinned = format!("bind = \"digest\"\ndigests = [\"manifest-sha256:{spki}\"]\n{SIGNATURE}");
    let attested = format!(
        "{SIGNATURE}\n[[rule.attestation]]\nname = \"t\"\npredicate-type = \"https://example.com/t/v1\"\nsigners = [\"a\"]"
    );
    let _kernel = stand(site.honest());
    for (rule, more) in [
        (SIGNATURE, deny.as_str()),
        (SIGNATURE, deny_model.as_str()),
        (&format!("{SIGNATURE}\n{content}"), ""),
        (&pinned, ""),
        (&attested, ""),
    ] {
        let policies = site.policy(&[("a", &site.public)], rule, more);
        let count = Count::default();
        let request = modelseal::decide(site.path("model")).under(&policies).only_named().complete(true);
        let request =
            request.bundle(site.path("model.sig")).named("hf://huggingface.co/acme/ranker").unwrap();
        let decided = request.run(&count).unwrap();
        assert_eq!(kernel(decided.report()), None, "{rule} {more}");
        assert!(count.0.into_inner() >= BYTES, "{rule} {more}");
    }
}

/// Two signers: `a`, whom the rule asks for, and `b`. What `b` says of the kernel must never pass for what `a` signed.
#[test]
fn one_signer_does_not_speak_for_another() {
    let mut site = Site::new();
    site.sign("a.sig", false);
    let (b, b_public) = key();
    // `b` signs the very manifest of `a`, and says that the kernel's digest of the attacker's file is that of the weights.
    let prepared =
        modelseal::sign(site.path("model")).output(site.path("x.sig")).fs_verity(true).prepare(&()).unwrap();
    let said = read_signed_model(IN_TOTO_PAYLOAD_TYPE, prepared.statement(), Reading::Field).unwrap();
    let evil = FsVerityDigest::new([0xee; 32]);
    let lie: BTreeMap<ModelPath, FsVerityDigest> =
        said.fs_verity.keys().map(|path| (path.clone(), evil)).collect();
    let b = KeySigner::new(b);
    // Under several names of the model, which prove nothing: evidence is looked at in the order of its digests.
    let bundles: Vec<String> = (0..6).map(|n| format!("b{n}.sig")).collect();
    for name in &bundles {
        let payload = signature_v1::write_annotated(&said.manifest, name, &lie).unwrap();
        let signature = b.sign(&pae(IN_TOTO_PAYLOAD_TYPE, &payload)).unwrap();
        let bundle = Bundle::new(b.material(), Envelope::new(IN_TOTO_PAYLOAD_TYPE, payload, signature));
        fs::write(site.path(name), bundle.to_json().unwrap()).unwrap();
    }
    fs::write(site.path("model/weights.bin"), vec![8; 10_000]).unwrap();
    let _kernel = stand(move |_| Answer::Enforced(evil));
    let signers = [("a", &site.public), ("b", &b_public)];
    let policies = site.policy(&signers, SIGNATURE, "");
    for b in &bundles {
        for bundles in [&["a.sig", b][..], &["model.sig", b], &["a.sig", "model.sig", b]] {
            let (report, read) = site.decide(&policies, bundles);
            assert_eq!(report.verdict, crate::report::Verdict::Deny, "{bundles:?}");
            assert_eq!(report.code.as_deref(), Some("integrity.digest-mismatch"));
            assert_eq!(read, BYTES);
        }
    }
    // `b` alone is believed by whoever asks for `b`: as with any digest that a signer signs.
    let policies = site.policy(&signers, "signature = { signers = [\"b\"] }", "");
    let (report, read) = site.decide(&policies, &["b0.sig"]);
    assert_eq!((report.verdict, read), (crate::report::Verdict::Allow, 0));
}

#[test]
fn freezing_where_it_cannot_be_done_changes_nothing_and_decides_nothing() {
    // A real file system without it, in memory.
    if !Path::new("/dev/shm").is_dir() {
        return;
    }
    let site = Site::new();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    for name in ["config.json", "weights.bin"] {
        fs::copy(site.path("model").join(name), memory.path().join(name)).unwrap();
    }
    let request = modelseal::verify(memory.path()).signature(site.path("model.sig"));
    let refusal = request.freezing(true).with_key(site.public.clone()).run(&()).unwrap_err();
    assert_eq!(
        (refusal.kind(), refusal.report().code.as_deref()),
        (Kind::Undecided, Some("error.not-frozen"))
    );
    assert!(
        refusal
            .to_string()
            .ends_with("there is no fs-verity on this file system (tmpfs); no file was changed")
    );
    assert_eq!(refusal.report().kernel, None);
    let policies = site.policy(&[("a", &site.public)], SIGNATURE, "");
    let request = modelseal::decide(memory.path()).under(&policies).only_named().freezing(true);
    let request = request.bundle(site.path("model.sig")).named("hf://huggingface.co/acme/ranker").unwrap();
    let decided = request.run(&()).unwrap();
    let report = decided.report();
    assert_eq!(report.code.as_deref(), Some("error.not-frozen"));
    assert!(
        report.checks.iter().any(|check| check.status == Status::Error && check.id.starts_with("integrity"))
    );
    let denial = decided.into_allowed(true).unwrap_err();
    assert_eq!(denial.kind(), Kind::Undecided);
}
