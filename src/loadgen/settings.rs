//! What a load is, decided before its first packet.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::loadgen::request::Requests;
use crate::loadgen::schedule::Schedule;

/// A whole load. Nothing in it is looked up or decided again once it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it goes.
    pub target: Target,
    /// What is requested.
    pub requests: Requests,
    /// Threads, each with its own connections and its own part of the schedule. At least one.
    pub threads: u32,
    /// Connections over all threads, at least one each. A remainder is given to the first threads, never dropped.
    pub connections: u32,
    /// How long requests are sent.
    pub duration: Duration,
    /// When they are sent.
    pub pace: Pace,
    /// From when on a request without its whole answer is given up. Its connection is closed and replaced.
    pub timeout: Duration,
    /// Requests that a connection carries before it is closed and replaced by us. `None`: as many as the server lets it.
    pub requests_per_connection: Option<u64>,
    /// What is spoken.
    pub protocol: Protocol,
    /// How the kernel is spoken to.
    pub engine: Engine,
    /// How exactly due requests are woken up for.
    pub wait: Wait,
    /// Whether the real-time scheduler class is asked for in an open loop.
    pub real_time: bool,
    /// The processors to run on, one for each thread in turn. Empty: wherever the kernel puts them.
    pub cpus: Vec<usize>,
    /// When to begin, in microseconds of Unix time: several clients begin together. `None`: at once.
    pub start_at_us: Option<u64>,
    /// The largest p99 of our own send lateness with which an open loop is still valid.
    pub lateness_bound: Duration,
}

/// Where a load goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL as the user wrote it.
    pub url: String,
    /// What `Host` says: the authority of the URL.
    pub authority: String,
    /// The addresses that connections are made to, in turn.
    pub addresses: Vec<Address>,
    /// How it is encrypted, if it is.
    pub tls: Option<Tls>,
}

/// One end to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// How a load is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The name that the certificate must bear.
    pub server_name: String,
    /// Certificates of authorities in PEM, instead of the machine's.
    pub authorities: Option<PathBuf>,
    /// Whether any certificate is taken.
    pub insecure: bool,
}

/// What decides when a request is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// Each connection sends its next request when the last was answered.
    Closed,
    /// Requests are due by a schedule, whatever the server does.
    Open(Schedule),
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, one request after the other on a connection.
    Http1,
    /// HTTP/2, with so many requests under way at once on a connection.
    Http2 {
        /// Streams at once.
        streams: u32,
    },
}

/// How the kernel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The best that this kernel, this container and this load allow.
    Auto,
    /// epoll.
    Epoll,
    /// io_uring, or an error where it can't be had.
    IoUring,
}

/// How exactly due requests are woken up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// A wake-up for each event.
    Precise,
    /// A wake-up for each tick of 250 µs: less CPU, and still uniform over ticks.
    Economy,
}

impl Pace {
    /// Whether requests are due by a schedule.
    pub fn is_open_loop(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}
