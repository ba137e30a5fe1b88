//! `sign`: with a key, with a key and its certificate, with an identity.

use crate::{
    document::Document,
    errors::{Raised, json},
    options::{Measure, threads},
    work,
};
use modelseal::{
    CertificateSigner, HttpClient, HttpOptions, IdentityToken, Instance, KeySigner, Password, PasswordError,
    PrivateKey, PrivateKeyError, Progress, RekorPreference, Secret, Services, SignRequest, SignedFile,
    Signer, SigningConfig, Trust,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyString},
};
use std::path::PathBuf;

/// For whom identity tokens are made, in all Sigstore instances.
const AUDIENCE: &str = "sigstore";

/// Who signs; an object of Python with these attributes.
#[derive(FromPyObject)]
pub(crate) struct SigningOptions {
    private_key: Option<Document>,
    password: Option<Py<PyAny>>,
    signing_certificate: Option<Document>,
    certificate_chain: Vec<Document>,
    identity_token: Option<String>,
    ambient: bool,
    staging: bool,
    trust_config: Option<Document>,
}

/// Signs a model; gives `modelseal.signature/v1` as JSON.
#[pyfunction]
pub(crate) fn sign(
    py: Python<'_>,
    path: PathBuf,
    signature: PathBuf,
    force: bool,
    measure: Measure,
    by: SigningOptions,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let request = request(path, signature, force, &measure)?;
    let signed = match &by.private_key {
        Some(key) => {
            let signer = signer(py, key, &by)?;
            work::run(py, progress, move |watch| request.run(&*signer, watch).map_err(Raised::from))?
        }
        None => work::run(py, progress, |watch| by_identity(request, &by, watch))?,
    };
    json(&signed?.report)
}

fn request(path: PathBuf, signature: PathBuf, force: bool, measure: &Measure) -> Result<SignRequest, Raised> {
    let mut request = modelseal::sign(path)
        .output(signature)
        .force(force)
        .hash(measure.algorithm()?)
        .ignore_git_paths(measure.ignore_git_paths)
        .allow_symlinks(measure.allow_symlinks);
    if let Some(size) = measure.shards()? {
        request = request.shards(size);
    }
    if let Some(threads) = threads(measure.threads)? {
        request = request.threads(threads);
    }
    Ok(measure.ignore.iter().fold(request, SignRequest::ignore))
}

