//! Waiting for events or for a time, to the nanosecond: exactly, or at the ticks of an economical engine.

use std::os::fd::OwnedFd;

use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use crate::loadgen::clock::now_ns;
use crate::loadgen::epoll::span;

/// From one tick to the next.
const TICK_NS: u64 = 250_000;

/// The number of the timer among the events: no connection has it.
const TIMER: u64 = u64::MAX;

/// How one thread waits.
#[derive(Debug)]
pub struct Sleep {
    is_economical: bool,
    /// Wakes us where the kernel's own waits have only milliseconds (before Linux 5.11).
    timer: Option<OwnedFd>,
}

impl Sleep {
    /// Finds out what this kernel can do.
    pub fn new(epoll: &Epoll, is_economical: bool) -> Result<Self, Errno> {
        let mut probe: Vec<epoll::Event> = Vec::with_capacity(1);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timer = match epoll::wait(&epoll.0, spare_capacity(&mut probe), Some(&now)) {
            // Refused by an old kernel, or by a filter that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {
                let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
                epoll::add(
                    &epoll.0,
                    &timer,
                    epoll::EventData::new_u64(TIMER),
                    epoll::EventFlags::IN | epoll::EventFlags::ET,
                )?;
                Some(timer)
            }
            _ => None,
        };
        Ok(Self { is_economical, timer })
    }

    /// Waits for events until that time, and takes those that have come.
    pub fn wait(&self, epoll: &Epoll, events: &mut Vec<epoll::Event>, until: u64, now: u64) -> Result<(), Errno> {
        let mut from = now;
        if self.is_economical && until > now {
            // What comes meanwhile bears the kernel's stamp, so waiting a bit costs no exactness.
            let tick = (now / TICK_NS + 1) * TICK_NS;
            sleep_until(tick);
            from = now_ns();
            if until > from {
                return self.take(epoll, events, Some(span(from, from)));
            }
        }
        self.take(epoll, events, (until != u64::MAX).then(|| span(from, until)))
    }

    fn take(&self, epoll: &Epoll, events: &mut Vec<epoll::Event>, span: Option<Timespec>) -> Result<(), Errno> {
        let Some(timer) = &self.timer else {
            epoll::wait(&epoll.0, spare_capacity(events), span.as_ref())?;
            return Ok(());
        };
        let is_now = span.is_some_and(|span| span.tv_sec == 0 && span.tv_nsec == 0);
        if let Some(it_value) = span.filter(|_| !is_now) {
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
            timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        }
        let mut taken = [EpollEvent::empty(); 64];
        let timeout = if is_now { EpollTimeout::ZERO } else { EpollTimeout::NONE };
        let count = epoll.wait(&mut taken, timeout).map_err(|error| Errno::from_raw_os_error(error as i32))?;
        events.extend(taken[..count].iter().map(|event| epoll::Event {
            flags: epoll::EventFlags::from_bits_retain(event.events().bits() as u32),
            data: epoll::EventData::new_u64(event.data()),
        }));
        Ok(())
    }
}

/// Sleeps until a time of the monotonic clock, whatever signals come.
pub fn sleep_until(at: u64) {
    let time = Timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
    while clock_nanosleep_absolute(ClockId::Monotonic, &time) == Err(Errno::INTR) {}
}
