//! A program to run, as data: its arguments, its surroundings, and how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A program, its arguments and its environment. Nothing here starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program: a bare name is looked up in the package roots of the trial, then on the PATH.
    pub program: String,
    /// Its arguments, each passed on byte for byte; no shell is involved.
    pub arguments: Vec<String>,
    /// Variables added to the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

impl Command {
    /// A command without additions to its environment.
    pub fn new(program: impl Into<String>, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
        }
    }

    /// Program and arguments in one list.
    pub fn words(&self) -> Vec<String> {
        std::iter::once(self.program.clone()).chain(self.arguments.iter().cloned()).collect()
    }
}

/// Writes words as a POSIX shell would need them to be typed. For reading and copying, never for running.
pub fn shell_words(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code.
    Code {
        /// The exit code.
        code: i32,
    },
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
    },
}

impl Exit {
    /// Whether this is code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code { code: 0 }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code { code } => write!(f, "exit code {code}"),
            Self::Signal { signal: 9 } => write!(f, "signal 9 (KILL)"),
            Self::Signal { signal: 11 } => write!(f, "signal 11 (SEGV)"),
            Self::Signal { signal: 15 } => write!(f, "signal 15 (TERM)"),
            Self::Signal { signal } => write!(f, "signal {signal}"),
        }
    }
}

/// What a finished program printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output, as printed.
    pub stdout: Vec<u8>,
    /// Its standard error, as printed.
    pub stderr: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::shell_words;

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        let check = |word: &str, expected: &str| assert_eq!(shell_words(&[word.to_owned()]), expected);
        check("wrk", "wrk");
        check("-t2", "-t2");
        check("", "''");
        check("a b", "'a b'");
        check("it's", r"'it'\''s'");
        check("$HOME", "'$HOME'");
        check("http://127.0.0.1:8016/index", "http://127.0.0.1:8016/index");
    }
}
