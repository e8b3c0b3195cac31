//! What the threads of a load have in common: the load itself, and the gate at which they wait for each other.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::loadgen::clock::nanoseconds;
use crate::loadgen::drive::Stop;
use crate::loadgen::settings::{Protocol, Settings, Wait};

/// What all threads share.
pub struct Common<'a> {
    /// The load.
    pub settings: &'a Settings,
    /// The wish to stop.
    pub stop: &'a Stop,
    /// For TLS.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whether the threads run in the real-time class.
    pub is_real_time: bool,
    /// Whether the engine is the one on io_uring.
    pub is_uring: bool,
    /// Threads that wanted io_uring, could not have a ring, and are on epoll.
    pub without_ring: AtomicU32,
    /// Set by an engine that got no stamps from the kernel.
    pub is_unstamped: AtomicBool,
}

impl Common<'_> {
    /// Whether threads wake up at ticks only. In a closed loop there is nothing to be woken up for but answers.
    pub fn is_economical(&self) -> bool {
        self.settings.wait == Wait::Economy && self.settings.pace.is_open_loop()
    }

    /// The engine, in a word.
    pub fn engine(&self) -> &'static str {
        match self.settings.protocol {
            Protocol::Http2 { .. } => "tokio",
            Protocol::Http1 if self.is_uring => match self.without_ring.load(Ordering::Relaxed) {
                0 => "io_uring",
                threads if threads == self.settings.threads => "epoll",
                _ => "mixed",
            },
            Protocol::Http1 => "epoll",
        }
    }

    /// How long connections are made at most before the load begins with those that are there.
    pub fn connect_limit_ns(&self) -> u64 {
        nanoseconds(self.settings.timeout)
    }
}

/// Where threads wait until all have made their connections, and for the common start.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: u32,
    connections: u64,
    /// Start and duration; or none, when there is nothing to begin.
    answer: Option<Option<(u64, u64)>>,
}

impl Gate {
    /// A thread with so many connections is ready: when it starts and for how long, if it does.
    pub fn pass(&self, connections: u64) -> Option<(u64, u64)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        state.connections += connections;
        self.changed.notify_all();
        loop {
            if let Some(answer) = state.answer {
                return answer;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until so many threads are ready: how many connections they have.
    pub fn await_all(&self, threads: u32) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.waiting < threads {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.connections
    }

    /// Lets them go on: with a start and a duration, or not at all.
    pub fn open(&self, answer: Option<(u64, u64)>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).answer = Some(answer);
        self.changed.notify_all();
    }
}
