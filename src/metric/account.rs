//! What a load generator tells of its own work, where it does: what it sent, how late it was itself, and whether its figures
//! mean what they say.

use serde::{Deserialize, Serialize};

use crate::metric::{Connections, Latency, Surroundings};

/// What a load generator tells of its own work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Requests that were due by the schedule of an open loop.
    pub due: Option<u64>,
    /// Requests that were sent.
    pub sent: u64,
    /// All answers, of any status: those that came after the measured time as well, which its errors count, too.
    pub answered: u64,
    /// Answers as expected, within the measured time.
    pub successes: u64,
    /// Requests under way at once, on average over the measured time: connections that are being made, requests that wait for the
    /// generator itself, answers of any kind, and whatever failed after it was sent.
    pub under_way: f64,
    /// Requests that were still under way when nobody waited any longer.
    pub unfinished: u64,
    /// Requests that were due and never sent, because no connection was free.
    pub never_sent: u64,
    /// Among the times of the latency, those that are only known to be at least so long.
    pub latency_lower_bounds: u64,
    /// The same of the service time.
    pub service_time_lower_bounds: u64,
    /// What became of its connections.
    pub connections: Connections,
    /// From when a request could have been sent until it was: the generator's own error. `None` where it was not looked at.
    pub send_lateness: Option<Latency>,
    /// The p99 of its own lateness from which on it does not believe itself.
    pub lateness_bound_us: f64,
    /// Why its figures do not mean what they say, in its own sentences. None where they do.
    pub invalid_because: Vec<String>,
    /// How it worked: `epoll, precise, SCHED_FIFO, receive times of the kernel`.
    pub engine: String,
    /// What the load cost its own machine, and what else went on there.
    pub surroundings: Surroundings,
    /// How many machines the load came from.
    pub clients: u32,
}
