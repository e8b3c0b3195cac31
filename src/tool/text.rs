//! The text that wrk and wrk2 print, of any version since 2014, without our line of exact figures.
//!
//! The reader is strict: every line must be known and in its place, so that half an output, two outputs in one, or a
//! line that was changed is an error and never another number.

use crate::metric::ErrorCounts;
use crate::tool::error::{ParseError, beginning};
use crate::tool::printed::{Printed, bytes, count, plain, time_us, whole};

/// What wrk or wrk2 printed. Rounded numbers carry their rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct WrkText {
    /// What `-v` adds: program name and version.
    pub version: Option<String>,
    /// How long the load was asked to last, in microseconds.
    pub duration_asked_us: Printed,
    /// What was requested.
    pub url: String,
    /// Threads.
    pub threads: u32,
    /// Connections asked for.
    pub connections: u32,
    /// Threads of wrk2 that finished their calibration; wrk has none.
    pub calibrations: usize,
    /// Latency in microseconds, or `None` when nothing was measured.
    pub latency: Option<Spread>,
    /// Answers per second and thread, sampled; `None` when nothing was sampled.
    pub rate: Option<Spread>,
    /// Percentiles of the latency, with `--latency`.
    pub percentiles: Vec<PrintedPercentile>,
    /// What wrk2 says under its spectrum, with `--latency`.
    pub histogram: Option<Histogram>,
    /// Answers received, of any status.
    pub requests: u64,
    /// How long the tool measured, in microseconds.
    pub duration_us: Printed,
    /// Bytes received.
    pub bytes: Printed,
    /// Failed requests by kind.
    pub errors: ErrorCounts,
    /// Answers per second.
    pub requests_per_second: Printed,
    /// Bytes per second.
    pub bytes_per_second: Printed,
}

/// One row of the table "Thread Stats".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: Printed,
    /// Standard deviation.
    pub stdev: Printed,
    /// Largest.
    pub max: Printed,
}

/// One line of the latency distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrintedPercentile {
    /// Its rank in per cent.
    pub rank: f64,
    /// Its value in microseconds.
    pub us: Printed,
}

/// The end of wrk2's spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Histogram {
    /// Mean latency in microseconds, or `None` when nothing was measured.
    pub mean_us: Option<Printed>,
    /// Answers in the histogram: those after the calibration.
    pub samples: u64,
}

/// Reads the text of wrk or wrk2, from "Running" to "Transfer/sec". A shell prompt line before it is skipped.
pub fn parse(stdout: &[u8]) -> Result<WrkText, ParseError> {
    let lines = lines_of(stdout)?;
    let (text, rest) = parse_lines(&lines)?;
    match rest.first() {
        None => Ok(text),
        Some(line) => Err(ParseError::Unreadable { what: "the end of the output", line: beginning(line) }),
    }
}

/// The lines of an output that ends with a whole line. Empty lines say nothing and are left out.
pub(in crate::tool) fn lines_of(stdout: &[u8]) -> Result<Vec<String>, ParseError> {
    let Some(whole_lines) = stdout.strip_suffix(b"\n") else {
        let last = stdout.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        return Err(ParseError::CutShort { last: beginning(&String::from_utf8_lossy(last)) });
    };
    let lines = whole_lines.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line.trim_ascii()));
    Ok(lines.filter(|line| !line.is_empty()).map(String::from).collect())
}

/// Reads the text and gives back the lines after it.
pub(in crate::tool) fn parse_lines(lines: &[String]) -> Result<(WrkText, &[String]), ParseError> {
    let mut reader = Reader { lines };
    reader.optional("$ ");
    let version = reader.optional("wrk ").map(|line| line.split(" [").next().unwrap_or(line).to_owned());
    let (duration_asked_us, url) = reader.expect("the beginning of the load", running)?;
    let (threads, connections) = reader.expect("threads and connections", threads_and_connections)?;
    let calibrations = std::iter::from_fn(|| reader.optional("Thread calibration: ")).count();
    reader.expect("the head of the table", |line| line.strip_prefix("Thread Stats "))?;
    let latency = reader.expect("latency", |line| spread(line.strip_prefix("Latency ")?, time_us))?;
    let rate = reader.expect("rate by thread", |line| spread(line.strip_prefix("Req/Sec ")?, count))?;
    let (percentiles, histogram) = distribution(&mut reader)?;
    let (requests, duration_us, bytes_read) = reader.expect("requests, duration and bytes", totals)?;
    let errors = errors(&mut reader)?;
    let requests_per_second =
        reader.expect("requests per second", |line| plain(line.strip_prefix("Requests/sec:")?.trim_start()))?;
    let bytes_per_second =
        reader.expect("bytes per second", |line| bytes(line.strip_prefix("Transfer/sec:")?.trim_start()))?;
    let text = WrkText {
        version,
        duration_asked_us,
        url,
        threads,
        connections,
        calibrations,
        latency,
        rate,
        percentiles,
        histogram,
        requests,
        duration_us,
        bytes: bytes_read,
        errors,
        requests_per_second,
        bytes_per_second,
    };
    Ok((text, reader.lines))
}

