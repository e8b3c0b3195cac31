//! One thread's part of a load, without a system call: which connection sends what and when, what came of it, and how long
//! that took. An engine asks it what to do next, does it, and tells it what happened.

use std::sync::mpsc::Sender;

use crate::loadgen::answer::{Answer, Spoken};
use crate::loadgen::clock::nanoseconds;
use crate::loadgen::due::Due;
use crate::loadgen::fault::Fault;
use crate::loadgen::request::Requests;
use crate::loadgen::response::{Fed, Reader};
use crate::loadgen::settings::{Protocol, Settings};
use crate::loadgen::slots::{Phase, Slots};
use crate::loadgen::tally::{Second, Tally, add};
use crate::loadgen::worker_end::SECOND_NS;

/// Why a handshake was given up that had begun.
pub const SILENT: &str = "the handshake of TLS did not end within the time limit";

/// So many answers are waited for together where requests wait for connections, but no longer than this: what that costs
/// stands in the lateness of each result, and half the system calls are saved by it.
const TOGETHER: usize = 8;
/// How long, in nanoseconds.
pub const TOGETHER_NS: u64 = 40_000;

/// What an engine is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make this connection.
    Open(u32),
    /// Send the request of this connection: [`Worker::bytes`].
    Send(u32),
    /// Nothing, until [`Worker::wake_ns`].
    Nothing,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// More is awaited from it.
    More,
    /// It is free.
    Free,
    /// It is to be closed.
    Close,
}

/// One connection.
#[derive(Debug, Default)]
pub(in crate::loadgen) struct Connection {
    pub(in crate::loadgen) reader: Reader,
    pub(in crate::loadgen) is_open: bool,
    /// Whether its handshake of TLS goes on.
    pub(in crate::loadgen) is_shaking: bool,
    /// Whether there was one before it in its slot.
    pub(in crate::loadgen) was_made: bool,
    /// Whether a request is assigned to it, and whether it was sent.
    pub(in crate::loadgen) asked: bool,
    pub(in crate::loadgen) sent: bool,
    pub(in crate::loadgen) spec: usize,
    pub(in crate::loadgen) number: u64,
    pub(in crate::loadgen) due_ns: u64,
    pub(in crate::loadgen) sent_ns: u64,
    /// Since when it was free.
    pub(in crate::loadgen) free_ns: u64,
    /// Requests that it has carried.
    pub(in crate::loadgen) carried: u64,
    /// Answers of this slot so far: a connection of one that had none is not replaced at once.
    pub(in crate::loadgen) worked: bool,
}

/// One thread's part of a load.
#[derive(Debug)]
pub struct Worker<'a> {
    pub(in crate::loadgen) requests: &'a Requests,
    /// Whether each request has a connection of its own.
    pub(in crate::loadgen) is_fresh: bool,
    pub(in crate::loadgen) most_carried: u64,
    /// Whether each slot is a connection, and not one of its streams.
    pub(in crate::loadgen) counts_slots: bool,
    pub(in crate::loadgen) timeout_ns: u64,
    pub(in crate::loadgen) due: Due,
    pub(in crate::loadgen) slots: Slots,
    pub(in crate::loadgen) connections: Vec<Connection>,
    pub(in crate::loadgen) scratch: Vec<u8>,
    pub(in crate::loadgen) tally: Tally,
    pub(in crate::loadgen) second: Second,
    pub(in crate::loadgen) seconds: Sender<Second>,
    pub(in crate::loadgen) open: u64,
    pub(in crate::loadgen) start_ns: u64,
    pub(in crate::loadgen) end_ns: u64,
    pub(in crate::loadgen) drain_ns: u64,
    pub(in crate::loadgen) second_end_ns: u64,
    pub(in crate::loadgen) is_sending: bool,
    pub(in crate::loadgen) spoken: Spoken,
}

impl<'a> Worker<'a> {
    /// The part of the thread with this number, with so many connections.
    pub fn new(settings: &'a Settings, thread: u32, connections: u32, seconds: Sender<Second>) -> Self {
        let is_fresh = settings.requests_per_connection == Some(1);
        let mut slots = Slots::new(connections);
        for slot in 0..connections {
            if is_fresh {
                slots.free(slot);
            } else {
                slots.want(slot);
            }
        }
        Self {
            requests: &settings.requests,
            is_fresh,
            most_carried: settings.requests_per_connection.unwrap_or(u64::MAX),
            counts_slots: settings.protocol == Protocol::Http1,
            timeout_ns: nanoseconds(settings.timeout),
            due: Due::new(&settings.pace, thread, settings.threads),
            slots,
            connections: (0..connections).map(|_| Connection::default()).collect(),
            scratch: Vec::new(),
            tally: Tally::default(),
            second: Second::new(0),
            seconds,
            open: 0,
            start_ns: u64::MAX,
            end_ns: u64::MAX,
            drain_ns: u64::MAX,
            second_end_ns: u64::MAX,
            is_sending: false,
            spoken: Spoken::default(),
        }
    }

