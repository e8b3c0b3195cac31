//! Runs a load: threads, their common start and end, and what they counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::loadgen::answer::Spoken;
use crate::loadgen::class::class;
use crate::loadgen::clock::{nanoseconds, now_ns, unix_ns};
use crate::loadgen::fault::Fault;
use crate::loadgen::ring::Ring;
use crate::loadgen::settings::{Engine, Pace, Protocol, Settings};
use crate::loadgen::surroundings::{Cpu, Machine};
use crate::loadgen::tally::{Second, Tally};
use crate::loadgen::thread::{Common, Gate};
use crate::loadgen::worker::{SILENT, Worker};
use crate::loadgen::{epoll, http2, scheduler, tls, uring};
use crate::metric::Surroundings;

/// What came of a load.
#[derive(Debug, Clone)]
pub struct Load {
    /// What was counted and timed, over all threads.
    pub tally: Tally,
    /// What was spoken, as answers said it. `None` where nothing was answered.
    pub protocol: Option<&'static str>,
    /// `epoll`, `io_uring` or `tokio`; `mixed` where not each thread could have a ring.
    pub engine: &'static str,
    /// `SCHED_FIFO` or `SCHED_OTHER`.
    pub scheduler: &'static str,
    /// Why it is that one, where somebody may wonder.
    pub scheduler_because: Option<String>,
    /// `kernel` or `user`.
    pub receive_times: &'static str,
    /// When requests began, in Unix time.
    pub started_unix_us: u64,
    /// How long requests were sent, in nanoseconds.
    pub duration_ns: u64,
    /// Whether it was stopped before its time.
    pub is_interrupted: bool,
    /// What it cost and what disturbed it.
    pub surroundings: Surroundings,
}

/// Why a load never began. Nothing was measured then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No connection could be made at all.
    #[error("no connection to {url} could be made: {why}")]
    NoConnection {
        /// Where it should have gone.
        url: String,
        /// What became of them, the most frequent first.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The machine does not let us do what was asked for.
    #[error("{what}: {why}")]
    Machine {
        /// What could not be had.
        what: String,
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// A wish to stop, given from anywhere, also from within a signal handler.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Nobody wants to stop yet.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Asks for it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one thread brings back.
struct Part {
    tally: Tally,
    spoken: Spoken,
    cpu: Cpu,
}

/// Runs a load to its end, or until somebody wants it to stop. `each_second` is told what happened, second by second, in order.
pub fn run(settings: &Settings, stop: &Stop, each_second: &mut dyn FnMut(&Second)) -> Result<Load, StartError> {
    let tls = settings.target.tls.as_ref().map(|tls| tls::config(tls, settings.protocol)).transpose();
    let tls = tls.map_err(|error| StartError::machine("TLS can't be spoken", &error.to_string(), None))?;
    let (is_real_time, scheduler_because) = class(settings);
    let is_uring = takes_uring(settings)?;
    let common = Common {
        settings,
        stop,
        tls,
        is_real_time,
        is_uring,
        is_unstamped: AtomicBool::new(false),
        without_ring: AtomicU32::new(0),
    };
    let (gate, machine) = (Gate::default(), Machine::now());
    let (sender, seconds) = channel();
    let threads = settings.threads;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let (common, gate, sender) = (&common, &gate, sender.clone());
                scope.spawn(move || one(common, gate, thread, sender))
            })
            .collect();
        drop(sender);
        let connections = gate.await_all(threads);
        let start = begin(settings, connections, &gate);
        if start.is_some() {
            gather(&seconds, threads, each_second);
        }
        let mut parts = Vec::new();
        for handle in handles {
            let part = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            parts.push(part.map_err(no_engine)?);
        }
        let ended = now_ns();
        let total = sum(parts);
        let Some((start_ns, duration_ns, started_unix_us)) = start else {
            return Err(no_connection(settings, &total.0));
        };
        let duration_ns = duration_ns.min(ended.saturating_sub(start_ns));
        Ok(Load {
            tally: total.0,
            protocol: total.1.word(),
            engine: common.engine(),
            scheduler: if is_real_time { "SCHED_FIFO" } else { "SCHED_OTHER" },
            scheduler_because,
            receive_times: if common.is_unstamped.load(Ordering::Relaxed) { "user" } else { "kernel" },
            started_unix_us,
            duration_ns,
            is_interrupted: stop.is_asked(),
            surroundings: machine.until_now(&total.2),
        })
    })
}

