//! Reads answers of HTTP/1 as their bytes come.

use crate::loadgen::fault::Why;

/// Reads one answer after the other from a connection. It keeps no body.
#[derive(Debug, Default)]
pub struct Reader {
    status: u16,
}

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// The answer goes on.
    More,
    /// The answer is whole; so many of the bytes belong to it.
    Whole {
        /// How many.
        used: usize,
    },
}

impl Reader {
    /// Expects the next answer: without a body where the request was `HEAD`, hashed where its document is compared.
    pub fn begin(&mut self, no_body: bool, hashed: bool) {
        let _ = (no_body, hashed);
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Why> {
        Ok(Fed::Whole { used: bytes.len() })
    }

    /// The connection has ended: whether that is the right end of this answer.
    pub fn end(&mut self) -> bool {
        false
    }

    /// Whether a byte of the answer has come.
    pub fn has_begun(&self) -> bool {
        false
    }

    /// The status code, once the answer is whole.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection may carry another request after it.
    pub fn keeps_open(&self) -> bool {
        true
    }

    /// Bytes of the body, without what frames it.
    pub fn body_bytes(&self) -> u64 {
        0
    }

    /// Its SHA-256, where that was asked for.
    pub fn digest(&self) -> Option<[u8; 32]> {
        None
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    pub fn version(&self) -> &'static str {
        "HTTP/1.1"
    }
}
