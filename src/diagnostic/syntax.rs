//! TOML's syntax errors, all at once and in words that say what to do.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, Error};

use crate::diagnostic::{Code, Diagnostic, Place, SourceFile};

/// A parsed document: what could be read, and what was wrong.
pub(super) struct Parsed<'a> {
    /// The tree; incomplete when there were errors.
    pub(super) root: DeTable<'a>,
    /// The errors, in the file's order, at most one a line: what follows on the same line is mostly a consequence.
    pub(super) errors: Vec<Diagnostic>,
}

/// Parses a file's text.
pub(super) fn parse(file: &Arc<SourceFile>) -> Parsed<'_> {
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    let mut spanned: Vec<(Range<usize>, Error)> =
        errors.into_iter().map(|error| (span_of(file, &error), error)).collect();
    spanned.sort_by_key(|(span, _)| span.start);
    let mut lines = LineCounter::new(&file.text);
    let mut last_line = usize::MAX;
    spanned.retain(|(span, _)| {
        let line = lines.line_at(span.start);
        std::mem::replace(&mut last_line, line) != line
    });
    let errors = spanned.into_iter().map(|(span, error)| explain(file, span, error.message())).collect();
    Parsed { root: root.into_inner(), errors }
}

/// Counts lines up to ascending offsets without starting again each time: a broken file may have an error a line.
struct LineCounter<'a> {
    text: &'a [u8],
    offset: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), offset: 0, line: 0 }
    }

    fn line_at(&mut self, offset: usize) -> usize {
        let passed = self.text.get(self.offset..offset).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.offset = self.offset.max(offset);
        self.line
    }
}

/// Where an error stands. At the end of the text there is nothing to underline, so it moves back to the last word.
fn span_of(file: &SourceFile, error: &Error) -> Range<usize> {
    let text = &file.text;
    // The one error without a place is a key of very many parts; the first line is as good as any.
    let span = error.span().unwrap_or_else(|| file.line_around(0));
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let written = text.trim_end().len();
    if start >= written { written..written } else { start..end }
}

/// Says an error of the parser in our words where we know better, else in its own.
fn explain(file: &Arc<SourceFile>, span: Range<usize>, message: &str) -> Diagnostic {
    let place = Place::new(file, span);
    let text = place.text();
    let error = |code, message: String| Diagnostic::at(code, &place, message);
    if message.starts_with("duplicate key") {
        return error(Code::DuplicateKey, format!("`{text}` stands twice in one table"))
            .label("already written above")
            .hint("remove one of the two; a list of tables is written with two brackets: `[[round]]`");
    }
    if message.contains("recursion") {
        return error(Code::Syntax, "lists or tables are nested too deep".to_owned())
            .hint("write it flat: no file of ours nests more than four deep");
    }
    if message.starts_with("string values must be quoted") {
        return missing_quotes(&place);
    }
    if message.starts_with("invalid basic string") || message.starts_with("invalid literal string") {
        return error(Code::Syntax, "a string is not closed, or holds a control character".to_owned())
            .label("the string breaks off here")
            .hint("close the string with the same quote on the same line; write a control character as `\\u001b`");
    }
    if message.starts_with("key with no value") {
        return error(Code::Syntax, "a key without a value".to_owned())
            .label("expected `=` and a value")
            .hint("write `key = value`, or put `#` before a comment");
    }
    if message.starts_with("invalid boolean") {
        return error(Code::Syntax, format!("`{text}` is not a value"))
            .hint("write `true` or `false` in small letters, or put a text in double quotes");
    }
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "nothing"));
    let diagnostic = error(Code::Syntax, what.to_owned()).hint("see https://toml.io for how TOML is written");
    if expected == "nothing" { diagnostic } else { diagnostic.label(format!("expected {expected}")) }
}

/// A value that is neither quoted nor a number nor a list: mostly a text or a duration without its quotes.
fn missing_quotes(place: &Place) -> Diagnostic {
    let text = place.text().trim();
    if text.is_empty() {
        return Diagnostic::at(Code::Syntax, place, "a value is missing")
            .label("expected a value")
            .hint("write `key = value`, or put `#` before a comment");
    }
    Diagnostic::at(Code::Syntax, place, format!("`{text}` is not a value"))
        .label("a text needs double quotes")
        .hint(format!("write \"{text}\""))
}
