//! The columns of a results table: the same in every format that shows tables.

use crate::metric::{ErrorCounts, Latency, LoadFigures, count, duration_us, rate, short_bytes};
use crate::report::escape::Text;
use crate::report::model::types::{Row, Section, Shows, UNKNOWN, said};

/// A column of a results table.
pub struct Column {
    /// What it shares with its neighbours; nothing when it stands alone.
    pub over: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether it holds numbers.
    pub number: bool,
    /// Whether its cells are empty of meaning where nothing was measured.
    pub measured: bool,
    /// What a row has in it.
    pub cell: fn(&Row) -> Text,
    /// Whether a table needs it.
    when: fn(Shows) -> bool,
}

/// The columns that the table of a section has, after the one that names the row.
pub fn columns(section: &Section) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| (column.when)(section.shows)).collect()
}

const fn measured(over: &'static str, name: &'static str, cell: fn(&Row) -> Text) -> Column {
    Column { over, name, number: true, measured: true, cell, when: |_| true }
}

const fn trait_(over: &'static str, name: &'static str, cell: fn(&Row) -> Text) -> Column {
    Column { over, name, number: false, measured: false, cell, when: |_| true }
}

const RATES: &str = "Requests/s";
const LATENCY: &str = "Latency";
const BYTES: &str = "Bytes per response";

const COLUMNS: [Column; 18] = [
    trait_("", "Verdict", verdict),
    measured(RATES, "successful", |row| per_second(row, LoadFigures::successes_per_second)),
    Column {
        when: |shows| shows.all_answers,
        ..measured(RATES, "all answers", |row| per_second(row, LoadFigures::requests_per_second))
    },
    Column { when: |shows| shows.rate_asked, ..measured(RATES, "reached", reached) },
    Column { number: false, ..measured("", "Errors", errors) },
    measured(LATENCY, "mean", |row| latency(row, |latency| Some(latency.mean_us))),
    measured(LATENCY, "p50", |row| latency(row, |latency| latency.percentile(50.0))),
    measured(LATENCY, "p90", |row| latency(row, |latency| latency.percentile(90.0))),
    measured(LATENCY, "p99", |row| latency(row, |latency| latency.percentile(99.0))),
    measured(LATENCY, "p99.9", |row| latency(row, |latency| latency.percentile(99.9))),
    measured(LATENCY, "max", |row| latency(row, |latency| Some(latency.max_us))),
    Column { number: false, when: |shows| shows.timed, ..measured(LATENCY, "of answers", timed) },
    Column {
        when: |shows| shows.lateness,
        ..measured("", "Send lateness p99", |row| {
            said(figure(row, |figures| figures.send_lateness()?.percentile(99.0)), duration_us)
        })
    },
    trait_("", "Keep-alive", keep_alive),
    trait_("Database", "connections", |row| Text::from(&row.traits.database)),
    Column { number: true, ..trait_("", "Workers", workers) },
    measured(BYTES, "received", |row| said(figure(row, LoadFigures::bytes_per_response), |b| bytes(b.round() as u64))),
    Column {
        number: true,
        ..trait_(BYTES, "document", |row| row.body_bytes.map_or(Text::from(UNKNOWN), |b| Text::from(bytes(b))))
    },
];

fn verdict(row: &Row) -> Text {
    Text::from(format!("{} {}", row.verdict.symbol(), row.verdict.word()))
}

fn figure(row: &Row, of: impl FnOnce(&LoadFigures) -> Option<f64>) -> Option<f64> {
    row.figures.as_ref().and_then(of)
}

fn per_second(row: &Row, of: fn(&LoadFigures) -> f64) -> Text {
    said(figure(row, |figures| Some(of(figures))), rate)
}

fn latency(row: &Row, of: fn(&Latency) -> Option<f64>) -> Text {
    said(figure(row, |figures| figures.waiting().and_then(of)), duration_us)
}

fn timed(row: &Row) -> Text {
    let all = || row.figures.as_ref().and_then(LoadFigures::waiting).map_or(UNKNOWN, |_| "all").to_owned();
    Text::from(row.timed().unwrap_or_else(all))
}

fn reached(row: &Row) -> Text {
    let Some(asked) = row.rate_asked else { return Text::from("no rate asked") };
    let share = figure(row, |figures| Some(figures.requests_per_second() / asked as f64 * 100.0));
    said(share, |percent| format!("{percent:.1} % of {}", count(asked)))
}

fn errors(row: &Row) -> Text {
    Text::from(row.figures.as_ref().map_or(UNKNOWN.to_owned(), |figures| error_words(&figures.errors)))
}

/// `none`, or each kind with its number. They are never added up: each generator counts another thing as an error.
fn error_words(errors: &ErrorCounts) -> String {
    let kinds = errors.by_kind().into_iter().filter(|(_, number)| *number > 0);
    let words: Vec<String> = kinds.map(|(kind, number)| format!("{kind} {}", count(number))).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn keep_alive(row: &Row) -> Text {
    let word = row.traits.keep_alive.map_or(UNKNOWN, |keeps| if keeps { "yes" } else { "no" });
    Text::from(if row.traits.keep_alive_seen { word.to_owned() } else { format!("{word} (declared)") })
}

fn workers(row: &Row) -> Text {
    let number = row.traits.workers.map_or(UNKNOWN.to_owned(), |workers| workers.to_string());
    Text::from(if row.traits.workers_seen { number } else { format!("{number} (asked)") })
}

/// Small sizes to the byte, because bodies differ by a few.
fn bytes(number: u64) -> String {
    if number < 100_000 { format!("{} B", count(number)) } else { short_bytes(number) }
}
