//! What matters of an answer, whoever has read it.

/// What matters of a whole answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// The SHA-256 of its body, where that is compared.
    pub digest: Option<[u8; 32]>,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: &'static str,
    /// Whether the connection may carry another request.
    pub keeps_open: bool,
}

/// Versions that answers had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoken {
    http_1_1: bool,
    http_1_0: bool,
    http_2: bool,
}

impl Spoken {
    /// Notes the version of an answer.
    pub fn note(&mut self, version: &str) {
        match version {
            "HTTP/1.0" => self.http_1_0 = true,
            "HTTP/2" => self.http_2 = true,
            _ => self.http_1_1 = true,
        }
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: Self) {
        self.http_1_1 |= other.http_1_1;
        self.http_1_0 |= other.http_1_0;
        self.http_2 |= other.http_2;
    }

    /// In a word.
    pub fn word(self) -> Option<&'static str> {
        match (self.http_1_1, self.http_1_0, self.http_2) {
            (false, false, false) => None,
            (true, false, false) => Some("HTTP/1.1"),
            (false, true, false) => Some("HTTP/1.0"),
            (false, false, true) => Some("HTTP/2"),
            _ => Some("mixed"),
        }
    }
}
