//! The exact figures of wrk or wrk2, held against the tool's own text and against what was asked.

use std::time::Duration;

use crate::command::{Exit, Output};
use crate::metric::LoadFigures;
use crate::tool::error::{FirstLine, ParseError};
use crate::tool::exact::{Exact, ExactLatency};
use crate::tool::load::LoadRequest;
use crate::tool::printed::Printed;
use crate::tool::text::{self, Spread, WrkText};

/// Why the tool did not finish, if it did not.
fn finished(tool: &'static str, output: &Output) -> Result<(), ParseError> {
    let (exit, stderr) = (output.exit, FirstLine::of(&output.stderr));
    let said = |text: &str| String::from_utf8_lossy(&output.stderr).lines().any(|line| line.starts_with(text));
    match exit {
        exit if exit.is_success() => Ok(()),
        Exit::Signal { .. } => Err(ParseError::Killed { tool, exit, stderr }),
        Exit::Code { .. } if said("unable to resolve") => Err(ParseError::Unresolved { tool, exit, stderr }),
        Exit::Code { .. } if said("unable to connect") => Err(ParseError::Refused { tool, exit, stderr }),
        Exit::Code { .. } => Err(ParseError::Failed { tool, exit, stderr }),
    }
}

/// Reads the text and the line of exact figures after it.
pub(in crate::tool) fn read(tool: &'static str, output: &Output) -> Result<(WrkText, Exact), ParseError> {
    finished(tool, output)?;
    let lines = text::lines_of(&output.stdout)?;
    let (text, rest) = text::parse_lines(&lines)?;
    let exact = Exact::parse(rest, &output.stderr)?;
    Ok((text, exact))
}

/// The figures, if text, exact figures and request are one.
pub(in crate::tool) fn figures(
    tool: &'static str,
    request: &LoadRequest,
    text: &WrkText,
    exact: &Exact,
) -> Result<LoadFigures, ParseError> {
    as_asked(request, text)?;
    totals_agree(text, exact)?;
    spread_agrees("rate by thread", text.rate, exact.rate.map(|rate| [rate.mean, rate.stdev, rate.max]))?;
    match &exact.latency {
        Some(latency) => latency_agrees(text, latency)?,
        None => no_latency_agrees(text, exact)?,
    }
    for times in exact.latency.iter().chain(&exact.service_time) {
        plausible(times, exact.duration_us)?;
    }
    stopped_in_time(request, exact.duration_us)?;
    let version = text.version.as_deref().ok_or(ParseError::Missing { what: "the version" })?;
    Ok(LoadFigures {
        requests: exact.requests,
        duration_us: exact.duration_us,
        bytes_received: exact.bytes,
        printed_requests_per_second: text.requests_per_second.value,
        errors: exact.errors.by_kind(),
        // Only the tool's own file knows what its timeouts count.
        late_answers: None,
        latency: exact.latency.as_ref().map(ExactLatency::figures),
        service_time: exact.service_time.as_ref().map(ExactLatency::figures),
        threads: text.threads,
        connections_asked: text.connections,
        // Each thread opens connections / threads of them, in whole numbers.
        connections_used: text.connections.checked_div(text.threads).unwrap_or(0) * text.threads,
        streams_asked: None,
        rate_asked: request.rate.map(|rate| rate.round() as u64),
        // Neither says it, and both take an answer of either version of HTTP/1.
        protocol: None,
        tool: version.replacen("wrk", tool, 1),
        account: None,
    })
}

fn as_asked(request: &LoadRequest, text: &WrkText) -> Result<(), ParseError> {
    let differs = |what, asked: String, done: String| Err(ParseError::NotAsAsked { what, asked, done });
    if text.url != request.url {
        return differs("URL", format!("{:?}", request.url), format!("{:?}", text.url));
    }
    if text.threads != request.threads {
        return differs("threads", request.threads.to_string(), text.threads.to_string());
    }
    if text.connections != request.connections {
        return differs("connections", request.connections.to_string(), text.connections.to_string());
    }
    if !text.duration_asked_us.agrees_with(micros(request.duration)) {
        let done = format!("{} s", text.duration_asked_us.value / 1e6);
        return differs("duration", format!("{:?}", request.duration), done);
    }
    Ok(())
}

fn totals_agree(text: &WrkText, exact: &Exact) -> Result<(), ParseError> {
    counts_agree("requests", text.requests, exact.requests)?;
    for ((kind, text), (_, exact)) in text.errors.by_kind().into_iter().zip(exact.errors.by_kind().by_kind()) {
        counts_agree(&format!("{kind} errors"), text, exact)?;
    }
    let seconds = exact.duration_us as f64 / 1e6;
    let per_second = |total: u64| if exact.duration_us == 0 { f64::INFINITY } else { total as f64 / seconds };
    agrees("duration in µs", text.duration_us, exact.duration_us as f64)?;
    agrees("bytes received", text.bytes, exact.bytes as f64)?;
    agrees("requests per second", text.requests_per_second, per_second(exact.requests))?;
    agrees("bytes per second", text.bytes_per_second, per_second(exact.bytes))
}

