//! Settings that do not take: told with their place before anything is changed, or done without where that was agreed.

use std::path::Path;
use std::time::Duration;

use crate::faults::tuned::{alone, assert_as_it_was_within, project, snapshot};
use crate::support::machine::not_run;
use crate::support::project::Project;
use crate::support::running::{Ended, RunDirectory, Running};

const TUNED: &[&str] = &["run", "--yes", "scenarios/day.toml"];

/// A tuned project whose profile has this line more, and whose `[tune.server]` these keys.
fn with(line: &str, keys: &str) -> Project {
    let mut project = project();
    for (file, more) in [("sysctl/harmless.conf", line), ("scenarios/day.toml", keys)] {
        let text = std::fs::read_to_string(project.path(file)).unwrap();
        project.write(file, format!("{text}{more}\n"));
    }
    project.look();
    project
}

/// Nothing was started.
#[track_caller]
fn refuses(project: &Project, ended: &Ended, words: &[&str]) {
    ended.assert_code(5);
    for words in words {
        assert!(ended.stderr.contains(words), "no `{words}` in:\n{}", ended.stderr);
    }
    let run = RunDirectory::only(project);
    run.assert_complete();
    assert!(!run.types().iter().any(|kind| kind == "trial-started"), "{}", ended.stderr);
    project.assert_clean();
}

/// Refused with these words; with these keys more, the campaign is run and what it made is put back.
#[track_caller]
fn refused_unless(line: &str, keys: &str, words: &[&str], agreed: &str) {
    let _alone = alone();
    let before = snapshot();
    let strict = with(line, keys);
    refuses(&strict, &strict.timetrial(TUNED), words);
    assert_as_it_was_within(&before, Duration::ZERO, "refused");
    let lenient = with(line, agreed);
    lenient.timetrial(TUNED).assert_code(0).assert_said("2 measured");
    lenient.assert_clean();
    assert_as_it_was_within(&before, Duration::ZERO, "agreed");
}

#[test]
#[ignore = "needs root"]
fn a_setting_that_no_kernel_has_is_refused_unless_it_is_optional() {
    let told = "vm.no_such_setting = 1 (sysctl/harmless.conf:3) can't be made: this kernel has no such setting";
    let hint = "add \"vm.no_such_setting\" to `optional`, or mend sysctl/harmless.conf:3";
    refused_unless("vm.no_such_setting = 1", "", &[told, hint], "optional = [\"vm.no_such_setting\"]");
}

/// The kernel makes the size of a pipe a power of two: it takes the value, and has another one.
#[test]
#[ignore = "needs root"]
fn a_value_that_the_kernel_makes_another_is_refused_unless_it_is_enough() {
    let told = "fs.pipe-max-size: `2000000` was asked for, it is `2097152`";
    refused_unless("fs.pipe-max-size = 2000000", "", &[told], "at_least = { \"fs.pipe-max-size\" = 1_048_576 }");
}

#[test]
#[ignore = "needs root"]
fn a_governor_that_a_machine_has_not_is_refused_unless_it_is_optional() {
    if Path::new("/sys/devices/system/cpu/cpu0/cpufreq").exists() {
        return not_run("this machine has governors");
    }
    let keys = "governor = \"performance\"";
    let agreed = "governor = \"performance\"\noptional = [\"governor\"]";
    refused_unless(
        "",
        keys,
        &["cpu.governor = performance (scenarios/day.toml:", "can't be made: this kernel has no such setting"],
        agreed,
    );
}

/// Without the right to raise it, as in a container.
#[test]
#[ignore = "needs root"]
fn more_open_files_than_the_hard_limit_are_refused_unless_less_is_enough() {
    let _alone = alone();
    let before = snapshot();
    let bounded = ["prlimit", "--nofile=1024:4096", "setpriv", "--bounding-set=-sys_resource"];
    let run = |project: &Project| Running::start(project, project.started_by(&bounded, TUNED)).end();
    let strict = with("", "nofile = 100_000");
    let told = "100,000 open files asked for, 4,096 got: the hard limit there";
    refuses(&strict, &run(&strict), &[told, "raise the hard limit there"]);
    let lenient = with("", "nofile = { want = 100_000, at_least = 2_000 }");
    run(&lenient).assert_code(0).assert_said("2 measured");
    lenient.assert_clean();
    assert_as_it_was_within(&before, Duration::ZERO, "nofile");
}

#[test]
#[ignore = "needs root"]
fn a_port_in_the_range_that_is_tuned_is_refused_with_the_line_that_mends_it() {
    let _alone = alone();
    let before = snapshot();
    // One that the campaign can do without is no mistake in a file: whether it takes is seen on the machine.
    let range = "-net.ipv4.ip_local_port_range = 15000 60999";
    let strict = with(range, "");
    let port = strict.port;
    let told = format!("an outgoing connection can take {port} (the daemons)");
    refuses(&strict, &strict.timetrial(TUNED), &[&told, "add the line `net.ipv4.ip_local_reserved_ports = "]);
    assert_as_it_was_within(&before, Duration::ZERO, "range");
}

#[test]
fn a_machine_that_may_not_be_tuned_is_told_with_the_line_that_allows_it() {
    let mut project = project();
    let hosts = std::fs::read_to_string(project.path("hosts.toml")).unwrap();
    project.write("hosts.toml", hosts.replace("may_tune = true\n", ""));
    project.look();
    let ended = project.timetrial(TUNED);
    ended.assert_code(2).assert_said("the scenario tunes machine `here`, and the inventory does not allow it");
    ended.assert_said("hosts.toml:1:").assert_said("add the line `may_tune = true` under [machine.here] in ");
    assert_eq!(project.runs(), Vec::<std::path::PathBuf>::new());
    project.assert_clean();
}
