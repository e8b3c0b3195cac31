//! Framing: four bytes of length, big endian, then that many bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No frame is longer: a longer one means that the stream is not ours, and memory stays bounded.
pub const LONGEST: usize = 64 << 20;

/// A message as a frame.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = checked(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

fn checked(length: usize) -> io::Result<u32> {
    match u32::try_from(length) {
        Ok(short) if length <= LONGEST => Ok(short),
        _ => Err(io::Error::other(format!("a message of {length} bytes is longer than the {LONGEST} allowed"))),
    }
}

/// The length that four bytes announce.
pub fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(header) as usize;
    checked(length).map(|_| length)
}

/// A frame's bytes as a message.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|error| io::Error::other(format!("a message that can't be read: {error}")))
}

/// Writes one message, at once.
pub fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)?;
    to.flush()
}

/// Reads one message; `None` at a clean end.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut header = [0; 4];
    match from.read(&mut header)? {
        0 => return Ok(None),
        4 => {}
        some => from.read_exact(&mut header[some..])?,
    }
    let mut body = vec![0; length(header)?];
    from.read_exact(&mut body)?;
    decode(&body).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_in_order() {
        let mut stream = Vec::new();
        write(&mut stream, &"one").unwrap();
        write(&mut stream, &"two").unwrap();
        let mut stream = stream.as_slice();
        assert_eq!(read::<String>(&mut stream).unwrap().as_deref(), Some("one"));
        assert_eq!(read::<String>(&mut stream).unwrap().as_deref(), Some("two"));
        assert_eq!(read::<String>(&mut stream).unwrap(), None);
    }

    #[test]
    fn a_cut_at_any_byte_is_an_error_and_a_huge_length_is_refused() {
        let mut stream = Vec::new();
        write(&mut stream, &"message").unwrap();
        for end in 1..stream.len() {
            assert!(read::<String>(&mut &stream[..end]).is_err(), "cut at {end}");
        }
        assert!(read::<String>(&mut &b"\xff\xff\xff\xff"[..]).unwrap_err().to_string().contains("longer"));
        // What a login banner looks like when it is taken for a frame.
        assert!(read::<String>(&mut &b"Welcome to Debian"[..]).is_err());
    }
}
