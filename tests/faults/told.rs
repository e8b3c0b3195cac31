//! What is put back, and what is not, is told by every command that finds it; and nothing is measured beside it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::tuned::{alone, assert_as_it_was_within, project, setting, snapshot};
use crate::support::machine::{self, not_run};
use crate::support::project::Project;
use crate::support::running::{RunDirectory, Running};

const TUNED: &[&str] = &["run", "--yes", "scenarios/day.toml"];
const BURST: &str = "/proc/sys/kernel/printk_ratelimit_burst";

/// With signals as a terminal gives them, also where the tester's own are ignored.
fn begin(project: &Project) -> Running<'_> {
    Running::start(project, project.started_by(&["env", "--default-signal=HUP,INT,TERM"], TUNED))
}

/// A campaign whose agent is killed in a load, so that the machine stays tuned.
fn left_tuned(project: &Project) {
    let running = begin(project);
    running.await_event("load-started");
    for agent in machine::pids(&project.path(""), "agent --state-dir") {
        kill(Pid::from_raw(agent), Signal::SIGKILL).unwrap();
    }
    running.end().assert_code(1).assert_said("warning: here may still be tuned: its agent was lost before");
    assert_eq!(setting("kernel.printk_ratelimit_burst"), "77", "or the test shows nothing");
}

/// A setting that nobody can write, until the end of the test.
struct ReadOnly;

impl ReadOnly {
    /// None where that is not allowed.
    fn burst() -> Option<Self> {
        mount(&["--bind", BURST, BURST]).then_some(Self).filter(|_| mount(&["-o", "remount,bind,ro", BURST]))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        run("umount", &[BURST]);
    }
}

fn mount(arguments: &[&str]) -> bool {
    run("mount", arguments)
}

#[expect(clippy::disallowed_methods, reason = "makes the machine's bad day")]
fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs root"]
fn doctor_and_clean_tell_what_they_put_back_and_what_is_somebody_elses() {
    let _alone = alone();
    let before = snapshot();
    for command in ["doctor", "clean"] {
        let project = project();
        left_tuned(&project);
        let was = setting("net.ipv4.tcp_orphan_retries");
        fs::write("/proc/sys/net/ipv4/tcp_orphan_retries", "3").unwrap();
        let ended = project.timetrial(&[command]);
        fs::write("/proc/sys/net/ipv4/tcp_orphan_retries", before["/proc/sys/net/ipv4/tcp_orphan_retries"].trim())
            .unwrap();
        assert_eq!(was, "5", "or the test shows nothing");
        for words in [
            "had left it changed",
            "put back: kernel.printk_ratelimit_burst 77 -> ",
            "left alone: net.ipv4.tcp_orphan_retries is 3, which somebody else set meanwhile",
            "(hint: to put that back, sysctl -w ",
        ] {
            assert!(ended.stdout.contains(words), "{command}: no `{words}` in:\n{}", ended.stdout);
        }
        assert_as_it_was_within(&before, Duration::ZERO, command);
    }
}

#[test]
#[ignore = "needs root: it makes a setting read-only"]
fn what_can_not_be_put_back_is_told_by_all_and_nothing_is_measured_beside_it() {
    let _alone = alone();
    let before = snapshot();
    let project = project();
    let running = begin(&project);
    running.await_event("load-started");
    let Some(read_only) = ReadOnly::burst() else {
        running.signal(Signal::SIGINT);
        running.end();
        return not_run("mounting over a setting is not allowed");
    };
    // Ctrl-C is answered by more than "interrupted": the machine is not what it was.
    running.signal(Signal::SIGINT);
    let ended = running.end();
    ended.assert_code(1).assert_said("NOT put back: kernel.printk_ratelimit_burst is 77 and was ");
    ended.assert_said("warning: here is left changed: kernel.printk_ratelimit_burst could not be put back: ");
    ended.assert_said("(hint: `timetrial restore --hosts FILE` tries again");
    let page = fs::read_to_string(RunDirectory::only(&project).0.join("report/report.md")).unwrap();
    assert!(page.contains("here is left changed: kernel.printk"), "{page}");
    for command in ["doctor", "clean", "restore"] {
        let ended = project.timetrial(&[command]);
        ended.assert_code(if command == "restore" { 1 } else { 5 });
        assert!(
            ended.stdout.contains("NOT put back: kernel.printk_ratelimit_burst is 77"),
            "{command}: {}",
            ended.stdout
        );
        assert!(command == "restore" || ended.stdout.contains("(hint: look at why it failed; `timetrial restore"));
    }
    let ended = project.timetrial(TUNED);
    ended.assert_code(5).assert_said("failed: here is still as run ").assert_said("`timetrial restore --hosts FILE`");
    drop(read_only);
    let ended = project.timetrial(&["restore"]);
    let words = ["is tuned by run ", "restoring will:\n  put back kernel.printk_ratelimit_burst 77 -> "];
    assert!(words.iter().all(|words| ended.assert_code(0).stdout.contains(words)), "{}", ended.stdout);
    assert_as_it_was_within(&before, Duration::ZERO, "restored");
    project.assert_clean();
}

