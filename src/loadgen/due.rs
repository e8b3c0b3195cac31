//! One thread's part of the schedule: every so-manieth request of it, so that all threads together keep it exactly.

use crate::loadgen::schedule::Schedule;
use crate::loadgen::settings::Pace;

/// So many ages are told apart among requests that were never sent; more of them are counted by the next one's.
const MOST_AGES: u64 = 100_000;

/// When this thread's requests are due.
#[derive(Debug)]
pub struct Due {
    schedule: Option<Schedule>,
    /// The number of the next request, over the whole load.
    number: u64,
    first: u64,
    /// From one number of this thread to the next: the number of threads.
    stride: u64,
    start_ns: u64,
    /// When the next one is due. 0 in a closed loop: whenever a connection is free.
    next_ns: u64,
}

impl Due {
    /// The part of the thread with this number, of so many.
    pub fn new(pace: &Pace, thread: u32, threads: u32) -> Self {
        let schedule = match pace {
            Pace::Closed => None,
            Pace::Open(schedule) => Some(schedule.clone()),
        };
        let first = u64::from(thread);
        Self { schedule, number: first, first, stride: u64::from(threads.max(1)), start_ns: 0, next_ns: u64::MAX }
    }

    /// Begins at this time.
    pub fn begin(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
        self.next_ns = start_ns;
        self.look();
    }

    /// Whether there is a schedule.
    pub fn is_open_loop(&self) -> bool {
        self.schedule.is_some()
    }

    /// When the next one is due.
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Takes the next one: its number, and when it was due.
    pub fn take(&mut self, now: u64) -> (u64, u64) {
        let taken = (self.number, if self.schedule.is_some() { self.next_ns } else { now });
        self.number += self.stride;
        self.look();
        taken
    }

    fn look(&mut self) {
        if let Some(schedule) = &self.schedule {
            self.next_ns = self.start_ns.saturating_add(schedule.due_ns(self.number));
        }
    }

    /// How many were due before this time, and those among them that were not taken: when they were due, and how many that is.
    pub fn left(&self, end_ns: u64) -> (u64, Vec<(u64, u64)>) {
        let Some(schedule) = &self.schedule else { return (0, Vec::new()) };
        let length_ns = end_ns.saturating_sub(self.start_ns);
        // All of the schedule's, by halving: the first number that is not due in time.
        let (mut low, mut high) = (0, schedule.total().saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            if schedule.due_ns(middle) < length_ns { low = middle + 1 } else { high = middle }
        }
        let mine = |below: u64| below.saturating_sub(self.first).div_ceil(self.stride);
        let (due, taken) = (mine(low), (self.number - self.first) / self.stride);
        let left = due.saturating_sub(taken);
        let step = left.div_ceil(MOST_AGES).max(1);
        let ages = (0..left).step_by(step as usize).map(|index| {
            let number = self.number + index * self.stride;
            (self.start_ns + schedule.due_ns(number), step.min(left - index))
        });
        (due, ages.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_share_a_schedule_without_a_gap() {
        let pace = Pace::Open(Schedule::constant(1_000.0, Duration::from_secs(1)));
        let mut all = Vec::new();
        for thread in 0..3 {
            let mut due = Due::new(&pace, thread, 3);
            due.begin(7);
            while due.next_ns() < 1_000_000_007 {
                all.push(due.take(u64::MAX));
            }
        }
        all.sort_unstable();
        let expected: Vec<_> = (0..1_000).map(|number| (number, 7 + number * 1_000_000)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_was_never_sent_is_counted_to_the_last() {
        let pace = Pace::Open(Schedule::constant(1_000_000.0, Duration::from_secs(3)));
        let mut due = Due::new(&pace, 1, 2);
        due.begin(0);
        due.take(0);
        let (total, left) = due.left(3_000_000_000);
        assert_eq!(total, 1_500_000);
        assert_eq!(left.iter().map(|(_, count)| count).sum::<u64>(), 1_499_999);
        assert!(left.len() as u64 <= MOST_AGES);
        assert_eq!(due.left(0), (0, Vec::new()));
    }
}
