//! One file for each command: flags in, front room, result out.

pub mod ancestry;
pub mod attest;
pub mod decide;
pub mod digest;
pub mod exec;
pub mod generated;
pub mod inspect;
pub mod key;
pub mod lineage;
pub mod policy;
pub mod provenance;
pub mod show;
pub mod sign;
pub mod statement;
pub mod store;
pub mod trust;
pub mod verify;
