//! Any part of it dies, or freezes: load and daemons are gone soon, and what is said is what happened.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ssh::bench::Bench;
use crate::support::machine;
use crate::support::project::{Scenario, entries};
use crate::support::running::{RunDirectory, Running};

/// The promise is 15 s; a busy test machine gets twice that.
const GONE: Duration = Duration::from_secs(30);

/// A frozen link is noticed within 10 s; the rest is slack.
const NOTICED: Duration = Duration::from_secs(20);

/// A campaign under a long load.
fn under_load(flags: &[&str]) -> Option<Bench> {
    let long = Scenario { load_s: 90, ..Scenario::default() };
    Bench::with(&[("alpha", flags)], &long, "")
}

fn begin(bench: &Bench) -> Running<'_> {
    let running = bench.begin();
    running.await_event("load-started");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!machine::listeners(bench.project.port).is_empty(), "or the test shows nothing");
    running
}

/// The agent's own process; a shim's command line names its parent and not the state directory.
fn agent(bench: &Bench) -> Pid {
    let agents = machine::pids(&bench.project.path(""), "timetrial agent --state-dir");
    assert_eq!(agents.len(), 1);
    Pid::from_raw(agents[0])
}

/// Waits until nothing of the run is left on the machine: no process but those that are named, no listener, no work.
#[track_caller]
fn assert_gone(bench: &Bench, kept: &[&str]) {
    let begun = Instant::now();
    loop {
        let mut remains = machine::processes_of(&bench.project.path(""));
        remains.retain(|line| !kept.iter().any(|word| line.contains(word)));
        remains.extend(machine::listeners(bench.project.port));
        remains.extend(entries(&bench.project.path("s/w")).iter().map(|path| path.display().to_string()));
        if remains.is_empty() {
            return;
        }
        assert!(begun.elapsed() < GONE, "after {GONE:?} there is still {remains:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A campaign that lost its agent in its trial, for this reason.
#[track_caller]
fn assert_lost(bench: &Bench, running: Running<'_>, why: &str) {
    running.end().assert_code(1).assert_said(&format!("lost the agent on bench: {why}"));
    let run = RunDirectory::only(&bench.project);
    run.assert_complete();
    let failure = run.failure("0001");
    assert_eq!(failure["code"], "agent-lost");
    assert!(failure["message"].as_str().unwrap().contains(why), "{failure}");
}

#[test]
#[ignore = "needs sshd: its controller is killed in a trial"]
fn kill_9_of_the_controller_leaves_nothing_and_the_next_one_sweeps_its_sockets() {
    let Some(mut bench) = under_load(&["--ignore-term"]) else { return };
    let running = begin(&bench);
    let pid = running.pid();
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().code(), None);
    // The connection's own process, which names the key, is among those that must end.
    assert_gone(&bench, &[]);
    let sockets = bench.project.path("r").join(format!("timetrial-ssh-{pid}"));
    assert!(sockets.exists(), "a killed controller can't remove it");
    bench.timetrial(&["doctor"]).assert_code(0);
    assert!(!sockets.exists());
    bench.assert_clean();
    bench.project.daemon("alpha", &[]);
    bench.project.scenario(&Scenario::default());
    bench.project.look();
    bench.run().assert_code(0).assert_said("1 measured");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: its agent is killed in a trial"]
fn kill_9_of_the_agent_is_told_as_that_and_the_next_contact_sweeps() {
    // It ignores TERM, which is all that the kernel sends it when the agent dies.
    let Some(bench) = under_load(&["--ignore-term", "--double-fork-orphan"]) else { return };
    let running = begin(&bench);
    kill(agent(&bench), Signal::SIGKILL).unwrap();
    assert_lost(&bench, running, "it was killed there; the connection stands");
    assert!(!machine::pids(&bench.project.path(""), "stub-daemon").is_empty(), "or the test shows nothing");
    let doctor = bench.timetrial(&["doctor"]);
    assert!(doctor.assert_code(0).stdout.contains("left by a dead agent, removed: process "), "{}", doctor.stdout);
    assert_gone(&bench, &[]);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: its agent is stopped, which is noticed after 10 s"]
fn an_agent_that_is_silent_is_told_as_that() {
    let Some(bench) = under_load(&[]) else { return };
    let running = begin(&bench);
    let (agent, begun) = (agent(&bench), Instant::now());
    kill(agent, Signal::SIGSTOP).unwrap();
    running.await_that("loss", || running.stderr().contains("not a word from it for 10 s"));
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    kill(agent, Signal::SIGCONT).unwrap();
    assert_lost(&bench, running, "not a word from it for 10 s");
    assert_gone(&bench, &[]);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: its sessions are frozen, which is noticed after some seconds"]
fn a_frozen_link_is_noticed_at_both_ends() {
    let Some(bench) = under_load(&["--ignore-term"]) else { return };
    let running = begin(&bench);
    bench.sshd.signal_sessions(Signal::SIGSTOP);
    let begun = Instant::now();
    assert_lost(&bench, running, "the connection to it broke: Timeout, server 127.0.0.2 not responding");
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    // At the far end nothing was closed: sshd is still stopped, and with it the agent's streams.
    assert!(!bench.sshd.sessions().is_empty());
    assert_gone(&bench, &[]);
    bench.sshd.signal_sessions(Signal::SIGCONT);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: its sessions are killed"]
fn a_connection_that_breaks_is_told_as_that() {
    let Some(bench) = under_load(&["--ignore-term"]) else { return };
    let running = begin(&bench);
    bench.sshd.signal_sessions(Signal::SIGKILL);
    assert_lost(&bench, running, "the connection to it broke");
    assert_gone(&bench, &[]);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: a campaign on it is interrupted"]
fn ctrl_c_ends_a_campaign_on_two_machines_in_order() {
    let Some(mut bench) = under_load(&[]) else { return };
    let states = ["s/one", "s/two"];
    states.iter().for_each(|state| bench.place(state));
    let [one, two] = states.map(|state| format!("\"{}\"", bench.project.path(state).display()));
    bench.hosts(&[
        bench.machine("alpha", "[\"server\"]", &[("state_dir", &one)]),
        bench.machine("beta", "[\"client\", \"database\"]", &[("state_dir", &two), ("host", "\"127.0.0.3\"")]),
    ]);
    let running = begin(&bench);
    running.signal(Signal::SIGINT);
    running.end().assert_code(130).assert_said("stopping (Ctrl-C)");
    bench.assert_clean();
    let run = RunDirectory::only(&bench.project);
    run.assert_complete();
    assert_eq!(run.types().iter().filter(|kind| *kind == "machine-released").count(), 2);
    assert!(states.iter().all(|state| entries(&bench.project.path(state).join("w")).is_empty()));
    assert!(fs::read_dir(bench.project.path("r")).unwrap().next().is_none());
}
