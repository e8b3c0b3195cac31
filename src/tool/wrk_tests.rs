use proptest::prelude::*;

use super::*;
use crate::command::Exit;
use crate::metric::ErrorCounts;
use crate::tool::fixtures::{bytes, mutate, output, refuses_every_cut, request};

fn parse(name: &str, request: &LoadRequest) -> Result<LoadFigures, ParseError> {
    Wrk.parse(request, &output(NAME, name, 0))
}

fn error(name: &str, request: &LoadRequest) -> String {
    parse(name, request).unwrap_err().to_string()
}

#[test]
fn the_command_is_complete() {
    let invocation = Wrk.invocation(&request("/index", 2, 64, 15));
    assert_eq!(
        invocation.command.words().join(" "),
        "wrk -v -t 2 -c 64 -d 15s --timeout 2s -s timetrial-wrk.lua --latency http://127.0.0.1:18471/index"
    );
    let [file] = &invocation.files[..] else { panic!("{invocation:?}") };
    assert_eq!(file.name, "timetrial-wrk.lua");
    assert!(file.contents.starts_with("CONNECTIONS = 64\n"));
}

/// With one of these wrk would call Lua for each request.
#[test]
fn the_script_has_no_hook_but_done() {
    let script = &Wrk.invocation(&request("/", 1, 1, 1)).files[0].contents;
    assert!(script.contains("function done("));
    for hook in ["request", "response", "delay", "init", "setup"] {
        assert!(!script.contains(&format!("function {hook}(")) && !script.contains(&format!("\n{hook} =")), "{hook}");
    }
}

#[test]
fn a_fine_run_has_exact_figures() {
    let figures = parse("ok", &request("/index", 2, 8, 2)).unwrap();
    let exact: serde_json::Value = serde_json::from_slice(last_line(&bytes(NAME, "ok.out"))).unwrap();
    assert_eq!(figures.tool, "wrk debian/4.1.0-3+b2");
    assert_eq!(figures.requests, exact["requests"]);
    assert_eq!(figures.duration_us, exact["duration_us"]);
    assert_eq!(figures.bytes_received, exact["bytes"]);
    assert_eq!(figures.latency.as_ref().unwrap().mean_us, exact["latency"]["mean"]);
    assert_eq!(figures.latency.unwrap().percentile(99.9).unwrap(), exact["latency"]["percentiles"][5][1]);
    assert_eq!(figures.errors, ErrorCounts::default());
    assert_eq!((figures.threads, figures.connections_asked, figures.connections_used), (2, 8, 8));
    assert_eq!(figures.rate_asked, None);
}

fn last_line(stdout: &[u8]) -> &[u8] {
    stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap()
}

/// Each fixture was made so that the truth is known: see its name.
#[test]
fn errors_have_their_kind() {
    let check = |name, request: &LoadRequest, expected: fn(&ErrorCounts) -> bool| {
        let figures = parse(name, request).unwrap();
        assert!(expected(&figures.errors), "{name}: {:?}", figures.errors);
    };
    check("non-2xx", &request("/errors", 1, 4, 1), |e| e.status == 3_928 && e.total() == e.status);
    check("timeouts", &request("/slow", 2, 400, 5), |e| e.timeout == 1_019 && e.total() == e.timeout);
    check("connect-errors", &request("/index", 2, 30, 2), |e| e.connect == 12 && e.total() == e.connect);
    check("server-killed", &request("/index", 1, 8, 3), |e| e.receive == 9 && e.send == 21_979);
    check("closing", &request("/close", 2, 9, 1), |e| e.total() == 0);
}

#[test]
fn connections_that_no_thread_opens_are_not_counted() {
    let figures = parse("closing", &request("/close", 2, 9, 1)).unwrap();
    assert_eq!((figures.connections_asked, figures.connections_used, figures.connections_alive()), (9, 8, 8));
    let figures = parse("connect-errors", &request("/index", 2, 30, 2)).unwrap();
    assert_eq!((figures.connections_used, figures.connections_alive()), (30, 18));
}

/// Little's law holds for what was measured, and not for what wrk makes of it.
#[test]
fn the_correction_is_taken_back() {
    for (name, request) in [
        ("ok", request("/index", 2, 8, 2)),
        ("pauses", request("/pause", 2, 8, 3)),
        ("seconds", request("/slow", 2, 400, 5)),
        ("connect-errors", request("/index", 2, 30, 2)),
    ] {
        let figures = parse(name, &request).unwrap();
        let service_time = figures.service_time.as_ref().unwrap();
        assert_eq!(service_time.samples, Some(figures.requests), "{name}");
        let connections = figures.requests_per_second() * service_time.mean_us / 1e6;
        let ratio = connections / f64::from(figures.connections_alive());
        assert!((0.8..1.0).contains(&ratio), "{name}: {ratio}");
    }
    let pauses = parse("pauses", &request("/pause", 2, 8, 3)).unwrap();
    assert!(pauses.latency.unwrap().mean_us > 100.0 * pauses.service_time.unwrap().mean_us);
}

