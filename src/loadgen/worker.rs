//! One thread's part of a load, without a system call: which connection sends what and when, what came of it, and how long
//! that took. An engine asks it what to do next, does it, and tells it what happened.

use std::sync::mpsc::Sender;

use crate::loadgen::due::Due;
use crate::loadgen::fault::Fault;
use crate::loadgen::request::Requests;
use crate::loadgen::response::{Fed, Reader};
use crate::loadgen::settings::{Pace, Protocol, Settings};
use crate::loadgen::slots::{Phase, Slots};
use crate::loadgen::tally::{Second, Tally, add};

/// After the end answers are waited for so long at most, or as long as a request may take.
const LONGEST_DRAIN_NS: u64 = 2_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

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

/// What matters of a whole answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// The SHA-256 of its body, where that is compared.
    pub digest: Option<[u8; 32]>,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: &'static str,
    /// Whether the connection may carry another request.
    pub keeps_open: bool,
}

/// One connection.
#[derive(Debug, Default)]
struct Connection {
    reader: Reader,
    is_open: bool,
    /// Whether there was one before it in its slot.
    was_made: bool,
    /// Whether a request is assigned to it, and whether it was sent.
    asked: bool,
    sent: bool,
    spec: usize,
    number: u64,
    due_ns: u64,
    sent_ns: u64,
    /// Since when it was free.
    free_ns: u64,
    /// Requests that it has carried.
    carried: u64,
    /// Answers of this slot so far: a connection of one that had none is not replaced at once.
    worked: bool,
}

/// One thread's part of a load.
#[derive(Debug)]
pub struct Worker<'a> {
    requests: &'a Requests,
    /// Whether each request has a connection of its own.
    is_fresh: bool,
    most_carried: u64,
    /// Whether each slot is a connection, and not one of its streams.
    counts_slots: bool,
    timeout_ns: u64,
    due: Due,
    slots: Slots,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
    tally: Tally,
    second: Second,
    seconds: Sender<Second>,
    open: u64,
    start_ns: u64,
    end_ns: u64,
    drain_ns: u64,
    second_end_ns: u64,
    is_sending: bool,
    spoken: Spoken,
}

/// Versions that answers had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoken {
    http_1_1: bool,
    http_1_0: bool,
    http_2: bool,
}

impl Spoken {
    /// Notes the version of an answer.
    pub fn note(&mut self, version: &str) {
        match version {
            "HTTP/1.0" => self.http_1_0 = true,
            "HTTP/2" => self.http_2 = true,
            _ => self.http_1_1 = true,
        }
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: Self) {
        self.http_1_1 |= other.http_1_1;
        self.http_1_0 |= other.http_1_0;
        self.http_2 |= other.http_2;
    }

    /// In a word.
    pub fn word(self) -> Option<&'static str> {
        match (self.http_1_1, self.http_1_0, self.http_2) {
            (false, false, false) => None,
            (true, false, false) => Some("HTTP/1.1"),
            (false, true, false) => Some("HTTP/1.0"),
            (false, false, true) => Some("HTTP/2"),
            _ => Some("mixed"),
        }
    }
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
        if self.is_sending && now >= self.end_ns {
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

    /// Whether nothing is under way on a connection.
    pub fn is_idle(&self, slot: u32) -> bool {
        self.slots.phase(slot) == Phase::Idle
    }

    /// A connection is made: whether a request waits for it.
    pub fn connected(&mut self, slot: u32, now: u64) -> bool {
        let connection = &mut self.connections[slot as usize];
        connection.is_open = true;
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
        let is_timeout = matches!(fault, Fault::Timeout | Fault::ConnectTimeout);
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
    fn at_least(&mut self, latency: u64, service: u64) {
        add(&mut self.tally.latency, latency);
        add(&mut self.tally.service, service);
        add(&mut self.second.latency, latency);
        self.tally.bounded += 1;
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
        let is_open = self.connections[slot as usize].is_open;
        self.fail(slot, if is_open { Fault::Timeout } else { Fault::ConnectTimeout }, now);
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

    fn end_sending(&mut self, now: u64) {
        self.is_sending = false;
        self.end_ns = self.end_ns.min(now);
        self.drain_ns = self.end_ns + self.timeout_ns.min(LONGEST_DRAIN_NS);
        self.slots.want_nothing();
    }

    fn roll(&mut self, now: u64) {
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

    /// Whether a connection is being made.
    pub fn is_opening(&self, slot: u32) -> bool {
        self.slots.phase(slot) == Phase::Opening
    }

    /// What was counted, once all is done. What was not finished by then is told, with its age.
    pub fn finish(mut self, now: u64) -> (Tally, Spoken) {
        self.tally.connections_alive = self.open;
        for slot in 0..self.connections.len() as u32 {
            let connection = &self.connections[slot as usize];
            if connection.asked && self.slots.phase(slot) == Phase::Busy {
                let (due, sent) = (connection.due_ns, connection.sent_ns);
                self.tally.unfinished += 1;
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

/// A duration as a number; longer ones than five centuries count as that.
pub fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a pace is an open loop.
pub fn is_open_loop(pace: &Pace) -> bool {
    matches!(pace, Pace::Open(_))
}
