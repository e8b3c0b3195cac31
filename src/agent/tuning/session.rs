//! What an agent does about tuning from its hello to its end: it undoes what a dead one left, makes what is asked for,
//! and puts it back.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use nix::fcntl::FlockArg;
use nix::unistd::Uid;

use crate::agent::database::{self, Record, Talk};
use crate::agent::locks::{self, WhileBusy};
use crate::agent::surroundings::Agent;
use crate::agent::tuning::apply::{self, Site};
use crate::agent::tuning::journal::{self, Journal, Maker};
use crate::agent::tuning::kernel::{Kernel, tidy};
use crate::agent::tuning::snapshot::Snapshot;
use crate::agent::tuning::undo::{self, Here};
use crate::agent::tuning::{look, namespaces, nofile, untold};
use crate::agent::{lock, own, procfs, work};
use crate::wire::{Change, Compared, Failure, Left, Outcome, PutBack, Reply, Setting, Tuned, Undone};

/// An agent's share in the tuning of its machine, from its hello on.
#[derive(Debug, Default)]
pub struct Session {
    machine: Option<MachineLock>,
    run: String,
    owner: String,
    journal: Option<Journal>,
    /// What was made in the machine's own PostgreSQL.
    cluster: Option<Record>,
    /// What was put back before the end.
    early: Vec<(Undone, Option<Compared>)>,
    made: Vec<Tuned>,
    /// The limit of open files, soft and hard, as a started process has it.
    nofile: Option<(u64, u64)>,
    before: Option<Snapshot>,
}

/// The lock of the whole machine: shared by agents that change nothing about it, held alone by one that does.
#[derive(Debug)]
struct MachineLock {
    file: File,
    path: PathBuf,
    /// Whether it says that it is ours.
    signed: Cell<bool>,
}

/// Who lets go of it is not named by it any longer.
impl Drop for MachineLock {
    fn drop(&mut self) {
        self.unsign();
    }
}

impl MachineLock {
    fn path(place: &Path) -> PathBuf {
        place.join("lock")
    }

    /// Opens it only where it is: an agent that does not tune leaves nothing behind.
    fn open_existing(place: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(place);
        if !own::is_there(&path)? {
            return Ok(None);
        }
        // Who is not root can share it all the same.
        let file = if Uid::effective().is_root() { own::open_existing(&path)? } else { own::open_to_read(&path)? };
        Ok(Some(Self { file, path, signed: Cell::default() }))
    }

    fn make(place: &Path) -> Result<Self, Failure> {
        journal::make_place(place)?;
        let path = Self::path(place);
        Ok(Self { file: own::open(&path)?, path, signed: Cell::default() })
    }

    fn share(&self, while_busy: WhileBusy<'_>) -> Result<(), Failure> {
        locks::take(&self.file, &self.path, FlockArg::LockSharedNonblock, while_busy)
    }

    fn hold_alone(&self, owner: &str, id: &str, while_busy: WhileBusy<'_>) -> Result<(), Failure> {
        locks::take(&self.file, &self.path, FlockArg::LockExclusiveNonblock, while_busy)?;
        self.signed.set(true);
        locks::sign(&self.file, &self.path, owner, id)
    }

    fn unsign(&self) {
        if self.signed.take() {
            let _ = self.file.set_len(0);
        }
    }

    /// Waits for agents that came while there was no lock to share.
    fn await_outside(&self, while_busy: WhileBusy<'_>) -> Result<(), Failure> {
        locks::await_outside(&self.file, &self.path, while_busy)
    }

    /// An attempt to hold it alone may have lost what was shared.
    fn share_again(&self) {
        let _ = self.share(&|_| false);
    }

    /// From alone to shared.
    fn step_down(&self) {
        self.unsign();
        self.share_again();
    }
}

fn is_root() -> bool {
    Uid::effective().is_root()
}

fn here(kernel: &Kernel) -> Here {
    let boot_id = procfs::boot_id().unwrap_or_default();
    Here { boot_id, inodes: namespaces::read(kernel).inodes }
}

