//! A run that was cut off or stopped goes on: what was finished stays as it is, byte for byte, and the rest is measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::Digest as _;

use crate::support::machine;
use crate::support::project::{Project, Scenario, entries};
use crate::support::running::{Ended, RunDirectory, Running};

const RESUME: &[&str] = &["resume", "latest"];

/// Three trials, each of a load of two seconds.
fn three() -> Project {
    let scenario = Scenario { daemons: &["alpha", "beta", "gamma"], load_s: 2, ..Scenario::default() };
    Project::with(&[("alpha", &[]), ("beta", &[]), ("gamma", &[])], &scenario)
}

/// A run of it that has its second trial under load.
fn begin_second(project: &Project) -> Running<'_> {
    let running = Running::start(
        project,
        project.started_by(&["env", "--default-signal=HUP,INT,TERM,TSTP"], &["run", "scenarios/day.toml"]),
    );
    running.await_that("second load", || running.events_of("load-started") == 2);
    std::thread::sleep(Duration::from_millis(150));
    running
}

/// Every file under a folder of a run, with the SHA-256 of its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let digest = sha2::Sha256::digest(fs::read(&path).unwrap());
            found.insert(path, digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
    }
    found
}

/// Resumes the one run that was left in its second trial; all three trials are measured then, the first of them as it was.
fn resume_to_the_end(project: &Project, found: &str) -> (Ended, RunDirectory) {
    let run = RunDirectory::only(project);
    let first = files(&run.0.join("trials/0001"));
    let cut = files(&run.0.join("trials/0002"));
    assert!(first.len() > 3 && !cut.is_empty(), "{first:?} {cut:?}");
    let ended = project.timetrial(RESUME);
    ended.assert_code(0).assert_said(found).assert_said("1 of 3 trials finished").assert_said("3 measured");
    ended.assert_said("trial 0002 (beta /index) was begun and is run again").assert_not_said("alpha");
    project.assert_clean();
    let run = RunDirectory::only(project);
    run.assert_complete();
    assert_eq!(files(&run.0.join("trials/0001")), first);
    let kept = files(&run.0.join("trials/0002.cut-1"));
    assert_eq!(kept.into_values().collect::<Vec<_>>(), cut.into_values().collect::<Vec<_>>());
    for trial in ["0001", "0002", "0003"] {
        assert_eq!(run.json(&format!("trials/{trial}/metrics.json"))["requests"], 4000);
    }
    let finished = run.events().into_iter().rfind(|event| event["event"]["type"] == "campaign-finished").unwrap();
    assert_eq!((&finished["event"]["measured"], &finished["event"]["not_run"]), (&3.into(), &0.into()));
    let times: Vec<u64> = run.events().iter().map(|event| event["elapsed_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(run.types().iter().filter(|kind| *kind == "campaign-started").count(), 1);
    assert!(run.0.join("machines/here/facts-resumed-1.json").exists());
    let page = String::from_utf8(run.bytes("report/report.md")).unwrap();
    assert!(page.contains("2 sessions: 1 trial finished before") && page.contains("then 2 trials finished"), "{page}");
    let list = project.timetrial(&["list"]);
    assert!(list.stdout.contains("complete: 3 of 3 trials measured"), "{}", list.stdout);
    (ended, run)
}

#[test]
fn after_kill_9_of_the_controller_the_rest_is_measured() {
    let project = three();
    let running = begin_second(&project);
    running.signal(Signal::SIGKILL);
    running.end();
    // At once: the agent is still leaving.
    let (_, run) = resume_to_the_end(&project, " was cut off; ");
    let again = project.timetrial(RESUME);
    let before = run.bytes("complete.json");
    assert!(again.assert_code(0).stdout.contains("all of its 3 trials ran to the end: nothing to do"), "{again:?}");
    assert_eq!(run.bytes("complete.json"), before);
    run.assert_complete();
}

#[test]
fn after_ctrl_c_the_rest_is_measured_and_the_first_manifest_is_kept() {
    let project = three();
    let running = begin_second(&project);
    running.signal(Signal::SIGINT);
    running.end().assert_code(130);
    let manifest = RunDirectory::only(&project).bytes("complete.json");
    let (_, run) = resume_to_the_end(&project, " was stopped by the user; ");
    assert_eq!(run.bytes("sessions/1/complete.json"), manifest);
    assert!(run.0.join("sessions/1/controller.json").exists());
}

#[test]
fn after_kill_9_of_the_agent_the_rest_is_measured() {
    let project = three();
    let running = begin_second(&project);
    kill(Pid::from_raw(machine::pids(&project.path(""), "agent --state-dir")[0]), Signal::SIGKILL).unwrap();
    running.end().assert_code(1);
    resume_to_the_end(&project, " failed: lost the agent on here: it ended");
}

#[test]
fn a_run_that_still_runs_is_not_resumed() {
    let project = three();
    let running = begin_second(&project);
    let ended = project.timetrial(RESUME);
    ended.assert_code(2).assert_said(&format!("process {}, run ", running.pid())).assert_said(" still runs: tester@");
    running.end().assert_code(0).assert_said("3 measured");
    project.assert_clean();
}

/// What was changed in a run that was stopped, and what is said of it.
fn refused(change: impl Fn(&Path), says: &[&str]) {
    let project = Project::new();
    let running = Running::start(
        &project,
        project.started_by(&["env", "--default-signal=HUP,INT,TERM,TSTP"], &["run", "scenarios/day.toml"]),
    );
    running.await_event("load-started");
    running.signal(Signal::SIGINT);
    running.end().assert_code(130);
    let run = RunDirectory::only(&project).0;
    change(&run);
    let before = files(&run);
    let ended = project.timetrial(RESUME);
    ended.assert_code(2);
    for text in says {
        ended.assert_said(text);
    }
    assert_eq!(files(&run), before, "nothing of it was changed");
    project.assert_clean();
}

#[test]
fn a_run_that_was_changed_is_not_resumed() {
    let unseal = |run: &Path| fs::remove_file(run.join("complete.json")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let change = |run: &Path| fs::write(run.join("trials/0001/trial.json"), "{}").unwrap();
            refused(change, &[" was changed since its end: trials/0001/trial.json was changed", "begin a new run"]);
        });
        scope.spawn(|| {
            let change = |run: &Path| {
                unseal(run);
                fs::write(run.join("inputs/scenarios/day.toml"), "title = \"another\"").unwrap();
                fs::remove_file(run.join("inputs/hosts.toml")).unwrap();
            };
            let said = ["inputs/hosts.toml is missing, inputs/scenarios/day.toml was changed", "(hint: "];
            refused(change, &said);
        });
        scope.spawn(|| {
            let change = |run: &Path| {
                unseal(run);
                let recorded = fs::read_to_string(run.join("controller.json")).unwrap();
                let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
                fs::write(run.join("controller.json"), recorded.replace(&version, "\"0.0.9\"")).unwrap();
            };
            refused(change, &["was begun by timetrial 0.0.9, and this is timetrial "]);
        });
        scope.spawn(|| {
            let change = |run: &Path| {
                unseal(run);
                fs::remove_file(run.join("controller.json")).unwrap();
            };
            refused(change, &["does not tell where its inventory was", "--hosts FILE says it"]);
        });
    });
}

#[test]
fn another_machine_than_at_first_is_told_and_nothing_is_measured() {
    let project = three();
    let running = begin_second(&project);
    running.signal(Signal::SIGKILL);
    running.end();
    let run = RunDirectory::only(&project);
    let path = run.0.join("machines/here/facts-before.json");
    let facts = fs::read_to_string(&path).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(&facts).unwrap();
    changed["kernel"] = "2.6.32".into();
    fs::write(&path, changed.to_string()).unwrap();
    let ended = project.timetrial(RESUME);
    ended.assert_code(5).assert_said("here: its kernel was 2.6.32, and is ").assert_said("or begin a new run");
    project.assert_clean();
    let run = RunDirectory::only(&project);
    run.assert_complete();
    assert_eq!(run.types().iter().filter(|kind| *kind == "trial-started").count(), 2);
    // As it was again, it goes on.
    fs::write(&path, facts).unwrap();
    fs::remove_file(run.0.join("complete.json")).unwrap();
    let ended = project.timetrial(RESUME);
    ended.assert_code(0).assert_said("1 of 3 trials finished").assert_said("3 measured");
    RunDirectory::only(&project).assert_complete();
    project.assert_clean();
}
