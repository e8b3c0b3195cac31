//! Results of several clients as one: counts are added, histograms are added bucket by bucket, and percentiles are made anew
//! from those. No percentile is ever averaged.

use std::collections::BTreeMap;

use crate::loadgen::result::in_order;
use crate::loadgen::times_line::{NoHistogram, sum_of_lines};
use crate::loadgen::verdict;
use crate::metric::{
    Connections, ErrorLine, LOAD_RESULT_FORMAT, LoadResult, RequestCounts, StatusCount, Surroundings, TimesLine,
    duration_us,
};

/// Clients that began further apart than this part of their duration did not load the server together.
const APART: f64 = 0.01;

/// Why results can't be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMerged {
    /// There is none.
    #[error("there is no result to merge")]
    Nothing,
    /// They are not of one load.
    #[error("they are not of one load: {what} is {one} in the first and {other} in number {number}")]
    Different {
        /// What differs.
        what: &'static str,
        /// In the first.
        one: String,
        /// In the other.
        other: String,
        /// Which other, from 1.
        number: usize,
    },
    /// They were not at work at the same time, so rates can't be added.
    #[error(
        "number {number} was not at work at the same time as the first: they began {apart} apart (hint: --start-at has \
         clients begin together)"
    )]
    Apart {
        /// Which, from 1.
        number: usize,
        /// How far.
        apart: String,
    },
    /// A histogram can't be added.
    #[error("the {what} histograms can't be added: {why}")]
    Histogram {
        /// Of what.
        what: String,
        /// Why.
        why: NoHistogram,
    },
}

/// The results of several clients that loaded one server together.
pub fn merged(results: &[LoadResult]) -> Result<LoadResult, NotMerged> {
    let Some(first) = results.first() else { return Err(NotMerged::Nothing) };
    for (number, other) in (2..).zip(&results[1..]) {
        same_load(first, other, number)?;
    }
    let began = results.iter().map(|result| result.started_unix_us);
    let mut whole = LoadResult {
        format: LOAD_RESULT_FORMAT,
        tool: distinct(results, |result| Some(&result.tool), ", ").unwrap_or_default(),
        protocol: alike(results, |result| result.protocol.as_ref()),
        engine: alike(results, |result| Some(&result.engine)).unwrap_or_default(),
        scheduler: alike(results, |result| Some(&result.scheduler)).unwrap_or_default(),
        scheduler_because: distinct(results, |result| result.scheduler_because.as_ref(), "; "),
        receive_times: alike(results, |result| Some(&result.receive_times)).unwrap_or_default(),
        threads_count: results.iter().map(|result| result.threads_count).sum(),
        connections: connections(results),
        started_unix_us: began.min().unwrap_or_default(),
        duration_us: results.iter().map(|result| result.duration_us).max().unwrap_or_default(),
        rate_asked_per_s: results.iter().map(|result| result.rate_asked_per_s).sum(),
        rates_asked: rates_asked(results),
        rate_sent_per_s: results.iter().map(|result| result.rate_sent_per_s).sum(),
        answers_per_s: results.iter().map(|result| result.answers_per_s).sum(),
        successes_per_s: results.iter().map(|result| result.successes_per_s).sum(),
        requests: requests(results),
        received_bytes: results.iter().map(|result| result.received_bytes).sum(),
        sent_bytes: results.iter().map(|result| result.sent_bytes).sum(),
        statuses: statuses(results),
        errors: errors(results)?,
        latency: times(results, "latency", |result| &result.latency)?,
        service_time: times(results, "service time", |result| &result.service_time)?,
        send_lateness: times(results, "send lateness", |result| &result.send_lateness)?,
        connect_time: times(results, "connect time", |result| &result.connect_time)?,
        surroundings: surroundings(results),
        clients_count: results.iter().map(|result| result.clients_count).sum(),
        ..first.clone()
    };
    whole.invalid_because = reasons(results, &whole);
    whole.is_valid = whole.invalid_because.is_empty();
    Ok(whole)
}

