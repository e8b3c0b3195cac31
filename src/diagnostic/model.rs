//! One problem in a user's file, and the collection of them.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Place};

/// More problems than this in one file are counted, not listed.
const LONGEST_LIST: usize = 50;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be run before it is mended.
    Error,
    /// It can be run, but is hardly what was meant.
    Warning,
}

impl Severity {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What a diagnostic is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// A place in a file that was read.
    Place(Place),
    /// A file or folder as a whole, mostly one that could not be read.
    File(PathBuf),
}

impl Site {
    /// The file's path, as it is shown.
    pub fn path(&self) -> &Path {
        match self {
            Self::Place(place) => &place.file.path,
            Self::File(path) => path,
        }
    }
}

/// A further place that takes part in a problem, and its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What stands there.
    pub label: String,
}

/// One problem in what a user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub site: Site,
    /// What to say under the underlined text; may be empty.
    pub label: String,
    /// Further places.
    pub notes: Vec<Note>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn at(code: Code, place: &Place, message: impl Into<String>) -> Self {
        Self::new(code, Site::Place(place.clone()), message.into())
    }

    /// An error that concerns a file or folder as a whole.
    pub fn in_file(code: Code, path: &Path, message: impl Into<String>) -> Self {
        Self::new(code, Site::File(path.to_owned()), message.into())
    }

    fn new(code: Code, site: Site, message: String) -> Self {
        Self { code, severity: Severity::Error, message, site, label: String::new(), notes: Vec::new(), hint: None }
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Says something under the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at a further place.
    #[must_use]
    pub fn also(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.notes.push(Note { place: place.clone(), label: label.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// All places that take part.
    fn places(&self) -> impl Iterator<Item = &Place> {
        let main = match &self.site {
            Site::Place(place) => Some(place),
            Site::File(_) => None,
        };
        main.into_iter().chain(self.notes.iter().map(|note| &note.place))
    }

    /// Whether it is about exactly this place.
    fn is_at(&self, place: &Place) -> bool {
        match &self.site {
            Site::Place(at) => at.span == place.span && at.file.path == place.file.path,
            Site::File(_) => false,
        }
    }

    /// Where it stands in its file, for sorting.
    fn offset(&self) -> usize {
        match &self.site {
            Site::Place(place) => place.span.start,
            Site::File(_) => 0,
        }
    }
}

/// All problems found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    /// How many of them are about values by themselves; those behind are about how values fit together.
    sealed: usize,
    /// Where a required value is missing and something stands in for it.
    stand_ins: Vec<Place>,
}

impl Diagnostics {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. The same problem at the same place is kept once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// Adds all that one look at a file found. More than can be read at once are counted, not listed.
    pub fn push_all_of(&mut self, path: &Path, found: Vec<Diagnostic>) {
        let unlisted = found.len().saturating_sub(LONGEST_LIST);
        for diagnostic in found.into_iter().take(LONGEST_LIST) {
            self.push(diagnostic);
        }
        if unlisted > 0 {
            let message = format!("{unlisted} more problems in this file are not listed");
            let hint = "mend those that are listed, then check again";
            self.push(Diagnostic::in_file(Code::TooMany, path, message).hint(hint));
        }
    }

    /// Says that all values were looked at by themselves, and that what comes now is about how they fit together.
    pub fn seal(&mut self) {
        self.sealed = self.found.len();
    }

    /// Says that something stands in for a value that is missing at these places.
    pub(super) fn add_stand_ins(&mut self, places: Vec<Place>) {
        self.stand_ins.extend(places);
    }

    /// Adds one unless a value at one of its places was missing, or found wrong before
    /// [`seal`](Self::seal): it was replaced by a stand-in, and nothing follows from a stand-in.
    pub fn push_unless_consequence(&mut self, diagnostic: Diagnostic) {
        let wrong_by_itself = self.found.iter().take(self.sealed).filter(|found| found.severity == Severity::Error);
        let is_wrong =
            |place: &Place| self.stand_ins.contains(place) || wrong_by_itself.clone().any(|found| found.is_at(place));
        if !diagnostic.places().any(is_wrong) {
            self.push(diagnostic);
        }
    }

    /// Whether an error was found at exactly this place.
    pub fn has_error_at(&self, place: &Place) -> bool {
        self.errors().any(|found| found.is_at(place))
    }

    /// Whether an error was found in a file.
    pub fn has_error_in(&self, path: &Path) -> bool {
        self.errors().any(|found| found.site.path() == path)
    }

    /// Whether anything was found about a file, save how it fits to others.
    pub fn has_any_in(&self, path: &Path) -> bool {
        self.found.iter().take(self.sealed).any(|found| found.site.path() == path)
    }

    /// Whether a file was found not to be TOML, so that nothing can be said about what it lacks.
    pub fn has_syntax_error_in(&self, path: &Path) -> bool {
        let about_syntax = |found: &&Diagnostic| matches!(found.code, Code::Syntax | Code::DuplicateKey);
        self.errors().filter(about_syntax).any(|found| found.site.path() == path)
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The errors, as found.
    fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter().filter(|found| found.severity == Severity::Error)
    }

    /// All of them: files in the order in which they were first spoken of, and by their place in each.
    pub fn in_order(&self) -> Vec<&Diagnostic> {
        let mut files: Vec<&Path> = Vec::new();
        for found in &self.found {
            if !files.contains(&found.site.path()) {
                files.push(found.site.path());
            }
        }
        let file_number = |found: &&Diagnostic| files.iter().position(|path| *path == found.site.path());
        let mut ordered: Vec<&Diagnostic> = self.found.iter().collect();
        ordered.sort_by_key(|found| (file_number(found), found.offset()));
        ordered
    }

    /// `2 errors and 1 warning in 2 files`.
    pub fn summary(&self) -> String {
        let errors = self.errors().count();
        let warnings = self.found.len() - errors;
        let mut files: Vec<&Path> = self.found.iter().map(|found| found.site.path()).collect();
        files.sort_unstable();
        files.dedup();
        let counts = match (errors, warnings) {
            (errors, 0) => counted(errors, "error"),
            (0, warnings) => counted(warnings, "warning"),
            (errors, warnings) => format!("{} and {}", counted(errors, "error"), counted(warnings, "warning")),
        };
        format!("{counts} in {}", counted(files.len(), "file"))
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