fn latency_agrees(text: &WrkText, exact: &ExactLatency) -> Result<(), ParseError> {
    spread_agrees("latency", text.latency, Some([exact.mean, exact.stdev, exact.max]))?;
    for &(rank, us) in &exact.percentiles {
        if let Some(printed) = text.percentiles.iter().find(|printed| (printed.rank - rank).abs() < 1e-9) {
            agrees(&format!("latency at {rank} %, in µs"), printed.us, us)?;
        }
    }
    // All four ranks that both tools print must have been held against each other.
    for rank in [50.0, 75.0, 90.0, 99.0] {
        let printed = text.percentiles.iter().any(|printed| printed.rank == rank);
        if !printed || !exact.percentiles.iter().any(|percentile| percentile.0 == rank) {
            return Err(ParseError::Missing { what: "a percentile of the latency" });
        }
    }
    let Some(histogram) = &text.histogram else { return Ok(()) };
    if let Some(mean_us) = histogram.mean_us {
        agrees("mean under the spectrum, in µs", mean_us, exact.mean)?;
    }
    counts_agree("samples of latency", histogram.samples, exact.samples.unwrap_or(0))
}

/// Where nothing was recorded, the text must not show a latency either.
fn no_latency_agrees(text: &WrkText, exact: &Exact) -> Result<(), ParseError> {
    let shown = text.latency.map(|latency| latency.mean.value);
    let at = text.percentiles.iter().map(|printed| printed.us.value).find(|us| *us > 0.0);
    if let Some(us) = shown.or(at) {
        return disagree("latency", format!("{us}"), "nothing".to_owned());
    }
    if exact.service_time.is_some() {
        return disagree("service times", "nothing".to_owned(), "some".to_owned());
    }
    counts_agree("samples of latency", text.histogram.as_ref().map_or(0, |histogram| histogram.samples), 0)
}

fn spread_agrees(what: &str, text: Option<Spread>, exact: Option<[f64; 3]>) -> Result<(), ParseError> {
    let (text, [mean, stdev, max]) = match (text, exact) {
        (Some(text), Some(exact)) => (text, exact),
        // A statistic with one sample or none has a text that depends on the tool: it tells nothing.
        (None | Some(_), None) => return Ok(()),
        (None, Some(exact)) => return disagree(what, "nothing".to_owned(), format!("a mean of {}", exact[0])),
    };
    agrees(&format!("mean of {what}"), text.mean, mean)?;
    agrees(&format!("deviation of {what}"), text.stdev, stdev)?;
    agrees(&format!("largest {what}"), text.max, max)
}

/// Times that can't be: descending percentiles, or a wait that is longer than the load.
fn plausible(times: &ExactLatency, duration_us: u64) -> Result<(), ParseError> {
    let implausible = |what, why| Err(ParseError::Implausible { what, why });
    if times.percentiles.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1) {
        return implausible("the latency's percentiles", "they do not ascend".to_owned());
    }
    if times.max > duration_us as f64 + 1e6 {
        return implausible("the latency", format!("{} µs is longer than the load's {duration_us} µs", times.max));
    }
    Ok(())
}

/// SIGINT ends wrk early, and its figures look like any others. wrk2 stops up to some milliseconds before its time.
pub(in crate::tool) fn stopped_in_time(request: &LoadRequest, duration_us: u64) -> Result<(), ParseError> {
    let measured = Duration::from_micros(duration_us);
    let grace = Duration::from_millis(50) + request.duration / 100;
    if measured.saturating_add(grace) < request.duration {
        return Err(ParseError::StoppedEarly { asked: request.duration, measured });
    }
    Ok(())
}

/// A printed number and the exact one that it must stand for.
pub(in crate::tool) fn agrees(what: &str, text: Printed, exact: f64) -> Result<(), ParseError> {
    if text.agrees_with(exact) {
        return Ok(());
    }
    disagree(what, format!("{} ± {}", text.value, text.half_step), exact.to_string())
}

/// Two whole numbers that must be equal.
pub(in crate::tool) fn counts_agree(what: &str, text: u64, exact: u64) -> Result<(), ParseError> {
    if text == exact { Ok(()) } else { disagree(what, text.to_string(), exact.to_string()) }
}

fn disagree(what: &str, text: String, exact: String) -> Result<(), ParseError> {
    Err(ParseError::Disagreement { what: what.to_owned(), text, exact })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
