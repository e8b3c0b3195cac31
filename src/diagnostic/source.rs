//! Reading what a person wrote from the disk, with bounds, and saying why it can't be read.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place, Site, SourceFile};

/// The largest text file that is read.
pub const SIZE_LIMIT: u64 = 1 << 20;

/// Why a file can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem(Box<Diagnostic>);

impl FileProblem {
    fn new(code: Code, path: &Path, message: String, hint: &str) -> Self {
        Self(Box::new(Diagnostic::in_file(code, path, message).hint(hint)))
    }

    /// What kind of problem it is.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Says what to do if the file is missing; other problems have hints of their own.
    #[must_use]
    pub fn if_missing(mut self, hint: impl Into<String>) -> Self {
        if self.0.code == Code::NoSuchFile {
            self.0.hint = Some(hint.into());
        }
        self
    }

    /// The problem, told at the file itself.
    pub fn at_the_file(self) -> Diagnostic {
        *self.0
    }

    /// The problem, told where the file is named, unless it has a place of its own inside the file.
    pub fn named_at(self, place: &Place, label: impl Into<String>) -> Diagnostic {
        let mut diagnostic = *self.0;
        if matches!(diagnostic.site, Site::Place(_)) {
            return diagnostic.also(place, label);
        }
        diagnostic.site = Site::Place(place.clone());
        diagnostic.label(label)
    }
}

/// Reads a text file: at most 1 MiB of UTF-8.
pub fn read_source(path: &Path) -> Result<Arc<SourceFile>, FileProblem> {
    let bytes = read_bytes(path, SIZE_LIMIT)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(SourceFile { path: path.to_owned(), text })),
        Err(error) => Err(not_utf8(path, &error)),
    }
}

/// Points at the first byte that is not UTF-8. The text before it is sound, so its offset is the same in the text in
/// which every such byte is replaced.
fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> FileProblem {
    let offset = error.utf8_error().valid_up_to();
    let byte = error.as_bytes().get(offset).copied().unwrap_or_default();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let file = Arc::new(SourceFile { path: path.to_owned(), text });
    let place = Place::new(&file, offset..offset + char::REPLACEMENT_CHARACTER.len_utf8());
    let message = format!("the file is not UTF-8: byte 0x{byte:02x} at offset {offset}");
    FileProblem(Box::new(
        Diagnostic::at(Code::NotUtf8, &place, message)
            .label("not UTF-8 from here")
            .hint("save the file as UTF-8; `iconv -f latin1 -t utf-8` converts an old encoding"),
    ))
}

/// Reads a regular file of at most `limit` bytes.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, FileProblem> {
    // The kind is asked for first: opening a named pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        let message = format!("`{}` is a folder, not a file", path.display());
        return Err(FileProblem::new(Code::Unreadable, path, message, "name a file"));
    }
    if !metadata.is_file() {
        let message = format!("`{}` is not a regular file", path.display());
        return Err(FileProblem::new(Code::Unreadable, path, message, "copy its content to a regular file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > limit {
        let message = format!("`{}` is larger than {} KiB", path.display(), limit / 1024);
        return Err(FileProblem::new(
            Code::TooLarge,
            path,
            message,
            "make it smaller, or check that it is the file you meant",
        ));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> FileProblem {
    if error.kind() == io::ErrorKind::NotFound {
        let message = format!("there is no file `{}`", path.display());
        return FileProblem::new(Code::NoSuchFile, path, message, "check the name, and the folder that you are in");
    }
    let message = format!("can't read `{}`: {error}", path.display());
    FileProblem::new(Code::Unreadable, path, message, "check the permissions of the file and of the folders above it")
}

/// The paths in a folder, sorted by name; none if it can't be listed.
pub fn folder_entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
