//! The clocks: one that never jumps for durations, and the kernel's receive times brought onto it.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, in nanoseconds of the monotonic clock.
pub fn now_ns() -> u64 {
    of_timespec(clock_gettime(ClockId::Monotonic))
}

/// Now, in nanoseconds of Unix time.
pub fn unix_ns() -> u64 {
    of_timespec(clock_gettime(ClockId::Realtime))
}

/// A duration as a number; longer ones than five centuries count as that.
pub fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn of_timespec(time: Timespec) -> u64 {
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// The kernel stamps what it receives in Unix time, which may be set or slewed meanwhile. So the distance of the clocks is
/// looked at again every so often, and a stamp that can't be is not used.
#[derive(Debug)]
pub struct Stamps {
    /// Monotonic time less Unix time.
    offset_ns: i64,
    looked_ns: u64,
}

/// How often the distance is looked at: no slewing moves a clock by more than 50 µs in this time.
const LOOK_NS: u64 = 100_000_000;

impl Stamps {
    /// Looks at both clocks.
    pub fn new() -> Self {
        let mut stamps = Self { offset_ns: 0, looked_ns: 0 };
        stamps.look(now_ns());
        stamps
    }

    /// Looks at both clocks again if it is time to.
    pub fn look(&mut self, now: u64) {
        if now.saturating_sub(self.looked_ns) < LOOK_NS {
            return;
        }
        // Of several looks the closest one: between its two readings of one clock lies the reading of the other.
        let closest = (0..3).map(|_| (now_ns(), unix_ns(), now_ns())).min_by_key(|(before, _, after)| after - before);
        if let Some((before, unix, after)) = closest {
            self.offset_ns = ((before + (after - before) / 2) as i64).wrapping_sub(unix as i64);
            self.looked_ns = after;
        }
    }

    /// A stamp on the monotonic clock, if it lies between these two times. Otherwise the later one: the clock was set.
    pub fn place(&self, unix: u64, earliest: u64, now: u64) -> u64 {
        let at = (unix as i64).wrapping_add(self.offset_ns) as u64;
        if (earliest..=now).contains(&at) { at } else { now }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_placed_where_it_belongs() {
        let stamps = Stamps::new();
        let earliest = now_ns();
        let unix = unix_ns();
        let now = now_ns();
        let at = stamps.place(unix, earliest.saturating_sub(50_000), now + 50_000);
        assert!(at.abs_diff(earliest) < 5_000_000, "{}", at.abs_diff(earliest));
    }

    #[test]
    fn a_clock_that_was_set_is_not_believed() {
        let stamps = Stamps::new();
        let now = now_ns();
        assert_eq!(stamps.place(unix_ns() + 3_600_000_000_000, now - 1_000, now), now);
        assert_eq!(stamps.place(unix_ns() - 3_600_000_000_000, now - 1_000, now), now);
    }
}
