//! [`IdentityToken`]: an OpenID Connect token, read before it is sent anywhere.
//!
//! The claims are believed by nobody here: the certificate authority checks the signature. They are read to find out before any
//! request that the token would be refused, and to show which identity will become public.

mod identity;

pub use identity::{IdentityKind, PublicIdentity};

use crate::http::Secret;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::Claims;
use jiff::{SignedDuration, Timestamp};
use modelseal_core::{json, text::Printable};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;
use zeroize::Zeroizing;

/// Largest token that is read, in bytes. Real ones have one to three KiB.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// How far two well-kept clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// A token that was read, not verified. `Debug` shows its issuer and subject.
#[derive(Clone)]
pub struct IdentityToken {
    text: Secret,
    claims: Claims,
    identity: PublicIdentity,
}

/// Why a token will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// No token at all.
    Empty,
    /// Longer than any real token.
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// Not a JSON web token with the claims of OpenID Connect.
    Malformed {
        /// What is wrong, without any of its contents.
        what: String,
    },
    /// It was valid until a time that is past.
    Expired {
        /// Until when it was valid.
        expired: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// It is valid, or was issued, at a time to come.
    Future {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// From when it is valid.
        from: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// It is for somebody else.
    Audience {
        /// Whom it should be for.
        expected: String,
        /// Whom it is for.
        found: Vec<String>,
    },
    /// It is of another issuer than the one that was asked.
    Issuer {
        /// The issuer that was asked.
        expected: String,
        /// The issuer that the token names.
        found: String,
    },
    /// It is not the answer to our request.
    Nonce,
    /// The issuer does not vouch for the e-mail address.
    UnverifiedEmail {
        /// The address.
        email: String,
    },
}

impl IdentityToken {
    /// Reads a token, white space around it ignored. Its signature is not checked.
    ///
    /// # Errors
    /// [`TokenError`] when it is no token.
    pub fn parse(text: &Secret) -> Result<Self, TokenError> {
        let text = text.reveal().trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge { size: text.len(), limit: MAX_TOKEN_BYTES });
        }
        let malformed = |what: &str| TokenError::Malformed { what: what.to_owned() };
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(malformed("it has characters that no token has"));
        }
        let mut parts = text.split('.');
        let (Some(_), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("a token has three parts with dots between them"));
        };
        if signature.is_empty() {
            return Err(malformed("it is not signed"));
        }
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .map(Zeroizing::new)
            .map_err(|_| malformed("its middle part is not base64url"))?;
        let claims: Claims = json::read(&payload, MAX_TOKEN_BYTES as u64).map_err(|_| {
            // The reason could repeat values of the claims.
            malformed("its claims are not one JSON object with iss, sub, aud and exp of the right types")
        })?;
        if claims.iss.is_empty() || claims.sub.is_empty() {
            return Err(malformed("its issuer or its subject is empty"));
        }
        let identity = identity::of(&claims);
        Ok(Self { text: Secret::new(text.to_owned()), claims, identity })
    }

    /// That the token is for `audience`, valid at `now`, and names an e-mail address only if the issuer vouches for it.
    ///
    /// An issuer that does not say whether it checked the address passes here; the certificate authority knows which may.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong.
    pub fn check(&self, audience: &str, now: Timestamp) -> Result<(), TokenError> {
        let claims = &self.claims;
        if now >= claims.exp.0 {
            return Err(TokenError::Expired { expired: claims.exp.0, now });
        }
        let latest = now.checked_add(SKEW).unwrap_or(Timestamp::MAX);
        for (claim, time) in [("nbf", claims.nbf), ("iat", claims.iat)] {
            if let Some(NumericDate(from)) = time.filter(|time| time.0 > latest) {
                return Err(TokenError::Future { claim, from, now });
            }
        }
        if !claims.aud.0.iter().any(|found| found == audience) {
            return Err(TokenError::Audience { expected: audience.to_owned(), found: claims.aud.0.clone() });
        }
        if let (IdentityKind::Email, Some(false)) = (self.identity.kind, claims.email_verified.map(|v| v.0)) {
            return Err(TokenError::UnverifiedEmail { email: self.identity.value.clone() });
        }
        Ok(())
    }

    /// That the token is of `issuer`, and the answer to the request that carried `nonce`.
    pub(super) fn check_origin(&self, issuer: &str, nonce: &str) -> Result<(), TokenError> {
        if self.claims.iss != issuer {
            let found = self.claims.iss.clone();
            return Err(TokenError::Issuer { expected: issuer.to_owned(), found });
        }
        match &self.claims.nonce {
            Some(found) if found == nonce => Ok(()),
            _ => Err(TokenError::Nonce),
        }
    }

    /// Who issued it (`iss`), unverified.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Whom it is about (`sub`), unverified.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims.sub
    }

    /// The e-mail address, unverified.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.claims.email.as_deref()
    }

    /// Until when it is valid.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.claims.exp.0
    }

    /// What a certificate for this token will say.
    #[must_use]
    pub fn identity(&self) -> &PublicIdentity {
        &self.identity
    }

    /// The token itself, for the certificate authority.
    pub(super) fn text(&self) -> &Secret {
        &self.text
    }

    /// What proves possession of a key when signed: the address where the identity is one, otherwise the subject.
    pub(super) fn challenge(&self) -> &str {
        match (self.identity.kind, &self.claims.email) {
            (IdentityKind::Email, Some(email)) => email,
            _ => &self.claims.sub,
        }
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (issuer, subject) = (&self.claims.iss, &self.claims.sub);
        f.debug_struct("IdentityToken")
            .field("issuer", issuer)
            .field("subject", subject)
            .finish_non_exhaustive()
    }
}

/// Seconds since 1970 (RFC 7519 §2), with any fraction cut off.
#[derive(Debug, Clone, Copy)]
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?.to_string();
        let seconds = number.split('.').next().and_then(|whole| whole.parse().ok());
        let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.map(Self).ok_or_else(|| D::Error::custom("not a time"))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the identity token is empty"),
            Self::TooLarge { size, limit } => {
                write!(f, "{size} bytes are no identity token: the limit is {limit}")
            }
            Self::Malformed { what } => write!(f, "not an identity token: {what}"),
            Self::Expired { expired, now } => write!(
                f,
                "the identity token expired at {expired}, and it is {now} now: get a new one (or set this machine's clock)"
            ),
            Self::Future { claim, from, now } => write!(
                f,
                "the identity token is of the future: its '{claim}' is {from}, and it is {now} now: check this machine's clock"
            ),
            Self::Audience { expected, found } => {
                let found = found.iter().map(|name| format!("'{}'", Printable(name))).collect::<Vec<_>>();
                write!(
                    f,
                    "the identity token is for {}, not for '{}': ask the provider for a token with that audience",
                    if found.is_empty() { "nobody".to_owned() } else { found.join(", ") },
                    Printable(expected)
                )
            }
            Self::Issuer { expected, found } => write!(
                f,
                "the identity token is of '{}', but '{}' was asked for it",
                Printable(found),
                Printable(expected)
            ),
            Self::Nonce => f.write_str(
                "the identity token is not the answer to this sign-in (its nonce is another): it may have been put in its place",
            ),
            Self::UnverifiedEmail { email } => write!(
                f,
                "the identity provider has not verified the address '{}', so no certificate is issued for it",
                Printable(email)
            ),
        }
    }
}

impl std::error::Error for TokenError {}
