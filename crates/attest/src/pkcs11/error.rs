//! Every way in which a key on a token cannot be used.

use super::{pin::PinError, uri::encoded};
use crate::remote::PublicKeyError;
use cryptoki::{context::Function, error::RvError};
use modelseal_core::text::Printable;
use std::{fmt, path::PathBuf};

/// Why a key on a token cannot be opened or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// There is no file of that name to load a module from.
    NoModule {
        /// The module's name, where the URI gives one.
        name: Option<String>,
        /// What was looked for.
        looked_for: Vec<PathBuf>,
    },
    /// `module-path` is a directory, and there is no `module-name`.
    ModuleIsDirectory(PathBuf),
    /// The file cannot be loaded, or is no PKCS#11 module.
    NotAModule {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No token is what the URI asks for.
    NoToken {
        /// What the URI asks for; empty when it asks for nothing.
        wanted: String,
        /// The tokens that there are.
        present: Vec<TokenSummary>,
        /// Slots whose token could not be asked.
        unreadable: usize,
    },
    /// Several tokens are what the URI asks for.
    SeveralTokens {
        /// What the URI asks for; empty when it asks for nothing.
        wanted: String,
        /// The tokens.
        matching: Vec<TokenSummary>,
    },
    /// There is no PIN to give.
    Pin {
        /// The token that needs it.
        token: TokenSummary,
        /// What is wrong.
        reason: PinError,
    },
    /// The PIN is not that of the token. Nothing is tried again.
    WrongPin {
        /// The token.
        token: TokenSummary,
        /// One more wrong PIN locks the token.
        last_try: bool,
    },
    /// The token takes no PIN any more.
    PinLocked(TokenSummary),
    /// The token has no user PIN yet, or one that must be changed before anything else.
    PinNotReady {
        /// The token.
        token: TokenSummary,
        /// What is missing.
        reason: &'static str,
    },
    /// No private key on the token is what the URI asks for.
    NoKey {
        /// The token.
        token: TokenSummary,
        /// What the URI asks for; empty when it asks for nothing.
        wanted: String,
        /// The private keys on the token.
        present: Vec<KeySummary>,
    },
    /// Several private keys on the token are what the URI asks for.
    SeveralKeys {
        /// The token.
        token: TokenSummary,
        /// What the URI asks for; empty when it asks for nothing.
        wanted: String,
        /// The keys.
        matching: Vec<KeySummary>,
    },
    /// The key cannot make signatures that we support.
    UnsupportedKey {
        /// The key.
        key: KeySummary,
        /// Its kind.
        found: String,
    },
    /// The token does not let the key sign.
    NotForSigning(KeySummary),
    /// Nothing on the token says what the public half of the key is.
    NoPublicKey(KeySummary),
    /// The public half of the key is not a valid public key.
    PublicKey {
        /// The key.
        key: KeySummary,
        /// What is wrong.
        reason: PublicKeyError,
    },
    /// The token cannot sign a digest with the key.
    NoMechanism {
        /// The token.
        token: TokenSummary,
        /// The mechanism it lacks.
        mechanism: &'static str,
    },
    /// The key wants its PIN for every signature, and the module has no way of giving it that we can use.
    NoReauthentication(TokenSummary),
    /// The module answered with an error of another kind.
    Failed {
        /// The function that was called.
        function: String,
        /// What it answered.
        answer: String,
    },
}

/// A token, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenSummary {
    /// The slot it is in.
    pub slot: u64,
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
}

/// A private key on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySummary {
    /// Its label; empty when it has none.
    pub label: Vec<u8>,
    /// Its identifier; empty when it has none.
    pub id: Vec<u8>,
    /// Its kind: `EC`, `RSA`.
    pub kind: String,
}

impl From<cryptoki::error::Error> for Pkcs11Error {
    fn from(error: cryptoki::error::Error) -> Self {
        use cryptoki::error::Error;
        let (function, answer) = match error {
            Error::Pkcs11(answer, function) => (format!("C_{function:?}"), format!("{answer:?}")),
            Error::NullFunctionPointer => ("a function".to_owned(), "it is not there".to_owned()),
            other => ("a function".to_owned(), other.to_string()),
        };
        Self::Failed { function, answer }
    }
}

/// The return value of a PKCS#11 function, if the error is one.
pub(super) fn return_value(error: &cryptoki::error::Error) -> Option<(RvError, Function)> {
    match error {
        cryptoki::error::Error::Pkcs11(value, function) => Some((*value, *function)),
        _ => None,
    }
}

/// In the words of a URI, so that it can be pasted into one.
impl fmt::Display for TokenSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, serial) = (encoded(self.label.as_bytes()), encoded(self.serial.as_bytes()));
        write!(f, "token={label};serial={serial}")
    }
}

