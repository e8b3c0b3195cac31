//! Kinds of values that are words: texts, names, words from a list, templates, addresses.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::diagnostic::{Code, Diagnostic, Kind, Node, Place, Table, nearest_hint};

/// One line for people.
pub struct Text;

impl Kind for Text {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        if text.trim().is_empty() {
            node.error(Code::BadText, format!("{} is empty", node.what()), "empty", "write a line for people");
            return None;
        }
        if text.chars().any(char::is_control) {
            let message = format!("{} holds a control character", node.what());
            node.error(Code::BadText, message, "not plain text", "write one line of plain text");
            return None;
        }
        Some(text.to_owned())
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "minLength": 1 })
    }

    fn written(&self, value: &String) -> Option<Value> {
        Some(json!(value))
    }
}

/// A word that becomes part of a path or of an identifier, and so has a narrow alphabet.
pub struct Name {
    /// What the alphabet is, for a hint.
    pub rule: &'static str,
    /// The same as a regular expression, for the schema.
    pub pattern: &'static str,
    /// The same as a function.
    pub fits: fn(&str) -> bool,
}

impl Name {
    /// The rule for folders, files, machines and rounds.
    pub const PLAIN: Name = Name {
        rule: "names begin with a letter or a digit, hold only a-z, 0-9, `.`, `_` and `-`, and have at most 64 characters",
        pattern: "^[a-z0-9][a-z0-9._-]{0,63}$",
        fits: is_name,
    };

    /// Debian's rule for package names.
    pub const PACKAGE: Name = Name {
        rule: "names of Debian packages begin with a letter or a digit and hold only a-z, 0-9, `.`, `+` and `-`",
        pattern: "^[a-z0-9][a-z0-9.+-]+$",
        fits: is_package,
    };

    /// Python's rule for the names of distributions.
    pub const DISTRIBUTION: Name = Name {
        rule: "names of Python distributions begin and end with a letter or a digit and hold only letters, digits, `.`, \
               `_` and `-`",
        pattern: "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        fits: is_distribution,
    };

    /// The rule for variables of an environment.
    pub const VARIABLE: Name = Name {
        rule: "variables hold only letters, digits and `_`, and do not begin with a digit",
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
        fits: is_variable,
    };

    /// The kernel's rule for its settings, and PostgreSQL's for its own.
    pub const SETTING: Name = Name {
        rule: "settings are named in full, as `net.core.somaxconn` or `work_mem`",
        pattern: "^[A-Za-z_][A-Za-z0-9_./-]*$",
        fits: is_setting,
    };

    /// What is wrong with a name, if anything.
    pub fn problem(&self, name: &str, place: &Place) -> Option<Diagnostic> {
        if (self.fits)(name) {
            return None;
        }
        let message = if name.is_empty() { "a name is empty".to_owned() } else { format!("`{name}` is not a name") };
        Some(Diagnostic::at(Code::BadName, place, message).label("not a name").hint(self.rule))
    }
}

