//! The user stops a campaign: in order, with what was measured, and with nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::project::{Project, RUN, Scenario};
use crate::support::running::{RunDirectory, Running};

/// Where a campaign is when something happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Packages are being had.
    Provision,
    /// A daemon is not ready yet.
    Ready,
    /// The second daemon is under load.
    Load,
    /// The first daemon does not want to stop.
    Stop,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Provision, Self::Ready, Self::Load, Self::Stop];

    /// A project that stays in this phase for long.
    pub fn project(self) -> Project {
        self.project_that_stops_in("40s")
    }

    /// The same, where a daemon has so long from TERM to KILL.
    fn project_that_stops_in(self, stop: &str) -> Project {
        let slow = format!("ready = \"50s\"\ncalm = \"5s\"\nstop = \"{stop}\"");
        let long = Scenario { wait: &slow, ..Scenario::default() };
        match self {
            Self::Provision => {
                let mut project = Project::new();
                let daemon = fs::read_to_string(project.path("daemons/alpha/daemon.toml")).unwrap();
                project.write("daemons/alpha/daemon.toml", daemon.replace("system = true", "packages = [\"hello\"]"));
                // An apt that waits for ever on its network, with a helper of its own.
                for program in ["apt-get", "dpkg-deb"] {
                    project.write(&format!("bin/{program}"), "#!/bin/sh\nsleep 500 & sleep 600\n");
                    let path = project.path("bin").join(program);
                    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
                }
                project.look();
                project
            }
            Self::Ready => Project::with(&[("alpha", &["--mute"])], &long),
            Self::Load => {
                let two = Scenario { daemons: &["alpha", "beta"], load_s: 2, ..long };
                Project::with(&[("alpha", &[]), ("beta", &[])], &two)
            }
            Self::Stop => Project::with(&[("alpha", &["--ignore-term"])], &long),
        }
    }

    /// Starts a campaign and waits until it is there.
    pub fn begin(self, project: &Project) -> Running<'_> {
        let mut command = project.started_by(&["env", "--default-signal=HUP,INT,TERM,TSTP"], RUN);
        let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
        command.env("PATH", path);
        let running = Running::start(project, command);
        match self {
            Self::Provision => running.await_event("provision-started"),
            Self::Ready => running.await_event("daemon-started"),
            Self::Load => running.await_that("second load", || running.events_of("load-started") == 2),
            Self::Stop => running.await_event("document-checked"),
        }
        std::thread::sleep(Duration::from_millis(150));
        running
    }
}

/// Everything that holds after an interruption, whenever it came.
fn assert_interrupted(project: &Project, running: Running<'_>, name: &str) -> RunDirectory {
    let ended = running.end();
    ended.assert_code(130).assert_said(&format!("stopping ({name})"));
    project.assert_clean();
    let run = RunDirectory::only(project);
    run.assert_complete();
    assert_eq!(run.event("interrupted")["signal"], name);
    assert_eq!(run.event("campaign-finished")["outcome"]["outcome"], "interrupted");
    let list = project.timetrial(&["list"]);
    assert!(list.assert_code(0).stdout.contains("  interrupted: "), "{}", list.stdout);
    run
}

#[test]
fn ctrl_c_ends_any_phase_in_order_and_keeps_what_was_measured() {
    std::thread::scope(|scope| {
        for phase in Phase::ALL {
            scope.spawn(move || {
                let project = phase.project_that_stops_in("2s");
                let running = phase.begin(&project);
                let begun = Instant::now();
                running.signal(Signal::SIGINT);
                let run = assert_interrupted(&project, running, "Ctrl-C");
                assert!(begun.elapsed() < Duration::from_secs(8), "{phase:?} took {:?}", begun.elapsed());
                let finished = run.event("campaign-finished");
                let measured = u64::from(matches!(phase, Phase::Load | Phase::Stop));
                assert_eq!((&finished["measured"], &finished["failed"]), (&measured.into(), &0.into()), "{phase:?}");
                if phase == Phase::Load {
                    // What the interrupted generator still printed is kept; there are no figures of it.
                    assert!(run.bytes("trials/0002/raw/load.stdout").ends_with(b"}\n"));
                    assert!(!run.0.join("trials/0002/metrics.json").exists());
                    assert_eq!(run.json("trials/0001/metrics.json")["requests"], 4000);
                }
            });
        }
    });
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_a_daemon_that_will_not_stop() {
    let project = Phase::Stop.project();
    let running = Phase::Stop.begin(&project);
    running.signal(Signal::SIGINT);
    running.await_that("word", || running.stderr().contains("stopping (Ctrl-C)"));
    let begun = Instant::now();
    running.signal(Signal::SIGINT);
    running.await_that("hurry", || running.stderr().contains("hurrying: nothing more is collected"));
    let run = assert_interrupted(&project, running, "Ctrl-C");
    assert!(begun.elapsed() < Duration::from_secs(8), "took {:?} of the 40 s", begun.elapsed());
    assert_eq!(run.event("daemon-stopped")["killed"], true);
    // The load was over and read: its figures are kept, and count.
    assert_eq!(run.json("trials/0001/metrics.json")["requests"], 2000);
}

#[test]
fn term_and_hup_are_the_same() {
    std::thread::scope(|scope| {
        for (signal, name) in [(Signal::SIGTERM, "SIGTERM"), (Signal::SIGHUP, "SIGHUP")] {
            scope.spawn(move || {
                let project = Phase::Ready.project();
                let running = Phase::Ready.begin(&project);
                running.signal(signal);
                assert_interrupted(&project, running, name);
            });
        }
    });
}

#[test]
fn under_nohup_a_hangup_is_nothing() {
    let project = Project::new();
    let running = Running::start(&project, project.started_by(&["env", "--ignore-signal=HUP"], RUN));
    running.await_event("load-started");
    running.signal(Signal::SIGHUP);
    running.end().assert_code(0).assert_not_said("stopping");
    project.assert_clean();
}

#[test]
fn ctrl_z_is_refused_with_a_message_and_the_run_goes_on() {
    let project = Project::new();
    let running = Running::start(&project, project.started_by(&["env", "--default-signal=TSTP"], RUN));
    running.await_event("load-started");
    running.signal(Signal::SIGTSTP);
    running.end().assert_code(0).assert_said("Ctrl-Z is refused during a run").assert_said("1 measured");
    project.assert_clean();
}

#[test]
fn nobody_reading_what_it_says_does_not_stop_it() {
    let project = Project::new();
    for format in ["human", "json"] {
        let mut command = project.command(&[RUN, &["--message-format", format]].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}");
    }
    project.assert_clean();
    let list = project.timetrial(&["list"]);
    assert_eq!(list.stdout.matches("complete: 1 of 1 trial measured").count(), 2, "{}", list.stdout);
}
