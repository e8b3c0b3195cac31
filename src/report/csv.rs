//! CSV: one line for each trial, every figure in plain units. A column's name ends in its unit where it has one.

use crate::metric::{Account, Latency, LoadFigures};
use crate::report::escape::Text;
use crate::report::model::{Ceiling, Model, Row, Section};

/// The whole table, with its head.
pub fn table(model: &Model) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    // Writing to memory can't fail, and every line has as many cells as there are columns.
    let mut write = |cells: Vec<String>| writer.write_record(cells).expect("memory takes every line");
    write(COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (section, row) in model.rows() {
        write(COLUMNS.iter().map(|(_, cell)| cell(&Line { model, section, row })).collect());
    }
    let bytes = writer.into_inner().expect("memory needs no flush");
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Line<'a> {
    model: &'a Model,
    section: &'a Section,
    row: &'a Row,
}

/// A column: its name, and what a line has in it. An empty cell is not known.
type Column = (&'static str, fn(&Line<'_>) -> String);

const COLUMNS: [Column; 71] = [
    ("run", |line| line.model.head.run.csv()),
    ("trial", |line| line.row.id.csv()),
    ("round", |line| line.section.round.csv()),
    ("daemon", |line| line.row.daemon.csv()),
    ("title", |line| line.row.title.csv()),
    ("endpoint", |line| line.row.endpoint.csv()),
    ("document", |line| line.section.document.csv()),
    ("sample", |line| line.row.repeat.to_string()),
    ("samples_planned", |line| line.row.repeats.to_string()),
    ("outcome", |line| line.row.outcome.to_owned()),
    ("verdict", |line| line.row.verdict.word().to_owned()),
    ("verdict_rules", |line| rules(line.row)),
    ("verdict_text", |line| messages(line.row).csv()),
    ("failure_code", |line| line.row.reason.as_ref().map(|reason| reason.code.csv()).unwrap_or_default()),
    ("failure_detail", |line| detail(line.row).csv()),
    ("successes_per_s", |line| decimal(line, |f| Some(f.successes_per_second()))),
    ("answers_per_s", |line| decimal(line, |f| Some(f.requests_per_second()))),
    ("printed_rate_per_s", |line| decimal(line, |f| Some(f.printed_requests_per_second))),
    ("asked_rate_per_s", |line| whole(line.row.rate_asked)),
    ("answers_count", |line| figure(line, |f| f.requests)),
    ("successes_count", |line| figure(line, LoadFigures::successes)),
    ("connect_errors_count", |line| figure(line, |f| f.errors.connect)),
    ("send_errors_count", |line| figure(line, |f| f.errors.send)),
    ("receive_errors_count", |line| figure(line, |f| f.errors.receive)),
    ("timeout_errors_count", |line| figure(line, |f| f.errors.timeout)),
    ("late_answers_count", |line| whole(line.row.figures.as_ref().and_then(|f| f.late_answers))),
    ("status_errors_count", |line| figure(line, |f| f.errors.status)),
    ("document_errors_count", |line| figure(line, |f| f.errors.document)),
    ("duration_us", |line| figure(line, |f| f.duration_us)),
    ("latency_mean_us", |line| waiting(line, |l| Some(l.mean_us))),
    ("latency_stdev_us", |line| waiting(line, |l| Some(l.stdev_us))),
    ("latency_min_us", |line| waiting(line, |l| l.min_us)),
    ("latency_p50_us", |line| percentile(line, 50.0)),
    ("latency_p75_us", |line| percentile(line, 75.0)),
    ("latency_p90_us", |line| percentile(line, 90.0)),
    ("latency_p95_us", |line| percentile(line, 95.0)),
    ("latency_p99_us", |line| percentile(line, 99.0)),
    ("latency_p99.9_us", |line| percentile(line, 99.9)),
    ("latency_p99.99_us", |line| percentile(line, 99.99)),
    ("latency_max_us", |line| waiting(line, |l| Some(l.max_us))),
    ("latency_kind", |line| line.row.figures.as_ref().map(|f| latency_kind(f).to_owned()).unwrap_or_default()),
    ("latency_samples_count", |line| whole(line.row.figures.as_ref().and_then(|f| f.waiting()?.samples))),
    ("latency_lower_bounds_count", |line| {
        whole(line.row.figures.as_ref().filter(|f| f.account.is_some()).map(LoadFigures::lower_bounds))
    }),
    ("send_lateness_p50_us", |line| lateness(line, |l| l.percentile(50.0))),
    ("send_lateness_p99_us", |line| lateness(line, |l| l.percentile(99.0))),
    ("send_lateness_max_us", |line| lateness(line, |l| Some(l.max_us))),
    ("sent_count", |line| account(line, |a| a.sent)),
    ("unfinished_count", |line| account(line, |a| a.unfinished)),
    ("never_sent_count", |line| account(line, |a| a.never_sent)),
    ("printed_latency_mean_us", |line| printed(line, |l| Some(l.mean_us))),
    ("printed_latency_p50_us", |line| printed(line, |l| l.percentile(50.0))),
    ("printed_latency_p90_us", |line| printed(line, |l| l.percentile(90.0))),
    ("printed_latency_p99_us", |line| printed(line, |l| l.percentile(99.0))),
    ("printed_latency_max_us", |line| printed(line, |l| Some(l.max_us))),
    ("received_bytes", |line| figure(line, |f| f.bytes_received)),
    ("received_per_response_bytes", |line| decimal(line, LoadFigures::bytes_per_response)),
    ("document_bytes", |line| whole(line.row.body_bytes)),
    ("keep_alive", |line| line.row.traits.keep_alive.map(|keeps| keeps.to_string()).unwrap_or_default()),
    ("database_connections", |line| Text::from(&line.row.traits.database).csv()),
    ("workers_count", |line| whole(line.row.traits.workers.map(u64::from))),
    ("protocol", |line| line.row.traits.protocol.csv()),
    ("load_protocol", |line| load_protocol(line.row)),
    ("load_threads_count", |line| figure(line, |f| f.threads.into())),
    ("connections_asked_count", |line| figure(line, |f| f.connections_asked.into())),
    ("connections_used_count", |line| figure(line, |f| f.connections_used.into())),
    ("connections_alive_count", |line| figure(line, |f| f.connections_alive().into())),
    ("network_answers_bits_per_s", |line| ceiling(line, |ceiling| ceiling.bits_per_second)),
    ("network_ceiling_per_s", |line| ceiling(line, |ceiling| ceiling.answers_per_second)),
    ("network_share_percent", |line| ceiling(line, |ceiling| ceiling.share * 100.0)),
    ("streams_asked_count", |line| whole(line.row.figures.as_ref().and_then(|f| f.streams_asked).map(u64::from))),
    ("load_tool", |line| line.row.figures.as_ref().map(|f| Text::from(&f.tool).csv()).unwrap_or_default()),
];

