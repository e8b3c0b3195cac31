//! What holds of all answers, however they are cut, and of all bytes that are none.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// An answer that a server may give, and what must be read from it.
#[derive(Debug, Clone)]
struct Answer {
    bytes: Vec<u8>,
    /// Which bytes say where it ends.
    frames: Vec<bool>,
    no_body: bool,
    read: Read,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    status: u16,
    body_bytes: u64,
    digest: Option<[u8; 32]>,
    keeps_open: bool,
}

/// What an answer is made of.
#[derive(Debug, Clone)]
struct Parts {
    interims: usize,
    status: u16,
    is_1_0: bool,
    connection: &'static str,
    headers: Vec<(String, String)>,
    /// Sizes of chunks, if it has some; else one part, with its length.
    chunks: Option<Vec<usize>>,
    body: Vec<u8>,
    no_body: bool,
    line_end: &'static str,
}

fn parts() -> impl Strategy<Value = Parts> {
    let status = prop::sample::select(vec![200_u16, 200, 200, 204, 304, 404, 500, 999]);
    let connection = prop::sample::select(vec!["", "close", "keep-alive", "x, Close"]);
    let headers = prop::collection::vec(("[A-Za-z][A-Za-z0-9-]{0,8}", "[ -~]{0,30}"), 0..5);
    let chunks = prop::option::of(prop::collection::vec(1_usize..40, 0..5));
    let body = prop::collection::vec(any::<u8>(), 0..300);
    let line_end = prop::sample::select(vec!["\r\n", "\r\n", "\n"]);
    let said = (0_usize..3, status, any::<bool>(), connection, headers);
    (said, chunks, body, prop::bool::weighted(0.1), line_end).prop_map(|(said, chunks, body, no_body, line_end)| {
        let (interims, status, is_1_0, connection, headers) = said;
        let headers = headers.into_iter().filter(|(name, _)| !matters(name)).collect();
        // HTTP/1.0 has no chunks.
        let chunks = chunks.filter(|_| !is_1_0);
        Parts { interims, status, is_1_0, connection, headers, chunks, body, no_body, line_end }
    })
}

