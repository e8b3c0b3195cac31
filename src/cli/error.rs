//! What a command fails with: an exit code, a chain of reasons, a hint. Printed once, at the top.

use std::fmt::Write as _;

use crate::cli::exit;
use crate::diagnostic::printable;
use crate::store::{ResumeError, StoreError};

/// A command that could not do its work.
#[derive(Debug)]
pub struct Problem {
    /// The exit code.
    pub code: u8,
    error: anyhow::Error,
    detail: Vec<String>,
    hint: Option<String>,
    /// What was printed already needs no repeating.
    silent: bool,
}

impl Problem {
    /// A problem with this exit code.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into(), detail: Vec::new(), hint: None, silent: false }
    }

    /// One whose story was told already.
    pub fn told(code: u8) -> Self {
        Self { silent: true, ..Self::new(code, anyhow::anyhow!("told")) }
    }

    /// With another exit code.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// With what belongs to it, in lines.
    pub fn detail(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.detail.extend(lines);
        self
    }

    /// With what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For people; nothing where the story was told already.
    pub fn text(&self) -> String {
        if self.silent {
            return String::new();
        }
        let mut text = format!("error: {}", printable(&self.error.to_string()));
        for cause in self.error.chain().skip(1) {
            let _ = write!(text, "\n  because: {}", printable(&cause.to_string()));
        }
        for line in &self.detail {
            let _ = write!(text, "\n  | {}", printable(line));
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n  (hint: {})", printable(hint));
        }
        text
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::NoSuchRun { .. } => "`timetrial list` shows the runs; --store DIR names another store",
            StoreError::Ambiguous { .. } => "write more of the id",
            StoreError::File { .. } => "the run directory is damaged; other runs are not touched by that",
            StoreError::Newer { .. } => {
                "read it with the version of timetrial that made it, or a later one; nothing was changed"
            }
        };
        Self::new(exit::WRONG_INPUT, error).hint(hint)
    }
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        let hint = match error {
            ResumeError::Store(error) => return error.into(),
            ResumeError::Runs { .. } => "wait for its end, or stop it there with Ctrl-C",
            ResumeError::Damaged { .. } => {
                "what is not as it was measured can't be gone on with: begin a new run, or put the files back"
            }
            ResumeError::Inputs { .. } => {
                "its trials would not be alike: put the files back as they were, or begin a new run"
            }
            ResumeError::OtherFormat { .. } | ResumeError::OtherVersion { .. } => {
                "another version may measure otherwise: resume it with that one, or begin a new run with this one"
            }
        };
        Self::new(exit::WRONG_INPUT, error).hint(hint)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::new(exit::FAILED, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_all_that_belongs_to_it() {
        let error = anyhow::anyhow!("no such file").context("can't read it");
        let problem = Problem::new(exit::NOT_FIT, error).detail(["and \u{1b}another".to_owned()]).hint("look there");
        assert_eq!(
            problem.text(),
            "error: can't read it\n  because: no such file\n  | and \\x1banother\n  (hint: look there)"
        );
        assert_eq!(Problem::told(exit::FAILED).text(), "");
    }
}
