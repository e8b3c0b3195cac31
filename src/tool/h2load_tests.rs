use proptest::prelude::*;

use super::*;
use crate::tool::fixtures::{bytes, mutate, output, refuses_every_cut, request};

fn asked(threads: u32, connections: u32, streams: u32, seconds: u64) -> LoadRequest {
    LoadRequest { protocol: "HTTP/2".to_owned(), streams, ..request("/index", threads, connections, seconds) }
}

fn parse(name: &str, request: &LoadRequest) -> Result<LoadFigures, ParseError> {
    H2load.parse(request, &output(NAME, name, 0))
}

fn error(name: &str, code: i32, request: &LoadRequest) -> String {
    H2load.parse(request, &output(NAME, name, code)).unwrap_err().to_string()
}

#[test]
fn the_command_is_complete() {
    let check = |request: &LoadRequest, expected: &str| {
        let invocation = H2load.invocation(request);
        assert_eq!(invocation.command.words().join(" "), expected);
        assert!(invocation.files.is_empty());
    };
    check(
        &asked(2, 16, 10, 15),
        "h2load -t 2 -c 16 -m 10 -D 15s --warm-up-time 0s -p h2c -f 16K -w 30 -W 30 http://127.0.0.1:18471/index",
    );
    check(
        &request("/index", 2, 16, 15),
        "h2load -t 2 -c 16 -m 1 -D 15s --warm-up-time 0s -p http/1.1 -f 16K -w 30 -W 30 http://127.0.0.1:18471/index",
    );
}

/// The numbers stand in the fixtures, for whoever wants to look.
#[test]
fn a_fine_run_has_figures() {
    let text = String::from_utf8(bytes(NAME, "ok.out")).unwrap();
    let figures = parse("ok", &asked(2, 4, 3, 2)).unwrap();
    assert!(text.contains(&format!(" {} done, {} succeeded, 0 failed", figures.requests, figures.requests)));
    assert!(text.contains(&format!("({}) total", figures.bytes_received)));
    assert!(text.contains(&format!(", {:.2} req/s", figures.printed_requests_per_second)));
    assert_eq!((figures.duration_us, figures.errors, figures.late_answers), (2_000_000, ErrorCounts::default(), None));
    assert_eq!((figures.threads, figures.connections_asked, figures.connections_used), (2, 4, 4));
    assert_eq!((figures.protocol.as_deref(), figures.streams_asked), (Some("HTTP/2"), Some(3)));
    assert_eq!(figures.requests_under_way(), 12);
    let times = figures.service_time.as_ref().unwrap();
    assert_eq!((times.samples, &figures.latency), (Some(figures.requests), &figures.service_time));
    // It prints no percentile, so there is none.
    assert!(times.percentiles.is_empty());
    let under_way = figures.requests_per_second() * times.mean_us / 1e6;
    assert!((0.8..1.25).contains(&(under_way / 12.0)), "{under_way}");
}

#[test]
fn the_protocol_is_the_one_that_it_told() {
    let figures = parse("h1", &request("/index", 2, 4, 2)).unwrap();
    assert_eq!((figures.protocol.as_deref(), figures.streams_asked), (Some("HTTP/1.1"), Some(1)));
    let older = parse("text-h1", &request("/agents", 1, 4, 2)).unwrap();
    assert_eq!((older.requests, older.service_time.unwrap().max_us), (4_385, 16_200.0));
    // Asked for another one than it spoke: the referee has to know.
    assert_eq!(parse("h1", &asked(2, 4, 1, 2)).unwrap().protocol.as_deref(), Some("HTTP/1.1"));
}

#[test]
fn threads_may_write_into_each_others_lines() {
    let text = String::from_utf8(bytes(NAME, "non-2xx.out")).unwrap();
    assert!(text.contains("over for thread #Main benchmark"), "{text}");
    let ends = ["Stopped all clients for thread #1\n", "Stopped all clients for thread #0\n"];
    assert!(ends.iter().all(|end| text.contains(end)));
    let mixed = text.replace(ends[0], "Stopped all clients for thread #Stopped all clients for thread #1\n0\n");
    let output = Output { stdout: mixed.replace(ends[1], "").into_bytes(), ..output(NAME, "non-2xx", 0) };
    assert!(H2load.parse(&asked(2, 4, 3, 2), &output).is_ok());
}

