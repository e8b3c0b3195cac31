//! What keeps the sessions of one run apart: the lock on it, and the earlier sessions' files, which are never written
//! over.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::event::paths;

/// Locks the events of a run for whoever writes them. The kernel lets go of it when that process is gone, however it
/// went. Whether it could be had.
pub(in crate::store) fn lock(events: &File) -> io::Result<bool> {
    match events.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // A file system that knows no locks can hold a run all the same.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A session that goes on where an earlier one ended.
#[derive(Debug)]
pub(in crate::store) struct Session {
    directory: PathBuf,
    /// Of the session before, from 1.
    number: u32,
    /// Files that this session wrote itself.
    own: BTreeSet<String>,
}

impl Session {
    /// The one after all that a run had.
    pub(in crate::store) fn after(directory: &Path) -> io::Result<Self> {
        let number = next_number(directory);
        fs::create_dir_all(directory.join(paths::session(number, "")))?;
        Ok(Self { directory: directory.to_owned(), number, own: BTreeSet::new() })
    }

    /// Where something of the session before is kept.
    pub(in crate::store) fn keeps(&self, path: &str) -> PathBuf {
        self.directory.join(paths::session(self.number, path))
    }

    /// Moves away what an earlier session wrote to where this one will write.
    pub(in crate::store) fn make_room(&mut self, path: &str) -> io::Result<()> {
        if !self.own.insert(path.to_owned()) || !self.directory.join(path).exists() {
            return Ok(());
        }
        self.move_away(path)
    }

    /// Moves a file of an earlier session away.
    pub(in crate::store) fn move_away(&self, path: &str) -> io::Result<()> {
        let (from, to) = (self.directory.join(path), self.keeps(path));
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::rename(&from, &to)?;
        sync_parent(&to)?;
        sync_parent(&from)
    }

    /// Moves all files of a trial away that is begun again.
    pub(in crate::store) fn cut_trial(&self, trial: &str) -> io::Result<()> {
        let folder = self.directory.join(paths::trial_folder(trial));
        if !folder.exists() {
            return Ok(());
        }
        let places = (1..).map(|attempt| self.directory.join(paths::cut_trial(trial, attempt)));
        if let Some(to) = places.into_iter().find(|to| !to.exists()) {
            fs::rename(&folder, &to)?;
        }
        sync_parent(&folder)
    }
}

/// The number of the session that goes on: one more than have ended.
pub(in crate::store) fn next_number(directory: &Path) -> u32 {
    let entries = fs::read_dir(directory.join(paths::SESSIONS)).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.max().unwrap_or(0) + 1
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
