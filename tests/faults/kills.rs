//! `kill -9`, at every event of a tuned campaign: the machine is as it was soon after, and the campaign goes on where it was.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::tuned::{alone, assert_as_it_was_within, project, setting, snapshot};
use crate::support::machine;
use crate::support::project::Project;
use crate::support::running::{RunDirectory, Running};

/// The promises are 15 s and 60 s; a busy test machine gets twice that.
const GONE: Duration = Duration::from_secs(30);
const UNDONE: Duration = Duration::from_secs(120);

const TUNED: &[&str] = &["run", "--yes", "scenarios/day.toml"];

/// Whether every fault is followed by going on, and not a sample of them.
fn all() -> bool {
    std::env::var_os("TIMETRIAL_ALL").is_some()
}

/// What a test counted, for whoever runs it: cargo keeps what a test prints to itself where it passes.
#[expect(clippy::print_stderr, reason = "a test speaks to the tester")]
fn tell(line: &str) {
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("TIMETRIAL_COUNTS") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    }
}

/// With signals as a terminal gives them, also where the tester's own are ignored, as under `nohup`.
fn begin(project: &Project) -> Running<'_> {
    Running::start(project, project.started_by(&["env", "--default-signal=HUP,INT,TERM"], TUNED))
}

fn lines(running: &Running<'_>) -> usize {
    let events = running.directory().map(|run| fs::read(run.join("events.jsonl")).unwrap_or_default());
    events.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// Has the controller die as soon as it has written so many events; false where it was done before.
fn dies_at(project: &Project, event: usize) -> bool {
    let running = begin(project);
    let begun = Instant::now();
    while lines(&running) < event {
        if running.directory().is_some_and(|run| run.join("complete.json").exists()) {
            running.end();
            return false;
        }
        assert!(begun.elapsed() < GONE, "no event {event}: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal(Signal::SIGKILL);
    running.end().code().is_none()
}

#[test]
#[ignore = "needs root"]
fn of_the_controller_at_every_event_leaves_the_machine_as_it_was() {
    let _alone = alone();
    let before = snapshot();
    let (mut died, mut resumed, mut longest) = (0, 0, Duration::ZERO);
    let mut written = 0;
    for event in 1.. {
        let project = project();
        if !dies_at(&project, event) {
            written = RunDirectory::only(&project).events().len();
            break;
        }
        died += 1;
        let begun = Instant::now();
        project.assert_clean_within(GONE);
        let gone = begun.elapsed();
        longest = longest.max(gone + assert_as_it_was_within(&before, UNDONE, &format!("killed at event {event}")));
        RunDirectory::only(&project).events();
        if all() || event % 6 == 0 {
            let ended = project.timetrial(&["resume", "latest", "--yes"]);
            ended.assert_code(0);
            assert_as_it_was_within(&before, Duration::ZERO, &format!("resumed after event {event}"));
            let run = RunDirectory::only(&project);
            assert!(run.0.join("complete.json").exists(), "event {event}");
            for trial in ["0001", "0002"] {
                assert!(run.0.join(format!("trials/{trial}/metrics.json")).exists(), "event {event}: {trial}");
            }
            project.assert_clean();
            resumed += 1;
        }
    }
    tell(&format!(
        "killed at each of {died} events, restored {died} times, resumed {resumed} times; at the longest {longest:?}"
    ));
    // The last few are written in a breath: the run may be over before it is killed.
    assert!(written > 25 && died + 4 >= written, "killed at {died} of {written} events");
}

#[test]
#[ignore = "needs root"]
fn of_the_agent_is_undone_by_the_next_contact_and_by_restore() {
    let _alone = alone();
    let before = snapshot();
    for way in ["restore", "run"] {
        let project = project();
        let running = begin(&project);
        running.await_event("load-started");
        assert_eq!(setting("kernel.printk_ratelimit_burst"), "77");
        for agent in machine::pids(&project.path(""), "agent --state-dir") {
            kill(Pid::from_raw(agent), Signal::SIGKILL).unwrap();
        }
        running.end().assert_code(1).assert_said("lost the agent on here: it ended");
        assert_eq!(setting("kernel.printk_ratelimit_burst"), "77", "or the test shows nothing");
        if way == "restore" {
            let ended = project.timetrial(&["restore"]);
            ended.assert_code(0);
            assert!(ended.stdout.contains("put back: kernel.printk_ratelimit_burst 77 -> "), "{}", ended.stdout);
            let again = project.timetrial(&["restore"]);
            assert_eq!(again.assert_code(0).stdout, "here: nothing to put back\n");
        } else {
            project.timetrial(TUNED).assert_code(0).assert_said("had left it changed");
        }
        assert_as_it_was_within(&before, Duration::ZERO, way);
    }
}

#[test]
#[ignore = "needs root"]
fn signals_undo_before_the_end() {
    let _alone = alone();
    let before = snapshot();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let project = project();
        let running = begin(&project);
        running.await_event("load-started");
        running.signal(signal);
        running.end().assert_code(130).assert_said("here is put back: 2 of 2 changes");
        assert_as_it_was_within(&before, Duration::ZERO, signal.as_str());
        project.assert_clean();
    }
}

#[test]
#[ignore = "needs root"]
fn what_somebody_else_sets_meanwhile_is_left_alone_and_told() {
    let _alone = alone();
    let before = snapshot();
    let project = project();
    let running = begin(&project);
    running.await_event("load-started");
    let path = "/proc/sys/kernel/printk_ratelimit_burst";
    let was = before[path].clone();
    fs::write(path, "42").unwrap();
    let ended = running.end();
    fs::write(path, was.trim()).unwrap();
    ended.assert_said("kernel.printk_ratelimit_burst was 77 and is 42 after the last trial");
    ended.assert_said("left alone: kernel.printk_ratelimit_burst is 42, which somebody else set meanwhile");
    assert_as_it_was_within(&before, Duration::ZERO, "the other setting");
}
