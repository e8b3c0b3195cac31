use proptest::prelude::*;

use super::*;
use crate::metric::{ErrorLine, RequestCounts, StatusCount};
use crate::tool::fixtures::{bytes, mutate, output, refuses_every_cut, request};

/// A fine closed loop of two seconds with eight connections, as it was captured: what [`asked`] asks for.
fn result() -> LoadResult {
    serde_json::from_slice(last_line(&bytes(NAME, "ok.out"))).unwrap()
}

fn last_line(stdout: &[u8]) -> &[u8] {
    stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap()
}

fn asked() -> LoadRequest {
    request("/index", 2, 8, 2)
}

fn captured(name: &str, code: i32, request: &LoadRequest) -> Result<LoadFigures, ParseError> {
    Timetrial.parse(request, &output(NAME, name, code))
}

/// What it prints with this result.
fn printed(result: &LoadResult, code: i32) -> Output {
    let result = serde_json::to_string(result).unwrap();
    let stdout = format!("{{\"type\":\"start\",\"format\":1}}\n{{\"type\":\"second\",\"from_s\":0}}\n{result}\n");
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
    let (figures, result) = (captured("ok", 0, &asked()).unwrap(), result());
    assert_eq!((figures.tool.as_str(), figures.protocol.as_deref()), ("timetrial 0.1.0", Some("HTTP/1.1")));
    assert_eq!((figures.requests, figures.answered(), figures.successes()), (6_660, 6_666, 6_660));
    assert_eq!((figures.duration_us, figures.bytes_received), (2_000_000, 773_256));
    assert_eq!(figures.requests_per_second(), figures.printed_requests_per_second);
    assert_eq!(figures.bytes_per_response(), Some(116.0));
    assert_eq!((figures.errors, figures.late_answers), (ErrorCounts::default(), Some(0)));
    assert!(figures.waits_are_service_times());
    // There are too few answers for one at the last rank.
    let ranks: Vec<f64> = figures.service_time.as_ref().unwrap().percentiles.iter().map(|p| p.rank).collect();
    assert_eq!(ranks, [50.0, 75.0, 90.0, 95.0, 99.0, 99.9]);
    assert_eq!(figures.waiting().unwrap().percentile(99.9), result.service_time.p99_9_us);
    assert_eq!((figures.threads, figures.connections_asked, figures.connections_used), (2, 8, 8));
    assert_eq!((figures.connections_alive(), figures.streams_asked, figures.rate_asked), (8, Some(1), None));
    assert_eq!((figures.lower_bounds(), figures.answers_timed()), (0, None));
    let account = figures.account.unwrap();
    assert_eq!(account.engine, "io_uring, closed, SCHED_OTHER, receive times of the kernel");
    // Little's law: eight connections, each with one request or on the way to it.
    assert!((account.under_way - 8.0).abs() < 0.1, "{}", account.under_way);
}

/// Each fixture was made so that the truth is known: see its name.
#[test]
fn errors_have_their_kind() {
    let one = |connections, seconds| request("/index", 1, connections, seconds);
    let check = |name, code, request: &LoadRequest, errors: ErrorCounts, successes: u64| {
        let figures = captured(name, code, request).unwrap();
        assert_eq!((figures.errors, figures.successes()), (errors, successes), "{name}");
        figures
    };
    let none = ErrorCounts::default();
    let refusing = check("non-2xx", 1, &one(4, 1), ErrorCounts { status: 6_251, ..none }, 0);
    assert_eq!((refusing.requests, refusing.answered(), refusing.latency.clone()), (6_248, 6_251, None));
    let half = check("half-failing", 0, &one(4, 2), ErrorCounts { status: 2_274, ..none }, 136);
    // Refusals have times of their own.
    assert_eq!(half.answers_timed(), Some(136));
    let mute = LoadRequest { timeout: Duration::from_secs(1), ..one(4, 2) };
    let mute = check("mute", 1, &mute, ErrorCounts { timeout: 8, ..none }, 0);
    assert_eq!((mute.requests, mute.lower_bounds(), mute.protocol.clone()), (0, 8, None));
    assert!(mute.waiting().unwrap().min_us > Some(1e6), "{mute:?}");
    let killed = check("server-killed", 0, &one(8, 3), ErrorCounts { connect: 56, receive: 8, ..none }, 30_957);
    let under_way = killed.account.as_ref().unwrap().under_way;
    assert!(under_way < 6.0, "for a third of the time nothing was under way: {under_way}");
    let closing = check("closing", 0, &one(4, 1), none, 901);
    assert_eq!((closing.account.unwrap().connections.replaced_count, closing.connections_used), (900, 4));
}

