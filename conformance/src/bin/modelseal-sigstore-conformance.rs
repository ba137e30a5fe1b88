//! Adapter for the Sigstore conformance suite: its `sign-bundle` and `verify-bundle` commands over the crate `modelseal`,
//! answering with the exit status alone.
//!
//! The suite is about artifacts of any kind, models are what modelseal is for: everything that decides whether a signature
//! is genuine is the same for both.

use clap::{Args, Parser};
use modelseal::{
    HttpClient, HttpOptions, IdentityMatch, IdentityToken, Instance, Keyless, PreparedArtifact,
    RekorPreference, Secret, Services, SigningConfig, Trust, TrustedRoot,
    artifact::{self, Artifact, SignedBy},
};
use std::{
    error::Error,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Parser)]
enum Command {
    SignBundle(Sign),
    VerifyBundle(Verify),
}

#[derive(Args)]
struct Sign {
    #[command(flatten)]
    trust: TrustArgs,
    /// The file is an in-toto statement, to be signed as it is in a DSSE envelope
    #[arg(long)]
    in_toto: bool,
    #[arg(long)]
    identity_token: String,
    #[arg(long)]
    bundle: PathBuf,
    #[arg(long)]
    signing_config: Option<PathBuf>,
    file: PathBuf,
}

#[derive(Args)]
struct Verify {
    #[command(flatten)]
    trust: TrustArgs,
    #[arg(long)]
    bundle: PathBuf,
    #[arg(long)]
    certificate_identity: Option<String>,
    #[arg(long)]
    certificate_oidc_issuer: Option<String>,
    #[arg(long, conflicts_with_all = ["certificate_identity", "certificate_oidc_issuer"])]
    key: Option<PathBuf>,
    file_or_digest: String,
}

#[derive(Args)]
struct TrustArgs {
    #[arg(long)]
    staging: bool,
    #[arg(long)]
    trusted_root: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::SignBundle(args) => sign(&args),
        Command::VerifyBundle(args) => verify(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "{e}");
            ExitCode::FAILURE
        }
    }
}

fn sign(args: &Sign) -> Result<(), Box<dyn Error>> {
    let trust = trust(&args.trust)?;
    let config = match (&args.signing_config, args.trust.staging) {
        (Some(path), _) => SigningConfig::from_json(&fs::read(path)?),
        (None, true) => SigningConfig::staging(),
        (None, false) => SigningConfig::public_good(),
    }?;
    let services = Services::from_config(&config, RekorPreference::Newest, modelseal::now())?;
    let client = HttpClient::new(HttpOptions::default())?;
    let content = fs::read(&args.file)?;
    let (prepared, artifact) = if args.in_toto {
        let digest = subject(&content).ok_or("the statement names no subject by its SHA-256")?;
        (PreparedArtifact::statement(content.clone(), services, client)?, Artifact::Sha256(digest))
    } else {
        (PreparedArtifact::file(content.clone(), services, client)?, Artifact::Bytes(&content))
    };
    let token = IdentityToken::parse(&Secret::new(args.identity_token.clone()))?;
    let signing = prepared.identify(token, "sigstore", modelseal::now())?;
    let identity = signing.identity();
    let issuer = identity.issuer.clone();
    // Of issuers that it does not know modelseal cannot tell what Fulcio makes of their tokens.
    let expected = if identity.exact {
        vec![IdentityMatch::exactly(&identity.value)]
    } else {
        vec![IdentityMatch::pattern("email:.+")?, IdentityMatch::pattern("URI:.+")?]
    };
    let bundle = signing.sign()?;
    let mut refused = None;
    for identity in expected {
        let keyless = Keyless { identity, issuer: issuer.clone() };
        let by = SignedBy::Keyless(&keyless);
        match artifact::verify(&bundle, &artifact, &by, &trust.root, modelseal::now()) {
            Ok(_verified) => return fs::write(&args.bundle, &bundle).map_err(Into::into),
            Err(e) => refused = Some(e),
        }
    }
    Err(refused.map_or("not verified".into(), Into::into))
}

/// The SHA-256 of the statement's first subject.
fn subject(statement: &[u8]) -> Option<[u8; 32]> {
    let statement: serde_json::Value = serde_json::from_slice(statement).ok()?;
    decode(statement.pointer("/subject/0/digest/sha256")?.as_str()?)
}

fn verify(args: &Verify) -> Result<(), Box<dyn Error>> {
    let bundle = fs::read(&args.bundle)?;
    let content;
    let artifact = match digest(&args.file_or_digest) {
        Some(digest) => Artifact::Sha256(digest),
        None => {
            content = fs::read(&args.file_or_digest)?;
            Artifact::Bytes(&content)
        }
    };
    let trust = trust(&args.trust)?;
    let (key, keyless);
    let by = if let Some(path) = &args.key {
        key = fs::read_to_string(path)?;
        SignedBy::Key(&key)
    } else {
        let identity = args.certificate_identity.as_ref().ok_or("--certificate-identity is missing")?;
        let issuer = args.certificate_oidc_issuer.as_ref().ok_or("--certificate-oidc-issuer is missing")?;
        keyless = Keyless::exactly(identity, issuer);
        SignedBy::Keyless(&keyless)
    };
    let _verified = artifact::verify(&bundle, &artifact, &by, &trust.root, modelseal::now())?;
    Ok(())
}

/// `sha256:` and 64 hexadecimal digits, unless a file has that name.
fn digest(text: &str) -> Option<[u8; 32]> {
    let digest = decode(text.strip_prefix("sha256:")?)?;
    (!Path::new(text).exists()).then_some(digest)
}

fn decode(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// The given trusted root, or that of this release.
fn trust(args: &TrustArgs) -> Result<Trust, Box<dyn Error>> {
    let instance = if args.staging { Instance::Staging } else { Instance::PublicGood };
    Ok(match &args.trusted_root {
        Some(path) => Trust::given(TrustedRoot::from_json(&fs::read(path)?)?, &path.display().to_string()),
        None => Trust::of(instance, None, modelseal::now())?,
    })
}
