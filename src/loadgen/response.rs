//! Reads answers of HTTP/1 as their bytes come.

use sha2::{Digest, Sha256};

use crate::loadgen::fault::Why;
use crate::loadgen::response_chunks::{Chunks, first_bytes};
use crate::loadgen::response_head::{self, Framing, Head};

/// Bytes that a head may have.
const LONGEST_HEAD: usize = 64 * 1024;
/// Bytes up to which a head is remembered.
const LONGEST_KNOWN: usize = 1024;
/// Answers with a status below 200 that may come before the real one.
const MOST_INTERIMS: u8 = 16;
/// Bytes of a split head after which no status line can still be hoped for.
const STATUS_LINE_BEGINS: usize = 16;

/// Reads one answer after the other from a connection. It keeps no body.
#[derive(Debug, Default)]
pub struct Reader {
    stage: Stage,
    /// Of the answer that is read.
    head: Head,
    /// The beginning of a head that came in pieces.
    partial: Vec<u8>,
    /// The last head in bytes, and what it means. Heads of one server are alike but for their date, so that most are
    /// compared instead of parsed.
    known: Vec<u8>,
    known_head: Head,
    no_body: bool,
    has_begun: bool,
    interims: u8,
    body_bytes: u64,
    hash: Option<Sha256>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    #[default]
    Head,
    /// So many bytes of body.
    Length(u64),
    Chunked(Chunks),
    UntilEnd,
    Whole,
    /// Nothing: it was no answer.
    Broken(Why),
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
        self.stage = Stage::Head;
        self.head = Head::default();
        self.partial.clear();
        self.no_body = no_body;
        self.has_begun = false;
        self.interims = 0;
        self.body_bytes = 0;
        self.hash = hashed.then(Sha256::new);
    }

    /// Takes the next bytes. After an error, each further call has the same one, until the next answer is begun.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Why> {
        self.has_begun |= !bytes.is_empty();
        let fed = self.advance(bytes);
        if let Err(why) = fed {
            self.stage = Stage::Broken(why);
        }
        fed
    }

    /// The connection has ended: whether that is the right end of this answer.
    pub fn end(&mut self) -> bool {
        if matches!(self.stage, Stage::UntilEnd) {
            self.stage = Stage::Whole;
        }
        matches!(self.stage, Stage::Whole)
    }

    /// Whether a byte of the answer has come.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The status code, once the answer is whole.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// Whether the connection may carry another request after it.
    pub fn keeps_open(&self) -> bool {
        self.head.keeps_open
    }

    /// Bytes of the body, without what frames it.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Its SHA-256, where that was asked for.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.hash.clone().map(|hash| hash.finalize().into())
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    pub fn version(&self) -> &'static str {
        if self.head.is_1_0 { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<Fed, Why> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match self.stage {
                Stage::Whole => return Ok(Fed::Whole { used }),
                Stage::Broken(why) => return Err(why),
                _ if rest.is_empty() => return Ok(Fed::More),
                Stage::Head => used += self.read_head(rest)?,
                Stage::Length(left) => {
                    let data = first_bytes(rest, left);
                    self.take_body(data);
                    used += data.len();
                    let left = left - data.len() as u64;
                    self.stage = if left == 0 { Stage::Whole } else { Stage::Length(left) };
                }
                Stage::Chunked(mut chunks) => {
                    used += chunks.feed(rest, |data| self.take_body(data))?;
                    self.stage = if chunks.is_done() { Stage::Whole } else { Stage::Chunked(chunks) };
                }
                Stage::UntilEnd => {
                    self.take_body(rest);
                    used = bytes.len();
                }
            }
        }
    }

    fn take_body(&mut self, data: &[u8]) {
        self.body_bytes += data.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(data);
        }
    }

    /// Reads a head, or a piece of it, and says how many bytes it took.
    fn read_head(&mut self, bytes: &[u8]) -> Result<usize, Why> {
        if !self.partial.is_empty() {
            return self.read_split_head(bytes);
        }
        if !self.known.is_empty() && bytes.starts_with(&self.known) {
            self.take_head(self.known_head)?;
            return Ok(self.known.len());
        }
        match response_head::parse(bytes)? {
            Some((_, length)) if length > LONGEST_HEAD => Err("head is longer than 64 KiB"),
            Some((head, length)) => {
                self.remember(head, &bytes[..length]);
                self.take_head(head)?;
                Ok(length)
            }
            None => {
                self.keep_piece(bytes)?;
                Ok(bytes.len())
            }
        }
    }

    /// Looks for the end of a head by its lines and parses it only when it is there: otherwise a head that comes byte by
    /// byte would be parsed once for each.
    fn read_split_head(&mut self, bytes: &[u8]) -> Result<usize, Why> {
        let mut used = 0;
        let may_be_foreign = self.partial.len() < STATUS_LINE_BEGINS;
        while let Some(line) = memchr::memchr(b'\n', &bytes[used..]).map(|end| &bytes[used..=used + end]) {
            self.keep_piece(line)?;
            used += line.len();
            if self.partial.ends_with(b"\n\r\n") || self.partial.ends_with(b"\n\n") {
                let (head, _) = response_head::parse(&self.partial)?.ok_or("line of the head ends wrongly")?;
                self.partial.clear();
                // Endless heads of one server must not stay in memory for each of its connections.
                self.partial.shrink_to(LONGEST_KNOWN);
                self.take_head(head)?;
                return Ok(used);
            }
        }
        self.keep_piece(&bytes[used..])?;
        if may_be_foreign {
            response_head::parse(&self.partial)?;
        }
        Ok(bytes.len())
    }

    fn keep_piece(&mut self, piece: &[u8]) -> Result<(), Why> {
        if self.partial.len() + piece.len() > LONGEST_HEAD {
            return Err("head is longer than 64 KiB");
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    fn remember(&mut self, head: Head, bytes: &[u8]) {
        if !head.is_interim() && bytes.len() <= LONGEST_KNOWN {
            self.known.clear();
            self.known.extend_from_slice(bytes);
            self.known_head = head;
        }
    }

    /// A head is there: what comes after it.
    fn take_head(&mut self, head: Head) -> Result<(), Why> {
        if head.is_interim() {
            return self.take_interim(head.status);
        }
        self.head = head;
        self.stage = match head.framing {
            _ if self.no_body || head.is_bodiless() => Stage::Whole,
            Framing::Length(0) => Stage::Whole,
            Framing::Length(length) => Stage::Length(length),
            Framing::Chunked => Stage::Chunked(Chunks::default()),
            Framing::UntilEnd => {
                self.head.keeps_open = false;
                Stage::UntilEnd
            }
        };
        Ok(())
    }

    fn take_interim(&mut self, status: u16) -> Result<(), Why> {
        if status == 101 {
            return Err("protocol was switched (101), which nobody asked for");
        }
        self.interims += 1;
        if self.interims > MOST_INTERIMS { Err("more than 16 interim answers") } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "response_properties.rs"]
mod properties;
