//! A SoftHSM of one test's own.
//!
//! SoftHSM reads its configuration once for a process, so each test runs in a process of its own: this test binary
//! again, told which test to run, with a token directory of its own.

use modelseal_attest::pkcs11::{ModuleSearch, Pin, Pkcs11Error, Pkcs11Key, Uri};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The user PIN of every token here: long enough not to occur by chance.
pub(crate) const PIN: &str = "8675309-PIN";

const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

pub(crate) struct Hsm {
    pub(crate) module: PathBuf,
    pub(crate) directory: PathBuf,
}

/// Runs `body` in a process with an empty SoftHSM. `test` is the test's path, as `cargo test` shows it.
pub(crate) fn with_softhsm(test: &str, body: impl FnOnce(&Hsm)) {
    let Some(module) = MODULES.iter().map(PathBuf::from).find(|path| path.is_file()) else {
        eprintln!("skipped: softhsm2 not installed");
        return;
    };
    for tool in ["softhsm2-util", "pkcs11-tool", "openssl"] {
        if Command::new(tool).arg("--version").output().is_err() {
            eprintln!("skipped: {tool} not installed");
            return;
        }
    }
    const CHILD: &str = "MODELSEAL_TEST_SOFTHSM";
    if let Some(directory) = std::env::var_os(CHILD) {
        body(&Hsm { module, directory: directory.into() });
        eprintln!("the test has run");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = directory.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, directory.path())
        .env("SOFTHSM2_CONF", &config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("the test has run"),
        "{test} in its own process: {}\n{}{said}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
}

impl Hsm {
    pub(crate) fn token(&self, label: &str) {
        let arguments = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-pin"];
        run(Command::new("softhsm2-util").args(arguments));
    }

    /// Makes a key pair. `usage` are flags such as `--usage-derive`.
    pub(crate) fn key(&self, token: &str, kind: &str, label: &str, id: &str, usage: &[&str]) {
        let arguments = ["--keypairgen", "--key-type", kind, "--label", label, "--id", id];
        self.tool(token, &[&arguments[..], usage].concat());
    }

    pub(crate) fn tool(&self, token: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("pkcs11-tool");
        command.arg("--module").arg(&self.module).args(["--token-label", token, "--login", "--pin", PIN]);
        run(command.args(arguments)).stdout
    }

    /// The public key of a key, as PEM that `pkcs11-tool` and OpenSSL write.
    pub(crate) fn public_key_pem(&self, token: &str, id: &str) -> String {
        let der = self.tool(token, &["--read-object", "--type", "pubkey", "--id", id]);
        let file = self.file("public.der", &der);
        let pem =
            run(Command::new("openssl").args(["pkey", "-pubin", "-inform", "DER", "-in"]).arg(file)).stdout;
        String::from_utf8(pem).unwrap()
    }

    /// A certificate by some authority for the public key, in DER.
    pub(crate) fn certificate(&self, public_key_pem: &str) -> Vec<u8> {
        let (public_key, ca) =
            (self.file("public.pem", public_key_pem.as_bytes()), self.directory.join("ca.pem"));
        run(Command::new("openssl").args(["genpkey", "-algorithm", "ED25519", "-out"]).arg(&ca));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-new", "-subj", "/CN=authority", "-days", "2", "-key"]).arg(&ca);
        let issuer = self.file("issuer.pem", &run(&mut command).stdout);
        let mut command = Command::new("openssl");
        command.args([
            "x509",
            "-new",
            "-subj",
            "/CN=publisher",
            "-days",
            "1",
            "-outform",
            "DER",
            "-force_pubkey",
        ]);
        run(command.arg(public_key).arg("-CA").arg(issuer).arg("-CAkey").arg(ca)).stdout
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("pkcs11:{path}?module-path={}", self.module.display())
    }

    /// Opens the key that the path part of a URI names.
    pub(crate) fn open(&self, path: &str) -> Result<Pkcs11Key, Pkcs11Error> {
        let uri = Uri::parse(&self.uri(path)).unwrap();
        Pkcs11Key::open(&uri, &ModuleSearch::default(), |_| Pin::new(PIN.as_bytes().to_vec()))
    }
}

/// What OpenSSL thinks of a signature.
pub(crate) fn openssl_verifies(
    hsm: &Hsm,
    public_key_pem: &str,
    hash: Option<&str>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let key = hsm.file("verify.pem", public_key_pem.as_bytes());
    let (message, signature) = (hsm.file("message", message), hsm.file("signature", signature));
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(key).arg("-in").arg(message);
    if let Some(hash) = hash {
        command.args(["-digest", hash]);
    }
    command.arg("-sigfile").arg(signature).output().unwrap().status.success()
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", Path::new(command.get_program()));
    output
}
