//! What can be made to go wrong, by service.

/// The services of the double. Requests are counted, clocks shifted and faults set for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// OIDC: discovery, keys, authorization and token endpoint.
    Issuer,
    /// The certificate authority, with its certificate transparency log.
    Fulcio,
    /// Rekor v1.
    RekorV1,
    /// Rekor v2.
    RekorV2,
    /// The timestamp authority of the signing config.
    Tsa,
    /// A second timestamp authority, trusted as well, with keys of its own.
    Tsa2,
    /// The TUF repository.
    Tuf,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Issuer, Self::Fulcio, Self::RekorV1, Self::RekorV2, Self::Tsa, Self::Tsa2, Self::Tuf];
}

/// A fault of one service. The first group fits every service; the others belong to the service they name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Reads the request and never answers.
    Hang,
    /// Closes the connection without an answer.
    CloseAtOnce,
    /// Closes the connection in the middle of the body.
    CloseEarly,
    /// Answers this status, and `Retry-After` with so many seconds.
    Status {
        /// The HTTP status.
        code: u16,
        /// Seconds of `Retry-After`.
        retry_after: Option<u32>,
    },
    /// Answers 200 with a web page, as a captive portal does.
    Html,
    /// Answers 200 and sends up to 10 GB.
    Endless,
    /// Sends the right answer, a byte a second.
    Drip,
    /// Redirects (307) to this URL.
    Redirect(String),
    /// A complete HTTP answer with half of the right body.
    TruncatedBody,

    /// Issuer: the redirect carries another `state`.
    WrongState,
    /// Issuer: the user refused; the redirect carries `error=access_denied`.
    AccessDenied,
    /// Issuer: the identity token carries another `nonce`.
    TokenNonceWrong,

    /// Fulcio: the certificate is for a key of the server's.
    CertificateForAnotherKey,
    /// Fulcio: the certificate names `mallory@example.com`.
    CertificateForAnotherIdentity,
    /// Fulcio: the certificate names another issuer in its extensions.
    CertificateFromAnotherIssuer,
    /// Fulcio: the certificate is signed by a CA that the trusted root does not have.
    CertificateFromAnotherCa,
    /// Fulcio: the certificate has expired an hour ago.
    CertificateExpired,
    /// Fulcio: the certificate is valid in an hour.
    CertificateFuture,
    /// Fulcio: no SCT.
    SctMissing,
    /// Fulcio: the SCT comes from a log that the trusted root does not have.
    SctFromAnotherLog,
    /// Fulcio: the SCT names the right log, and its signature is over another certificate.
    SctWrong,

    /// Rekor: a true entry, for something else than was sent.
    EntryForAnotherEnvelope,
    /// Rekor: the inclusion proof of another entry of the log.
    ProofOfAnotherEntry,
    /// Rekor: no inclusion proof.
    ProofMissing,
    /// Rekor: an inclusion proof without a checkpoint.
    CheckpointMissing,
    /// Rekor: a checkpoint without a signature.
    CheckpointUnsigned,
    /// Rekor: a checkpoint signed by another log only.
    CheckpointForeign,
    /// Rekor: a checkpoint under the right name and key id, signed with another key.
    CheckpointForged,
    /// Rekor: a true checkpoint of the log, of another size than the proof.
    CheckpointOfAnotherSize,
    /// Rekor: a true entry of a log that the trusted root does not have: id, checkpoint, signed entry timestamp.
    LogForeign,
    /// Rekor v1: the signed entry timestamp is over another time.
    SetWrong,

    /// TSA: the timestamp is over other bytes.
    TokenOverOtherBytes,
    /// TSA: signed by an authority that the trusted root does not have.
    TokenFromAnotherAuthority,
    /// TSA: signed by an authority of the trusted root whose certificate and validity have ended.
    TokenAuthorityExpired,
    /// TSA: another nonce than was asked for.
    TokenWrongNonce,
    /// TSA: the request is rejected (status 2).
    TokenRejected,
    /// TSA: the signature does not verify.
    TokenSignatureWrong,

    /// TUF: `timestamp.json` has expired.
    MetadataExpired,
    /// TUF: a target differs from what its metadata says.
    TargetTampered,
    /// TUF: `timestamp.json` is signed by a key that the root does not name.
    MetadataForged,
}

impl Fault {
    /// Whether the answer is right and only its way to the client fails.
    pub(crate) fn is_transport(&self) -> bool {
        Service::ALL.iter().all(|service| self.fits(*service))
    }

    /// Whether the service can fail in this way.
    pub(crate) fn fits(&self, service: Service) -> bool {
        use Fault as F;
        match self {
            F::Hang | F::CloseAtOnce | F::CloseEarly | F::Status { .. } | F::Html => true,
            F::Endless | F::Drip | F::Redirect(_) | F::TruncatedBody => true,
            F::WrongState | F::AccessDenied | F::TokenNonceWrong => service == Service::Issuer,
            F::CertificateForAnotherKey
            | F::CertificateForAnotherIdentity
            | F::CertificateFromAnotherIssuer
            | F::CertificateFromAnotherCa
            | F::CertificateExpired
            | F::CertificateFuture
            | F::SctMissing
            | F::SctFromAnotherLog
            | F::SctWrong => service == Service::Fulcio,
            F::EntryForAnotherEnvelope
            | F::ProofOfAnotherEntry
            | F::ProofMissing
            | F::CheckpointMissing
            | F::CheckpointUnsigned
            | F::CheckpointForeign
            | F::CheckpointForged
            | F::CheckpointOfAnotherSize
            | F::LogForeign => matches!(service, Service::RekorV1 | Service::RekorV2),
            F::SetWrong => service == Service::RekorV1,
            F::TokenOverOtherBytes
            | F::TokenFromAnotherAuthority
            | F::TokenAuthorityExpired
            | F::TokenWrongNonce
            | F::TokenRejected
            | F::TokenSignatureWrong => matches!(service, Service::Tsa | Service::Tsa2),
            F::MetadataExpired | F::TargetTampered | F::MetadataForged => service == Service::Tuf,
        }
    }
}
