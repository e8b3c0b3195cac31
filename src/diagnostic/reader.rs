//! Walks a parsed TOML document key by key and collects what is wrong instead of stopping at it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::{DeString, DeTable, DeValue};

use crate::diagnostic::syntax::{Parsed, parse};
use crate::diagnostic::{
    AnyKey, Code, Diagnostic, Diagnostics, Key, Kind, Place, Placed, Severity, Shape, SourceFile, TableOf, nearest,
    nearest_hint,
};

/// A document being read.
struct Document {
    file: Arc<SourceFile>,
    found: RefCell<Vec<Diagnostic>>,
    /// Where required values are missing.
    stand_ins: RefCell<Vec<Place>>,
}

/// Reads a file whose text is a table of this kind. A value that is missing or wrong is reported and replaced by a
/// stand-in, so the result may only be used when there are no errors, or to look for further ones. In a file with syntax
/// errors only these are reported: what else seems wrong there is mostly their consequence.
pub fn read_document<V>(file: &Arc<SourceFile>, kind: &TableOf<V>, diagnostics: &mut Diagnostics) -> V {
    let Parsed { root, errors } = parse(file);
    let document = Document { file: Arc::clone(file), found: RefCell::default(), stand_ins: RefCell::default() };
    let place = Place::first_line(file);
    let key = Placed::new(String::new(), place.clone());
    let table = Table { document: &document, entries: Some(&root), place, key };
    let value = kind.read_table(&table);
    let found = if errors.is_empty() { document.found.take() } else { errors };
    diagnostics.push_all_of(&file.path, found);
    diagnostics.add_stand_ins(document.stand_ins.take());
    value
}

/// A table of a document.
pub struct Table<'a> {
    document: &'a Document,
    /// Nothing for a table that is not there: what it lacks is then not reported.
    entries: Option<&'a DeTable<'a>>,
    /// Its header, or for an inline table the whole of it.
    place: Place,
    /// The key under which it stands; empty for the whole file.
    key: Placed<String>,
}

impl<'a> Table<'a> {
    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The key under which it stands.
    pub fn key(&self) -> &Placed<String> {
        &self.key
    }

    /// Reports a problem.
    pub fn report(&self, diagnostic: Diagnostic) {
        if self.entries.is_some() {
            self.document.found.borrow_mut().push(diagnostic);
        }
    }

