//! The one loop: requests come, answers leave when they are due, and it ends in time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::mem;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use rustix::time::Timespec;

use crate::truth::act::{Due, What};
use crate::truth::answers::Answers;
use crate::truth::arrivals::Arrivals;
use crate::truth::clock;
use crate::truth::connections::{Connections, Token};
use crate::truth::counts::Counts;
use crate::truth::receive::{Receiver, Times};
use crate::truth::request::Head;
use crate::truth::settings::{Fate, Place, Settings};
use crate::truth::socket::Listener;

/// So long before an answer is due it no longer sleeps: nobody wakes up exactly.
const SPIN_NS: u64 = 60_000;

/// So often it tries again to accept where it could not.
const ACCEPT_AGAIN_NS: u64 = 100_000_000;

const LISTENS: u64 = u64::MAX;
const ENDS: u64 = u64::MAX - 1;

/// A server that listens already.
#[derive(Debug)]
pub struct Server {
    /// What it does.
    pub(in crate::truth) settings: Settings,
    pub(in crate::truth) answers: Answers,
    pub(in crate::truth) counts: Counts,
    pub(in crate::truth) due: BinaryHeap<Reverse<Due>>,
    pub(in crate::truth) connections: Connections,
    listener: Listener,
    epoll: OwnedFd,
    ends_with: Vec<OwnedFd>,
    receiver: Receiver,
    arrivals: Arrivals,
    heads: Vec<Head>,
    /// When the first request came.
    began_ns: Option<u64>,
    cannot_accept: bool,
    is_over: bool,
}

/// What it did.
#[derive(Debug)]
pub struct Outcome {
    /// In numbers.
    pub counts: Counts,
    /// When each request came, if that was to be kept.
    pub arrivals: Arrivals,
}

