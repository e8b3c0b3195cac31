//! Kinds of values that hold others: lists, tables, and tables whose keys are names.

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::diagnostic::{Code, Kind, Name, Node, Place, Placed, Shape, Table};

/// A list has no more entries than this: what compares each with each other must end.
const LONGEST_LIST: usize = 1_000;

/// A list of values of one kind. An array of tables (`[[round]]`) is one too.
pub struct ListOf<K> {
    /// The kind of each entry.
    pub item: K,
    /// How many entries it needs.
    pub at_least: usize,
}

impl<K: Kind> Kind for ListOf<K> {
    type Value = Vec<Placed<K::Value>>;

    fn read(&self, node: &Node<'_>) -> Option<Self::Value> {
        let items = node.items()?;
        if items.len() < self.at_least {
            let message = format!("{} is empty", node.what());
            node.error(Code::EmptyList, message, "needs at least one entry", "write at least one entry");
            return None;
        }
        if items.len() > LONGEST_LIST {
            let message = format!("{} has more than {LONGEST_LIST} entries", node.what());
            node.error(Code::OutOfRange, message, "too many", "leave some out");
            return None;
        }
        let read = |item: Node<'_>| Some(Placed::new(self.item.read(&item)?, item.place().clone()));
        Some(items.into_iter().filter_map(read).collect())
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> Self::Value {
        Vec::new()
    }

    fn schema(&self) -> Value {
        let mut schema = json!({ "type": "array", "items": self.item.schema(), "maxItems": LONGEST_LIST });
        if self.at_least > 0 {
            schema["minItems"] = json!(self.at_least);
        }
        schema
    }
}

/// A value of one kind, or a list of them.
pub struct OneOrMore<K>(pub ListOf<K>);

impl<K: Kind> Kind for OneOrMore<K> {
    type Value = Vec<Placed<K::Value>>;

    fn read(&self, node: &Node<'_>) -> Option<Self::Value> {
        if matches!(node.value(), DeValue::Array(_)) {
            return self.0.read(node);
        }
        Some(vec![Placed::new(self.0.item.read(node)?, node.place().clone())])
    }

    fn stand_in(&self, table: &Table<'_>, place: &Place) -> Self::Value {
        self.0.stand_in(table, place)
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [self.0.item.schema(), self.0.schema()] })
    }
}

/// A table with known keys.
pub struct TableOf<V: 'static> {
    /// Its keys.
    pub shape: &'static Shape,
    /// Reads it.
    pub read: fn(&Table<'_>) -> V,
}

impl<V> TableOf<V> {
    pub(super) fn read_table(&self, table: &Table<'_>) -> V {
        table.check_keys(self.shape);
        (self.read)(table)
    }
}

impl<V> Kind for TableOf<V> {
    type Value = V;

    fn read(&self, node: &Node<'_>) -> Option<V> {
        Some(self.read_table(&node.table()?))
    }

    fn stand_in(&self, table: &Table<'_>, place: &Place) -> V {
        (self.read)(&table.absent(place))
    }

    fn schema(&self) -> Value {
        self.shape.schema()
    }
}

/// A plain value, or a table that says more; the plain one means a table, too.
pub struct PlainOr<K: Kind, V: 'static> {
    /// The plain value.
    pub plain: K,
    /// What it means.
    pub meaning: fn(Placed<K::Value>) -> V,
    /// The table.
    pub table: TableOf<V>,
}

impl<K: Kind, V> Kind for PlainOr<K, V> {
    type Value = V;

    fn read(&self, node: &Node<'_>) -> Option<V> {
        if matches!(node.value(), DeValue::Table(_)) {
            return self.table.read(node);
        }
        Some((self.meaning)(Placed::new(self.plain.read(node)?, node.place().clone())))
    }

    fn stand_in(&self, table: &Table<'_>, place: &Place) -> V {
        self.table.stand_in(table, place)
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [self.plain.schema(), self.table.schema()] })
    }
}

/// A table whose keys are chosen by the writer.
pub struct MapOf<K> {
    /// The kind of each entry.
    pub item: K,
    /// The rule for the keys.
    pub keys: &'static Name,
    /// How many entries it needs.
    pub at_least: usize,
}

impl<K: Kind> Kind for MapOf<K> {
    type Value = Vec<(Placed<String>, Placed<K::Value>)>;

    fn read(&self, node: &Node<'_>) -> Option<Self::Value> {
        let table = node.table()?;
        let mut entries = Vec::new();
        let nodes = table.nodes();
        if nodes.len() < self.at_least {
            let message = format!("{} is empty", node.what());
            node.error(Code::EmptyList, message, "needs at least one entry", "write at least one entry");
        }
        for (name, entry) in nodes {
            if let Some(problem) = self.keys.problem(&name.value, &name.place) {
                table.report(problem);
            }
            if let Some(value) = self.item.read(&entry) {
                entries.push((name, Placed::new(value, entry.place().clone())));
            }
        }
        Some(entries)
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> Self::Value {
        Vec::new()
    }

    fn schema(&self) -> Value {
        let mut schema = json!({
            "type": "object",
            "propertyNames": { "pattern": self.keys.pattern },
            "additionalProperties": self.item.schema(),
        });
        if self.at_least > 0 {
            schema["minProperties"] = json!(self.at_least);
        }
        schema
    }
}
