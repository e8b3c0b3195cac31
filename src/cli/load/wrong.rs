//! Everything that is wrong with the arguments, collected: it is told at once.

use crate::cli::error::Problem;
use crate::cli::exit;
use crate::diagnostic::Diagnostics;

/// What is wrong, and what may go wrong.
#[derive(Debug, Default)]
pub struct Found {
    wrong: Vec<Problem>,
    /// What is wrong in files, with its place.
    pub files: Diagnostics,
    /// What may go wrong, in sentences.
    pub warnings: Vec<String>,
}

impl Found {
    /// Something is wrong.
    pub fn wrong(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.wrong.push(Problem::new(exit::WRONG_INPUT, anyhow::anyhow!(message.into())).hint(hint));
    }

    /// Something may go wrong.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// What was read, or what is wrong with it.
    pub fn take<T>(&mut self, read: Result<T, (String, String)>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err((message, hint)) => {
                self.wrong(message, hint);
                None
            }
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_fine(&self) -> bool {
        self.wrong.is_empty() && !self.files.has_errors()
    }

    /// Everything that is wrong, for people.
    pub fn text(&self) -> String {
        self.wrong.iter().map(|problem| problem.text() + "\n").collect::<String>() + &self.files.render(false)
    }
}
