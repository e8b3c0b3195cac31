//! The text that h2load 1.52 prints for a load of a stated duration.
//!
//! Its threads write into one output while they run, so lines before the figures may stand in any order, or one in
//! another. The figures come after all threads have ended: there every line must be known and in its place, and the last
//! one whole.

use crate::tool::error::{ParseError, beginning};
use crate::tool::printed::{Printed, bytes, plain, time_us, whole};
use crate::tool::text::lines_of;

/// What h2load printed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tool) struct H2loadText {
    /// Connections of each thread.
    pub clients: Vec<u32>,
    /// How long the load was asked to last, in seconds.
    pub main_duration_s: f64,
    /// `h2c` or `http/1.1`; nothing when no connection of the first thread was made.
    pub protocol: Option<&'static str>,
    /// Wall time of the whole, in microseconds.
    pub finished_us: Printed,
    /// Answers per second.
    pub requests_per_second: Printed,
    /// The line of requests.
    pub requests: Requests,
    /// Answers by status: 2xx, 3xx, 4xx, 5xx.
    pub statuses: [u64; 4],
    /// Bytes received: rounded, and exact.
    pub bytes: (Printed, u64),
    /// Times from sending a request to the end of its answer, in microseconds; all 0 where there was none.
    pub request_time: Times,
}

/// `12 total, 14 started, 12 done, 10 succeeded, 2 failed, 1 errored, 0 timeout`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tool) struct Requests {
    pub total: u64,
    pub started: u64,
    pub done: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub errored: u64,
    pub timeout: u64,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::tool) struct Times {
    pub min: Printed,
    pub max: Printed,
    pub mean: Printed,
    pub stdev: Printed,
}

/// Reads the whole output.
pub(in crate::tool) fn parse(stdout: &[u8]) -> Result<H2loadText, ParseError> {
    let lines = lines_of(stdout)?;
    let figures = lines.iter().position(|line| line.starts_with("finished in "));
    let figures = figures.ok_or(ParseError::Missing { what: "the figures" })?;
    let (before, after) = lines.split_at(figures);
    let spawned = before.iter().filter(|line| line.starts_with("spawning thread #"));
    let spawned: Vec<(u32, f64)> = spawned
        .enumerate()
        .map(|(index, line)| read("a thread and its connections", line, |line| spawning(line, index)))
        .collect::<Result<_, _>>()?;
    let main_duration_s = spawned.first().ok_or(ParseError::Missing { what: "the threads" })?.1;
    if spawned.iter().any(|(_, seconds)| *seconds != main_duration_s) {
        return Err(ParseError::Implausible { what: "the duration", why: "it differs by thread".to_owned() });
    }
    let ended: usize = before.iter().map(|line| line.matches("Stopped all clients").count()).sum();
    if ended != spawned.len() {
        return Err(ParseError::Missing { what: "the end of every thread" });
    }
    let [finished, requests_line, status, traffic, head, request_time, connect_time, first_byte, rates] = after else {
        let what = if after.len() < 9 { "the last row of its table" } else { "the end of the output alone" };
        return Err(ParseError::Missing { what });
    };
    read("the head of the table", head, |line| line.strip_prefix("min "))?;
    let times = |what, line, name| read(what, line, |line: &str| row(line.strip_prefix(name)?, time_us));
    times("time for connect", connect_time, "time for connect:")?;
    times("time to first byte", first_byte, "time to 1st byte:")?;
    // Each connection's rate while it lived: nothing that the other figures don't say.
    read("rates of connections", rates, |line| {
        row(line.strip_prefix("req/s")?.trim_start().strip_prefix(':')?, plain)
    })?;
    let (finished_us, requests_per_second) = read("duration and rate", finished, finished_in)?;
    Ok(H2loadText {
        clients: spawned.iter().map(|(clients, _)| *clients).collect(),
        main_duration_s,
        protocol: protocol(before),
        finished_us,
        requests_per_second,
        requests: read("requests", requests_line, requests)?,
        statuses: read("answers by status", status, statuses)?,
        bytes: read("bytes received", traffic, received)?,
        request_time: times("time for request", request_time, "time for request:")?,
    })
}

