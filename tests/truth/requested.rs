//! Requests from a file, and values that change with each: the server understands every one of them.

use crate::support::{Truth, load, number, timetrial};

const FILE: &str = r#"
[[request]]
weight = 3
path = "/agents/${line:ids.txt}?n=${number}"

[[request]]
method = "PUT"
path = "/agents"
headers = { "X-Trace" = "${random:1..1000000}" }
body = '{"n":${number}}'
expect_status = [500]
"#;

#[test]
fn requests_of_a_file_are_sent_by_their_weight() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ids.txt"), "7\n88\n999\n").unwrap();
    let file = folder.path().join("requests.toml");
    std::fs::write(&file, FILE).unwrap();
    let truth = Truth::start(&[]);
    let file = file.display().to_string();
    let options = ["-d", "1s", "-c", "8", "-t", "2", "-R", "1000", "--lateness-bound", "1s", "--requests", &file];
    let (_, result) = load(&truth.url("/"), &options);
    let counts = truth.counts();
    assert_eq!(number(&counts["bad_requests"]), 0, "{counts}");
    assert_eq!(number(&result["requests"]["answered_count"]), number(&counts["answers_200"]));
    // One in four was told to expect another status.
    let (answers, right) = (number(&counts["answers_200"]), number(&result["requests"]["succeeded_count"]));
    assert!(right.abs_diff(answers * 3 / 4) <= 20, "{right} of {answers}");
}

#[test]
fn what_is_wrong_in_a_file_is_shown_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.toml");
    std::fs::write(&file, "[[request]]\npath = '/${numbr}'\n[[request]]\npath = '/${line:gone}'\n").unwrap();
    let file = file.display().to_string();
    let ended = timetrial(&["load", "http://127.0.0.1:1/", "--requests", &file, "-H", "A: ${x}", "-c", "0"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    for words in
        ["-c/--connections", "requests.toml:2:10", "requests.toml:4:10", "there is no file", "of the arguments"]
    {
        assert!(ended.stderr.contains(words), "no {words:?} in: {}", ended.stderr);
    }
}

#[test]
fn arguments_may_hold_placeholders_too() {
    let truth = Truth::start(&[]);
    let options = ["-d", "1s", "-c", "2", "-t", "1", "--body", "${number}${random:1..9}", "-H", "A: ${number}"];
    let (code, result) = load(&truth.url("/${number}"), &options);
    let counts = truth.counts();
    assert_eq!((code, number(&counts["bad_requests"])), (0, 0), "{result}");
    let ended = timetrial(&["load", "http://127.0.0.1:1/${numbr}"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("byte 2 of the path: `${numbr}` is no placeholder"), "{}", ended.stderr);
}