/// The lines not yet read.
struct Reader<'a> {
    lines: &'a [String],
}

impl<'a> Reader<'a> {
    /// The next line, whole, if it begins like this.
    fn optional(&mut self, prefix: &str) -> Option<&'a str> {
        let (line, rest) = self.lines.split_first()?;
        line.starts_with(prefix).then(|| self.lines = rest)?;
        Some(line)
    }

    /// The next line, which must be readable.
    fn expect<T>(&mut self, what: &'static str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, ParseError> {
        let (line, rest) = self.lines.split_first().ok_or(ParseError::Missing { what })?;
        self.lines = rest;
        read(line).ok_or_else(|| ParseError::Unreadable { what, line: beginning(line) })
    }

    /// The next line, if it begins like this; then it must be readable.
    fn expect_if<T>(
        &mut self,
        prefix: &str,
        what: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        if self.lines.first().is_some_and(|line| line.starts_with(prefix)) {
            return self.expect(what, read).map(Some);
        }
        Ok(None)
    }
}

/// `Running 30s test @ http://127.0.0.1:8008/index`
fn running(line: &str) -> Option<(Printed, String)> {
    let (duration, url) = line.strip_prefix("Running ")?.split_once(" test @ ")?;
    Some((time_us(duration)?, url.to_owned()))
}

/// `12 threads and 400 connections`
fn threads_and_connections(line: &str) -> Option<(u32, u32)> {
    let (threads, connections) = line.strip_suffix(" connections")?.split_once(" threads and ")?;
    Some((u32::try_from(whole(threads)?).ok()?, u32::try_from(whole(connections)?).ok()?))
}

/// `30.31ms   10.54ms 105.19ms   75.75%`, or `-nan` somewhere: then nothing was measured.
fn spread(cells: &str, read: fn(&str) -> Option<Printed>) -> Option<Option<Spread>> {
    let cells: Vec<&str> = cells.split_ascii_whitespace().collect();
    let [mean, stdev, max, within] = cells[..] else { return None };
    if is_nan(mean) || is_nan(stdev) || is_nan(within) {
        return read(max).map(|_| None);
    }
    plain(within.strip_suffix('%')?)?;
    Some(Some(Spread { mean: read(mean)?, stdev: read(stdev)?, max: read(max)? }))
}

/// How C prints the mean of nothing, with or without the sign that it has there.
fn is_nan(cell: &str) -> bool {
    matches!(cell.trim_end_matches('%'), "-nan" | "nan")
}

/// The percentiles, and what wrk2 prints after them, when `--latency` was given.
fn distribution(reader: &mut Reader<'_>) -> Result<(Vec<PrintedPercentile>, Option<Histogram>), ParseError> {
    let Some(head) = reader.optional("Latency Distribution") else { return Ok((Vec::new(), None)) };
    let mut percentiles = Vec::new();
    while reader.lines.first().is_some_and(|line| line.split_ascii_whitespace().next().is_some_and(is_rank)) {
        percentiles.push(reader.expect("a percentile", percentile)?);
    }
    match head {
        "Latency Distribution" if percentiles.len() == 4 => Ok((percentiles, None)),
        "Latency Distribution (HdrHistogram - Recorded Latency)" if percentiles.len() == 8 => {
            Ok((percentiles, Some(spectrum(reader)?)))
        }
        _ => Err(ParseError::Unreadable { what: "the latency distribution", line: beginning(head) }),
    }
}