    /// Reports each text that stands twice in a list, with the place where it stands first.
    pub fn report_duplicates<'t>(&self, texts: impl IntoIterator<Item = &'t Placed<String>>, what: &str) {
        let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
        for text in texts {
            let Some(first) = seen.get(text.value.as_str()) else {
                seen.insert(&text.value, &text.place);
                continue;
            };
            // A stand-in is empty, and its own problem is reported already.
            if !text.value.is_empty() {
                let message = format!("the {what} `{}` stands twice", text.value);
                let diagnostic = Diagnostic::at(Code::Duplicate, &text.place, message).label("the second");
                self.report(diagnostic.also(first, "the first").hint("remove or rename one of the two"));
            }
        }
    }

    /// Whether it says this key at all.
    pub fn says<K: Kind>(&self, key: &Key<K>) -> bool {
        self.node(key.name).is_some()
    }

    /// A value that is there, or has a default. A key that is missing though it is required is reported.
    pub fn value<K: Kind>(&self, key: &Key<K>) -> Placed<K::Value> {
        if let Some(node) = self.node(key.name) {
            let value = key.kind.read(&node).unwrap_or_else(|| key.kind.stand_in(self, &node.place));
            return Placed::new(value, node.place);
        }
        if key.is_required() {
            self.document.stand_ins.borrow_mut().push(self.place.clone());
        }
        let value = key.default_value().unwrap_or_else(|| key.kind.stand_in(self, &self.place));
        Placed::new(value, self.place.clone())
    }

    /// A value that may be left out.
    pub fn optional<K: Kind>(&self, key: &Key<K>) -> Option<Placed<K::Value>> {
        self.says(key).then(|| self.value(key))
    }

    /// Whether an error was found in this file so far.
    pub fn has_errors(&self) -> bool {
        self.document.found.borrow().iter().any(|found| found.severity == Severity::Error)
    }

    /// Reports keys that mean nothing here, and required keys that are missing.
    pub(super) fn check_keys(&self, shape: &Shape) {
        let Some(entries) = self.entries else { return };
        // A required key that was mistyped is not told a second time as missing.
        let mut meant: Vec<&str> = Vec::new();
        for (key, _) in entries.iter().filter(|(key, _)| !shape.names().any(|known| known == key.get_ref())) {
            let absent = shape.names().filter(|name| !entries.contains_key(*name));
            meant.extend(nearest(key.get_ref(), absent));
            self.report_unknown(key, shape);
        }
        let is_missing = |key: &&&dyn AnyKey| key.is_required() && !entries.contains_key(key.name());
        for key in shape.keys.iter().filter(is_missing).filter(|key| !meant.contains(&key.name())) {
            self.report_missing(*key, shape);
        }
    }

    fn report_unknown(&self, key: &toml::Spanned<DeString<'_>>, shape: &Shape) {
        let name: &str = key.get_ref();
        let place = Place::new(&self.document.file, key.span());
        let message = format!("`{name}` is not a key of {}", shape.what);
        let hint = nearest_hint(name, "keys", shape.names());
        self.report(Diagnostic::at(Code::UnknownKey, &place, message).label("unknown key").hint(hint));
    }

    fn report_missing(&self, key: &dyn AnyKey, shape: &Shape) {
        let schema = key.schema();
        let about = schema["description"].as_str().unwrap_or_default();
        // A table of the whole file is written with a header.
        let name = match (self.key.value.is_empty(), &schema) {
            (true, schema) if schema["items"]["type"] == "object" => format!("[[{}]]", key.name()),
            (true, schema) if schema["additionalProperties"].is_object() => format!("[{}.NAME]", key.name()),
            (true, schema) if schema["type"] == "object" => format!("[{}]", key.name()),
            _ => key.name().to_owned(),
        };
        let message = format!("{} needs `{name}`", shape.what);
        let diagnostic = Diagnostic::at(Code::MissingKey, &self.place, message).label("missing here");
        self.report(diagnostic.hint(format!("add `{name}`: {about}")));
    }

    /// Its entries in the file's order.
    pub(super) fn nodes(&self) -> Vec<(Placed<String>, Node<'a>)> {
        let mut nodes: Vec<_> = self.entries.into_iter().flatten().map(|(key, _)| key).collect();
        nodes.sort_by_key(|key| key.span().start);
        let placed = |name: &str, span| Placed::new(name.to_owned(), Place::new(&self.document.file, span));
        nodes
            .into_iter()
            .filter_map(|key| Some((placed(key.get_ref(), key.span()), self.node(key.get_ref())?)))
            .collect()
    }

    fn node(&self, name: &str) -> Option<Node<'a>> {
        let (key, value) = self.entries?.get_key_value(name)?;
        let key = Placed::new(name.to_owned(), Place::new(&self.document.file, key.span()));
        let place = Place::new(&self.document.file, value.span());
        Some(Node { document: self.document, value: value.get_ref(), place, key, is_item: false })
    }

    /// A table that is not there, at a place.
    pub(super) fn absent(&self, place: &Place) -> Table<'a> {
        Table { document: self.document, entries: None, place: place.clone(), key: self.key.clone() }
    }
}

/// A value of a document.
pub struct Node<'a> {
    document: &'a Document,
    value: &'a DeValue<'a>,
    place: Place,
    key: Placed<String>,
    is_item: bool,
}

impl<'a> Node<'a> {
    /// The value.
    pub fn value(&self) -> &'a DeValue<'a> {
        self.value
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What it is, for a message: `` `workers` `` or ``an entry of `daemons` ``.
    pub fn what(&self) -> String {
        let key = &self.key.value;
        if self.is_item { format!("an entry of `{key}`") } else { format!("`{key}`") }
    }

    /// Reports an error at this value.
    pub fn error(&self, code: Code, message: impl Into<String>, label: impl Into<String>, hint: impl Into<String>) {
        self.report(Diagnostic::at(code, &self.place, message).label(label).hint(hint));
    }

    /// Reports a problem.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.document.found.borrow_mut().push(diagnostic);
    }

    /// Reports that the value has another type than the expected one.
    pub fn wrong_type(&self, expected: &str, hint: impl Into<String>) {
        let found = type_name(self.value);
        let message = format!("{} must be {expected}", self.what());
        self.error(Code::WrongType, message, format!("expected {expected}, found {found}"), hint);
    }

