//! Which processors our threads run on, and in which class. Real time is for open loops only, never on a processor that the
//! server may run on: it would starve it.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::loadgen::fault::Errno;

/// Its place within the class: enough to come before everything ordinary.
const PRIORITY: libc::c_int = 10;

/// Has this thread run on one processor only.
pub fn pin(cpu: usize) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(libc::EINVAL);
    }
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(rustix::io::Errno::raw_os_error)
}

/// The processors that this thread may run on.
pub fn processors() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Has this thread run in the real-time class: whatever is due for it is done at once.
#[expect(unsafe_code, reason = "no safe crate sets the scheduler class of a thread")]
pub fn real_time() -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: 0 is this thread, and the structure lives until the call returns.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM)),
    }
}

/// Has the kernel wake this thread up as exactly as it can: by default it may be 50 µs late, to save power.
#[expect(unsafe_code, reason = "no safe crate sets the slack of timers without the rest of prctl")]
pub fn exact_timers() {
    // SAFETY: this call takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}
