//! Which Sigstore: trust material to judge with, services to sign with, and how to reach them.

use crate::{
    args::{EvidenceArgs, InstanceArgs, NetworkArgs, SignIdentityArgs},
    exit::Failure,
    files,
};
use modelseal::{
    EvidenceServices, HttpClient, HttpOptions, Instance, RekorPreference, RekorVersion, Services,
    SigningConfig, Trust, TrustedRoot,
};
use std::{path::Path, time::Duration};

/// The trust material that the flags name.
pub fn trust(args: &InstanceArgs) -> Result<Trust, Failure> {
    if let Some(path) = &args.trusted_root {
        return trusted_root(path);
    }
    if let Some(path) = &args.trust_config {
        let document = files::read_document(path, "client trust configuration")?;
        let root = TrustedRoot::from_client_trust_config(&document)
            .map_err(|e| bad("usage.trust-config", "client trust configuration", path, &e))?;
        return Ok(Trust::given(root, &path.display().to_string()));
    }
    // Without a home there is no cache, and what is embedded does.
    let cache = files::cache().ok();
    Trust::of(instance(args.use_staging), cache.as_deref(), now()).map_err(Failure::from)
}

/// The trust material in a file.
pub fn trusted_root(path: &Path) -> Result<Trust, Failure> {
    let document = files::read_document(path, "trusted root")?;
    let root =
        TrustedRoot::from_json(&document).map_err(|e| bad("usage.trusted-root", "trusted root", path, &e))?;
    Ok(Trust::given(root, &path.display().to_string()))
}

/// The services to sign with.
pub fn signing(args: &SignIdentityArgs) -> Result<Services, Failure> {
    let config = match (&args.signing_config, &args.instance.trust_config) {
        (Some(path), _) => signing_config(path)?,
        (None, Some(path)) => {
            let document = files::read_document(path, "client trust configuration")?;
            SigningConfig::from_client_trust_config(&document)
                .map_err(|e| bad("usage.trust-config", "client trust configuration", path, &e))?
        }
        (None, None) => known_config(instance(args.instance.use_staging))?,
    };
    Services::from_config(&config, RekorPreference::Newest, now())
        .map_err(|e| Failure::usage("usage.signing-config", e))
}

/// Who adds evidence to signatures that do without; nothing where none is asked for.
pub fn evidence(args: &EvidenceArgs) -> Result<Option<EvidenceServices>, Failure> {
    let wrong = |e: &dyn std::fmt::Display| Failure::usage("usage.signing-config", e);
    let services = if let Some(path) = &args.signing_config {
        let config = signing_config(path)?;
        Services::from_config(&config, RekorPreference::Newest, now()).map_err(|e| wrong(&e))?
    } else if args.tsa_url.is_empty() && args.rekor_url.is_none() {
        return Ok(None);
    } else {
        let mut services = Services::none();
        if let Some(url) = &args.rekor_url {
            let version = if args.rekor_version == 1 { RekorVersion::V1 } else { RekorVersion::V2 };
            services = services.with_rekor(url, version).map_err(|e| wrong(&e))?;
        }
        for url in &args.tsa_url {
            services = services.with_timestamp_authority(url).map_err(|e| wrong(&e))?;
        }
        services
    };
    let trust = args.trusted_root.as_deref().map(trusted_root).transpose()?;
    Ok(Some(EvidenceServices { services, client: client(&args.network)?, trust }))
}

/// How services are reached.
pub fn client(args: &NetworkArgs) -> Result<HttpClient, Failure> {
    HttpClient::new(http_options(args)?).map_err(|e| Failure::usage("usage.file", e))
}

/// How services are reached: in seconds, in bounded memory.
pub fn http_options(args: &NetworkArgs) -> Result<HttpOptions, Failure> {
    let mut options = HttpOptions::default();
    options.total_timeout = Duration::from_secs(args.timeout);
    options.attempt_timeout = options.attempt_timeout.min(options.total_timeout);
    options.connect_timeout = options.connect_timeout.min(options.total_timeout);
    if let Some(path) = &args.ca_certificates {
        options.extra_roots_pem = Some(files::read_document(path, "certificate authorities")?.to_vec());
    }
    Ok(options)
}

/// The instance that the flags name.
pub fn instance(use_staging: bool) -> Instance {
    if use_staging { Instance::Staging } else { Instance::PublicGood }
}

/// A known instance's services: of the last `trust update`, else of this release.
fn known_config(instance: Instance) -> Result<SigningConfig, Failure> {
    let updated = match files::cache() {
        Ok(cache) => {
            instance.repository().cached(&cache).map_err(|e| Failure::from(modelseal::Error::from(e)))?
        }
        Err(_) => None,
    };
    match updated.and_then(|updated| updated.signing_config) {
        Some(config) => Ok(config),
        None => match instance {
            Instance::Staging => SigningConfig::staging(),
            _ => SigningConfig::public_good(),
        }
        .map_err(|e| Failure::usage("usage.signing-config", e)),
    }
}

fn signing_config(path: &Path) -> Result<SigningConfig, Failure> {
    let document = files::read_document(path, "signing config")?;
    SigningConfig::from_json(&document).map_err(|e| bad("usage.signing-config", "signing config", path, &e))
}

fn bad(code: &'static str, what: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(code, format_args!("cannot use the {what} '{}': {error}", path.display()))
}

fn now() -> modelseal::Timestamp {
    modelseal::now()
}
