//! The journal of changes: what settings were, written and synced before the first of them is changed.
//!
//! The first line says who changes what, with every value before. After it comes one line for each setting that was
//! made, with what was read back. The room for those lines is there from the start, filled with zero bytes, so that
//! neither a change nor its undoing needs a disk that is not full.
//!
//! ```text
//! /var/lib/timetrial/undo.jsonl  the journal; only root reads it
//! /var/lib/timetrial/undo.who    whose it is, for everybody: written after the journal and removed after it
//! /var/lib/timetrial/untold.json what an undoing left or failed at, until somebody has heard it
//! /var/lib/timetrial/lock        held alone by who tunes, shared by other agents
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::agent::database;
use crate::agent::own;
use crate::agent::state::{cannot, make};
use crate::wire::Failure;

/// The version of the file.
const FORMAT: u32 = 1;

/// Who made the changes, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The run.
    pub run: String,
    /// As in the lock.
    pub owner: String,
    /// UTC.
    pub since: String,
    /// The boot that they count for.
    pub boot_id: String,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The file's version.
    pub format: u32,
    /// Who.
    #[serde(flatten)]
    pub maker: Maker,
    /// The agent.
    pub pid: u32,
    /// Inodes of its namespaces: `net`, `ipc`, `uts`.
    pub namespaces: BTreeMap<String, u64>,
    /// What will be changed, in order.
    pub entries: Vec<Entry>,
}

/// A setting that will be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is before, exactly.
    pub before: String,
    /// What it shall be; none where it only changes because the other of a pair is set.
    pub wanted: Option<String>,
}

/// A later line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Made { name: String, after: Option<String> },
    Resolved { resolved: String },
}

/// A journal, open to be written on.
#[derive(Debug)]
pub struct Journal {
    /// Its first line.
    pub header: Header,
    /// What was read back of each setting that was made.
    pub after: BTreeMap<String, Option<String>>,
    /// What a former undoing has settled.
    pub resolved: BTreeSet<String>,
    path: PathBuf,
    file: File,
    end: u64,
}

/// Where the journal is.
pub fn path(place: &Path) -> PathBuf {
    place.join("undo.jsonl")
}

fn who_path(place: &Path) -> PathBuf {
    place.join("undo.who")
}

/// Whether something is left to be undone; also for who may not read it.
pub fn is_there(place: &Path) -> bool {
    has_settings(place) || database::is_recorded(place)
}

/// Whether a journal of kernel settings is there.
pub fn has_settings(place: &Path) -> bool {
    fs::symlink_metadata(path(place)).is_ok()
}

/// Whose it is, for who may not read it.
pub fn whose(place: &Path) -> Option<Maker> {
    serde_json::from_slice(&fs::read(who_path(place)).ok()?).ok()
}

/// What is wrong with the journal's place, with the advice that fits it.
fn safe<T>(found: Result<T, Failure>, place: &Path) -> Result<T, Failure> {
    found.map_err(|failure| {
        let hint = format!("look who changed {}; it should be root's alone (chown, chmod go-w)", place.display());
        failure.hint(hint)
    })
}

/// Makes the place, if it is not there.
pub fn make_place(place: &Path) -> Result<(), Failure> {
    safe(own::check(place), place)?;
    if !place.is_dir() {
        make(place, 0o755)?;
        safe(own::check(place), place)?;
        if let Some(parent) = place.parent() {
            sync_directory(parent)?;
        }
    }
    Ok(())
}

