//! The figures of one trial, in one shape for every load generator.

use serde::{Deserialize, Serialize};

use crate::metric::Account;

/// What one load measured. Every field was read from the tool's output; what a tool does not tell is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadFigures {
    /// Answers received, of any status.
    pub requests: u64,
    /// How long the tool measured.
    pub duration_us: u64,
    /// Bytes received, headers included.
    pub bytes_received: u64,
    /// The rate as the tool printed it, kept to be held against `requests / duration`.
    pub printed_requests_per_second: f64,
    /// Failed requests by kind.
    pub errors: ErrorCounts,
    /// Answers among `requests` that came after the time limit. `None` where the tool does not count answers: wrk2's
    /// timeouts are sweeps over late connections.
    #[serde(default)]
    pub late_answers: Option<u64>,
    /// Latency of the answers, as the tool gives it: wrk's is corrected for what it calls coordinated omission, wrk2's
    /// is counted from when a request was due. `None` where it measured none: every connection was dropped, or every
    /// answer was too late. The counts are right all the same.
    #[serde(default)]
    pub latency: Option<Latency>,
    /// Service time of the answers: from when a request was really sent, nothing added. `None` where the tool keeps none.
    #[serde(default)]
    pub service_time: Option<Latency>,
    /// Threads of the load generator.
    pub threads: u32,
    /// Connections asked for.
    pub connections_asked: u32,
    /// Connections that the tool really set out to open: wrk divides them evenly over its threads and drops the rest.
    pub connections_used: u32,
    /// Requests that each connection was to have under way at once. `None` for a tool that sends one after the other.
    #[serde(default)]
    pub streams_asked: Option<u32>,
    /// Requests per second asked for, by an open-loop tool.
    pub rate_asked: Option<u64>,
    /// The protocol of the answers, in the words of daemons: `HTTP/2`. `None` where the tool does not tell, or had no answer.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The tool and its version, as it says itself or as its package is named.
    pub tool: String,
    /// What the tool tells of its own work. `None` where it tells nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Box<Account>>,
}

impl LoadFigures {
    /// Answers per second, of any status.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / (self.duration_us as f64 / 1e6)
    }

    /// Answers that were neither refused by their status nor known to be too late: who asked has given up by then. Where
    /// the tool does not tell them, one that was both is taken away twice, because nobody knows how many there were, so
    /// this is a lower bound.
    pub fn successes(&self) -> u64 {
        if let Some(account) = &self.account {
            return account.successes;
        }
        let wrong = [self.errors.status, self.errors.document, self.late_answers.unwrap_or(0)];
        wrong.into_iter().fold(self.requests, u64::saturating_sub)
    }

    /// All answers that errors are counted among: those after the measured time as well, where the tool waits for them.
    pub fn answered(&self) -> u64 {
        self.account.as_ref().map_or(self.requests, |account| account.answered)
    }

    /// Successful answers per second: what daemons are ranked by.
    pub fn successes_per_second(&self) -> f64 {
        self.successes() as f64 / (self.duration_us as f64 / 1e6)
    }

    /// Mean bytes received for each answer, headers included.
    pub fn bytes_per_response(&self) -> Option<f64> {
        (self.answered() > 0).then(|| self.bytes_received as f64 / self.answered() as f64)
    }

    /// The latency to judge and to show. In a closed loop no request is ever due before it is sent, so what a user of
    /// these connections waited is the service time; wrk's own latency there is "corrected" by an assumption about
    /// pauses that calm runs don't bear out. Where a tool does not tell its service time, its latency is all there is.
    pub fn waiting(&self) -> Option<&Latency> {
        if self.waits_are_service_times() { self.service_time.as_ref() } else { self.latency.as_ref() }
    }

    /// How many answers [`waiting`](Self::waiting) rests on, where the tool dropped some: wrk those that were too late, wrk2
    /// those of its first ten seconds. `None` where it rests on all of them, or the tool does not tell.
    pub fn answers_timed(&self) -> Option<u64> {
        self.waiting()?.samples.filter(|samples| *samples < self.requests)
    }

    /// Without the percentiles that no answer stands for: the 99.9th of 100 answers is its largest under another name.
    /// Whatever shows figures shows these.
    #[must_use]
    pub fn founded(mut self) -> Self {
        let requests = self.requests;
        let lateness = self.account.iter_mut().filter_map(|account| account.send_lateness.as_mut());
        for latency in self.latency.iter_mut().chain(&mut self.service_time).chain(lateness) {
            let samples = latency.samples.unwrap_or(requests) as f64;
            // A rank like 99.9 is no round number for a computer, so exactly one answer may seem to be a bit less.
            latency.percentiles.retain(|percentile| samples * (100.0 - percentile.rank) / 100.0 >= 1.0 - 1e-6);
        }
        self
    }

    /// Whether [`waiting`](Self::waiting) is the service time, and not the tool's own latency.
    pub fn waits_are_service_times(&self) -> bool {
        self.rate_asked.is_none() && self.service_time.is_some()
    }

    /// How many of the times in [`waiting`](Self::waiting) are only known to be at least so long: of requests that were given
    /// up. 0 also where a tool leaves such requests out.
    pub fn lower_bounds(&self) -> u64 {
        let of = |account: &Account| {
            if self.waits_are_service_times() {
                account.service_time_lower_bounds
            } else {
                account.latency_lower_bounds
            }
        };
        self.account.as_deref().map_or(0, of)
    }

    /// How late the tool sent its requests itself, where it tells.
    pub fn send_lateness(&self) -> Option<&Latency> {
        self.account.as_ref()?.send_lateness.as_ref()
    }

    /// Connections that may still have been alive at the end: wrk and wrk2 never retry a failed connect. One that hangs,
    /// or is refused again and again, is in here, so this is an upper bound. A tool that replaces what it lost tells how
    /// many were open at once.
    pub fn connections_alive(&self) -> u32 {
        if let Some(account) = &self.account {
            return u32::try_from(account.connections.most_open_count).unwrap_or(u32::MAX);
        }
        self.connections_used.saturating_sub(u32::try_from(self.errors.connect).unwrap_or(u32::MAX))
    }

    /// Requests that were under way at once, by rate × mean latency where the tool does not tell it.
    pub fn under_way(&self) -> Option<f64> {
        match &self.account {
            Some(account) => Some(account.under_way),
            None => Some(self.requests_per_second() * self.waiting()?.mean_us / 1e6),
        }
    }

    /// Requests that a closed loop keeps under way at once: one on each connection, or as many as were asked for.
    pub fn requests_under_way(&self) -> u64 {
        u64::from(self.connections_alive()) * u64::from(self.streams_asked.unwrap_or(1))
    }
}

