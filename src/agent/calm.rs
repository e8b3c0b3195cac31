//! When a daemon is calm: its whole process tree uses next to no CPU for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::agent::procfs;

/// What waiting for calm came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calm {
    /// Whether it was calm within the limit.
    pub calm: bool,
    /// How long that took.
    pub took: Duration,
    /// CPU used in the last window, in per cent of one processor.
    pub cpu_percent: f64,
}

/// The kernel counts CPU time in ticks of 10 ms (`USER_HZ` is 100 on every architecture that Linux runs on today).
const TICK: Duration = Duration::from_millis(10);

/// Waits until a session's processes together use less than `below_percent` of one CPU for `window`.
pub fn wait(session: u32, below_percent: f64, window: Duration, limit: Duration) -> Calm {
    let start = Instant::now();
    let mut window_start = start;
    let mut before = ticks(session);
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let now = ticks(session);
        let used = used_since(&before, &now);
        let elapsed = window_start.elapsed();
        let cpu_percent = (TICK * used).as_secs_f64() / elapsed.max(window).as_secs_f64() * 100.0;
        if cpu_percent >= below_percent {
            (window_start, before) = (Instant::now(), now);
        } else if elapsed >= window {
            return Calm { calm: true, took: start.elapsed(), cpu_percent };
        }
        if start.elapsed() > limit {
            return Calm { calm: false, took: start.elapsed(), cpu_percent };
        }
    }
}

fn ticks(session: u32) -> HashMap<u32, u64> {
    procfs::members(session).into_iter().map(|process| (process.pid, process.cpu_ticks)).collect()
}

fn used_since(before: &HashMap<u32, u64>, now: &HashMap<u32, u64>) -> u32 {
    // A new process counts whole: starting workers is the opposite of calm.
    let used = now.iter().map(|(pid, ticks)| ticks.saturating_sub(before.get(pid).copied().unwrap_or(0))).sum::<u64>();
    u32::try_from(used).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_process_counts_whole_and_a_gone_one_not() {
        let before = HashMap::from([(1, 10), (2, 50)]);
        let now = HashMap::from([(1, 11), (3, 7)]);
        assert_eq!(used_since(&before, &now), 8);
    }

    #[test]
    fn a_session_of_nobody_is_calm_after_one_window() {
        let calm = wait(u32::MAX, 5.0, Duration::from_millis(60), Duration::from_secs(5));
        assert!(calm.calm && calm.took >= Duration::from_millis(60), "{calm:?}");
    }
}
