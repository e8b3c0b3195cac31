//! Real loads, seconds long, on a server that answers at once.
#![expect(clippy::disallowed_methods, reason = "the command is run as a person would run it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use timetrial::cli::exit;
use timetrial::loadgen::schema::schema;

/// A server, which goes when it is let go of.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_timetrial"))
            .args(["truth", "--seconds", "60"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        Self { process, url: format!("http://{}/", line["address"].as_str().unwrap()) }
    }

    /// Begins a load of it.
    fn load(&self, options: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timetrial"));
        // Tests run beside one another: what is late here says nothing.
        command.args(["load", &self.url, "-t", "1", "-c", "4", "--lateness-bound", "10s"]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ended(load: Child) -> (u8, String, String) {
    let Output { status, stdout, stderr } = load.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX), text(stdout), text(stderr))
}

/// The lines of a load, each valid by the schema.
fn lines(stdout: &str) -> Vec<Value> {
    let validator = jsonschema::validator_for(&schema().1).unwrap();
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let problems: Vec<String> = validator.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{line}: {problems:?}");
    }
    lines
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

#[test]
fn a_load_prints_its_start_its_seconds_and_its_result() {
    let server = Server::start(&["--error-every", "10"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (csv, hgrm) = (path("seconds.csv"), path("latency.hgrm"));
    let options = ["-R", "200", "-d", "3", "--message-format", "json", "--csv", &csv, "--hgrm", &hgrm];
    let (code, stdout, stderr) = ended(server.load(&options));
    assert_eq!((code, stderr.as_str()), (exit::FINE, ""));
    let lines = lines(&stdout);
    let kinds = kinds(&lines);
    assert_eq!((kinds[0], kinds[1], kinds[kinds.len() - 1]), ("start", "second", "result"), "{kinds:?}");
    let result = lines.last().unwrap();
    assert_eq!(result["requests"]["sent_count"], 600);
    // What the seconds have counted is what the result has.
    let seconds = || lines.iter().filter(|line| line["type"] == "second");
    for (of_second, of_result) in [
        ("sent_count", &result["requests"]["sent_count"]),
        ("answers_count", &result["requests"]["answered_count"]),
        ("successes_count", &result["requests"]["succeeded_count"]),
        ("errors_count", &result["errors"][0]["errors_count"]),
        ("received_bytes", &result["received_bytes"]),
    ] {
        let sum: u64 = seconds().map(|second| second[of_second].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), of_result.as_u64(), "{of_second}");
    }
    let rows = std::fs::read_to_string(csv).unwrap();
    assert_eq!(rows.lines().count(), seconds().count() + 1);
    assert!(std::fs::read_to_string(hgrm).unwrap().contains("Total count    =          540]"));
}

#[test]
fn a_load_for_people_ends_with_its_verdict() {
    let server = Server::start(&[]);
    let (code, stdout, stderr) = ended(server.load(&["-d", "1", "--latency"]));
    assert_eq!((code, stderr.as_str()), (exit::FINE, ""));
    assert!(stdout.starts_with(&format!("Running 1s test @ {}\n", server.url)), "{stdout}");
    assert!(stdout.ends_with("\nVALID\n") && stdout.contains("Detailed Percentile spectrum"), "{stdout}");
}

#[test]
fn who_stops_a_load_is_told_what_was_measured() {
    let server = Server::start(&[]);
    let load = server.load(&["-R", "100", "-d", "50"]);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    kill(Pid::from_raw(load.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let (code, stdout, stderr) = ended(load);
    assert_eq!(code, exit::INTERRUPTED, "{stderr}");
    assert!(stdout.contains("\nINVALID: it was stopped after ") && stdout.contains(" of 50.0 s\n"), "{stdout}");
}

#[test]
fn a_reader_that_has_gone_stops_the_load() {
    let server = Server::start(&[]);
    let began = std::time::Instant::now();
    let mut load = server.load(&["-R", "100", "-d", "50", "--message-format", "json"]);
    drop(load.stdout.take());
    load.wait().unwrap();
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn a_search_prints_each_probe_and_what_it_found() {
    // It answers one after the other, each in 5 ms: 4 connections get at most 800 answers a second.
    let server = Server::start(&["--delay-us", "5000"]);
    let options = ["--find-max", "p50<500ms,errors<50%", "-R", "100", "-d", "500ms", "--settle", "10ms"];
    let (code, stdout, stderr) = ended(server.load(&[&options[..], &["--message-format", "json"]].concat()));
    assert_eq!(code, exit::FINE, "{stdout}{stderr}");
    let lines = lines(&stdout);
    let found = lines.last().unwrap();
    assert_eq!((&found["type"], &found["is_whole"]), (&Value::from("found"), &Value::from(true)));
    let held = found["holds_at_per_s"].as_f64().unwrap();
    let failed = found["fails_at_per_s"].as_f64().unwrap();
    assert!((100.0..=820.0).contains(&held) && failed / held <= 1.021, "{found}");
    let of_kind = |kind: &str| kinds(&lines).iter().filter(|other| **other == kind).count();
    assert_eq!(
        (of_kind("start"), of_kind("result"), of_kind("probe")),
        (of_kind("probe"), of_kind("probe"), of_kind("probe"))
    );
    assert_eq!(found["probes_count"], of_kind("probe"));
}