#[test]
fn each_phase_is_of_one_kind() {
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
    });
    let expected = ErrorCounts { connect: 101, send: 3, receive: 2 + 4 + 5 + 6, timeout: 7, status: 8, document: 9 };
    assert_eq!(figures.unwrap().errors, expected);
    refused(|result| result.errors = vec![line("elsewhere", 1)], "an error can't be: 1 in the phase \"elsewhere\"");
    refused(|result| result.errors = vec![line("status", 1)], "answers not as expected can't be: 1 are 0");
}

/// On a busy machine it does not believe itself, and its figures are there all the same.
#[test]
fn what_it_says_of_itself_is_kept() {
    let open = LoadRequest { rate: Some(500.0), ..asked() };
    let figures = captured("rate", 3, &open).unwrap();
    assert_eq!((figures.rate_asked, figures.requests, figures.lower_bounds()), (Some(500), 990, 2));
    assert!(!figures.waits_are_service_times());
    let lateness = figures.send_lateness().unwrap();
    assert!(lateness.percentile(99.0) > Some(90_000.0) && lateness.samples == Some(998), "{lateness:?}");
    let account = figures.account.unwrap();
    assert_eq!((account.due, account.sent, account.never_sent, account.unfinished), (Some(1_000), 998, 2, 0));
    let [reason] = &account.invalid_because[..] else { panic!("{account:?}") };
    assert!(reason.starts_with("the p99 of our own send lateness is 92.2 ms, above the bound of 1.00 ms"), "{reason}");
    assert!(account.engine.starts_with("epoll, precise, SCHED_OTHER (the server may run on"), "{}", account.engine);
    let fine = captured("rate", 0, &open).unwrap_err().to_string();
    assert_eq!(fine, "the exit code can't be: it ended with exit code 0, and its result says that it is invalid");
}

#[test]
fn another_load_is_refused() {
    refused(
        |result| result.url = "http://127.0.0.1:18471/other".to_owned(),
        "URL: asked for \"http://127.0.0.1:18471/index\", the tool did \"http://127.0.0.1:18471/other\"",
    );
    refused(|result| result.threads_count = 1, "threads: asked for 2, the tool did 1");
    refused(|result| result.connections.asked_count = 9, "connections: asked for 8, the tool did 9");
    let streams = "requests at once on a connection: asked for one, the tool did 2";
    refused(|result| result.streams_asked_count = Some(2), streams);
    refused(|result| result.duration_asked_us = 1, "duration in µs: asked for 2000000, the tool did 1");
    refused(|result| result.timeout_us = 1, "time limit in µs: asked for 2000000, the tool did 1");
    refused(|result| result.clients_count = 2, "clients: asked for 1, the tool did 2");
    let rate = "rate: asked for as fast as answers come, the tool did 500/s";
    refused(|result| result.rate_asked_per_s = Some(500.0), rate);
    refused(|result| result.duration_us = 1_500_000, "the load was stopped after 1.5s of 2s");
}

#[test]
fn what_does_not_add_up_is_refused() {
    refused(|result| result.format = 2, "the JSON of timetrial can't be read: its result has the format 2, not 1");
    refused(|result| result.requests.answered_count += 1, "answers and answers by status can't be: 6667 are 6666");
    refused(|result| result.requests.due_count = Some(6_667), "requests due can't be: 6667 are 6666");
    refused(
        |result| result.requests.sent_count -= 1,
        "the requests can't be: 6665 sent, 6666 answered, of them 6660 in time, 0 unfinished",
    );
    refused(
        |result| result.answers_per_s = 3_000.0,
        "answers per second can't be: 3000, and 6660 in 2000000 µs are 3330.000",
    );
    refused(|result| result.successes_per_s = 3_331.0, "the successes can't be: 6662 in the duration, of 6660 answers");
    refused(|result| result.invalid_because = vec!["no".to_owned()], "its own verdict can't be: 1 reasons");
    refused(
        |result| result.latency.lower_bounds_count = 1,
        "answers as expected and latencies can't be: 6666 are 6665",
    );
}

