//! The engine on io_uring: nothing is asked of the kernel for a single request; what is to be sent is handed over together,
//! and what has come is told together. For plain HTTP/1.1 with requests that never change.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::loadgen::clock::{Stamps, now_ns};
use crate::loadgen::fault::Fault;
use crate::loadgen::request::Requests;
use crate::loadgen::ring::{Done, Ring, SENDS};
use crate::loadgen::settings::{Address, Protocol, Settings};
use crate::loadgen::socket;
use crate::loadgen::thread::{Common, Gate};
use crate::loadgen::worker::{After, Step, TOGETHER_NS, Worker};

/// What a number of the ring means, above the slot and its generation.
const WRITABLE: u64 = 1 << 62;

/// One connection's socket.
#[derive(Debug, Default)]
struct Line {
    socket: Option<OwnedFd>,
    /// Counts the sockets of this slot, in 24 bits: what is told of an earlier one is not for this one.
    generation: u32,
}

/// The engine of one thread.
pub struct Engine<'a> {
    common: &'a Common<'a>,
    worker: Worker<'a>,
    ring: Ring<'a>,
    requests: &'a Requests,
    lines: Vec<Line>,
    next_address: usize,
    stamps: Stamps,
    is_stamped: bool,
    is_open_loop: bool,
    /// The clock as it was read last.
    now: u64,
}

/// Why this load can't be made by this engine, if it can't.
pub fn refusal(settings: &Settings) -> Option<&'static str> {
    if settings.protocol != Protocol::Http1 {
        return Some("it speaks HTTP/1.1 only");
    }
    if settings.target.tls.is_some() {
        return Some("it speaks no TLS");
    }
    if settings.requests.any_varies() {
        return Some("its requests can't change from one to the next");
    }
    None
}

impl<'a> Engine<'a> {
    /// An engine for a worker with so many connections, on a ring for as many.
    pub fn new(common: &'a Common<'a>, worker: Worker<'a>, ring: Ring<'a>, connections: u32, first: usize) -> Self {
        Self {
            worker,
            ring,
            requests: &common.settings.requests,
            lines: (0..connections).map(|_| Line::default()).collect(),
            next_address: first,
            stamps: Stamps::new(),
            is_stamped: true,
            is_open_loop: common.settings.pace.is_open_loop(),
            now: now_ns(),
            common,
        }
    }

