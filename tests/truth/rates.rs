//! Rates that are kept, and waits that are counted from when a request was due. Speed is not asserted, but what follows from
//! the schedule is.

use crate::support::{Truth, load, number, timetrial};

#[test]
fn every_request_that_is_due_is_sent_and_no_other() {
    let truth = Truth::start(&[]);
    let (_, result) = load(&truth.url("/"), &["-d", "2s", "-c", "32", "-t", "2", "-R", "1500"]);
    let counted = truth.counts();
    assert_eq!(number(&result["requests"]["due_count"]), 3_000);
    assert_eq!(number(&counted["requests"]), 3_000);
}

#[test]
fn ramps_and_steps_have_as_many_requests_as_their_areas() {
    for (rate, expected) in [("100..900", 1_000), ("200,600", 800)] {
        let truth = Truth::start(&[]);
        let (_, result) = load(&truth.url("/"), &["-d", "2s", "-c", "16", "-t", "2", "-R", rate]);
        assert_eq!(number(&result["requests"]["due_count"]), expected, "{rate}");
        assert_eq!(result["rates_asked"], rate);
        assert_eq!(number(&truth.counts()["requests"]), expected, "{rate}");
    }
}

#[test]
fn a_server_that_freezes_is_seen_by_who_would_have_waited() {
    // Frozen for half a second in the middle of two: a quarter of the requests waits, evenly from nothing to half a second.
    let truth = Truth::start(&["--freeze-ms", "500", "--freeze-every-ms", "2000"]);
    let (_, result) = load(&truth.url("/"), &["-d", "2s", "-c", "32", "-t", "1", "-R", "1000"]);
    let p90 = result["latency"]["p90_us"].as_f64().unwrap();
    let p99 = result["latency"]["p99_us"].as_f64().unwrap();
    // The truth is 300 and 480 ms; a busy machine may add to that, and nothing takes away from it.
    assert!(p90 >= 280e3 && p99 >= 470e3, "{p90} {p99}");
    // In a closed loop, which waits for the server, hardly anybody is seen to wait.
    let truth = Truth::start(&["--freeze-ms", "500", "--freeze-every-ms", "2000"]);
    let (_, result) = load(&truth.url("/"), &["-d", "2s", "-c", "8", "-t", "1"]);
    assert!(result["latency"]["p90_us"].as_f64().unwrap() < 250e3, "{result}");
}

#[test]
fn what_could_never_be_sent_has_waited_as_well() {
    // One connection and 100 ms for each answer: ten requests a second of the hundred that are due.
    let truth = Truth::start(&["--delay-us", "100000"]);
    let (code, result) = load(&truth.url("/"), &["-d", "2s", "-c", "1", "-t", "1", "-R", "100"]);
    let requests = &result["requests"];
    assert_eq!(number(&requests["due_count"]), 200);
    assert_eq!(number(&requests["sent_count"]) + number(&requests["never_sent_count"]), 200);
    assert!(number(&requests["never_sent_count"]) > 150, "{requests}");
    assert_eq!(result["latency"]["samples_count"], 200, "all of them have waited");
    assert!(result["latency"]["p50_us"].as_f64().unwrap() > 500e3);
    assert_eq!((code, &result["is_valid"]), (3, &false.into()));
}

#[test]
fn the_highest_rate_that_holds_a_goal_is_found() {
    // Two connections of 10 ms each carry 200 requests a second.
    let truth = Truth::start(&["--delay-us", "10000"]);
    let url = truth.url("/");
    let options = ["-d", "1s", "-c", "2", "-t", "1", "-R", "20", "--find-max", "p90<60ms", "--lateness-bound", "50ms"];
    let mut arguments = vec!["load", &url, "--message-format", "json"];
    arguments.extend(options);
    let ended = timetrial(&arguments);
    let last: serde_json::Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    let rate = last["holds_at_per_s"].as_f64().unwrap_or_else(|| panic!("{last}"));
    assert!((100.0..=230.0).contains(&rate), "{last}");
}
