//! Servers, addresses and options that are no good: what is said, and that it ends.

use std::time::{Duration, Instant};

use crate::support::{Truth, errors, load, number, timetrial};

fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let begun = Instant::now();
    let ended = timetrial(&[&["load"], arguments].concat());
    assert_eq!(ended.code, code, "{arguments:?}: {}\n{}", ended.stderr, ended.stdout);
    for word in words {
        assert!(ended.stderr.contains(word), "{arguments:?}: no {word:?} in: {}", ended.stderr);
    }
    assert!(ended.stderr.contains("hint: "), "{arguments:?}: no hint in: {}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(30), "{arguments:?} took {:?}", begun.elapsed());
}

#[test]
fn nobody_listens() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused(&[&format!("http://127.0.0.1:{port}/"), "-d", "1s", "-c", "4"], 1, &["ECONNREFUSED", "listens"]);
    refused(&["http://localhost/", "--unix", "/nonexistent/socket", "-d", "1s", "-c", "4"], 1, &["ENOENT"]);
}

#[test]
fn names_that_do_not_resolve() {
    refused(&["http://no-such-host.invalid/", "-d", "1s"], 1, &["no-such-host.invalid"]);
}

#[test]
fn plain_http_where_tls_is_spoken_and_the_other_way_round() {
    let truth = Truth::start(&[]);
    refused(&[&format!("https://{}/", truth.address), "-d", "1s", "-c", "2"], 1, &["TLS"]);
}

#[test]
fn zero_and_absurd_values() {
    let url = "http://127.0.0.1:9/";
    for (option, value) in [
        ("-c", "0"),
        ("-t", "0"),
        ("-d", "0"),
        ("-R", "0"),
        ("-R", "-5"),
        ("-R", "1e300"),
        ("--timeout", "0s"),
        ("--cpus", "99999"),
    ] {
        refused(&[url, option, value], 2, &[option]);
    }
    refused(&[url, "-c", "4", "-t", "8"], 2, &["8", "4"]);
    refused(&[url, "-c", "900000", "-t", "1"], 2, &["descriptors"]);
}

#[test]
fn heads_and_bodies_without_end() {
    let truth = Truth::start(&["--endless-headers"]);
    let (code, result) = load(&truth.url("/"), &["-d", "1s", "-c", "2", "-t", "1", "--timeout", "1s"]);
    assert!(errors(&result, "parse", "") > 0, "{result}");
    assert_eq!(code, 1, "nothing succeeded");
    let truth = Truth::start(&["--endless-body"]);
    let (code, result) = load(&truth.url("/"), &["-d", "1s", "-c", "2", "-t", "1", "--timeout", "500ms"]);
    assert!(errors(&result, "timeout", "") > 0, "{result}");
    assert_eq!(code, 1, "nothing succeeded");
    let memory = result["surroundings"]["peak_memory_bytes"].as_u64().unwrap();
    assert!(memory < 200 << 20, "{memory} bytes of memory, and the body is not kept");
}

#[test]
fn answers_drop_by_drop() {
    let truth = Truth::start(&["--drip", "50"]);
    let (code, result) = load(&truth.url("/"), &["-d", "1s", "-c", "2", "-t", "1", "--timeout", "400ms"]);
    assert!(errors(&result, "timeout", "") > 0, "{result}");
    assert_eq!(code, 1);
}

#[test]
fn a_server_that_dies_in_the_middle_is_told_and_the_load_ends() {
    let truth = Truth::start(&[]);
    let url = truth.url("/");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        drop(truth);
    });
    let begun = Instant::now();
    let (_, result) = load(&url, &["-d", "2s", "-c", "8", "-t", "1", "-R", "500", "--timeout", "500ms"]);
    killer.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(errors(&result, "connect", "ECONNREFUSED") > 0, "{result}");
    // Reconnecting is tried again and again, but not without a pause.
    assert!(errors(&result, "connect", "ECONNREFUSED") < 1_000, "{result}");
    assert_eq!(result["is_valid"], false);
    assert_eq!(result["connections"]["alive_count"], 0);
}

#[test]
fn what_no_connection_could_be_made_for_was_due_and_never_sent() {
    for keep_alive in ["no", "yes"] {
        let truth = Truth::start(&[]);
        let url = truth.url("/");
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            drop(truth);
        });
        let options = ["-d", "1s", "-c", "4", "-t", "1", "-R", "100", "--timeout", "500ms", "--keep-alive", keep_alive];
        let (_, result) = load(&url, &options);
        killer.join().unwrap();
        let count = |key: &str| number(&result["requests"][key]);
        assert_eq!(count("due_count"), count("sent_count") + count("never_sent_count"), "{result}");
        assert!(count("never_sent_count") > 10, "{result}");
    }
}

#[test]
fn who_asks_twice_in_one_breath_asks_once() {
    use std::process::{Command, Stdio};
    let truth = Truth::start(&[]);
    let child = Command::new(env!("CARGO_BIN_EXE_timetrial"))
        .args(["load", &truth.url("/"), "-d", "60s", "-c", "8", "-t", "1", "-R", "200"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    for _ in 0..2 {
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8(output.stdout).unwrap().contains("INVALID: it was stopped after "));
}

#[test]
fn the_user_stops_it_and_gets_what_was_measured() {
    use std::process::{Command, Stdio};
    let truth = Truth::start(&[]);
    let child = Command::new(env!("CARGO_BIN_EXE_timetrial"))
        .args(["load", &truth.url("/"), "-d", "60s", "-c", "8", "-t", "1", "-R", "200", "--message-format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let text = String::from_utf8(output.stdout).unwrap();
    let result: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(result["requests"]["answered_count"].as_u64().unwrap() > 100, "{result}");
}