/// What the `latency_` columns hold; the `printed_` ones are the tool's own words.
fn latency_kind(figures: &LoadFigures) -> &'static str {
    match figures.waiting() {
        None => "",
        Some(_) if figures.waits_are_service_times() => "service time",
        Some(_) => "latency",
    }
}

/// What the load generator spoke, where it tells.
fn load_protocol(row: &Row) -> String {
    row.figures
        .as_ref()
        .and_then(|f| f.protocol.as_ref())
        .map(|protocol| Text::from(protocol).csv())
        .unwrap_or_default()
}

fn rules(row: &Row) -> String {
    row.findings().map(|(rule, _)| rule).collect::<Vec<_>>().join(" ")
}

fn messages(row: &Row) -> Text {
    let messages: Vec<Text> = row.findings().map(|(_, message)| message).collect();
    Text::joined(&messages, " / ")
}

fn detail(row: &Row) -> Text {
    row.reason.as_ref().map(|reason| Text::joined(&reason.detail, " / ")).unwrap_or_default()
}

fn ceiling(line: &Line<'_>, of: fn(&Ceiling) -> f64) -> String {
    line.row.ceiling.as_ref().map(of).map(plain).unwrap_or_default()
}

fn figure(line: &Line<'_>, of: fn(&LoadFigures) -> u64) -> String {
    whole(line.row.figures.as_ref().map(of))
}

fn whole(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn percentile(line: &Line<'_>, rank: f64) -> String {
    line.row.figures.as_ref().and_then(|f| f.waiting()?.percentile(rank)).map(plain).unwrap_or_default()
}

fn waiting(line: &Line<'_>, of: fn(&Latency) -> Option<f64>) -> String {
    line.row.figures.as_ref().and_then(|f| f.waiting().and_then(of)).map(plain).unwrap_or_default()
}

fn lateness(line: &Line<'_>, of: fn(&Latency) -> Option<f64>) -> String {
    line.row.figures.as_ref().and_then(|f| f.send_lateness().and_then(of)).map(plain).unwrap_or_default()
}

/// What a load generator tells of its own work.
fn account(line: &Line<'_>, of: fn(&Account) -> u64) -> String {
    whole(line.row.figures.as_ref().and_then(|f| f.account.as_deref()).map(of))
}

fn printed(line: &Line<'_>, of: fn(&Latency) -> Option<f64>) -> String {
    line.row.figures.as_ref().and_then(|f| f.latency.as_ref().and_then(of)).map(plain).unwrap_or_default()
}

fn decimal(line: &Line<'_>, of: fn(&LoadFigures) -> Option<f64>) -> String {
    line.row.figures.as_ref().and_then(of).map(plain).unwrap_or_default()
}

/// At most three places after the point; what is no number is not known.
fn plain(number: f64) -> String {
    let rounded = (number * 1e3).round() / 1e3;
    if rounded.is_finite() { rounded.to_string() } else { String::new() }
}