fn is_rank(word: &str) -> bool {
    word.ends_with('%')
}

/// ` 99.900%    5.78ms`
fn percentile(line: &str) -> Option<PrintedPercentile> {
    let (rank, value) = line.split_once("% ")?;
    let rank = plain(rank)?.value;
    (rank <= 100.0).then_some(PrintedPercentile { rank, us: time_us(value.trim_start())? })
}

/// wrk2's "Detailed Percentile spectrum", from its head to the line of dashes.
fn spectrum(reader: &mut Reader<'_>) -> Result<Histogram, ParseError> {
    reader.expect("the spectrum", |line| line.strip_prefix("Detailed Percentile spectrum:"))?;
    reader.expect("the head of the spectrum", |line| line.strip_prefix("Value "))?;
    let mut last_total = 0;
    while reader.lines.first().is_some_and(|line| line.starts_with(|c: char| c.is_ascii_digit())) {
        last_total = reader.expect("a row of the spectrum", spectrum_row)?;
    }
    let mean_us = reader.expect("the mean under the spectrum", |line| {
        let (mean, stdev) = line.strip_prefix("#[Mean")?.strip_suffix(']')?.split_once(", StdDeviation")?;
        let [mean, stdev] = [after_equals(mean)?, after_equals(stdev)?];
        if is_nan(mean) && is_nan(stdev) {
            return Some(None);
        }
        plain(stdev)?;
        // The footer has no units: it is in milliseconds.
        Some(Some(time_us(&format!("{mean}ms"))?))
    })?;
    let samples = reader.expect("the count under the spectrum", |line| {
        let (max, total) = line.strip_prefix("#[Max")?.strip_suffix(']')?.split_once(", Total count")?;
        plain(after_equals(max)?)?;
        whole(after_equals(total)?)
    })?;
    reader.expect("the buckets under the spectrum", |line| line.strip_prefix("#[Buckets "))?;
    reader.expect("the end of the spectrum", |line| line.strip_prefix("-----"))?;
    if last_total != samples {
        let (text, exact) = (last_total.to_string(), samples.to_string());
        return Err(ParseError::Disagreement { what: "count of the spectrum's last row".to_owned(), text, exact });
    }
    Ok(Histogram { mean_us, samples })
}

fn after_equals(cell: &str) -> Option<&str> {
    Some(cell.trim().strip_prefix('=')?.trim())
}

/// `0.403     0.000000            1         1.00`: the count so far.
fn spectrum_row(line: &str) -> Option<u64> {
    let cells: Vec<&str> = line.split_ascii_whitespace().collect();
    let [value, rank, total, inverse] = cells[..] else { return None };
    plain(value)?;
    plain(rank)?;
    if inverse != "inf" {
        plain(inverse)?;
    }
    whole(total)
}

/// `395847 requests in 29.99s, 69.46MB read`
fn totals(line: &str) -> Option<(u64, Printed, Printed)> {
    let (requests, rest) = line.strip_suffix(" read")?.split_once(" requests in ")?;
    let (duration, received) = rest.split_once(", ")?;
    Some((whole(requests)?, time_us(duration)?, bytes(received)?))
}

/// The two lines that are only printed when there is something to count.
fn errors(reader: &mut Reader<'_>) -> Result<ErrorCounts, ParseError> {
    let socket = reader.expect_if("Socket errors: ", "socket errors", socket_errors)?;
    let status = reader.expect_if("Non-2xx or 3xx responses: ", "refused answers", |line| {
        whole(line.strip_prefix("Non-2xx or 3xx responses: ")?)
    })?;
    Ok(ErrorCounts { status: status.unwrap_or(0), ..socket.unwrap_or_default() })
}

/// `Socket errors: connect 396, read 0, write 0, timeout 4093`
fn socket_errors(line: &str) -> Option<ErrorCounts> {
    let mut counts = [0; 4];
    let mut cells = line.strip_prefix("Socket errors: ")?.split(", ");
    for (count, kind) in counts.iter_mut().zip(["connect ", "read ", "write ", "timeout "]) {
        *count = whole(cells.next()?.strip_prefix(kind)?)?;
    }
    let [connect, receive, send, timeout] = counts;
    cells.next().is_none().then_some(ErrorCounts { connect, send, receive, timeout, status: 0, document: 0 })
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