    /// Makes the connections, waits at the gate for the others, and runs the load to its end.
    pub fn run(mut self, gate: &Gate) -> Worker<'a> {
        let deadline = now_ns().saturating_add(self.common.connect_limit_ns());
        while !self.worker.is_settled() && now_ns() < deadline && !self.common.stop.is_asked() {
            self.turn(deadline);
        }
        if let Some((start, duration)) = gate.pass(self.worker.open()) {
            self.worker.begin(start, duration);
            self.now = now_ns();
            while !self.worker.is_done(self.now) {
                if self.common.stop.is_asked() {
                    self.worker.stop(now_ns());
                    break;
                }
                self.turn(u64::MAX);
            }
        }
        if !self.is_stamped {
            self.common.is_unstamped.store(true, Ordering::Relaxed);
        }
        (0..self.lines.len() as u32).for_each(|slot| self.close(slot));
        self.worker
    }

    fn turn(&mut self, deadline: u64) {
        self.pump();
        self.stamps.look(self.now);
        let left = self.worker.wake_ns().min(deadline).saturating_sub(self.now).min(1_000_000_000);
        // Waiting for several is for the steady state only: nothing else is due then.
        let want = if left > 1_000_000 { self.worker.together(self.now) } else { 1 };
        let waited =
            self.ring.wait(want, (TOGETHER_NS / 1_000) as u32, left / 1_000_000_000, (left % 1_000_000_000) as u32);
        self.now = now_ns();
        if waited.is_err() {
            return;
        }
        while let Some(done) = self.ring.next() {
            self.happened(done);
            self.pump();
        }
        while let Some(slot) = self.worker.expired(self.now) {
            self.close(slot);
        }
    }

    /// Begins all that can be begun now.
    fn pump(&mut self) {
        loop {
            match self.worker.next(self.now) {
                Step::Nothing => return,
                Step::Open(slot) => self.open(slot),
                Step::Send(slot) => self.send(slot, self.now),
            }
            if self.is_open_loop {
                self.now = now_ns();
            }
        }
    }

    fn number(&self, slot: u32) -> u64 {
        u64::from(self.lines[slot as usize].generation) << 32 | u64::from(slot)
    }

    fn open(&mut self, slot: u32) {
        let addresses: &[Address] = &self.common.settings.target.addresses;
        let made = socket::connect(&addresses[self.next_address % addresses.len()]);
        self.next_address += 1;
        let (socket, connected) = match made {
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
        line.generation = (line.generation + 1) & 0x00ff_ffff;
        let number = self.number(slot);
        let put = self.ring.put(slot, &socket);
        let begun =
            put.and_then(|()| if connected { Ok(()) } else { self.ring.await_writable(&socket, number | WRITABLE) });
        self.lines[slot as usize].socket = Some(socket);
        match begun {
            Err(error) => self.fail(slot, Fault::Connect(error.raw_os_error().unwrap_or(libc::EIO))),
            Ok(()) if connected => self.connected(slot),
            Ok(()) => {}
        }
    }

    fn connected(&mut self, slot: u32) {
        let now = now_ns();
        if let Err(error) = self.ring.receive(slot, self.number(slot)) {
            self.fail(slot, Fault::Receive(error.raw_os_error().unwrap_or(libc::EIO)));
            return;
        }
        if self.worker.connected(slot, now) {
            self.send(slot, now);
        }
    }

    fn send(&mut self, slot: u32, now: u64) {
        let bytes = self.requests.fixed(self.worker.spec(slot));
        match self.ring.send(slot, bytes, self.number(slot) | SENDS) {
            Ok(()) => self.worker.sent(slot, bytes.len(), now),
            Err(error) => self.fail(slot, Fault::Send(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }

    fn happened(&mut self, done: Done) {
        let slot = done.data as u32;
        let generation = (done.data >> 32) as u32 & 0x00ff_ffff;
        let is_current =
            self.lines.get(slot as usize).is_some_and(|line| line.socket.is_some() && line.generation == generation);
        if !is_current {
            if let Some(buffer) = done.buffer {
                self.ring.give_back(buffer);
            }
        } else if done.data & SENDS != 0 {
            if done.result < 0 {
                self.fail(slot, Fault::Send(-done.result));
            }
        } else if done.data & WRITABLE != 0 {
            self.writable(slot);
        } else {
            self.received(slot, done);
        }
    }

    fn writable(&mut self, slot: u32) {
        let error = self.lines[slot as usize].socket.as_ref().map_or(Ok(()), socket::connect_error);
        match error {
            Ok(()) => self.connected(slot),
            Err(error) => self.fail(slot, Fault::Connect(error.raw_os_error())),
        }
    }

    fn received(&mut self, slot: u32, done: Done) {
        let Some(buffer) = done.buffer else {
            match -done.result {
                // All buffers were full for a moment: whatever has come is still there.
                libc::ENOBUFS => self.again(slot),
                0 => self.ended(slot),
                error => self.broken(slot, error),
            }
            return;
        };
        let (bytes, unix) = self.ring.bytes(buffer, done.result);
        self.now = now_ns();
        let now = self.now;
        let at = unix.map_or(now, |unix| self.stamps.place(unix, self.worker.earliest_ns(slot), now));
        let is_end = bytes.is_empty();
        let after = if is_end { After::More } else { self.worker.received(slot, bytes, at) };
        self.ring.give_back(buffer);
        if is_end {
            self.ended(slot);
        } else if after == After::Close {
            self.close(slot);
        } else if !done.more {
            self.again(slot);
        }
    }

    fn again(&mut self, slot: u32) {
        if let Err(error) = self.ring.receive(slot, self.number(slot)) {
            self.fail(slot, Fault::Receive(error.raw_os_error().unwrap_or(libc::EIO)));
        }
    }

    fn ended(&mut self, slot: u32) {
        self.worker.ended(slot, now_ns());
        self.close(slot);
    }

    fn broken(&mut self, slot: u32, error: i32) {
        if self.worker.is_idle(slot) {
            self.ended(slot);
        } else {
            self.fail(slot, Fault::Receive(Errno::from_raw_os_error(error).raw_os_error()));
        }
    }

    fn fail(&mut self, slot: u32, fault: Fault) {
        self.worker.fail(slot, fault, now_ns());
        self.close(slot);
    }

    /// Closes a socket. What the ring still does with it ends by that.
    fn close(&mut self, slot: u32) {
        if let Some(socket) = self.lines[slot as usize].socket.take() {
            self.ring.take_out(slot);
            let _ = rustix::net::shutdown(&socket, Shutdown::Both);
        }
    }
}
