//! Diagnostics for programs: one JSON object a line.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Note, Place, Site};

/// A diagnostic as it is written. The fields are stable; new ones may be added.
#[derive(Serialize)]
struct Record<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    file: String,
    #[serde(flatten)]
    span: Option<Span>,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<NoteRecord<'a>>,
}

/// Lines and columns count from 1, columns count characters, and the end is the first character behind.
#[derive(Serialize)]
struct Span {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct NoteRecord<'a> {
    file: String,
    #[serde(flatten)]
    span: Span,
    label: &'a str,
}

impl Diagnostics {
    /// One JSON object for each diagnostic, each on a line of its own. JSON escapes control characters by itself.
    pub fn json_lines(&self) -> String {
        let mut lines = String::new();
        for diagnostic in self.in_order() {
            if let Ok(line) = serde_json::to_string(&record(diagnostic)) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        lines
    }
}

fn record(diagnostic: &Diagnostic) -> Record<'_> {
    let span = match &diagnostic.site {
        Site::Place(place) => Some(span(place)),
        Site::File(_) => None,
    };
    Record {
        severity: diagnostic.severity.word(),
        code: diagnostic.code.word(),
        message: &diagnostic.message,
        file: diagnostic.site.path().display().to_string(),
        span,
        label: &diagnostic.label,
        hint: diagnostic.hint.as_deref(),
        notes: diagnostic.notes.iter().map(note_record).collect(),
    }
}

fn note_record(note: &Note) -> NoteRecord<'_> {
    NoteRecord { file: note.place.file.path.display().to_string(), span: span(&note.place), label: &note.label }
}

fn span(place: &Place) -> Span {
    let (start, end) = (place.start(), place.end());
    Span { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
}