#[test]
fn the_protocol_is_found_in_the_middle_of_another_line() {
    let whole = output(NAME, "ok", 0);
    let text = String::from_utf8(whole.stdout.clone()).unwrap();
    let said = "Application protocol: h2c\n";
    assert!(text.contains(said));
    for mixed in ["started for thread #Application protocol: h2c\n1.\n", "Application protocol: Warm-up\nh2c\n"] {
        let output = Output { stdout: text.replace(said, mixed).into_bytes(), ..whole.clone() };
        assert_eq!(H2load.parse(&asked(2, 4, 3, 2), &output).unwrap().protocol.as_deref(), Some("HTTP/2"));
    }
}

/// Each fixture was made so that the truth is known: see its name.
#[test]
fn errors_have_their_kind() {
    let figures = parse("non-2xx", &asked(2, 4, 3, 2)).unwrap();
    // Every third answer of each of two workers was a 503; twelve requests were under way at the end.
    assert!((figures.requests / 3).abs_diff(figures.errors.status) <= 12, "{figures:?}");
    assert_eq!(figures.errors.total(), figures.errors.status);
    assert_eq!(figures.successes(), figures.requests - figures.errors.status);
    let figures = parse("all-errors", &asked(1, 4, 1, 1)).unwrap();
    assert_eq!((figures.successes(), figures.errors.status), (0, figures.requests));
    // Every fifth stream was reset: it was done, and no answer.
    let figures = parse("reset", &asked(2, 4, 3, 2)).unwrap();
    assert!((figures.requests / 4).abs_diff(figures.errors.receive) <= 12, "{figures:?}");
    assert_eq!(figures.errors.total(), figures.errors.receive);
    assert_eq!(figures.service_time.unwrap().samples, Some(figures.requests));
}

#[test]
fn all_connections_are_opened_however_many_threads() {
    let figures = parse("uneven", &asked(2, 5, 1, 1)).unwrap();
    assert_eq!((figures.connections_asked, figures.connections_used), (5, 5));
}

/// Nothing in its text tells that the daemon died; rate and time together do.
#[test]
fn a_killed_daemon_shows_only_in_littles_law() {
    let figures = parse("server-killed", &asked(2, 4, 3, 4)).unwrap();
    assert_eq!(figures.errors.total(), 0);
    let under_way = figures.requests_per_second() * figures.service_time.as_ref().unwrap().mean_us / 1e6;
    assert!(under_way / 12.0 < 0.5, "{under_way}");
}

/// `late`: each answer after 3 s. `silent`: none within the load.
#[test]
fn slow_answers_are_counted_and_absent_ones_are_not() {
    let figures = parse("late", &asked(1, 4, 2, 5)).unwrap();
    assert_eq!((figures.requests, figures.late_answers), (8, None));
    assert!((2_990_000.0..3_050_000.0).contains(&figures.service_time.unwrap().mean_us));
    let figures = parse("silent", &asked(1, 4, 2, 2)).unwrap();
    assert_eq!((figures.requests, figures.latency, figures.service_time), (0, None, None));
    assert_eq!(figures.protocol, None, "nobody answered, so nobody knows");
}

#[test]
fn a_run_that_failed_says_why() {
    let request = asked(2, 4, 3, 2);
    assert_eq!(error("refused", 0, &request), "h2load could not connect, exit code 0; on stderr: nothing");
    let parse_error = r#"on stderr: "[ERROR] HTTP parse error: (HPE_INVALID_CONSTANT) Expected HTTP/""#;
    assert_eq!(error("other-protocol", 0, &asked(1, 4, 1, 2)), format!("h2load could read no answer; {parse_error}"));
    assert_eq!(
        error("unresolved", 1, &asked(1, 1, 1, 1)),
        r#"h2load could not resolve the host, exit code 1; on stderr: "getaddrinfo() failed: Name or service not known""#
    );
    // With a time limit it crashes: the reason why it never gets one.
    let crashed = Output { exit: Exit::Signal { signal: 6 }, ..output(NAME, "aborted", 0) };
    let crashed = H2load.parse(&asked(1, 4, 2, 5), &crashed).unwrap_err().to_string();
    assert!(crashed.starts_with("h2load was ended by signal 6; on stderr: \"h2load: ev_epoll.c:134:"), "{crashed}");
}

