//! What outlives runs in a state directory, and its removal. Only what is named as we name things is ever removed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::agent::provision::size;
use crate::agent::state::cannot;
use crate::wire::{Failure, Kept};

/// The folders that outlive runs, what they hold (one, several), and how that is named.
const FOLDERS: [(&str, (&str, &str), Naming); 5] = [
    ("roots", ("package root", "package roots"), Naming::Digest),
    ("venvs", ("virtual environment", "virtual environments"), Naming::Digest),
    ("requests", ("note of what a request led to", "notes of what a request led to"), Naming::Digest),
    ("apt", ("private state of apt", "private states of apt"), Naming::Word),
    ("bin", ("binary of timetrial", "binaries of timetrial"), Naming::Digest),
];

/// How the entries of a folder are named.
#[derive(Clone, Copy)]
enum Naming {
    /// By what they hold, perhaps half of it.
    Digest,
    /// By a Debian suite.
    Word,
}

impl Naming {
    fn fits(self, name: &str) -> bool {
        let name = name.strip_suffix(".half").unwrap_or(name);
        match self {
            Self::Digest => {
                matches!(name.len(), 16 | 64) && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
            Self::Word => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
        }
    }
}

/// What is kept in a state directory: a line for each folder that holds something.
pub fn kept(state: &Path) -> Vec<Kept> {
    let lines = FOLDERS.iter().filter_map(|(folder, words, naming)| {
        let entries = entries(&state.join(folder), *naming);
        (!entries.is_empty()).then(|| of(&state.join(folder), *words, &entries))
    });
    lines.collect()
}

/// What stays on a machine that was tuned once, whoever cleans it: the lock of its tuning. Somebody may have opened it and
/// be about to lock it: were it removed now, he would lock a file that is gone, and the next one another.
pub fn staying(tuning_place: &Path) -> Option<Kept> {
    let lock = tuning_place.join("lock");
    let found = fs::symlink_metadata(&lock).ok().filter(fs::Metadata::is_file)?;
    let why = "it holds no data, and without it two campaigns could tune this machine at once";
    Some(Kept {
        name: lock.display().to_string(),
        what: "lock of who tunes this machine".to_owned(),
        bytes: found.len(),
        stays: Some(why.to_owned()),
    })
}

/// Removes it; what that was.
pub fn remove(state: &Path) -> Result<Vec<Kept>, Failure> {
    // What is behind a link was put there by somebody else, or for something else.
    for (folder, ..) in FOLDERS {
        let path = state.join(folder);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            let message = format!("{} is a link, and nothing is removed by way of one", path.display());
            return Err(Failure::new("state-dir-not-safe", message).hint(
                "look where it leads and who put it there; remove what is behind it yourself, and then the link",
            ));
        }
    }
    let removed = kept(state);
    // What a request led to goes first: whatever cuts this off, nothing points at what is gone.
    for folder in ["requests", "venvs", "roots", "apt", "bin"] {
        let Some((_, _, naming)) = FOLDERS.iter().find(|(name, ..)| *name == folder) else { continue };
        for path in entries(&state.join(folder), *naming) {
            let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
            let gone = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.map_err(|error| cannot("remove", &path, &error))?;
        }
        // It stays where somebody put something of his own into it.
        let _ = fs::remove_dir(state.join(folder));
    }
    Ok(removed)
}

fn entries(folder: &Path, naming: Naming) -> Vec<PathBuf> {
    if fs::symlink_metadata(folder).map_or(true, |found| !found.is_dir()) {
        return Vec::new();
    }
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = found.filter(|entry| entry.file_name().to_str().is_some_and(|name| naming.fits(name)));
    ours.map(|entry| entry.path()).collect()
}

fn of(folder: &Path, (one, several): (&str, &str), entries: &[PathBuf]) -> Kept {
    let bytes = entries.iter().map(|entry| match fs::symlink_metadata(entry) {
        Ok(found) if found.is_dir() => size(entry),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    let what = format!("{} {}", entries.len(), if entries.len() == 1 { one } else { several });
    Kept { name: folder.display().to_string(), what, bytes: bytes.sum(), stays: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_as_ours_is_counted_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let digest = "0123456789abcdef";
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file(&format!("roots/{digest}/usr/bin/wrk"), "12345");
        file(&format!("roots/{digest}.half/x"), "1");
        file("roots/precious/thesis.txt", "years");
        file(&format!("requests/{digest}"), digest);
        file("apt/bookworm/lists/x", "12");
        file("w/precious/thesis.txt", "years");
        file("lock", "me");
        let lines: Vec<_> = kept(place.path()).into_iter().map(|kept| (kept.what, kept.bytes)).collect();
        let line = |what: &str, bytes| (what.to_owned(), bytes);
        let expected = [
            line("2 package roots", 6),
            line("1 note of what a request led to", 16),
            line("1 private state of apt", 2),
        ];
        assert_eq!(lines, expected);
        assert_eq!(remove(place.path()).unwrap().len(), 3);
        assert!(kept(place.path()).is_empty());
        for stays in ["roots/precious/thesis.txt", "w/precious/thesis.txt", "lock"] {
            assert!(place.path().join(stays).exists(), "{stays}");
        }
        assert!(!place.path().join("requests").exists() && !place.path().join("apt").exists());
    }

    #[test]
    fn the_lock_of_a_machines_tuning_is_told_and_stays() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(staying(place.path()), None);
        fs::write(place.path().join("lock"), "").unwrap();
        let told = staying(place.path()).unwrap();
        assert_eq!((told.name, told.bytes), (place.path().join("lock").display().to_string(), 0));
        assert!(told.stays.is_some());
    }

    #[test]
    fn what_is_behind_a_link_is_not_removed() {
        let place = tempfile::tempdir().unwrap();
        let (state, theirs) = (place.path().join("state"), place.path().join("theirs"));
        let precious = theirs.join("0123456789abcdef/thesis.txt");
        fs::create_dir_all(precious.parent().unwrap()).unwrap();
        fs::write(&precious, "years").unwrap();
        fs::create_dir_all(state.join("requests")).unwrap();
        fs::write(state.join("requests/0123456789abcdef"), "x").unwrap();
        std::os::unix::fs::symlink(&theirs, state.join("roots")).unwrap();
        assert_eq!(kept(&state).len(), 1);
        let failure = remove(&state).unwrap_err();
        assert_eq!(failure.code, "state-dir-not-safe");
        assert!(failure.message.contains("state/roots is a link"), "{}", failure.message);
        assert!(precious.exists() && state.join("requests/0123456789abcdef").exists());
    }
}