#[test]
#[ignore = "needs root"]
fn a_dry_run_says_what_a_run_would_do_about_what_is_left() {
    let _alone = alone();
    let before = snapshot();
    let project = project();
    left_tuned(&project);
    fs::write(BURST, "42").unwrap();
    let ended = project.timetrial(&["run", "--dry-run", "scenarios/day.toml"]);
    let run = project.timetrial(TUNED);
    fs::write(BURST, before[BURST].trim()).unwrap();
    let retries = before["/proc/sys/net/ipv4/tcp_orphan_retries"].trim();
    for words in [
        "leave kernel.printk_ratelimit_burst alone: it is 42, which is not what that run set",
        &format!("put back net.ipv4.tcp_orphan_retries 5 -> {retries}"),
        "Tuning would make 2 changes",
        "here: kernel.printk_ratelimit_burst 42 -> 77 (",
        &format!("here: net.ipv4.tcp_orphan_retries {retries} -> 5 ("),
    ] {
        assert!(ended.assert_code(0).stdout.contains(words), "no `{words}` in:\n{}", ended.stdout);
    }
    run.assert_code(0)
        .assert_said("left alone: kernel.printk_ratelimit_burst is 42, which somebody else set meanwhile");
    run.assert_said("here is tuned: 2 of 2 settings").assert_said("here is put back: 2 of 2 changes");
    assert_as_it_was_within(&before, Duration::ZERO, "after all");
}

#[test]
#[ignore = "needs root: it mounts a small file system"]
fn a_full_store_silences_nothing_that_is_said_of_the_machine() {
    let _alone = alone();
    let before = snapshot();
    let mut project = project();
    project.wrk("flood");
    let store = project.path("reports");
    fs::create_dir_all(&store).unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs", &store.display().to_string()]) {
        return not_run("mounting a tmpfs is not allowed");
    }
    let ended = project.timetrial(TUNED);
    run("umount", &["-l", &store.display().to_string()]);
    ended.assert_code(1).assert_said("error: can't write the record in ");
    ended.assert_said("because: trials/0001/raw/load.stdout: No space left on device");
    ended.assert_said("here is put back: 2 of 2 changes").assert_said("here is as it was found: ");
    assert_as_it_was_within(&before, Duration::ZERO, "a full store");
}

#[test]
#[ignore = "needs root"]
fn a_run_is_not_resumed_on_a_machine_that_may_not_be_tuned_any_more() {
    let _alone = alone();
    let before = snapshot();
    let mut project = project();
    let running = begin(&project);
    running.await_event("load-started");
    running.signal(Signal::SIGINT);
    running.end().assert_code(130);
    let hosts = fs::read_to_string(project.path("hosts.toml")).unwrap();
    project.write("hosts.toml", hosts.replace("may_tune = true\n", ""));
    project.look();
    let ended = project.timetrial(&["resume", "--yes"]);
    ended.assert_code(2).assert_said("the scenario tunes machine `here`, and the inventory does not allow it any more");
    ended.assert_said("(hint: add the line `may_tune = true` under [machine.here] in ");
    // One that is not there any more says nothing, and the plan is the recorded one.
    fs::remove_file(project.path("hosts.toml")).unwrap();
    project.look();
    project.timetrial(&["resume", "--yes"]).assert_code(0).assert_said("here is put back: 2 of 2 changes");
    assert_as_it_was_within(&before, Duration::ZERO, "resumed");
    project.assert_clean();
}

/// What somebody at a terminal answers.
#[test]
#[ignore = "needs root"]
fn at_a_terminal_the_changes_are_shown_and_made_only_after_a_yes() {
    let _alone = alone();
    let before = snapshot();
    if !std::path::Path::new("/usr/bin/script").exists() {
        return not_run("there is no `script` to make a terminal with");
    }
    let product = env!("CARGO_BIN_EXE_timetrial");
    for (answer, code, said) in [
        ("no", 5, "you did not agree to the changes on this machine, so nothing was changed"),
        ("yes", 0, "here is put back: 2 of 2 changes"),
    ] {
        let project = project();
        // Its input has to stay open: at its end the terminal would be closed.
        let line = format!("(echo {answer}; sleep 15) | script -qec '{product} run scenarios/day.toml' /dev/null");
        let ended = Running::start(&project, project.started_by(&["sh", "-c", &line], &[])).end();
        ended.assert_code(code);
        for words in ["This machine would be changed, and put back at the end:", "Agree? Type yes", said] {
            assert!(ended.stdout.contains(words), "{answer}: no `{words}` in:\n{}", ended.stdout);
        }
        let line = format!("here: kernel.printk_ratelimit_burst {} -> 77", before[BURST].trim());
        assert!(ended.stdout.contains(&line), "no `{line}` in:\n{}", ended.stdout);
        let tuned = RunDirectory::only(&project).types().iter().any(|kind| kind == "machine-tuned");
        assert_eq!(tuned, answer == "yes");
        assert_as_it_was_within(&before, Duration::ZERO, answer);
        project.assert_clean_within(Duration::from_secs(10));
    }
}
