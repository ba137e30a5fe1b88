//! Picking the token and logging in.

use super::{
    error::{Pkcs11Error, TokenSummary, return_value},
    pin::{Pin, PinError, PinPrompt},
    uri::{TokenAttributes, Uri},
};
use cryptoki::{
    context::Pkcs11,
    error::RvError,
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
};

/// A token that was logged in to.
pub(super) struct OpenToken {
    pub(super) session: Session,
    pub(super) summary: TokenSummary,
    /// What was given to log in; none where the token asks by itself, or does not ask.
    pub(super) pin: Option<Pin>,
}

/// Logs in to the one token that `uri` names.
pub(super) fn open(
    module: &Pkcs11,
    uri: &Uri,
    ask: impl FnOnce(&PinPrompt) -> Result<Pin, PinError>,
) -> Result<OpenToken, Pkcs11Error> {
    let (slot, info, summary) = choose(module, &uri.token)?;
    if info.user_pin_locked() {
        return Err(Pkcs11Error::PinLocked(summary));
    }
    let session = module.open_ro_session(slot)?;
    if !info.login_required() && uri.pin.is_none() {
        return Ok(OpenToken { session, summary, pin: None });
    }
    if !info.user_pin_initialized() && info.login_required() {
        return Err(Pkcs11Error::PinNotReady { token: summary, reason: "its user PIN has not been set" });
    }
    let pin = match &uri.pin {
        Some(source) => Some(source.read()),
        // The PIN is typed at the reader.
        None if info.protected_authentication_path() => None,
        None => Some(ask(&PinPrompt {
            token: summary.label.clone(),
            serial: summary.serial.clone(),
            few_tries_left: info.user_pin_count_low(),
            last_try: info.user_pin_final_try(),
        })),
    };
    let pin = pin.transpose().map_err(|reason| Pkcs11Error::Pin { token: summary.clone(), reason })?;
    login(&session, UserType::User, pin.as_ref()).map_err(|e| login_error(e, module, slot, &summary))?;
    Ok(OpenToken { session, summary, pin })
}

/// Logs in, or says again what the token wants to hear before a signature.
pub(super) fn login(
    session: &Session,
    user: UserType,
    pin: Option<&Pin>,
) -> Result<(), cryptoki::error::Error> {
    let result = match pin {
        Some(pin) => session.login_with_raw(user, &pin.raw()),
        None => session.login(user, None),
    };
    match result {
        // By another session of this process.
        Err(e) if matches!(return_value(&e), Some((RvError::UserAlreadyLoggedIn, _))) => Ok(()),
        result => result,
    }
}

/// What a failed login means.
pub(super) fn login_error(
    error: cryptoki::error::Error,
    module: &Pkcs11,
    slot: Slot,
    summary: &TokenSummary,
) -> Pkcs11Error {
    let token = summary.clone();
    match return_value(&error) {
        Some((RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
            match module.get_token_info(slot) {
                Ok(info) if info.user_pin_locked() => Pkcs11Error::PinLocked(token),
                Ok(info) => Pkcs11Error::WrongPin { token, last_try: info.user_pin_final_try() },
                Err(_) => Pkcs11Error::WrongPin { token, last_try: false },
            }
        }
        Some((RvError::PinLocked, _)) => Pkcs11Error::PinLocked(token),
        Some((RvError::PinExpired, _)) => {
            Pkcs11Error::PinNotReady { token, reason: "its PIN has expired; set a new one" }
        }
        Some((RvError::UserPinNotInitialized, _)) => {
            Pkcs11Error::PinNotReady { token, reason: "its user PIN has not been set" }
        }
        _ => Pkcs11Error::from(error),
    }
}

/// The one initialised token that `wanted` matches.
fn choose(module: &Pkcs11, wanted: &TokenAttributes) -> Result<(Slot, TokenInfo, TokenSummary), Pkcs11Error> {
    let mut present = Vec::new();
    let mut unreadable = 0;
    for slot in module.get_slots_with_token()? {
        match module.get_token_info(slot) {
            Ok(info) if info.token_initialized() => {
                let summary = TokenSummary {
                    slot: slot.id(),
                    label: info.label().to_owned(),
                    serial: info.serial_number().to_owned(),
                };
                present.push((slot, info, summary));
            }
            Ok(_) => {}
            Err(_) => unreadable += 1,
        }
    }
    // Slot numbers come by chance: a message is in an order that people can follow.
    present.sort_by(|(_, _, a), (_, _, b)| (&a.label, &a.serial).cmp(&(&b.label, &b.serial)));
    let (mut matching, others): (Vec<_>, Vec<_>) =
        present.into_iter().partition(|(slot, info, _)| wanted.match_token(*slot, info));
    let summaries = |tokens: Vec<(Slot, TokenInfo, TokenSummary)>| tokens.into_iter().map(|t| t.2).collect();
    let text = wanted.text();
    match (matching.len(), matching.pop()) {
        (1, Some(token)) => Ok(token),
        (_, Some(last)) => {
            matching.push(last);
            Err(Pkcs11Error::SeveralTokens { wanted: text, matching: summaries(matching) })
        }
        (_, None) => Err(Pkcs11Error::NoToken { wanted: text, present: summaries(others), unreadable }),
    }
}

impl TokenAttributes {
    fn match_token(&self, slot: Slot, token: &TokenInfo) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        same(&self.label, token.label())
            && same(&self.serial, token.serial_number())
            && same(&self.manufacturer, token.manufacturer_id())
            && same(&self.model, token.model())
            && self.slot.is_none_or(|wanted| wanted == slot.id())
    }
}
