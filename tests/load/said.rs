//! What the command itself says, as a user meets it.
#![expect(clippy::disallowed_methods, reason = "the command is run as a person would run it")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use timetrial::cli::exit;
use timetrial::loadgen::lines::json;

use crate::fixture;

/// The exit code, standard output and standard error.
fn timetrial(arguments: &[&str]) -> (u8, String, String) {
    with_input(arguments, "")
}

fn with_input(arguments: &[&str], input: &str) -> (u8, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_timetrial"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (code, stdout, stderr) = timetrial(&[
        "load",
        "ftp://x",
        "-t",
        "0",
        "-c",
        "many",
        "-d",
        "0",
        "-R",
        "0",
        "-H",
        "nothing",
        "--expect-sha256",
        "abc",
    ]);
    assert_eq!((code, stdout.as_str()), (exit::WRONG_INPUT, ""));
    for line in [
        "error: `ftp://x`: only http and https are spoken",
        "error: -c/--connections: `many` is no whole number",
        "error: -t/--threads: 0 is too few: at least 1",
        "error: -d/--duration: 0 is too short",
        "error: -R/--rate: 0 asks for no request",
        "error: --expect-sha256: `abc` is no SHA-256",
    ] {
        assert!(stderr.lines().any(|found| found == line), "{line}\n{stderr}");
    }
    let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(stderr.lines().filter(|line| line.starts_with("  (hint: ")).count(), errors, "{stderr}");
}

#[test]
fn a_server_that_is_not_there_is_told_with_what_to_do() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, stdout, stderr) = timetrial(&["load", &format!("http://127.0.0.1:{port}/"), "-d", "1", "-c", "2"]);
    assert_eq!((code, stdout.as_str()), (exit::FAILED, ""), "{stderr}");
    assert!(stderr.contains("ECONNREFUSED") && stderr.contains("(hint: "), "{stderr}");
}

#[test]
fn a_name_that_nobody_knows_is_told() {
    let (code, _, stderr) = timetrial(&["load", "http://nobody.invalid/", "-d", "1"]);
    assert_eq!(code, exit::FAILED, "{stderr}");
    assert!(stderr.starts_with("error: the name nobody.invalid can't be looked up\n  because: "), "{stderr}");
}

#[test]
fn results_of_clients_are_merged_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a"), json(&fixture::good())).unwrap();
    fs::write(path("b"), format!("{{\"type\":\"start\"}}\n{}", json(&fixture::mixed()))).unwrap();
    let hgrm = path("all.hgrm");
    let (code, stdout, stderr) = timetrial(&["hist", "merge", &path("a"), &path("b"), "--hgrm", &hgrm]);
    assert_eq!((code, stderr.as_str()), (exit::FINE, ""));
    assert_eq!(stdout, fs::read_to_string(fixture::folder().join("two-clients.txt")).unwrap());
    assert!(fs::read_to_string(hgrm).unwrap().contains("Total count    =        23949"));
    let arguments = ["hist", "merge", &path("a"), &path("b"), "--message-format", "json"];
    let (code, stdout, _) = timetrial(&arguments);
    assert_eq!(code, exit::FINE);
    assert!(stdout.starts_with("{\"type\":\"result\"") && stdout.contains("\"clients_count\":2"), "{stdout}");
}

#[test]
fn bare_histograms_are_merged_from_standard_input() {
    let text = fixture::good().latency.histogram.unwrap();
    let (code, stdout, stderr) = with_input(&["hist", "merge", "-"], &format!("{text}\n{text}\n"));
    assert_eq!((code, stderr.as_str()), (exit::FINE, ""));
    assert!(stdout.ends_with("  24,000 samples\n"), "{stdout}");
}

#[test]
fn what_can_t_be_merged_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let check = |files: &[&str], expected: &str| {
        let arguments: Vec<String> = ["hist", "merge"]
            .iter()
            .map(|word| (*word).to_owned())
            .chain(files.iter().map(|file| path(file)))
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, stdout, stderr) = timetrial(&arguments);
        assert_eq!((code, stdout.as_str()), (exit::WRONG_INPUT, ""), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    fs::write(path("result"), json(&fixture::good())).unwrap();
    check(&["result", "result"], "result is there twice: it would be counted twice");
    fs::write(path("bare"), fixture::good().latency.histogram.unwrap()).unwrap();
    fs::write(path("cut"), "{\"type\":\"second\"}\n").unwrap();
    check(&["nothing"], "nothing can't be merged\n  because: No such file");
    check(&["cut"], "its last line is no result of a load, so the load did not end: it is of type second");
    check(
        &["result", "bare"],
        "some files hold results of loads, others bare histograms\n  (hint: merge each kind by itself)",
    );
}