/// Whether two results are of one load: what was asked for is the same, but for each client's share of it.
fn same_load(first: &LoadResult, other: &LoadResult, number: usize) -> Result<(), NotMerged> {
    let streams =
        |result: &LoadResult| result.streams_asked_count.map_or("-".to_owned(), |streams| streams.to_string());
    let asked: [(&'static str, String, String); 7] = [
        ("the URL", first.url.clone(), other.url.clone()),
        ("the pace", first.pace.clone(), other.pace.clone()),
        ("the rate", kind_of_rate(first), kind_of_rate(other)),
        ("the duration", time(first.duration_asked_us), time(other.duration_asked_us)),
        ("the time limit", time(first.timeout_us), time(other.timeout_us)),
        ("the number of streams", streams(first), streams(other)),
        ("the bound of lateness", us(first.lateness_bound_us), us(other.lateness_bound_us)),
    ];
    for (what, one, other) in asked {
        if one != other {
            return Err(NotMerged::Different { what, one, other, number });
        }
    }
    let apart = first.started_unix_us.abs_diff(other.started_unix_us);
    if apart >= first.duration_us.min(other.duration_us).max(1) {
        return Err(NotMerged::Apart { number, apart: time(apart) });
    }
    Ok(())
}

/// How the rate went, but for each client's share of it.
fn kind_of_rate(result: &LoadResult) -> String {
    match result.rates_asked.as_deref() {
        None if result.rate_asked_per_s.is_none() => "that of a closed loop".to_owned(),
        None => "the same all the time".to_owned(),
        Some(rates) if rates.contains("..") => "a ramp".to_owned(),
        Some(rates) => format!("in {} steps", rates.split(" + ").next().unwrap_or_default().split(',').count()),
    }
}

/// Those of all clients.
fn rates_asked(results: &[LoadResult]) -> Option<String> {
    let all: Vec<&str> = results.iter().filter_map(|result| result.rates_asked.as_deref()).collect();
    (!all.is_empty()).then(|| all.join(" + "))
}

fn time(us: u64) -> String {
    self::us(us as f64)
}

fn us(us: f64) -> String {
    duration_us(us)
}

/// What speaks against the whole: what speaks against each part, by its number, and what its own figures show.
fn reasons(results: &[LoadResult], whole: &LoadResult) -> Vec<String> {
    let of_parts = (1..).zip(results).flat_map(|(number, result): (usize, &LoadResult)| {
        result.invalid_because.iter().map(move |reason| format!("client {number}: {reason}"))
    });
    let mut reasons: Vec<String> = of_parts.collect();
    let began = || results.iter().map(|result| result.started_unix_us);
    let apart = began().max().unwrap_or_default() - began().min().unwrap_or_default();
    if apart as f64 > APART * whole.duration_asked_us as f64 {
        reasons.push(format!(
            "the clients began {} apart, of {}: they did not load the server together all the time",
            time(apart),
            time(whole.duration_asked_us)
        ));
    }
    // What a part says is said; of the whole, only what no part shows by itself.
    if reasons.is_empty() {
        reasons = verdict::of(whole);
    }
    reasons
}

/// The value that all have, or `mixed`.
fn alike<'a>(results: &'a [LoadResult], of: impl Fn(&'a LoadResult) -> Option<&'a String>) -> Option<String> {
    let mut values = results.iter().filter_map(of);
    let first = values.next()?;
    Some(if values.all(|value| value == first) { first.clone() } else { "mixed".to_owned() })
}

/// Every value, once.
fn distinct<'a>(
    results: &'a [LoadResult],
    of: impl Fn(&'a LoadResult) -> Option<&'a String>,
    between: &str,
) -> Option<String> {
    let mut values: Vec<&str> = Vec::new();
    for value in results.iter().filter_map(of) {
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    (!values.is_empty()).then(|| values.join(between))
}

fn connections(results: &[LoadResult]) -> Connections {
    let sum = |of: fn(&Connections) -> u64| results.iter().map(|result| of(&result.connections)).sum();
    Connections {
        asked_count: sum(|all| all.asked_count),
        most_open_count: sum(|all| all.most_open_count),
        opened_count: sum(|all| all.opened_count),
        replaced_count: sum(|all| all.replaced_count),
        closed_by_server_count: sum(|all| all.closed_by_server_count),
        alive_count: sum(|all| all.alive_count),
    }
}

fn requests(results: &[LoadResult]) -> RequestCounts {
    let sum = |of: fn(&RequestCounts) -> u64| results.iter().map(|result| of(&result.requests)).sum();
    RequestCounts {
        due_count: results.iter().map(|result| result.requests.due_count).sum(),
        sent_count: sum(|all| all.sent_count),
        answered_count: sum(|all| all.answered_count),
        answered_in_time_count: sum(|all| all.answered_in_time_count),
        succeeded_count: sum(|all| all.succeeded_count),
        unfinished_count: sum(|all| all.unfinished_count),
        never_sent_count: sum(|all| all.never_sent_count),
    }
}

fn statuses(results: &[LoadResult]) -> Vec<StatusCount> {
    let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
    for line in results.iter().flat_map(|result| &result.statuses) {
        *counts.entry(line.status).or_default() += line.answers_count;
    }
    counts.into_iter().map(|(status, answers_count)| StatusCount { status, answers_count }).collect()
}

fn errors(results: &[LoadResult]) -> Result<Vec<ErrorLine>, NotMerged> {
    let mut kinds: BTreeMap<(&str, &str), Vec<&ErrorLine>> = BTreeMap::new();
    for line in results.iter().flat_map(|result| &result.errors) {
        kinds.entry((&line.phase, &line.reason)).or_default().push(line);
    }
    let mut lines = Vec::new();
    for ((phase, reason), all) in kinds {
        let latency = sum_of_lines(all.iter().map(|line| &line.latency))
            .map_err(|why| NotMerged::Histogram { what: format!("{phase} error"), why })?;
        let errors_count = all.iter().map(|line| line.errors_count).sum();
        lines.push(ErrorLine { phase: phase.to_owned(), reason: reason.to_owned(), errors_count, latency });
    }
    in_order(&mut lines);
    Ok(lines)
}

fn times(results: &[LoadResult], what: &str, of: fn(&LoadResult) -> &TimesLine) -> Result<TimesLine, NotMerged> {
    sum_of_lines(results.iter().map(of)).map_err(|why| NotMerged::Histogram { what: what.to_owned(), why })
}

/// What one machine does not tell is not known of all.
fn surroundings(results: &[LoadResult]) -> Surroundings {
    let all = || results.iter().map(|result| &result.surroundings);
    Surroundings {
        own_cpu_user_us: all().map(|one| one.own_cpu_user_us).sum(),
        own_cpu_system_us: all().map(|one| one.own_cpu_system_us).sum(),
        busiest_thread_cpu_us: all().map(|one| one.busiest_thread_cpu_us).max().unwrap_or_default(),
        steal_us: all().map(|one| one.steal_us).sum(),
        retransmits_count: all().map(|one| one.retransmits_count).sum(),
        syn_retransmits_count: all().map(|one| one.syn_retransmits_count).sum(),
        peak_memory_bytes: all().map(|one| one.peak_memory_bytes).sum(),
    }
}
