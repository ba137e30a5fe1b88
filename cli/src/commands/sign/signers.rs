//! The private keys that sign: files, tokens, key management services.

use crate::{
    args::{ChainArgs, EvidenceArgs, KeyArgs, SignMethod},
    exit::Failure,
    files, password, pin, services,
};
use modelseal::{
    CertificateSigner, CertificateSignerError, KeySigner, KmsKey, KmsUri, PasswordError, Pkcs11Key,
    Pkcs11Uri, PrivateKey, PrivateKeyError, Signer, SigningKey, report::SignReport,
};
use std::path::Path;

/// Opens the key, asking for its password or PIN: before the model is hashed.
pub fn open(method: &SignMethod) -> Result<Box<dyn Signer>, Failure> {
    match method {
        SignMethod::Key(args) => match &args.key.kms {
            Some(uri) => Ok(Box::new(KeySigner::new(kms(uri, &args.evidence)?))),
            None => Ok(Box::new(KeySigner::new(private_key(&args.key)?))),
        },
        SignMethod::Certificate(args) => match &args.key.kms {
            Some(uri) => certified(kms(uri, &args.evidence)?, &args.chain),
            None => certified(private_key(&args.key)?, &args.chain),
        },
        SignMethod::Pkcs11Key(args) => Ok(Box::new(KeySigner::new(token(&args.token)?))),
        SignMethod::Pkcs11Certificate(args) => certified(token(&args.token)?, &args.chain),
        SignMethod::Sigstore(_) => Err(Failure::usage("usage.flags", "an identity is not a key")),
    }
}

/// A private key that lies in the model goes wherever the model goes.
pub fn published_key(method: &SignMethod, report: &SignReport) -> Option<String> {
    let (common, key) = match method {
        SignMethod::Key(args) => (&args.common, args.key.private_key.as_ref()?),
        SignMethod::Certificate(args) => (&args.common, args.key.private_key.as_ref()?),
        _ => return None,
    };
    let (model, canonical) = (common.model.path.canonicalize().ok()?, key.canonicalize().ok()?);
    let inside = canonical.strip_prefix(model).ok()?;
    if report.serialization.ignore_paths.iter().any(|ignored| inside.starts_with(ignored)) {
        return None;
    }
    Some(format!(
        "the private key '{}' lies in the model and was signed as a part of it: whoever gets the model gets the \
         key; move it out and sign again",
        key.display()
    ))
}

fn private_key(args: &KeyArgs) -> Result<PrivateKey, Failure> {
    password::check(&args.password)?;
    let path = args.private_key.as_deref().unwrap_or(Path::new(""));
    let pem = files::read_small(path, "private key")?;
    PrivateKey::from_pem(&pem, || password::existing(&args.password)).map_err(|e| {
        let (code, advice) = match &e {
            PrivateKeyError::Password(PasswordError::NotGiven) => ("usage.password", password::ADVICE),
            PrivateKeyError::Password(_) | PrivateKeyError::WrongPassword => ("usage.password", ""),
            _ => ("usage.private-key", ""),
        };
        Failure::usage(code, format_args!("cannot use '{}': {e}{advice}", path.display()))
    })
}

fn kms(uri: &str, args: &EvidenceArgs) -> Result<KmsKey, Failure> {
    let uri = KmsUri::parse(uri).map_err(|e| Failure::usage("usage.kms", e))?;
    KmsKey::open(&uri, modelseal::KmsEnvironment::process(), services::client(&args.network)?)
        .map_err(|e| Failure { code: "error.service", ..Failure::io(e) })
}

fn token(args: &crate::args::Pkcs11Args) -> Result<Pkcs11Key, Failure> {
    let uri = Pkcs11Uri::parse(&args.pkcs11_uri)
        .map_err(|e| Failure::usage("usage.pkcs11", format_args!("cannot use the PKCS #11 URI: {e}")))?;
    pin::open(&uri, args)
}

fn certified<K: SigningKey + 'static>(key: K, args: &ChainArgs) -> Result<Box<dyn Signer>, Failure> {
    let mut own = files::certificates([&*args.signing_certificate])?.into_iter();
    let (Some(leaf), rest) = (own.next(), own) else {
        return Err(Failure::usage("usage.certificate", "the signing certificate file holds no certificate"));
    };
    let issuers = files::certificates(args.certificate_chain.iter().map(Path::new))?;
    // A chain file that starts with the signing certificate itself is common.
    let issuers = rest.chain(issuers).filter(|c| c.der() != leaf.der()).map(|c| c.der().to_vec());
    let signer = CertificateSigner::new(key, leaf.der().to_vec(), issuers.collect());
    signer
        .map(|s| Box::new(s) as Box<dyn Signer>)
        .map_err(|e: CertificateSignerError| Failure::usage("usage.certificate", e))
}
