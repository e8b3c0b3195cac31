use proptest::prelude::*;

use super::*;
use crate::metric::{Connections, ErrorLine, RequestCounts, StatusCount, Surroundings};
use crate::tool::fixtures::{mutate, refuses_every_cut, request};

/// A fine closed loop of two seconds with eight connections: what `request()` asks for.
fn result() -> LoadResult {
    let times = TimesLine {
        samples_count: 40_008,
        lower_bounds_count: 0,
        min_us: Some(90.1),
        mean_us: Some(396.2),
        stdev_us: Some(80.0),
        p50_us: Some(380.1),
        p75_us: Some(410.2),
        p90_us: Some(450.3),
        p95_us: Some(500.4),
        p99_us: Some(700.5),
        p99_9_us: Some(1_200.6),
        p99_99_us: Some(2_000.7),
        max_us: Some(2_500.8),
        histogram: Some("HISTFAAA".to_owned()),
    };
    LoadResult {
        kind: "result".to_owned(),
        format: LOAD_RESULT_FORMAT,
        tool: "timetrial 0.1.0".to_owned(),
        url: "http://127.0.0.1:18471/index".to_owned(),
        protocol: Some("HTTP/1.1".to_owned()),
        engine: "epoll".to_owned(),
        pace: "closed".to_owned(),
        scheduler: "SCHED_OTHER".to_owned(),
        scheduler_because: None,
        receive_times: "kernel".to_owned(),
        threads_count: 2,
        streams_asked_count: None,
        connections: Connections {
            asked_count: 8,
            most_open_count: 8,
            opened_count: 8,
            replaced_count: 0,
            closed_by_server_count: 0,
            alive_count: 8,
        },
        started_unix_us: 1_800_000_000_000_000,
        duration_asked_us: 2_000_000,
        duration_us: 2_000_000,
        timeout_us: 2_000_000,
        rate_asked_per_s: None,
        rate_sent_per_s: 20_004.0,
        answers_per_s: 20_000.0,
        successes_per_s: 20_000.0,
        requests: RequestCounts {
            due_count: None,
            sent_count: 40_008,
            answered_count: 40_008,
            answered_in_time_count: 40_000,
            succeeded_count: 40_008,
            unfinished_count: 0,
            never_sent_count: 0,
        },
        received_bytes: 4_000_800,
        sent_bytes: 2_000_400,
        statuses: vec![StatusCount { status: 200, answers_count: 40_008 }],
        errors: Vec::new(),
        latency: times.clone(),
        service_time: times,
        send_lateness: TimesLine::default(),
        connect_time: TimesLine::default(),
        surroundings: Surroundings::default(),
        is_valid: true,
        invalid_because: Vec::new(),
        lateness_bound_us: 1_000.0,
        clients_count: 1,
    }
}

fn asked() -> LoadRequest {
    request("/index", 2, 8, 2)
}

/// What it prints with this result.
fn printed(result: &LoadResult, code: i32) -> Output {
    let result = serde_json::to_string(result).unwrap();
    let stdout = format!("{{\"type\":\"start\",\"format\":1}}\n{{\"type\":\"second\",\"second\":0}}\n{result}\n");
    Output { exit: Exit::Code { code }, stdout: stdout.into_bytes(), stderr: Vec::new() }
}

fn parsed(change: impl FnOnce(&mut LoadResult)) -> Result<LoadFigures, ParseError> {
    let mut result = result();
    change(&mut result);
    Timetrial.parse(&asked(), &printed(&result, if result.is_valid { 0 } else { 3 }))
}

#[track_caller]
fn refused(change: impl FnOnce(&mut LoadResult), expected: &str) {
    assert_eq!(parsed(change).unwrap_err().to_string(), expected);
}