#[test]
fn late_answers_are_in_the_requests_and_not_in_the_times() {
    let figures = parse("timeouts", &request("/slow", 2, 400, 5)).unwrap();
    assert_eq!(figures.requests - figures.errors.timeout, figures.service_time.as_ref().unwrap().samples.unwrap());
    assert!(figures.latency.as_ref().unwrap().max_us <= 1e6);
    assert_eq!(figures.successes(), figures.requests - 1_019);
}

/// `dropped`: each connection was closed without an answer. `late`, `all-late`: each answer came after 3 s.
#[test]
fn a_total_failure_keeps_its_counts_and_has_no_latency() {
    let check = |name, request: &LoadRequest, requests: u64, errors: ErrorCounts| {
        let figures = parse(name, request).unwrap();
        assert_eq!((figures.requests, figures.successes(), figures.errors), (requests, 0, errors), "{name}");
        assert_eq!((&figures.latency, &figures.service_time, figures.waiting()), (&None, &None, None), "{name}");
        assert!(figures.duration_us >= 1_000_000);
        let stored = serde_json::to_string(&figures).unwrap();
        assert_eq!(serde_json::from_str::<LoadFigures>(&stored).unwrap(), figures);
    };
    let none = ErrorCounts::default();
    check("dropped", &request("/drop", 1, 4, 1), 0, ErrorCounts { receive: 2_210, ..none });
    check("late", &request("/late", 2, 8, 7), 16, ErrorCounts { timeout: 16, ..none });
    check("all-late", &request("/late", 1, 1, 4), 2, ErrorCounts { timeout: 2, ..none });
    check("no-answer", &request("/late", 1, 1, 1), 0, none);
}

#[test]
fn a_latency_that_is_missing_without_reason_is_refused() {
    let whole = output(NAME, "late", 0);
    let text = String::from_utf8(whole.stdout.clone()).unwrap();
    let check = |changes: &[(&str, &str)], expected: &str| {
        let changed = changes.iter().fold(text.clone(), |text, (from, to)| text.replacen(from, to, 1));
        let output = Output { stdout: changed.into_bytes(), ..whole.clone() };
        assert_eq!(Wrk.parse(&request("/late", 2, 8, 7), &output).unwrap_err().to_string(), expected);
    };
    let fewer = [("timeout 16", "timeout 15"), ("\"timeout\":16", "\"timeout\":15")];
    check(&fewer, "answers in time and latencies: the text says 1, the exact figures say 0");
    check(&[("     99%    0.00us", "     99%    7.00us")], "latency: the text says 7, the exact figures say nothing");
}

