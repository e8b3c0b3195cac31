//! No apt, no network: told clearly, within limits, and nothing is left.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::machine::not_run;
use crate::support::project::{Project, RUN};
use crate::support::running::{Ended, RunDirectory, Running};

/// A project that needs a Debian package.
fn with_a_package() -> Project {
    let mut project = Project::new();
    let daemon = fs::read_to_string(project.path("daemons/alpha/daemon.toml")).unwrap();
    project.write("daemons/alpha/daemon.toml", daemon.replace("system = true", "packages = [\"hello\"]"));
    project.look();
    project
}

/// Runs it inside other namespaces; none where that is not allowed.
fn inside(project: &Project, unshare: &[&str], script: &str) -> Option<Ended> {
    let script = format!("{script}; exec \"$@\"");
    let by = [&["unshare"], unshare, &["sh", "-c", &script, "sh"]].concat();
    let ended = Running::start(project, project.started_by(&by, RUN)).end();
    if ended.stderr.contains("Operation not permitted") || ended.stderr.contains("permission denied") {
        not_run("making namespaces is not allowed");
        return None;
    }
    Some(ended)
}

fn assert_not_fit(project: &Project) {
    project.assert_clean();
    let run = RunDirectory::only(project);
    run.assert_complete();
    assert!(!run.types().iter().any(|kind| kind == "trial-started"));
}

#[test]
#[ignore = "needs root: it hides apt-get in a mount namespace"]
fn a_machine_without_apt_is_told_what_it_lacks() {
    let project = with_a_package();
    let hide =
        "for apt in /usr/bin/apt-get /bin/apt-get; do [ ! -e $apt ] || mount --bind /dev/null $apt || exit 99; done";
    let Some(ended) = inside(&project, &["-m"], hide) else { return };
    ended
        .assert_code(5)
        .assert_said("here: this machine has no apt-get, so packages for `packages-alpha@here` can't be had");
    ended.assert_said("(hint: use a Debian machine, or daemons with `system = true` that use what is on the PATH)");
    assert_not_fit(&project);
    let doctor = Running::start(&project, {
        let script = format!("{hide}; exec \"$@\"");
        project.started_by(&["unshare", "-m", "sh", "-c", &script, "sh"], &["doctor"])
    });
    let doctor = doctor.end();
    assert!(doctor.assert_code(5).stdout.contains("missing: apt-get"), "{}", doctor.stdout);
}

#[test]
#[ignore = "needs root: it takes the network away in a network namespace"]
fn a_machine_without_a_network_is_told_what_apt_said() {
    let project = with_a_package();
    let begun = Instant::now();
    let Some(ended) = inside(&project, &["-n"], ":") else { return };
    ended
        .assert_code(5)
        .assert_said("here: apt can't read its package indexes for `packages-alpha@here`: exit code 100");
    ended.assert_said("(hint: its sources, proxy and certificates are the machine's own");
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    assert_not_fit(&project);
}

#[test]
#[ignore = "needs root: its user is another one in a user namespace"]
fn a_user_without_a_name_is_told_before_postgresql_is_downloaded() {
    let mut project = Project::new();
    let daemon = fs::read_to_string(project.path("daemons/alpha/daemon.toml")).unwrap();
    project.write("daemons/alpha/daemon.toml", daemon + "database = \"pool\"\n");
    let day = fs::read_to_string(project.path("scenarios/day.toml")).unwrap();
    let day = day.replace("endpoints = [\"/index\"]", "endpoints = [\"/agents\"]");
    project.write("scenarios/day.toml", day + "\n[postgres]\nport = 15439\n");
    project.write("scenarios/data/set/schema.sql", "CREATE TABLE agents (name text);\n");
    project.write("scenarios/data/set/rows/agents.csv", "name\nAda\nGrace\n");
    project.look();
    let Some(ended) = inside(&project, &["--user", "--map-user=54321"], ":") else { return };
    ended.assert_code(5).assert_said("here: PostgreSQL would run as user 54321, which has no name here");
    ended.assert_said("(hint: give it one, as root there: useradd --uid 54321 ");
    assert_not_fit(&project);
    let run = RunDirectory::only(&project);
    assert!(!run.types().iter().any(|kind| kind == "provision-started"), "{}", ended.stderr);
}
