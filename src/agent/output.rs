//! What a process prints: passed on or kept, never in full in memory.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes kept of each stream: enough for a traceback, little enough for a thousand daemons.
pub const KEPT: usize = 64 << 10;

/// The last bytes of a stream.
#[derive(Debug, Default, Clone)]
pub struct Tail(Arc<Mutex<VecDeque<u8>>>, Arc<AtomicBool>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = crate::agent::lock(&self.0);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }

    /// Whether the stream has come to its end.
    pub fn is_settled(&self) -> bool {
        self.1.load(Ordering::Acquire)
    }

    /// The last bytes, at most this many.
    pub fn last(&self, most: usize) -> Vec<u8> {
        let kept = crate::agent::lock(&self.0);
        kept.iter().skip(kept.len().saturating_sub(most)).copied().collect()
    }
}

/// Reads a stream to its end: every chunk goes into the tail, and to `pass_on`.
pub fn pump(from: impl Read, tail: &Tail, pass_on: impl FnMut(&[u8])) {
    read_all(from, tail, pass_on);
    tail.1.store(true, Ordering::Release);
}

fn read_all(mut from: impl Read, tail: &Tail, mut pass_on: impl FnMut(&[u8])) {
    let mut chunk = vec![0; 16 << 10];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                tail.push(&chunk[..length]);
                pass_on(&chunk[..length]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_bytes_are_kept() {
        let tail = Tail::default();
        let printed: Vec<u8> = (0..200_000u32).map(|number| (number % 251) as u8).collect();
        let mut passed = 0;
        pump(printed.as_slice(), &tail, |chunk| passed += chunk.len());
        assert_eq!(passed, printed.len());
        assert_eq!(tail.last(KEPT * 2), printed[printed.len() - KEPT..]);
        assert_eq!(tail.last(3), printed[printed.len() - 3..]);
    }
}