/// One thread, from its first connection to its last answer.
fn one(common: &Common<'_>, gate: &Gate, thread: u32, sender: Sender<Second>) -> Result<Part, i32> {
    let settings = common.settings;
    let mut ready = prepare(common, thread);
    let share = settings.connections / settings.threads + u32::from(thread < settings.connections % settings.threads);
    // Of HTTP/2 each stream is a slot: a connection has many.
    let slots = match settings.protocol {
        Protocol::Http1 => share,
        Protocol::Http2 { streams } => share.saturating_mul(streams.max(1)),
    };
    let worker = Worker::new(settings, thread, slots, sender);
    let before = Cpu::of_this_thread();
    let first = thread as usize;
    let ring = match common.is_uring.then(|| Ring::new(share)) {
        Some(Ok(ring)) => Some(ring),
        // The kernel counts the rings of all processes of a user, and those of one that has just ended for a while longer.
        Some(Err(_)) if settings.engine == Engine::Auto => {
            common.without_ring.fetch_add(1, Ordering::Relaxed);
            None
        }
        Some(Err(error)) => {
            ready = Err(errno_of(error));
            None
        }
        None => None,
    };
    let worker = if let Protocol::Http2 { .. } = settings.protocol {
        let engine = ready.and_then(|()| http2::Engine::new(common, worker, share, slots).map_err(errno_of));
        engine.map(|engine| engine.run(gate))
    } else if let (Ok(()), Some(ring)) = (ready, ring) {
        Ok(uring::Engine::new(common, worker, ring, share, first).run(gate))
    } else {
        let engine = ready
            .and_then(|()| epoll::Engine::new(common, worker, share, first).map_err(rustix::io::Errno::raw_os_error));
        engine.map(|engine| engine.run(gate))
    };
    // The others must not wait for ever for one that could not begin.
    let worker = worker.inspect_err(|_| {
        let _ = gate.pass(0);
    })?;
    let cpu = Cpu::of_this_thread().since(before);
    let (tally, spoken) = worker.finish(now_ns());
    Ok(Part { tally, spoken, cpu })
}

/// Whether the load is made by io_uring: where it was asked for, and else in a closed loop where it can be had. In an open
/// loop a wake-up for each event is what is wanted, and epoll is as good at that.
fn takes_uring(settings: &Settings) -> Result<bool, StartError> {
    let wanted = match settings.engine {
        Engine::Epoll => return Ok(false),
        Engine::Auto if settings.pace != Pace::Closed => return Ok(false),
        Engine::Auto => false,
        Engine::IoUring => true,
    };
    let refusal = uring::refusal(settings).map(str::to_owned);
    // Tried with a ring that goes at once: containers often forbid it.
    let refusal = refusal.or_else(|| Ring::new(1).err().map(|error| error.to_string()));
    match refusal {
        None => Ok(true),
        Some(_) if !wanted => Ok(false),
        Some(why) => Err(StartError::machine(
            "io_uring can't be used here",
            &why,
            Some("leave --engine out, or say --engine epoll"),
        )),
    }
}

