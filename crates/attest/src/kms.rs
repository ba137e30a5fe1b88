//! `--kms URI`: keys at key management services, named as Sigstore names them.
//!
//! | URI | service | settings and credentials, from [`Environment`] |
//! |---|---|---|
//! | `awskms://[ENDPOINT]/KEY[?region=R]`, KEY an id, `alias/..` or ARN | AWS KMS | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; shared files with `AWS_PROFILE`; a container's credentials; `AWS_REGION`, `AWS_ENDPOINT_URL_KMS` |
//! | `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V` | Google Cloud KMS | `GOOGLE_OAUTH_ACCESS_TOKEN`, `CLOUDSDK_AUTH_ACCESS_TOKEN`; the metadata server |
//! | `azurekms://VAULT/KEY[/VERSION]` | Azure Key Vault | `AZURE_ACCESS_TOKEN`; `AZURE_TENANT_ID` and `AZURE_CLIENT_ID` with a secret or a federated token; managed identity |
//! | `hashivault://[MOUNT/]KEY[?version=N]` | Vault or OpenBao, transit engine | `VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_NAMESPACE`, `VAULT_CACERT` |
//!
//! One call fetches the public key, one call signs. The digest is made here: services take 4 or 64 KiB, statements are
//! longer. The signature is verified with the public key before anybody sees it ([`crate::remote`]). Credentials are
//! looked up for each call, so that a token may expire while a large model is hashed, and shown nowhere.
//!
//! ```no_run
//! # fn f(statement: modelseal_attest::statement::Statement) -> Result<(), Box<dyn std::error::Error>> {
//! use modelseal_attest::{http, kms::{Environment, KmsKey, KmsUri}, signer::KeySigner};
//!
//! let uri = KmsUri::parse("awskms:///alias/models?region=eu-central-1")?;
//! let key = KmsKey::open(&uri, Environment::process(), http::Client::new(http::Options::default())?)?;
//! let bundle = statement.sign(&KeySigner::new(key))?;
//! # Ok(()) }
//! ```

mod aws;
mod azure;
mod environment;
mod error;
mod google;
mod key;
mod service;
mod uri;
mod vault;

pub use environment::Environment;
pub use error::KmsError;
pub use key::KmsKey;
pub use uri::{KmsUri, KmsUriError, MAX_KMS_URI_BYTES};
