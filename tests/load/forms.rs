//! The forms of a result, held against golden texts: `TIMETRIAL_BLESS=1 cargo test --test load` writes them anew.

use std::fs;

use timetrial::loadgen::csv;
use timetrial::loadgen::lines::SecondLine;
use timetrial::loadgen::merged::merged;
use timetrial::loadgen::tally::{Second, add};
use timetrial::loadgen::text;
use timetrial::loadgen::times_line::{line, of_line};

use crate::fixture;

fn hold(name: &str, found: &str) {
    let path = fixture::folder().join(name);
    if std::env::var_os("TIMETRIAL_BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{name} differs (TIMETRIAL_BLESS=1 writes it anew):\n{found}");
}

#[test]
fn texts_are_as_expected() {
    let per_second: Vec<u64> = (0..30).map(|second| 395 + second % 10).collect();
    hold("closed.txt", &text::of(&fixture::closed(), &[2_000; 30], false));
    hold("open.txt", &text::of(&fixture::good(), &per_second, false));
    hold("open-latency.txt", &text::of(&fixture::good(), &per_second, true));
    hold("errors.txt", &text::of(&fixture::mixed(), &per_second, false));
    hold("nothing.txt", &text::of(&fixture::nothing(), &[0; 30], false));
    hold("doubtful.txt", &text::of(&fixture::doubtful(), &per_second[..10], false));
    let whole = merged(&[fixture::good(), fixture::mixed()]).unwrap();
    hold("two-clients.txt", &text::of(&whole, &[], false));
    let times = of_line(&fixture::good().latency).unwrap();
    hold("histogram.txt", &text::of_times(&line(&times, 0), false));
}

#[test]
fn no_line_is_too_long_for_a_terminal() {
    for name in ["closed.txt", "open.txt", "errors.txt", "nothing.txt", "two-clients.txt"] {
        let text = fs::read_to_string(fixture::folder().join(name)).unwrap();
        let longest = text.lines().filter(|line| !line.starts_with("INVALID")).map(|line| line.chars().count()).max();
        assert!(longest <= Some(110), "{name}: {longest:?}");
    }
}

#[test]
fn what_reads_wrk_finds_its_lines() {
    let text = text::of(&fixture::mixed(), &[], false);
    for line in [
        "Running 30s test @ http://127.0.0.1:8080/agents",
        "  2 threads and 64 connections, open loop: 400.00 requests/sec",
        "  11970 requests in 30.00s, 1.83MB read",
        "  Socket errors: connect 0, read 17, write 0, timeout 3",
        "  Non-2xx or 3xx responses: 30",
        "Requests/sec:     398.90",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn seconds_are_rows_with_units() {
    let mut second = Second::new(7);
    (1..=200).for_each(|n| add(&mut second.latency, n * 64_000));
    (second.sent, second.answers, second.successes, second.faults) = (200, 200, 199, 1);
    (second.bytes_received, second.connections) = (32_000, 64);
    let row = csv::row(&SecondLine::of(&second));
    assert_eq!(row, "7,200,200,199,1,32000,64,200,64.000,6432.244,6402.047,11526.143,12673.023,,12804.095\n");
    assert_eq!(csv::row(&SecondLine::of(&Second::new(0))), "0,0,0,0,0,0,0,0,,,,,,,\n");
    let columns = csv::HEAD.trim().split(',').count();
    assert_eq!(row.split(',').count(), columns);
    assert!(
        csv::HEAD.trim().split(',').all(|name| ["_s", "_count", "_bytes", "_us"].iter().any(|end| name.ends_with(end)))
    );
}
