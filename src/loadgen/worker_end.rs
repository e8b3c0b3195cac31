//! How a worker's part ends: second by second, in time or before, and what was not finished by then.

use crate::loadgen::answer::Spoken;
use crate::loadgen::slots::Phase;
use crate::loadgen::tally::{Second, Tally};
use crate::loadgen::worker::Worker;

/// After the end answers are waited for so long at most, or as long as a request may take.
const LONGEST_DRAIN_NS: u64 = 2_000_000_000;
/// From one second to the next.
pub const SECOND_NS: u64 = 1_000_000_000;

impl Worker<'_> {
    /// Whether all is done: nothing is sent any more, and nothing is awaited.
    pub fn is_done(&self, now: u64) -> bool {
        !self.is_sending && self.start_ns != u64::MAX && (now >= self.drain_ns || !self.slots.anything_waits())
    }

    /// Ends before the time, without waiting for what is under way.
    pub fn stop(&mut self, now: u64) {
        if self.is_sending {
            self.end_sending(now);
        }
        self.drain_ns = now;
    }

    pub(in crate::loadgen) fn end_sending(&mut self, now: u64) {
        self.is_sending = false;
        self.end_ns = self.end_ns.min(now);
        self.drain_ns = self.end_ns + self.timeout_ns.min(LONGEST_DRAIN_NS);
        self.slots.want_nothing();
    }

    pub(in crate::loadgen) fn roll(&mut self, now: u64) {
        while now >= self.second_end_ns && self.is_sending {
            self.hand_over();
            self.second_end_ns += SECOND_NS;
        }
        if !self.is_sending {
            self.second_end_ns = u64::MAX;
        }
    }

    fn hand_over(&mut self) {
        self.second.connections = self.open;
        let next = Second::new(self.second.index + 1);
        // Whoever does not listen any more does not want it.
        let _ = self.seconds.send(std::mem::replace(&mut self.second, next));
    }

    /// What was counted, once all is done. What was not finished by then is told, with its age.
    pub fn finish(mut self, now: u64) -> (Tally, Spoken) {
        self.tally.connections_alive = self.open;
        for slot in 0..self.connections.len() as u32 {
            let connection = &self.connections[slot as usize];
            if connection.asked && self.slots.phase(slot) == Phase::Busy {
                let (due, sent) = (connection.due_ns, connection.sent_ns);
                // One whose connection is still being made was never sent.
                self.tally.unfinished += u64::from(connection.sent);
                self.tally.never_sent += u64::from(!connection.sent && self.due.is_open_loop());
                self.at_least(now.saturating_sub(due), now.saturating_sub(if connection.sent { sent } else { due }));
            }
        }
        let (due, backlog) = self.due.left(self.end_ns);
        self.tally.due = due;
        for (due_ns, count) in backlog {
            self.tally.never_sent += count;
            self.tally.bounded += count;
            self.tally.latency.saturating_record_n(now.saturating_sub(due_ns), count);
            self.second.latency.saturating_record_n(now.saturating_sub(due_ns), count);
        }
        if self.second.sent + self.second.answers + self.second.faults > 0 || !self.second.latency.is_empty() {
            self.hand_over();
        }
        (self.tally, self.spoken)
    }
}
