//! The processes that the agent started: it owns them, knows when they die, and reaps them. This is the one place of
//! the product where programs are started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};

use crate::agent::identity::Identity;
use crate::agent::lock;
use crate::agent::output::{Tail, pump};
use crate::agent::procfs;
use crate::agent::shim::OWN_PROGRAM;
use crate::command::{Exit, Output};
use crate::wire::{Failure, Notice};

/// The variable that marks every process of a run, so that one that escaped its session is found.
pub const MARK: &str = "TIMETRIAL_WORK";

/// What to start.
#[derive(Debug, Clone)]
pub struct Start {
    /// What it is, for messages.
    pub label: String,
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// Its current directory.
    pub directory: PathBuf,
    /// The user to become, if not the agent's own.
    pub identity: Option<Identity>,
    /// What the kernel sends it when the agent dies.
    pub death_signal: Signal,
    /// Bytes for its standard input.
    pub input: Vec<u8>,
    /// How its output is passed on.
    pub pass_on: PassOn,
}

/// How a process's output is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassOn {
    /// Only the tail is kept.
    Nothing,
    /// Each chunk is a notice, and the end is one.
    Notices,
}

/// A started process.
#[derive(Debug)]
pub struct Entry {
    /// What it is.
    pub label: String,
    /// Its pid, which is also its session.
    pub pid: u32,
    /// Its start time: with the pid it names it for good.
    pub start_ticks: Option<u64>,
    /// When it was started.
    pub started: Instant,
    /// Its last output.
    pub stdout: Tail,
    /// Its last messages.
    pub stderr: Tail,
    /// The signal that asks it politely.
    pub polite: Signal,
    /// How it ended, once it has.
    pub exit: Option<(Exit, Duration)>,
    readers: Vec<JoinHandle<()>>,
}

/// All processes of one agent.
pub struct Processes {
    table: Mutex<Table>,
    changed: Condvar,
    spawner: Mutex<Sender<SpawnJob>>,
    notices: Sender<Notice>,
    /// The limit of open files for what is started; 0 where none was asked for.
    files: AtomicU64,
    /// Data directories of servers that are the machine's own.
    spared: Mutex<Vec<PathBuf>>,
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    closed: bool,
}

type Spawned = (u32, ChildStdin, ChildStdout, ChildStderr);
type SpawnJob = (Start, u64, Sender<std::io::Result<Spawned>>);

impl Processes {
    /// An empty table. Notices of started processes go to `notices`.
    pub fn new(notices: Sender<Notice>) -> Arc<Self> {
        let (jobs, queue) = channel();
        // The kernel's death signal comes when the *thread* that started a process ends, so one thread starts them
        // all and lives as long as the agent.
        std::thread::spawn(move || spawn_forever(&queue));
        let processes = Arc::new(Self {
            table: Mutex::default(),
            changed: Condvar::new(),
            spawner: Mutex::new(jobs),
            notices,
            files: AtomicU64::new(0),
            spared: Mutex::default(),
        });
        let reaper = Arc::clone(&processes);
        std::thread::spawn(move || reaper.reap_forever());
        processes
    }

    /// Starts a process in a session of its own; its number here.
    pub fn start(&self, start: Start, polite: Signal) -> Result<u64, Failure> {
        self.start_if(start, polite, false)
    }

    fn start_if(&self, start: Start, polite: Signal, also_when_closed: bool) -> Result<u64, Failure> {
        let (label, input, pass_on) = (start.label.clone(), start.input.clone(), start.pass_on);
        let shown = start.program.display().to_string();
        // The table is locked over the start, so that the reaper can't see an end before there is an entry.
        let mut table = lock(&self.table);
        if table.closed && !also_when_closed {
            return Err(Failure::new("leaving", "the agent is leaving and starts nothing more"));
        }
        let (pid, stdin, stdout, stderr) = self
            .spawn(start)
            .map_err(|error| Failure::new("start", format!("can't start {label} `{shown}`: {error}")))?;
        let number = table.next;
        table.next += 1;
        feed(stdin, input);
        let (out, err) = (Tail::default(), Tail::default());
        let readers =
            vec![self.read(number, stdout, &out, false, pass_on), self.read(number, stderr, &err, true, pass_on)];
        let start_ticks = procfs::stat(pid).map(|stat| stat.start_ticks);
        let entry = Entry {
            label,
            pid,
            start_ticks,
            started: Instant::now(),
            stdout: out,
            stderr: err,
            polite,
            exit: None,
            readers,
        };
        table.entries.insert(number, entry);
        drop(table);
        self.changed.notify_all();
        Ok(number)
    }