/// Failed requests by kind. The kinds are never mixed: each generator counts another thing under "timeout".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ErrorCounts {
    /// Connections that could not be made.
    pub connect: u64,
    /// Requests that could not be sent.
    pub send: u64,
    /// Answers that could not be received, or were cut.
    pub receive: u64,
    /// Answers later than the time limit (wrk 4), or sweeps over late connections (wrk2).
    pub timeout: u64,
    /// Answers with a status other than 2xx or 3xx.
    pub status: u64,
    /// Answers with another document than the expected one, where the tool looks.
    #[serde(default)]
    pub document: u64,
}

impl ErrorCounts {
    /// All of them together: only to ask whether there were any.
    pub fn total(&self) -> u64 {
        self.by_kind().iter().map(|(_, number)| number).sum()
    }

    /// Kind and count, in the order of a request's life.
    pub fn by_kind(&self) -> [(&'static str, u64); 6] {
        [
            ("connect", self.connect),
            ("send", self.send),
            ("receive", self.receive),
            ("timeout", self.timeout),
            ("status", self.status),
            ("document", self.document),
        ]
    }
}

/// Latency of the answers, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Answers that these figures rest on, when the tool tells it. wrk counts those that its correction invented too.
    #[serde(default)]
    pub samples: Option<u64>,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Standard deviation.
    pub stdev_us: f64,
    /// Smallest.
    pub min_us: Option<f64>,
    /// Largest.
    pub max_us: f64,
    /// Percentiles, ascending.
    pub percentiles: Vec<Percentile>,
}

impl Latency {
    /// The percentile with this rank (50, 99, ...), when the tool told it.
    pub fn percentile(&self, rank: f64) -> Option<f64> {
        self.percentiles.iter().find(|p| (p.rank - rank).abs() < 1e-9).map(|p| p.us)
    }
}

/// One percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// Its rank in per cent: 50, 90, 99, 99.9.
    pub rank: f64,
    /// Its value.
    pub us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(samples: Option<u64>, requests: u64) -> LoadFigures {
        let percentiles = [50.0, 90.0, 99.0, 99.9, 99.99].map(|rank| Percentile { rank, us: rank }).to_vec();
        let latency = Latency { samples, mean_us: 1.0, stdev_us: 1.0, min_us: None, max_us: 100.0, percentiles };
        LoadFigures {
            requests,
            duration_us: 1_000_000,
            bytes_received: 0,
            printed_requests_per_second: requests as f64,
            errors: ErrorCounts::default(),
            late_answers: None,
            latency: Some(latency.clone()),
            service_time: Some(latency),
            threads: 1,
            connections_asked: 1,
            connections_used: 1,
            streams_asked: None,
            rate_asked: None,
            protocol: None,
            tool: "wrk".to_owned(),
            account: None,
        }
    }

    #[test]
    fn a_percentile_needs_an_answer_above_it() {
        let check = |samples: u64, expected: &[f64]| {
            for figures in [with(Some(samples), 1_000_000), with(None, samples)] {
                let founded = figures.founded();
                for latency in [founded.latency.unwrap(), founded.service_time.unwrap()] {
                    let ranks: Vec<f64> = latency.percentiles.iter().map(|percentile| percentile.rank).collect();
                    assert_eq!(ranks, expected, "{samples}");
                }
            }
        };
        check(0, &[]);
        check(1, &[]);
        check(2, &[50.0]);
        check(99, &[50.0, 90.0]);
        check(100, &[50.0, 90.0, 99.0]);
        check(999, &[50.0, 90.0, 99.0]);
        check(1_000, &[50.0, 90.0, 99.0, 99.9]);
        check(10_000, &[50.0, 90.0, 99.0, 99.9, 99.99]);
    }

    #[test]
    fn answers_without_a_time_are_told() {
        assert_eq!(with(Some(180), 1_052).answers_timed(), Some(180));
        assert_eq!(with(Some(1_052), 1_052).answers_timed(), None);
        assert_eq!(with(None, 1_052).answers_timed(), None);
    }

    #[test]
    fn late_answers_are_no_successes() {
        let late = LoadFigures { late_answers: Some(9), ..with(None, 10) };
        assert_eq!(late.successes(), 1);
        let both = LoadFigures { errors: ErrorCounts { status: 10, ..ErrorCounts::default() }, ..late };
        assert_eq!(both.successes(), 0);
    }
}
