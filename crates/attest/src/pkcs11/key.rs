//! [`Pkcs11Key`]: a private key on a token.

use super::{
    error::{Pkcs11Error, TokenSummary, return_value},
    module::ModuleSearch,
    object::{self, KeyObject},
    pin::{Pin, PinError, PinPrompt},
    token,
    uri::{Uri, encoded},
};
use crate::{
    remote::{Input, PublicKey, RemoteKey, RemoteSignature},
    signer::SignError,
};
use cryptoki::{
    context::{Function, Pkcs11},
    error::RvError,
    mechanism::{
        Mechanism,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    session::{Session, UserType},
    slot::Slot,
};
use modelseal_core::key::KeyAlgorithm;
use std::fmt;

/// A private key on a token, ready to sign: a [`SigningKey`](crate::signer::SigningKey). The session closes when it is
/// dropped. `Debug` shows the token and the key's label.
pub struct Pkcs11Key {
    module: Pkcs11,
    session: Session,
    token: TokenSummary,
    key: KeyObject,
    public_key: PublicKey,
    /// Kept only where the key wants it for every signature.
    pin: Option<Pin>,
}

impl Pkcs11Key {
    /// Logs in to the token that `uri` names and finds the key.
    ///
    /// `pin` is asked at most once, and only where the token wants a PIN, the URI does not say where it is, and the
    /// token has no keypad of its own. A wrong PIN is not tried a second time.
    ///
    /// # Errors
    /// [`Pkcs11Error`] says which step failed, and what there is instead of what was asked for.
    pub fn open(
        uri: &Uri,
        search: &ModuleSearch,
        pin: impl FnOnce(&PinPrompt) -> Result<Pin, PinError>,
    ) -> Result<Self, Pkcs11Error> {
        let module = search.open(uri)?;
        let token = token::open(&module, uri, pin)?;
        let key = object::find_key(&token, uri)?;
        let public_key = object::public_key(&token.session, &key)?;
        let pin = token.pin.filter(|_| key.always_authenticate);
        Ok(Self { module, session: token.session, token: token.summary, key, public_key, pin })
    }

    /// Which kind of key this is.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.public_key.algorithm()
    }

    /// The token, as it describes itself.
    #[must_use]
    pub fn token(&self) -> &TokenSummary {
        &self.token
    }

    /// The public key as PEM, for those who will verify.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.public_key.pem()
    }

    /// The X.509 certificate of this key on the token, in DER: the one with the key's id and its public key.
    ///
    /// # Errors
    /// [`Pkcs11Error::Failed`] when the token cannot be read.
    pub fn certificate(&self) -> Result<Option<Vec<u8>>, Pkcs11Error> {
        object::certificate(&self.session, &self.key, &self.public_key)
    }

    fn raw_signature(&self, mechanism: &Mechanism<'_>, input: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let name = if matches!(mechanism, Mechanism::Eddsa(_)) { "CKM_EDDSA" } else { "CKM_ECDSA" };
        let failed = |e: cryptoki::error::Error| match return_value(&e) {
            Some((RvError::MechanismInvalid | RvError::MechanismParamInvalid, _)) => {
                Pkcs11Error::NoMechanism { token: self.token.clone(), mechanism: name }
            }
            Some((RvError::KeyFunctionNotPermitted, _)) => {
                Pkcs11Error::NotForSigning(self.key.summary.clone())
            }
            // One-step mechanisms have no steps between which a PIN could be given, say some modules.
            Some((_, Function::SignUpdate)) => Pkcs11Error::NoReauthentication(self.token.clone()),
            _ => Pkcs11Error::from(e),
        };
        if !self.key.always_authenticate {
            return self.session.sign(mechanism, self.key.handle, input).map_err(failed);
        }
        // PKCS#11 2.40 §5.6: the login comes after C_SignInit and is good for one signature.
        self.session.sign_init(mechanism, self.key.handle).map_err(failed)?;
        let slot = Slot::try_from(self.token.slot)?;
        token::login(&self.session, UserType::ContextSpecific, self.pin.as_ref())
            .map_err(|e| token::login_error(e, &self.module, slot, &self.token))?;
        self.session.sign_update(input).map_err(failed)?;
        self.session.sign_final().map_err(failed)
    }
}

impl RemoteKey for Pkcs11Key {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn place(&self) -> String {
        format!("the token {}", self.token)
    }

    fn sign_input(&self, input: &Input<'_>) -> Result<RemoteSignature, SignError> {
        match input {
            Input::Digest(digest) => {
                self.raw_signature(&Mechanism::Ecdsa, digest).map(RemoteSignature::TwoNumbers)
            }
            Input::Message(message) => {
                let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
                self.raw_signature(&mechanism, message).map(RemoteSignature::Final)
            }
        }
        .map_err(SignError::Pkcs11)
    }
}

impl fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = encoded(&self.key.summary.label);
        write!(f, "Pkcs11Key({}, {};object={label}, ..)", self.algorithm(), self.token)
    }
}
