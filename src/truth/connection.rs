//! One connection: what of a request has come, and what of its answers has not been sent yet.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::truth::counts::Counts;
use crate::truth::request::{self, Found, Head};

/// As much as one connection is sent in its turn.
const MOST_OF_A_TURN: u64 = 1 << 20;

/// What a whole answer counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Right.
    Right,
    /// Right, and closes the connection unasked.
    RightAndClose,
    /// Right, and closes the connection as the client asked.
    RightAndCloseAsAsked,
    /// 500.
    Error,
    /// Another document.
    Wrong,
    /// No HTTP.
    Garbage,
    /// 400, which is no request's answer.
    BadRequest,
}

impl Class {
    fn count(self, counts: &mut Counts) {
        match self {
            Self::Right => counts.answers_200 += 1,
            Self::RightAndClose => {
                counts.answers_200 += 1;
                counts.closes += 1;
            }
            Self::RightAndCloseAsAsked => {
                counts.answers_200 += 1;
                counts.closes_as_asked += 1;
            }
            Self::Error => counts.answers_500 += 1,
            Self::Wrong => counts.answers_wrong += 1,
            Self::Garbage => counts.answers_garbage += 1,
            // Counted when it came.
            Self::BadRequest => {}
        }
    }
}

/// Bytes on their way.
#[derive(Debug)]
pub struct Sending {
    /// The bytes, again and again.
    pub block: Arc<[u8]>,
    /// Where in them it goes on.
    pub at: usize,
    /// How many are left.
    pub left: u64,
    /// What it is counted as when the last is sent.
    pub then: Option<Class>,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Its socket.
    pub socket: OwnedFd,
    /// The beginning of a head.
    pub input: Vec<u8>,
    /// The head whose body is coming, and how much of that is still missing.
    pub body: Option<(Head, u64)>,
    /// What is on its way.
    pub out: VecDeque<Sending>,
    /// Closed when everything is sent.
    pub closes: bool,
    /// Nothing is answered any more.
    pub hangs: bool,
    /// When it is sent more is settled already.
    pub has_turn: bool,
}

/// How a turn of sending ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Everything is sent.
    Empty,
    /// The kernel takes no more; it will say when it does.
    Full,
    /// There is more, and others have their turn first.
    More,
    /// The connection is gone.
    Lost,
}

impl Connection {
    /// A new one.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            input: Vec::new(),
            body: None,
            out: VecDeque::new(),
            closes: false,
            hangs: false,
            has_turn: false,
        }
    }

    /// Takes bytes that came. Heads of requests that are whole now are put there; whether all of it can be understood.
    pub fn take(&mut self, bytes: &[u8], found: &mut Vec<Head>) -> bool {
        if self.input.is_empty() {
            return self.take_from(bytes, found);
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        self.take_from(&input, found)
    }

    fn take_from(&mut self, mut bytes: &[u8], found: &mut Vec<Head>) -> bool {
        loop {
            if let Some((head, missing)) = &mut self.body {
                let used = (*missing).min(bytes.len() as u64);
                *missing -= used;
                bytes = &bytes[used as usize..];
                if *missing > 0 {
                    return true;
                }
                found.push(*head);
                self.body = None;
            }
            if bytes.is_empty() {
                return true;
            }
            match request::head(bytes) {
                Found::More => {
                    self.input = bytes.to_vec();
                    return true;
                }
                Found::Nonsense => return false,
                Found::Head(head, used) => {
                    bytes = &bytes[used..];
                    self.body = Some((head, head.body_bytes));
                }
            }
        }
    }

    /// Sends what is on its way, at most so many bytes of it, and counts it.
    pub fn flush(&mut self, most: Option<u64>, counts: &mut Counts) -> Turn {
        let mut left = most.unwrap_or(MOST_OF_A_TURN);
        while let Some(sending) = self.out.front_mut() {
            if sending.left == 0 {
                if let Some(class) = sending.then {
                    class.count(counts);
                }
                self.out.pop_front();
                continue;
            }
            if left == 0 {
                return Turn::More;
            }
            let end = (sending.at as u64).saturating_add(sending.left.min(left)).min(sending.block.len() as u64);
            match send(&self.socket, &sending.block[sending.at..end as usize], SendFlags::NOSIGNAL) {
                Ok(bytes) => {
                    let count = bytes as u64;
                    counts.bytes_sent += count;
                    left -= count;
                    // What never ends does not end.
                    sending.left -= if sending.left == u64::MAX { 0 } else { count };
                    sending.at = (sending.at + bytes) % sending.block.len();
                }
                Err(Errno::AGAIN) => return Turn::Full,
                Err(Errno::INTR) => {}
                Err(_) => return Turn::Lost,
            }
        }
        Turn::Empty
    }

    /// Answers to requests that were not sent to their last byte.
    pub fn undelivered(&self) -> u64 {
        let counts = |sending: &&Sending| sending.then.is_some_and(|class| class != Class::BadRequest);
        self.out.iter().filter(counts).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_however_their_bytes_come() {
        let text = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n";
        for size in 1..=text.len() {
            let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
            let mut connection = Connection::new(one.into());
            let mut found = Vec::new();
            assert!(text.chunks(size).all(|bytes| connection.take(bytes, &mut found)), "{size} bytes at a time");
            let heads: Vec<(bool, u64)> = found.iter().map(|head| (head.is_head, head.body_bytes)).collect();
            assert_eq!(heads, [(false, 3), (false, 0), (true, 0)], "{size} bytes at a time");
        }
    }
}
