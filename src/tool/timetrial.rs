//! Our own load generator, `timetrial load`: a closed loop, or an open one where there is a rate. It comes with every agent.
//!
//! Its figures come as JSON lines; the last one is a [`LoadResult`], and only a whole load prints it. What they mean is ours to
//! say, and is said there. What matters here:
//!
//! - **Requests** are the answers of any status within the duration, so that they over the duration are its own rate. It waits
//!   for what is under way at the end, up to the time limit: those answers are in its statuses, errors and times, and make
//!   [`Account::answered`] larger.
//! - **Errors** are counted once each and never tried again. *receive* here is what it calls `receive`, `closed`, `parse` and
//!   `tls`: no whole answer that can be read came. A *timeout* closes its connection and is no answer, so none of its
//!   answers is late.
//! - **Connections** that are lost are replaced, and what does not divide evenly over the threads is given to the first.
//! - **Latency** counts from when a request was due (in a closed loop: sent), **service time** from when it was sent. Both are of
//!   answers as expected, and of requests that were given up, as lower bounds; refused answers have times of their own.
//! - **Send lateness** is its own error, and it says itself when that or anything else spoils its figures: exit code 3. With 1
//!   nothing succeeded. Both have figures all the same, and the referee has the last word.
//! - In an open loop a request that no connection was free for is *never sent*, and in the latency as old as it was.

use std::time::Duration;

use crate::command::{Command, Exit, Output};
use crate::loadgen::merged::merged;
use crate::metric::{
    Account, ErrorCounts, LOAD_RESULT_FORMAT, Latency, LoadFigures, LoadResult, Percentile, TimesLine,
};
use crate::tool::agree::stopped_in_time;
use crate::tool::error::{FirstLine, ParseError, beginning};
use crate::tool::load::{Invocation, LoadRequest, LoadTool, MULTIPLEXED, Pace, Shared, seconds};
use crate::tool::timetrial_sums;

/// Ourselves.
pub struct Timetrial;

pub(in crate::tool) const NAME: &str = "timetrial";

/// Its exit codes of loads that have figures: fine, nothing succeeded, invalid.
const CODES: [i32; 3] = [0, 1, 3];

impl LoadTool for Timetrial {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pace(&self) -> Pace {
        Pace::Either
    }

    fn is_own(&self) -> bool {
        true
    }

    fn protocols(&self) -> &'static [&'static str] {
        &["HTTP/1.1", "HTTP/1.0", MULTIPLEXED]
    }

    fn makes_shares(&self) -> bool {
        true
    }

    fn multiplexes(&self) -> bool {
        true
    }

    fn connections_used(&self, request: &LoadRequest) -> u32 {
        request.connections
    }

    fn shortest(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn package(&self) -> Option<&'static str> {
        None
    }

    fn invocation(&self, request: &LoadRequest) -> Invocation {
        let mut words = vec!["load".to_owned(), request.url.clone()];
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        option("-t", request.threads.to_string());
        option("-c", request.connections.to_string());
        option("-d", format!("{}s", seconds(request.duration)));
        option("--timeout", format!("{}s", seconds(request.timeout)));
        if let Some(rate) = request.rate {
            option("-R", rate.to_string());
        }
        if let Some(at) = request.start_at_us {
            option("--start-at", format!("{}.{:06}", at / 1_000_000, at % 1_000_000));
        }
        option("--message-format", "json".to_owned());
        if request.protocol == MULTIPLEXED {
            words.extend(["--http2".to_owned(), "--streams".to_owned(), request.streams.to_string()]);
        }
        Invocation { command: Command::new(NAME, words), files: Vec::new() }
    }

    fn parse(&self, request: &LoadRequest, output: &Output) -> Result<LoadFigures, ParseError> {
        Ok(figures(request, &read(request, output)?))
    }

    fn parse_shares(&self, whole: &LoadRequest, shares: &[Shared<'_>]) -> Result<LoadFigures, ParseError> {
        let results: Vec<LoadResult> = shares.iter().map(read_share).collect::<Result<_, _>>()?;
        let mut result = merged(&results).map_err(|error| ParseError::NotOne { why: error.to_string() })?;
        for reason in &mut result.invalid_because {
            *reason = named(reason, shares);
        }
        Ok(figures(whole, &result))
    }
}

