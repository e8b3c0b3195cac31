//! The lines that a load prints as JSON: how it starts, each of its seconds, and its result as the last one.

use serde::{Deserialize, Serialize};

use crate::loadgen::result::{micros, pace, rate_asked, streams, tool};
use crate::loadgen::settings::{Address, Settings};
use crate::loadgen::tally::Second;
use crate::loadgen::times_line;
use crate::metric::{LOAD_RESULT_FORMAT, TimesLine};

/// The first line: what was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartLine {
    /// Always `start`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of these lines.
    pub format: u32,
    /// `timetrial 0.1.0`.
    pub tool: String,
    /// What is requested.
    pub url: String,
    /// The addresses that connections are made to.
    pub addresses: Vec<String>,
    /// `precise` or `economy` in an open loop, `closed` else.
    pub pace: String,
    /// Threads.
    pub threads_count: u32,
    /// Connections asked for.
    pub connections_asked_count: u32,
    /// Requests at once on each connection of HTTP/2.
    pub streams_asked_count: Option<u32>,
    /// The mean rate asked for. `null` in a closed loop.
    pub rate_asked_per_s: Option<f64>,
    /// How long requests are to be sent.
    pub duration_asked_us: u64,
    /// From when on a request is given up.
    pub timeout_us: u64,
    /// When it is to begin, in Unix time. `null`: at once.
    pub start_at_unix_us: Option<u64>,
    /// What may go wrong, in sentences.
    pub warnings: Vec<String>,
}

/// One second of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondLine {
    /// Always `second`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it began, counted from the start of the load. After the load's duration, answers may still come.
    pub from_s: u64,
    /// Requests sent in it.
    pub sent_count: u64,
    /// Answers that came in it.
    pub answers_count: u64,
    /// Of those, the ones as expected.
    pub successes_count: u64,
    /// Failures of any kind in it.
    pub errors_count: u64,
    /// Bytes received in it.
    pub received_bytes: u64,
    /// Connections open at its end.
    pub connections_open_count: u64,
    /// Latencies of what ended in it.
    pub latency: SecondTimes,
}

/// Latencies of one second. A percentile is `null` where no sample stands beyond it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondTimes {
    /// Times in it.
    pub samples_count: u64,
    /// Smallest.
    pub min_us: Option<f64>,
    /// Arithmetic mean.
    pub mean_us: Option<f64>,
    /// Percentiles.
    pub p50_us: Option<f64>,
    /// 90 %.
    pub p90_us: Option<f64>,
    /// 99 %.
    pub p99_us: Option<f64>,
    /// 99.9 %.
    pub p99_9_us: Option<f64>,
    /// Largest.
    pub max_us: Option<f64>,
    /// The histogram, of nanoseconds.
    pub histogram: Option<String>,
}

/// What came of one probe of a search, after its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeLine {
    /// Always `probe`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The rate that was tried.
    pub rate_asked_per_s: f64,
    /// Whether the goal held, the result is valid and the rate was kept.
    pub holds: bool,
    /// Why not, in sentences.
    pub fails_because: Vec<String>,
}

/// What a search found: its last line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundLine {
    /// Always `found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What had to hold.
    pub goal: String,
    /// The highest rate that held. `null`: none did.
    pub holds_at_per_s: Option<f64>,
    /// The lowest rate that failed. `null`: none did.
    pub fails_at_per_s: Option<f64>,
    /// How many rates were tried.
    pub probes_count: u64,
    /// Whether the search came to its end.
    pub is_whole: bool,
}

impl StartLine {
    /// The first line of a load.
    pub fn of(settings: &Settings, warnings: &[String]) -> Self {
        Self {
            kind: "start".to_owned(),
            format: LOAD_RESULT_FORMAT,
            tool: tool(),
            url: settings.target.url.clone(),
            addresses: settings.target.addresses.iter().map(address).collect(),
            pace: pace(settings).to_owned(),
            threads_count: settings.threads,
            connections_asked_count: settings.connections,
            streams_asked_count: streams(settings),
            rate_asked_per_s: rate_asked(settings),
            duration_asked_us: micros(settings.duration),
            timeout_us: micros(settings.timeout),
            start_at_unix_us: settings.start_at_us,
            warnings: warnings.to_vec(),
        }
    }
}

impl SecondLine {
    /// The line of a second.
    pub fn of(second: &Second) -> Self {
        Self::with(second, times_line::line(&second.latency, 0))
    }

    /// The same without its histogram, which takes time to encode.
    pub fn shown(second: &Second) -> Self {
        Self::with(second, times_line::figures(&second.latency, 0))
    }

    fn with(second: &Second, latency: TimesLine) -> Self {
        let TimesLine { samples_count, min_us, mean_us, p50_us, p90_us, p99_us, p99_9_us, max_us, histogram, .. } =
            latency;
        Self {
            kind: "second".to_owned(),
            from_s: second.index,
            sent_count: second.sent,
            answers_count: second.answers,
            successes_count: second.successes,
            errors_count: second.faults,
            received_bytes: second.bytes_received,
            connections_open_count: second.connections,
            latency: SecondTimes {
                samples_count,
                min_us,
                mean_us,
                p50_us,
                p90_us,
                p99_us,
                p99_9_us,
                max_us,
                histogram,
            },
        }
    }
}

/// An address as people write it.
pub fn address(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// A line of text for each of them.
pub fn json<T: Serialize>(line: &T) -> String {
    // Plain structs of numbers and texts can always be written.
    serde_json::to_string(line).unwrap_or_default() + "\n"
}
