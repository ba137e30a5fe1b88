//! Key management services, as doubles on loopback that do what each service's reference says, with real keys, and
//! that misbehave when told to.

#![cfg(feature = "kms")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "kms/aws.rs"]
mod aws;
#[path = "kms/azure.rs"]
mod azure;
#[path = "kms/faults.rs"]
mod faults;
#[path = "kms/google.rs"]
mod google;
#[path = "kms/moto.rs"]
mod moto;
#[path = "kms/server.rs"]
mod server;
#[path = "kms/vault.rs"]
mod vault;
