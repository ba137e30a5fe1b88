//! Adapter for the OpenSSF Model Signing conformance suite: its `sign-model` and `verify-model` commands over the crate
//! `modelseal`, answering with the exit status alone.
//!
//! It follows OMS v1.0 to the letter ([`Reading::Letter`]) where modelseal itself reads a little more or accepts a little
//! less, and takes its clock from `OMS_VERIFY_TIME` (RFC 3339) when that is set, which no other program of ours does.

use clap::{Args, Parser, ValueEnum};
use jiff::Timestamp;
use modelseal::{
    Certificate, CertificateSigner, HttpClient, HttpOptions, IdentityToken, Instance, KeySigner, Keyless,
    PasswordError, PrivateKey, PublicKey, Reading, RekorPreference, Roots, Secret, Services, SignRequest,
    SigningConfig, Trust, TrustedRoot,
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
    SignModel(Sign),
    VerifyModel(Verify),
}

#[derive(Args)]
struct Sign {
    #[arg(long)]
    method: Method,
    #[arg(long)]
    model_path: PathBuf,
    #[arg(long)]
    output_bundle: PathBuf,
    #[arg(long)]
    private_key: Option<PathBuf>,
    #[arg(long)]
    signing_cert: Option<PathBuf>,
    #[arg(long)]
    cert_chain: Vec<PathBuf>,
    #[arg(long)]
    ignore_paths: Vec<PathBuf>,
    #[arg(long)]
    identity_token: Option<String>,
    #[arg(long)]
    use_staging: bool,
}

#[derive(Args)]
struct Verify {
    #[arg(long)]
    method: Method,
    #[arg(long)]
    model_path: PathBuf,
    #[arg(long)]
    bundle: PathBuf,
    #[arg(long)]
    public_key: Option<PathBuf>,
    #[arg(long)]
    cert_chain: Vec<PathBuf>,
    #[arg(long)]
    identity: Option<String>,
    #[arg(long)]
    identity_provider: Option<String>,
    #[arg(long)]
    trusted_root: Option<PathBuf>,
    #[arg(long)]
    ignore_paths: Vec<PathBuf>,
    #[arg(long)]
    ignore_unsigned_files: bool,
    /// What the signer recorded counts; the flag changes nothing.
    #[arg(long)]
    allow_symlinks: bool,
    #[arg(long)]
    use_staging: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Method {
    Key,
    Certificate,
    Sigstore,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::SignModel(args) => sign(&args),
        Command::VerifyModel(args) => verify(&args),
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
    let mut request = modelseal::sign(&args.model_path).output(&args.output_bundle).force(true);
    for path in &args.ignore_paths {
        request = request.ignore(path);
    }
    match args.method {
        Method::Key => request.run(&KeySigner::new(private_key(args)?), &())?,
        Method::Certificate => {
            let leaf = args.signing_cert.as_ref().ok_or("--signing-cert is missing")?;
            let leaf = certificates([leaf])?.into_iter().next().ok_or("no certificate")?;
            let issuers = certificates(&args.cert_chain)?;
            let issuers = issuers.iter().map(|c| c.der().to_vec()).collect();
            request.run(&CertificateSigner::new(private_key(args)?, leaf.der().to_vec(), issuers)?, &())?
        }
        Method::Sigstore => return sign_keyless(args, request),
    };
    Ok(())
}

fn private_key(args: &Sign) -> Result<PrivateKey, Box<dyn Error>> {
    let path = args.private_key.as_ref().ok_or("--private-key is missing")?;
    Ok(PrivateKey::from_pem(&fs::read(path)?, || Err(PasswordError::NotGiven))?)
}

fn sign_keyless(args: &Sign, request: SignRequest) -> Result<(), Box<dyn Error>> {
    let token = args.identity_token.clone().ok_or("--identity-token is missing")?;
    let token = IdentityToken::parse(&Secret::new(token))?;
    let config = if args.use_staging { SigningConfig::staging() } else { SigningConfig::public_good() }?;
    let services = Services::from_config(&config, RekorPreference::Newest, modelseal::now())?;
    let client = HttpClient::new(HttpOptions::default())?;
    request
        .prepare(&())?
        .keyless(services, client, trust(None, args.use_staging)?)?
        .identify(token, "sigstore")?
        .sign()?;
    Ok(())
}

fn verify(args: &Verify) -> Result<(), Box<dyn Error>> {
    let mut request = modelseal::verify(&args.model_path)
        .signature(&args.bundle)
        .ignore_unsigned_files(args.ignore_unsigned_files)
        .reading(Reading::Letter);
    for path in &args.ignore_paths {
        request = request.ignore(path);
    }
    if let Ok(time) = std::env::var("OMS_VERIFY_TIME") {
        request = request.at(time.parse::<Timestamp>()?);
    }
    let request = match args.method {
        Method::Key => {
            let path = args.public_key.as_ref().ok_or("--public-key is missing")?;
            let key = PublicKey::from_pem(&fs::read(path)?)?;
            if key.algorithm() == modelseal::KeyAlgorithm::Ed25519 {
                return Err("Ed25519 is not in the algorithm registry of OMS v1.0".into());
            }
            request.with_key(key)
        }
        Method::Certificate => request.with_certificates(Roots::new(certificates(&args.cert_chain)?)?, None),
        Method::Sigstore => {
            let identity = args.identity.as_ref().ok_or("--identity is missing")?;
            let issuer = args.identity_provider.as_ref().ok_or("--identity-provider is missing")?;
            let trust = trust(args.trusted_root.as_deref(), args.use_staging)?;
            request.with_sigstore(trust, Keyless::exactly(identity, issuer))
        }
    };
    request.run(&()).map(drop).map_err(Into::into)
}

/// A trusted root given as a file, or that of this release.
fn trust(file: Option<&Path>, staging: bool) -> Result<Trust, Box<dyn Error>> {
    let instance = if staging { Instance::Staging } else { Instance::PublicGood };
    Ok(match file {
        Some(path) => Trust::given(TrustedRoot::from_json(&fs::read(path)?)?, &path.display().to_string()),
        None => Trust::of(instance, None, modelseal::now())?,
    })
}

fn certificates<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<Vec<Certificate>, Box<dyn Error>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(Certificate::from_pem_many(&fs::read(path)?)?);
    }
    Ok(all)
}
