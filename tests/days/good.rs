//! The days on which nothing goes wrong.

use crate::support::project::{Project, Scenario};
use crate::support::running::RunDirectory;

#[test]
fn two_daemons_with_two_endpoints_are_measured_and_nothing_is_left() {
    let scenario = Scenario { daemons: &["alpha", "beta"], endpoints: &["/index", "/agents"], ..Scenario::default() };
    let project = Project::with(&[("alpha", &[]), ("beta", &["--close"])], &scenario);
    let ended = project.run();
    ended.assert_code(0).assert_said("4 measured").assert_not_said("failed");
    assert!(ended.stdout.contains("report: "), "{}", ended.stdout);
    project.assert_clean();
    let run = RunDirectory::only(&project);
    run.assert_complete();
    let types = run.types();
    let begin =
        ["campaign-started", "machine-connected", "reckoned", "trial-started", "daemon-started", "daemon-ready"];
    let trial = ["daemon-calm", "load-started", "load-finished", "trial-measured", "document-checked"];
    assert_eq!(types[..6], begin);
    assert_eq!(types[6..11], trial);
    assert_eq!(types[11..14], ["daemon-stopped", "port-free", "trial-finished"]);
    assert_eq!(types[types.len() - 3..], ["machine-released", "machine-compared", "campaign-finished"]);
    assert_eq!(types.iter().filter(|kind| *kind == "trial-measured").count(), 4);
    for trial in 1..=4 {
        let raw = String::from_utf8(run.bytes(&format!("trials/000{trial}/raw/load.stdout"))).unwrap();
        // Byte for byte: what the stub prints begins and ends like this.
        assert!(
            raw.starts_with("wrk stub/4.1.0 [epoll] Copyright (C) 2012 Will Glozer\nRunning 1s test @ http://127.0")
        );
        assert!(raw.ends_with("\"stdev\":0.000}}\n") && raw.lines().count() == 15, "{raw}");
        assert_eq!(run.json(&format!("trials/000{trial}/metrics.json"))["requests"], 2000);
        let log = run.bytes(&format!("trials/000{trial}/raw/daemon-1.stdout"));
        assert_eq!(log, format!("stub: listening on 127.0.0.1:{}\n", project.port).into_bytes());
    }
    assert_eq!(run.bytes("inputs/scenarios/day.toml"), std::fs::read(project.path("scenarios/day.toml")).unwrap());
}

#[test]
fn a_second_run_works_and_both_are_listed() {
    let project = Project::new();
    project.run().assert_code(0);
    project.run().assert_code(0);
    project.assert_clean();
    assert_eq!(project.runs().len(), 2);
    let list = project.timetrial(&["list"]);
    assert_eq!(list.assert_code(0).stdout.matches("complete: 1 of 1 trial measured").count(), 2);
    project.timetrial(&["show"]).assert_code(0);
    let missing = project.timetrial(&["show", "2011"]);
    missing
        .assert_code(2)
        .assert_said("no run `2011` in reports")
        .assert_said("(hint: `timetrial list` shows the runs");
}
