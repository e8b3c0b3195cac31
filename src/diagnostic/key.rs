//! The keys of a file: each says its name, its meaning, what kind of value it takes, and whether it may be left out.
//! Readers and JSON Schemas are both made from them.

use serde_json::{Map, Value, json};

use crate::diagnostic::{Node, Place, Table};

/// A kind of value: it reads a value from a file, and describes such values in JSON Schema.
pub trait Kind: Sync {
    /// What is read.
    type Value;

    /// Reads a value, and reports at its place what is wrong with it.
    fn read(&self, node: &Node<'_>) -> Option<Self::Value>;

    /// Stands in for a value that is missing or wrong, so that reading can go on to the next problem.
    fn stand_in(&self, table: &Table<'_>, place: &Place) -> Self::Value;

    /// The JSON Schema of such values.
    fn schema(&self) -> Value;

    /// A value as it would be written, for the schema's `default`.
    fn written(&self, _value: &Self::Value) -> Option<Value> {
        None
    }
}

/// A key of a table.
pub struct Key<K: Kind> {
    /// Its name.
    pub name: &'static str,
    /// What it means: for people, shown by editors.
    pub about: &'static str,
    /// What kind of value it takes.
    pub kind: K,
    need: Need<K>,
}

/// What happens when a key is left out.
enum Need<K: Kind> {
    Required,
    Optional,
    Default(fn() -> K::Value),
}

impl<K: Kind> Key<K> {
    /// A key that must be there.
    pub const fn required(name: &'static str, about: &'static str, kind: K) -> Self {
        Self { name, about, kind, need: Need::Required }
    }

    /// A key that may be left out, and then says nothing.
    pub const fn optional(name: &'static str, about: &'static str, kind: K) -> Self {
        Self { name, about, kind, need: Need::Optional }
    }

    /// A key that may be left out, and then means this.
    pub const fn default(name: &'static str, about: &'static str, kind: K, default: fn() -> K::Value) -> Self {
        Self { name, about, kind, need: Need::Default(default) }
    }

    /// What it means when it is left out.
    pub(super) fn default_value(&self) -> Option<K::Value> {
        match self.need {
            Need::Default(default) => Some(default()),
            Need::Required | Need::Optional => None,
        }
    }
}

/// A key whatever its kind, for the list of known keys and for the schema.
pub trait AnyKey: Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Whether it must be there.
    fn is_required(&self) -> bool;
    /// The JSON Schema of its values, with its meaning and default.
    fn schema(&self) -> Value;
}

impl<K: Kind> AnyKey for Key<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        matches!(self.need, Need::Required)
    }

    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        schema["description"] = json!(self.about);
        if let Some(default) = self.default_value().and_then(|value| self.kind.written(&value)) {
            schema["default"] = default;
        }
        schema
    }
}

/// The keys that a table may have.
pub struct Shape {
    /// What the table is, with its article: `a scenario`.
    pub what: &'static str,
    /// Its keys, in the order in which people should write them.
    pub keys: &'static [&'static dyn AnyKey],
}

impl Shape {
    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name())
    }

    /// The JSON Schema of such tables.
    pub fn schema(&self) -> Value {
        let properties: Map<String, Value> =
            self.keys.iter().map(|key| (key.name().to_owned(), key.schema())).collect();
        let required: Vec<&str> = self.keys.iter().filter(|key| key.is_required()).map(|key| key.name()).collect();
        let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// The JSON Schema of a whole file, in the draft that TOML editors know.
    pub fn document_schema(&self, title: &str, about: &str) -> Value {
        let mut schema = self.schema();
        schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        schema["title"] = json!(title);
        schema["description"] = json!(about);
        schema
    }
}
