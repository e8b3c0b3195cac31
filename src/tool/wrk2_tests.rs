use proptest::prelude::*;

use super::*;
use crate::command::Exit;
use crate::tool::fixtures::{mutate, output, refuses_every_cut, request};

fn asked(path: &str, threads: u32, connections: u32, seconds: u64, rate: u64) -> LoadRequest {
    LoadRequest { rate: Some(rate as f64), ..request(path, threads, connections, seconds) }
}

fn error(name: &str, code: i32, request: &LoadRequest) -> String {
    Wrk2.parse(request, &output(NAME, name, code)).unwrap_err().to_string()
}

#[test]
fn the_command_is_complete() {
    let invocation = Wrk2.invocation(&asked("/index", 2, 64, 30, 500));
    assert_eq!(
        invocation.command.words().join(" "),
        "wrk2 -v -t 2 -c 64 -d 30s --timeout 2s -s timetrial-wrk2.lua --latency -R 500 http://127.0.0.1:18471/index"
    );
    assert_eq!(invocation.files[0].name, "timetrial-wrk2.lua");
    assert!(invocation.files[0].contents.contains("function done("));
}

#[test]
fn the_shortest_load_leaves_data_after_the_calibration() {
    let check = |threads, connections, expected| {
        let shortest = Wrk2.shortest_for(&asked("/", threads, connections, 30, 1));
        assert_eq!(shortest, Duration::from_secs(expected), "{connections}/{threads}");
        assert!(shortest >= Wrk2.shortest());
    };
    check(1, 1, 11);
    check(12, 400, 11);
    check(1, 100, 11);
    check(1, 101, 12);
    check(1, 2_000, 21);
    check(0, 4, 11);
}

#[test]
fn latencies_rest_on_fewer_answers_than_there_were() {
    let figures = Wrk2.parse(&asked("/index", 2, 9, 12, 200), &output(NAME, "ok", 0)).unwrap();
    assert_eq!(figures.tool, "wrk2 4.0.0");
    let latency = figures.latency.as_ref().unwrap();
    assert_eq!((figures.requests, latency.samples), (2_402, Some(392)));
    assert_eq!((figures.rate_asked, figures.connections_used, figures.service_time), (Some(200), 8, None));
    assert_eq!(latency.percentile(99.0), Some(2_125.0));
}

#[test]
fn errors_have_their_kind() {
    let late = asked("/slow", 2, 20, 12, 100);
    let figures = Wrk2.parse(&late, &output(NAME, "timeouts", 0)).unwrap();
    assert_eq!((figures.errors.timeout, figures.errors.total()), (27, 27));
    // The daemon was killed a second and a half before the end: four connections, swept once, and no read error.
    let killed = asked("/errors", 1, 4, 13, 100);
    let figures = Wrk2.parse(&killed, &output(NAME, "server-killed", 0)).unwrap();
    assert_eq!((figures.errors.timeout, figures.errors.status, figures.errors.total()), (4, 115, 119));
}

#[test]
fn a_run_without_calibration_is_refused() {
    assert_eq!(
        error("short", 0, &asked("/index", 1, 1, 3, 200)),
        "0 of 1 threads finished their calibration, so the latencies are not those of the load"
    );
    let mut half = output(NAME, "ok", 0);
    let text = String::from_utf8(half.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("calibration")).unwrap();
    half.stdout = text.replacen(&format!("{line}\n"), "", 1).into_bytes();
    assert_eq!(
        Wrk2.parse(&asked("/index", 2, 9, 12, 200), &half).unwrap_err(),
        ParseError::NotCalibrated { calibrated: 1, threads: 2 }
    );
}

#[test]
fn a_run_that_failed_says_why() {
    assert_eq!(
        error("refused", 1, &asked("/index", 1, 4, 12, 100)),
        r#"wrk2 could not connect, exit code 1; on stderr: "unable to connect to 127.0.0.1:9 Connection refused""#
    );
    let wrk = output("wrk", "ok", 0);
    assert!(matches!(Wrk2.parse(&asked("/index", 2, 8, 2, 1), &wrk), Err(ParseError::OtherTool { .. })));
}

#[test]
fn a_spectrum_that_disagrees_is_refused() {
    let whole = output(NAME, "ok", 0);
    let text = String::from_utf8(whole.stdout.clone()).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let output = Output { stdout: text.replace(from, to).into_bytes(), ..whole.clone() };
        let error = Wrk2.parse(&asked("/index", 2, 9, 12, 200), &output).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    check(
        "Total count    =          392",
        "Total count    =          393",
        "count of the spectrum's last row: the text says 392, the exact figures say 393",
    );
    check("\"samples\":392", "\"samples\":391", "samples of latency: the text says 392, the exact figures say 391");
    check("[99,2125]", "[99,2225]", "latency at 99 %, in µs: the text says 2120 ± 5, the exact figures say 2225");
    check("[99,2125],", "", "the output ends before a percentile of the latency");
}

#[test]
fn every_cut_is_refused() {
    let request = asked("/index", 2, 9, 12, 200);
    let exit = Exit::Code { code: 0 };
    refuses_every_cut(&output(NAME, "ok", 0).stdout, |stdout| {
        Wrk2.parse(&request, &Output { exit, stdout: stdout.to_vec(), stderr: Vec::new() })
    });
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(changes in prop::collection::vec(any::<(usize, u8, u8)>(), 1..6)) {
        let mut output = output(NAME, "timeouts", 0);
        mutate(&mut output.stdout, &changes);
        let _ = Wrk2.parse(&asked("/slow", 2, 20, 12, 100), &output).map_err(|error| error.to_string());
        let _ = parse_text(&output.stdout);
    }
}