fn matters(name: &str) -> bool {
    ["content-length", "transfer-encoding", "connection"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Answer {
    fn of(parts: &Parts) -> Self {
        let read = Read {
            status: parts.status,
            body_bytes: 0,
            digest: Some(Sha256::digest(b"").into()),
            keeps_open: match parts.connection {
                "" => !parts.is_1_0,
                connection => connection == "keep-alive",
            },
        };
        let mut answer = Self { bytes: Vec::new(), frames: Vec::new(), no_body: parts.no_body, read };
        for _ in 0..parts.interims {
            answer.push(true, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        answer.push_head(parts);
        if !parts.no_body && parts.status != 204 && parts.status != 304 {
            answer.push_body(parts);
        }
        answer
    }

    fn push(&mut self, frames: bool, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.frames.resize(self.bytes.len(), frames);
    }

    fn push_head(&mut self, parts: &Parts) {
        let end = parts.line_end;
        let version = if parts.is_1_0 { "1.0" } else { "1.1" };
        self.push(true, format!("HTTP/{version} {} Reason{end}", parts.status).as_bytes());
        for (name, value) in &parts.headers {
            self.push(false, format!("{name}: {value}").as_bytes());
            self.push(true, end.as_bytes());
        }
        if !parts.connection.is_empty() {
            self.push(true, format!("Connection: {}{end}", parts.connection).as_bytes());
        }
        let framing = match parts.chunks {
            Some(_) => "Transfer-Encoding: chunked".to_owned(),
            None => format!("Content-Length: {}", parts.body.len()),
        };
        self.push(true, format!("{framing}{end}{end}").as_bytes());
    }

    fn push_body(&mut self, parts: &Parts) {
        let mut body = parts.body.as_slice();
        let mut sent = Vec::new();
        for size in parts.chunks.iter().flatten() {
            let chunk = &body[..body.len().min(*size)];
            if chunk.is_empty() {
                break;
            }
            body = &body[chunk.len()..];
            sent.extend_from_slice(chunk);
            self.push(true, format!("{:X} ;x=\"y\"\r\n", chunk.len()).as_bytes());
            self.push(false, chunk);
            self.push(true, b"\r\n");
        }
        if parts.chunks.is_some() {
            self.push(true, b"0\r\nTrailer: x\r\n\r\n");
        } else {
            self.push(false, body);
            sent.extend_from_slice(body);
        }
        self.read.body_bytes = sent.len() as u64;
        self.read.digest = Some(Sha256::digest(&sent).into());
    }
}

fn whole(reader: &Reader) -> Read {
    Read {
        status: reader.status(),
        body_bytes: reader.body_bytes(),
        digest: reader.digest(),
        keeps_open: reader.keeps_open(),
    }
}

/// Reads answers from one connection, as its caller does, from pieces that end at these places.
fn read_all(stream: &[u8], answers: &[Answer], cuts: &[usize]) -> Result<Vec<Read>, Why> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).chain([0, stream.len()]).collect();
    cuts.sort_unstable();
    let mut reader = Reader::default();
    let mut read = Vec::new();
    let no_body = |index: usize| answers.get(index).is_some_and(|answer| answer.no_body);
    reader.begin(no_body(0), true);
    for cut in cuts.windows(2) {
        let mut piece = &stream[cut[0]..cut[1]];
        while !piece.is_empty() {
            match reader.feed(piece)? {
                Fed::More => break,
                Fed::Whole { used } => {
                    assert!(used <= piece.len());
                    piece = &piece[used..];
                    read.push(whole(&reader));
                    reader.begin(no_body(read.len()), true);
                }
            }
        }
    }
    assert!(!reader.has_begun(), "the last answer goes on");
    Ok(read)
}

/// What comes of bytes in pieces of this size: what was read and how many bytes that took, or nothing.
fn outcome(bytes: &[u8], size: usize) -> Option<(Read, usize)> {
    let mut reader = Reader::default();
    reader.begin(false, true);
    let mut before = 0;
    for piece in bytes.chunks(size.max(1)) {
        match reader.feed(piece) {
            Ok(Fed::More) => before += piece.len(),
            Ok(Fed::Whole { used }) => {
                assert!(used <= piece.len());
                return Some((whole(&reader), before + used));
            }
            Err(_) => return None,
        }
    }
    None
}

proptest! {
    #[test]
    fn answers_are_read_alike_however_they_are_cut(
        all in prop::collection::vec(parts(), 1..5),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        // Each twice: the second head is known already.
        let answers: Vec<Answer> = all.iter().flat_map(|parts| [Answer::of(parts), Answer::of(parts)]).collect();
        let stream: Vec<u8> = answers.iter().flat_map(|answer| answer.bytes.clone()).collect();
        let expected: Vec<Read> = answers.iter().map(|answer| answer.read.clone()).collect();
        prop_assert_eq!(read_all(&stream, &answers, &cuts), Ok(expected.clone()));
        let each: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(read_all(&stream, &answers, &each), Ok(expected));
    }

    #[test]
    fn a_body_that_ends_with_its_connection_is_counted_whole(body: Vec<u8>, size in 1_usize..50) {
        let mut reader = Reader::default();
        let bytes = [b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", body.as_slice()].concat();
        for piece in bytes.chunks(size) {
            prop_assert_eq!(reader.feed(piece), Ok(Fed::More));
        }
        prop_assert!(reader.end());
        prop_assert_eq!(reader.body_bytes(), body.len() as u64);
    }

    #[test]
    fn any_bytes_are_taken_without_panic(bytes: Vec<u8>, size in 1_usize..50) {
        prop_assert_eq!(outcome(&bytes, size), outcome(&bytes, usize::MAX));
        let after = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bytes.as_slice()].concat();
        prop_assert_eq!(outcome(&after, size), outcome(&after, usize::MAX));
    }

    #[test]
    fn another_byte_where_nothing_is_framed_moves_no_end(parts in parts(), at: prop::sample::Index, byte: u8) {
        let answer = Answer::of(&parts);
        let at = at.index(answer.bytes.len());
        prop_assume!(!answer.frames[at] && !answer.no_body && byte != b'\r' && byte != b'\n');
        let mut changed = answer.bytes.clone();
        changed[at] = byte;
        // It may be refused, but not be taken for another answer. What follows it must not matter.
        changed.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n");
        if let Some((read, used)) = outcome(&changed, usize::MAX) {
            prop_assert_eq!(used, answer.bytes.len());
            prop_assert_eq!(read.body_bytes, answer.read.body_bytes);
            prop_assert_eq!((read.status, read.keeps_open), (answer.read.status, answer.read.keeps_open));
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_never_whole(parts in parts(), at: prop::sample::Index) {
        let answer = Answer::of(&parts);
        prop_assume!(!answer.no_body);
        prop_assert_eq!(outcome(&answer.bytes[..at.index(answer.bytes.len())], usize::MAX), None);
    }
}

/// Pieces of answers, right and wrong, that chance alone would not find.
const PIECES: [&str; 28] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 100 \r\n\r\n",
    "HTTP/1.1 204 \n",
    "Content-Length: 5\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: 5, 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "A: b\r\n",
    "\r\n",
    "\n",
    "\r",
    "0\r\n\r\n",
    "0\r\n",
    "5\r\nhello\r\n",
    "5;a=\"b\"\r\nhello\r\n",
    "ffffffffffffffff\r\n",
    "hello",
    ":",
    " ",
    ",",
    ";",
    "0",
    "f",
    "\u{0}",
    "\u{e9}",
];

/// A small generator (xorshift64, Marsaglia 2003): the same inputs each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(5) {
            0 => input.truncate(at),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 if at < input.len() => drop(input.remove(at)),
            _ => drop(input.splice(at..at, PIECES[self.below(PIECES.len())].bytes())),
        }
    }
}

