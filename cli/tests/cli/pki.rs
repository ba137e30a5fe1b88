//! A public key infrastructure by `openssl`.

use crate::common::World;
use serde_json::{Value, json};

pub(crate) const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
pub(crate) const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                               extendedKeyUsage=codeSigning\nsubjectAltName=email:dev@example.com,URI:https://example.com/ci\n";
const ALWAYS: (&str, &str) = ("20200101000000Z", "99991231235959Z");

/// Issues certificates in a [`World`].
pub(crate) struct Pki {
    pub(crate) world: World,
}

impl Pki {
    /// `root`, `int` under it, and `leaf` under that, each as `.pem` and `.key`.
    pub(crate) fn new() -> Self {
        let pki = Self { world: World::new() };
        pki.world.file(
            "ca.conf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
             policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n",
        );
        pki.world.file("index.txt", "");
        pki.issue("root", "Root", "root", CA);
        pki.issue("int", "Intermediate", "root", CA);
        pki.issue("leaf", "Signer", "int", LEAF);
        pki
    }

    pub(crate) fn issue(&self, name: &str, subject: &str, issuer: &str, extensions: &str) {
        self.issue_for(name, subject, issuer, extensions, ALWAYS, None);
    }

    /// Issues `name.pem`, for the key of another certificate if one is named.
    pub(crate) fn issue_for(
        &self,
        name: &str,
        subject: &str,
        issuer: &str,
        extensions: &str,
        (from, to): (&str, &str),
        key_of: Option<&str>,
    ) {
        let file = |name: &str, suffix: &str| format!("{name}.{suffix}");
        let key = file(key_of.unwrap_or(name), "key");
        if key_of.is_none() {
            let curve = "ec_paramgen_curve:P-256";
            self.world.tool("openssl", &["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", &key]);
        }
        let (csr, pem) = (file(name, "csr"), file(name, "pem"));
        self.world.tool(
            "openssl",
            &["req", "-new", "-key", &key, "-subj", &format!("/CN={subject}"), "-out", &csr],
        );
        self.world.file("ext", extensions);
        let mut args = vec!["ca", "-batch", "-notext", "-config", "ca.conf", "-in", &csr, "-extfile", "ext"];
        args.extend(["-startdate", from, "-enddate", to, "-out", &pem]);
        let (issuer_key, issuer_pem) = (file(issuer, "key"), file(issuer, "pem"));
        if issuer == name {
            args.extend(["-selfsign", "-keyfile", &key]);
        } else {
            args.extend(["-keyfile", &issuer_key, "-cert", &issuer_pem]);
        }
        self.world.tool("openssl", &args);
    }

    /// Signs with `leaf` and its intermediate.
    pub(crate) fn sign(&self) {
        self.world.run(&SIGN_WITH_LEAF).exits(0);
    }

    /// Puts other certificates into the signature; they are not part of what is signed.
    pub(crate) fn present(&self, names: &[&str]) {
        let mut bundle: Value = serde_json::from_str(&self.world.read("model.sig")).unwrap();
        let certificates: Vec<Value> =
            names.iter().map(|name| json!({ "rawBytes": self.base64(name) })).collect();
        bundle["verificationMaterial"]["x509CertificateChain"]["certificates"] = certificates.into();
        self.world.file("model.sig", bundle.to_string());
    }

    fn base64(&self, name: &str) -> String {
        let pem = self.world.read(&format!("{name}.pem"));
        pem.lines().filter(|line| !line.starts_with("-----")).collect()
    }
}

pub(crate) const SIGN_WITH_LEAF: [&str; 9] = [
    "sign",
    "certificate",
    "model",
    "--private-key",
    "leaf.key",
    "--signing-certificate",
    "leaf.pem",
    "--certificate-chain",
    "int.pem",
];