impl Journal {
    /// Writes a new one. One that is there is never overwritten.
    pub fn create(place: &Path, header: Header) -> Result<Self, Failure> {
        make_place(place)?;
        let path = path(place);
        let unfit = |error| cannot("write", &path, &std::io::Error::from(error));
        let mut line = serde_json::to_vec(&header).map_err(unfit)?;
        line.push(b'\n');
        let end = line.len() as u64;
        line.resize(line.len() + room(&header.entries), 0);
        let file = create_new(&path, 0o600).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => left_there(place),
            _ => cannot("make", &path, &error),
        })?;
        let written = (&file).write_all(&line).and_then(|()| file.sync_all());
        let journal = Self { header, after: BTreeMap::new(), resolved: BTreeSet::new(), path: path.clone(), file, end };
        let told = written.map_err(|error| cannot("write", &journal.path, &error));
        let told = told.and_then(|()| tell_whose(place, &journal.header.maker));
        match told {
            Ok(()) => Ok(journal),
            Err(failure) => {
                // Nothing was changed yet.
                let _ = journal.remove();
                Err(failure)
            }
        }
    }

    /// Opens the one that is there. One whose first line is not whole was cut off before anything was changed: it is
    /// none, and stays for [`Journal::create`]'s caller to sweep by [`sweep_stump`].
    pub fn open(place: &Path) -> Result<Option<Self>, Failure> {
        let path = path(place);
        if !safe(own::is_there(&path), place)? {
            return Ok(None);
        }
        safe(own::check(place), place)?;
        let mut file = safe(own::open_existing(&path), place)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| cannot("read", &path, &error))?;
        let Some(first) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let header: Header = serde_json::from_slice(&bytes[..first]).map_err(|error| unreadable(&path, &error))?;
        if header.format != FORMAT {
            return Err(unreadable(&path, &format!("it has format {}, and this build knows {FORMAT}", header.format)));
        }
        let mut journal =
            Self { header, after: BTreeMap::new(), resolved: BTreeSet::new(), path, file, end: first as u64 + 1 };
        for line in bytes[first + 1..].split_inclusive(|byte| *byte == b'\n') {
            // The last line may be half: the agent died while it wrote it.
            let Ok(known) = serde_json::from_slice(line) else { break };
            match known {
                Line::Made { name, after } => drop(journal.after.insert(name, after)),
                Line::Resolved { resolved } => drop(journal.resolved.insert(resolved)),
            }
            journal.end += line.len() as u64;
        }
        Ok(Some(journal))
    }

    /// Notes what was read back after a setting was made.
    pub fn made(&mut self, name: &str, after: Option<String>) -> Result<(), Failure> {
        self.append(&Line::Made { name: name.to_owned(), after: after.clone() })?;
        self.after.insert(name.to_owned(), after);
        Ok(())
    }

    /// Notes that an entry needs no more undoing.
    pub fn resolve(&mut self, name: &str) -> Result<(), Failure> {
        self.append(&Line::Resolved { resolved: name.to_owned() })?;
        self.resolved.insert(name.to_owned());
        Ok(())
    }

    fn append(&mut self, line: &Line) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| cannot("write", &self.path, &error);
        let mut text = serde_json::to_vec(line).map_err(|error| wrong(error.into()))?;
        text.push(b'\n');
        self.file.write_all_at(&text, self.end).and_then(|()| self.file.sync_data()).map_err(wrong)?;
        self.end += text.len() as u64;
        Ok(())
    }

    /// The entry that was being changed when the agent died, if it died in the middle: the first that has no line.
    pub fn in_flight(&self) -> Option<&str> {
        let is_open = |entry: &&Entry| entry.wanted.is_some() && !self.after.contains_key(&entry.name);
        self.header.entries.iter().find(is_open).map(|entry| entry.name.as_str())
    }

    /// Where it lies.
    pub fn place(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Removes it: the last step of undoing.
    pub fn remove(self) -> Result<(), Failure> {
        remove_files(self.place())
    }
}

/// Removes what is left of a journal that was cut off before its first line was whole.
pub fn sweep_stump(place: &Path) -> Result<(), Failure> {
    if has_settings(place) { remove_files(place) } else { Ok(()) }
}

fn remove_files(place: &Path) -> Result<(), Failure> {
    let path = path(place);
    fs::remove_file(&path).map_err(|error| cannot("remove", &path, &error))?;
    forget_whose(place);
    sync_directory(place)
}

/// Removes the note whose changes they are, once there are none.
pub fn forget_whose(place: &Path) {
    if !is_there(place) {
        let _ = fs::remove_file(who_path(place));
    }
}

/// Notes whose changes they are.
pub fn tell_whose(place: &Path, maker: &Maker) -> Result<(), Failure> {
    let who = who_path(place);
    let _ = fs::remove_file(&who);
    let written = serde_json::to_vec(maker).map_err(std::io::Error::from).and_then(|text| {
        create_new(&who, 0o644).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
    });
    written.map_err(|error| cannot("write", &who, &error))?;
    sync_directory(place)
}

/// There is a journal that nobody has undone.
pub fn left_there(place: &Path) -> Failure {
    let whose = whose(place).unwrap_or_default();
    let by = if whose.run.is_empty() {
        "an earlier run".to_owned()
    } else {
        // Who runs a campaign has said since when.
        let since = if whose.owner.contains(", since ") { String::new() } else { format!(", since {}", whose.since) };
        format!("the run {} ({}{since})", whose.run, whose.owner)
    };
    Failure::new("left-tuned", format!("this machine is still tuned by {by}: nobody has put it back"))
        .detail([format!("the journal is {}", path(place).display())])
        .hint(
            "have root put it back: timetrial restore --hosts FILE, with an inventory in which this machine is root's",
        )
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new("journal", format!("the journal of changes {} can't be read: {why}", path.display()))
        .hint("use the build of timetrial that wrote it; or put back by hand what stands in it, and remove it")
}

fn create_new(path: &Path, mode: u32) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(path)?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// For two lines for each entry, with a value that may be longer than what was asked for.
fn room(entries: &[Entry]) -> usize {
    let of = |entry: &Entry| {
        let value = entry.before.len().max(entry.wanted.as_ref().map_or(0, String::len));
        3 * (entry.name.len() + 2 * value + 128)
    };
    entries.iter().map(of).sum::<usize>() + 4096
}

