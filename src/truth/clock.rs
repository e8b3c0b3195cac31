//! Times in nanoseconds.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Of one second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// `CLOCK_MONOTONIC`.
pub fn now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// How far `CLOCK_REALTIME` is ahead of `CLOCK_MONOTONIC`.
pub fn real_ahead() -> i64 {
    // Read in between, so that an interruption shows as a wide gap.
    let gap = |()| {
        let before = now();
        let real = nanoseconds(clock_gettime(ClockId::Realtime));
        let after = now();
        (after - before, real.wrapping_sub(before.midpoint(after)).cast_signed())
    };
    (0..5).map(|_| gap(())).min().map_or(0, |(_, ahead)| ahead)
}

/// Sleeps until that moment of `CLOCK_MONOTONIC`.
pub fn sleep_until(moment: u64) {
    while now() < moment {
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &timespec(moment));
    }
}

/// For system calls.
pub fn timespec(ns: u64) -> Timespec {
    // Both fit: seconds of a u64 of nanoseconds are few.
    Timespec { tv_sec: (ns / SECOND_NS).cast_signed(), tv_nsec: (ns % SECOND_NS).cast_signed() }
}

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec.cast_unsigned() * SECOND_NS + time.tv_nsec.cast_unsigned()
}