    /// Whether connections are made before the load, and all of them are by now or could not be.
    pub fn is_settled(&self) -> bool {
        self.is_fresh || self.slots.is_settled()
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.open
    }

    /// Sends requests from this time on, for so long.
    pub fn begin(&mut self, start_ns: u64, duration_ns: u64) {
        self.start_ns = start_ns;
        self.end_ns = start_ns + duration_ns;
        self.second_end_ns = start_ns + SECOND_NS;
        self.due.begin(start_ns);
        self.is_sending = true;
        for connection in &mut self.connections {
            connection.free_ns = connection.free_ns.max(start_ns);
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: u64) -> Step {
        if now >= self.second_end_ns {
            self.roll(now);
        }
        // What was due in time and could have been sent then is sent even if we are late ourselves.
        let is_owed = self.due.is_open_loop() && self.due.next_ns() < self.end_ns && self.slots.any_idle();
        if self.is_sending && now >= self.end_ns && !is_owed {
            self.end_sending(now);
        }
        if self.is_fresh {
            while let Some(slot) = self.slots.next_rested(now) {
                self.slots.free(slot);
            }
        } else if let Some(slot) = self.slots.next_to_open(now) {
            return Step::Open(slot);
        }
        if !self.is_sending || now < self.due.next_ns() {
            return Step::Nothing;
        }
        let Some(slot) = self.slots.take(now) else { return Step::Nothing };
        let (number, due_ns) = self.due.take(now);
        self.assign(slot, number, due_ns);
        if self.is_fresh { Step::Open(slot) } else { Step::Send(slot) }
    }

    fn assign(&mut self, slot: u32, number: u64, due_ns: u64) {
        let connection = &mut self.connections[slot as usize];
        connection.spec = self.requests.pick(number);
        connection.number = number;
        connection.due_ns = due_ns;
        connection.asked = true;
        connection.sent = false;
        let spec = self.requests.spec(connection.spec);
        connection.reader.begin(spec.method == "HEAD", spec.expect.sha256.is_some());
    }

    /// The bytes of a connection's request.
    pub fn bytes(&mut self, slot: u32) -> &[u8] {
        let connection = &self.connections[slot as usize];
        self.requests.bytes(connection.spec, connection.number, &mut self.scratch)
    }

    /// Which of the requests a connection's is.
    pub fn spec(&self, slot: u32) -> usize {
        self.connections[slot as usize].spec
    }

    /// The first of a request's bytes went out at this time.
    pub fn sent(&mut self, slot: u32, bytes: usize, at: u64) {
        let connection = &mut self.connections[slot as usize];
        connection.sent = true;
        connection.carried += 1;
        // A request that waited for its connection to be made is under way since it was begun.
        connection.sent_ns = if self.is_fresh { self.slots.since_ns(slot) } else { at };
        // In a closed loop a request is due when its connection is free, so this is how long we hold the loop up.
        let due_ns = if self.due.is_open_loop() { connection.due_ns } else { 0 };
        add(&mut self.tally.lateness, connection.sent_ns.saturating_sub(due_ns.max(connection.free_ns)));
        if !self.due.is_open_loop() && !self.is_fresh {
            connection.due_ns = at;
        }
        self.tally.sent += 1;
        self.tally.bytes_sent += bytes as u64;
        self.second.sent += 1;
    }

    /// Before this time nothing can have come of what a connection waits for.
    pub fn earliest_ns(&self, slot: u32) -> u64 {
        self.connections[slot as usize].sent_ns
    }

    /// Whether a part of an answer has come, and not all of it.
    pub fn has_begun(&self, slot: u32) -> bool {
        let connection = &self.connections[slot as usize];
        connection.asked && connection.reader.has_begun()
    }

    /// Whether nothing is under way on a connection.
    pub fn is_idle(&self, slot: u32) -> bool {
        self.slots.phase(slot) == Phase::Idle
    }

    /// A connection is made: whether a request waits for it.
    pub fn connected(&mut self, slot: u32, now: u64) -> bool {
        let connection = &mut self.connections[slot as usize];
        connection.is_open = true;
        connection.is_shaking = false;
        connection.carried = 0;
        let was_made = std::mem::replace(&mut connection.was_made, true);
        if self.counts_slots {
            let took_ns = now.saturating_sub(self.slots.since_ns(slot));
            self.made(took_ns, was_made && !self.is_fresh);
        }
        let connection = &mut self.connections[slot as usize];
        if self.is_fresh {
            return true;
        }
        self.slots.opened(slot);
        self.slots.free(slot);
        connection.free_ns = now;
        false
    }

    /// A connection is made but for the handshake of TLS, which goes on now.
    pub fn shakes_hands(&mut self, slot: u32) {
        self.connections[slot as usize].is_shaking = true;
    }

    /// Counts a connection that was made.
    pub fn made(&mut self, took_ns: u64, is_replacement: bool) {
        add(&mut self.tally.connecting, took_ns);
        self.open += 1;
        self.tally.connections_opened += 1;
        self.tally.connections_most = self.tally.connections_most.max(self.open);
        self.tally.connections_replaced += u64::from(is_replacement);
    }

    /// Counts a connection of several streams that is gone.
    pub fn lost(&mut self, by_server: bool) {
        self.open -= 1;
        self.tally.closed_by_server += u64::from(by_server);
    }

    /// Counts bytes that were sent or received beside those of requests.
    pub fn carried(&mut self, received: u64, sent: u64) {
        self.tally.bytes_received += received;
        self.second.bytes_received += received;
        self.tally.bytes_sent += sent;
    }

    /// A slot whose connection is gone, or could not be made: it waits for another one.
    pub fn without_connection(&mut self, slot: u32, now: u64) {
        let had_worked = std::mem::take(&mut self.connections[slot as usize].worked);
        self.release(slot, now, had_worked);
    }

    /// The number of a connection's request over the whole load.
    pub fn number(&self, slot: u32) -> u64 {
        self.connections[slot as usize].number
    }

    /// Bytes came, the last of them at this time.
    pub fn received(&mut self, slot: u32, bytes: &[u8], at: u64) -> After {
        self.tally.bytes_received += bytes.len() as u64;
        self.second.bytes_received += bytes.len() as u64;
        let connection = &mut self.connections[slot as usize];
        if !connection.asked || !connection.sent {
            // Servers tell whoever was silent for long that they close the connection, and do.
            return self.closed_by_server(slot, at);
        }
        match connection.reader.feed(bytes) {
            Ok(Fed::More) => After::More,
            Ok(Fed::Whole { used }) if used == bytes.len() => self.read(slot, at),
            Ok(Fed::Whole { .. }) => self.fail(slot, Fault::Parse("bytes after the end of the answer"), at),
            Err(why) => self.fail(slot, Fault::Parse(why), at),
        }
    }

    /// The server has closed its side.
    pub fn ended(&mut self, slot: u32, at: u64) -> After {
        let connection = &mut self.connections[slot as usize];
        if !connection.asked {
            return self.closed_by_server(slot, at);
        }
        if connection.sent && connection.reader.end() {
            return self.read(slot, at);
        }
        let begun = connection.reader.has_begun();
        self.fail(slot, if begun { Fault::ClosedInAnswer } else { Fault::ClosedBeforeAnswer }, at)
    }

    /// The reader has a whole answer.
    fn read(&mut self, slot: u32, at: u64) -> After {
        let reader = &self.connections[slot as usize].reader;
        let answer = Answer {
            status: reader.status(),
            body_bytes: reader.body_bytes(),
            digest: reader.digest(),
            version: reader.version(),
            keeps_open: reader.keeps_open(),
        };
        self.answered(slot, answer, at)
    }

    /// A whole answer.
    pub fn answered(&mut self, slot: u32, answer: Answer, at: u64) -> After {
        let connection = &mut self.connections[slot as usize];
        connection.asked = false;
        connection.free_ns = at;
        connection.worked = true;
        let (latency, service) = (at.saturating_sub(connection.due_ns), at.saturating_sub(connection.sent_ns));
        let Answer { status, body_bytes, digest, version, keeps_open } = answer;
        self.spoken.note(version);
        let expect = &self.requests.spec(connection.spec).expect;
        let wrong = expect.judge(status, body_bytes, digest);
        let is_in_time = at <= self.end_ns;
        let carries_more = connection.carried < self.most_carried;
        self.tally.answers += 1;
        self.tally.answers_in_time += u64::from(is_in_time);
        self.second.answers += 1;
        if let Some(count) = self.tally.statuses.get_mut(usize::from(status)) {
            *count += 1;
        }
        if let Some(fault) = wrong {
            self.tally.fault(fault, latency);
            self.second.faults += 1;
        } else {
            self.tally.successes += 1;
            self.tally.successes_in_time += u64::from(is_in_time);
            self.second.successes += 1;
            add(&mut self.tally.latency, latency);
            add(&mut self.tally.service, service);
            add(&mut self.second.latency, latency);
        }
        self.slots.worked(slot);
        if keeps_open && carries_more {
            self.slots.free(slot);
            return After::Free;
        }
        self.tally.closed_by_server += u64::from(!keeps_open);
        self.release(slot, at, true)
    }

    /// A request, or the attempt to make a connection, has failed.
    pub fn fail(&mut self, slot: u32, fault: Fault, at: u64) -> After {
        let connection = &mut self.connections[slot as usize];
        let since = if connection.asked { connection.due_ns } else { self.slots.since_ns(slot) };
        let had_worked = connection.worked;
        // It stays due. How old it would have become is not known, and how soon it failed says nothing of the server.
        self.tally.never_sent += u64::from(connection.asked && !connection.sent && self.due.is_open_loop());
        let is_timeout = matches!(fault, Fault::Timeout | Fault::ConnectTimeout | Fault::Tls(SILENT));
        let waited = at.saturating_sub(since);
        self.tally.fault(fault, waited);
        self.second.faults += 1;
        if connection.asked && is_timeout {
            let service = if connection.sent { at.saturating_sub(connection.sent_ns) } else { waited };
            self.at_least(waited, service);
        }
        self.connections[slot as usize].worked = false;
        self.release(slot, at, had_worked)
    }

    /// A time that is only a lower bound.
    pub(in crate::loadgen) fn at_least(&mut self, latency: u64, service: u64) {
        add(&mut self.tally.latency, latency);
        add(&mut self.tally.service, service);
        add(&mut self.second.latency, latency);
        self.tally.bounded += 1;
        self.tally.service_bounded += 1;
    }

    /// The server has closed a connection on which nothing was under way.
    fn closed_by_server(&mut self, slot: u32, at: u64) -> After {
        self.tally.closed_by_server += 1;
        let had_worked = self.connections[slot as usize].worked;
        self.connections[slot as usize].worked = false;
        self.release(slot, at, had_worked)
    }

    /// Lets go of a connection, and has another one made in its place: at once if it had worked.
    fn release(&mut self, slot: u32, now: u64, at_once: bool) -> After {
        let connection = &mut self.connections[slot as usize];
        connection.asked = false;
        connection.sent = false;
        connection.is_shaking = false;
        connection.free_ns = now;
        if std::mem::take(&mut connection.is_open) && self.counts_slots {
            self.open -= 1;
        }
        self.slots.closed(slot);
        let is_wanted = self.is_sending || self.start_ns == u64::MAX;
        match (is_wanted, self.is_fresh) {
            (false, _) => {}
            // The schedule itself keeps an open loop from spinning.
            (true, true) if at_once || self.due.is_open_loop() => self.slots.free(slot),
            (true, false) if at_once => self.slots.want(slot),
            (true, _) => self.slots.want_later(slot, now),
        }
        After::Close
    }

    /// A connection whose time is up, and why. The engine closes it.
    pub fn expired(&mut self, now: u64) -> Option<u32> {
        let slot = self.slots.longest_waiting()?;
        if self.slots.since_ns(slot).saturating_add(self.timeout_ns) > now {
            return None;
        }
        let connection = &self.connections[slot as usize];
        let fault = match (connection.is_open, connection.is_shaking) {
            (true, _) => Fault::Timeout,
            (false, true) => Fault::Tls(SILENT),
            (false, false) => Fault::ConnectTimeout,
        };
        self.fail(slot, fault, now);
        Some(slot)
    }

    /// When something is to be done next, whatever comes until then.
    pub fn wake_ns(&self) -> u64 {
        let mut wake = self.second_end_ns.min(if self.is_sending { self.end_ns } else { self.drain_ns });
        if let Some(slot) = self.slots.longest_waiting() {
            wake = wake.min(self.slots.since_ns(slot).saturating_add(self.timeout_ns));
        }
        if let Some(at) = self.slots.next_rested_ns() {
            wake = wake.min(at);
        }
        if self.is_sending && self.slots.any_idle() {
            wake = wake.min(self.due.next_ns());
        }
        wake
    }

    /// Whether connections are what requests wait for, and not the schedule: always so in a closed loop, and in an open one
    /// while more is due than connections carry. What came is best answered in one go then: of answers that come within
    /// [`TOGETHER_NS`] so many of this many connections at once.
    pub fn together(&self, now: u64) -> usize {
        let is_owing = !self.due.is_open_loop() || self.due.next_ns() < now;
        if is_owing && self.is_sending { TOGETHER.min(self.connections.len() / 4).max(1) } else { 1 }
    }

    /// Whether a connection is being made.
    pub fn is_opening(&self, slot: u32) -> bool {
        self.slots.phase(slot) == Phase::Opening
    }
}