/// Has a folder's names on the disk.
pub fn sync_directory(directory: &Path) -> Result<(), Failure> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| cannot("sync", directory, &error))
}

/// A new journal's first line.
pub fn header(maker: Maker, namespaces: BTreeMap<String, u64>, entries: Vec<Entry>) -> Header {
    Header { format: FORMAT, maker, pid: std::process::id(), namespaces, entries }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn entry(name: &str, before: &str, wanted: Option<&str>) -> Entry {
        Entry { name: name.to_owned(), before: before.to_owned(), wanted: wanted.map(str::to_owned) }
    }

    /// A journal of three settings, two of them a pair.
    pub fn made_up(place: &Path) -> Journal {
        let maker = Maker { run: "run".to_owned(), owner: "me".to_owned(), ..Maker::default() };
        let entries = vec![
            entry("vm.swappiness", "60", Some("1")),
            entry("vm.dirty_bytes", "0", Some("4096000")),
            entry("vm.dirty_ratio", "20", None),
        ];
        Journal::create(place, header(maker, BTreeMap::new(), entries)).unwrap()
    }

    #[test]
    fn since_when_is_said_once() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        drop(made_up(&place));
        for owner in ["me", "me, process 7, run r, since 2026-11-24 04:00:00Z"] {
            let since = "2026-11-24T04:00:00Z".to_owned();
            let maker = Maker { run: "r".to_owned(), owner: owner.to_owned(), since, ..Maker::default() };
            tell_whose(&place, &maker).unwrap();
            let message = left_there(&place).message;
            assert_eq!(message.matches("since").count(), 1, "{message}");
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_written_is_read_again_and_the_first_writer_wins() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        assert!(Journal::open(&place).unwrap().is_none());
        assert!(!place.exists(), "looking makes nothing");
        let mut journal = made_up(&place);
        assert_eq!((mode(&place), mode(&path(&place)), mode(&who_path(&place))), (0o755, 0o600, 0o644));
        assert_eq!(whose(&place).unwrap().run, "run");
        let size = fs::metadata(path(&place)).unwrap().len();
        assert_eq!(journal.in_flight(), Some("vm.swappiness"));
        journal.made("vm.swappiness", Some("1".to_owned())).unwrap();
        assert_eq!(Journal::open(&place).unwrap().unwrap().in_flight(), Some("vm.dirty_bytes"));
        journal.made("vm.dirty_bytes", None).unwrap();
        journal.resolve("vm.dirty_bytes").unwrap();
        let again = Journal::open(&place).unwrap().unwrap();
        assert_eq!(
            (&again.header, &again.after, &again.resolved),
            (&journal.header, &journal.after, &journal.resolved)
        );
        assert_eq!((again.in_flight(), again.end), (None, journal.end));
        assert_eq!(fs::metadata(path(&place)).unwrap().len(), size, "the room was there from the start");
        let second = Journal::create(&place, journal.header.clone()).unwrap_err();
        assert_eq!(second.code, "left-tuned");
        assert!(second.message.contains("the run run (me"), "{}", second.message);
        again.remove().unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn cut_anywhere_it_says_what_was_whole() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        let mut journal = made_up(&place);
        let first = usize::try_from(journal.end).unwrap();
        journal.made("vm.swappiness", Some("1".to_owned())).unwrap();
        let whole = fs::read(path(&place)).unwrap();
        let end = usize::try_from(journal.end).unwrap();
        for cut in 0..=end {
            let mut bytes = whole.clone();
            bytes[cut..].fill(0);
            fs::write(path(&place), &bytes).unwrap();
            let opened = Journal::open(&place).unwrap();
            match opened {
                None => assert!(cut < first),
                Some(opened) => {
                    assert!(cut >= first);
                    assert_eq!(opened.after.len(), usize::from(cut >= end), "cut at {cut}");
                }
            }
        }
        fs::write(path(&place), &whole[..first / 2]).unwrap();
        sweep_stump(&place).unwrap();
        assert!(!is_there(&place));
        fs::write(path(&place), "{\"format\":99}\n").unwrap();
        assert_eq!(Journal::open(&place).unwrap_err().code, "journal");
    }

    #[test]
    fn a_link_or_a_place_of_others_is_refused() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        let thesis = above.path().join("thesis.txt");
        fs::write(&thesis, "years").unwrap();
        make_place(&place).unwrap();
        std::os::unix::fs::symlink(&thesis, path(&place)).unwrap();
        let refused = Journal::open(&place).unwrap_err();
        assert!(refused.message.ends_with("undo.jsonl is a link"), "{}", refused.message);
        fs::remove_file(path(&place)).unwrap();
        let _journal = made_up(&place);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Journal::open(&place).unwrap_err().hint.unwrap().contains("chmod go-w"));
        assert_eq!(fs::read_to_string(&thesis).unwrap(), "years");
    }
}
