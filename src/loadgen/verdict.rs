//! Whether a result means what it says: each doubt a sentence with its figures.

use crate::loadgen::times_line::{of_line, us};
use crate::metric::{LoadResult, count, counted, duration_us, rate};

/// The largest part by which the rate sent may differ from the rate asked for.
const RATE_OFF: f64 = 0.01;
/// The largest part of a processor with which our threads can still be on time.
const BUSIEST: f64 = 0.95;

/// What speaks against a result, as far as its own figures show it.
pub fn of(result: &LoadResult) -> Vec<String> {
    let reasons = [nothing_succeeded(result), lateness(result), rate_off(result), saturated(result)];
    reasons.into_iter().flatten().collect()
}

/// It was stopped before its time.
pub fn interrupted(result: &LoadResult) -> String {
    let [was, asked] = [result.duration_us, result.duration_asked_us].map(|us| duration_us(us as f64));
    format!("it was stopped after {was} of {asked}")
}

/// There were never as many connections as asked for. That means nothing where each carries one request only.
pub fn connections(result: &LoadResult) -> Option<String> {
    let connections = &result.connections;
    (connections.most_open_count < connections.asked_count).then(|| {
        let asked = counted(connections.asked_count, "connection");
        format!("{asked} were asked for, and at most {} were open at once", count(connections.most_open_count))
    })
}

fn nothing_succeeded(result: &LoadResult) -> Option<String> {
    let requests = &result.requests;
    if requests.succeeded_count > 0 {
        return None;
    }
    let most = result.errors.iter().max_by_key(|line| line.errors_count);
    let most = most
        .map(|line| format!("; most often: {}, {}, {}", line.phase, line.reason, counted(line.errors_count, "time")));
    let sent = match requests.sent_count {
        0 => "no request was sent".to_owned(),
        sent => format!("of {} sent none was answered as expected", counted(sent, "request")),
    };
    Some(format!("nothing succeeded: {sent}{}", most.unwrap_or_default()))
}

/// The p99 of our own lateness; of fewer than 100 requests it is the largest.
fn lateness(result: &LoadResult) -> Option<String> {
    if is_closed(result) {
        return None;
    }
    let times = of_line(&result.send_lateness).ok()?;
    let p99 = us(times.value_at_quantile(0.99));
    (p99 > result.lateness_bound_us).then(|| {
        let [p99, bound] = [p99, result.lateness_bound_us].map(duration_us);
        let what = if result.send_lateness.p99_us.is_some() { "the p99 of" } else { "the largest of" };
        format!(
            "{what} our own send lateness is {p99}, above the bound of {bound}: requests left late by our fault, and latencies \
             contain that"
        )
    })
}

fn rate_off(result: &LoadResult) -> Option<String> {
    let asked_rate = result.rate_asked_per_s?;
    let requests = &result.requests;
    let is_whole = result.duration_us + 1_000 >= result.duration_asked_us;
    // Of a load that was stopped, what was due until then is all that can be asked for.
    let asked = if is_whole { asked_rate * result.duration_us as f64 / 1e6 } else { requests.due_count? as f64 };
    let off = (requests.sent_count as f64 - asked) / asked;
    // A handful of requests can't be told apart from a rounded number of them.
    let apart = (requests.sent_count as f64 - asked).abs();
    if asked <= 0.0 || off.abs() <= RATE_OFF || apart < 1.5 {
        return None;
    }
    let seconds = result.duration_us as f64 / 1e6;
    let [asked, sent] = [asked / seconds, result.rate_sent_per_s].map(rate);
    let never = match requests.never_sent_count {
        0 => String::new(),
        never => format!("; {} due and never sent, since {}", are(never), why_none(result)),
    };
    Some(format!("{asked} requests/s were asked for and {sent} were sent, {:.1} % off{never}", off.abs() * 100.0))
}

/// Why there was no connection for a request.
fn why_none(result: &LoadResult) -> &'static str {
    let has_failed = result.errors.iter().any(|line| !matches!(line.phase.as_str(), "status" | "document"));
    if has_failed { "no connection was free, or none could be made after failures" } else { "no connection was free" }
}

fn are(requests: u64) -> String {
    format!("{} {}", counted(requests, "request"), if requests == 1 { "was" } else { "were" })
}

fn saturated(result: &LoadResult) -> Option<String> {
    let part = busiest(result)?;
    (!is_closed(result) && part > BUSIEST).then(|| {
        format!(
            "our busiest thread used {:.0} % of a processor: it can't have kept its schedule (hint: more threads, or more \
             clients)",
            part * 100.0
        )
    })
}

/// The part of the time in which our busiest thread ran.
pub fn busiest(result: &LoadResult) -> Option<f64> {
    let duration = result.duration_us as f64;
    (duration > 0.0).then(|| result.surroundings.busiest_thread_cpu_us as f64 / duration)
}

/// Whether it was a closed loop.
pub fn is_closed(result: &LoadResult) -> bool {
    result.rate_asked_per_s.is_none()
}