/// Whatever was sent to an HTTP/1.1 daemon, no answer came back: nothing is known, and nothing succeeded.
#[test]
fn a_daemon_of_another_protocol_answers_nothing() {
    let figures = parse("h2-to-h1", &asked(1, 4, 2, 2)).unwrap();
    assert_eq!((figures.requests, figures.successes(), figures.protocol), (0, 0, None));
}

/// Hypercorn writes `HTTP/1.1 200 ` and no `OK`.
#[test]
fn a_status_without_words_is_no_failure_of_the_daemon() {
    assert_eq!(
        error("no-reason", 0, &request("/index", 2, 4, 2)),
        "the answers by status can't be: none for 1103 answers: over HTTP/1.1 h2load needs words after the status code"
    );
}

#[test]
fn another_load_than_the_one_asked_for_is_refused() {
    let check = |request: &LoadRequest, expected: &str| assert_eq!(error("ok", 0, request), expected);
    check(&asked(1, 4, 3, 2), "threads: asked for 1, the tool did 2");
    check(&asked(2, 5, 3, 2), "connections: asked for 5, the tool did 4");
    check(&asked(2, 4, 3, 3), "duration: asked for 3s, the tool did 2 s");
    // Samples of loads that were asked for by their number of requests.
    for name in ["text-requests", "text-requests-refused"] {
        let error = error(name, 0, &asked(1, 4, 1, 1));
        assert!(error.starts_with("a thread and its connections can't be read in \"spawning thread #0: "), "{error}");
    }
}

#[test]
fn figures_that_disagree_are_refused() {
    let whole = output(NAME, "non-2xx", 0);
    let text = String::from_utf8(whole.stdout.clone()).unwrap();
    let number = |before: &str, after: &str| {
        let end = text.find(after).unwrap();
        let start = text[..end].rfind(before).unwrap() + before.len();
        text[start..end].to_owned()
    };
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let output = Output { stdout: text.replacen(from, to, 1).into_bytes(), ..whole.clone() };
        let error = H2load.parse(&asked(2, 4, 3, 2), &output).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    let (done, failed) = (number(" started, ", " done"), number(" succeeded, ", " failed"));
    check(&format!("{done} done"), "9 done", "requests done and in total: the text says");
    check(&format!("{failed} failed"), "1 failed", "requests done: the text says");
    check("0 errored", "3 errored", "requests per second: the text says");
    check("0 errored", "99999 errored", "the errors can't be");
    check("0 timeout", "3 timeout", "the timeouts can't be");
    check(&format!("{failed} 5xx"), "0 5xx", "the answers by status can't be");
    check("finished in 2.00s, ", "finished in 2.00s, 1", "requests per second: the text says");
    check("finished in 2.00s", "finished in 1.00s", "the load was stopped after 1s of 2s");
    check("finished in 2.00s", "finished in nans", "duration and rate can't be read");
    check("Stopped all clients for thread #1", "", "the output ends before the end of every thread");
    check("\ntime to 1st byte", "\ntime to 2nd byte", "time to first byte can't be read");
}

#[test]
fn from_a_share_of_a_million_on_the_samples_are_not_told() {
    let printed = |value: f64| crate::tool::Printed { value, half_step: 0.5 };
    let times = Times { min: printed(1.0), max: printed(9.0), mean: printed(4.0), stdev: printed(1.0) };
    assert_eq!(latency(&times, 500_000, 2).samples, Some(500_000));
    assert_eq!(latency(&times, 500_001, 2).samples, None);
}

#[test]
fn every_cut_is_refused() {
    let exit = Exit::Code { code: 0 };
    refuses_every_cut(&output(NAME, "ok", 0).stdout, |stdout| {
        H2load.parse(&asked(2, 4, 3, 2), &Output { exit, stdout: stdout.to_vec(), stderr: Vec::new() })
    });
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(changes in prop::collection::vec(any::<(usize, u8, u8)>(), 1..6)) {
        let mut output = output(NAME, "non-2xx", 0);
        mutate(&mut output.stdout, &changes);
        let _ = H2load.parse(&asked(2, 4, 3, 2), &output).map_err(|error| error.to_string());
    }
}