/// A stage of the reader, or the error at its end.
type Step = (u8, Why);

/// The way that the reader goes through an input, and what comes of it.
fn way(input: &[u8]) -> (Vec<Step>, Option<(Read, usize)>) {
    let mut reader = Reader::default();
    reader.begin(false, true);
    let mut way = Vec::new();
    for (index, byte) in input.iter().enumerate() {
        let fed = reader.feed(std::slice::from_ref(byte));
        let step = match reader.stage {
            Stage::Head => (100 + reader.interims, ""),
            Stage::Length(_) => (200, ""),
            Stage::Chunked(chunks) => (chunks.place(), ""),
            Stage::UntilEnd => (201, ""),
            Stage::Whole => (202, ""),
            Stage::Broken(why) => (203, why),
        };
        if way.last() != Some(&step) {
            way.push(step);
        }
        match fed {
            Ok(Fed::More) => {}
            Ok(Fed::Whole { .. }) => return (way, Some((whole(&reader), index + 1))),
            Err(_) => return (way, None),
        }
    }
    (way, None)
}

/// Inputs that take a way not seen before are kept and changed further. For each, one piece and single bytes agree.
#[test]
fn inputs_that_find_new_ways_are_followed() {
    let mut chance = Chance(0x7469_6d65_7472_6961);
    let mut seen = HashSet::new();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("{head}5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n");
    let mut kept: Vec<Vec<u8>> = vec![Vec::new(), head.into(), chunks.into()];
    let begin = Instant::now();
    let mut tried = 0;
    while tried < 3_000 || begin.elapsed() < Duration::from_millis(700) {
        tried += 1;
        let mut input = kept[chance.below(kept.len())].clone();
        for _ in 0..=chance.below(4) {
            chance.change(&mut input);
        }
        input.truncate(400);
        let (way, by_bytes) = way(&input);
        let size = 1 + chance.below(40);
        assert_eq!(by_bytes, outcome(&input, size), "{:?} in pieces of {size}", String::from_utf8_lossy(&input));
        assert_eq!(by_bytes, outcome(&input, usize::MAX), "{:?} in one", String::from_utf8_lossy(&input));
        if seen.insert(way) {
            kept.push(input);
        }
    }
    let found: HashSet<&Step> = seen.iter().flatten().collect();
    assert!(found.len() > 20 && seen.len() > 40, "only {} ways, by {found:?}", seen.len());
}