#[test]
fn times_are_those_of_their_histogram() {
    refused(|result| result.latency.samples_count = 7, "the latency can't be: 7 samples, and 6666 in its histogram");
    refused(
        |result| result.latency.p99_us = None,
        "the latency can't be: its 99th percentile is nothing, and 21856.255 µs by its histogram",
    );
    refused(
        |result| result.service_time.mean_us = Some(1.0),
        "the service time can't be: its mean is 1 µs, and 1117.0588082808276 µs by its histogram",
    );
    refused(
        |result| result.send_lateness.lower_bounds_count = 7_000,
        "the send lateness can't be: 7000 lower bounds among 6666 samples",
    );
    refused(|result| result.latency.histogram = None, "the latency can't be: it has samples and no histogram");
    let nonsense = parsed(|result| result.connect_time.histogram = Some("HISTFAAAnonsense".to_owned()));
    let nonsense = nonsense.unwrap_err().to_string();
    assert!(nonsense.starts_with("the time to connect can't be: it is no HdrHistogram"), "{nonsense}");
}

#[test]
fn an_end_without_a_result_is_told_in_its_own_words() {
    let told = |exit: Exit, stdout: &str, stderr: &str| {
        let output = Output { exit, stdout: stdout.as_bytes().to_vec(), stderr: stderr.as_bytes().to_vec() };
        Timetrial.parse(&asked(), &output).unwrap_err().to_string()
    };
    let code = |code| Exit::Code { code };
    assert_eq!(
        captured("refused", 1, &request("/index", 1, 2, 1)).unwrap_err().to_string(),
        "timetrial failed with exit code 1; on stderr: \"error: no connection to http://127.0.0.1:18471/index could be \
         made: ECONNREFUSED (Connection refused)\""
    );
    let unresolved = Output { stderr: bytes(NAME, "unresolved.err"), stdout: Vec::new(), exit: code(1) };
    let unresolved = Timetrial.parse(&asked(), &unresolved).unwrap_err().to_string();
    assert!(unresolved.ends_with("\"error: the name no-such-host.invalid can't be looked up\""), "{unresolved}");
    assert_eq!(told(code(2), "{}\n", "a flag\n"), "timetrial failed with exit code 2; on stderr: \"a flag\"");
    let interrupted = captured("interrupted", 130, &request("/index", 1, 4, 3)).unwrap_err().to_string();
    assert_eq!(interrupted, "timetrial failed with exit code 130; on stderr: nothing");
    let stopped = captured("interrupted", 3, &request("/index", 1, 4, 3)).unwrap_err().to_string();
    assert_eq!(stopped, "the load was stopped after 694.257ms of 3s");
    let whole = String::from_utf8(printed(&result(), 0).stdout).unwrap();
    let killed = told(Exit::Signal { signal: 9 }, &whole, "");
    assert_eq!(killed, "timetrial was ended by signal 9 (KILL); on stderr: nothing");
    let result_only = whole.lines().last().unwrap().to_owned() + "\n";
    assert_eq!(told(code(0), &result_only, ""), "the output ends before the line of its start");
    let start = whole.lines().next().unwrap();
    assert_eq!(told(code(0), &format!("{start}\n"), ""), "the output ends before its result");
    let twice = told(code(0), &format!("{start}\n{result_only}{result_only}"), "");
    assert!(twice.contains("type \"result\" stands in the middle"), "{twice}");
    assert!(told(code(0), &format!("{start}\nnonsense\n{result_only}"), "").contains("in \"nonsense\""));
}

/// Two generators that began at the same time: every count and every time of theirs is in the whole.
#[test]
fn parts_are_merged() {
    let (one, two) = (request("/index", 1, 3, 1), request("/index", 1, 2, 1));
    let whole = request("/index", 1, 5, 1);
    let outputs = [output(NAME, "shared-one", 0), output(NAME, "shared-two", 0)];
    let shares = |ahead: i64| {
        let share = |client, request, output, clock_ahead_us| Shared { client, request, output, clock_ahead_us };
        [share("one", &one, &outputs[0], 0), share("two", &two, &outputs[1], ahead)]
    };
    let figures = Timetrial.parse_shares(&whole, &shares(0)).unwrap();
    assert_eq!((figures.requests, figures.answered(), figures.successes()), (6_813 + 3_292, 6_816 + 3_294, 10_105));
    assert_eq!((figures.threads, figures.connections_asked, figures.bytes_received), (2, 5, 790_656 + 382_104));
    assert_eq!((figures.rate_asked, figures.latency.as_ref().unwrap().samples), (None, Some(10_110)));
    let max = |figures: &LoadFigures| figures.latency.as_ref().unwrap().max_us;
    let parts = [Timetrial.parse(&one, &outputs[0]).unwrap(), Timetrial.parse(&two, &outputs[1]).unwrap()];
    assert_eq!(max(&figures), max(&parts[0]).max(max(&parts[1])));
    let account = figures.account.unwrap();
    assert_eq!((account.clients, account.connections.opened_count, account.invalid_because.len()), (2, 5, 0));
    assert!((account.under_way - 5.0).abs() < 0.1, "{}", account.under_way);
    // By its own clock the second one began when the first did; but that clock is ahead.
    let apart = Timetrial.parse_shares(&whole, &shares(500_000)).unwrap().account.unwrap();
    let apart = apart.invalid_because.join("; ");
    assert!(apart.contains("the clients began 500 ms apart, of 1.00 s"), "{apart}");
    let never = Timetrial.parse_shares(&whole, &shares(-7_000_000)).unwrap_err().to_string();
    assert!(never.starts_with("the results of the clients are not one: "), "{never}");
    assert!(never.contains("number 2 was not at work"), "{never}");
}

