//! Daemons with a bad day: each fails its own trial, with the reason, and the next one is measured all the same.

use std::fs;

use crate::support::machine::not_run;
use crate::support::project::{Project, RUN, Scenario};
use crate::support::running::{Ended, RunDirectory, Running};

const HASTY: &str = "ready = \"1500ms\"\ncalm = \"600ms\"\nstop = \"500ms\"";

/// A bad daemon, then a good one, which is measured in any case; nothing is left.
fn bad_then_good(flags: &[&str]) -> (Ended, RunDirectory, Project) {
    let scenario = Scenario { daemons: &["bad", "good"], wait: HASTY, ..Scenario::default() };
    let project = Project::with(&[("bad", flags), ("good", &[])], &scenario);
    let ended = project.run();
    project.assert_clean();
    let run = RunDirectory::only(&project);
    run.assert_complete();
    assert_eq!(run.json("trials/0002/metrics.json")["requests"], 2000, "{}", ended.stderr);
    (ended, run, project)
}

#[test]
fn one_that_dies_at_its_start_is_shown_with_its_last_log_lines() {
    let (ended, run, _project) = bad_then_good(&["--die-at-start"]);
    ended.assert_code(1).assert_said("failed: bad ended by itself with exit code 7 (its process 1)");
    ended.assert_said("| stub: cannot open the configuration: no such file").assert_said("| stub: giving up");
    ended.assert_said("(hint: its last log lines say why)").assert_said("1 measured, 1 failed");
    assert_eq!(run.failure("0001")["code"], "daemon-died");
    assert_eq!(run.bytes("trials/0001/raw/daemon-1.stdout"), b"stub: reading the configuration\n");
    assert!(run.bytes("trials/0001/raw/daemon-1.stderr").ends_with(b"stub: giving up\n"));
}

#[test]
fn one_that_is_never_ready_has_a_time_limit() {
    let (ended, run, project) = bad_then_good(&["--never-ready"]);
    let url = format!("http://127.0.0.1:{}/index", project.port);
    ended
        .assert_code(1)
        .assert_said(&format!("failed: {url} did not answer in HTTP/1.1 within 1.5 s: connect: Connection refused"));
    ended.assert_said("| stub: still thinking").assert_said("`ready` under [wait] is the time limit");
    assert_eq!(run.failure("0001")["code"], "not-ready");
}

#[test]
fn one_that_listens_on_another_address_is_told_where() {
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    if !has_ipv6 {
        not_run("there is no IPv6 here: 127.0.0.2 stands for another address");
    }
    let (other, shown) = if has_ipv6 { ("[::1]", "::1") } else { ("127.0.0.2", "127.0.0.2") };
    let (ended, run, project) = bad_then_good(&["--only", other]);
    let port = project.port;
    ended
        .assert_code(1)
        .assert_said(&format!("failed: http://127.0.0.1:{port}/index did not answer in HTTP/1.1 within"));
    ended
        .assert_said(&format!("| port {port} is listened on by "))
        .assert_said(&format!(", on {shown}\n"))
        .assert_said("| stub: listening on ");
    ended.assert_said("(hint: have its command listen on 127.0.0.1, which `{address}` in it stands for");
    assert_eq!(run.failure("0001")["code"], "not-ready");
}

#[test]
fn one_that_answers_with_an_error_is_not_ready() {
    let (ended, run, _project) = bad_then_good(&["--status", "500"]);
    ended.assert_code(1).assert_said("answers with status 500, for 1.5 s").assert_said("| the stub is out of order");
    assert_eq!(run.failure("0001")["code"], "not-ready");
}