#[test]
fn the_command_is_complete() {
    let words = |request: &LoadRequest| Timetrial.invocation(request).command.words().join(" ");
    assert_eq!(
        words(&request("/index", 2, 64, 15)),
        "timetrial load http://127.0.0.1:18471/index -t 2 -c 64 -d 15s --timeout 2s --message-format json"
    );
    let shared =
        LoadRequest { rate: Some(166.5), start_at_us: Some(1_800_000_000_000_042), ..request("/index", 1, 22, 15) };
    assert_eq!(
        words(&shared),
        "timetrial load http://127.0.0.1:18471/index -t 1 -c 22 -d 15s --timeout 2s -R 166.5 --start-at \
         1800000000.000042 --message-format json"
    );
    let multiplexed = LoadRequest { protocol: MULTIPLEXED.to_owned(), streams: 10, ..request("/", 1, 1, 1) };
    assert!(words(&multiplexed).ends_with("--message-format json --http2 --streams 10"));
    assert_eq!(words(&LoadRequest { rate: Some(500.0), ..asked() }).matches("-R 500 ").count(), 1);
}

#[test]
fn a_fine_run_has_its_figures() {
    let figures = parsed(|_| ()).unwrap();
    assert_eq!(figures.tool, "timetrial 0.1.0");
    assert_eq!((figures.requests, figures.answered(), figures.successes()), (40_000, 40_008, 40_000));
    assert_eq!((figures.duration_us, figures.bytes_received), (2_000_000, 4_000_800));
    assert_eq!(figures.requests_per_second(), figures.printed_requests_per_second);
    assert_eq!(figures.bytes_per_response(), Some(100.0));
    assert_eq!((figures.errors, figures.late_answers), (ErrorCounts::default(), Some(0)));
    assert!(figures.waits_are_service_times());
    let ranks: Vec<f64> = figures.service_time.as_ref().unwrap().percentiles.iter().map(|p| p.rank).collect();
    assert_eq!(ranks, [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99]);
    assert_eq!(figures.waiting().unwrap().percentile(99.9), Some(1_200.6));
    assert_eq!((figures.threads, figures.connections_asked, figures.connections_used), (2, 8, 8));
    assert_eq!((figures.connections_alive(), figures.streams_asked, figures.rate_asked), (8, Some(1), None));
    assert_eq!((figures.protocol.as_deref(), figures.lower_bounds()), (Some("HTTP/1.1"), 0));
    let account = figures.account.unwrap();
    assert_eq!(account.engine, "epoll, closed, SCHED_OTHER, receive times of the kernel");
    assert_eq!(account.send_lateness, None);
}

/// Each failure is a line of its own there, and one of six kinds here.
#[test]
fn errors_have_their_kind() {
    let line = |phase: &str, errors_count: u64| ErrorLine {
        phase: phase.to_owned(),
        reason: "a reason".to_owned(),
        errors_count,
        latency: TimesLine::default(),
    };
    let figures = parsed(|result| {
        let phases = ["connect", "tls", "send", "receive", "closed", "parse", "timeout", "status", "document"];
        result.errors = phases.iter().zip(1..).map(|(phase, count)| line(phase, count)).collect();
        result.errors.push(line("connect", 100));
        result.requests.answered_count += 17;
        result.requests.sent_count += 38;
        result.rate_sent_per_s += 19.0;
        result.statuses.push(StatusCount { status: 503, answers_count: 17 });
        for times in [&mut result.latency, &mut result.service_time] {
            times.samples_count += 7;
            times.lower_bounds_count += 7;
        }
    });
    let figures = figures.unwrap();
    let expected = ErrorCounts { connect: 101, send: 3, receive: 2 + 4 + 5 + 6, timeout: 7, status: 8, document: 9 };
    assert_eq!((figures.errors, figures.lower_bounds()), (expected, 7));
    refused(|result| result.errors = vec![line("elsewhere", 1)], "an error can't be: 1 in the phase \"elsewhere\"");
    refused(|result| result.errors = vec![line("status", 1)], "answers not as expected can't be: 1 are 0");
}