#[test]
fn a_run_that_failed_says_why() {
    let asked = request("/index", 1, 4, 1);
    let check = |output: &Output, expected: &str| {
        assert_eq!(Wrk.parse(&asked, output).unwrap_err().to_string(), expected);
    };
    check(
        &output(NAME, "refused", 1),
        r#"wrk could not connect, exit code 1; on stderr: "unable to connect to 127.0.0.1:9 Connection refused""#,
    );
    check(
        &output(NAME, "unresolved", 1),
        r#"wrk could not resolve the host, exit code 1; on stderr: "unable to resolve nosuch.invalid:http Name or service not known""#,
    );
    let killed = Output { exit: Exit::Signal { signal: 9 }, ..output(NAME, "ok", 0) };
    check(&killed, "wrk was ended by signal 9 (KILL); on stderr: nothing");
    let failed = Output { exit: Exit::Code { code: 127 }, stdout: Vec::new(), stderr: b"\xff\x1b[31m\n".to_vec() };
    check(&failed, "wrk failed with exit code 127; on stderr: \"\u{fffd}\\u{1b}[31m\"");
    let silent = Output { exit: Exit::Code { code: 0 }, stdout: Vec::new(), stderr: Vec::new() };
    check(&silent, r#"the output is cut short after """#);
}

#[test]
fn text_without_exact_figures_is_refused() {
    let mut output = output(NAME, "ok", 0);
    let keep = output.stdout.len() - last_line(&output.stdout).len() - 1;
    output.stdout.truncate(keep);
    output.stderr = b"timetrial-wrk.lua: cannot open timetrial-wrk.lua: No such file or directory\n".to_vec();
    assert_eq!(
        Wrk.parse(&request("/index", 2, 8, 2), &output).unwrap_err().to_string(),
        "the line of exact figures is missing; on stderr: \
         \"timetrial-wrk.lua: cannot open timetrial-wrk.lua: No such file or directory\""
    );
}

#[test]
fn another_load_than_the_one_asked_for_is_refused() {
    let check = |asked: LoadRequest, expected: &str| assert_eq!(error("ok", &asked), expected);
    check(
        request("/other", 2, 8, 2),
        r#"URL: asked for "http://127.0.0.1:18471/other", the tool did "http://127.0.0.1:18471/index""#,
    );
    check(request("/index", 1, 8, 2), "threads: asked for 1, the tool did 2");
    check(request("/index", 2, 9, 2), "connections: asked for 9, the tool did 8");
    check(request("/index", 2, 8, 3), "duration: asked for 3s, the tool did 2 s");
    assert_eq!(error("interrupted", &request("/index", 1, 4, 5)), "the load was stopped after 1.500231s of 5s");
}

#[test]
fn a_text_that_disagrees_is_refused_with_both_values() {
    let whole = output(NAME, "timeouts", 0);
    let text = String::from_utf8(whole.stdout.clone()).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let output = Output { stdout: changed.into_bytes(), ..whole.clone() };
        assert_eq!(Wrk.parse(&request("/slow", 2, 400, 5), &output).unwrap_err().to_string(), expected);
    };
    let exact: serde_json::Value = serde_json::from_slice(last_line(&whole.stdout)).unwrap();
    let requests = exact["requests"].to_string();
    check(
        &format!("  {requests} req"),
        "  9 req",
        &format!("requests: the text says 9, the exact figures say {requests}"),
    );
    check("timeout 1019\n", "timeout 1018\n", "timeout errors: the text says 1018, the exact figures say 1019");
    check(" read 0", " read 1", "receive errors: the text says 1, the exact figures say 0");
    let max = exact["latency"]["max"].to_string();
    check(
        &format!("\"max\":{max},\"mean\""),
        "\"max\":1,\"mean\"",
        &format!("largest latency: the text says {} ± 5, the exact figures say 1", rounded(&max)),
    );
    let samples = exact["service_time"]["samples"].to_string();
    let last = text.rfind("\"samples\":").unwrap();
    let changed = [&text[..last], &text[last..].replacen(&samples, "7", 1)].concat();
    let output = Output { stdout: changed.into_bytes(), ..whole.clone() };
    assert_eq!(
        Wrk.parse(&request("/slow", 2, 400, 5), &output).unwrap_err().to_string(),
        format!("answers in time and service times: the text says {samples}, the exact figures say 7")
    );
}

fn rounded(us: &str) -> String {
    ((us.parse::<f64>().unwrap() / 10.0).round() * 10.0).to_string()
}

#[test]
fn the_output_of_wrk2_is_refused() {
    let output = output("wrk2", "ok", 0);
    let error = Wrk.parse(&request("/index", 2, 9, 12), &output).unwrap_err().to_string();
    assert_eq!(error, "this is not the output of wrk: it has the histogram of wrk2");
}

#[test]
fn every_cut_is_refused() {
    for (name, request) in [
        ("ok", request("/index", 2, 8, 2)),
        ("timeouts", request("/slow", 2, 400, 5)),
        ("non-2xx", request("/errors", 1, 4, 1)),
        ("server-killed", request("/index", 1, 8, 3)),
        ("dropped", request("/drop", 1, 4, 1)),
    ] {
        let exit = Exit::Code { code: 0 };
        refuses_every_cut(&output(NAME, name, 0).stdout, |stdout| {
            Wrk.parse(&request, &Output { exit, stdout: stdout.to_vec(), stderr: Vec::new() })
        });
    }
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(changes in prop::collection::vec(any::<(usize, u8, u8)>(), 1..6)) {
        let mut output = output(NAME, "timeouts", 0);
        mutate(&mut output.stdout, &changes);
        mutate(&mut output.stderr, &changes);
        let _ = Wrk.parse(&request("/slow", 2, 400, 5), &output).map_err(|error| error.to_string());
        let _ = parse_text(&output.stdout);
    }

    #[test]
    fn no_bytes_make_it_panic(stdout in prop::collection::vec(any::<u8>(), 0..400), code in -1..3) {
        let output = Output { exit: Exit::Code { code }, stderr: stdout.clone(), stdout };
        prop_assert!(Wrk.parse(&request("/", 1, 1, 1), &output).is_err());
    }
}
