//! Shared memory that outlives processes which are killed. PostgreSQL takes its own away when it ends, but a server that is
//! killed can't, and neither can one that is still being set up (`initdb`): its segments would stay until the next boot. So
//! before a process is killed it is seen which segments it has, and when all are dead, those go that nobody has any more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::agent::procfs;

/// Where POSIX segments lie, and how PostgreSQL's are named.
const FOLDER: &str = "/dev/shm";
const NAME: &str = "PostgreSQL.";

/// Segments of processes that are about to be killed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Segments {
    files: BTreeSet<PathBuf>,
    /// Ids of System V segments.
    ids: BTreeSet<i32>,
}

impl Segments {
    /// Notes what a process has, while it still lives.
    pub fn note(&mut self, pid: u32) {
        if let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) {
            self.read(&maps);
        }
    }

    /// A line: addresses, rights, offset, device, inode, and perhaps a name. For a System V segment the inode is its id.
    fn read(&mut self, maps: &str) {
        for line in maps.lines() {
            let mut words = line.split_ascii_whitespace().skip(4);
            let (Some(inode), Some(name)) = (words.next(), words.next()) else { continue };
            let path = Path::new(name);
            let is_postgresql =
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(NAME));
            if path.parent() == Some(Path::new(FOLDER)) && is_postgresql {
                self.files.insert(path.to_owned());
            } else if name.starts_with("/SYSV")
                && let Ok(id) = inode.parse()
            {
                self.ids.insert(id);
            }
        }
    }

    /// Takes those away that no process has any more.
    pub fn remove_unused(self) {
        if self == Self::default() {
            return;
        }
        let mut used = Self::default();
        for process in procfs::all() {
            used.note(process.pid);
        }
        for file in self.files.difference(&used.files) {
            // Who ended by himself after he was seen has taken it away himself.
            let _ = fs::remove_file(file);
        }
        for id in self.ids.difference(&used.ids) {
            remove(*id);
        }
    }
}

/// Removes a System V segment. The kernel keeps it for whoever still has it, and refuses one of another user.
#[expect(unsafe_code, reason = "no safe crate knows System V segments")]
fn remove(id: i32) {
    // SAFETY: to remove one takes its id and no memory.
    unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_among_what_a_process_has() {
        let maps = "\
            55d0c0000000-55d0c0800000 r-xp 00000000 fe:00 123 /usr/lib/postgresql/15/bin/postgres\n\
            7f1000000000-7f1000001000 rw-s 00000000 00:01 1836080 /SYSV0049e1d5 (deleted)\n\
            7f1000100000-7f1000110000 rw-s 00000000 00:18 77 /dev/shm/PostgreSQL.3050938992\n\
            7f1000200000-7f1000210000 rw-s 00000000 00:18 78 /dev/shm/somebody-else\n\
            7f1000300000-7f1000310000 rw-s 00000000 00:18 79 /elsewhere/dev/shm/PostgreSQL.1\n\
            7f1000400000-7f1000410000 rw-p 00000000 00:00 0\n";
        let mut segments = Segments::default();
        segments.read(maps);
        assert_eq!(segments.files, BTreeSet::from([PathBuf::from("/dev/shm/PostgreSQL.3050938992")]));
        assert_eq!(segments.ids, BTreeSet::from([1_836_080]));
    }

    #[test]
    #[expect(unsafe_code, reason = "a segment is made to be removed")]
    fn what_nobody_has_is_removed_and_what_somebody_has_stays() {
        let file = tempfile::Builder::new().prefix(NAME).tempfile_in(FOLDER);
        // Not every machine has the folder.
        let Ok((_, path)) = file.map(|file| file.keep().unwrap()) else { return };
        // SAFETY: numbers in, a number out.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 4_096, libc::IPC_CREAT | 0o600) };
        assert!(id >= 0);
        Segments { files: BTreeSet::from([path.clone()]), ids: BTreeSet::from([id]) }.remove_unused();
        assert!(!path.exists());
        let left = fs::read_to_string("/proc/sysvipc/shm").unwrap();
        let is_there = left.lines().any(|line| line.split_ascii_whitespace().nth(1) == Some(&id.to_string()));
        assert!(!is_there, "{left}");
    }
}
