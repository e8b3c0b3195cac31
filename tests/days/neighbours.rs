//! Somebody else is on the machine: a listener on the port, another campaign.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::days::interruption::Phase;
use crate::support::machine;
use crate::support::project::{Project, entries};
use crate::support::running::RunDirectory;

#[test]
fn a_port_that_is_taken_is_told_with_its_process_and_nothing_is_started() {
    let project = Project::new();
    let listener = TcpListener::bind(("127.0.0.1", project.port)).unwrap();
    let ended = project.run();
    let me = format!("is taken by pid {}, `", std::process::id());
    ended.assert_code(5).assert_said(&format!("here: port {}, which the daemons shall listen on, {me}", project.port));
    let program = std::env::current_exe().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    ended.assert_said(&program);
    ended.assert_said("(hint: stop that process, or choose another port in the scenario)");
    let run = RunDirectory::only(&project);
    run.assert_complete();
    assert!(!run.types().iter().any(|kind| kind == "trial-started" || kind == "daemon-started"));
    // A dry run ends as the run does.
    let dry = project.timetrial(&["run", "--dry-run", "scenarios/day.toml"]);
    let line = format!("port taken: port {}, which the daemons shall listen on, is taken\n", project.port);
    assert!(dry.assert_code(5).stdout.contains(&line), "{}", dry.stdout);
    drop(listener);
    project.assert_clean();
    project.run().assert_code(0);
}

#[test]
fn two_campaigns_at_once_the_second_is_refused_and_told_whose_machine_it_is() {
    let project = Phase::Ready.project();
    let first = Phase::Ready.begin(&project);
    let first_run = first.directory().unwrap();
    let second = project.run();
    let id = first_run.file_name().unwrap().to_string_lossy().into_owned();
    let owner = "this machine is in use by tester@";
    second.assert_code(5).assert_said(owner).assert_said("(hint: wait for that campaign to end");
    assert!(second.stderr.contains(&format!("process {}, run {id}, since ", first.pid())), "{}", second.stderr);
    second.assert_said("waiting: for tester@");
    // The first is not disturbed.
    first.signal(Signal::SIGINT);
    first.end().assert_code(130);
    project.assert_clean_within(Duration::from_secs(5));
}

#[test]
fn waiting_for_a_busy_machine_can_be_interrupted_and_killed() {
    let project = Phase::Ready.project();
    let first = Phase::Ready.begin(&project);
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let second = project.begin();
        second.await_that("waiting", || second.stderr().contains("waiting: for tester@"));
        let begun = Instant::now();
        second.signal(signal);
        assert_eq!(second.end().code(), (signal == Signal::SIGINT).then_some(130));
        while machine::pids(&project.path(""), "agent --state-dir").len() > 1 {
            assert!(begun.elapsed() < Duration::from_secs(5), "{signal}: its agent still waits");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    first.signal(Signal::SIGINT);
    first.end().assert_code(130);
    project.assert_clean();
}

#[test]
fn a_state_directory_of_somebody_else_is_refused_and_not_touched() {
    let project = Project::new();
    project.write("s/w/precious/thesis.txt", "years");
    fs::set_permissions(project.path("s"), fs::Permissions::from_mode(0o2755)).unwrap();
    let ended = project.run();
    ended.assert_code(5).assert_said("/s is not a state directory of timetrial: it holds `w`");
    ended.assert_said("(hint: name an own, empty folder as `state_dir` in hosts.toml, such as ");
    assert_eq!(fs::read_to_string(project.path("s/w/precious/thesis.txt")).unwrap(), "years");
    assert_eq!(fs::metadata(project.path("s")).unwrap().permissions().mode() & 0o7777, 0o2755);
    assert_eq!(entries(&project.path("s")), [project.path("s/w")], "nothing was made in it");
    assert_eq!(
        RunDirectory::only(&project).event("campaign-finished")["outcome"]["reason"]["code"],
        "state-dir-not-ours"
    );
}

#[test]
fn what_somebody_put_beside_our_work_is_kept() {
    let project = Project::new();
    project.run().assert_code(0);
    project.write("s/w/precious/thesis.txt", "years");
    project.write("s/w/0badf00d/thesis.txt", "years");
    let mode = |name: &str| fs::metadata(project.path(name)).unwrap().permissions().mode() & 0o7777;
    fs::set_permissions(project.path("s"), fs::Permissions::from_mode(0o2755)).unwrap();
    project.run().assert_code(0).assert_not_said("removed: ");
    assert_eq!(mode("s"), 0o2755);
    for name in ["s/w/precious/thesis.txt", "s/w/0badf00d/thesis.txt"] {
        assert_eq!(fs::read_to_string(project.path(name)).unwrap(), "years");
    }
}
