//! The connections of one thread, as far as their state and their order matter: who is free, who waits since when, who is
//! to be made anew and when. No system call, no HTTP.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// No slot.
const NONE: u32 = u32::MAX;

/// Connections that one thread has under way at once while it makes them: more only fills the server's backlog, and what
/// does not fit there is lost and sent again after a second.
const MOST_OPENING: usize = 64;

/// How long a connection that could not be made is waited with before the next try, at first and at most.
const FIRST_RETRY_NS: u64 = 10_000_000;
const LONGEST_RETRY_NS: u64 = 1_000_000_000;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Closed,
    /// It is being made.
    Opening,
    /// It is there, and free.
    Idle,
    /// A request is under way on it.
    Busy,
}

#[derive(Debug)]
struct Slot {
    phase: Phase,
    /// Since when it is being made, or its request is under way.
    since_ns: u64,
    /// Neighbours in the order of `since_ns`.
    before: u32,
    after: u32,
    /// Failed tries to make it, one after the other.
    failures: u32,
}

/// The connections of one thread.
#[derive(Debug)]
pub struct Slots {
    slots: Vec<Slot>,
    idle: VecDeque<u32>,
    /// To be made at once.
    wanted: VecDeque<u32>,
    /// To be made later.
    later: BinaryHeap<Reverse<(u64, u32)>>,
    opening: usize,
    /// The ends of the list of those that wait for something, oldest first. As all have the same time limit, the
    /// first one is the first to be given up.
    oldest: u32,
    newest: u32,
}

