//! Goes on with a run that was cut off or stopped: what is left of it, whether it may go on, and its writer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;

use crate::event::{Event, Happening, Outcome, paths};
use crate::plan::document::sha256_bytes;
use crate::plan::{FORMAT, Plan};
use crate::store::session::{Session, lock, next_number};
use crate::store::{Controller, RunState, RunWriter, StoreError, StoredRun, attempts, damage, open};

/// Why a run can't go on. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It still runs.
    #[error("run {run} still runs: {owner}")]
    Runs {
        /// The run.
        run: String,
        /// Who runs it.
        owner: String,
    },
    /// It is not as it was when it ended.
    #[error("run {run} was changed since its end: {}", .changes.join(", "))]
    Damaged {
        /// The run.
        run: String,
        /// The files, and what became of them.
        changes: Vec<String>,
    },
    /// Its inputs are not those of its plan.
    #[error("the inputs of run {run} are not those that it was planned with: {}", .changes.join(", "))]
    Inputs {
        /// The run.
        run: String,
        /// The files, and what became of them.
        changes: Vec<String>,
    },
    /// Its plan is of another format.
    #[error("the plan of run {run} has format {found}, and this version of timetrial carries out format {FORMAT}")]
    OtherFormat {
        /// The run.
        run: String,
        /// The plan's format.
        found: u32,
    },
    /// Another version began it.
    #[error("run {run} was begun by timetrial {found}, and this is timetrial {own}", own = env!("CARGO_PKG_VERSION"))]
    OtherVersion {
        /// The run.
        run: String,
        /// That version.
        found: String,
    },
}

/// A run that may go on, locked, and not changed yet.
#[derive(Debug)]
pub struct Resumption {
    /// The run as it is.
    pub run: StoredRun,
    /// Its id, as it was begun.
    pub id: String,
    /// The bytes of its input files, by their names in the plan.
    pub inputs: BTreeMap<String, Vec<u8>>,
    /// Who carried it out last, where that is recorded.
    pub controller: Option<Controller>,
    /// The trials that need no other attempt.
    pub finished: BTreeSet<String>,
    /// How many sessions it had.
    pub sessions: u32,
    /// Bytes of half an event at the end of the events.
    pub half: usize,
    events: File,
    /// What stands at the end of the events without the end of a line.
    tail: Vec<u8>,
}

impl Resumption {
    /// Looks at a run. It stays locked as long as this, or the writer made of it, lives.
    pub fn of(directory: &Path) -> Result<Self, ResumeError> {
        // By its own name, also where it is called `.`.
        let directory = &directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let path = directory.join(paths::EVENTS);
        let failed = |error: io::Error| StoreError::File { path: path.display().to_string(), why: error.to_string() };
        let events = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        let controller = controller(directory)?;
        if !lock(&events).map_err(failed)? {
            let run = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let unknown = || "by whom is not recorded".to_owned();
            return Err(ResumeError::Runs { run, owner: controller.map_or_else(unknown, |held| held.owner) });
        }
        // Damage first: what was changed may be why it can't be read.
        let changes = damage(directory)?;
        if !changes.is_empty() {
            let run = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            return Err(ResumeError::Damaged { run, changes });
        }
        let run = open(directory)?;
        let id = begun(&run.events).map_or_else(|| run.id.clone(), |(id, _)| id.to_owned());
        let versions = begun(&run.events).map(|(_, version)| version).into_iter();
        let mut versions = versions.chain(controller.iter().map(|controller| controller.timetrial.as_str()));
        if let Some(found) = versions.find(|version| *version != env!("CARGO_PKG_VERSION")) {
            return Err(ResumeError::OtherVersion { run: id, found: found.to_owned() });
        }
        if run.plan.format != FORMAT {
            return Err(ResumeError::OtherFormat { run: id, found: run.plan.format });
        }
        let inputs =
            inputs(directory, &run.plan).map_err(|changes| ResumeError::Inputs { run: id.clone(), changes })?;
        let bytes = fs::read(&path).map_err(failed)?;
        let tail = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        let half = if serde_json::from_slice::<Event>(&tail).is_ok() { 0 } else { tail.len() };
        let finished = attempts::finished(&run.events);
        Ok(Self { id, inputs, controller, finished, sessions: next_number(directory), half, events, tail, run })
    }