    /// The string, or a report that it is none.
    pub fn string(&self) -> Option<&'a str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        let written = self.place.text();
        let hint = match self.value {
            DeValue::Array(_) | DeValue::Table(_) => "write one text in double quotes".to_owned(),
            _ => format!("write it in double quotes: \"{written}\""),
        };
        self.wrong_type("a string", hint);
        None
    }

    /// The entries of a list, or a report that it is none.
    pub(super) fn items(&self) -> Option<Vec<Node<'a>>> {
        let DeValue::Array(array) = self.value else {
            let hint = match self.value {
                DeValue::Table(_) => format!("write its header with two brackets: `[[{}]]`", self.key.value),
                _ => format!("write it in brackets: [{}]", self.place.text()),
            };
            self.wrong_type("a list", hint);
            return None;
        };
        let item = |item: &'a toml::Spanned<DeValue<'a>>| Node {
            document: self.document,
            value: item.get_ref(),
            place: Place::new(&self.document.file, item.span()),
            key: self.key.clone(),
            is_item: true,
        };
        Some(array.iter().map(item).collect())
    }

    /// The table, or a report that it is none.
    pub(super) fn table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value else {
            let key = &self.key.value;
            let hint = match self.value {
                DeValue::Array(_) => format!("there is only one: write its header as `[{key}]`"),
                _ => format!("write `[{key}]` and its keys below, or `{key} = {{ ... }}`"),
            };
            self.wrong_type("a table", hint);
            return None;
        };
        Some(Table {
            document: self.document,
            entries: Some(entries),
            place: self.place.clone(),
            key: self.key.clone(),
        })
    }
}

/// A type with its article.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::diagnostic::{Flag, ListOf, Site, Text, Whole};

    static TITLE: Key<Text> = Key::required("title", "A title.", Text);
    static COUNT: Key<Whole<u32>> = Key::default("count", "A count.", Whole { min: 1, max: 9 }, || 3);
    static FLAGS: Key<ListOf<Flag>> = Key::optional("flags", "Flags.", ListOf { item: Flag, at_least: 1 });
    static INNER: Key<TableOf<u32>> = Key::optional("inner", "A table.", TableOf { shape: &INNER_SHAPE, read: inner });
    static INNER_SHAPE: Shape = Shape { what: "an inner table", keys: &[&COUNT] };
    static SHAPE: Shape = Shape { what: "a test", keys: &[&TITLE, &COUNT, &FLAGS, &INNER] };

    fn inner(table: &Table<'_>) -> u32 {
        table.value(&COUNT).value
    }

    type Read = (String, u32, Option<usize>, u32);

    fn whole(table: &Table<'_>) -> Read {
        let flags = table.optional(&FLAGS).map(|flags| flags.value.len());
        (table.value(&TITLE).value, table.value(&COUNT).value, flags, table.value(&INNER).value)
    }

    fn read(text: &str) -> (Read, Vec<(Code, usize, usize)>) {
        let file = Arc::new(SourceFile { path: PathBuf::from("x.toml"), text: text.to_owned() });
        let mut diagnostics = Diagnostics::new();
        let value = read_document(&file, &TableOf { shape: &SHAPE, read: whole }, &mut diagnostics);
        let place = |found: &&Diagnostic| match &found.site {
            Site::Place(place) => (found.code, place.start().line, place.start().column),
            Site::File(_) => (found.code, 0, 0),
        };
        (value, diagnostics.in_order().iter().map(place).collect())
    }

    #[test]
    fn values_are_read_and_defaults_filled_in() {
        let (value, found) = read("title = 'a'\nflags = [true, false]\ninner.count = 0x7");
        assert_eq!((value, found), (("a".to_owned(), 3, Some(2), 7), vec![]));
    }

    #[test]
    fn every_problem_is_told_at_its_place() {
        let check = |text: &str, expected: &[(Code, usize, usize)]| assert_eq!(read(text).1, expected, "{text:?}");
        check("", &[(Code::MissingKey, 1, 1)]);
        check("title = 1\ncount = '3'\n", &[(Code::WrongType, 1, 9), (Code::WrongType, 2, 9)]);
        check("titel = 'a'\n", &[(Code::UnknownKey, 1, 1)]);
        check("title = 'a'\ncount = 10\n[inner]\ncount = -1", &[(Code::OutOfRange, 2, 9), (Code::OutOfRange, 4, 9)]);
        check(
            "title = 'é'\n'é' = 1\nflags = [1, true, 2]",
            &[(Code::UnknownKey, 2, 1), (Code::WrongType, 3, 10), (Code::WrongType, 3, 19)],
        );
        check("title = 'a'\nflags = []", &[(Code::EmptyList, 2, 9)]);
        check("title = 'a'\n[[inner]]\ncount = 1", &[(Code::WrongType, 2, 1)]);
        check("title = 'a'\ncount = 99999999999999999999999999999999999999999999", &[(Code::OutOfRange, 2, 9)]);
    }

    #[test]
    fn in_broken_toml_only_the_syntax_is_told() {
        let (value, found) = read("title = a\ncount = 99\n = 1\n");
        assert_eq!(found, [(Code::Syntax, 1, 9), (Code::Syntax, 3, 2)]);
        // Reading goes on all the same, so that other files can be looked at.
        assert_eq!(value.0, "a");
    }
}
