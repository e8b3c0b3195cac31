//! Text with values that change with each request: `${number}`, `${random:1..1000}`, `${line:names.txt}`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Characters of a user's text that a message repeats.
const LONGEST_SHOWN: usize = 60;
/// What to do instead.
const KNOWN: &str = "there are `${number}`, `${random:1..1000}` and `${line:FILE}`; a plain `${` is written `$${`";

/// Text, with what changes in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Fixed(Vec<u8>),
    Number,
    /// A number from `low` to `low + span`, both included.
    Random {
        low: u64,
        span: u64,
        /// Another one for each placeholder of a request, so that they differ.
        salt: u64,
    },
    Line(Arc<Lines>),
}

/// Which request it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Its number over the whole load.
    pub(super) number: u64,
    /// How many of the same kind came before it.
    pub(super) occurrence: u64,
}

/// Where a text stands in a request, which decides what its values may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the value of the header with this name.
    Header(String),
    /// In the body.
    Body,
}

/// What is wrong with a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {column} of the {place}: {message}")]
pub struct PlaceholderError {
    /// Which request it is in, from 0.
    pub request: usize,
    /// Where in it.
    pub place: Place,
    /// The byte of that text at which it begins, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// The lines of a file.
#[derive(Debug)]
struct Lines {
    text: Vec<u8>,
    /// Where each stands in the text. Never empty.
    ranges: Vec<Range<usize>>,
}

/// Reads placeholders, and the files that they name, each once.
pub(super) struct Parser<'a> {
    read_file: &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    files: BTreeMap<String, Arc<Lines>>,
    /// Placeholders so far.
    salt: u64,
    /// What was wrong so far.
    pub(super) wrong: Vec<PlaceholderError>,
}

/// What is wrong, without where.
type Wrong = (String, String);

impl<'a> Parser<'a> {
    /// With what reads a file or says why it can't.
    pub(super) fn new(read_file: &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>) -> Self {
        Self { read_file, files: BTreeMap::new(), salt: 0, wrong: Vec::new() }
    }

    /// Reads the text at a place of a request, up to what is wrong in it.
    pub(super) fn parse(&mut self, text: &[u8], request: usize, place: Place) -> Template {
        let mut template = Template::default();
        let mut from = 0;
        while let Some(dollar) = memchr::memchr(b'$', &text[from..]).map(|at| from + at) {
            template.push_fixed(&text[from..dollar]);
            let rest = &text[dollar..];
            if rest.starts_with(b"$${") {
                template.push_fixed(b"${");
                from = dollar + 3;
            } else if rest.starts_with(b"${") {
                match self.placeholder(rest, &place) {
                    Ok((part, length)) => {
                        template.parts.push(part);
                        from = dollar + length;
                    }
                    Err((message, hint)) => {
                        self.wrong.push(PlaceholderError { request, place, column: dollar + 1, message, hint });
                        return template;
                    }
                }
            } else {
                template.push_fixed(b"$");
                from = dollar + 1;
            }
        }
        template.push_fixed(&text[from..]);
        template
    }

    /// Reads the placeholder at the beginning of a text, and says how long it is.
    fn placeholder(&mut self, text: &[u8], place: &Place) -> Result<(Part, usize), Wrong> {
        let Some(end) = memchr::memchr(b'}', text) else {
            return Err((format!("`{}` has no end", shown(text)), "close it with `}`, or write `$${`".to_owned()));
        };
        let written = &text[..=end];
        let name = String::from_utf8_lossy(&text[2..end]);
        self.salt += 1;
        let part = match name.split_once(':') {
            None if name == "number" => Part::Number,
            Some(("random", range)) => self.random(range, written)?,
            Some(("line", file)) => Part::Line(self.lines(file, place)?),
            _ => return Err((format!("`{}` is no placeholder", shown(written)), KNOWN.to_owned())),
        };
        Ok((part, end + 1))
    }

    fn random(&self, range: &str, written: &[u8]) -> Result<Part, Wrong> {
        let bounds = range.split_once("..").and_then(|(low, high)| Some((whole(low)?, whole(high)?)));
        let Some((low, high)) = bounds else {
            let hint = "write two whole numbers below 2^64 with two dots between them: `${random:1..1000}`";
            return Err((format!("`{}` names no range", shown(written)), hint.to_owned()));
        };
        let Some(span) = high.checked_sub(low) else {
            let hint = format!("write the smaller number first: `${{random:{high}..{low}}}`");
            return Err((format!("the range of `{}` is empty", shown(written)), hint));
        };
        Ok(Part::Random { low, span, salt: self.salt })
    }

