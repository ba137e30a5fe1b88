//! [`KmsKey`]: a private key at a service.

use super::{
    aws::Aws, azure::Azure, environment::Environment, error::KmsError, google::Google, uri::KmsUri,
    uri::Place, vault::Vault,
};
use crate::{
    http::Client,
    remote::{Input, PublicKey, RemoteKey, RemoteSignature},
    signer::SignError,
};
use modelseal_core::key::KeyAlgorithm;

/// A private key at a key management service, ready to sign: a [`SigningKey`](crate::signer::SigningKey).
#[derive(Debug)]
pub struct KmsKey {
    uri: KmsUri,
    service: Service,
    public_key: PublicKey,
}

#[derive(Debug)]
enum Service {
    Aws(Aws),
    Google(Google),
    Azure(Azure),
    Vault(Vault),
}

impl KmsKey {
    /// Fetches the public key, which shows that the key can be reached and is of a kind that we support.
    ///
    /// # Errors
    /// [`KmsError`] says which setting, credential, call or answer is wrong.
    pub fn open(uri: &KmsUri, environment: Environment, client: Client) -> Result<Self, KmsError> {
        let (service, public_key) = match &uri.place {
            Place::Aws { endpoint, key, region } => {
                let (aws, public_key) =
                    Aws::open(endpoint.as_deref(), key, region.as_deref(), environment, client)?;
                (Service::Aws(aws), public_key)
            }
            Place::Google { name } => {
                let (google, public_key) = Google::open(name, environment, client)?;
                (Service::Google(google), public_key)
            }
            Place::Azure { vault, key, version } => {
                let (azure, public_key) = Azure::open(vault, key, version.as_deref(), environment, client)?;
                (Service::Azure(azure), public_key)
            }
            Place::Vault { mount, key, version } => {
                let (vault, public_key) = Vault::open(mount.as_deref(), key, *version, environment, client)?;
                (Service::Vault(vault), public_key)
            }
        };
        Ok(Self { uri: uri.clone(), service, public_key })
    }

    /// Which kind of key this is.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.public_key.algorithm()
    }

    /// The public key as PEM, for those who will verify.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.public_key.pem()
    }
}

impl RemoteKey for KmsKey {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn place(&self) -> String {
        format!("{} ({})", self.uri.service(), self.uri)
    }

    fn sign_input(&self, input: &Input<'_>) -> Result<RemoteSignature, SignError> {
        let algorithm = self.public_key.algorithm();
        match &self.service {
            Service::Aws(aws) => aws.sign(algorithm, input),
            Service::Google(google) => google.sign(algorithm, input),
            Service::Azure(azure) => azure.sign(algorithm, input),
            Service::Vault(vault) => vault.sign(algorithm, input),
        }
        .map_err(SignError::Kms)
    }
}