    /// From now on nothing is started: what is stopped stays stopped.
    pub fn close(&self) {
        lock(&self.table).closed = true;
    }

    /// The server of this data directory is the machine's own: started again by what the agent starts, it becomes the
    /// agent's child all the same, and is to be left alone.
    pub fn spare(&self, data: &Path) {
        let mut spared = lock(&self.spared);
        if !spared.iter().any(|known| known == data) {
            spared.push(data.to_owned());
        }
    }

    fn is_spared(&self, pid: u32) -> bool {
        let spared = lock(&self.spared);
        // Its server names the data directory, in what also root of a container may read.
        let command = procfs::command_line(pid);
        spared.iter().any(|data| command.split(' ').any(|word| Path::new(word) == data))
    }

    /// From now on what is started gets this limit of open files, as far as it can be had.
    pub fn limit_files(&self, files: u64) {
        self.files.store(files, Ordering::Release);
    }

    fn spawn(&self, start: Start) -> std::io::Result<Spawned> {
        let (answer, result) = channel();
        let gone = || std::io::Error::other("the thread that starts processes is gone");
        let files = self.files.load(Ordering::Acquire);
        lock(&self.spawner).send((start, files, answer)).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())?
    }

    fn read(
        &self,
        number: u64,
        from: impl std::io::Read + Send + 'static,
        tail: &Tail,
        stderr: bool,
        pass_on: PassOn,
    ) -> JoinHandle<()> {
        let (tail, notices) = (tail.clone(), self.notices.clone());
        std::thread::spawn(move || {
            pump(from, &tail, |chunk| {
                if pass_on == PassOn::Notices {
                    // A closed channel means that the agent is leaving: nobody is left to tell.
                    let _ = notices.send(Notice::Output { process: number, stderr, bytes: chunk.to_vec() });
                }
            });
        })
    }

    fn reap_forever(&self) {
        loop {
            match waitpid(None, None) {
                Ok(WaitStatus::Exited(pid, code)) => self.ended(pid.as_raw().unsigned_abs(), Exit::Code { code }),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    self.ended(pid.as_raw().unsigned_abs(), Exit::Signal { signal: signal as i32 });
                }
                Err(Errno::ECHILD) => {
                    let table = lock(&self.table);
                    drop(self.changed.wait_timeout(table, Duration::from_millis(200)));
                }
                _ => {}
            }
        }
    }

    fn ended(&self, pid: u32, exit: Exit) {
        let mut table = lock(&self.table);
        // An adopted orphan has no entry: it is reaped, and whoever stops its session has already asked for it.
        let Some((number, entry)) =
            table.entries.iter_mut().find(|(_, entry)| entry.pid == pid && entry.exit.is_none())
        else {
            return;
        };
        let elapsed = entry.started.elapsed();
        let (number, readers) = (*number, std::mem::take(&mut entry.readers));
        let notices = self.notices.clone();
        entry.exit = Some((exit, elapsed));
        drop(table);
        self.changed.notify_all();
        std::thread::spawn(move || {
            wait_for_readers(readers);
            let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            let _ = notices.send(Notice::Exited { process: number, exit, elapsed_us });
        });
    }

    /// Looks at an entry.
    pub fn with<T>(&self, number: u64, look: impl FnOnce(&Entry) -> T) -> Result<T, Failure> {
        let table = lock(&self.table);
        let unknown = || Failure::new("unknown-process", format!("there is no process number {number}"));
        table.entries.get(&number).map(look).ok_or_else(unknown)
    }

    /// Numbers of those that have not ended, latest first.
    pub fn alive(&self) -> Vec<u64> {
        let table = lock(&self.table);
        table.entries.iter().rev().filter(|(_, entry)| entry.exit.is_none()).map(|(number, _)| *number).collect()
    }

    /// Waits for the end of a process, at most this long.
    pub fn wait(&self, number: u64, most: Duration) -> Option<Exit> {
        let deadline = Instant::now() + most;
        let mut table = lock(&self.table);
        loop {
            match table.entries.get(&number) {
                Some(Entry { exit: Some((exit, _)), .. }) => return Some(*exit),
                None => return None,
                Some(_) => {}
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            table = match self.changed.wait_timeout(table, left) {
                Ok((table, _)) => table,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Children of the agent that it did not start: their parents died and left them, and the kernel gave them to it.
    pub fn orphans(&self) -> Vec<u32> {
        // Locked over the look, so that one that is being started is not taken for one.
        let table = lock(&self.table);
        let is_started = |pid| table.entries.values().any(|entry| entry.pid == pid && entry.exit.is_none());
        let agent = std::process::id();
        let children = procfs::all().into_iter().filter(|process| process.parent == agent).map(|process| process.pid);
        children.filter(|pid| !is_started(*pid) && !self.is_spared(*pid)).collect()
    }

    /// Starts a helper program, waits for its end, and gives what it printed (its last 64 KiB each). It is killed at
    /// the time limit.
    pub fn run(&self, start: Start, most: Duration) -> Result<Output, Failure> {
        self.run_if(start, most, false)
    }

    /// The same, also after [`Self::close`]: for what puts the machine back.
    pub fn run_last(&self, start: Start, most: Duration) -> Result<Output, Failure> {
        self.run_if(start, most, true)
    }

    fn run_if(&self, start: Start, most: Duration, also_when_closed: bool) -> Result<Output, Failure> {
        let label = start.label.clone();
        let number = self.start_if(start, Signal::SIGTERM, also_when_closed)?;
        let Some(exit) = self.wait(number, most) else {
            crate::agent::stop::stop(self, number, Duration::ZERO)?;
            return Err(Failure::new(
                "too-slow",
                format!("{label} did not end within {} s and was killed", most.as_secs()),
            ));
        };
        self.settle(number);
        self.with(number, |entry| Output {
            exit,
            stdout: entry.stdout.last(usize::MAX),
            stderr: entry.stderr.last(usize::MAX),
        })
    }

    /// Gives the readers of an ended process the moment they need for the last bytes.
    fn settle(&self, number: u64) {
        let deadline = Instant::now() + READERS_GRACE;
        while Instant::now() < deadline {
            let done = self.with(number, |entry| entry.stdout.is_settled() && entry.stderr.is_settled());
            if done.unwrap_or(true) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A process that inherited the pipe may hold it open for ever; its parent's end is told after this long all the same.
const READERS_GRACE: Duration = Duration::from_secs(1);

fn wait_for_readers(readers: Vec<JoinHandle<()>>) {
    let deadline = Instant::now() + READERS_GRACE;
    while Instant::now() < deadline && readers.iter().any(|reader| !reader.is_finished()) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn feed(mut stdin: ChildStdin, input: Vec<u8>) {
    if !input.is_empty() {
        // In a thread: a program that never reads must not block the agent. One that closes early tells so itself.
        std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
    }
}

fn spawn_forever(queue: &Receiver<SpawnJob>) {
    while let Ok((start, files, answer)) = queue.recv() {
        let _ = answer.send(spawn_one(&start, files));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where programs are started")]
fn spawn_one(start: &Start, files: u64) -> std::io::Result<Spawned> {
    let mut shim = std::process::Command::new(OWN_PROGRAM);
    shim.arg("exec").arg("--parent").arg(std::process::id().to_string());
    shim.arg("--death-signal").arg((start.death_signal as i32).to_string());
    if files > 0 {
        shim.arg("--nofile").arg(files.to_string());
    }
    if let Some(identity) = &start.identity {
        shim.arg("--uid").arg(identity.uid.to_string()).arg("--gid").arg(identity.gid.to_string());
    }
    shim.arg("--directory").arg(&start.directory).arg("--").arg(&start.program).args(&start.arguments);
    shim.env_clear().envs(&start.environment);
    let mut child = shim.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
    let ((stdin, stdout), stderr) = pipes.ok_or_else(|| std::io::Error::other("a pipe is missing"))?;
    Ok((child.id(), stdin, stdout, stderr))
}
