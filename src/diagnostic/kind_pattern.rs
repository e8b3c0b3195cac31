//! A kind of value that is a text of a narrow form: a host name, a size, a URL.

use serde_json::{Value, json};

use crate::diagnostic::{Code, Kind, Node, Place, Table};

/// A text of a form that a function knows.
pub struct Pattern {
    /// What it is, with its article: `a host name`.
    pub what: &'static str,
    /// How to write one, for a hint.
    pub hint: &'static str,
    /// The form as a regular expression, for the schema.
    pub pattern: &'static str,
    /// The form as a function.
    pub fits: fn(&str) -> bool,
}

impl Kind for Pattern {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        if (self.fits)(text) && !text.chars().any(char::is_control) {
            return Some(text.to_owned());
        }
        let message = format!("{} must be {}", node.what(), self.what);
        node.error(Code::BadText, message, format!("not {}", self.what), self.hint);
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": self.pattern })
    }

    fn written(&self, value: &String) -> Option<Value> {
        Some(json!(value))
    }
}