/// What one client says against itself is told by its name.
#[test]
fn a_part_that_is_invalid_is_named() {
    let open = LoadRequest { rate: Some(500.0), ..asked() };
    let output = output(NAME, "rate", 3);
    let share = |client| Shared { client, request: &open, output: &output, clock_ahead_us: 0 };
    let figures =
        Timetrial.parse_shares(&LoadRequest { rate: Some(1_000.0), ..asked() }, &[share("one"), share("two")]);
    let figures = figures.unwrap();
    assert_eq!((figures.rate_asked, figures.requests), (Some(1_000), 1_980));
    let reasons = figures.account.unwrap().invalid_because;
    let [one, two] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(one.starts_with("one: the p99 of our own") && two.starts_with("two: the p99 of our own"), "{one}; {two}");
}

#[test]
fn a_part_that_can_not_be_read_is_named() {
    let (request, output) = (request("/index", 1, 8, 3), output(NAME, "server-killed", 0));
    let killed = Output { exit: Exit::Signal { signal: 9 }, ..output.clone() };
    let share = |client, output| Shared { client, request: &request, output, clock_ahead_us: 0 };
    let shares = [share("one", &output), share("two", &killed)];
    let error = Timetrial.parse_shares(&request, &shares).unwrap_err().to_string();
    assert_eq!(error, "of two: timetrial was ended by signal 9 (KILL); on stderr: nothing");
    let other = crate::tool::find("wrk").unwrap().parse_shares(&request, &shares).unwrap_err().to_string();
    assert_eq!(other, "wrk can't make a load together with other machines");
}

#[test]
fn every_cut_is_refused() {
    for (name, code, request) in [
        ("mute", 1, LoadRequest { timeout: Duration::from_secs(1), ..request("/index", 1, 4, 2) }),
        ("non-2xx", 1, request("/index", 1, 4, 1)),
    ] {
        let whole = output(NAME, name, code);
        refuses_every_cut(&whole.stdout, |stdout| {
            Timetrial.parse(&request, &Output { stdout: stdout.to_vec(), ..whole.clone() })
        });
    }
}

/// A load that never sent anything has no times, and its counts add up.
#[test]
fn nothing_at_all_adds_up() {
    let figures = parsed(|result| {
        result.requests = RequestCounts {
            sent_count: 0,
            answered_count: 0,
            answered_in_time_count: 0,
            succeeded_count: 0,
            ..result.requests
        };
        (result.statuses, result.protocol, result.received_bytes) = (Vec::new(), None, 0);
        for times in [&mut result.latency, &mut result.service_time, &mut result.send_lateness] {
            *times = TimesLine::default();
        }
        (result.rate_sent_per_s, result.answers_per_s, result.successes_per_s) = (0.0, 0.0, 0.0);
        (result.is_valid, result.invalid_because) = (false, vec!["nothing succeeded".to_owned()]);
    });
    let figures = figures.unwrap();
    assert_eq!((figures.requests, figures.successes(), figures.latency, figures.service_time), (0, 0, None, None));
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(changes in prop::collection::vec(any::<(usize, u8, u8)>(), 1..6)) {
        let mut output = output(NAME, "mute", 1);
        mutate(&mut output.stdout, &changes);
        mutate(&mut output.stderr, &changes);
        let request = LoadRequest { timeout: Duration::from_secs(1), ..request("/index", 1, 4, 2) };
        let _ = Timetrial.parse(&request, &output).map_err(|error| error.to_string());
    }

    #[test]
    fn no_bytes_make_it_panic(stdout in prop::collection::vec(any::<u8>(), 0..400), code in -1..4) {
        let output = Output { exit: Exit::Code { code }, stderr: stdout.clone(), stdout };
        prop_assert!(Timetrial.parse(&asked(), &output).is_err());
    }
}
