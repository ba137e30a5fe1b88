//! One file for each command: flags in, front room, result out.

pub mod decide;
pub mod digest;
pub mod generated;
pub mod key;
pub mod policy;
pub mod provenance;
pub mod show;
pub mod sign;
pub mod trust;
pub mod verify;
