//! Where in a user's file something stands.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file that a person wrote, as read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it is shown.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Byte offsets in its text.
    pub span: Range<usize>,
}

/// A value and where it was written, so that a check that needs several files can still point at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands; for a default, the table that lacks it.
    pub place: Place,
}