fn errno_of(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// The thread's processor, its class, and exact timers.
fn prepare(common: &Common<'_>, thread: u32) -> Result<(), i32> {
    let cpus = &common.settings.cpus;
    if !cpus.is_empty() {
        scheduler::pin(cpus[thread as usize % cpus.len()])?;
    }
    scheduler::exact_timers();
    if common.is_real_time { scheduler::real_time() } else { Ok(()) }
}

/// Lets the threads begin, all at the same time, unless there is no connection at all.
fn begin(settings: &Settings, connections: u64, gate: &Gate) -> Option<(u64, u64, u64)> {
    let has_none = connections == 0 && settings.requests_per_connection != Some(1);
    if has_none {
        gate.open(None);
        return None;
    }
    // A bit later than now, so that no thread begins with requests that were due before it woke up.
    let wait_ns = settings.start_at_us.map_or(1_000_000, |at| (at * 1_000).saturating_sub(unix_ns()).max(1_000_000));
    let (start, started_unix_us) = (now_ns() + wait_ns, (unix_ns() + wait_ns) / 1_000);
    let duration = nanoseconds(settings.duration);
    gate.open(Some((start, duration)));
    Some((start, duration, started_unix_us))
}

/// Puts the seconds of all threads together. One is told when all threads have told theirs, or are done.
fn gather(seconds: &Receiver<Second>, threads: u32, each_second: &mut dyn FnMut(&Second)) {
    let mut open: BTreeMap<u64, (u32, Second)> = BTreeMap::new();
    for second in seconds {
        let (count, sum) = open.entry(second.index).or_insert_with(|| (0, Second::new(second.index)));
        *count += 1;
        sum.merge(&second);
        while let Some(entry) = open.first_entry().filter(|entry| entry.get().0 == threads) {
            each_second(&entry.remove().1);
        }
    }
    for (_, second) in open.into_values() {
        each_second(&second);
    }
}

/// All parts in one. The first takes in the others: an empty one more would be memory for nothing.
fn sum(parts: Vec<Part>) -> (Tally, Spoken, Vec<Cpu>) {
    let cpu = parts.iter().map(|part| part.cpu).collect();
    let mut parts = parts.into_iter();
    let mut all = parts.next().map_or_else(|| (Tally::default(), Spoken::default()), |part| (part.tally, part.spoken));
    for part in parts {
        all.0.merge(&part.tally);
        all.1.merge(part.spoken);
    }
    (all.0, all.1, cpu)
}

fn no_engine(errno: i32) -> StartError {
    let error = std::io::Error::from_raw_os_error(errno);
    StartError::machine("a thread of the load could not begin", &error.to_string(), None)
}

fn no_connection(settings: &Settings, tally: &Tally) -> StartError {
    let mut faults: Vec<_> = tally.faults.iter().collect();
    faults.sort_by_key(|fault| std::cmp::Reverse(fault.count));
    let why: Vec<String> = faults.iter().take(3).map(|fault| fault.fault.reason()).collect();
    let why = if why.is_empty() { "none was made in time".to_owned() } else { why.join("; ") };
    let hint = faults.iter().find_map(|fault| hint(fault.fault));
    StartError::NoConnection { url: settings.target.url.clone(), why, hint }
}

/// What to do about a connection that can't be made.
fn hint(fault: Fault) -> Option<String> {
    let text = match fault {
        Fault::Connect(libc::ECONNREFUSED) => "nobody listens there: is the server started, and is the address right?",
        Fault::Connect(libc::ENOENT) => "there is no such socket: is the server started, and is the path right?",
        Fault::Connect(libc::EACCES | libc::EPERM) => "a firewall, or the rights of the socket's file, forbid it",
        Fault::Connect(libc::EADDRNOTAVAIL) => {
            "port exhaustion: all ephemeral ports towards this address are in use or in TIME_WAIT (60 s after a close); \
             `ss -s` counts them, net.ipv4.ip_local_port_range says how many there are"
        }
        Fault::Connect(libc::EMFILE | libc::ENFILE) => "there are too few file descriptors: raise `ulimit -n`",
        Fault::Connect(libc::EHOSTUNREACH | libc::ENETUNREACH) => {
            "there is no way to this address: `ip route get ADDRESS`"
        }
        Fault::ConnectTimeout => "packets are dropped on the way (a firewall?), or the server's backlog is full",
        Fault::Tls(
            "nobody we trust has signed the certificate" | "the certificate is an authority's, and no server's",
        ) => "name the authority's certificate by --cacert FILE, or take any by --insecure",
        Fault::Tls("the server does not speak this version of HTTP") => "leave --http2 out",
        Fault::Tls(why) if why.starts_with("the certificate is") || why.starts_with("the certificate has") => {
            "`openssl s_client -connect HOST:PORT` shows it; --insecure takes any"
        }
        Fault::Tls("what came is no TLS" | SILENT) => "this port may speak plain HTTP: http:// instead of https://",
        Fault::Tls(_) => "`openssl s_client -connect HOST:PORT` shows what the server offers",
        _ => return None,
    };
    Some(text.to_owned())
}

impl StartError {
    fn machine(what: &str, why: &str, hint: Option<&str>) -> Self {
        Self::Machine { what: what.to_owned(), why: why.to_owned(), hint: hint.map(str::to_owned) }
    }
}
