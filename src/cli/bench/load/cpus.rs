//! The two processors: one for the server, one for the generator; and how much of them went to others.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::cli::bench::failed;
use crate::cli::error::Problem;

/// Ticks in a second, as `/proc` counts them: user space sees no other number.
const TICKS_PER_S: f64 = 100.0;

/// Which processors are used.
#[derive(Debug, Clone)]
pub struct Cpus {
    /// The server's.
    pub server: usize,
    /// The generator's.
    pub generator: usize,
    /// All that we may use.
    all: CpuSet,
}

impl Cpus {
    /// The first two that we may use.
    pub fn first_two() -> Result<Self, Problem> {
        let all = sched_getaffinity(None).map_err(io::Error::from)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
        match (usable.next(), usable.next()) {
            (Some(server), Some(generator)) => Ok(Self { server, generator, all }),
            _ => Err(failed("this bench needs two processors, and may use one").hint(
                "on one, server and generator would take each other's time: no figure would be the generator's own, \
                     and under SCHED_FIFO the server would never run",
            )),
        }
    }

    /// What they are, for people.
    pub fn told(&self) -> String {
        let Self { server, generator, .. } = self;
        let siblings = fs::read_to_string(format!("/sys/devices/system/cpu/cpu{server}/topology/thread_siblings_list"));
        let shared = siblings.is_ok_and(|list| holds(list.trim(), *generator));
        let shared = if shared { "; both are threads of one core, so each slows the other" } else { "" };
        format!("server on processor {server}, generator on processor {generator}{shared}")
    }

    /// Does something on the generator's processor: what is started then stays there.
    pub fn on_generator<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        let mut one = CpuSet::new();
        one.set(self.generator);
        sched_setaffinity(None, &one)?;
        let done = what();
        sched_setaffinity(None, &self.all)?;
        Ok(done)
    }

    /// The same on the server's.
    pub fn on_server<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        Self { generator: self.server, ..self.clone() }.on_generator(what)
    }
}

/// Whether a list such as `0-1,4` names a processor.
fn holds(list: &str, cpu: usize) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse().is_ok_and(|first: usize| first <= cpu) && last.parse().is_ok_and(|last: usize| cpu <= last)
    })
}

/// CPU time of all children that have ended and were waited for.
pub fn of_ended_children() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(us.unsigned_abs()))
}

/// CPU time of a process that runs.
fn of_process(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_of_process(&stat).map(|ticks| Duration::from_secs_f64(ticks / TICKS_PER_S))
}

/// User and system time, behind the name, which may hold anything.
fn ticks_of_process(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

/// What each processor did since the start, in ticks: everything but being idle.
fn busy_of_processors(stat: &str) -> BTreeMap<usize, f64> {
    let busy = |line: &str| {
        let mut fields = line.strip_prefix("cpu").filter(|rest| !rest.starts_with(' '))?.split_ascii_whitespace();
        let cpu = fields.next()?.parse().ok()?;
        let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
        let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks[..] else { return None };
        Some((cpu, user + nice + system + irq + softirq + steal))
    };
    // The first line is of all together: its name has no number.
    stat.lines().filter_map(busy).collect()
}

/// A look at both processors before a load, to be held against one after it.
#[derive(Debug)]
pub struct Look {
    at: Instant,
    busy: BTreeMap<usize, f64>,
    server: Option<Duration>,
}

impl Look {
    /// Now.
    pub fn new(server_pid: u32) -> io::Result<Self> {
        let busy = busy_of_processors(&fs::read_to_string("/proc/stat")?);
        Ok(Self { at: Instant::now(), busy, server: of_process(server_pid) })
    }

    /// Which share of one of the processors went to others since: of the two, the larger.
    pub fn foreign_share(&self, now: &Self, cpus: &Cpus, generator: Duration) -> f64 {
        let elapsed = (now.at - self.at).as_secs_f64();
        let busy = |cpu: usize| {
            let at = |look: &Self| look.busy.get(&cpu).copied().unwrap_or(0.0);
            (at(now) - at(self)) / TICKS_PER_S
        };
        let server = now.server.zip(self.server).map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then));
        let foreign = |cpu, own: Duration| (busy(cpu) - own.as_secs_f64()) / elapsed;
        foreign(cpus.server, server).max(foreign(cpus.generator, generator)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        let check = |list: &str, cpu, expected| assert_eq!(holds(list, cpu), expected, "{list}");
        check("0-1", 1, true);
        check("0,4", 4, true);
        check("0,4", 1, false);
        check("2-3,8-11", 9, true);
        check("", 0, false);
    }

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 3 4 20 0 1 0 5 6 7";
        assert_eq!(ticks_of_process(stat), Some(300.0));
        assert_eq!(ticks_of_process("12 (a"), None);
    }

    #[test]
    fn a_processor_is_busy_with_all_but_nothing() {
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 1 20 500 7 2 3 4 0 0\ncpu1 1 0 0 9 0 0 0 0 0 0\nintr 5\n";
        assert_eq!(busy_of_processors(stat), BTreeMap::from([(0, 40.0), (1, 1.0)]));
    }

    #[test]
    fn what_is_not_our_own_is_foreign() {
        let at = Instant::now();
        let look = |seconds, server_ticks, generator_ticks, own_ms| Look {
            at: at + Duration::from_secs(seconds),
            busy: BTreeMap::from([(0, server_ticks), (1, generator_ticks)]),
            server: Some(Duration::from_millis(own_ms)),
        };
        let cpus = Cpus { server: 0, generator: 1, all: CpuSet::new() };
        let (before, after) = (look(0, 1000.0, 2000.0, 500), look(4, 1300.0, 2250.0, 3400));
        let share = before.foreign_share(&after, &cpus, Duration::from_millis(2_100));
        assert!((share - 0.1).abs() < 1e-9, "{share}");
        let share = before.foreign_share(&after, &cpus, Duration::from_secs(4));
        assert!((share - 0.1 / 4.0).abs() < 1e-9, "{share}");
    }
}
