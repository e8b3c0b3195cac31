//! What is printed and written: for people, for programs, and for other tools; and merging.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Truth, number, timetrial};

#[test]
fn people_get_a_text_and_programs_get_lines() {
    let truth = Truth::start(&[]);
    let url = truth.url("/");
    let ended = timetrial(&[
        "load",
        &url,
        "-d",
        "2s",
        "-c",
        "4",
        "-t",
        "1",
        "-R",
        "100",
        "--lateness-bound",
        "1s",
        "--latency",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for word in ["Requests/sec:", "Send lateness", "Errors          none", "Detailed Percentile spectrum", "VALID"] {
        assert!(ended.stdout.contains(word), "no {word:?} in: {}", ended.stdout);
    }
    let ended = timetrial(&["load", &url, "-d", "2s", "-c", "4", "-t", "1", "-R", "100", "--message-format", "json"]);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut kinds = BTreeMap::new();
    for line in &lines {
        *kinds.entry(line["type"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert_eq!((kinds["start"], kinds["result"]), (1, 1), "{kinds:?}");
    assert!((2..=3).contains(&kinds["second"]), "{kinds:?}");
    let seconds = lines.iter().filter(|line| line["type"] == "second");
    let answers: u64 = seconds.map(|line| number(&line["answers_count"])).sum();
    assert_eq!(answers, number(&lines.last().unwrap()["requests"]["answered_count"]), "seconds add up to the whole");
}

#[test]
fn results_are_merged_without_losing_an_answer() {
    let truth = Truth::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let mut answers = 0;
    // They must have been at work at the same time: that is what is merged.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let start_at = (now.as_secs() + 3).to_string();
    let url = truth.url("/");
    let options = ["-d", "1s", "-c", "4", "-t", "1", "--start-at", &start_at, "--message-format", "json"];
    let run = || timetrial(&[&["load", url.as_str()][..], &options].concat()).stdout;
    let outputs: Vec<String> = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
        loads.into_iter().map(|load| load.join().unwrap()).collect()
    });
    for (index, output) in outputs.into_iter().enumerate() {
        let result: Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
        answers += number(&result["requests"]["succeeded_count"]);
        let file = folder.path().join(format!("{index}.jsonl"));
        std::fs::write(&file, output).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let mut arguments = vec!["hist", "merge", "--message-format", "json"];
    arguments.extend(files.iter().map(String::as_str));
    let ended = timetrial(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let merged: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(number(&merged["latency"]["samples_count"]), answers);
    assert_eq!(merged["clients_count"], 3);
}

#[test]
fn files_for_other_tools_are_written() {
    let truth = Truth::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let [hgrm, csv] = ["a.hgrm", "a.csv"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let ended = timetrial(&["load", &truth.url("/"), "-d", "1s", "-c", "4", "-t", "1", "--hgrm", &hgrm, "--csv", &csv]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(std::fs::read_to_string(&hgrm).unwrap().contains("1/(1-Percentile)"));
    assert!(std::fs::read_to_string(&csv).unwrap().lines().count() >= 2);
}
