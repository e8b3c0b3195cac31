//! A machine that somebody tunes is nobody else's, until it is put back.

use std::time::Duration;

use crate::faults::tuned::{alone, assert_as_it_was_within, project, snapshot, tune};
use crate::support::project::{Project, Scenario};
use crate::support::running::Running;

const TUNED: &[&str] = &["run", "--yes", "scenarios/day.toml"];

#[test]
#[ignore = "needs root"]
fn a_second_campaign_is_told_who_tunes_and_unlock_ends_that_one_and_puts_back() {
    let _alone = alone();
    let before = snapshot();
    let long = Scenario { load_s: 90, ..Scenario::default() };
    let mut first = Project::with(&[("alpha", &[])], &long);
    tune(&first, "");
    first.look();
    let running = Running::start(&first, first.command(TUNED));
    running.await_event("load-started");
    let tuned = snapshot();
    assert_ne!(tuned, before, "or the test shows nothing");

    // Another state directory is no way around it.
    let second = project();
    let ended = second.timetrial(TUNED);
    ended.assert_code(5).assert_said("here: this machine is in use by tester@");
    let run = running.directory().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    assert!(ended.stderr.contains(&format!("process {}, run {run}, since ", running.pid())), "{}", ended.stderr);
    let id = ended.stderr.split("timetrial unlock MACHINE --id ").nth(1).unwrap();
    let id: String = id.chars().take_while(char::is_ascii_alphanumeric).collect();
    assert_as_it_was_within(&tuned, Duration::ZERO, "after the second");

    second
        .timetrial(&["unlock", "here", "--id", "00000000"])
        .assert_code(5)
        .assert_said(&format!("MACHINE --id {id})"));
    assert_as_it_was_within(&tuned, Duration::ZERO, "after a wrong id");
    let freed = second.timetrial(&["unlock", "here", "--id", &id]);
    assert!(freed.assert_code(0).stdout.starts_with("here is free: ended tester@"), "{}", freed.stdout);
    assert_as_it_was_within(&before, Duration::ZERO, "unlocked");
    running.end().assert_code(1).assert_said("lost the agent on here: ");
    first.assert_clean();
    second.timetrial(TUNED).assert_code(0);
    assert_as_it_was_within(&before, Duration::ZERO, "the second, after all");
}