/// One client's part, its times by our clock.
fn read_share(shared: &Shared<'_>) -> Result<LoadResult, ParseError> {
    let of_client = |why| ParseError::OfClient { client: shared.client.to_owned(), why: Box::new(why) };
    let mut result = read(shared.request, shared.output).map_err(of_client)?;
    result.started_unix_us = result.started_unix_us.saturating_add_signed(shared.clock_ahead_us.saturating_neg());
    Ok(result)
}

/// Merging numbers the clients, and people know them by their names.
fn named(reason: &str, shares: &[Shared<'_>]) -> String {
    let of = |(number, shared): (usize, &Shared<'_>)| {
        let rest = reason.strip_prefix(&format!("client {number}: "))?;
        Some(format!("{}: {rest}", shared.client))
    };
    (1..).zip(shares).find_map(of).unwrap_or_else(|| reason.to_owned())
}

/// The result of a load that is the one asked for, and adds up.
fn read(request: &LoadRequest, output: &Output) -> Result<LoadResult, ParseError> {
    let result = last_line(output)?;
    as_asked(request, &result)?;
    stopped_in_time(request, result.duration_us)?;
    timetrial_sums::add_up(&result)?;
    let says_fine = output.exit.is_success();
    if says_fine && !result.is_valid {
        let why = format!("it ended with {}, and its result says that it is invalid", output.exit);
        return Err(ParseError::Implausible { what: "the exit code", why });
    }
    Ok(result)
}

/// The last line, if it is a result and whatever stands before it belongs to the same load.
fn last_line(output: &Output) -> Result<LoadResult, ParseError> {
    let (tool, exit, stderr) = (NAME, output.exit, FirstLine::of(&output.stderr));
    let code = match exit {
        Exit::Signal { .. } => return Err(ParseError::Killed { tool, exit, stderr }),
        Exit::Code { code } => code,
    };
    if !CODES.contains(&code) || output.stdout.trim_ascii().is_empty() {
        return Err(ParseError::Failed { tool, exit, stderr });
    }
    let text = std::str::from_utf8(&output.stdout)
        .map_err(|error| ParseError::BadDocument { tool, why: error.to_string() })?;
    let Some(text) = text.strip_suffix('\n') else {
        let last = text.rsplit('\n').next().unwrap_or_default();
        return Err(ParseError::CutShort { last: beginning(last) });
    };
    let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
    if kind(before.lines().next().unwrap_or(last))? != "start" {
        return Err(ParseError::Missing { what: "the line of its start" });
    }
    for line in before.lines().skip(1) {
        let kind = kind(line)?;
        if kind != "second" {
            let why = format!("a line of the type {kind:?} stands in the middle");
            return Err(ParseError::BadDocument { tool, why });
        }
    }
    match kind(last)?.as_str() {
        "result" => {}
        _ if exit.is_success() => return Err(ParseError::Missing { what: "its result" }),
        _ => return Err(ParseError::Failed { tool, exit, stderr }),
    }
    let result: LoadResult =
        serde_json::from_str(last).map_err(|error| ParseError::BadDocument { tool, why: error.to_string() })?;
    if result.format != LOAD_RESULT_FORMAT {
        let why = format!("its result has the format {}, not {LOAD_RESULT_FORMAT}", result.format);
        return Err(ParseError::BadDocument { tool, why });
    }
    Ok(result)
}

/// The type of a line.
fn kind(line: &str) -> Result<String, ParseError> {
    let bad = |why: String| ParseError::BadDocument { tool: NAME, why: format!("{why} in {:?}", beginning(line)) };
    let line: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
    let kind = line.get("type").and_then(serde_json::Value::as_str);
    kind.map(str::to_owned).ok_or_else(|| bad("no type".to_owned()))
}

fn as_asked(request: &LoadRequest, result: &LoadResult) -> Result<(), ParseError> {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let rate = |rate: Option<f64>| rate.map_or("as fast as answers come".to_owned(), |rate| format!("{rate}/s"));
    let same_rate = match (request.rate, result.rate_asked_per_s) {
        (Some(asked), Some(done)) => (asked - done).abs() <= asked.abs() * 1e-6,
        (asked, done) => asked.is_none() && done.is_none(),
    };
    let streams = (request.protocol == MULTIPLEXED).then_some(request.streams);
    let words = |number: Option<u32>| number.map_or("one".to_owned(), |number| number.to_string());
    let checks = [
        ("URL", format!("{:?}", request.url), format!("{:?}", result.url)),
        ("threads", request.threads.to_string(), result.threads_count.to_string()),
        ("connections", request.connections.to_string(), result.connections.asked_count.to_string()),
        ("requests at once on a connection", words(streams), words(result.streams_asked_count)),
        ("duration in µs", micros(request.duration).to_string(), result.duration_asked_us.to_string()),
        ("time limit in µs", micros(request.timeout).to_string(), result.timeout_us.to_string()),
        ("clients", "1".to_owned(), result.clients_count.to_string()),
    ];
    for (what, asked, done) in checks {
        if asked != done {
            return Err(ParseError::NotAsAsked { what, asked, done });
        }
    }
    if !same_rate {
        let (asked, done) = (rate(request.rate), rate(result.rate_asked_per_s));
        return Err(ParseError::NotAsAsked { what: "rate", asked, done });
    }
    Ok(())
}

fn figures(request: &LoadRequest, result: &LoadResult) -> LoadFigures {
    let failed = |phases: &[&str]| {
        let lines = result.errors.iter().filter(|line| phases.contains(&line.phase.as_str()));
        lines.map(|line| line.errors_count).sum()
    };
    let connections = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    LoadFigures {
        requests: result.requests.answered_in_time_count,
        duration_us: result.duration_us,
        bytes_received: result.received_bytes,
        printed_requests_per_second: result.answers_per_s,
        errors: ErrorCounts {
            connect: failed(&["connect"]),
            send: failed(&["send"]),
            receive: failed(&["receive", "closed", "parse", "tls"]),
            timeout: failed(&["timeout"]),
            status: failed(&["status"]),
            document: failed(&["document"]),
        },
        late_answers: Some(0),
        latency: latency(&result.latency),
        service_time: latency(&result.service_time),
        threads: result.threads_count,
        connections_asked: connections(result.connections.asked_count),
        connections_used: connections(result.connections.asked_count),
        streams_asked: Some(request.streams),
        rate_asked: request.rate.map(|rate| rate.round() as u64),
        protocol: result.protocol.clone(),
        tool: result.tool.clone(),
        account: Some(Box::new(account(result))),
    }
}

fn account(result: &LoadResult) -> Account {
    let requests = &result.requests;
    let because = result.scheduler_because.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    Account {
        due: requests.due_count,
        sent: requests.sent_count,
        answered: requests.answered_count,
        successes: timetrial_sums::successes_in_time(result),
        under_way: timetrial_sums::under_way(result),
        unfinished: requests.unfinished_count,
        never_sent: requests.never_sent_count,
        latency_lower_bounds: result.latency.lower_bounds_count,
        service_time_lower_bounds: result.service_time.lower_bounds_count,
        connections: result.connections.clone(),
        send_lateness: latency(&result.send_lateness),
        lateness_bound_us: result.lateness_bound_us,
        invalid_because: result.invalid_because.clone(),
        engine: format!(
            "{}, {}, {}{because}, receive times of the {}",
            result.engine, result.pace, result.scheduler, result.receive_times
        ),
        surroundings: result.surroundings.clone(),
        clients: result.clients_count,
    }
}

/// Times in the shape of every tool; nothing where there were none.
fn latency(times: &TimesLine) -> Option<Latency> {
    let percentile = |(rank, us): (f64, Option<f64>)| Some(Percentile { rank, us: us? });
    Some(Latency {
        samples: Some(times.samples_count),
        mean_us: times.mean_us?,
        stdev_us: times.stdev_us?,
        min_us: times.min_us,
        max_us: times.max_us?,
        percentiles: timetrial_sums::percentiles(times).into_iter().filter_map(percentile).collect(),
    })
}

#[cfg(test)]
#[path = "timetrial_tests.rs"]
mod tests;