impl Server {
    /// Listens. It will end as soon as anything comes from one of these descriptors, or one of them ends.
    pub fn bind(settings: Settings, ends_with: Vec<OwnedFd>) -> io::Result<Self> {
        let wanted = settings.keeps_arrivals || settings.delay_ns > 0;
        let times = match settings.place {
            _ if !wanted => Times::None,
            Place::Unix(_) => Times::Ours,
            Place::Tcp(_) => Times::Kernel,
        };
        let listener = Listener::bind(&settings.place, times == Times::Kernel)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &listener.socket, EventData::new_u64(LISTENS), edge)?;
        for end in &ends_with {
            epoll::add(&epoll, end, EventData::new_u64(ENDS), EventFlags::IN)?;
        }
        // Where it can't be raised, connections that can't be accepted are counted.
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        Ok(Self {
            answers: Answers::new(&settings.form),
            counts: Counts::default(),
            due: BinaryHeap::new(),
            connections: Connections::default(),
            listener,
            epoll,
            ends_with,
            receiver: Receiver::new(times),
            arrivals: Arrivals::default(),
            heads: Vec::new(),
            began_ns: None,
            cannot_accept: false,
            is_over: false,
            settings,
        })
    }

    /// Where it listens: `127.0.0.1:34567`, or `unix:/path`.
    pub fn address(&self) -> &str {
        &self.listener.address
    }

    /// Serves until its time is over or somebody ends it.
    pub fn serve(mut self) -> io::Result<Outcome> {
        if let Some(cpu) = self.settings.cpu {
            let mut cpus = CpuSet::new();
            cpus.set(cpu);
            sched_setaffinity(None, &cpus)?;
        }
        set_current_timer_slack(NonZeroU64::new(1))?;
        let ends_ns = clock::now() + self.settings.lasts_ns;
        // Few at once where answers are due at their moment: each takes a while.
        let mut events = Vec::with_capacity(if self.settings.delay_ns > 0 { 16 } else { 256 });
        while !self.is_over {
            let timeout = self.timeout(ends_ns);
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.freeze();
            for event in events.drain(..) {
                self.event(event.data.u64(), event.flags);
                if self.settings.delay_ns > 0 {
                    self.carry_out_due();
                }
            }
            self.carry_out_due();
            if self.cannot_accept {
                self.accept();
            }
            self.is_over |= clock::now() >= ends_ns;
        }
        Ok(self.outcome())
    }

    /// How long it may sleep.
    fn timeout(&self, ends_ns: u64) -> Timespec {
        if self.settings.is_busy {
            return clock::timespec(0);
        }
        let next = self.due.peek().map_or(ends_ns, |Reverse(due)| due.at_ns.min(ends_ns));
        let most = if self.cannot_accept { ACCEPT_AGAIN_NS } else { u64::MAX };
        clock::timespec(next.saturating_sub(clock::now()).saturating_sub(SPIN_NS).min(most))
    }

    fn freeze(&mut self) {
        let (Some(freeze), Some(began)) = (self.settings.freeze, self.began_ns) else { return };
        let now = clock::now();
        if let Some(rest) = freeze.goes_on(now.saturating_sub(began)) {
            self.counts.freezes += 1;
            clock::sleep_until(now + rest);
        }
    }

    fn event(&mut self, token: Token, flags: EventFlags) {
        match token {
            LISTENS => self.accept(),
            ENDS => self.is_over = true,
            _ => {
                if flags.contains(EventFlags::OUT) {
                    self.flush(token);
                }
                let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
                if ends || flags.contains(EventFlags::IN) {
                    self.read(token, ends);
                }
            }
        }
    }

    fn accept(&mut self) {
        self.cannot_accept = false;
        loop {
            match self.listener.accept() {
                Ok(socket) => self.add(socket),
                Err(Errno::AGAIN) => return,
                // The client was gone before.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(_) => {
                    self.counts.accepts_failed += 1;
                    self.cannot_accept = true;
                    return;
                }
            }
        }
    }

    fn add(&mut self, socket: OwnedFd) {
        self.counts.connections += 1;
        let (token, connection) = self.connections.add(socket);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if epoll::add(&self.epoll, &connection.socket, EventData::new_u64(token), flags).is_err() {
            self.counts.connections_lost += 1;
            self.connections.remove(token);
        }
    }

    /// Lets go of a connection. What it was owed is not delivered.
    pub(in crate::truth) fn close(&mut self, token: Token) {
        self.counts.undelivered += self.connections.remove(token).map_or(0, |connection| connection.undelivered());
    }

    /// Reads what is there. Short reads end it: whatever comes later is told anew.
    fn read(&mut self, token: Token, until_end: bool) {
        loop {
            let Some(connection) = self.connections.get(token) else { return };
            match self.receiver.receive(&connection.socket) {
                Ok(received) if received.bytes == 0 => {
                    self.counts.connections_closed_by_client += 1;
                    return self.close(token);
                }
                Ok(received) => {
                    self.counts.bytes_received += received.bytes as u64;
                    let mut heads = mem::take(&mut self.heads);
                    let understood = connection.take(&self.receiver.buffer[..received.bytes], &mut heads);
                    for head in heads.drain(..) {
                        self.request(token, head, received.at_ns);
                    }
                    self.heads = heads;
                    if !understood {
                        return self.refuse(token);
                    }
                    if received.bytes < self.receiver.buffer.len() && !until_end {
                        return;
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.counts.connections_lost += 1;
                    return self.close(token);
                }
            }
        }
    }

    fn request(&mut self, token: Token, head: Head, at_ns: u64) {
        self.counts.requests += 1;
        let number = self.counts.requests;
        if self.settings.freeze.is_some() {
            self.began_ns.get_or_insert_with(clock::now);
        }
        if self.settings.keeps_arrivals {
            self.arrivals.push(at_ns);
        }
        let fate = self.settings.mischief.fate(number);
        if self.settings.delay_ns > 0 {
            let at_ns = at_ns + self.settings.delay_ns;
            self.due.push(Reverse(Due { at_ns, number, token, what: What::Act(fate, head) }));
        } else {
            self.act(token, number, fate, head);
        }
    }

    fn outcome(mut self) -> Outcome {
        let mut counts = mem::take(&mut self.counts);
        for connection in self.connections.iter() {
            counts.connections_open_at_end += 1;
            counts.pending_at_end += connection.undelivered();
        }
        for Reverse(due) in mem::take(&mut self.due) {
            match due.what {
                What::Act(Fate::Hang, _) => counts.hangs += 1,
                What::Act(..) if self.connections.get(due.token).is_some() => counts.pending_at_end += 1,
                What::Act(..) => counts.undelivered += 1,
                What::Turn => {}
            }
        }
        // They are watched until the last moment.
        drop(mem::take(&mut self.ends_with));
        Outcome { counts, arrivals: mem::take(&mut self.arrivals) }
    }
}
