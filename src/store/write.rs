//! Writes a run directory as the run happens. What was handed over is on the disk before the next thing happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Happening, Recorder, Write, paths};
use crate::plan::Plan;
use crate::plan::document::sha256_bytes;
use crate::store::Controller;
use crate::store::session::{Session, lock};

/// What a file is called while it is not whole.
const HALF: &str = ".half";

/// The version of `complete.json`, and of the directory as a whole.
pub const FORMAT: u32 = 1;

/// `complete.json`: written last, so that its presence says that everything before it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// The run.
    pub run: String,
    /// SHA-256 of every file, by its path in the directory; rendered pages are outside.
    pub files: BTreeMap<String, String>,
}

/// A run directory that is being written.
#[derive(Debug)]
pub struct RunWriter {
    run: String,
    directory: PathBuf,
    events: File,
    /// Bytes of whole events.
    events_length: u64,
    /// Nothing is written after a write that failed, for this reason: what comes later would make no sense without it.
    failed: Option<(io::ErrorKind, String)>,
    /// Files with bytes that are not known to be on the disk yet.
    unsynced: BTreeSet<PathBuf>,
    /// The session, where the run was resumed.
    session: Option<Session>,
}

/// A name for a run: when, what, and four digits against two in one second.
pub fn run_id(now: Timestamp, scenario: &str, salt: u16) -> String {
    format!("{}-{scenario}-{salt:04x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

impl RunWriter {
    /// Makes the directory, with the plan and the inputs in it.
    pub fn create(store: &Path, run: &str, plan: &Plan, inputs: &BTreeMap<String, Vec<u8>>) -> io::Result<Self> {
        let directory = store.join(run);
        fs::create_dir_all(store)?;
        fs::create_dir(&directory)?;
        let begun = Self::begin(run, &directory, plan, inputs).and_then(|writer| {
            sync_directory(store)?;
            Ok(writer)
        });
        if begun.is_err() {
            // Nothing has happened yet, so there is nothing to keep.
            let _ = fs::remove_dir_all(&directory);
        }
        begun
    }

    fn begin(run: &str, directory: &Path, plan: &Plan, inputs: &BTreeMap<String, Vec<u8>>) -> io::Result<Self> {
        let events = OpenOptions::new().create_new(true).append(true).open(directory.join(paths::EVENTS))?;
        let mut writer = Self::continued(run, directory, events, None)?;
        lock(&writer.events)?;
        let mut text = serde_json::to_vec_pretty(plan)?;
        text.push(b'\n');
        writer.file(paths::PLAN, &text)?;
        for (name, bytes) in inputs {
            writer.file(name, bytes)?;
        }
        writer.sync()?;
        Ok(writer)
    }

    /// Goes on with a run whose events these are, locked and whole.
    pub(in crate::store) fn continued(
        run: &str,
        directory: &Path,
        events: File,
        session: Option<Session>,
    ) -> io::Result<Self> {
        Ok(Self {
            run: run.to_owned(),
            directory: directory.to_owned(),
            events_length: events.metadata()?.len(),
            events,
            failed: None,
            unsynced: BTreeSet::new(),
            session,
        })
    }

    /// Notes who carries the run out.
    pub fn controller(&mut self, controller: &Controller) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(controller)?;
        text.push(b'\n');
        self.file(paths::CONTROLLER, &text)?;
        self.sync()
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file that is either whole or not there, also after a power cut: half of one would make the run
    /// unreadable.
    fn file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.place(path)?;
        let mut half = path.clone().into_os_string();
        half.push(HALF);
        let written = write_synced(Path::new(&half), bytes).and_then(|()| fs::rename(&half, &path));
        if written.is_err() {
            let _ = fs::remove_file(&half);
        }
        self.unsynced.insert(path);
        written
    }

    /// Adds to a file. What a tool prints is kept as it comes, also half of it.
    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.place(path)?;
        OpenOptions::new().create(true).append(true).open(&path)?.write_all(bytes)?;
        self.unsynced.insert(path);
        Ok(())
    }

    fn place(&mut self, path: &str) -> io::Result<PathBuf> {
        if let Some(session) = &mut self.session {
            session.make_room(path)?;
        }
        let path = self.directory.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        Ok(path)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        if event.event.is_progress() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        if let Err(error) = self.events.write_all(&line) {
            // Half a line at the end is taken back; where even that fails, it is the last and is passed over.
            let _ = self.events.set_len(self.events_length);
            return Err(error);
        }
        self.events_length += line.len() as u64;
        if let (Some(session), Happening::TrialStarted { trial, .. }) = (&self.session, &event.event) {
            // The event first: a reader who finds one without the other sees a trial that was only begun.
            self.events.sync_all()?;
            session.cut_trial(trial)?;
        }
        // An event may say that something was measured: then it is on the disk, and so is what was measured.
        if matches!(
            event.event,
            Happening::TrialFinished { .. }
                | Happening::TrialMeasured { .. }
                | Happening::NetworkChecked { .. }
                | Happening::CampaignFinished { .. }
        ) {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        for path in std::mem::take(&mut self.unsynced) {
            File::open(&path)?.sync_all()?;
            path.parent().map_or(Ok(()), sync_directory)?;
        }
        self.events.sync_all()
    }

    /// Writes the manifest. A run that was cut off has none.
    pub fn complete(mut self) -> io::Result<()> {
        self.sync()?;
        let mut files = BTreeMap::new();
        digest_all(&self.directory, &self.directory, &mut files)?;
        let manifest = Manifest { format: FORMAT, run: self.run.clone(), files };
        let mut text = serde_json::to_vec_pretty(&manifest)?;
        text.push(b'\n');
        self.file(paths::COMPLETE, &text)?;
        self.sync()
    }
}

impl Recorder for RunWriter {
    fn write(&mut self, write: Write<'_>) -> io::Result<()> {
        if self.failed.is_none() {
            let (name, written) = match write {
                Write::Event(event) => (paths::EVENTS, self.event(event)),
                Write::File { path, bytes, append: false } => (path, self.file(path, bytes)),
                Write::File { path, bytes, append: true } => (path, self.append(path, bytes)),
            };
            // Whoever asks later is told of this one too: it is the reason for all that are not written after it.
            self.failed = written.err().map(|error| (error.kind(), format!("{name}: {error}")));
        }
        self.failed.as_ref().map_or(Ok(()), |(kind, text)| Err(io::Error::new(*kind, text.clone())))
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The digest of every file under a directory but the manifest and rendered pages.
pub(in crate::store) fn digest_all(
    base: &Path,
    directory: &Path,
    files: &mut BTreeMap<String, String>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let relative = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
        if relative == paths::REPORT || relative.starts_with(paths::COMPLETE) {
            continue;
        }
        if path.is_dir() {
            digest_all(base, &path, files)?;
        } else {
            files.insert(relative, sha256_bytes(&fs::read(&path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_sorts_by_time_and_names_its_scenario() {
        let time: Timestamp = "2026-11-23T18:45:01Z".parse().unwrap();
        assert_eq!(run_id(time, "quickstart", 0x0a1b), "20261123T184501Z-quickstart-0a1b");
    }
}
