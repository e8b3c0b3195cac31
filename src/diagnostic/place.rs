//! Where in a user's file something stands.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file that a person wrote, as read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it is shown.
    pub path: PathBuf,
    /// The whole text, a byte order mark included: its bytes are the file's bytes.
    pub text: String,
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// What some editors write at the start of a file. It stands in no column.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

impl SourceFile {
    /// Where the byte at this offset stands. An offset inside a character or behind the end is moved back.
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before[line_start..].trim_start_matches(BYTE_ORDER_MARK);
        Position { line: before.matches('\n').count() + 1, column: in_line.chars().count() + 1 }
    }

    /// The bytes of the line in which this offset stands, without its line ending.
    pub fn line_around(&self, offset: usize) -> Range<usize> {
        let offset = self.floor(offset);
        let mut start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        if start == 0 && self.text.starts_with(BYTE_ORDER_MARK) {
            start = BYTE_ORDER_MARK.len_utf8();
        }
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |newline| offset + newline);
        let end = start.max(end);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }

    /// The offset at which a line begins; the end of the text for a line that does not exist. Lines count from 1.
    pub fn line_start(&self, line: usize) -> usize {
        let mut starts = std::iter::once(0).chain(self.text.match_indices('\n').map(|(newline, _)| newline + 1));
        starts.nth(line.saturating_sub(1)).unwrap_or(self.text.len())
    }

    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Byte offsets in its text.
    pub span: Range<usize>,
}

impl Place {
    /// A place in a file.
    pub fn new(file: &Arc<SourceFile>, span: Range<usize>) -> Self {
        Self { file: Arc::clone(file), span }
    }

    /// The first line of a file: where something stands that concerns the whole of it.
    pub fn first_line(file: &Arc<SourceFile>) -> Self {
        Self::new(file, file.line_around(0))
    }

    /// Where it begins.
    pub fn start(&self) -> Position {
        self.file.position(self.span.start)
    }

    /// Where it ends: the first character that no longer belongs to it.
    pub fn end(&self) -> Position {
        self.file.position(self.span.end.max(self.span.start))
    }

    /// The text at this place.
    pub fn text(&self) -> &str {
        self.file.text.get(self.span.clone()).unwrap_or_default()
    }
}

/// A value and where it was written, so that a check that needs several files can still point at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands; for a default, the table that lacks it.
    pub place: Place,
}

impl<T> Placed<T> {
    /// A value at a place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    /// Another value at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), place: self.place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, offset: usize, line: usize, column: usize) {
        let file = SourceFile { path: PathBuf::from("x.toml"), text: text.to_owned() };
        assert_eq!(file.position(offset), Position { line, column }, "{text:?} at {offset}");
    }

    #[test]
    fn positions_count_characters_from_one() {
        check("", 0, 1, 1);
        check("", 99, 1, 1);
        check("a\nb", 2, 2, 1);
        check("a\r\nb", 3, 2, 1);
        check("é=1", 2, 1, 2);
        check("é=1", 1, 1, 1);
        check("\u{feff}a = 1", 3, 1, 1);
        check("\u{feff}a = 1", 4, 1, 2);
        check("a\n", 2, 2, 1);
    }

    #[test]
    fn lines_have_no_line_ending() {
        let file = SourceFile { path: PathBuf::from("x.toml"), text: "\u{feff}ab\r\ncd\n".to_owned() };
        assert_eq!(&file.text[file.line_around(0)], "ab");
        assert_eq!(&file.text[file.line_around(4)], "ab");
        assert_eq!(&file.text[file.line_around(8)], "cd");
        assert_eq!(&file.text[file.line_around(100)], "");
        assert_eq!(file.line_start(2), 7);
    }
}
