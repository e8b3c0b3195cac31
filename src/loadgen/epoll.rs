//! The engine on epoll: connections are watched once and edge-triggered, a request is one system call and its answer another.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use nix::sys::epoll::Epoll;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::loadgen::clock::{Stamps, now_ns};
use crate::loadgen::fault::Fault;
use crate::loadgen::settings::Address;
use crate::loadgen::sleep::{Sleep, sleep_until};
use crate::loadgen::socket;
use crate::loadgen::thread::{Common, Gate};
use crate::loadgen::tls::{self, Session};
use crate::loadgen::worker::{After, Step, TOGETHER_NS, Worker};

/// Events taken at once.
const EVENTS: usize = 256;
/// Bytes taken at once.
const BUFFER: usize = 64 * 1024;

/// One connection's socket.
#[derive(Debug, Default)]
struct Line {
    socket: Option<OwnedFd>,
    is_connecting: bool,
    /// Counts the sockets of this slot: an event of an earlier one is not for this one.
    generation: u32,
    /// Bytes that did not fit into the socket yet, from `at` on.
    pending: Vec<u8>,
    at: usize,
    session: Option<Session>,
}

/// The engine of one thread.
pub struct Engine<'a> {
    common: &'a Common<'a>,
    worker: Worker<'a>,
    epoll: Epoll,
    lines: Vec<Line>,
    addresses: &'a [Address],
    next_address: usize,
    buffer: Vec<u8>,
    plain: Vec<u8>,
    control: Vec<u8>,
    stamps: Stamps,
    is_stamped: bool,
    sleep: Sleep,
    is_open_loop: bool,
    /// The clock as it was read last: reading it costs, so that is done where something may have taken long.
    now: u64,
}

impl<'a> Engine<'a> {
    /// An engine for a worker with so many connections.
    pub fn new(common: &'a Common<'a>, worker: Worker<'a>, connections: u32, first: usize) -> Result<Self, Errno> {
        let addresses = &common.settings.target.addresses;
        let epoll = Epoll(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        Ok(Self {
            worker,
            sleep: Sleep::new(&epoll, common.is_economical())?,
            epoll,
            lines: (0..connections).map(|_| Line::default()).collect(),
            addresses,
            next_address: first,
            buffer: vec![0; BUFFER],
            plain: Vec::new(),
            control: nix::cmsg_space!(nix::sys::time::TimeSpec),
            stamps: Stamps::new(),
            is_stamped: addresses.iter().all(|address| matches!(address, Address::Tcp(_))),
            is_open_loop: common.settings.pace.is_open_loop(),
            now: now_ns(),
            common,
        })
    }

    /// Makes the connections, waits at the gate for the others, and runs the load to its end.
    pub fn run(mut self, gate: &Gate) -> Worker<'a> {
        let mut events = Vec::with_capacity(EVENTS);
        let deadline = now_ns().saturating_add(self.common.connect_limit_ns());
        while !self.worker.is_settled() && now_ns() < deadline && !self.common.stop.is_asked() {
            self.turn(&mut events, deadline);
        }
        if let Some((start, duration)) = gate.pass(self.worker.open()) {
            self.worker.begin(start, duration);
            self.now = now_ns();
            while !self.worker.is_done(self.now) {
                if self.common.stop.is_asked() {
                    self.worker.stop(now_ns());
                    break;
                }
                self.turn(&mut events, u64::MAX);
            }
        }
        if !self.is_stamped {
            self.common.is_unstamped.store(true, Ordering::Relaxed);
        }
        self.worker
    }

    /// Does what is to be done, waits, and takes what has happened.
    fn turn(&mut self, events: &mut Vec<epoll::Event>, deadline: u64) {
        self.pump();
        self.stamps.look(self.now);
        let wake = self.worker.wake_ns().min(deadline);
        // Where only a few came at once, waiting a bit brings more of them for one system call. It is for the steady state
        // only: nothing else is due then.
        if !events.is_empty() && events.len() < self.worker.together(self.now) && wake > self.now + 1_000_000 {
            sleep_until(self.now + TOGETHER_NS);
            self.now = now_ns();
        }
        events.clear();
        let waited = self.sleep.wait(&self.epoll, events, wake, self.now);
        self.now = now_ns();
        if waited.is_err() {
            return;
        }
        for event in events.iter() {
            let (data, flags) = (event.data.u64(), event.flags);
            let slot = data as u32;
            let Some(line) = self.lines.get(slot as usize) else { continue };
            if line.socket.is_none() || line.generation != (data >> 32) as u32 {
                continue;
            }
            self.happened(slot, flags);
            // In a closed loop nothing is due before: all that came is taken, and then answered in one go.
            if self.is_open_loop {
                self.pump();
            }
        }
        while let Some(slot) = self.worker.expired(self.now) {
            self.close(slot);
        }
    }

