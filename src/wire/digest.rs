//! SHA-256 in hexadecimal: how contents are named.

use sha2::{Digest, Sha256};

/// The digest of these bytes.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
