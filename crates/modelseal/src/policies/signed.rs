//! Who vouches for a policy: its signers, or the place where it lies.

use super::{PoliciesRequest, PolicyError, state::State};
use crate::disk;
use jiff::Timestamp;
use modelseal_core::bundle::Bundle;
use modelseal_verify::policy_trust::{AcceptedPolicy, Document, PolicyTrust};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Largest bundle that signs a policy or a deny feed, in bytes. It holds the document itself.
const MAX_BUNDLE_BYTES: u64 = 32 * 1024 * 1024;

/// Largest file of host trust configuration, in bytes.
const MAX_TRUST_BYTES: u64 = 1024 * 1024;

/// What a host accepts policies on.
pub(super) struct Trust<'a> {
    request: &'a PoliciesRequest,
    signers: Option<PolicyTrust>,
    bundles: Vec<Bundle>,
    state: Option<State>,
    accepted: Vec<AcceptedPolicy>,
    signed_only: bool,
}

impl<'a> Trust<'a> {
    pub(super) fn new(request: &'a PoliciesRequest, state: Option<State>) -> Result<Self, PolicyError> {
        let signers = if request.unsigned { None } else { host(&request.trust, request.trust_given)? };
        let bundles = request.bundles.iter().map(|path| bundle(path)).collect::<Result<_, _>>()?;
        Ok(Self { request, signers, bundles, state, accepted: Vec::new(), signed_only: false })
    }

    /// Accepts nothing on the word of the place where it lies.
    pub(super) fn signed_only(self) -> Self {
        Self { signed_only: true, ..self }
    }

    /// The policy that was accepted last.
    pub(super) fn latest(&self) -> Option<&AcceptedPolicy> {
        self.accepted.last()
    }

    /// Decides whether the policy or the rule set at `path` is to be obeyed; gives what has to be said about it.
    pub(super) fn accept(
        &mut self,
        document: Document,
        path: &Path,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, PolicyError> {
        if self.request.unsigned {
            return Ok(None);
        }
        let beside = bundles_beside(path).unwrap_or_default();
        let guarded = !self.signed_only && is_guarded(path);
        let signed = !self.bundles.is_empty() || !beside.is_empty();
        let (Some(trust), true) = (&self.signers, signed) else {
            // Rules only say how strict to be, and every lowered one is named in the report: where nobody says who may write
            // them, whoever runs this may.
            let own = document == Document::Rules && self.signers.is_none() && !signed && !self.signed_only;
            if own {
                return Ok(None);
            }
            if guarded {
                let note = format!(
                    "the signature of the {document} '{}' was not looked at: '{}' does not exist; the {document} is \
                     obeyed because only root can write to it",
                    path.display(),
                    self.request.trust.display()
                );
                return Ok(signed.then_some(note));
            }
            let trust = self.request.trust.clone();
            return Err(PolicyError::Unsigned { document, path: path.to_owned(), signed, trust });
        };
        let beside = beside.iter().map(|path| bundle(path)).collect::<Result<Vec<_>, _>>()?;
        let bundles: Vec<Bundle> = self.bundles.iter().cloned().chain(beside).collect();
        let nothing = modelseal_core::rollback::RollbackState::default();
        let state = self.state.as_ref().map_or(&nothing, State::rollback);
        let accepted = trust
            .accept_document(document, bytes, &bundles, state, now)
            .map_err(|error| PolicyError::NotAccepted { document, path: path.to_owned(), error })?;
        self.accepted.push(accepted);
        Ok(None)
    }

    /// Writes down what was accepted, now that all policies are known to be fit for use.
    pub(super) fn remember(self) -> Result<Option<State>, PolicyError> {
        let Some(mut state) = self.state else { return Ok(None) };
        state.change(|rollback| self.accepted.iter().for_each(|accepted| accepted.record(rollback)))?;
        Ok(Some(state))
    }
}

/// The bundles that lie beside a document: `<name>.sig`, `<name>.sigstore.json`, and with something between.
pub(crate) fn bundles_beside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let directory = disk::parent(path);
    let prefix = format!("{name}.");
    let wanted = |other: &str| {
        other.starts_with(&prefix) && (other.ends_with(".sig") || other.ends_with(".sigstore.json"))
    };
    Ok(disk::names(&directory, wanted)?.into_iter().map(|name| directory.join(name)).collect())
}

/// Whether nobody but root can write to a file, nor put another one in its place.
#[cfg(unix)]
pub(crate) fn is_guarded(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_MAY_WRITE: u32 = 0o022;
    let Ok(real) = fs::canonicalize(path) else { return false };
    let guarded =
        |path: &Path| fs::metadata(path).is_ok_and(|m| m.uid() == 0 && m.mode() & OTHERS_MAY_WRITE == 0);
    // A link on the way there is guarded by the directory that it lies in.
    let given = std::path::absolute(path).is_ok_and(|given| given.ancestors().skip(1).all(guarded));
    given && real.ancestors().all(guarded)
}

/// Elsewhere there is no root.
#[cfg(not(unix))]
pub(crate) fn is_guarded(_: &Path) -> bool {
    false
}

fn host(path: &Path, given: bool) -> Result<Option<PolicyTrust>, PolicyError> {
    let refuse = |reason: String| PolicyError::Trust { path: path.to_owned(), reason };
    if !given {
        match fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(refuse(e.to_string())),
            Ok(_) if !is_guarded(path) => {
                return Err(refuse(
                    "somebody else than root can write to it; it must be root's alone".into(),
                ));
            }
            Ok(_) => {}
        }
    }
    let bytes = disk::read(path, MAX_TRUST_BYTES).map_err(refuse)?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?;
    let directory = disk::parent(path);
    let read = |name: &str| disk::read(&directory.join(name), MAX_TRUST_BYTES);
    let trust = PolicyTrust::parse(&path.display().to_string(), &text, &read);
    trust.map(Some).map_err(PolicyError::Invalid)
}

fn bundle(path: &Path) -> Result<Bundle, PolicyError> {
    let refuse = |reason| PolicyError::Read { path: path.to_owned(), reason };
    let bytes = disk::read(path, MAX_BUNDLE_BYTES).map_err(refuse)?;
    Bundle::parse(&bytes).map_err(|e| refuse(e.to_string()))
}
