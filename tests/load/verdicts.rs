//! What speaks against a result.

use timetrial::loadgen::drive::Load;
use timetrial::loadgen::result;
use timetrial::loadgen::settings::Settings;
use timetrial::loadgen::tally::add;

use crate::fixture;

/// What is said of the good load after a change.
fn said(rate: Option<f64>, change: impl Fn(&mut Settings, &mut Load)) -> Vec<String> {
    let (mut settings, mut load) = (fixture::settings(rate), fixture::load(fixture::tally(12_000)));
    change(&mut settings, &mut load);
    let result = result::of(&settings, &load);
    assert_eq!(result.is_valid, result.invalid_because.is_empty());
    result.invalid_because
}

#[test]
fn a_good_load_is_valid() {
    assert_eq!(said(Some(400.0), |_, _| {}), Vec::<String>::new());
    // A closed loop may be as busy as it likes, and is never late.
    assert_eq!(
        said(None, |_, load| {
            load.surroundings.busiest_thread_cpu_us = 30_000_000;
            (0..1_000).for_each(|_| add(&mut load.tally.lateness, 50_000_000));
        }),
        Vec::<String>::new()
    );
    // Connections of one request each are never all open.
    let one_each = |settings: &mut Settings, load: &mut Load| {
        settings.requests_per_connection = Some(1);
        load.tally.connections_most = 3;
    };
    assert_eq!(said(Some(400.0), one_each), Vec::<String>::new());
}

#[test]
fn each_doubt_is_a_sentence() {
    let check = |change: fn(&mut Settings, &mut Load), expected: &str| {
        assert_eq!(said(Some(400.0), change), [expected]);
    };
    check(
        |_, load| (0..130).for_each(|_| add(&mut load.tally.lateness, 2_300_000)),
        "the p99 of our own send lateness is 2.30 ms, above the bound of 1.00 ms: requests left late by our fault, and \
         latencies contain that",
    );
    check(
        |_, load| load.tally.connections_most = 60,
        "64 connections were asked for, and at most 60 were open at once",
    );
    check(
        |_, load| load.surroundings.busiest_thread_cpu_us = 28_900_000,
        "our busiest thread used 96 % of a processor: it can't have kept its schedule (hint: more threads, or more clients)",
    );
    check(
        |_, load| {
            load.tally.sent -= 1_200;
            load.tally.never_sent += 1_200;
        },
        "400 requests/s were asked for and 360 were sent, 10.0 % off; 1,200 requests were due and never sent, since no \
         connection was free",
    );
    check(
        |_, load| {
            load.is_interrupted = true;
            load.duration_ns = 15_000_000_000;
            load.tally.due = 12_000;
        },
        "it was stopped after 15.0 s of 30.0 s",
    );
    check(
        |_, load| load.tally.successes = 0,
        "nothing succeeded: of 12,000 requests sent none was answered as expected",
    );
}

#[test]
fn a_load_that_is_a_bit_off_is_valid() {
    let off = |by: u64| said(Some(400.0), |_, load| load.tally.sent -= by).len();
    assert_eq!([0, 1, 119, 121].map(off), [0, 0, 0, 1]);
    // Of two requests, one more or less is no deviation.
    let few = |sent: u64| {
        said(Some(0.1), |_, load| {
            load.tally = fixture::tally(sent);
        })
    };
    assert_eq!(few(2).len(), 0);
    assert_eq!(few(1).len(), 1);
}

#[test]
fn few_requests_are_judged_by_their_latest() {
    let said = said(Some(1.0), |_, load| {
        load.tally = fixture::tally(30);
        add(&mut load.tally.lateness, 5_000_000);
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("the largest of our own send lateness is 5.00 ms"), "{}", said[0]);
}