/// The first thing at a hello: undoes what a dead agent left, or refuses where that is not possible.
pub fn enter(
    agent: &Agent,
    run: &str,
    owner: &str,
    while_busy: WhileBusy<'_>,
) -> Result<(Session, Option<Undone>), Failure> {
    let (kernel, place) = (Kernel::default(), agent.tuning_place.as_path());
    let mut machine = MachineLock::open_existing(place)?;
    if let Some(machine) = &machine {
        machine.share(while_busy)?;
    }
    let mut undone = None;
    // After the lock: an agent that lives and tunes holds it alone.
    if journal::is_there(place) {
        if is_root() {
            let held = machine.take().map_or_else(|| MachineLock::make(place), Ok)?;
            held.hold_alone(owner, &work::name(run), while_busy)?;
            undone = undo_left(agent, &kernel)?.map(|(undone, _)| undone);
            held.step_down();
            machine = Some(held);
        } else if database::is_recorded(place)
            || journal::whose(place).is_none_or(|whose| Some(whose.boot_id) == procfs::boot_id())
        {
            return Err(journal::left_there(place));
        }
    }
    let undone = untold::with(place, undone);
    let before = Some(Snapshot::take(&kernel, &namespaces::read(&kernel)));
    let session = Session { machine, run: run.to_owned(), owner: owner.to_owned(), before, ..Session::default() };
    Ok((session, undone))
}

/// What was undone, in a line: for a hello that fails after it.
pub fn in_words(undone: &Undone) -> String {
    format!("what the run {} had tuned was put back first: {} changes looked at", undone.run, undone.entries.len())
}

/// Undoes what is left, the database first, as it was made last; the machine's lock is held. A record of the database that
/// can't be read fails only after the settings were put back: they do not wait for somebody to mend it.
fn undo_left(agent: &Agent, kernel: &Kernel) -> Result<Option<(Undone, Option<Compared>)>, Failure> {
    let place = agent.tuning_place.as_path();
    let recorded = database::recorded(place);
    let cluster = recorded.as_ref().ok().and_then(Option::as_ref).map(|record| undo_cluster(agent, record));
    let settings = match Journal::open(place)? {
        Some(journal) => Some((undo::undo(kernel, journal, &here(kernel)), None)),
        None => {
            journal::sweep_stump(place)?;
            None
        }
    };
    recorded.map_err(|failure| match &settings {
        Some((undone, _)) => failure.detail([in_words(undone)]),
        None => failure,
    })?;
    Ok(together(cluster.into_iter().chain(settings)))
}

/// Takes everything out of the machine's own PostgreSQL. The record stays where that does not succeed.
fn undo_cluster(agent: &Agent, record: &Record) -> (Undone, Option<Compared>) {
    let began = Instant::now();
    let place = agent.tuning_place.as_path();
    let talk = Talk { processes: &agent.processes, last: true };
    let (mut entries, compared) = database::undo(talk, record);
    untold::keep(place, &record.maker.run, &entries);
    if !entries.iter().any(|entry| matches!(entry.outcome, Outcome::Failed { .. })) {
        match record.remove(place) {
            Ok(()) => journal::forget_whose(place),
            Err(failure) => {
                let outcome = Outcome::Failed { why: failure.message };
                entries.push(PutBack { name: "the record itself".to_owned(), found: None, before: None, outcome });
            }
        }
    }
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    (Undone { run: record.maker.run.clone(), entries, took_ms }, compared)
}

/// Several undoings as one.
fn together(parts: impl IntoIterator<Item = (Undone, Option<Compared>)>) -> Option<(Undone, Option<Compared>)> {
    parts.into_iter().reduce(|(mut undone, compared), (next, also)| {
        undone.entries.extend(next.entries);
        undone.took_ms += next.took_ms;
        let compared = match (compared, also) {
            (Some(one), Some(other)) => Some(both(one, other)),
            (one, other) => one.or(other),
        };
        (undone, compared)
    })
}

fn both(mut one: Compared, other: Compared) -> Compared {
    one.values += other.values;
    one.differences.extend(other.differences);
    one
}

impl Session {
    /// Shares the machine's lock where it came after the hello began; nobody tunes then without having seen this agent.
    pub fn share_late(&mut self, place: &Path, while_busy: WhileBusy<'_>) -> Result<(), Failure> {
        if self.machine.is_some() {
            return Ok(());
        }
        let Some(machine) = MachineLock::open_existing(place)? else { return Ok(()) };
        machine.share(while_busy)?;
        if journal::is_there(place) {
            return Err(journal::left_there(place));
        }
        self.machine = Some(machine);
        Ok(())
    }