impl Slots {
    /// So many, all closed.
    pub fn new(count: u32) -> Self {
        let slot = || Slot { phase: Phase::Closed, since_ns: 0, before: NONE, after: NONE, failures: 0 };
        Self {
            slots: (0..count).map(|_| slot()).collect(),
            idle: VecDeque::with_capacity(count as usize),
            wanted: VecDeque::new(),
            later: BinaryHeap::new(),
            opening: 0,
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Where a connection stands.
    pub fn phase(&self, slot: u32) -> Phase {
        self.slots[slot as usize].phase
    }

    /// Since when it is being made, or its request is under way.
    pub fn since_ns(&self, slot: u32) -> u64 {
        self.slots[slot as usize].since_ns
    }

    /// Whether anything waits: for a connection or for an answer.
    pub fn anything_waits(&self) -> bool {
        self.oldest != NONE
    }

    /// Whether any connection is free.
    pub fn any_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Wants a closed one to be made as soon as may be.
    pub fn want(&mut self, slot: u32) {
        self.wanted.push_back(slot);
    }

    /// Wants a closed one to be made after a while that grows with each failure.
    pub fn want_later(&mut self, slot: u32, now: u64) {
        let failures = self.slots[slot as usize].failures.min(16);
        let wait = (FIRST_RETRY_NS << failures).min(LONGEST_RETRY_NS);
        self.slots[slot as usize].failures += 1;
        self.later.push(Reverse((now + wait, slot)));
    }

    /// One whose while is over.
    pub fn next_rested(&mut self, now: u64) -> Option<u32> {
        let Reverse((at, slot)) = self.later.peek().copied()?;
        (at <= now).then(|| self.later.pop()).map(|_| slot)
    }

    /// Whether nothing is being made, nor to be made at once.
    pub fn is_settled(&self) -> bool {
        self.opening == 0 && self.wanted.is_empty()
    }

    /// The next one to be made now.
    pub fn next_to_open(&mut self, now: u64) -> Option<u32> {
        while let Some(slot) = self.next_rested(now) {
            self.wanted.push_back(slot);
        }
        if self.opening >= MOST_OPENING {
            return None;
        }
        let slot = self.wanted.pop_front()?;
        self.opening(slot, now);
        Some(slot)
    }

    /// One that is being made from now on.
    pub fn opening(&mut self, slot: u32, now: u64) {
        self.opening += 1;
        self.slots[slot as usize].phase = Phase::Opening;
        self.begin(slot, now);
    }

    /// Forgets what was to be made: nothing will be sent any more.
    pub fn want_nothing(&mut self) {
        self.wanted.clear();
        self.later.clear();
    }

    /// When the next while is over.
    pub fn next_rested_ns(&self) -> Option<u64> {
        self.later.peek().map(|Reverse((at, _))| *at)
    }

    /// It is made. It is nobody's yet.
    pub fn opened(&mut self, slot: u32) {
        self.finish(slot);
        self.opening -= 1;
        self.slots[slot as usize].phase = Phase::Busy;
    }

    /// It has carried an answer: the next failure is the first one again.
    pub fn worked(&mut self, slot: u32) {
        self.slots[slot as usize].failures = 0;
    }

    /// It is free. The one that was free longest is used first, so that all of them are.
    pub fn free(&mut self, slot: u32) {
        if self.phase(slot) == Phase::Busy {
            self.finish(slot);
        }
        self.slots[slot as usize].phase = Phase::Idle;
        self.idle.push_back(slot);
    }

    /// The one that was free longest. A request is under way on it from now on.
    pub fn take(&mut self, now: u64) -> Option<u32> {
        let slot = self.idle.pop_front()?;
        self.busy(slot, now);
        Some(slot)
    }

    /// A request is under way on it from now on.
    fn busy(&mut self, slot: u32, now: u64) {
        self.slots[slot as usize].phase = Phase::Busy;
        self.begin(slot, now);
    }

    /// It is gone.
    pub fn closed(&mut self, slot: u32) {
        match self.phase(slot) {
            Phase::Closed => return,
            Phase::Opening => {
                self.opening -= 1;
                self.finish(slot);
            }
            Phase::Idle => self.idle.retain(|other| *other != slot),
            Phase::Busy => self.finish(slot),
        }
        self.slots[slot as usize].phase = Phase::Closed;
    }

    /// The one that has waited longest.
    pub fn longest_waiting(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Puts it at the end of those that wait.
    fn begin(&mut self, slot: u32, now: u64) {
        let newest = self.newest;
        let this = &mut self.slots[slot as usize];
        this.since_ns = now;
        this.before = newest;
        this.after = NONE;
        if newest == NONE {
            self.oldest = slot;
        } else {
            self.slots[newest as usize].after = slot;
        }
        self.newest = slot;
    }

    /// Takes it out of those that wait, if it is one.
    fn finish(&mut self, slot: u32) {
        let Slot { before, after, .. } = self.slots[slot as usize];
        if before == NONE && self.oldest != slot {
            return;
        }
        if before == NONE {
            self.oldest = after;
        } else {
            self.slots[before as usize].after = after;
        }
        if after == NONE {
            self.newest = before;
        } else {
            self.slots[after as usize].before = before;
        }
        self.slots[slot as usize].before = NONE;
        self.slots[slot as usize].after = NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_free_longest_is_used_first() {
        let mut slots = Slots::new(3);
        for slot in 0..3 {
            slots.opening(slot, 1);
            slots.opened(slot);
            slots.free(slot);
        }
        assert_eq!((slots.take(5), slots.take(6)), (Some(0), Some(1)));
        slots.free(0);
        assert_eq!((slots.take(7), slots.take(8), slots.take(9)), (Some(2), Some(0), None));
        assert_eq!(slots.longest_waiting(), Some(1));
        slots.closed(1);
        assert_eq!(slots.longest_waiting(), Some(2));
        slots.free(2);
        slots.free(0);
        assert!(!slots.anything_waits());
    }

    #[test]
    fn a_server_that_refuses_is_not_asked_again_at_once() {
        let mut slots = Slots::new(1);
        let mut now = 0;
        for wait in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            slots.want_later(0, now);
            assert_eq!(slots.next_to_open(now + (wait - 1) * 1_000_000), None);
            now += wait * 1_000_000;
            assert_eq!(slots.next_to_open(now), Some(0));
            slots.closed(0);
        }
    }

    #[test]
    fn only_some_are_made_at_once() {
        let mut slots = Slots::new(100);
        (0..100).for_each(|slot| slots.want(slot));
        let made: Vec<u32> = std::iter::from_fn(|| slots.next_to_open(0)).collect();
        assert_eq!(made.len(), MOST_OPENING);
        slots.opened(7);
        assert_eq!(slots.next_to_open(0), Some(64));
    }

    #[test]
    fn whatever_happens_the_list_is_in_order() {
        let mut slots = Slots::new(8);
        let mut random = 7_u64;
        for now in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let slot = (random >> 40) as u32 % 8;
            match slots.phase(slot) {
                Phase::Closed => slots.opening(slot, now),
                Phase::Opening if random.is_multiple_of(3) => slots.closed(slot),
                Phase::Opening => {
                    slots.opened(slot);
                    slots.free(slot);
                }
                Phase::Idle if random.is_multiple_of(5) => slots.closed(slot),
                Phase::Idle => drop(slots.take(now)),
                Phase::Busy if random.is_multiple_of(4) => slots.closed(slot),
                Phase::Busy => slots.free(slot),
            }
            let waiting = (0..8).filter(|slot| matches!(slots.phase(*slot), Phase::Opening | Phase::Busy));
            let oldest = waiting.map(|slot| slots.since_ns(slot)).min();
            assert_eq!(slots.longest_waiting().map(|slot| slots.since_ns(slot)), oldest);
        }
    }
}
