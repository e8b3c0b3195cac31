//! Every kind of end that a request can have is counted as often as the server made it.

use serde_json::Value;

use crate::support::{Truth, errors, load, number};

/// The engines that are tried: io_uring where this machine has it.
fn engines() -> Vec<&'static str> {
    let truth = Truth::start(&[]);
    let has_uring = {
        let arguments = ["load", &truth.url("/"), "-d", "1s", "-c", "2", "-t", "1", "--engine", "io_uring"];
        crate::support::timetrial(&arguments).code == 0
    };
    if has_uring { vec!["epoll", "io_uring"] } else { vec!["epoll"] }
}

fn check(server: &[&str], client: &[&str], compare: fn(&Value, &Value)) {
    for engine in engines() {
        let truth = Truth::start(server);
        let mut options = vec!["-d", "1s", "-c", "20", "-t", "2", "--timeout", "1s", "--engine", engine];
        options.extend(client);
        let (_, result) = load(&truth.url("/"), &options);
        let counted = truth.counts();
        assert_eq!(
            number(&result["requests"]["sent_count"]),
            number(&counted["requests"]),
            "sent\n{result}\n{counted}"
        );
        assert_eq!(result["requests"]["unfinished_count"], 0, "{result}");
        assert_eq!(
            number(&result["connections"]["opened_count"]),
            number(&counted["connections"]),
            "{result}\n{counted}"
        );
        compare(&result, &counted);
    }
}

fn same(ours: u64, theirs: &Value) {
    assert!(ours > 0, "it was never made");
    assert_eq!(ours, number(theirs));
}

#[test]
fn answers_of_an_error_status() {
    check(&["--error-every", "10"], &[], |result, counted| {
        same(errors(result, "status", "500"), &counted["answers_500"]);
        same(number(&result["requests"]["succeeded_count"]), &counted["answers_200"]);
    });
}

#[test]
fn connections_that_the_server_closes_politely() {
    check(&["--close-every", "97"], &["-R", "2000"], |result, counted| {
        same(number(&result["connections"]["closed_by_server_count"]), &counted["closes"]);
        same(number(&result["connections"]["replaced_count"]), &counted["closes"]);
        assert_eq!(result["requests"]["succeeded_count"], result["requests"]["due_count"], "no rate is lost by it");
    });
}

#[test]
fn resets_closes_without_an_answer_and_no_answer_at_all() {
    let server = ["--reset-every", "101", "--fin-every", "67", "--hang-every", "301"];
    check(&server, &["-R", "2000"], |result, counted| {
        same(errors(result, "receive", "ECONNRESET"), &counted["resets"]);
        same(errors(result, "closed", "before an answer"), &counted["fins"]);
        same(errors(result, "timeout", ""), &counted["hangs"]);
        assert_eq!(number(&result["latency"]["lower_bounds_count"]), number(&counted["hangs"]));
        assert!(result["latency"]["max_us"].as_f64().unwrap() >= 1e6, "who was given up has waited at least so long");
    });
}

#[test]
fn what_is_no_answer() {
    check(&["--garbage-every", "50"], &[], |result, counted| {
        same(errors(result, "parse", ""), &counted["answers_garbage"]);
    });
}

#[test]
fn another_document_than_the_expected_one() {
    let sample = Truth::start(&[]);
    let (_, result) = load(&sample.url("/"), &["-d", "1s", "-c", "1", "-t", "1", "--expect-bytes", "1"]);
    assert!(errors(&result, "document", "") > 0, "{result}");
    check(&["--wrong-every", "40"], &["--expect-sha256", &right_document(&sample)], |result, counted| {
        same(errors(result, "document", ""), &counted["answers_wrong"]);
        same(number(&result["requests"]["succeeded_count"]), &counted["answers_200"]);
    });
}

/// The SHA-256 of what the server answers, in hexadecimal digits.
fn right_document(truth: &Truth) -> String {
    use std::io::{Read, Write};

    use sha2::{Digest, Sha256};

    let mut stream = std::net::TcpStream::connect(&truth.address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    Sha256::digest(&answer[body..]).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_connection_for_each_request() {
    check(&[], &["--no-keep-alive", "-R", "1000"], |result, counted| {
        same(number(&result["requests"]["answered_count"]), &counted["connections"]);
        assert_eq!(result["requests"]["due_count"], 1000);
    });
}

#[test]
fn so_many_requests_for_each_connection() {
    check(&[], &["--keep-alive", "10", "-R", "2000"], |result, counted| {
        assert_eq!(number(&result["requests"]["answered_count"]), 2000);
        let connections = number(&counted["connections"]);
        assert!((200..=240).contains(&connections), "{connections} for 2,000 requests, and 20 of them at once");
    });
}

#[test]
fn answers_in_chunks() {
    check(&["--chunked"], &[], |result, counted| {
        same(number(&result["requests"]["succeeded_count"]), &counted["answers_200"]);
    });
}

#[test]
fn bytes_are_those_that_were_sent() {
    check(&["--body-bytes", "100000"], &["-R", "300"], |result, counted| {
        same(number(&result["received_bytes"]), &counted["bytes_sent"]);
        same(number(&result["sent_bytes"]), &counted["bytes_received"]);
    });
}
