//! A body in chunks, as HTTP/1.1 frames it (RFC 9112, 7.1).

use crate::loadgen::fault::Why;

/// Bytes of a line with a chunk's size and its extensions.
const LONGEST_SIZE_LINE: u32 = 4 * 1024;
/// Bytes of all trailers together.
const LONGEST_TRAILERS: u32 = 64 * 1024;

/// Reads chunks as their bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chunks {
    place: Place,
    /// Bytes of this chunk: those still to come, or what its size line says so far.
    left: u64,
    /// Bytes of this size line, or of all trailers, so far.
    line: u32,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// The first digit of a size.
    #[default]
    Size,
    /// Another digit, or what follows it.
    Digits,
    /// Spaces after a size: some servers pad it.
    Padding,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    /// The first byte of a trailer, or the empty line that ends all.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Done,
}

impl Chunks {
    /// Takes bytes, gives those of the body to `body`, and says how many belong to the chunks.
    pub(super) fn feed(&mut self, bytes: &[u8], mut body: impl FnMut(&[u8])) -> Result<usize, Why> {
        let mut used = 0;
        while used < bytes.len() && !self.is_done() {
            if self.place == Place::Data {
                let data = first_bytes(&bytes[used..], self.left);
                body(data);
                used += data.len();
                self.left -= data.len() as u64;
                if self.left == 0 {
                    self.place = Place::DataReturn;
                }
            } else {
                self.place = self.after(bytes[used])?;
                used += 1;
            }
        }
        Ok(used)
    }

    /// Whether the last chunk and its trailers are there.
    pub(super) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// What comes next, as a number: the tests look for new ways through all of them.
    #[cfg(test)]
    pub(super) fn place(&self) -> u8 {
        self.place as u8
    }

    /// What comes after this byte.
    fn after(&mut self, byte: u8) -> Result<Place, Why> {
        match self.place {
            Place::Size | Place::Digits | Place::Padding | Place::Extension | Place::SizeLineFeed => {
                self.after_in_size(byte)
            }
            Place::Data | Place::DataReturn if byte == b'\r' => Ok(Place::DataLineFeed),
            Place::DataLineFeed if byte == b'\n' => Ok(self.next_line(Place::Size)),
            Place::Data | Place::DataReturn | Place::DataLineFeed => Err("chunk is longer than its size"),
            _ => self.after_in_trailers(byte),
        }
    }

    fn after_in_size(&mut self, byte: u8) -> Result<Place, Why> {
        self.line += 1;
        if self.line > LONGEST_SIZE_LINE {
            return Err("line of a chunk's size is longer than 4 KiB");
        }
        match (self.place, byte) {
            (Place::Size | Place::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.add_digit(byte),
            (Place::Size, _) => Err("chunk size is no number"),
            (Place::SizeLineFeed, b'\n') if self.left > 0 => Ok(Place::Data),
            (Place::SizeLineFeed, b'\n') => Ok(self.next_line(Place::Trailer)),
            (Place::SizeLineFeed, _) => Err("line of a chunk's size ends wrongly"),
            (_, b'\r') => Ok(Place::SizeLineFeed),
            (_, b'\n') => Err("line of a chunk's size ends wrongly"),
            (Place::Extension, _) | (_, b';') => Ok(Place::Extension),
            (_, b' ' | b'\t') => Ok(Place::Padding),
            _ => Err("chunk size is no number"),
        }
    }

    fn add_digit(&mut self, byte: u8) -> Result<Place, Why> {
        let digit = char::from(byte).to_digit(16).unwrap_or_default();
        let size = self.left.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.left = size.ok_or("chunk size is too large")?;
        Ok(Place::Digits)
    }

    fn after_in_trailers(&mut self, byte: u8) -> Result<Place, Why> {
        self.line += 1;
        if self.line > LONGEST_TRAILERS {
            return Err("trailers are longer than 64 KiB");
        }
        match (self.place, byte) {
            (Place::Trailer, b'\r') => Ok(Place::EndLineFeed),
            (Place::EndLineFeed, b'\n') => Ok(Place::Done),
            (Place::EndLineFeed, _) => Err("chunks end in no empty line"),
            (Place::TrailerLineFeed, b'\n') => Ok(Place::Trailer),
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerLineFeed),
            (Place::TrailerValue, b'\t' | b' '..=0x7e | 0x80..) => Ok(Place::TrailerValue),
            (Place::TrailerName, b':') => Ok(Place::TrailerValue),
            (Place::Trailer | Place::TrailerName, b'!'..=b'~') if byte != b':' => Ok(Place::TrailerName),
            _ => Err("trailer is no header"),
        }
    }

    fn next_line(&mut self, place: Place) -> Place {
        self.line = 0;
        place
    }
}

/// The first bytes, at most so many.
pub(super) fn first_bytes(bytes: &[u8], most: u64) -> &[u8] {
    match usize::try_from(most) {
        Ok(most) if most < bytes.len() => &bytes[..most],
        _ => bytes,
    }
}
