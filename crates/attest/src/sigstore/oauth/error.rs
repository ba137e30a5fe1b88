//! [`TokenSourceError`]: why nobody gave us a token.

use crate::{
    http::HttpError,
    sigstore::{SigningError, TokenError, ambient::Provider},
};
use modelseal_core::text::Printable;
use std::{fmt, io};

/// Why there is no identity token. Holds no token, code or secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenSourceError {
    /// The surroundings should have one and do not.
    Unavailable {
        /// Who should have given it.
        provider: Provider,
        /// Why it did not, and what to do.
        why: String,
    },
    /// What came is no token for us.
    Token(TokenError),
    /// A service could not be reached, or refused.
    Http(HttpError),
    /// A service answered something else than its protocol says.
    Answer(Box<SigningError>),
    /// The discovery document is that of another provider.
    AnotherIssuer {
        /// Who was asked.
        asked: String,
        /// Who the document says it is of.
        found: String,
    },
    /// The provider, or the user there, said no.
    Denied {
        /// What the provider said.
        reason: String,
    },
    /// What came back to our listener does not belong to this sign-in.
    State,
    /// The user did not come back from the browser in time.
    NoAnswer {
        /// How long we waited.
        seconds: u64,
    },
    /// The user gave no code.
    NoCode,
    /// The listener for the browser failed.
    Listener(io::Error),
    /// The user could not be asked.
    Prompt(io::Error),
    /// The system has no randomness.
    NoRandomness,
}

impl fmt::Display for TokenSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { provider, why } => {
                write!(f, "no identity token from {provider}: {}", Printable(why))
            }
            Self::Token(e) => write!(f, "{e}"),
            Self::Http(e) => write!(f, "{e}"),
            Self::Answer(e) => write!(f, "{e}"),
            Self::AnotherIssuer { asked, found } => write!(
                f,
                "OpenID provider: the configuration found at '{}' is of '{}'; give the issuer's own URL",
                Printable(asked),
                Printable(found)
            ),
            Self::Denied { reason } => write!(f, "the sign-in was refused: {}", Printable(reason)),
            Self::State => f.write_str(
                "what came back from the browser does not belong to this sign-in: it may have been forged; try again",
            ),
            Self::NoAnswer { seconds } => write!(f, "nobody signed in within {seconds} s"),
            Self::NoCode => f.write_str("no code was given"),
            Self::Listener(e) => write!(f, "cannot wait for the browser on 127.0.0.1: {e}"),
            Self::Prompt(e) => write!(f, "cannot ask for the code: {e}"),
            Self::NoRandomness => f.write_str("the system has no randomness"),
        }
    }
}

impl std::error::Error for TokenSourceError {}

impl From<HttpError> for TokenSourceError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<SigningError> for TokenSourceError {
    fn from(error: SigningError) -> Self {
        Self::Answer(Box::new(error))
    }
}