#[test]
fn what_it_says_of_itself_is_kept() {
    let open = LoadRequest { rate: Some(20_000.0), ..asked() };
    let mut result = result();
    (result.rate_asked_per_s, result.pace) = (Some(20_000.0), "precise".to_owned());
    result.scheduler_because = Some("no permission".to_owned());
    result.send_lateness = TimesLine { p99_us: Some(1_500.5), samples_count: 40_006, ..result.latency.clone() };
    result.send_lateness.p99_9_us = Some(1_600.0);
    (result.requests.due_count, result.requests.never_sent_count) = (Some(40_020), 12);
    (result.latency.samples_count, result.latency.lower_bounds_count) = (40_020, 12);
    (result.is_valid, result.invalid_because) = (false, vec!["its own p99 lateness is 1.5 ms".to_owned()]);
    let figures = Timetrial.parse(&open, &printed(&result, 3)).unwrap();
    assert_eq!((figures.rate_asked, figures.lower_bounds()), (Some(20_000), 12));
    assert_eq!(figures.send_lateness().and_then(|lateness| lateness.percentile(99.0)), Some(1_500.5));
    let account = figures.account.unwrap();
    assert_eq!((account.due, account.sent, account.never_sent), (Some(40_020), 40_008, 12));
    assert_eq!(account.invalid_because, ["its own p99 lateness is 1.5 ms"]);
    assert_eq!(account.engine, "epoll, precise, SCHED_OTHER (no permission), receive times of the kernel");
    let fine = Timetrial.parse(&open, &printed(&result, 0)).unwrap_err().to_string();
    assert_eq!(fine, "the exit code can't be: it ended with exit code 0, and its result says that it is invalid");
    result.requests.due_count = Some(40_019);
    let error = Timetrial.parse(&open, &printed(&result, 3)).unwrap_err().to_string();
    assert_eq!(error, "requests due can't be: 40019 are 40020");
}

/// Nothing succeeded: that is a figure, and the referee's to judge.
#[test]
fn a_load_without_any_success_has_counts() {
    let figures = parsed(|result| {
        let errors_count = 500;
        let (phase, reason) = ("connect".to_owned(), "ECONNREFUSED (Connection refused)".to_owned());
        result.errors = vec![ErrorLine { phase, reason, errors_count, latency: TimesLine::default() }];
        result.requests = RequestCounts {
            sent_count: 0,
            answered_count: 0,
            answered_in_time_count: 0,
            succeeded_count: 0,
            ..result.requests
        };
        (result.statuses, result.protocol, result.received_bytes) = (Vec::new(), None, 0);
        (result.latency, result.service_time) = (TimesLine::default(), TimesLine::default());
        (result.rate_sent_per_s, result.answers_per_s, result.successes_per_s) = (0.0, 0.0, 0.0);
        (result.is_valid, result.invalid_because) = (false, vec!["nothing succeeded".to_owned()]);
    });
    let figures = figures.unwrap();
    assert_eq!((figures.requests, figures.successes(), figures.errors.connect), (0, 0, 500));
    assert_eq!((figures.latency, figures.service_time, figures.protocol), (None, None, None));
}

#[test]
fn another_load_is_refused() {
    refused(
        |result| result.url = "http://127.0.0.1:18471/other".to_owned(),
        "URL: asked for \"http://127.0.0.1:18471/index\", the tool did \"http://127.0.0.1:18471/other\"",
    );
    refused(|result| result.threads_count = 1, "threads: asked for 2, the tool did 1");
    refused(|result| result.connections.asked_count = 9, "connections: asked for 8, the tool did 9");
    refused(
        |result| result.streams_asked_count = Some(2),
        "requests at once on a connection: asked for one, the tool did 2",
    );
    refused(|result| result.duration_asked_us = 1, "duration in µs: asked for 2000000, the tool did 1");
    refused(|result| result.timeout_us = 1, "time limit in µs: asked for 2000000, the tool did 1");
    refused(|result| result.clients_count = 2, "clients: asked for 1, the tool did 2");
    refused(
        |result| result.rate_asked_per_s = Some(500.0),
        "rate: asked for as fast as answers come, the tool did 500/s",
    );
    refused(|result| result.duration_us = 1_500_000, "the load was stopped after 1.5s of 2s");
}