fn read<'a, T>(what: &'static str, line: &'a str, by: impl FnOnce(&'a str) -> Option<T>) -> Result<T, ParseError> {
    by(line).ok_or_else(|| ParseError::Unreadable { what, line: beginning(line) })
}

/// `spawning thread #0: 2 total client(s). Timing-based test with 0s of warm-up time and 2s of main duration for
/// measurements.`
fn spawning(line: &str, index: usize) -> Option<(u32, f64)> {
    let rest = line.strip_prefix(&format!("spawning thread #{index}: "))?;
    let (clients, rest) = rest.split_once(" total client(s). Timing-based test with 0s of warm-up time and ")?;
    let seconds = plain(rest.strip_suffix("s of main duration for measurements.")?)?;
    Some((u32::try_from(whole(clients)?).ok()?, seconds.value))
}

/// The first thread says it once, perhaps in the middle of another thread's line. No other line has these words.
fn protocol(lines: &[String]) -> Option<&'static str> {
    const SAID: &str = "Application protocol: ";
    let first = lines.iter().position(|line| line.contains(SAID))?;
    ["h2c", "http/1.1"].into_iter().find(|word| lines[first..].iter().any(|line| line.contains(word)))
}

/// `finished in 2.00s, 10660.00 req/s, 468.73KB/s`
fn finished_in(line: &str) -> Option<(Printed, Printed)> {
    let mut cells = line.strip_prefix("finished in ")?.split(", ");
    let duration = time_us(cells.next()?)?;
    let rate = plain(cells.next()?.strip_suffix(" req/s")?)?;
    bytes(cells.next()?.strip_suffix("/s")?)?;
    cells.next().is_none().then_some((duration, rate))
}

/// Numbers and their words, in this order and no others.
fn counts<const N: usize>(line: &str, start: &str, words: [&str; N]) -> Option<[u64; N]> {
    let mut cells = line.strip_prefix(start)?.split(", ");
    let mut counts = [0; N];
    for (count, word) in counts.iter_mut().zip(words) {
        *count = whole(cells.next()?.strip_suffix(word)?.strip_suffix(' ')?)?;
    }
    cells.next().is_none().then_some(counts)
}

fn requests(line: &str) -> Option<Requests> {
    let words = ["total", "started", "done", "succeeded", "failed", "errored", "timeout"];
    let [total, started, done, succeeded, failed, errored, timeout] = counts(line, "requests: ", words)?;
    Some(Requests { total, started, done, succeeded, failed, errored, timeout })
}

fn statuses(line: &str) -> Option<[u64; 4]> {
    counts(line, "status codes: ", ["2xx", "3xx", "4xx", "5xx"])
}

/// `traffic: 937.47KB (959968) total, 187.72KB (192228) headers (space savings 90.98%), 374.77KB (383760) data`
fn received(line: &str) -> Option<(Printed, u64)> {
    let rest = line.strip_prefix("traffic: ")?.strip_suffix(" data")?;
    let (total, rest) = rest.split_once(" total, ")?;
    let (headers, data) = rest.split_once(" headers (space savings ")?;
    let sized = |text: &str| {
        let (rounded, exact) = text.strip_suffix(')')?.split_once(" (")?;
        Some((bytes(rounded)?, whole(exact)?))
    };
    sized(headers)?;
    sized(data.split_once("%), ")?.1)?;
    sized(total)
}

/// `115us     19.04ms      1.10ms       799us    90.90%`
fn row(cells: &str, read: fn(&str) -> Option<Printed>) -> Option<Times> {
    let cells: Vec<&str> = cells.split_ascii_whitespace().collect();
    let [min, max, mean, stdev, within] = cells[..] else { return None };
    plain(within.strip_suffix('%')?)?;
    Some(Times { min: read(min)?, max: read(max)?, mean: read(mean)?, stdev: read(stdev)? })
}
