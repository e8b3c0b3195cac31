//! What is wrong in a user's file: code, place, text, hint; how it is drawn; and the reader that finds it.
//!
//! A file is read once ([`read_source`]), parsed with every syntax error at once, and walked key by key
//! ([`read_document`]) by readers that collect what is wrong instead of stopping. The same [`Key`]s that a reader asks
//! for describe the file in JSON Schema, so that the two can't drift apart.

mod code;
mod human;
mod json;
mod key;
mod kind_nested;
mod kind_number;
mod kind_path;
mod kind_pattern;
mod kind_text;
mod model;
mod nearest;
mod place;
mod printable;
mod reader;
mod source;
mod syntax;

pub use code::Code;
pub use key::{AnyKey, Key, Kind, Shape};
pub use kind_nested::{ListOf, MapOf, OneOrMore, PlainOr, TableOf};
pub use kind_number::{Flag, Span, Whole, duration_words};
pub use kind_path::{AbsolutePath, EndpointPath, RelativeFile};
pub use kind_pattern::Pattern;
pub use kind_text::{Address, Identifier, Name, Template, Text, Word, Words, is_name};
pub use model::{Diagnostic, Diagnostics, Note, Severity, Site};
pub use nearest::{nearest, nearest_hint};
pub use place::{Place, Placed, Position, SourceFile};
pub use printable::{is_hidden, printable, printable_lines};
pub use reader::{Node, Table, read_document};
pub use source::{FileProblem, SIZE_LIMIT, folder_entries, read_bytes, read_source};
