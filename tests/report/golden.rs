//! Markdown, CSV and JSON as they stand in `tests/fixtures/report`. `TIMETRIAL_BLESS=1` writes them anew.

use std::path::Path;

use timetrial::report::Report;
use timetrial::store::StoredRun;

use crate::{runs, tuning};

fn check(run: &StoredRun, name: &str) {
    let report = Report::new(run);
    for (format, rendered) in [("md", report.markdown()), ("csv", report.csv()), ("json", report.json())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/report/{name}.{format}"));
        if std::env::var_os("TIMETRIAL_BLESS").is_some() {
            std::fs::write(&path, &rendered).expect("the fixtures can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(rendered == expected, "{} differs; TIMETRIAL_BLESS=1 writes it anew:\n{rendered}", path.display());
    }
}

#[test]
fn a_whole_run() {
    check(&runs::full(), "full");
}

#[test]
fn a_network_that_was_checked() {
    check(&runs::networked(), "networked");
}

#[test]
fn a_machine_that_was_tuned() {
    check(&tuning::tuned(), "tuned");
}

#[test]
fn failed_trials_have_their_reason_and_no_number() {
    check(&runs::with_failures(), "failures");
}

#[test]
fn an_incomplete_run_says_so() {
    check(&runs::incomplete(), "incomplete");
}

#[test]
fn repeats_are_rows_of_their_own() {
    check(&runs::repeats(), "repeats");
}

#[test]
fn hostile_bytes_are_shown_and_not_obeyed() {
    check(&runs::hostile(), "hostile");
}

#[test]
fn every_csv_line_has_every_column() {
    for run in [runs::full(), runs::with_failures(), runs::incomplete(), runs::repeats(), runs::hostile()] {
        let csv = Report::new(&run).csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let trials = reader.records().map(|record| record.unwrap().len()).collect::<Vec<_>>();
        assert_eq!(trials.len(), run.plan.trials.len());
    }
}

#[test]
fn all_formats_are_deterministic() {
    let (one, other) = (Report::new(&runs::full()), Report::new(&runs::full()));
    assert_eq!(one.html(), other.html());
    assert_eq!(one.markdown(), other.markdown());
}
