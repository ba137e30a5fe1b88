//! Keys on real tokens: SoftHSM 2, filled by OpenSC's `pkcs11-tool`, checked by OpenSSL.

#![cfg(feature = "pkcs11")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "pkcs11/hsm.rs"]
mod hsm;
#[path = "pkcs11/keys.rs"]
mod keys;
#[path = "pkcs11/pins.rs"]
mod pins;
#[path = "pkcs11/selection.rs"]
mod selection;