fn signer(py: Python<'_>, document: &Document, by: &SigningOptions) -> PyResult<Box<dyn Signer + Send>> {
    let pem = document.pem("private key")?;
    let mut raised = None;
    let key = py.detach(|| {
        PrivateKey::from_pem(&pem, || {
            let asked = Python::attach(|py| password(py, by.password.as_ref()));
            asked.unwrap_or_else(|error| {
                raised = Some(error);
                Err(PasswordError::NotGiven)
            })
        })
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let key = key.map_err(|e| match &e {
        PrivateKeyError::Password(PasswordError::NotGiven) => {
            document.unusable("usage.password", &format_args!("{e}; give it as password"))
        }
        PrivateKeyError::Password(_) | PrivateKeyError::WrongPassword => {
            document.unusable("usage.password", &e)
        }
        _ => document.unusable("usage.private-key", &e),
    })?;
    let Some(certificate) = &by.signing_certificate else { return Ok(Box::new(KeySigner::new(key))) };
    let mut own = Document::certificates(std::slice::from_ref(certificate))?.into_iter();
    let Some(leaf) = own.next() else {
        return Err(Raised::usage("usage.certificate", "the signing certificate holds no certificate").into());
    };
    // A chain that starts with the signing certificate itself is common.
    let issuers = own.chain(Document::certificates(&by.certificate_chain)?);
    let issuers = issuers.filter(|c| c.der() != leaf.der()).map(|c| c.der().to_vec()).collect();
    let signer = CertificateSigner::new(key, leaf.der().to_vec(), issuers);
    Ok(Box::new(signer.map_err(|e| Raised::usage("usage.certificate", e))?))
}

/// The password of a key that has one: given as it is, or by a function that is only called when it is needed.
fn password(py: Python<'_>, given: Option<&Py<PyAny>>) -> PyResult<Result<Password, PasswordError>> {
    let Some(given) = given else { return Ok(Err(PasswordError::NotGiven)) };
    let given = given.bind(py);
    let said = if given.is_callable() { given.call0()? } else { given.clone() };
    if said.is_none() {
        return Ok(Err(PasswordError::NotGiven));
    }
    let bytes = if let Ok(text) = said.cast::<PyString>() {
        text.to_cow()?.as_bytes().to_vec()
    } else if let Ok(bytes) = said.cast::<PyBytes>() {
        bytes.as_bytes().to_vec()
    } else {
        return Err(PyTypeError::new_err("a password is a str, bytes, or a function that gives one"));
    };
    Ok(Password::new(bytes))
}

/// Measures first: a token lives for minutes.
fn by_identity(
    request: SignRequest,
    by: &SigningOptions,
    progress: &dyn Progress,
) -> Result<SignedFile, Raised> {
    let given = by.identity_token.as_ref().map(|text| Secret::new(text.trim().to_owned()));
    let given = given.map(|text| IdentityToken::parse(&text)).transpose().map_err(modelseal::Error::Token)?;
    if let Some(token) = &given {
        token.check(AUDIENCE, modelseal::now()).map_err(modelseal::Error::Token)?;
    } else if !by.ambient {
        let message = "nobody signs: give private_key, identity_token, or ambient=True for the identity that this \
                       environment has";
        return Err(Raised::usage("usage.flags", message));
    }
    let (trust, config) = instance(by)?;
    let services = Services::from_config(&config, RekorPreference::Newest, modelseal::now())
        .map_err(|e| Raised::usage("usage.signing-config", e))?;
    let client =
        HttpClient::new(HttpOptions::default()).map_err(|e| Raised::undecided("error.service", e))?;
    let prepared = request.publishing().prepare(progress)?;
    let waiting = modelseal::keyless(prepared, services, client.clone(), trust)?;
    let token = match given {
        Some(token) => token,
        None => ambient_token(&client)?,
    };
    if progress.cancelled() {
        return Err(Raised::undecided("error.cancelled", "cancelled"));
    }
    Ok(waiting.identify(token, AUDIENCE)?.sign()?)
}

fn ambient_token(client: &HttpClient) -> Result<IdentityToken, Raised> {
    let found = modelseal::detect_ambient(AUDIENCE, &modelseal::Environment::process(), client)
        .map_err(|e| Raised::undecided("error.service", e))?;
    let none = "this environment gives no identity token: none of the systems that do was recognised (GitHub Actions, \
                which needs `permissions: id-token: write`; GitLab, which needs SIGSTORE_ID_TOKEN under `id_tokens`; \
                Google Cloud; Buildkite; CircleCI)";
    found.map(|(_, token)| token).ok_or_else(|| Raised::usage("usage.identity-token", none))
}

fn instance(by: &SigningOptions) -> Result<(Trust, SigningConfig), Raised> {
    if let Some(config) = &by.trust_config {
        return config.trust_config();
    }
    let (instance, embedded) = if by.staging {
        (Instance::Staging, SigningConfig::staging())
    } else {
        (Instance::PublicGood, SigningConfig::public_good())
    };
    let cache = modelseal_cli::places::cache();
    let trust = Trust::of(instance, cache.as_deref(), modelseal::now())?;
    // Services as of the last `modelseal trust update`, else of this release.
    let updated = cache.map(|cache| instance.repository().cached(&cache)).transpose();
    let updated =
        updated.map_err(modelseal::Error::from)?.flatten().and_then(|updated| updated.signing_config);
    match updated {
        Some(config) => Ok((trust, config)),
        None => Ok((trust, embedded.map_err(|e| Raised::usage("usage.signing-config", e))?)),
    }
}