/// In the words of a URI, so that it can be pasted into one.
impl fmt::Display for KeySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object={};id={} ({})", encoded(&self.label), encoded(&self.id), Printable(&self.kind))
    }
}

impl fmt::Display for Pkcs11Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModule { name, looked_for } => {
                match name {
                    Some(name) => write!(f, "there is no PKCS#11 module '{}'", Printable(name))?,
                    None => f.write_str("the PKCS#11 URI names no module, and there is no p11-kit proxy")?,
                }
                write!(
                    f,
                    "; looked for {}; name it with module-path=",
                    List(looked_for, |path: &PathBuf| quoted(path))
                )
            }
            Self::ModuleIsDirectory(path) => write!(
                f,
                "module-path={} is a directory; name the module in it with module-name=",
                quoted(path)
            ),
            Self::NotAModule { path, reason } => {
                write!(f, "{} is no usable PKCS#11 module: {}", quoted(path), Printable(reason))
            }
            Self::NoToken { wanted, present, unreadable } => {
                match wanted.as_str() {
                    "" => f.write_str("the PKCS#11 module has no initialised token")?,
                    wanted => {
                        write!(f, "no token is {wanted}; there is {}", List(present, ToString::to_string))?
                    }
                }
                match unreadable {
                    0 => Ok(()),
                    count => write!(f, " ({count} more could not be read)"),
                }
            }
            Self::SeveralTokens { wanted, matching } => {
                write!(f, "{} tokens ", matching.len())?;
                match wanted.as_str() {
                    "" => f.write_str("are there")?,
                    wanted => write!(f, "are {wanted}")?,
                }
                write!(f, ": {}; say which with token= or serial=", List(matching, ToString::to_string))
            }
            Self::Pin { token, reason } => write!(f, "the token {token} needs its PIN: {reason}"),
            Self::WrongPin { token, last_try } => write!(
                f,
                "the PIN is wrong for the token {token}; it was tried once, and tokens count wrong tries{}",
                if *last_try { ". One more wrong PIN LOCKS this token" } else { "" }
            ),
            Self::PinLocked(token) => write!(
                f,
                "the PIN of the token {token} is locked after wrong tries; its security officer can unlock it"
            ),
            Self::PinNotReady { token, reason } => write!(f, "the token {token} cannot be used: {reason}"),
            Self::NoKey { token, wanted, present } => {
                match wanted.as_str() {
                    "" => write!(f, "there is no private key on the token {token}")?,
                    wanted => write!(f, "no private key on the token {token} is {wanted}")?,
                }
                match present.as_slice() {
                    [] => f.write_str("; it shows no private keys"),
                    present => write!(f, "; there is {}", List(present, ToString::to_string)),
                }
            }
            Self::SeveralKeys { token, wanted, matching } => {
                write!(f, "{} private keys on the token {token} ", matching.len())?;
                match wanted.as_str() {
                    "" => f.write_str("are there")?,
                    wanted => write!(f, "are {wanted}")?,
                }
                write!(f, ": {}; say which with object= and id=", List(matching, ToString::to_string))
            }
            Self::UnsupportedKey { key, found } => write!(
                f,
                "the key {key} is {}; supported are elliptic curve keys on P-256, P-384 and P-521, and Ed25519",
                Printable(found)
            ),
            Self::NotForSigning(key) => {
                write!(f, "the key {key} is not for signing (CKA_SIGN is false); choose another")
            }
            Self::NoPublicKey(key) => write!(
                f,
                "the token does not say what the public half of {key} is: there is no public key and no certificate \
                 with the same id; write one of them to the token"
            ),
            Self::PublicKey { key, reason } => write!(f, "the public half of the key {key}: {reason}"),
            Self::NoMechanism { token, mechanism } => {
                write!(f, "the token {token} does not offer {mechanism} for this key")
            }
            Self::NoReauthentication(token) => write!(
                f,
                "the key wants the PIN again for every signature (CKA_ALWAYS_AUTHENTICATE), and the module of the token \
                 {token} does not take it between the steps of a signature"
            ),
            Self::Failed { function, answer } => {
                write!(f, "the PKCS#11 module failed: {function} answered {}", Printable(answer))
            }
        }
    }
}

impl std::error::Error for Pkcs11Error {}

fn quoted(path: &std::path::Path) -> String {
    format!("'{}'", Printable(&path.to_string_lossy()))
}

/// At most sixteen things, joined by commas.
struct List<'a, T, F>(&'a [T], F);

impl<T, F: Fn(&T) -> String> fmt::Display for List<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 16;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, thing) in self.0.iter().take(MOST).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", self.1(thing))?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