#[test]
fn what_does_not_add_up_is_refused() {
    refused(|result| result.format = 2, "the JSON of timetrial can't be read: its result has the format 2, not 1");
    refused(|result| result.requests.answered_count += 1, "answers and answers by status can't be: 40009 are 40008");
    refused(
        |result| result.requests.sent_count -= 1,
        "the requests can't be: 40007 sent, 40008 answered, of them 40000 in time, 0 unfinished",
    );
    refused(
        |result| result.answers_per_s = 19_000.0,
        "answers per second can't be: 19000, and 40000 in 2000000 µs are 20000.000",
    );
    refused(
        |result| result.successes_per_s = 20_001.0,
        "the successes can't be: 40002 in the duration, of 40000 answers",
    );
    refused(|result| result.latency.samples_count -= 1, "answers as expected and latencies can't be: 40008 are 40007");
    refused(|result| result.latency.p99_us = None, "the latency can't be: 10 figures of 40008 samples");
    // A percentile that no sample stands for is left out.
    refused(
        |result| result.service_time.samples_count = 9_999,
        "the service time can't be: 11 figures of 9999 samples",
    );
    refused(
        |result| result.service_time.p50_us = Some(9e3),
        "the service time can't be: its percentiles do not ascend",
    );
    refused(
        |result| result.service_time.min_us = Some(-1.0),
        "the service time can't be: one of its figures is negative or no number",
    );
    refused(
        |result| result.latency.mean_us = Some(9e3),
        "the latency can't be: a mean of 9000 µs between 90.1 and 2500.8 µs",
    );
    refused(|result| result.latency.max_us = Some(9e6), "the latency can't be: 9000000 µs is longer than the load");
    refused(|result| result.invalid_because = vec!["no".to_owned()], "its own verdict can't be: 1 reasons");
}

#[test]
fn an_end_without_a_result_is_told_in_its_own_words() {
    let told = |exit: Exit, stdout: &str, stderr: &str| {
        let output = Output { exit, stdout: stdout.as_bytes().to_vec(), stderr: stderr.as_bytes().to_vec() };
        Timetrial.parse(&asked(), &output).unwrap_err().to_string()
    };
    let code = |code| Exit::Code { code };
    assert_eq!(
        told(code(1), "", "error: no connection to http://127.0.0.1:1/ could be made\n"),
        "timetrial failed with exit code 1; on stderr: \"error: no connection to http://127.0.0.1:1/ could be made\""
    );
    assert_eq!(told(code(2), "{}\n", "a flag\n"), "timetrial failed with exit code 2; on stderr: \"a flag\"");
    let whole = String::from_utf8(printed(&result(), 0).stdout).unwrap();
    assert_eq!(told(code(130), &whole, ""), "timetrial failed with exit code 130; on stderr: nothing");
    let killed = told(Exit::Signal { signal: 9 }, &whole, "");
    assert_eq!(killed, "timetrial was ended by signal 9 (KILL); on stderr: nothing");
    let result_only = whole.lines().last().unwrap().to_owned() + "\n";
    assert_eq!(told(code(0), &result_only, ""), "the output ends before the line of its start");
    let start = whole.lines().next().unwrap();
    assert_eq!(told(code(0), &format!("{start}\n"), ""), "the output ends before its result");
    // It says what it is about to do before it finds that nobody listens.
    let refused = told(code(1), &format!("{start}\n"), "error: no connection\n");
    assert_eq!(refused, "timetrial failed with exit code 1; on stderr: \"error: no connection\"");
    assert!(
        told(code(0), &format!("{start}\n{result_only}{result_only}"), "")
            .contains("type \"result\" stands in the middle")
    );
    assert!(told(code(0), &format!("{start}\nnonsense\n{result_only}"), "").contains("in \"nonsense\""));
}

#[test]
fn every_cut_is_refused() {
    refuses_every_cut(&printed(&result(), 0).stdout, |stdout| {
        Timetrial.parse(&asked(), &Output { stdout: stdout.to_vec(), ..printed(&result(), 0) })
    });
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(changes in prop::collection::vec(any::<(usize, u8, u8)>(), 1..6)) {
        let mut output = printed(&result(), 0);
        mutate(&mut output.stdout, &changes);
        mutate(&mut output.stderr, &changes);
        let _ = Timetrial.parse(&asked(), &output).map_err(|error| error.to_string());
    }

    #[test]
    fn no_bytes_make_it_panic(stdout in prop::collection::vec(any::<u8>(), 0..400), code in -1..4) {
        let output = Output { exit: Exit::Code { code }, stderr: stdout.clone(), stdout };
        prop_assert!(Timetrial.parse(&asked(), &output).is_err());
    }
}
