//! wrk2 4.0.0 (44a94c1): a constant rate over keep-alive connections, latency counted from when a request was due.
//!
//! What its figures mean was read in its source (`src/wrk.c`) and seen on real runs:
//!
//! - **The first ten seconds are a calibration.** After 10 s and 5 ms for each connection of a thread, that thread throws
//!   its latencies away and begins anew. Requests, bytes, errors and the rate still include those seconds, so the latencies
//!   rest on fewer answers ([`Latency::samples`]). A load that ends before has latencies, but those of the warm-up, and its rate
//!   by thread is `-nan`; a thread without any answer tries again 10 s later. So every thread must have said that
//!   it is calibrated, and a load of exactly 10 s is too short.
//! - **Each connection has a schedule of its own** and sends once at its start, so a load sends `rate × duration +
//!   connections` requests. After a delay a connection catches up at twice its rate.
//! - **timeout** counts no requests: every 2 s, each connection whose last request is older than `--timeout` adds one,
//!   and adds one again at the next sweep, dead or alive. A connection that waits for its next turn is swept as well,
//!   so that a rate under one request per timeout and connection makes timeouts of nothing. It can't be compared
//!   with wrk's.
//! - **connect**, **write** and **status** are counted as in wrk, and so is a failed `connect()` final. **read** is not: a
//!   connection that the daemon closes without an answer is no error. It is never replaced, and keeps a core busy.
//! - Latency is due to response: a missed rate shows as latency that grows with the length of the load. It waits on
//!   timers of a millisecond, which adds about 0.8 ms to every latency. The largest is 24 h. There is no service time.
//! - The histogram keeps three digits.
//!
//! [`Latency::samples`]: crate::metric::Latency::samples

use std::time::Duration;

use crate::command::{Command, Output};
use crate::metric::LoadFigures;
use crate::tool::agree;
use crate::tool::error::ParseError;
use crate::tool::load::{Invocation, LoadRequest, LoadTool, Pace, SideFile};
use crate::tool::text::{self, WrkText};
use crate::tool::wrk::arguments;

/// wrk2.
pub struct Wrk2;

const NAME: &str = "wrk2";

/// Lies in the working directory, see `wrk.rs`.
const SCRIPT: &str = "timetrial-wrk2.lua";

impl LoadTool for Wrk2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pace(&self) -> Pace {
        Pace::OpenLoop
    }

    /// Ten seconds are calibration, and the tool takes whole seconds.
    fn shortest(&self) -> Duration {
        Duration::from_secs(11)
    }

    /// At least half a second after the calibration, which begins later the more connections a thread opens.
    fn shortest_for(&self, request: &LoadRequest) -> Duration {
        let connections = u64::from(request.connections.checked_div(request.threads).unwrap_or(0));
        let milliseconds = 10_000 + 5 * connections + 500;
        Duration::from_secs(milliseconds.div_ceil(1_000))
    }

    fn package(&self) -> Option<&'static str> {
        None
    }

    fn invocation(&self, request: &LoadRequest) -> Invocation {
        let mut words = arguments(request, SCRIPT);
        let before_url = words.len().saturating_sub(1);
        words.splice(before_url..before_url, ["-R".to_owned(), request.rate.unwrap_or_default().to_string()]);
        let contents = [include_str!("wrk2.lua"), include_str!("done.lua")].concat();
        Invocation { command: Command::new(NAME, words), files: vec![SideFile { name: SCRIPT.to_owned(), contents }] }
    }

    fn parse(&self, request: &LoadRequest, output: &Output) -> Result<LoadFigures, ParseError> {
        let (text, exact) = agree::read(NAME, output)?;
        if text.histogram.is_none() {
            return Err(ParseError::OtherTool { tool: NAME, why: "it has no histogram" });
        }
        // A thread without any answer never ends its calibration. Where nothing was recorded, no latency is of the
        // warm-up, and the counts are right.
        if exact.latency.is_some() {
            calibrated(&text)?;
        }
        agree::figures(NAME, request, &text, &exact)
    }
}

fn calibrated(text: &WrkText) -> Result<(), ParseError> {
    let (calibrated, threads) = (text.calibrations, text.threads);
    if u32::try_from(calibrated) == Ok(threads) {
        return Ok(());
    }
    Err(ParseError::NotCalibrated { calibrated, threads })
}

/// Reads the text of a wrk2 without our script: published outputs. Figures are as rounded as it has them.
pub fn parse_text(stdout: &[u8]) -> Result<WrkText, ParseError> {
    let text = text::parse(stdout)?;
    calibrated(&text)?;
    Ok(text)
}

#[cfg(test)]
#[path = "wrk2_tests.rs"]
mod tests;
