//! Small documents that a caller gives: a file's path, or the bytes themselves.

use crate::errors::Raised;
use modelseal::{Certificate, PublicKey, Roots, SigningConfig, Trust, TrustedRoot, limits::MAX_PEM_BYTES};
use pyo3::{prelude::*, types::PyBytes};
use std::{fmt::Display, io::Read, path::PathBuf};
use zeroize::Zeroizing;

/// Trusted roots and signing configs of real instances have some ten kilobytes.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// A path, or bytes.
pub(crate) enum Document {
    Path(PathBuf),
    Bytes(Zeroizing<Vec<u8>>),
}

impl<'py> FromPyObject<'_, 'py> for Document {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = given.cast::<PyBytes>() {
            return Ok(Self::Bytes(Zeroizing::new(bytes.as_bytes().to_vec())));
        }
        given.extract().map(Self::Path)
    }
}

impl Document {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Path(path) => format!("'{}'", path.display()),
            Self::Bytes(_) => "the given bytes".to_owned(),
        }
    }

    pub(crate) fn read(&self, what: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Raised> {
        let refuse = |e: &dyn Display| {
            Raised::usage("usage.file", format_args!("cannot read the {what} {}: {e}", self.name()))
        };
        let bytes = match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Path(path) => {
                let file = modelseal::open_named(path).map_err(|e| refuse(&e))?;
                // One allocation of the final size leaves no copies of a key behind.
                let size = file.metadata().map_or(0, |m| m.len()).clamp(4096, limit + 1);
                let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(4096)));
                file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
                bytes
            }
        };
        if bytes.len() as u64 > limit {
            return Err(refuse(&format_args!("it is larger than {limit} bytes")));
        }
        Ok(bytes)
    }

    pub(crate) fn pem(&self, what: &str) -> Result<Zeroizing<Vec<u8>>, Raised> {
        self.read(what, MAX_PEM_BYTES)
    }

    pub(crate) fn public_key(&self) -> Result<PublicKey, Raised> {
        PublicKey::from_pem(&self.pem("public key")?).map_err(|e| self.unusable("usage.public-key", &e))
    }

    pub(crate) fn certificates(documents: &[Self]) -> Result<Vec<Certificate>, Raised> {
        let mut all = Vec::new();
        for document in documents {
            let found = Certificate::from_pem_many(&document.pem("certificate")?);
            all.extend(found.map_err(|e| document.unusable("usage.certificate", &e))?);
        }
        Ok(all)
    }

    pub(crate) fn roots(documents: &[Self]) -> Result<Roots, Raised> {
        Roots::new(Self::certificates(documents)?).map_err(|e| Raised::usage("usage.certificate", e))
    }

    pub(crate) fn trusted_root(&self) -> Result<Trust, Raised> {
        let json = self.read("trusted root", MAX_DOCUMENT_BYTES)?;
        let root = TrustedRoot::from_json(&json).map_err(|e| self.unusable("usage.trusted-root", &e))?;
        Ok(Trust::given(root, &self.name()))
    }

    /// The root and the services of a `ClientTrustConfig`.
    pub(crate) fn trust_config(&self) -> Result<(Trust, SigningConfig), Raised> {
        let json = self.read("client trust configuration", MAX_DOCUMENT_BYTES)?;
        let root = TrustedRoot::from_client_trust_config(&json)
            .map_err(|e| self.unusable("usage.trust-config", &e))?;
        let services = SigningConfig::from_client_trust_config(&json)
            .map_err(|e| self.unusable("usage.trust-config", &e))?;
        Ok((Trust::given(root, &self.name()), services))
    }

    pub(crate) fn unusable(&self, code: &str, error: &dyn Display) -> Raised {
        Raised::usage(code, format_args!("cannot use {}: {error}", self.name()))
    }
}
