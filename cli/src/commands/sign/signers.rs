//! The private keys that sign: files, tokens, key management services.

use crate::{
    args::{ChainArgs, EvidenceArgs, KeyArgs, Who},
    exit::Failure,
    files, password, pin, services,
};
use modelseal::{
    CertificateSigner, CertificateSignerError, EvidenceServices, KeySigner, KmsKey, KmsUri, PasswordError,
    Pkcs11Key, Pkcs11Uri, PrivateKey, PrivateKeyError, Signer, SigningKey, report::SerializationReport,
};
use std::path::Path;

/// Opens the key, asking for its password or PIN: before the model is hashed.
pub fn open(who: &Who) -> Result<Box<dyn Signer>, Failure> {
    match who {
        Who::Key { key, chain, evidence } => match &key.kms {
            Some(uri) => signer(kms(uri, evidence)?, chain.as_ref()),
            None => signer(private_key(key)?, chain.as_ref()),
        },
        Who::Token { token: args, chain, .. } => signer(token(args)?, chain.as_ref()),
        Who::Identity(_) => Err(Failure::usage("usage.flags", "an identity is not a key")),
    }
}

/// Who adds evidence to signatures that do without; nothing where none is asked for.
pub fn evidence(who: &Who) -> Result<Option<EvidenceServices>, Failure> {
    match who {
        Who::Key { evidence, .. } | Who::Token { evidence, .. } => services::evidence(evidence),
        Who::Identity(_) => Ok(None),
    }
}

/// A private key that lies in the model goes wherever the model goes.
pub fn published_key(who: &Who, model: &Path, signed: &SerializationReport) -> Option<String> {
    let Who::Key { key, .. } = who else { return None };
    let key = key.private_key.as_ref()?;
    let (model, canonical) = (model.canonicalize().ok()?, key.canonicalize().ok()?);
    let inside = canonical.strip_prefix(model).ok()?;
    if signed.ignore_paths.iter().any(|ignored| inside.starts_with(ignored)) {
        return None;
    }
    Some(format!(
        "the private key '{}' lies in the model and was signed as a part of it: whoever gets the model gets the \
         key; move it out and sign again",
        key.display()
    ))
}

fn signer<K: SigningKey + 'static>(key: K, chain: Option<&ChainArgs>) -> Result<Box<dyn Signer>, Failure> {
    match chain {
        Some(chain) => certified(key, chain),
        None => Ok(Box::new(KeySigner::new(key))),
    }
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
