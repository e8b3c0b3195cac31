//! h2load 1.52 of nghttp2: a closed loop over kept connections, each with one or more requests under way at once.
//!
//! What its figures mean was read in its source (`src/h2load.cc`) and seen on real runs:
//!
//! - **Protocol.** Without TLS it speaks what it is told: HTTP/2 with prior knowledge (`h2c`), or HTTP/1.1. It says which
//!   once a connection is made. An answer in another protocol is none: `0 done`, and exit code 0 all the same. So
//!   where there are answers, they came in this protocol.
//! - **It exits with 0 when nobody listens**, after the whole duration, with nothing but zeros. Only the line with the
//!   protocol is missing then.
//! - **A connection that ends is never replaced, and nothing says so.** What was under way on it is counted as failed and
//!   then taken back by its last sum; its rate goes on being divided by the whole duration. A daemon killed in the middle
//!   shows as half the rate and `0 errored`. Rate and time no longer belong together then, which is what the referee's
//!   `littles-law` sees.
//! - **errored** counts HTTP/2 streams that were reset. They are **done**, but no answers. **failed** is whatever was done
//!   and did not succeed: those, and every answer that is not 2xx or 3xx. **timeout** is always 0 here: it belongs to
//!   `-N`, with which h2load 1.52 crashes (an assertion of libev). So it knows no late answers; `timeout` of a scenario
//!   means nothing to it and is refused.
//! - **Connections.** Threads that do not divide them evenly get one more each until all are given out. They are made
//!   before the load begins; `time for connect` is not a connect time, because it is counted from then.
//! - **Time for request** runs from the frame that was sent to the end of the stream: service time. There is its mean,
//!   deviation, smallest and largest, rounded to three digits, and no percentile. From a million answers by all
//!   threads together on, it rests on a random million of them, and then how many is not told.
//! - `--log-file` would have each request's time. It writes a line for each answer, in the thread that measures and without
//!   a buffer, so it is not used.
//! - Requests under way at the end are not counted. Times and rate are those of the stated duration; h2load takes a
//!   few milliseconds more to end.
//! - With HTTP/1.1 and a daemon that closes its connections h2load opens new ones, and then never ends. That is refused.
//! - Over HTTP/1.1 it sees no status where a daemon writes none of the words that may follow the code (`HTTP/1.1 200 `,
//!   as Hypercorn does), and counts every such answer as failed. That is told as an error.
//! - It does not say its version in a run. The package does.

use std::time::Duration;

use crate::command::{Command, Exit, Output};
use crate::metric::{ErrorCounts, Latency, LoadFigures};
use crate::tool::agree::{agrees, counts_agree, stopped_in_time};
use crate::tool::error::{FirstLine, ParseError};
use crate::tool::h2load_text::{self, H2loadText, Times};
use crate::tool::load::{Invocation, LoadRequest, LoadTool, Pace, seconds};

/// h2load.
pub struct H2load;

const NAME: &str = "h2load";

/// Its words for the protocols, and ours.
const PROTOCOLS: [(&str, &str); 2] = [("h2c", "HTTP/2"), ("http/1.1", "HTTP/1.1")];

/// Answers that its times rest on at most, over all threads. Up to here they rest on all.
const MOST_SAMPLES: u64 = 1_000_000;

impl LoadTool for H2load {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pace(&self) -> Pace {
        Pace::ClosedLoop
    }

    fn protocols(&self) -> &'static [&'static str] {
        &["HTTP/1.1", "HTTP/2"]
    }

    fn multiplexes(&self) -> bool {
        true
    }

    fn has_time_limit(&self) -> bool {
        false
    }

    fn needs_keep_alive(&self) -> bool {
        true
    }

    fn connections_used(&self, request: &LoadRequest) -> u32 {
        request.connections
    }

    fn shortest(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn package(&self) -> Option<&'static str> {
        Some("nghttp2-client")
    }

    fn invocation(&self, request: &LoadRequest) -> Invocation {
        let protocol = PROTOCOLS.iter().find(|(_, ours)| *ours == request.protocol).map_or("h2c", |(word, _)| word);
        let mut words: Vec<String> = Vec::new();
        let options = [
            ("-t", request.threads.to_string()),
            ("-c", request.connections.to_string()),
            // With HTTP/1.1 this would be pipelining.
            ("-m", request.streams.to_string()),
            ("-D", format!("{}s", seconds(request.duration))),
            // Ours is a run of its own, and unmeasured by whatever tool.
            ("--warm-up-time", "0s".to_owned()),
            ("-p", protocol.to_owned()),
            // Flow control never stops an answer: these are its defaults.
            ("-f", "16K".to_owned()),
            ("-w", "30".to_owned()),
            ("-W", "30".to_owned()),
        ];
        words.extend(options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
        words.push(request.url.clone());
        Invocation { command: Command::new(NAME, words), files: Vec::new() }
    }

    fn parse(&self, request: &LoadRequest, output: &Output) -> Result<LoadFigures, ParseError> {
        finished(output)?;
        let text = h2load_text::parse(&output.stdout)?;
        as_asked(request, &text)?;
        let answers = answers(&text, request)?;
        let stderr = FirstLine::of(&output.stderr);
        if answers == 0 && text.protocol.is_none() {
            return Err(ParseError::Refused { tool: NAME, exit: output.exit, stderr });
        }
        if answers == 0 && !output.stderr.trim_ascii().is_empty() {
            return Err(ParseError::NotUnderstood { tool: NAME, stderr });
        }
        let duration_us = (text.main_duration_s * 1e6).round() as u64;
        stopped_in_time(request, text.finished_us.value as u64)?;
        agrees("requests per second", text.requests_per_second, answers as f64 / text.main_duration_s)?;
        agrees("bytes received", text.bytes.0, text.bytes.1 as f64)?;
        if text.request_time.max.value > text.finished_us.value + 1e6 {
            let why = format!("{} µs is longer than the load", text.request_time.max.value);
            return Err(ParseError::Implausible { what: "the time for request", why });
        }
        let times = (answers > 0).then(|| latency(&text.request_time, answers, request.threads));
        Ok(LoadFigures {
            requests: answers,
            duration_us,
            bytes_received: text.bytes.1,
            printed_requests_per_second: text.requests_per_second.value,
            errors: errors(&text, &output.stderr)?,
            late_answers: None,
            latency: times.clone(),
            service_time: times,
            threads: request.threads,
            connections_asked: request.connections,
            connections_used: text.clients.iter().sum(),
            streams_asked: Some(request.streams),
            rate_asked: None,
            // Where nothing was answered, nobody knows what the daemon would have spoken.
            protocol: text.protocol.filter(|_| answers > 0).and_then(our_word),
            tool: NAME.to_owned(),
            account: None,
        })
    }
}

