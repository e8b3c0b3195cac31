//! Diagnostics for people, in rustc's look: the message, `path:line:column`, the line underlined, the hint.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Diagnostics, Place, Position, Severity, Site, SourceFile, printable};

/// A longer line is not drawn: only its position is told.
const LONGEST_LINE: usize = 2_000;

/// Places further apart than this many bytes are drawn in two pieces.
const LONGEST_EXCERPT: usize = 8_000;

impl Diagnostics {
    /// All of them as text for a terminal, each followed by an empty line. Nothing in it can control the terminal, save
    /// the colours where they are asked for.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in self.in_order() {
            text.push_str(&drawn(diagnostic, &renderer));
            text.push_str("\n\n");
        }
        text
    }
}

fn drawn(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let mut drawn = renderer.render(&[group(diagnostic)]);
    for (wrong, right) in excerpts(diagnostic).iter().filter_map(Excerpt::corrected_place) {
        // The first line is the message, which may say anything.
        let title = drawn.find('\n').unwrap_or(drawn.len());
        let places = drawn.split_off(title);
        drawn.push_str(&places.replacen(&wrong, &right, 1));
    }
    drawn
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code.word());
    let mut group = Group::with_title(title);
    let excerpts = excerpts(diagnostic);
    if let Site::File(path) = &diagnostic.site {
        group = group.element(Origin::path(printable(&path.display().to_string()).into_owned()));
    }
    for excerpt in excerpts {
        group = excerpt.draw_in(group);
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name("hint").message(printable(hint)));
    }
    group
}

/// A mark under a piece of text.
struct Mark<'a> {
    span: Range<usize>,
    label: &'a str,
    kind: AnnotationKind,
}

/// A piece of a file with its marks.
struct Excerpt<'a> {
    file: &'a Arc<SourceFile>,
    lines: Range<usize>,
    marks: Vec<Mark<'a>>,
}

/// The main place first, and every other place in the same piece of the same file, or in a piece of its own.
fn excerpts(diagnostic: &Diagnostic) -> Vec<Excerpt<'_>> {
    let mut excerpts: Vec<Excerpt<'_>> = Vec::new();
    if let Site::Place(place) = &diagnostic.site {
        excerpts.push(excerpt(place, &diagnostic.label, AnnotationKind::Primary));
    }
    for note in &diagnostic.notes {
        let further = excerpt(&note.place, &note.label, AnnotationKind::Context);
        match excerpts.iter_mut().find(|known| known.is_near(&further)) {
            Some(known) => known.absorb(further),
            None => excerpts.push(further),
        }
    }
    excerpts
}

/// The line on which a place begins. What goes on over further lines is marked on its first line only.
fn excerpt<'a>(place: &'a Place, label: &'a str, kind: AnnotationKind) -> Excerpt<'a> {
    let lines = place.file.line_around(place.span.start);
    let start = place.span.start.clamp(lines.start, lines.end);
    let end = place.span.end.clamp(start, lines.end);
    Excerpt { file: &place.file, lines, marks: vec![Mark { span: start..end, label, kind }] }
}

impl<'a> Excerpt<'a> {
    fn shown_path(&self) -> String {
        printable(&self.file.path.display().to_string()).into_owned()
    }

