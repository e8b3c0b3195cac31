//! Whether the numbers of a load's result belong together: what it tells twice must agree, and what can't be is refused.

use crate::loadgen::times_line::{line, of_line};
use crate::metric::{LoadResult, TimesLine};
use crate::tool::error::ParseError;

/// Everything that can be held against something else.
pub(in crate::tool) fn add_up(result: &LoadResult) -> Result<(), ParseError> {
    requests(result)?;
    rates(result)?;
    errors(result)?;
    let longest = (result.duration_us as f64) + (result.timeout_us as f64) + 2e6;
    times("the latency", &result.latency, longest)?;
    times("the service time", &result.service_time, longest)?;
    times("the send lateness", &result.send_lateness, longest)?;
    times("the time to connect", &result.connect_time, longest)?;
    for line in &result.errors {
        times("the time of an error", &line.latency, longest)?;
    }
    let expected = result.latency.samples_count.checked_sub(result.latency.lower_bounds_count);
    equal("answers as expected and latencies", Some(result.requests.succeeded_count), expected)?;
    if result.is_valid != result.invalid_because.is_empty() {
        return implausible("its own verdict", format!("{} reasons", result.invalid_because.len()));
    }
    Ok(())
}

/// Answers as expected within the duration. The result has them as a rate.
pub(in crate::tool) fn successes_in_time(result: &LoadResult) -> u64 {
    (result.successes_per_s * result.duration_us as f64 / 1e6).round() as u64
}

/// Requests under way at once, on average over the duration. What was given up is in the service times.
pub(in crate::tool) fn under_way(result: &LoadResult) -> f64 {
    let total = |times: &TimesLine| times.samples_count as f64 * times.mean_us.unwrap_or(0.0);
    let counted = ["send", "receive", "closed", "parse", "status", "document"];
    let failed = result.errors.iter().filter(|line| counted.contains(&line.phase.as_str()));
    let failed: f64 = failed.map(|line| total(&line.latency)).sum();
    let all = [&result.service_time, &result.connect_time, &result.send_lateness].map(total);
    (failed + all.iter().sum::<f64>()) / result.duration_us as f64
}

/// Ranks and what stands there.
pub(in crate::tool) fn percentiles(times: &TimesLine) -> [(f64, Option<f64>); 7] {
    [
        (50.0, times.p50_us),
        (75.0, times.p75_us),
        (90.0, times.p90_us),
        (95.0, times.p95_us),
        (99.0, times.p99_us),
        (99.9, times.p99_9_us),
        (99.99, times.p99_99_us),
    ]
}

fn requests(result: &LoadResult) -> Result<(), ParseError> {
    let requests = &result.requests;
    let by_status = result.statuses.iter().fold(0_u64, |sum, line| sum.saturating_add(line.answers_count));
    equal("answers and answers by status", Some(requests.answered_count), Some(by_status))?;
    if let Some(due) = requests.due_count {
        let sent_or_not = requests.sent_count.checked_add(requests.never_sent_count);
        equal("requests due", Some(due), sent_or_not)?;
    }
    let answered = requests.answered_count.checked_sub(requests.succeeded_count);
    equal("answers not as expected", failed(result, &["status", "document"]), answered)?;
    if requests.answered_in_time_count > requests.answered_count
        || requests.answered_count.checked_add(requests.unfinished_count).is_none_or(|sum| sum > requests.sent_count)
    {
        let why = format!(
            "{} sent, {} answered, of them {} in time, {} unfinished",
            requests.sent_count, requests.answered_count, requests.answered_in_time_count, requests.unfinished_count
        );
        return implausible("the requests", why);
    }
    Ok(())
}

fn rates(result: &LoadResult) -> Result<(), ParseError> {
    let requests = &result.requests;
    if result.duration_us == 0 {
        return implausible("the duration", "nothing".to_owned());
    }
    rate("requests sent per second", result.rate_sent_per_s, requests.sent_count, result.duration_us)?;
    rate("answers per second", result.answers_per_s, requests.answered_in_time_count, result.duration_us)?;
    rate("successes per second", result.successes_per_s, successes_in_time(result), result.duration_us)?;
    let most = requests.succeeded_count.min(requests.answered_in_time_count);
    if !result.successes_per_s.is_finite() || successes_in_time(result) > most {
        let why = format!("{} in the duration, of {most} answers", successes_in_time(result));
        return implausible("the successes", why);
    }
    Ok(())
}

