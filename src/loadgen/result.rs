//! What came of a load as the line that is printed, kept and merged.

use crate::loadgen::drive::Load;
use crate::loadgen::fault::Fault;
use crate::loadgen::settings::{Pace, Protocol, Settings, Wait};
use crate::loadgen::tally::Tally;
use crate::loadgen::times_line::line;
use crate::loadgen::verdict;
use crate::metric::{Connections, ErrorLine, LOAD_RESULT_FORMAT, LoadResult, RequestCounts, StatusCount};

/// The phases of a request's life, in order.
pub const PHASES: [&str; 9] = ["connect", "tls", "send", "receive", "closed", "parse", "timeout", "status", "document"];

/// The program and its version, as its results name it.
pub fn tool() -> String {
    format!("timetrial {}", env!("CARGO_PKG_VERSION"))
}

/// `precise` or `economy` in an open loop, `closed` else.
pub fn pace(settings: &Settings) -> &'static str {
    match (&settings.pace, settings.wait) {
        (Pace::Closed, _) => "closed",
        (Pace::Open(_), Wait::Precise) => "precise",
        (Pace::Open(_), Wait::Economy) => "economy",
    }
}

/// The mean rate that was asked for. Nothing in a closed loop.
pub fn rate_asked(settings: &Settings) -> Option<f64> {
    match &settings.pace {
        Pace::Closed => None,
        Pace::Open(schedule) => Some(schedule.mean_rate()),
    }
}

/// Requests at once on each connection. Nothing where they follow one another.
pub fn streams(settings: &Settings) -> Option<u32> {
    match settings.protocol {
        Protocol::Http1 => None,
        Protocol::Http2 { streams } => Some(streams),
    }
}

/// The result of a load.
pub fn of(settings: &Settings, load: &Load) -> LoadResult {
    let tally = &load.tally;
    let seconds = load.duration_ns as f64 / 1e9;
    // A load that was stopped before it began has no rate.
    let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let mut result = LoadResult {
        kind: "result".to_owned(),
        format: LOAD_RESULT_FORMAT,
        tool: tool(),
        url: settings.target.url.clone(),
        protocol: load.protocol.map(str::to_owned),
        engine: load.engine.to_owned(),
        pace: pace(settings).to_owned(),
        scheduler: load.scheduler.to_owned(),
        scheduler_because: load.scheduler_because.clone(),
        receive_times: load.receive_times.to_owned(),
        threads_count: settings.threads,
        streams_asked_count: streams(settings),
        connections: connections(settings, tally),
        started_unix_us: load.started_unix_us,
        duration_asked_us: micros(settings.duration),
        duration_us: load.duration_ns / 1_000,
        timeout_us: micros(settings.timeout),
        rate_asked_per_s: rate_asked(settings),
        rates_asked: match &settings.pace {
            Pace::Closed => None,
            Pace::Open(schedule) => schedule.words(),
        },
        rate_sent_per_s: per_second(tally.sent),
        answers_per_s: per_second(tally.answers_in_time),
        successes_per_s: per_second(tally.successes_in_time),
        requests: requests(settings, tally),
        received_bytes: tally.bytes_received,
        sent_bytes: tally.bytes_sent,
        statuses: statuses(tally),
        errors: errors(tally),
        latency: line(&tally.latency, tally.bounded),
        service_time: line(&tally.service, tally.service_bounded),
        send_lateness: line(&tally.lateness, 0),
        connect_time: line(&tally.connecting, 0),
        surroundings: load.surroundings.clone(),
        is_valid: true,
        invalid_because: Vec::new(),
        lateness_bound_us: settings.lateness_bound.as_nanos() as f64 / 1e3,
        clients_count: 1,
    };
    let mut reasons = Vec::new();
    reasons.extend(load.is_interrupted.then(|| verdict::interrupted(&result)));
    reasons.extend(verdict::connections(&result).filter(|_| settings.requests_per_connection != Some(1)));
    reasons.extend(verdict::of(&result));
    result.is_valid = reasons.is_empty();
    result.invalid_because = reasons;
    result
}

/// A duration in whole microseconds.
pub fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn connections(settings: &Settings, tally: &Tally) -> Connections {
    Connections {
        asked_count: u64::from(settings.connections),
        most_open_count: tally.connections_most,
        opened_count: tally.connections_opened,
        replaced_count: tally.connections_replaced,
        closed_by_server_count: tally.closed_by_server,
        alive_count: tally.connections_alive,
    }
}

fn requests(settings: &Settings, tally: &Tally) -> RequestCounts {
    RequestCounts {
        due_count: (settings.pace != Pace::Closed).then_some(tally.due),
        sent_count: tally.sent,
        answered_count: tally.answers,
        answered_in_time_count: tally.answers_in_time,
        succeeded_count: tally.successes,
        unfinished_count: tally.unfinished,
        never_sent_count: tally.never_sent,
    }
}

fn statuses(tally: &Tally) -> Vec<StatusCount> {
    let counted = (0u16..).zip(&tally.statuses).filter(|(_, count)| **count > 0);
    counted.map(|(status, count)| StatusCount { status, answers_count: *count }).collect()
}

fn errors(tally: &Tally) -> Vec<ErrorLine> {
    let lines = tally.faults.iter().map(|fault| ErrorLine {
        phase: fault.fault.phase().to_owned(),
        reason: fault.fault.reason(),
        errors_count: fault.count,
        // Whoever was given up for lateness would have waited longer.
        latency: line(&fault.latency, if is_given_up(fault.fault) { fault.count } else { 0 }),
    });
    let mut lines: Vec<ErrorLine> = lines.collect();
    in_order(&mut lines);
    lines
}

fn is_given_up(fault: Fault) -> bool {
    matches!(fault, Fault::Timeout | Fault::ConnectTimeout)
}

/// By phase, the most frequent first.
pub fn in_order(lines: &mut [ErrorLine]) {
    let place = |line: &ErrorLine| PHASES.iter().position(|phase| *phase == line.phase).unwrap_or(PHASES.len());
    lines.sort_by(|one, other| {
        let by_count = other.errors_count.cmp(&one.errors_count);
        place(one).cmp(&place(other)).then(by_count).then_with(|| one.reason.cmp(&other.reason))
    });
}