    fn lines(&mut self, file: &str, place: &Place) -> Result<Arc<Lines>, Wrong> {
        if file.is_empty() {
            return Err(("`${line:}` names no file".to_owned(), "write the file's path: `${line:FILE}`".to_owned()));
        }
        let lines = match self.files.get(file) {
            Some(lines) => Arc::clone(lines),
            None => {
                let hint = "name a file that can be read, with a line for each value";
                let text = (self.read_file)(file).map_err(|why| (why, hint.to_owned()))?;
                let lines = Arc::new(Lines::of(text));
                self.files.insert(file.to_owned(), Arc::clone(&lines));
                lines
            }
        };
        lines.check(file, place)?;
        Ok(lines)
    }
}

impl Template {
    /// Text in which nothing changes, whatever it holds.
    pub(super) fn fixed(text: &[u8]) -> Self {
        let mut template = Self::default();
        template.push_fixed(text);
        template
    }

    /// The text, if nothing changes in it.
    pub(super) fn as_fixed(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Fixed(text)] => Some(text),
            _ => None,
        }
    }

    /// Adds fixed text.
    pub(super) fn push_fixed(&mut self, more: &[u8]) {
        match self.parts.last_mut() {
            _ if more.is_empty() => {}
            Some(Part::Fixed(text)) => text.extend_from_slice(more),
            _ => self.parts.push(Part::Fixed(more.to_owned())),
        }
    }

    /// Adds another one.
    pub(super) fn push(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Fixed(text) => self.push_fixed(text),
                part => self.parts.push(part.clone()),
            }
        }
    }

    /// How many bytes it has for this request.
    pub(super) fn length(&self, turn: Turn) -> usize {
        let length = |part: &Part| match part {
            Part::Fixed(text) => text.len(),
            Part::Number => digits(turn.number),
            Part::Random { low, span, salt } => digits(random(*low, *span, *salt, turn)),
            Part::Line(lines) => lines.of_turn(turn).len(),
        };
        self.parts.iter().map(length).sum()
    }

    /// Adds it as it is for this request.
    pub(super) fn write(&self, turn: Turn, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Fixed(text) => out.extend_from_slice(text),
                Part::Number => write_number(turn.number, out),
                Part::Random { low, span, salt } => write_number(random(*low, *span, *salt, turn), out),
                Part::Line(lines) => out.extend_from_slice(lines.of_turn(turn)),
            }
        }
    }
}

impl Lines {
    fn of(text: Vec<u8>) -> Self {
        let mut from = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut ranges = Vec::new();
        while from < text.len() {
            let end = memchr::memchr(b'\n', &text[from..]).map_or(text.len(), |at| from + at);
            let line = text[from..end].strip_suffix(b"\r").unwrap_or(&text[from..end]);
            ranges.push(from..from + line.len());
            from = end + 1;
        }
        Self { text, ranges }
    }

    fn of_turn(&self, turn: Turn) -> &[u8] {
        &self.text[self.ranges[(turn.occurrence % self.ranges.len() as u64) as usize].clone()]
    }

    /// Whether each of them can stand at a place.
    fn check(&self, file: &str, place: &Place) -> Result<(), Wrong> {
        if self.ranges.is_empty() {
            return Err((format!("`{file}` has no lines"), "write one line for each value".to_owned()));
        }
        let is_unfit = |byte: &u8| match place {
            Place::Path => !byte.is_ascii_graphic() || *byte == b'#',
            Place::Header(_) => (*byte < b' ' && *byte != b'\t') || *byte == 0x7f,
            Place::Body => false,
        };
        for (index, range) in self.ranges.iter().enumerate() {
            let Some(byte) = self.text[range.clone()].iter().find(|byte| is_unfit(byte)) else { continue };
            let message = format!("line {} of `{file}` holds the byte 0x{byte:02x}", index + 1);
            let hint = match place {
                Place::Path => format!("write it as `%{byte:02X}`: a path is printable ASCII without spaces and `#`"),
                _ => "take it away: no control byte can stand in a header".to_owned(),
            };
            return Err((message, hint));
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => formatter.write_str("path"),
            Self::Header(name) => write!(formatter, "header `{name}`"),
            Self::Body => formatter.write_str("body"),
        }
    }
}

/// Text that a template gives back as it is: for bodies from files, in which `${` means nothing.
pub fn escaped(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for (index, byte) in text.iter().enumerate() {
        if text[index..].starts_with(b"${") {
            escaped.push(b'$');
        }
        escaped.push(*byte);
    }
    escaped
}

/// Adds a number in digits.
pub(super) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut buffer = [0; 20];
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&buffer[at..]);
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A number of digits alone.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A number that is the same for the same request each time, and else looks like chance (SplitMix64: Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", 2014).
fn random(low: u64, span: u64, salt: u64, turn: Turn) -> u64 {
    let mut mixed = turn.number.wrapping_add(salt << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let scaled = (u128::from(mixed) * (u128::from(span) + 1)) >> 64;
    // At most the span.
    low + scaled as u64
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut shown: String = text.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