/// Whether this can be the name of a folder, a file, a machine or a round.
pub fn is_name(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(byte);
    name.len() <= 64
        && name.as_bytes().iter().all(inner)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

fn is_package(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".+-".contains(byte);
    name.len() >= 2
        && name.as_bytes().iter().all(inner)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

fn is_distribution(name: &str) -> bool {
    let ends = [name.bytes().next(), name.bytes().last()];
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
}

fn is_setting(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    name.bytes().all(inner) && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

fn is_variable(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(inner) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// A name: of a daemon, a round, a data set, a document, a package.
pub struct Identifier {
    /// Its alphabet.
    pub rule: &'static Name,
}

impl Identifier {
    /// A name of ours.
    pub const PLAIN: Identifier = Identifier { rule: &Name::PLAIN };
    /// A Debian package.
    pub const PACKAGE: Identifier = Identifier { rule: &Name::PACKAGE };
    /// A setting of the kernel or of PostgreSQL.
    pub const SETTING: Identifier = Identifier { rule: &Name::SETTING };
    /// A Python distribution.
    pub const DISTRIBUTION: Identifier = Identifier { rule: &Name::DISTRIBUTION };
}

impl Kind for Identifier {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let name = node.string()?;
        match self.rule.problem(name, node.place()) {
            None => Some(name.to_owned()),
            Some(problem) => {
                node.report(problem);
                None
            }
        }
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": self.rule.pattern })
    }

    fn written(&self, value: &String) -> Option<Value> {
        Some(json!(value))
    }
}

/// A word of a list, with what it means.
pub struct Word<T: 'static> {
    /// The word.
    pub word: &'static str,
    /// Its meaning.
    pub value: T,
}

/// One of some words.
pub struct Words<T: 'static> {
    /// What they are, in the plural: `roles`.
    pub what: &'static str,
    /// The words; the first stands in for a wrong one.
    pub words: &'static [Word<T>],
    /// Words that people may expect, and why they are refused.
    pub refused: &'static [(&'static str, &'static str)],
}

impl<T: Copy + Sync + PartialEq> Kind for Words<T> {
    type Value = T;

    fn read(&self, node: &Node<'_>) -> Option<T> {
        let text = node.string()?;
        if let Some(word) = self.words.iter().find(|word| word.word == text) {
            return Some(word.value);
        }
        if let Some((_, why)) = self.refused.iter().find(|(word, _)| *word == text) {
            let message = format!("{} can't be \"{text}\" in this version", node.what());
            let words: Vec<String> = self.words.iter().map(|word| format!("\"{}\"", word.word)).collect();
            node.error(Code::NotBuiltYet, message, *why, format!("write {}", words.join(" or ")));
            return None;
        }
        let message = format!("{} can't be \"{text}\"", node.what());
        let hint = nearest_hint(text, self.what, self.words.iter().map(|word| word.word));
        node.error(Code::UnknownWord, message, "unknown word", hint);
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> T {
        self.words[0].value
    }

    fn schema(&self) -> Value {
        json!({ "enum": self.words.iter().map(|word| word.word).collect::<Vec<_>>() })
    }

    fn written(&self, value: &T) -> Option<Value> {
        self.words.iter().find(|word| word.value == *value).map(|word| json!(word.word))
    }
}

/// A text in which `{name}` is replaced when a process is started; `{{` and `}}` are plain braces.
pub struct Template {
    /// The known names.
    pub placeholders: &'static [&'static str],
}

impl Kind for Template {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        if text.contains('\0') {
            let message = format!("{} holds a NUL character", node.what());
            node.error(Code::BadText, message, "no program can be given this", "remove `\\u0000`");
            return None;
        }
        let problem = self.problem(text);
        if let Some((message, hint)) = problem {
            node.error(Code::UnknownPlaceholder, message, "not a placeholder", hint);
            return None;
        }
        Some(text.to_owned())
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

impl Template {
    /// The first brace that means nothing.
    fn problem(&self, text: &str) -> Option<(String, String)> {
        let lone = |brace: char| {
            (
                format!("a single `{brace}`"),
                format!("write `{brace}{brace}` for a plain brace, or `{{port}}` for the port"),
            )
        };
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (brace, behind) = (&rest[at..=at], &rest[at + 1..]);
            if let Some(after) = behind.strip_prefix(brace) {
                rest = after;
                continue;
            }
            if brace == "}" {
                return Some(lone('}'));
            }
            let Some((name, after)) = behind.split_once('}') else { return Some(lone('{')) };
            if !self.placeholders.contains(&name) {
                let hint = nearest_hint(name, "placeholders", self.placeholders.iter().copied());
                return Some((
                    format!("`{{{name}}}` is not a placeholder"),
                    format!("{hint}; `{{{{` is a plain brace"),
                ));
            }
            rest = after;
        }
        None
    }
}

/// An IP address.
pub struct Address;

impl Kind for Address {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        if text.parse::<IpAddr>().is_ok() {
            return Some(text.to_owned());
        }
        let message = format!("{} must be an IP address", node.what());
        let hint = "write an address like \"192.168.2.100\"; a host name could mean another network on another day";
        node.error(Code::BadAddress, message, "not an IP address", hint);
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_narrow_alphabet() {
        for name in ["a", "django-gunicorn", "0.8.2", "a_b", &"a".repeat(64)] {
            assert!(is_name(name), "{name:?}");
        }
        for name in ["", "..", "../x", "a/b", "-a", ".a", "A", "a b", "a\n", "a\0", "é", &"a".repeat(65)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn templates_know_their_placeholders() {
        let template = Template { placeholders: &["workers", "port"] };
        let check = |text: &str, problem: Option<&str>| {
            assert_eq!(template.problem(text).map(|(message, _)| message).as_deref(), problem, "{text}");
        };
        check("plain", None);
        check("{workers}:{port}", None);
        check("{{\"a\": {port}}}", None);
        check("{{{port}}}", None);
        check("{prot}", Some("`{prot}` is not a placeholder"));
        check("{}", Some("`{}` is not a placeholder"));
        check("{port", Some("a single `{`"));
        check("port}", Some("a single `}`"));
        check("é{é}", Some("`{é}` is not a placeholder"));
    }
}
