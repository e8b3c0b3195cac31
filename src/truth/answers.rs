//! The bytes of answers, made once.

use std::sync::Arc;

use crate::truth::settings::{Fate, Form};

/// The right document.
pub const DOCUMENT: &[u8] = b"{\"ok\":true}";

/// Another one.
const OTHER_DOCUMENT: &[u8] = b"{\"ok\":false}";

/// Bytes of body in a chunk of a large one.
const CHUNK: usize = 16_384;

/// Bytes that are sent at once of what goes on.
const BLOCK: usize = 4 * CHUNK;

/// Some bytes, again and again until so many have been sent.
#[derive(Debug, Clone)]
pub struct Part {
    /// The bytes.
    pub block: Arc<[u8]>,
    /// How many to send in all.
    pub bytes: u64,
}

impl Part {
    fn once(bytes: &[u8]) -> Self {
        Self { block: bytes.into(), bytes: bytes.len() as u64 }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its bytes. The first part begins with the head.
    pub parts: Vec<Part>,
    /// Bytes of the head: the whole answer to `HEAD`.
    pub head_bytes: usize,
}

impl Answer {
    fn whole(head: &str, body: &[u8]) -> Self {
        Self { parts: vec![Part::once(&[head.as_bytes(), body].concat())], head_bytes: head.len() }
    }

    fn short(status: &str, close: bool, body: &[u8]) -> Self {
        Self::whole(&head(status, close, &format!("Content-Length: {}", body.len())), body)
    }
}

/// All answers that a server gives.
#[derive(Debug)]
pub struct Answers {
    right: Answer,
    right_and_close: Answer,
    error: Answer,
    wrong: Answer,
    garbage: Vec<Answer>,
    /// To what was no request.
    pub bad_request: Answer,
}

impl Answers {
    /// In this form.
    pub fn new(form: &Form) -> Self {
        Self {
            right: right(form, false),
            right_and_close: right(form, true),
            error: Answer::short("500 Internal Server Error", false, b"{\"error\":\"on purpose\"}"),
            wrong: Answer::short("200 OK", false, OTHER_DOCUMENT),
            garbage: garbage(),
            bad_request: Answer::short("400 Bad Request", true, b""),
        }
    }

    /// What a request with this fate and number is answered, if it is.
    pub fn of(&self, fate: Fate, number: u64) -> Option<&Answer> {
        match fate {
            Fate::Answer => Some(&self.right),
            Fate::AnswerAndClose => Some(&self.right_and_close),
            Fate::Error => Some(&self.error),
            Fate::Wrong => Some(&self.wrong),
            Fate::Garbage => self.garbage.get(number as usize % self.garbage.len()),
            Fate::Hang | Fate::Fin | Fate::Reset => None,
        }
    }
}

fn head(status: &str, close: bool, length: &str) -> String {
    // ab speaks HTTP/1.0, and waits for ever where nothing says keep-alive.
    let connection = if close { "close" } else { "keep-alive" };
    format!(
        "HTTP/1.1 {status}\r\nServer: truth\r\nContent-Type: application/json\r\n{length}\r\nConnection: {connection}\r\n\r\n"
    )
}

fn right(form: &Form, close: bool) -> Answer {
    if form.has_endless_headers {
        let line = format!("X-Endless: {}\r\n", "h".repeat(51));
        let first = head("200 OK", close, "Content-Length: 0");
        let first = first.trim_end_matches("\r\n").to_owned() + "\r\n";
        let endless = Part { block: line.repeat(BLOCK / line.len()).into_bytes().into(), bytes: u64::MAX };
        return Answer { head_bytes: first.len(), parts: vec![Part::once(first.as_bytes()), endless] };
    }
    let chunked = head("200 OK", close, "Transfer-Encoding: chunked");
    let in_chunks = |parts: Vec<Part>| {
        let mut all = vec![Part::once(chunked.as_bytes())];
        all.extend(parts);
        Answer { head_bytes: chunked.len(), parts: all }
    };
    let large_chunks: Vec<u8> = chunk(&[b'x'; CHUNK]).repeat(BLOCK / CHUNK);
    match form.body_bytes {
        _ if form.has_endless_body => in_chunks(vec![Part { block: large_chunks.into(), bytes: u64::MAX }]),
        Some(bytes) if form.is_chunked => {
            let (whole, rest) = (bytes / CHUNK as u64, (bytes % CHUNK as u64) as usize);
            let each = (large_chunks.len() / (BLOCK / CHUNK)) as u64;
            let rest = if rest > 0 { chunk(&vec![b'x'; rest]) } else { Vec::new() };
            let last = [rest.as_slice(), b"0\r\n\r\n"].concat();
            in_chunks(vec![Part { block: large_chunks.into(), bytes: whole * each }, Part::once(&last)])
        }
        Some(bytes) => {
            let head = head("200 OK", close, &format!("Content-Length: {bytes}"));
            let body = Part { block: vec![b'x'; BLOCK].into(), bytes };
            Answer { head_bytes: head.len(), parts: vec![Part::once(head.as_bytes()), body] }
        }
        None if form.is_chunked => {
            let (first, second) = DOCUMENT.split_at(DOCUMENT.len() / 2);
            let body = [chunk(first), chunk(second), b"0\r\n\r\n".to_vec()].concat();
            Answer::whole(&chunked, &body)
        }
        None => Answer::short("200 OK", close, DOCUMENT),
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Nothing of it is an answer of HTTP/1.
fn garbage() -> Vec<Answer> {
    let texts = [
        "\u{1}\u{2}\u{3} this is no HTTP \u{7f}\r\n\r\n",
        "HTTP/1.1 two-hundred OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot-hexadecimal\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    ];
    // Whatever was asked, all of it comes.
    texts.iter().map(|text| Answer { parts: vec![Part::once(text.as_bytes())], head_bytes: text.len() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> String {
        answer.parts.iter().map(|part| String::from_utf8_lossy(&part.block).into_owned()).collect()
    }

    #[test]
    fn a_plain_answer_says_how_long_it_is() {
        let answers = Answers::new(&Form::default());
        let answer = answers.of(Fate::Answer, 1).map(text);
        assert!(answer.is_some_and(|text| text.contains("Content-Length: 11\r\n") && text.ends_with("{\"ok\":true}")));
    }

    #[test]
    fn a_large_body_in_chunks_has_the_length_that_was_asked_for() {
        let bytes = 5 * CHUNK as u64 + 3;
        let answer = right(&Form { is_chunked: true, body_bytes: Some(bytes), ..Form::default() }, false);
        let framing = 5 * "4000\r\n\r\n".len() as u64 + "3\r\n\r\n".len() as u64 + "0\r\n\r\n".len() as u64;
        let sent: u64 = answer.parts.iter().map(|part| part.bytes).sum();
        assert_eq!(sent, answer.head_bytes as u64 + bytes + framing);
    }
}