    fn text(&self) -> &'a str {
        self.file.text.get(self.lines.clone()).unwrap_or_default()
    }

    fn shown(&self) -> Shown {
        Shown::new(self.text())
    }

    fn is_too_long(&self) -> bool {
        self.text().lines().any(|line| line.len() > LONGEST_LINE)
    }

    /// Where its first mark stands in the file.
    fn position(&self) -> Position {
        self.file.position(self.marks.first().map_or(self.lines.start, |mark| mark.span.start))
    }

    /// The renderer counts columns in what is drawn, where a spelt-out character takes several. Says how it writes the
    /// place of the first mark, and how it should be written.
    fn corrected_place(&self) -> Option<(String, String)> {
        let first = self.marks.first().filter(|_| !self.is_too_long())?;
        let (shown, position) = (self.shown(), self.position());
        let before = shown.text.get(..shown.offset(first.span.start - self.lines.start))?;
        let drawn = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = |column: usize| format!("{}:{}:{column}", self.shown_path(), position.line);
        (drawn != position.column).then(|| (place(drawn), place(position.column)))
    }

    fn is_near(&self, other: &Self) -> bool {
        let start = self.lines.start.min(other.lines.start);
        let end = self.lines.end.max(other.lines.end);
        self.file.path == other.file.path && self.file.text == other.file.text && end - start <= LONGEST_EXCERPT
    }

    fn absorb(&mut self, other: Self) {
        self.lines = self.lines.start.min(other.lines.start)..self.lines.end.max(other.lines.end);
        self.marks.extend(other.marks);
    }

    fn draw_in(self, group: Group<'a>) -> Group<'a> {
        let path = self.shown_path();
        if self.is_too_long() {
            let position = self.position();
            return group.element(Origin::path(path).line(position.line).char_column(position.column));
        }
        let shown = self.shown();
        let mut snippet = Snippet::source(shown.text.clone()).path(path);
        snippet = snippet.line_start(self.file.position(self.lines.start).line);
        for mark in &self.marks {
            let span = shown.offset(mark.span.start - self.lines.start)..shown.offset(mark.span.end - self.lines.start);
            let label = (!mark.label.is_empty()).then(|| printable(mark.label));
            snippet = snippet.annotation(mark.kind.span(span).label(label.map(Cow::into_owned)));
        }
        group.element(snippet)
    }
}

/// A piece of source with everything harmful spelt out, and where each of its bytes went.
struct Shown {
    text: String,
    /// For each byte of the source and its end, the offset in the text.
    offsets: Vec<usize>,
}

impl Shown {
    fn new(source: &str) -> Self {
        let mut shown =
            Self { text: String::with_capacity(source.len()), offsets: Vec::with_capacity(source.len() + 1) };
        for (start, character) in source.char_indices() {
            shown.offsets.extend(std::iter::repeat_n(shown.text.len(), character.len_utf8()));
            let written = &source[start..start + character.len_utf8()];
            match character {
                '\n' | '\t' => shown.text.push(character),
                // The carriage return of a line's end is no mistake, and no mark ever needs it.
                '\r' if source[start..].starts_with("\r\n") => {}
                _ => shown.text.push_str(&printable(written)),
            }
        }
        shown.offsets.push(shown.text.len());
        shown
    }

    fn offset(&self, source_offset: usize) -> usize {
        self.offsets.get(source_offset).copied().unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::diagnostic::Code;

    fn diagnostics(path: &str, text: &str, span: Range<usize>) -> Diagnostics {
        let file = Arc::new(SourceFile { path: PathBuf::from(path), text: text.to_owned() });
        let mut diagnostics = Diagnostics::new();
        let place = Place::new(&file, span);
        diagnostics
            .push(Diagnostic::at(Code::BadText, &place, "wrong\x07").label("here\u{200b}").hint("mend\x1b[0m it"));
        diagnostics
    }

    #[test]
    fn nothing_controls_the_terminal_and_marks_stay_under_their_text() {
        let found = diagnostics("a\x1b[31m.toml", "x = 1\n\x1b[2J\ty = \u{202e}2\r\n", 11..12);
        let expected = "error[bad-text]: wrong\\x07\n \
                        --> a\\x1b[31m.toml:2:6\n  \
                        |\n\
                        2 | \\x1b[2J    y = \\u{202e}2\n  \
                        |            ^ here\\u{200b}\n  \
                        |\n  \
                        = hint: mend\\x1b[0m it\n\n";
        assert_eq!(found.render(false), expected);
    }

    #[test]
    fn colour_comes_only_when_asked_for() {
        let found = diagnostics("a.toml", "x = 1\n", 0..1);
        assert!(!found.render(false).contains('\x1b'));
        assert!(found.render(true).contains('\x1b'));
    }

    #[test]
    fn a_very_long_line_is_placed_but_not_drawn() {
        let found = diagnostics("a.toml", &"x".repeat(100_000), 500..501).render(false);
        assert!(found.contains("a.toml:1:501") && found.len() < 200, "{found}");
    }
}
