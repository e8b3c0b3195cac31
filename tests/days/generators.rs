//! Load generators with a bad day: no figure is made up, and what was printed is kept.

use crate::support::project::{Project, Scenario};
use crate::support::running::{Ended, RunDirectory};

fn with(mode: &str) -> (Ended, RunDirectory, Project) {
    let mut project = Project::new();
    project.wrk(mode);
    let ended = project.run();
    project.assert_clean();
    let run = RunDirectory::only(&project);
    run.assert_complete();
    ended.assert_code(1).assert_said("failed: ").assert_said("0 measured, 1 failed");
    assert!(!run.0.join("trials/0001/metrics.json").exists());
    (ended, run, project)
}

#[test]
fn garbage_is_an_error_and_no_figure() {
    let (ended, run, _project) = with("garbage");
    ended
        .assert_said("no figures from wrk: ")
        .assert_said("(hint: the raw output is kept in trials/0001/raw/load.stdout)");
    assert_eq!(run.failure("0001")["code"], "unreadable-output");
    assert!(run.bytes("trials/0001/raw/load.stdout").starts_with(b"\x1b]52;c;ZXZpbA==\x07<script>"));
}

#[test]
fn a_flood_is_kept_to_the_last_byte() {
    let (ended, run, _project) = with("flood");
    ended.assert_said("no figures from wrk: ");
    let raw = run.bytes("trials/0001/raw/load.stdout");
    assert_eq!((raw.len(), raw.iter().filter(|byte| **byte == b'\n').count()), (8 << 20, 8192));
}

#[test]
fn one_that_is_killed_is_told_with_its_signal() {
    let (ended, run, _project) = with("killed");
    ended.assert_said("signal 9 (KILL)");
    assert!(run.bytes("trials/0001/raw/load.stdout").starts_with(b"Running 1s test @ "));
    assert_eq!(run.event("load-finished")["exit"]["signal"], 9);
}

#[test]
fn one_that_can_not_connect_is_told_so() {
    let (ended, run, _project) = with("refused");
    ended.assert_said("unable to connect to 127.0.0.1:1 Connection refused");
    assert!(run.bytes("trials/0001/raw/load.stderr").starts_with(b"unable to connect"));
}

#[test]
fn one_that_is_not_there_is_told_with_its_path() {
    let project = Project::new();
    std::fs::remove_file(project.path("bin/stub-wrk")).unwrap();
    let ended = project.run();
    ended.assert_code(1).assert_said("/bin/stub-wrk is not there or is not an executable file");
    assert!(project.remains().iter().all(|line| line.contains("a changed file")), "{:?}", project.remains());
}

#[test]
#[ignore = "slow: waits for the 15 s that a generator gets beyond its load"]
fn one_that_hangs_has_a_time_limit() {
    let (ended, run, _project) = with("hang");
    ended.assert_said("wrk did not end within 17 s and was stopped");
    assert_eq!(run.failure("0001")["code"], "load-too-slow");
    assert_eq!(run.event("load-finished")["exit"]["signal"], 9);
}

#[test]
fn a_warm_up_is_kept_and_not_measured() {
    let scenario = Scenario { load: ", warm_up = \"1s\"", ..Scenario::default() };
    let project = Project::with(&[("alpha", &[])], &scenario);
    project.run().assert_code(0);
    project.assert_clean();
    let run = RunDirectory::only(&project);
    assert!(run.bytes("trials/0001/raw/warm-up.stdout").ends_with(b"}\n"));
    assert_eq!(run.types().iter().filter(|kind| *kind == "trial-measured").count(), 1);
}
