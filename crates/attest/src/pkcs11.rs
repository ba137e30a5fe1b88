//! Methods `pkcs11-key` and `pkcs11-certificate`: keys on hardware tokens, named by PKCS#11 URIs (RFC 7512).
//!
//! [`Uri`] says which module, token and key; `module` finds and loads the module, `token` picks the token and logs in,
//! `object` finds the key and its public half, [`Pkcs11Key`] signs. Sessions are read-only: nothing on a token is changed.
//!
//! ```no_run
//! # fn f(statement: modelseal_attest::statement::Statement) -> Result<(), Box<dyn std::error::Error>> {
//! use modelseal_attest::{pkcs11::{ModuleSearch, Pin, Pkcs11Key, Uri}, signer::KeySigner};
//!
//! let uri = Uri::parse("pkcs11:token=release;object=models?module-name=softhsm2")?;
//! let key = Pkcs11Key::open(&uri, &ModuleSearch::default(), |_token| Pin::new(b"1234".to_vec()))?;
//! let bundle = statement.sign(&KeySigner::new(key))?;
//! # Ok(()) }
//! ```
//!
//! A module is native code that runs in this process: whoever names one trusts it. It stays loaded and initialised until
//! the process ends, because finalising it would close the sessions of everyone in the process.

mod error;
mod key;
mod module;
mod object;
mod pin;
mod token;
mod uri;

pub use error::{KeySummary, Pkcs11Error, TokenSummary};
pub use key::Pkcs11Key;
pub use module::ModuleSearch;
pub use pin::{MAX_PIN_BYTES, Pin, PinError, PinPrompt};
pub use uri::{MAX_URI_BYTES, Uri, UriError};