    /// Whether it ended by itself and has nothing left to do.
    pub fn is_over(&self) -> bool {
        let last = self.run.events.last().map(|event| &event.event);
        matches!(last, Some(Happening::CampaignFinished { outcome: Outcome::Measured, .. })) && self.left() == 0
    }

    /// Whether its manifest is there.
    pub fn is_sealed(&self) -> bool {
        matches!(self.run.state, RunState::Complete(_))
    }

    /// How many trials are left.
    pub fn left(&self) -> usize {
        self.run.plan.trials.iter().filter(|trial| !self.finished.contains(&trial.id)).count()
    }

    /// Whether its first event was written: if not, nothing was contacted.
    pub fn has_begun(&self) -> bool {
        begun(&self.run.events).is_some()
    }

    /// The number of its last event.
    pub fn sequence(&self) -> u64 {
        self.run.events.last().map_or(0, |event| event.sequence)
    }

    /// Milliseconds since its start, never less than its last event has. Nothing but the wall clock was there to see
    /// how long nothing ran.
    pub fn elapsed_ms(&self, now: Timestamp) -> u64 {
        let Some(last) = self.run.events.last() else { return 0 };
        let since = u64::try_from(now.duration_since(last.time).as_millis()).unwrap_or(0);
        last.elapsed_ms.saturating_add(since)
    }

    /// The writer of the next session. What sessions before it wrote stays, or is moved to where it is kept.
    pub fn begin(mut self, controller: &Controller) -> io::Result<RunWriter> {
        let session = Session::after(&self.run.directory)?;
        self.mend_end(Some(&session))?;
        if self.is_sealed() {
            session.move_away(paths::COMPLETE)?;
        }
        let mut writer = RunWriter::continued(&self.id, &self.run.directory, self.events, Some(session))?;
        writer.controller(controller)?;
        Ok(writer)
    }

    /// Writes the manifest of a run that is over and has none.
    pub fn seal(mut self) -> io::Result<()> {
        self.mend_end(None)?;
        RunWriter::continued(&self.id, &self.run.directory, self.events, None)?.complete()
    }

    /// Ends the events with the end of a line. Half an event is kept beside them, where there is something to go on with.
    fn mend_end(&mut self, session: Option<&Session>) -> io::Result<()> {
        if self.half == 0 && !self.tail.is_empty() {
            self.events.write_all(b"\n")?;
        }
        if let Some(session) = session.filter(|_| self.half > 0) {
            let mut file = File::create(session.keeps("events.half"))?;
            file.write_all(&self.tail)?;
            file.sync_all()?;
            self.events.set_len(self.events.metadata()?.len() - self.tail.len() as u64)?;
        }
        self.events.sync_all()
    }
}

/// The id and the version that a run was begun with.
fn begun(events: &[Event]) -> Option<(&str, &str)> {
    events.iter().find_map(|event| match &event.event {
        Happening::CampaignStarted { run, timetrial, .. } => Some((run.as_str(), timetrial.as_str())),
        _ => None,
    })
}

fn controller(directory: &Path) -> Result<Option<Controller>, StoreError> {
    crate::store::open::read_json_if_there(&directory.join(paths::CONTROLLER))
}

/// The input files, if each is what the plan says; else what is wrong.
fn inputs(directory: &Path, plan: &Plan) -> Result<BTreeMap<String, Vec<u8>>, Vec<String>> {
    let (mut inputs, mut changes) = (BTreeMap::new(), Vec::new());
    for (name, digest) in &plan.inputs {
        match fs::read(directory.join(name)) {
            Ok(bytes) if sha256_bytes(&bytes) == *digest => {
                inputs.insert(name.clone(), bytes);
            }
            Ok(_) => changes.push(format!("{name} was changed")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => changes.push(format!("{name} is missing")),
            Err(error) => changes.push(format!("{name} can't be read: {error}")),
        }
    }
    if changes.is_empty() { Ok(inputs) } else { Err(changes) }
}
