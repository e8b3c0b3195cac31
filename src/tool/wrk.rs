//! wrk 4.1.0: a closed loop over keep-alive connections.
//!
//! What its figures mean was read in its source (`src/wrk.c`, `src/stats.c`) and seen on real runs:
//!
//! - **Connections.** Each thread opens `connections / threads` of them in whole numbers; the rest is never opened.
//! - **connect** counts `connect()` calls that fail at once: no free port, no free descriptor, no route. Such a
//!   connection is given up for the whole load, so over plain HTTP each connection counts at most once, also when it was
//!   a reconnection (the daemon said `Connection: close`, or an error came before). Two exceptions: over TLS a failed
//!   handshake is counted and tried again without end, and an answer with `Connection: close` that is followed by stray
//!   bytes makes wrk reconnect twice.
//! - A connection that is *refused* does not count here: `connect()` has long returned by then. It counts as a read
//!   or write error, is tried again at once, and spins: a dead daemon makes tens of thousands of write errors a second.
//! - **read** counts failed reads, answers that are no HTTP, and connections closed before the end of an answer.
//! - **write** counts failed writes. Both kinds reconnect, so they count events and not lost connections.
//! - **timeout** counts answers that came later than `--timeout`. They are among the requests, but not among the
//!   latencies: wrk drops them, so the largest latency is never above the timeout. Nor are they successes here
//!   ([`LoadFigures::late_answers`]). Where all answers were late there is no latency at all. An answer that *never* comes is not
//!   counted anywhere, and its connection is lost silently. (Before 4.0 it meant what it means in wrk2.)
//! - **status** counts answers of 400 and above. They are among the requests and the latencies.
//! - Requests still under way at the end are not counted. The load lasts up to 0.1 s longer than asked.
//! - **Latency is corrected** by wrk itself, without being asked (`stats_correct`): it adds invented latencies for the
//!   requests that it thinks a fixed rate would have sent. In a calm run here 277 µs at 99 % became 986 µs, and
//!   pauses of 0.3 s made a mean of 0.4 ms one of 61 ms. Our script takes it back: [`LoadFigures::service_time`] holds
//!   what was measured. Only that one obeys Little's law (`connections = rate × service time`). Where the script can't
//!   (another wrk has another layout in memory), there is none, and the referee says so: `latency-corrected`.
//! - wrk's memory grows by 8 MB for each second of `--timeout`.
//!
//! [`LoadFigures::late_answers`]: crate::metric::LoadFigures::late_answers
//! [`LoadFigures::service_time`]: crate::metric::LoadFigures::service_time

use std::time::Duration;

use crate::command::{Command, Output};
use crate::metric::LoadFigures;
use crate::tool::agree;
use crate::tool::error::ParseError;
use crate::tool::load::{Invocation, LoadRequest, LoadTool, Pace, SideFile, seconds};
use crate::tool::text::{self, WrkText};

/// wrk 4.
pub struct Wrk;

const NAME: &str = "wrk";

/// Lies in the working directory, so that the command is the same on every machine.
const SCRIPT: &str = "timetrial-wrk.lua";

impl LoadTool for Wrk {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pace(&self) -> Pace {
        Pace::ClosedLoop
    }

    fn shortest(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn package(&self) -> Option<&'static str> {
        Some("wrk")
    }

    fn invocation(&self, request: &LoadRequest) -> Invocation {
        // The hook is not told how many connections were asked for, and the correction depends on it.
        let connections = format!("CONNECTIONS = {}\n", request.connections);
        let contents = [&connections, include_str!("wrk.lua"), include_str!("done.lua")].concat();
        Invocation {
            command: Command::new(NAME, arguments(request, SCRIPT)),
            files: vec![SideFile { name: SCRIPT.to_owned(), contents }],
        }
    }

    fn parse(&self, request: &LoadRequest, output: &Output) -> Result<LoadFigures, ParseError> {
        let (text, exact) = agree::read(NAME, output)?;
        if text.histogram.is_some() {
            return Err(ParseError::OtherTool { tool: NAME, why: "it has the histogram of wrk2" });
        }
        let figures = agree::figures(NAME, request, &text, &exact)?;
        let late = figures.errors.timeout;
        let in_time = figures.requests.saturating_sub(late);
        if let Some(samples) = figures.service_time.as_ref().and_then(|times| times.samples) {
            agree::counts_agree("answers in time and service times", in_time, samples)?;
        }
        if figures.latency.is_none() {
            agree::counts_agree("answers in time and latencies", in_time, 0)?;
        }
        Ok(LoadFigures { late_answers: Some(late), ..figures })
    }
}

/// What wrk and wrk2 have in common. `-v` prints the version into the same output and goes on.
pub(in crate::tool) fn arguments(request: &LoadRequest, script: &str) -> Vec<String> {
    let mut arguments = vec!["-v".to_owned()];
    let options = [
        ("-t", request.threads.to_string()),
        ("-c", request.connections.to_string()),
        ("-d", format!("{}s", seconds(request.duration))),
        ("--timeout", format!("{}s", seconds(request.timeout))),
        ("-s", script.to_owned()),
    ];
    arguments.extend(options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
    arguments.push("--latency".to_owned());
    arguments.push(request.url.clone());
    arguments
}

/// Reads the text of a wrk without our script: older versions, published outputs. Figures are as rounded as it has them.
pub fn parse_text(stdout: &[u8]) -> Result<WrkText, ParseError> {
    let text = text::parse(stdout)?;
    if text.histogram.is_some() || text.calibrations > 0 {
        return Err(ParseError::OtherTool { tool: NAME, why: "it has the calibration of wrk2" });
    }
    Ok(text)
}

#[cfg(test)]
#[path = "wrk_tests.rs"]
mod tests;
