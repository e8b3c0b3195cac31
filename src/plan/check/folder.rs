//! Collects the bytes of every file that a campaign depends on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, folder_entries, read_bytes};
use crate::plan::check::InputFile;

/// A daemon's folder may hold this much, all its files together: it is copied into each run.
const FOLDER_LIMIT: u64 = 16 << 20;

/// A daemon's folder may hold this many files.
const FILE_LIMIT: usize = 1_000;

/// Folders in folders, at most.
const DEPTH_LIMIT: usize = 16;

/// The files of one folder, while they are collected.
struct Collection<'a> {
    project: &'a Path,
    inputs: Vec<InputFile>,
    bytes_left: u64,
}

/// All files in a folder and the folders in it, sorted. Hidden files and what Python leaves behind are not sources.
pub(super) fn files_in(folder: &Path, project: &Path, diagnostics: &mut Diagnostics) -> Vec<InputFile> {
    let mut collection = Collection { project, inputs: Vec::new(), bytes_left: FOLDER_LIMIT };
    if let Err(problem) = collection.add_folder(folder, DEPTH_LIMIT) {
        diagnostics.push(*problem);
    }
    collection.inputs
}

impl Collection<'_> {
    fn add_folder(&mut self, folder: &Path, depth: usize) -> Result<(), Box<Diagnostic>> {
        for path in folder_entries(folder).into_iter().filter(|path| is_source(path)) {
            let is_dir = match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => return Err(Box::new(link(&path))),
                Ok(metadata) => metadata.is_dir(),
                // It was listed a moment ago; reading it says what is wrong.
                Err(_) => false,
            };
            if is_dir && depth == 0 {
                return Err(Box::new(too_large(&path, format!("folders are nested more than {DEPTH_LIMIT} deep"))));
            }
            if is_dir {
                self.add_folder(&path, depth - 1)?;
            } else {
                self.add_file(&path)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Box<Diagnostic>> {
        let Some(name) = name_in(self.project, path) else {
            let message = format!("the name of `{}` is not UTF-8", path.display());
            return Err(Box::new(Diagnostic::in_file(Code::BadName, path, message).hint("rename the file")));
        };
        let bytes = read_bytes(path, self.bytes_left).map_err(|problem| match problem.code() {
            Code::TooLarge => {
                let message = format!("the folder holds more than {} MiB", FOLDER_LIMIT >> 20);
                Box::new(too_large(path, message))
            }
            _ => Box::new(problem.at_the_file()),
        })?;
        if self.inputs.len() == FILE_LIMIT {
            return Err(Box::new(too_large(path, format!("the folder holds more than {FILE_LIMIT} files"))));
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
        self.inputs.push(InputFile { name, bytes });
        Ok(())
    }
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && name != "__pycache__"
}

fn link(path: &Path) -> Diagnostic {
    let message = format!("`{}` is a symbolic link", path.display());
    let hint = "put the file itself here: what a link points at can change or be missing when the run is repeated";
    Diagnostic::in_file(Code::BadPath, path, message).hint(hint)
}

fn too_large(path: &Path, message: String) -> Diagnostic {
    let hint = "a daemon's folder is copied into each run: keep only its sources there";
    Diagnostic::in_file(Code::TooLarge, path, message).hint(hint)
}

/// A path in the project folder, with `/`.
pub(super) fn name_in(project: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(project).ok()?;
    let parts: Option<Vec<&str>> = inside.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

/// A path without `.` and `..`, from the root: where a file lies, as its name says.
pub(super) fn normal(path: &Path) -> PathBuf {
    // The folder one is in has the empty path, which is none to `absolute`.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut normal = PathBuf::new();
    for part in absolute.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_project_folder() {
        let check = |project: &str, path: &str, expected: Option<&str>| {
            assert_eq!(name_in(Path::new(project), Path::new(path)).as_deref(), expected);
        };
        check("", "daemons/a/b.py", Some("daemons/a/b.py"));
        check("/p", "/p/daemons/a/b.py", Some("daemons/a/b.py"));
        check("/p", "/q/b.py", None);
        assert_eq!(normal(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
        assert_eq!(normal(Path::new("/../a")), Path::new("/a"));
    }
}
