//! How processes end: asked politely, waited for, and then whatever is left of their session killed.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::process::Processes;
use crate::agent::procfs::{self, Stat};
use crate::agent::shared_memory::Segments;
use crate::command::Exit;
use crate::wire::Failure;

/// How a process was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// How it ended; `None` when even KILL did not end it.
    pub exit: Option<Exit>,
    /// Whether it had to be killed.
    pub killed: bool,
    /// Processes of it that outlived it and were killed, as `pid command`.
    pub leftovers: Vec<String>,
    /// Those of it, itself among them, that not even KILL has ended, as `pid command`.
    pub still_alive: Vec<String>,
}

/// After KILL, the kernel needs at most this long, or something is very wrong (a process stuck in the kernel).
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Stops a process: its polite signal, `grace`, KILL; then the rest of its session. With a daemon go the orphans: what
/// left its session by a double fork would be measured together with the next one.
pub fn stop(processes: &Processes, number: u64, grace: Duration) -> Result<Stopped, Failure> {
    let (pid, polite, exit) = processes.with(number, |entry| (entry.pid, entry.polite, entry.exit))?;
    // Who belongs to it is seen before it dies: afterwards its children have another parent.
    let before = procfs::members(pid);
    let mut segments = Segments::default();
    let mut killed = false;
    let mut exit = exit.map(|(exit, _)| exit);
    if exit.is_none() && !grace.is_zero() {
        signal(pid, polite);
        exit = processes.wait(number, grace);
    }
    if exit.is_none() {
        killed = true;
        segments.note(pid);
        signal(pid, Signal::SIGKILL);
        exit = processes.wait(number, KILL_LIMIT);
    }
    let command = procfs::command_line(pid);
    let rest = kill_rest(segments, || {
        let orphans = if polite == Signal::SIGTERM { processes.orphans() } else { Vec::new() };
        let mut left = procfs::family(|process| process.session == pid || orphans.contains(&process.pid));
        let escaped: Vec<Stat> = before.iter().filter_map(|known| same(known, &left)).collect();
        left.extend(escaped);
        left
    });
    let mut still_alive = rest.still_alive;
    if exit.is_none() && still_alive.is_empty() {
        // It can't be seen any more, and yet the kernel has not told of its end.
        still_alive.push(format!("{pid} {command}"));
    }
    Ok(Stopped { exit, killed, leftovers: rest.killed, still_alive })
}

/// A process that was seen before, if it is still there and not yet found.
fn same(known: &Stat, found: &[Stat]) -> Option<Stat> {
    let now = procfs::stat(known.pid).filter(|now| now.start_ticks == known.start_ticks);
    now.filter(|now| !found.iter().any(|process| process.pid == now.pid))
}

/// What became of the rest, as `pid command`.
struct Rest {
    killed: Vec<String>,
    still_alive: Vec<String>,
}

/// Kills what is left until nothing is, or until the time is up. With them goes the shared memory that they, and those who
/// were killed before them, can't take away any more.
fn kill_rest(mut segments: Segments, look: impl Fn() -> Vec<Stat>) -> Rest {
    let deadline = Instant::now() + KILL_LIMIT;
    let mut told: Vec<(u32, String)> = Vec::new();
    let mut patience = LEAVING;
    loop {
        let mut left = look();
        left.retain(|process| process.state != 'Z' && process.pid != std::process::id());
        if left.is_empty() || Instant::now() > deadline {
            segments.remove_unused();
            let (alive, gone): (Vec<_>, Vec<_>) =
                told.into_iter().partition(|(pid, _)| left.iter().any(|process| process.pid == *pid));
            let lines = |found: Vec<(u32, String)>| found.iter().map(|(pid, line)| format!("{pid} {line}")).collect();
            return Rest { killed: lines(gone), still_alive: lines(alive) };
        }
        if patience.is_zero() {
            for process in &left {
                if !told.iter().any(|(pid, _)| *pid == process.pid) {
                    told.push((process.pid, procfs::command_line(process.pid)));
                }
                segments.note(process.pid);
                signal(process.pid, Signal::SIGKILL);
            }
        }
        let pause = Duration::from_millis(5);
        patience = patience.saturating_sub(pause);
        std::thread::sleep(pause);
    }
}

/// Children that were told to leave by their parent may still be at it when the parent is gone: that is no fault.
const LEAVING: Duration = Duration::from_millis(100);

/// Sends a signal; a process that is already gone is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Stops everything at once, as the dead man's switch does: load is killed, the rest gets its polite signal and
/// `grace` together, then KILL. Who was still there.
pub fn stop_all(processes: &Processes, grace: Duration, mark: &str) -> Vec<String> {
    let alive = processes.alive();
    let mut stopped = Vec::new();
    for number in &alive {
        if let Ok((pid, polite, label)) =
            processes.with(*number, |entry| (entry.pid, entry.polite, entry.label.clone()))
        {
            stopped.push(format!("{pid} {label}"));
            signal(pid, polite);
        }
    }
    let deadline = Instant::now() + grace;
    for number in &alive {
        processes.wait(*number, deadline.saturating_duration_since(Instant::now()));
    }
    for number in alive {
        // Those that have not ended are killed here; of those that have, what is left of the session.
        if let Ok(rest) = stop(processes, number, Duration::ZERO) {
            stopped.extend(rest.leftovers.into_iter().chain(rest.still_alive));
        }
    }
    // Also where nothing was alive any more: what has long left its session bears the mark, or has the agent as parent.
    let rest = kill_rest(Segments::default(), || {
        let orphans = processes.orphans();
        procfs::family(|process| orphans.contains(&process.pid) || procfs::has_mark(process.pid, mark))
    });
    stopped.extend(rest.killed.into_iter().chain(rest.still_alive));
    stopped
}
