//! [`PolicyTrust`]: whose policies a machine obeys. It is the host's own configuration (`trust.toml`), never anything that
//! comes with a policy: a document that named its own signers would vouch for itself.
//!
//! ```toml
//! schema = "modelseal.trust/v1"
//! threshold = 2                                  # different people; must be written when there are several
//! [signers.alice]
//! kind = "key"
//! file = "alice.pub"
//! spki-sha256 = "5f1c..."                        # optional; must then be that of the file
//! [signers.bob]
//! kind = "certificate"
//! principal = "bob"                              # whom the threshold counts; the signer's name when left out
//! roots = "corporate-roots.pem"
//! identity = "email:bob@acme.example"            # exactly
//! [min-versions]
//! "acme.example/platform" = 42                   # older policies are refused, also on a machine that has seen none
//! ```

mod accept;
mod parse;

pub use accept::{AcceptedPolicy, Document, PolicyTrustError};

use crate::{policy::complaint::Complaint, verifier::Verifier};
use std::collections::BTreeMap;

/// The value of `schema`.
pub const SCHEMA: &str = "modelseal.trust/v1";

/// Who may sign policies, how many of them must, and which versions are too old.
#[derive(Debug, Clone)]
pub struct PolicyTrust {
    signers: Vec<PolicySigner>,
    threshold: usize,
    min_versions: BTreeMap<String, u64>,
}

#[derive(Debug, Clone)]
struct PolicySigner {
    name: String,
    principal: String,
    verifier: Verifier,
}

impl PolicyTrust {
    /// Reads `trust.toml`. `file` is its name for messages; `read` gives the bytes of a file that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and column.
    pub fn parse(
        file: &str,
        text: &str,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Vec<Complaint>> {
        parse::parse(file, text, read)
    }

    /// How many different people must have signed a policy.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

#[cfg(test)]
mod tests;