/// Our own rounding to thousandths, and that of the duration to microseconds.
fn rate(what: &'static str, told: f64, count: u64, duration_us: u64) -> Result<(), ParseError> {
    let own = count as f64 / (duration_us as f64 / 1e6);
    let near = (told - own).abs() <= 0.002 + own * 2e-6;
    if near { Ok(()) } else { implausible(what, format!("{told}, and {count} in {duration_us} µs are {own:.3}")) }
}

const PHASES: [&str; 9] = ["connect", "tls", "send", "receive", "closed", "parse", "timeout", "status", "document"];

fn errors(result: &LoadResult) -> Result<(), ParseError> {
    for line in &result.errors {
        if !PHASES.contains(&line.phase.as_str()) || line.errors_count == 0 {
            let why = format!("{} in the phase {:?}", line.errors_count, line.phase);
            return implausible("an error", why);
        }
    }
    Ok(())
}

/// The errors of these phases together; nothing where that is no number.
fn failed(result: &LoadResult, phases: &[&str]) -> Option<u64> {
    let lines = result.errors.iter().filter(|line| phases.contains(&line.phase.as_str()));
    lines.map(|line| line.errors_count).try_fold(0_u64, u64::checked_add)
}

/// Figures are those of their histogram, and none is longer than can be.
fn times(what: &'static str, told: &TimesLine, longest_us: f64) -> Result<(), ParseError> {
    if told.lower_bounds_count > told.samples_count {
        let why = format!("{} lower bounds among {} samples", told.lower_bounds_count, told.samples_count);
        return implausible(what, why);
    }
    let histogram = match of_line(told) {
        Ok(histogram) => histogram,
        Err(error) => return implausible(what, error.to_string()),
    };
    let own = line(&histogram, told.lower_bounds_count);
    if own.samples_count != told.samples_count {
        let why = format!("{} samples, and {} in its histogram", told.samples_count, own.samples_count);
        return implausible(what, why);
    }
    for ((figure, told), (_, own)) in figures(told).into_iter().zip(figures(&own)) {
        let same = match (told, own) {
            // Written and read again, a number may differ in its last bit.
            (Some(told), Some(own)) => (told - own).abs() <= own.abs() * 1e-9,
            (told, own) => told.is_none() && own.is_none(),
        };
        if !same {
            let words = |us: Option<f64>| us.map_or("nothing".to_owned(), |us| format!("{us} µs"));
            return implausible(what, format!("its {figure} is {}, and {} by its histogram", words(told), words(own)));
        }
    }
    match told.max_us {
        Some(max) if max > longest_us => implausible(what, format!("{max} µs is longer than the load")),
        _ => Ok(()),
    }
}

/// All figures of times, by name.
fn figures(times: &TimesLine) -> Vec<(String, Option<f64>)> {
    let others = [("smallest", times.min_us), ("mean", times.mean_us), ("deviation", times.stdev_us)];
    let largest = [("largest", times.max_us)];
    let others = others.into_iter().chain(largest).map(|(name, us)| (name.to_owned(), us));
    others.chain(percentiles(times).into_iter().map(|(rank, us)| (format!("{rank}th percentile"), us))).collect()
}

fn equal(what: &'static str, one: Option<u64>, other: Option<u64>) -> Result<(), ParseError> {
    let words = |number: Option<u64>| number.map_or("no number".to_owned(), |number| number.to_string());
    if one.is_some() && one == other {
        Ok(())
    } else {
        implausible(what, format!("{} are {}", words(one), words(other)))
    }
}

fn implausible(what: &'static str, why: String) -> Result<(), ParseError> {
    Err(ParseError::Implausible { what, why })
}
