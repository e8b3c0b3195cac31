//! Nothing is tuned that may not be, and nothing without being asked.

use crate::faults::tuned::{KEYS, alone, project, setting, snapshot};

#[test]
#[ignore = "needs root"]
fn a_dry_run_shows_every_difference_and_changes_nothing() {
    let (_alone, project) = (alone(), project());
    let before = snapshot();
    let ended = project.timetrial(&["run", "--dry-run", "scenarios/day.toml"]);
    ended.assert_code(0);
    for (key, value) in KEYS {
        let line = format!("here: {key} {} -> {value} (sysctl/harmless.conf:", setting(key));
        assert!(ended.stdout.contains(&line), "{line}\n{}", ended.stdout);
    }
    assert!(ended.stdout.ends_with("Nothing was changed.\n"), "{}", ended.stdout);
    assert_eq!(snapshot(), before);
    // Not even the cache was made, nor a run directory.
    assert!(!project.path("s").exists() && !project.path("reports").exists());
    project.assert_clean();
}

#[test]
#[ignore = "needs root"]
fn without_a_terminal_and_without_yes_nothing_is_tuned() {
    let (_alone, project) = (alone(), project());
    let before = snapshot();
    project.run().assert_code(2).assert_said("nobody is there to agree to that").assert_said("(hint: pass --yes");
    assert_eq!(snapshot(), before);
    project.assert_clean();
}

#[test]
#[ignore = "needs root"]
fn what_was_set_is_read_back_verified_and_put_back() {
    let (_alone, project) = (alone(), project());
    let before = snapshot();
    let ended = project.timetrial(&["run", "--yes", "scenarios/day.toml"]);
    ended
        .assert_code(0)
        .assert_said("here is tuned: 2 of 2 settings, read back")
        .assert_said("here is put back: 2 of 2 changes");
    ended.assert_said("here is as it was found: ");
    assert_eq!(snapshot(), before);
    let events = std::fs::read_to_string(project.runs()[0].join("events.jsonl")).unwrap();
    for kind in ["reckoned", "machine-tuned", "tuning-verified", "tuning-undone", "machine-compared"] {
        assert_eq!(events.matches(&format!("\"type\":\"{kind}\"")).count(), 1, "{kind}");
    }
    project.timetrial(&["restore"]).assert_code(0);
    project.assert_clean();
}
