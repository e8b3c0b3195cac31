//! The head of an answer of HTTP/1: its status line and headers, and what they say of its body and its connection.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Response, Status};

use crate::loadgen::fault::Why;

/// Headers that one answer may have. Real ones have up to about 50.
const MOST_HEADERS: usize = 128;

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The status code, from 100 to 999.
    pub(super) status: u16,
    /// Whether it is of HTTP/1.0.
    pub(super) is_1_0: bool,
    /// How its body ends, if its status and the request let it have one.
    pub(super) framing: Framing,
    /// Whether the server keeps the connection open.
    pub(super) keeps_open: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With its connection.
    UntilEnd,
}

impl Default for Head {
    fn default() -> Self {
        Self { status: 0, is_1_0: false, framing: Framing::UntilEnd, keeps_open: true }
    }
}

impl Head {
    /// Whether an answer with this status never has a body, whatever its headers say.
    pub(super) fn is_bodiless(&self) -> bool {
        self.is_interim() || self.status == 204 || self.status == 304
    }

    /// Whether another answer follows it.
    pub(super) fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// Reads the head at the beginning of some bytes, and says how long it is. `None`: it goes on.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Why> {
    // The parser passes over empty lines before a head. Here they are bytes that belong to no answer.
    if bytes.first().is_some_and(|first| *first != b'H') {
        return Err(foreign(bytes));
    }
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(reason(error, bytes)),
    };
    let status = response.code.unwrap_or_default();
    if status < 100 {
        return Err("status code is below 100");
    }
    let mut said = Said::default();
    for header in &*response.headers {
        said.take(header)?;
    }
    Ok(Some((said.head(status, response.version == Some(0)), length)))
}

/// What the headers that matter say, taken one by one.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    is_encoded: bool,
    is_chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    fn take(&mut self, header: &Header<'_>) -> Result<(), Why> {
        // Names are told apart by their length first: most headers mean nothing to us.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => self.take_length(header.value),
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => self.take_encoding(header.value),
            10 if header.name.eq_ignore_ascii_case("connection") => {
                self.take_connection(header.value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The same length may be said several times, also in one header: proxies join what they got (RFC 9110, 8.6).
    fn take_length(&mut self, value: &[u8]) -> Result<(), Why> {
        for part in value.split(|byte| *byte == b',') {
            let length = number(part.trim_ascii())?;
            if self.length.is_some_and(|before| before != length) {
                return Err("content lengths contradict one another");
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// Encodings in the order in which they were applied. Where the last is not `chunked`, the body ends with its
    /// connection (RFC 9112, 6.3).
    fn take_encoding(&mut self, value: &[u8]) -> Result<(), Why> {
        for encoding in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
            let is_chunked = encoding.eq_ignore_ascii_case(b"chunked");
            if is_chunked && self.is_chunked {
                return Err("chunked encoding is applied twice");
            }
            if self.is_chunked {
                return Err("chunked encoding is not the last one");
            }
            self.is_encoded = true;
            self.is_chunked = is_chunked;
        }
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn head(&self, status: u16, is_1_0: bool) -> Head {
        let framing = match self.length {
            _ if self.is_chunked => Framing::Chunked,
            Some(length) if !self.is_encoded => Framing::Length(length),
            _ => Framing::UntilEnd,
        };
        // Both framings at once, or an encoding that HTTP/1.0 does not have: what the server thinks is the end may be
        // another place than the one found here, so nothing more is read from this connection (RFC 9112, 6.1 and 6.3).
        let is_doubtful = self.is_encoded && (self.length.is_some() || is_1_0);
        let keeps_open = !self.close && (!is_1_0 || self.keep_alive) && !is_doubtful;
        Head { status, is_1_0, framing, keeps_open }
    }
}

/// A number of digits alone: no sign, no space.
fn number(digits: &[u8]) -> Result<u64, Why> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("content length is no number");
    }
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    digits.iter().try_fold(0, add).ok_or("content length is too large")
}

fn reason(error: Error, bytes: &[u8]) -> Why {
    match error {
        Error::Version => foreign(bytes),
        Error::Status => "status line has no code of three digits, or bytes that may not stand there",
        Error::HeaderName => "header name is empty, or has bytes that may not stand there",
        Error::HeaderValue => "header value has bytes that may not stand there",
        Error::TooManyHeaders => "more than 128 headers",
        Error::NewLine | Error::Token => "line of the head ends wrongly",
    }
}

/// What it is that begins with no status line.
fn foreign(bytes: &[u8]) -> Why {
    match bytes {
        // An alert or a handshake of SSL 3.0 to TLS 1.3.
        [0x15 | 0x16, 3, ..] => "TLS instead of a status line: the server wants https",
        // The settings that a server sends first.
        [0, 0, _, 4, ..] => "HTTP/2 frame instead of a status line",
        _ => "status line is no HTTP/1 status line",
    }
}