    /// Holds the machine alone, for changes that are about to be made: who makes them.
    pub fn hold(&mut self, agent: &Agent) -> Result<Maker, Failure> {
        if !is_root() {
            return Err(Failure::new("not-root", "this machine can't be tuned: the agent is not root here")
                .hint("give the machine `become = \"sudo\"` in hosts.toml, or log in as root"));
        }
        let place = agent.tuning_place.as_path();
        let is_held = self.journal.is_some() || self.cluster.is_some();
        if !is_held {
            let machine = match self.machine.take() {
                Some(machine) => machine,
                None => MachineLock::make(place)?,
            };
            let machine = self.machine.insert(machine);
            let go_on = |told: Option<String>| agent.waits_on(told);
            let held = machine.hold_alone(&self.owner, &work::name(&self.run), &go_on);
            held.and_then(|()| machine.await_outside(&go_on)).inspect_err(|_| machine.step_down())?;
            // Somebody may have come and died since the hello.
            if journal::is_there(place) {
                machine.step_down();
                return Err(journal::left_there(place));
            }
        }
        Ok(Maker {
            run: self.run.clone(),
            owner: self.owner.clone(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            boot_id: procfs::boot_id().unwrap_or_default(),
        })
    }

    /// Has it on the disk what is about to be made in the machine's own PostgreSQL.
    pub fn record(&mut self, place: &Path, record: Record) -> Result<(), Failure> {
        if self.cluster.is_some() {
            return Err(Failure::new("protocol", "this machine's PostgreSQL is prepared already"));
        }
        let written = record.write(place).and_then(|()| journal::tell_whose(place, &record.maker));
        if let Err(failure) = written {
            // Nothing was made yet.
            let _ = record.remove(place);
            journal::forget_whose(place);
            self.let_go();
            return Err(failure);
        }
        self.cluster = Some(record);
        Ok(())
    }

    /// Nobody is kept out any longer, once nothing is made.
    fn let_go(&self) {
        if let Some(machine) = self.machine.as_ref().filter(|_| self.journal.is_none() && self.cluster.is_none()) {
            machine.step_down();
        }
    }

    fn put_cluster_back(&mut self, agent: &Agent) {
        if let Some(record) = self.cluster.take() {
            self.early.push(undo_cluster(agent, &record));
        }
    }
}

/// Puts the machine's own PostgreSQL back, now; what came of it is told at the end.
pub fn put_cluster_back(agent: &Agent) {
    lock(&agent.tuning).put_cluster_back(agent);
}

/// The same, of a preparation that failed: what could not be put back.
pub fn put_back_now(session: &mut Session, agent: &Agent) -> Vec<String> {
    session.put_cluster_back(agent);
    let failed = |entry: &PutBack| match &entry.outcome {
        Outcome::Failed { why } => Some(format!("{} could not be put back: {why}", entry.name)),
        _ => None,
    };
    session.early.iter().flat_map(|(undone, _)| &undone.entries).filter_map(failed).collect()
}

/// Makes settings, and has what is started from now on have as many files open.
pub fn tune(agent: &Agent, settings: &[Setting], files: Option<u64>) -> Result<Reply, Failure> {
    agent.state()?;
    let mut session = lock(&agent.tuning);
    let go_on = || !agent.leaving.load(Ordering::Acquire);
    if !go_on() {
        return Err(Failure::new("leaving", "the agent is leaving and changes nothing more"));
    }
    if !settings.is_empty() {
        make(&mut session, agent, settings, &go_on)?;
    }
    if let Some(files) = files {
        // After the settings: one of them may be the most that is allowed.
        agent.processes.limit_files(files);
        session.nofile = Some(nofile::of_started(agent)?);
    }
    Ok(told(&session, session.made.clone()))
}

fn make(session: &mut Session, agent: &Agent, settings: &[Setting], go_on: &dyn Fn() -> bool) -> Result<(), Failure> {
    if session.journal.is_some() {
        return Err(Failure::new("protocol", "this machine is tuned already"));
    }
    let maker = session.hold(agent)?;
    let kernel = Kernel::default();
    let namespaces = namespaces::read(&kernel);
    let site = Site { kernel: &kernel, place: &agent.tuning_place, namespaces: &namespaces, root: true };
    let made = apply::make(&site, maker, settings, go_on).inspect_err(|_| session.let_go())?;
    session.journal = made.journal;
    session.made = made.settings;
    Ok(())
}

/// Reads again what was made.
pub fn verify(agent: &Agent) -> Result<Reply, Failure> {
    agent.state()?;
    let mut session = lock(&agent.tuning);
    if session.nofile.is_some() {
        session.nofile = Some(nofile::of_started(agent)?);
    }
    let mut settings = apply::verify(&Kernel::default(), &session.made);
    if let Some(running) = lock(&agent.database).as_ref() {
        settings.extend(database::verify(agent, running));
    }
    Ok(told(&session, settings))
}

fn told(session: &Session, settings: Vec<Tuned>) -> Reply {
    Reply::Tuned { settings, nofile: session.nofile }
}

/// The last thing before the directories go: puts back what was made, and holds the machine against what it was.
pub fn leave(agent: &Agent) -> (Option<Undone>, Option<Compared>) {
    let mut session = lock(&agent.tuning);
    let kernel = Kernel::default();
    session.put_cluster_back(agent);
    let settings = session.journal.take().map(|journal| (undo::undo(&kernel, journal, &here(&kernel)), None));
    let parts = together(session.early.drain(..).chain(settings));
    let (undone, cluster) = parts.map_or((None, None), |(undone, cluster)| (Some(undone), cluster));
    let later = || Snapshot::take(&kernel, &namespaces::read(&kernel));
    let compared = session.before.take().map(|before| before.compare(&later()));
    let compared = match (compared, cluster) {
        (Some(one), Some(other)) => Some(both(one, other)),
        (one, other) => one.or(other),
    };
    session.machine = None;
    (undone, compared)
}

/// What was undone is told: it need not be told again.
pub fn was_heard(agent: &Agent) {
    untold::forget(&agent.tuning_place);
}

/// Undoes by hand what a dead agent left. Where there is nothing, nothing is done.
pub fn restore(agent: &Agent, state: &Path, owner: &str) -> Result<Reply, Failure> {
    if agent.state().is_ok() {
        return Err(Failure::new("protocol", "a hello has undone what was left: there is nothing to restore after it"));
    }
    // Held so that the agent does not end in the middle of it.
    let _session = lock(&agent.tuning);
    let place = agent.tuning_place.as_path();
    if !journal::is_there(place) {
        return Ok(Reply::Restored { left: None, undone: untold::with(place, None), compared: None });
    }
    if !is_root() {
        return Err(journal::left_there(place));
    }
    let while_busy = |told: Option<String>| agent.waits_on(told);
    let id = work::name(&format!("restore {}", std::process::id()));
    let state_lock = state.join("lock");
    let _alone = if own::is_there(&state_lock)? {
        let file = own::open_existing(&state_lock)?;
        locks::take(&file, &state_lock, FlockArg::LockExclusiveNonblock, &while_busy)?;
        locks::sign(&file, &state_lock, owner, &id)?;
        Some(MachineLock { file, path: state_lock, signed: Cell::new(true) })
    } else {
        None
    };
    let machine = MachineLock::make(place)?;
    machine.hold_alone(owner, &id, &while_busy)?;
    let kernel = Kernel::default();
    let left = look::left(&kernel, place)?;
    let (undone, cluster) =
        undo_left(agent, &kernel)?.map_or((None, None), |(undone, cluster)| (Some(undone), cluster));
    let undone = untold::with(place, undone);
    let compared = left.as_ref().map(|left| compare(&kernel, left));
    let compared = compared.map(|compared| cluster.into_iter().fold(compared, both));
    drop(machine);
    Ok(Reply::Restored { left, undone, compared })
}

/// The settings of a journal held against what they were: of all others nobody knows what they were.
fn compare(kernel: &Kernel, left: &Left) -> Compared {
    let now = |change: &Change| kernel.read(&change.name).as_deref().map(tidy);
    // PostgreSQL is compared by itself.
    let settings = || left.entries.iter().filter(|change| !change.name.starts_with("PostgreSQL "));
    let differs = settings().filter(|change| now(change) != change.to);
    let differences =
        differs.map(|change| Change { name: change.name.clone(), from: change.to.clone(), to: now(change) }).collect();
    Compared { values: settings().count(), differences }
}