    /// Does all that can be done now.
    fn pump(&mut self) {
        loop {
            match self.worker.next(self.now) {
                Step::Nothing => return,
                Step::Open(slot) => self.open(slot),
                Step::Send(slot) => self.send(slot),
            }
            self.now = now_ns();
        }
    }

    fn open(&mut self, slot: u32) {
        let address = &self.addresses[self.next_address % self.addresses.len()];
        self.next_address += 1;
        let (socket, connected) = match socket::connect(address) {
            Ok(made) => made,
            Err(error) => {
                self.worker.fail(slot, Fault::Connect(error.raw_os_error()), now_ns());
                return;
            }
        };
        if self.is_stamped {
            self.is_stamped = socket::stamp(&socket);
        }
        let line = &mut self.lines[slot as usize];
        line.generation = line.generation.wrapping_add(1);
        let data = u64::from(line.generation) << 32 | u64::from(slot);
        let watched = socket::watch(&self.epoll.0, &socket, data);
        line.socket = Some(socket);
        line.is_connecting = !connected;
        match watched {
            Err(error) => self.fail(slot, Fault::Connect(error.raw_os_error())),
            Ok(()) if connected => self.established(slot),
            Ok(()) => {}
        }
    }

    /// The socket is connected. With TLS the handshake begins.
    fn established(&mut self, slot: u32) {
        self.lines[slot as usize].is_connecting = false;
        let Some((config, name)) = &self.common.tls else {
            self.connected(slot);
            return;
        };
        let mut out = Vec::new();
        match Session::new(config, name, &mut out) {
            Ok(session) => {
                self.worker.shakes_hands(slot);
                self.lines[slot as usize].session = Some(session);
                self.put(slot, &out);
            }
            Err(error) => self.fail(slot, Fault::Tls(tls::reason(&error))),
        }
    }

    fn connected(&mut self, slot: u32) {
        self.now = now_ns();
        if self.worker.connected(slot, self.now) {
            self.send(slot);
        }
    }

    fn send(&mut self, slot: u32) {
        let line = &mut self.lines[slot as usize];
        let Some(socket) = &line.socket else { return };
        let at = self.now;
        let bytes = self.worker.bytes(slot);
        let length = bytes.len();
        let (sent, whole) = match &mut line.session {
            None => (socket::send(socket, bytes), length),
            Some(session) => {
                let mut out = std::mem::take(&mut line.pending);
                out.clear();
                line.at = 0;
                session.write(bytes, &mut out);
                let sent = socket::send(socket, &out);
                let whole = out.len();
                line.pending = out;
                (sent, whole)
            }
        };
        let is_plain = line.session.is_none();
        match sent {
            Ok(sent) if sent == whole => {
                line.pending.clear();
                self.worker.sent(slot, length, at);
            }
            Ok(_) | Err(Errno::AGAIN) => {
                let sent = sent.unwrap_or(0);
                if is_plain {
                    line.pending.clear();
                    line.pending.extend_from_slice(bytes);
                }
                line.at = sent;
                self.worker.sent(slot, length, at);
            }
            Err(error) => self.fail(slot, Fault::Send(error.raw_os_error())),
        }
    }

    /// Sends bytes that are no request, such as those of a handshake.
    fn put(&mut self, slot: u32, bytes: &[u8]) {
        let line = &mut self.lines[slot as usize];
        if line.at < line.pending.len() {
            line.pending.extend_from_slice(bytes);
        } else {
            line.pending.clear();
            line.pending.extend_from_slice(bytes);
            line.at = 0;
        }
        self.flush(slot);
    }

    fn flush(&mut self, slot: u32) {
        let line = &mut self.lines[slot as usize];
        let Some(socket) = &line.socket else { return };
        while line.at < line.pending.len() {
            match socket::send(socket, &line.pending[line.at..]) {
                Ok(sent) => line.at += sent,
                Err(Errno::AGAIN) => return,
                Err(error) => {
                    self.fail(slot, Fault::Send(error.raw_os_error()));
                    return;
                }
            }
        }
        line.pending.clear();
        line.at = 0;
    }