fn our_word(protocol: &str) -> Option<String> {
    PROTOCOLS.iter().find(|(word, _)| *word == protocol).map(|(_, ours)| (*ours).to_owned())
}

/// Why it did not finish, if it did not.
fn finished(output: &Output) -> Result<(), ParseError> {
    let (tool, exit, stderr) = (NAME, output.exit, FirstLine::of(&output.stderr));
    match exit {
        exit if exit.is_success() => Ok(()),
        Exit::Signal { .. } => Err(ParseError::Killed { tool, exit, stderr }),
        Exit::Code { .. } if output.stderr.starts_with(b"getaddrinfo() failed") => {
            Err(ParseError::Unresolved { tool, exit, stderr })
        }
        Exit::Code { .. } => Err(ParseError::Failed { tool, exit, stderr }),
    }
}

fn as_asked(request: &LoadRequest, text: &H2loadText) -> Result<(), ParseError> {
    let differs = |what, asked: String, done: String| Err(ParseError::NotAsAsked { what, asked, done });
    if u32::try_from(text.clients.len()) != Ok(request.threads) {
        return differs("threads", request.threads.to_string(), text.clients.len().to_string());
    }
    let clients: u64 = text.clients.iter().copied().map(u64::from).sum();
    if clients != u64::from(request.connections) {
        return differs("connections", request.connections.to_string(), clients.to_string());
    }
    if text.main_duration_s != request.duration.as_secs_f64() {
        return differs("duration", format!("{:?}", request.duration), format!("{} s", text.main_duration_s));
    }
    Ok(())
}

/// Whole answers of any status, if the counts belong together.
fn answers(text: &H2loadText, request: &LoadRequest) -> Result<u64, ParseError> {
    let counts = text.requests;
    counts_agree("requests done and in total", counts.total, counts.done)?;
    counts_agree("requests done", counts.done, counts.succeeded.saturating_add(counts.failed))?;
    let implausible = |what, why| Err(ParseError::Implausible { what, why });
    if counts.started < counts.done {
        return implausible("the requests", format!("{} done of {} started", counts.done, counts.started));
    }
    if counts.timeout > 0 {
        return implausible("the timeouts", format!("{}, without a time limit", counts.timeout));
    }
    let Some(answers) = counts.done.checked_sub(counts.errored).filter(|answers| *answers >= counts.succeeded) else {
        return implausible("the errors", format!("{} of {} failed", counts.errored, counts.failed));
    };
    let by_status = text.statuses.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if by_status == 0 && answers > 0 {
        let why = format!("none for {answers} answers: over HTTP/1.1 h2load needs words after the status code");
        return implausible("the answers by status", why);
    }
    // A status is counted when it comes, an answer when it ends, so those under way at the end may be between the two.
    let under_way = u64::from(request.connections) * u64::from(request.streams);
    if by_status.abs_diff(answers) > under_way.saturating_add(counts.errored) {
        return implausible("the answers by status", format!("{by_status} for {answers} answers"));
    }
    Ok(answers)
}

fn errors(text: &H2loadText, stderr: &[u8]) -> Result<ErrorCounts, ParseError> {
    let counts = text.requests;
    let status = counts.failed.checked_sub(counts.errored).ok_or_else(|| ParseError::Implausible {
        what: "the errors",
        why: format!("{} of {} failed", counts.errored, counts.failed),
    })?;
    // A connection that could not even be begun, for want of a port or a descriptor. A refused one is never told.
    let connect = String::from_utf8_lossy(stderr).matches("client could not connect to host").count();
    Ok(ErrorCounts { connect: connect as u64, send: 0, receive: counts.errored, timeout: 0, status, document: 0 })
}

fn latency(times: &Times, answers: u64, threads: u32) -> Latency {
    // Each thread keeps its share of the million: as long as all answers fit into one share, none was dropped.
    let all_kept = answers <= MOST_SAMPLES / u64::from(threads.max(1));
    Latency {
        samples: all_kept.then_some(answers),
        mean_us: times.mean.value,
        stdev_us: times.stdev.value,
        min_us: Some(times.min.value),
        max_us: times.max.value,
        percentiles: Vec::new(),
    }
}

#[cfg(test)]
#[path = "h2load_tests.rs"]
mod tests;