#[test]
fn a_wrong_document_is_shown_as_a_difference_with_paths() {
    let (ended, run, _project) = bad_then_good(&["--wrong-document"]);
    ended.assert_code(1).assert_said("answers another document than `index`");
    let failure = run.failure("0001");
    assert_eq!(failure["code"], "wrong-document");
    let detail = failure["detail"].to_string();
    for part in ["$.hello", "world", "moon", "$.extra"] {
        assert!(detail.contains(part), "{detail}");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    ended.assert_said("(hint: mend the daemon, or the document in the scenario's data set");
}

#[test]
fn a_wrong_number_of_workers_is_not_measured() {
    let (ended, run, _project) = bad_then_good(&["--workers", "5"]);
    ended.assert_code(1).assert_said("bad has 5 worker processes, 2 were asked for");
    assert_eq!(run.failure("0001")["code"], "wrong-workers");
}

#[test]
fn one_that_dies_in_the_load_has_no_figures() {
    let (ended, run, _project) = bad_then_good(&["--die-after", "1000"]);
    ended.assert_code(1).assert_said("failed: bad ended by itself with exit code 3").assert_said("| stub: out of luck");
    assert_eq!(run.failure("0001")["code"], "daemon-died");
    assert!(run.types().iter().filter(|kind| *kind == "load-started").count() == 2, "it died in the load");
    assert!(!run.0.join("trials/0001/metrics.json").exists());
    // What the load generator had to say after its interruption is kept.
    assert!(run.bytes("trials/0001/raw/load.stdout").ends_with(b"}\n"));
}

/// An end that looks fine is none in a load, and a kernel that is short of memory lets nobody say a word.
#[test]
fn one_that_ends_in_the_load_with_code_0_or_by_a_signal_has_no_figures_either() {
    let dies = |flags: &[&str], how: &str| {
        let (ended, run, _project) = bad_then_good(&[&["--die-after", "1000"], flags].concat());
        ended.assert_code(1).assert_said(&format!("failed: bad ended by itself with {how} (its process 1)"));
        assert_eq!(run.failure("0001")["code"], "daemon-died");
        assert!(!run.0.join("trials/0001/metrics.json").exists());
    };
    std::thread::scope(|scope| {
        scope.spawn(|| dies(&["--die-code", "0"], "exit code 0"));
        scope.spawn(|| dies(&["--die-killed"], "signal 9 (KILL)"));
    });
}

#[test]
fn one_that_answers_with_errors_once_it_is_loaded_is_invalid() {
    let (ended, run, _project) = bad_then_good(&["--fail-after", "1000"]);
    ended.assert_code(3).assert_said("wrong answer after the load: status 500");
    assert!(ended.stdout.contains("1 ✕ invalid · 1 ○ unjudged"), "{}", ended.stdout);
    assert!(run.0.join("trials/0001/metrics.json").exists(), "it was measured, and its figures mean nothing");
}

#[test]
fn one_that_ignores_term_is_killed_and_that_is_noted() {
    let (ended, run, _project) = bad_then_good(&["--ignore-term"]);
    ended.assert_code(0);
    let stopped = run.event("daemon-stopped");
    assert_eq!((&stopped["killed"], &stopped["exit"]["signal"]), (&true.into(), &9.into()));
    assert!(stopped["took_ms"].as_u64().unwrap() >= 500, "{stopped}");
    ended.assert_said("its process 1 had to be killed, after 5");
}

#[test]
fn orphans_of_a_double_fork_are_found_killed_and_told() {
    let leaves = |flag| {
        let (ended, run, _project) = bad_then_good(&[flag]);
        ended.assert_code(0).assert_said("outlived its daemon and was killed: ").assert_said("--role orphan");
        let stopped = run.event("daemon-stopped");
        assert_eq!(stopped["leftovers"].as_array().map(Vec::len), Some(1), "{stopped}");
        assert!(ended.stdout.contains("suspect"), "{}", ended.stdout);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| leaves("--double-fork-orphan"));
        scope.spawn(|| leaves("--hidden-orphan"));
    });
}

#[test]
fn one_that_is_never_calm_is_measured_and_suspect() {
    let (ended, run, _project) = bad_then_good(&["--busy"]);
    ended.assert_code(0).assert_said("not calm before the load: ");
    assert_eq!(run.event("daemon-calm")["calm"], false);
    assert!(ended.stdout.contains("suspect") && ended.stdout.contains("calm"), "{}", ended.stdout);
}

#[test]
fn a_umask_that_closes_everything_does_not_reach_the_daemons() {
    let project = Project::new();
    let command = project.started_by(&["sh", "-c", "umask 077; exec \"$@\"", "sh"], RUN);
    Running::start(&project, command).end().assert_code(0).assert_said("1 measured");
    project.assert_clean();
}

#[test]
fn a_folder_that_is_closed_or_gone_is_not_told_as_a_program() {
    let project = Project::new();
    let folder = project.path("work");
    fs::create_dir(&folder).unwrap();
    let (folder, parent) = (folder.display().to_string(), std::process::id().to_string());
    let exec = |directory: &str, program: &str| {
        let words = ["exec", "--parent", &parent, "--directory", directory, "--", program];
        project.timetrial(&words)
    };
    let missing = format!("{folder}/none");
    exec(&missing, "/bin/true").assert_code(1).assert_said(&format!("can't change to the directory {missing}"));
    exec(&folder, "/not/there").assert_code(1).assert_said("can't run /not/there");
}
