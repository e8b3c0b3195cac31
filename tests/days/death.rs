//! The controller or the agent dies: the machine is left as it was found, and the next run works.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::days::interruption::Phase;
use crate::support::machine;
use crate::support::project::{Project, RUN, Scenario};
use crate::support::running::{RunDirectory, Running};

/// The promise is 15 s; a busy test machine gets twice that.
const GONE: Duration = Duration::from_secs(30);

#[test]
fn kill_9_of_the_controller_in_any_phase_leaves_nothing() {
    std::thread::scope(|scope| {
        for phase in Phase::ALL {
            scope.spawn(move || {
                let project = phase.project();
                let running = phase.begin(&project);
                running.signal(Signal::SIGKILL);
                assert_eq!(running.end().code(), None);
                project.assert_clean_within(GONE);
                let run = RunDirectory::only(&project);
                run.events();
                assert!(!run.0.join("complete.json").exists(), "{phase:?}");
                let list = project.timetrial(&["list"]);
                assert!(list.assert_code(0).stdout.contains("cut off or still running: "), "{}", list.stdout);
                let show = project.timetrial(&["show"]);
                assert!(show.assert_code(0).stdout.contains("cut off"), "{phase:?}: {}", show.stdout);
            });
        }
    });
}

#[test]
fn a_new_run_right_after_a_kill_9_waits_for_the_dying_agent() {
    // A daemon that takes its whole time to die.
    let project = Phase::Stop.project();
    let running = Phase::Stop.begin(&project);
    running.signal(Signal::SIGKILL);
    running.end();
    project.daemon("alpha", &[]);
    let ended = project.run();
    ended.assert_code(0).assert_said("1 measured").assert_said("waiting: for tester@");
    assert!(machine::processes_of(&project.path("")).is_empty() && machine::listeners(project.port).is_empty());
}

#[test]
#[ignore = "slow: waits for the 10 s of silence after which a stopped controller is taken for dead"]
fn a_stopped_controller_is_taken_for_dead() {
    let project = Phase::Ready.project();
    let running = Phase::Ready.begin(&project);
    running.signal(Signal::SIGSTOP);
    let begun = Instant::now();
    let of_the_agent = |line: &String| !line.contains(" run scenarios/day.toml");
    while project.remains().iter().any(of_the_agent) {
        assert!(begun.elapsed() < GONE, "{:#?}", project.remains());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "a short stop is forgiven");
    // Woken up, it finds its agent gone and says so.
    running.signal(Signal::SIGCONT);
    running.end().assert_code(1).assert_said("lost the agent on here: ");
    project.assert_clean();
}

#[test]
fn kill_9_of_the_agent_is_told_and_the_next_run_sweeps() {
    // It ignores TERM, which is all that the kernel sends it when the agent dies.
    let scenario = Scenario { load_s: 20, ..Scenario::default() };
    let mut project = Project::with(&[("alpha", &["--ignore-term", "--double-fork-orphan"])], &scenario);
    let running = project.begin();
    running.await_event("load-started");
    let agents = machine::pids(&project.path(""), "agent --state-dir");
    assert_eq!(agents.len(), 1);
    kill(Pid::from_raw(agents[0]), Signal::SIGKILL).unwrap();
    let ended = running.end();
    ended.assert_code(1).assert_said("lost the agent on here: it ended");
    ended.assert_said("(hint: what it had started ends by itself or is removed by the next run, which says so)");
    let run = RunDirectory::only(&project);
    run.assert_complete();
    assert_eq!(run.failure("0001")["code"], "agent-lost");
    assert!(!machine::pids(&project.path(""), "stub-daemon").is_empty(), "or the test shows nothing");

    project.daemon("alpha", &[]);
    project.scenario(&Scenario::default());
    project.look();
    let ended = project.run();
    ended.assert_code(0).assert_said("1 measured");
    assert!(ended.stderr.contains("left by a dead agent, removed: process "), "{}", ended.stderr);
    assert!(ended.stderr.contains("--role orphan") && ended.stderr.contains("/s/w/"), "{}", ended.stderr);
    project.assert_clean();
}

#[test]
#[ignore = "slow: waits for the 10 s of silence, and for the 30 s that an agent gets to leave"]
fn an_agent_that_is_stopped_is_lost_and_does_not_keep_its_machine() {
    let scenario = Scenario { load_s: 60, ..Scenario::default() };
    let mut project = Project::with(&[("alpha", &[])], &scenario);
    let running = project.begin();
    running.await_event("load-started");
    let agent = machine::pids(&project.path(""), "agent --state-dir")[0];
    kill(Pid::from_raw(agent), Signal::SIGSTOP).unwrap();
    running.end().assert_code(1).assert_said("lost the agent on here: not a word from it for 10 s");
    project.scenario(&Scenario::default());
    project.look();
    project.run().assert_code(0).assert_said("1 measured");
    project.assert_clean();
}

#[test]
fn kill_9_of_the_agent_before_anything_was_changed_is_a_machine_that_is_not_fit() {
    let project = Phase::Provision.project();
    let running = Phase::Provision.begin(&project);
    kill(Pid::from_raw(machine::pids(&project.path(""), "agent --state-dir")[0]), Signal::SIGKILL).unwrap();
    running.end().assert_code(5).assert_said("lost the agent on here: it ended");
    // Its apt died with it; what apt had started is swept by the next contact.
    project.timetrial(&["doctor"]);
    project.assert_clean_within(GONE);
}

#[test]
fn a_controller_without_a_terminal_to_write_to_is_not_hurt_by_its_agent() {
    let project = Project::new();
    let closed = project.started_by(&["sh", "-c", "exec \"$@\" >&- 2>&- <&-", "sh"], RUN);
    assert_eq!(Running::start(&project, closed).end().code(), Some(0));
    project.assert_clean();
}
