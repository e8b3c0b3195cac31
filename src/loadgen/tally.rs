//! What was counted and timed: by each thread for itself, and merged exactly at the end.

use hdrhistogram::Histogram;

use crate::loadgen::fault::Fault;

/// The largest time that is told apart, an hour; longer ones count as that.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// The smallest, 100 ns.
const SHORTEST_NS: u64 = 100;
/// Significant digits: times are exact to a thousandth.
const DIGITS: u8 = 3;

/// A histogram of times in nanoseconds. Its memory never grows.
pub type Times = Histogram<u64>;

/// A new, empty histogram. All have the same shape, so that they can be merged exactly.
pub fn times() -> Times {
    #[expect(clippy::expect_used, reason = "the three bounds above are constants that fit together")]
    Histogram::new_with_bounds(SHORTEST_NS, LONGEST_NS, DIGITS).expect("constant bounds")
}

/// Adds a time.
pub fn add(times: &mut Times, ns: u64) {
    times.saturating_record(ns);
}

/// Adds all of another histogram of the same shape.
pub fn merge(into: &mut Times, other: &Times) {
    // Of the same bounds and digits, so it fits.
    let _ = into.add(other);
}

/// All that one thread, or all together, have counted.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Requests that were due, in an open loop.
    pub due: u64,
    /// Requests of which at least one byte was handed to the kernel.
    pub sent: u64,
    /// Whole answers, of any status, right or wrong.
    pub answers: u64,
    /// Of those, the ones that came before the end of the duration.
    pub answers_in_time: u64,
    /// Answers as expected.
    pub successes: u64,
    /// Of those, the ones that came before the end of the duration.
    pub successes_in_time: u64,
    /// Requests under way when nobody waited any longer: recorded as at least as old as they were then.
    pub unfinished: u64,
    /// Requests that were due and never sent, because no connection was free, which are recorded as at least as old as they
    /// were, or because theirs could not be made, which is an error of its own.
    pub never_sent: u64,
    /// Bytes received, heads included.
    pub bytes_received: u64,
    /// Bytes sent, heads included.
    pub bytes_sent: u64,
    /// Connections that were made.
    pub connections_opened: u64,
    /// Connections that were open at the end.
    pub connections_alive: u64,
    /// The most connections that were open at once.
    pub connections_most: u64,
    /// Connections that the server closed: with `Connection: close`, or while nothing was under way.
    pub closed_by_server: u64,
    /// Connections that were made in the place of others.
    pub connections_replaced: u64,
    /// Answers by status code, from 0 to 999.
    pub statuses: Vec<u64>,
    /// What failed.
    pub faults: Vec<FaultTally>,
    /// From when a request was due until its answer was there; of those that were given up, at least so long.
    pub latency: Times,
    /// From when it was sent.
    pub service: Times,
    /// From when it was due until it was sent, but for the time in which no connection was free: our own error.
    pub lateness: Times,
    /// How long it took to make connections.
    pub connecting: Times,
    /// Times in `latency` that are lower bounds: timeouts, unfinished and never sent requests.
    pub bounded: u64,
    /// Those in `service`: what was never sent has none.
    pub service_bounded: u64,
}

/// One kind of failure.
#[derive(Debug, Clone)]
pub struct FaultTally {
    /// Which.
    pub fault: Fault,
    /// How often.
    pub count: u64,
    /// Latencies until it failed.
    pub latency: Times,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            due: 0,
            sent: 0,
            answers: 0,
            answers_in_time: 0,
            successes: 0,
            successes_in_time: 0,
            unfinished: 0,
            never_sent: 0,
            bytes_received: 0,
            bytes_sent: 0,
            connections_opened: 0,
            connections_alive: 0,
            connections_most: 0,
            closed_by_server: 0,
            connections_replaced: 0,
            statuses: vec![0; 1_000],
            faults: Vec::new(),
            latency: times(),
            service: times(),
            lateness: times(),
            connecting: times(),
            bounded: 0,
            service_bounded: 0,
        }
    }
}

impl Tally {
    /// Counts a failure.
    pub fn fault(&mut self, fault: Fault, latency_ns: u64) {
        let known = self.faults.iter().position(|tally| tally.fault == fault);
        let index = known.unwrap_or_else(|| {
            self.faults.push(FaultTally { fault, count: 0, latency: times() });
            self.faults.len() - 1
        });
        let tally = &mut self.faults[index];
        tally.count += 1;
        add(&mut tally.latency, latency_ns);
    }

    /// How many failures there were of a phase.
    pub fn failed_in(&self, phase: &str) -> u64 {
        self.faults.iter().filter(|tally| tally.fault.phase() == phase).map(|tally| tally.count).sum()
    }

    /// Adds all that another thread or another client has counted.
    pub fn merge(&mut self, other: &Self) {
        let sums = [
            (&mut self.due, other.due),
            (&mut self.sent, other.sent),
            (&mut self.answers, other.answers),
            (&mut self.answers_in_time, other.answers_in_time),
            (&mut self.successes, other.successes),
            (&mut self.successes_in_time, other.successes_in_time),
            (&mut self.unfinished, other.unfinished),
            (&mut self.never_sent, other.never_sent),
            (&mut self.bytes_received, other.bytes_received),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.connections_opened, other.connections_opened),
            (&mut self.connections_alive, other.connections_alive),
            (&mut self.connections_most, other.connections_most),
            (&mut self.closed_by_server, other.closed_by_server),
            (&mut self.connections_replaced, other.connections_replaced),
            (&mut self.bounded, other.bounded),
            (&mut self.service_bounded, other.service_bounded),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        for (sum, more) in self.statuses.iter_mut().zip(&other.statuses) {
            *sum += more;
        }
        merge(&mut self.latency, &other.latency);
        merge(&mut self.service, &other.service);
        merge(&mut self.lateness, &other.lateness);
        merge(&mut self.connecting, &other.connecting);
        for theirs in &other.faults {
            match self.faults.iter_mut().find(|tally| tally.fault == theirs.fault) {
                Some(ours) => {
                    ours.count += theirs.count;
                    merge(&mut ours.latency, &theirs.latency);
                }
                None => self.faults.push(theirs.clone()),
            }
        }
    }
}

/// What happened within one second of a load, over all threads.
#[derive(Debug, Clone)]
pub struct Second {
    /// Which, from 0.
    pub index: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Answers that came in it.
    pub answers: u64,
    /// Of those, the ones as expected.
    pub successes: u64,
    /// Failures of any kind in it.
    pub faults: u64,
    /// Bytes received in it.
    pub bytes_received: u64,
    /// Connections open at its end.
    pub connections: u64,
    /// Latencies of what ended in it.
    pub latency: Times,
}

impl Second {
    /// An empty one.
    pub fn new(index: u64) -> Self {
        Self {
            index,
            sent: 0,
            answers: 0,
            successes: 0,
            faults: 0,
            bytes_received: 0,
            connections: 0,
            latency: times(),
        }
    }

    /// Adds what another thread saw in the same second.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.answers += other.answers;
        self.successes += other.successes;
        self.faults += other.faults;
        self.bytes_received += other.bytes_received;
        self.connections += other.connections;
        merge(&mut self.latency, &other.latency);
    }
}