    fn happened(&mut self, slot: u32, flags: epoll::EventFlags) {
        let line = &self.lines[slot as usize];
        if line.is_connecting {
            if !flags.intersects(epoll::EventFlags::OUT | epoll::EventFlags::ERR | epoll::EventFlags::HUP) {
                return;
            }
            let error = line.socket.as_ref().map_or(Ok(()), socket::connect_error);
            match error {
                Ok(()) => self.established(slot),
                Err(error) => {
                    self.fail(slot, Fault::Connect(error.raw_os_error()));
                    return;
                }
            }
        }
        if flags.contains(epoll::EventFlags::OUT) && !self.lines[slot as usize].pending.is_empty() {
            self.flush(slot);
        }
        let ends = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        if flags.intersects(epoll::EventFlags::IN | ends) {
            self.receive(slot, flags.intersects(ends));
        }
    }

    /// Takes what came. A read that does not fill the buffer has emptied the socket, but for the end of the connection,
    /// which is told beforehand.
    fn receive(&mut self, slot: u32, has_ended: bool) {
        loop {
            let Some(socket) = &self.lines[slot as usize].socket else { return };
            let received = if self.is_stamped {
                socket::receive_stamped(socket, &mut self.buffer, &mut self.control)
            } else {
                socket::receive(socket, &mut self.buffer)
            };
            self.now = now_ns();
            let now = self.now;
            let received = match received {
                Ok(received) => received,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(error) => {
                    self.broken(slot, error, now);
                    return;
                }
            };
            let at = received.unix_ns.map_or(now, |unix| self.stamps.place(unix, self.worker.earliest_ns(slot), now));
            if received.bytes == 0 {
                self.ended(slot, now);
                return;
            }
            if self.lines[slot as usize].session.is_some() {
                self.decrypt(slot, received.bytes, at);
            } else if self.worker.received(slot, &self.buffer[..received.bytes], at) == After::Close {
                self.close(slot);
            }
            if received.bytes < self.buffer.len() && !has_ended {
                return;
            }
        }
    }

    fn broken(&mut self, slot: u32, error: Errno, now: u64) {
        if self.worker.is_idle(slot) {
            self.worker.ended(slot, now);
            self.close(slot);
        } else {
            self.fail(slot, Fault::Receive(error.raw_os_error()));
        }
    }

    fn decrypt(&mut self, slot: u32, bytes: usize, at: u64) {
        let line = &mut self.lines[slot as usize];
        let Some(session) = &mut line.session else { return };
        let was_shaking = session.is_shaking_hands();
        let mut out = Vec::new();
        self.plain.clear();
        let read = session.read(&self.buffer[..bytes], &mut self.plain, &mut out);
        let is_shaking = session.is_shaking_hands();
        if !out.is_empty() {
            self.put(slot, &out);
        }
        if let Err(error) = read {
            let why = tls::reason(&error);
            self.fail(slot, if was_shaking { Fault::Tls(why) } else { Fault::Parse(why) });
            return;
        }
        if was_shaking && !is_shaking {
            self.connected(slot);
        }
        if !self.plain.is_empty() && self.worker.received(slot, &self.plain, at) == After::Close {
            self.close(slot);
        }
        if self.lines[slot as usize].session.as_ref().is_some_and(Session::has_ended) {
            self.ended(slot, self.now);
        }
    }

    fn ended(&mut self, slot: u32, now: u64) {
        let is_shaking = self.lines[slot as usize].session.as_ref().is_some_and(Session::is_shaking_hands);
        if is_shaking {
            self.fail(slot, Fault::Tls("the server closed the connection in the handshake"));
            return;
        }
        // A body that lasts until the end is whole only where the server says so itself.
        let is_cut = self.lines[slot as usize].session.as_ref().is_some_and(|session| !session.has_ended());
        if is_cut && self.worker.has_begun(slot) {
            self.fail(slot, Fault::ClosedInAnswer);
            return;
        }
        self.worker.ended(slot, now);
        self.close(slot);
    }

    fn fail(&mut self, slot: u32, fault: Fault) {
        self.worker.fail(slot, fault, now_ns());
        self.close(slot);
    }

    /// Closes a socket. The kernel forgets to watch it then.
    fn close(&mut self, slot: u32) {
        let line = &mut self.lines[slot as usize];
        line.socket = None;
        line.session = None;
        line.is_connecting = false;
        line.pending.clear();
        line.at = 0;
    }
}

/// A time of the monotonic clock as a span from now on, as system calls take it.
pub fn span(from: u64, to: u64) -> Timespec {
    let left = to.saturating_sub(from);
    Timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as i64 }
}
