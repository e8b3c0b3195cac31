//! How processes end: asked politely, waited for, and then whatever is left of their session killed.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::process::Processes;
use crate::agent::procfs::{self, Stat};
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
}

/// After KILL, the kernel needs at most this long, or something is very wrong (a process stuck in the kernel).
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Stops a process: its polite signal, `grace`, KILL; then the rest of its session and all that bears `mark`.
pub fn stop(processes: &Processes, number: u64, grace: Duration, mark: Option<&str>) -> Result<Stopped, Failure> {
    let (pid, polite, exit) = processes.with(number, |entry| (entry.pid, entry.polite, entry.exit))?;
    // Who belongs to it is seen before it dies: afterwards its children have another parent.
    let before = procfs::members(pid, mark);
    let mut killed = false;
    let mut exit = exit.map(|(exit, _)| exit);
    if exit.is_none() && !grace.is_zero() {
        signal(pid, polite);
        exit = processes.wait(number, grace);
    }
    if exit.is_none() {
        killed = true;
        signal(pid, Signal::SIGKILL);
        exit = processes.wait(number, KILL_LIMIT);
    }
    let leftovers = kill_rest(pid, &before, mark);
    Ok(Stopped { exit, killed, leftovers })
}

/// Kills what is left of a session until nothing is; who that was.
fn kill_rest(session: u32, before: &[Stat], mark: Option<&str>) -> Vec<String> {
    let deadline = Instant::now() + KILL_LIMIT;
    let mut told: Vec<(u32, String)> = Vec::new();
    let mut patience = LEAVING;
    loop {
        let left = left_of(session, before, mark);
        if left.is_empty() || Instant::now() > deadline {
            return told.into_iter().map(|(pid, command)| format!("{pid} {command}")).collect();
        }
        if patience.is_zero() {
            for process in &left {
                if !told.iter().any(|(pid, _)| *pid == process.pid) {
                    told.push((process.pid, procfs::command_line(process.pid)));
                }
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

fn left_of(session: u32, before: &[Stat], mark: Option<&str>) -> Vec<Stat> {
    let mut left = procfs::members(session, mark);
    for known in before {
        let same = |now: &Stat| now.start_ticks == known.start_ticks;
        if !left.iter().any(|process| process.pid == known.pid) {
            left.extend(procfs::stat(known.pid).filter(same));
        }
    }
    left.retain(|process| process.state != 'Z' && process.pid != std::process::id());
    left
}

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
        if let Ok(rest) = stop(processes, number, Duration::ZERO, Some(mark)) {
            stopped.extend(rest.leftovers);
        }
    }
    stopped
}
