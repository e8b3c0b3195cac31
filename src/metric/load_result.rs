//! The last line that our own load generator prints as JSON: everything that it counted and timed, and whether it can be
//! believed. Each key of a number ends in its unit. `histogram` is an HdrHistogram in its V2 encoding, compressed and in
//! Base64, of nanoseconds: the form that its other tools read, and that can be merged exactly.

use serde::{Deserialize, Serialize};

/// The version of these lines.
pub const LOAD_RESULT_FORMAT: u32 = 1;

/// The result of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadResult {
    /// Always `result`: other lines have other types.
    #[serde(rename = "type")]
    pub kind: String,
    /// [`LOAD_RESULT_FORMAT`].
    pub format: u32,
    /// `timetrial 0.1.0`.
    pub tool: String,
    /// What was requested, as asked.
    pub url: String,
    /// What the server spoke: `HTTP/1.1`, `HTTP/1.0`, `HTTP/2`. `null` where nothing was answered, `mixed` for several.
    pub protocol: Option<String>,
    /// `epoll`, `io_uring`, or `tokio` for HTTP/2; `mixed` for several.
    pub engine: String,
    /// `precise` or `economy` in an open loop, `closed` else.
    pub pace: String,
    /// `SCHED_FIFO` or `SCHED_OTHER`; and with `SCHED_OTHER` in an open loop why it is not the other one.
    pub scheduler: String,
    /// Why it is that one, where somebody may wonder.
    pub scheduler_because: Option<String>,
    /// Where receive times come from: `kernel` or `user`.
    pub receive_times: String,
    /// Threads.
    pub threads_count: u32,
    /// Requests at once on each connection of HTTP/2.
    pub streams_asked_count: Option<u32>,
    /// Connections.
    pub connections: Connections,
    /// When requests began, in Unix time.
    pub started_unix_us: u64,
    /// How long requests were to be sent.
    pub duration_asked_us: u64,
    /// How long they were: shorter if somebody stopped it.
    pub duration_us: u64,
    /// From when on a request was given up.
    pub timeout_us: u64,
    /// The rate asked for, on average. `null` in a closed loop.
    pub rate_asked_per_s: Option<f64>,
    /// `100..300` for a rate that changed evenly, `100,200` for steps; several clients' have ` + ` in between. `null` for one rate.
    pub rates_asked: Option<String>,
    /// Requests sent, over the duration.
    pub rate_sent_per_s: f64,
    /// Answers within the duration, over the duration.
    pub answers_per_s: f64,
    /// Answers as expected within the duration, over the duration.
    pub successes_per_s: f64,
    /// Requests.
    pub requests: RequestCounts,
    /// Bytes received, heads included.
    pub received_bytes: u64,
    /// Bytes sent, heads included.
    pub sent_bytes: u64,
    /// Answers by status code.
    pub statuses: Vec<StatusCount>,
    /// Failures, each kind by itself.
    pub errors: Vec<ErrorLine>,
    /// From when a request was due (in a closed loop: sent) until its answer was there. Answers as expected, and as lower
    /// bounds those that were given up or were still under way: whoever waits for them waits longer.
    pub latency: TimesLine,
    /// From when it was sent; of answers as expected and, as lower bounds, those that were given up.
    pub service_time: TimesLine,
    /// From when a request was due and a connection was free until it was sent: our own error. In a closed loop, where
    /// a request is due as soon as its connection is free, it is how long we hold the loop up.
    pub send_lateness: TimesLine,
    /// How long it took to make connections, the handshake of TLS included.
    pub connect_time: TimesLine,
    /// What it cost us and what disturbed us.
    pub surroundings: Surroundings,
    /// Whether the figures mean what they say.
    pub is_valid: bool,
    /// Why not, in sentences.
    pub invalid_because: Vec<String>,
    /// The p99 of our own lateness from which on it is not.
    pub lateness_bound_us: f64,
    /// How many clients' results were merged into this; 1 for one that was not.
    pub clients_count: u32,
}

/// Connections of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Asked for.
    pub asked_count: u64,
    /// The most that were open at once.
    pub most_open_count: u64,
    /// Made in all.
    pub opened_count: u64,
    /// Made in the place of others.
    pub replaced_count: u64,
    /// Closed by the server, politely.
    pub closed_by_server_count: u64,
    /// Open at the end.
    pub alive_count: u64,
}

/// Requests of a load. `due` = `sent` + `never_sent` in an open loop; `sent` = `answered` + failed without an answer + `unfinished`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCounts {
    /// Due by the schedule. `null` in a closed loop.
    pub due_count: Option<u64>,
    /// Sent.
    pub sent_count: u64,
    /// Answered, with any status.
    pub answered_count: u64,
    /// Of those, within the duration.
    pub answered_in_time_count: u64,
    /// Answered as expected.
    pub succeeded_count: u64,
    /// Still under way when nobody waited any longer.
    pub unfinished_count: u64,
    /// Due and never sent, since no connection was free or theirs could not be made.
    pub never_sent_count: u64,
}

/// Answers with one status code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusCount {
    /// The code.
    pub status: u16,
    /// How many.
    pub answers_count: u64,
}

/// One kind of failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorLine {
    /// `connect`, `tls`, `send`, `receive`, `closed`, `parse`, `timeout`, `status`, `document`.
    pub phase: String,
    /// An errno with its meaning, a status, or words.
    pub reason: String,
    /// How often.
    pub errors_count: u64,
    /// How long it took until it failed.
    pub latency: TimesLine,
}

/// Figures of a histogram. All but the counts are `null` where it is empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimesLine {
    /// Times in it.
    pub samples_count: u64,
    /// Of those, lower bounds.
    pub lower_bounds_count: u64,
    /// Smallest.
    pub min_us: Option<f64>,
    /// Arithmetic mean.
    pub mean_us: Option<f64>,
    /// Standard deviation.
    pub stdev_us: Option<f64>,
    /// Percentiles.
    pub p50_us: Option<f64>,
    /// 75 %.
    pub p75_us: Option<f64>,
    /// 90 %.
    pub p90_us: Option<f64>,
    /// 95 %.
    pub p95_us: Option<f64>,
    /// 99 %.
    pub p99_us: Option<f64>,
    /// 99.9 %.
    pub p99_9_us: Option<f64>,
    /// 99.99 %.
    pub p99_99_us: Option<f64>,
    /// Largest.
    pub max_us: Option<f64>,
    /// The histogram, of nanoseconds.
    pub histogram: Option<String>,
}

/// What the load cost its own machine, and what else went on there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// CPU time of our threads in user mode.
    pub own_cpu_user_us: u64,
    /// CPU time of our threads in the kernel.
    pub own_cpu_system_us: u64,
    /// CPU time of the busiest thread.
    pub busiest_thread_cpu_us: u64,
    /// CPU time of all processors that a hypervisor gave to others. `null` where the kernel does not tell.
    pub steal_us: Option<u64>,
    /// TCP segments of this machine (or network namespace) that were sent again meanwhile. `null` where it does not tell.
    pub retransmits_count: Option<u64>,
    /// Requests for connections among them: a full backlog, or a path that loses packets.
    pub syn_retransmits_count: Option<u64>,
    /// The most memory that we had.
    pub peak_memory_bytes: Option<u64>,
}
