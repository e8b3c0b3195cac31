//! What tests with an engine share: a project whose machines are containers, and a look at the engine.

#![expect(clippy::disallowed_methods, reason = "the engine is looked at with its own client, as a user would")]

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::support::project::Project;

/// One test at a time: they share an engine, its images and its addresses.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `docker ARGUMENTS` prints, line by line.
pub fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A project with two machines, `server` and `client` with this in their names, made from `docker/stub`.
pub fn project(word: &str) -> Project {
    let mut project = Project::new();
    let dockerfile = "FROM scratch\nCOPY stub-daemon stub-wrk /stub/\n";
    project.write("docker/stub/Dockerfile", dockerfile);
    for program in ["stub-daemon", "stub-wrk"] {
        let copy = project.path("docker/stub").join(program);
        fs::copy(project.path("bin").join(program), &copy).unwrap();
        // With what a debugger wants they are too large for a folder that is sent to an engine.
        let stripped = Command::new("strip").arg("--strip-debug").arg(&copy).status().unwrap();
        assert!(stripped.success());
    }
    let here = project.path("bin/stub-daemon").display().to_string();
    let daemon = fs::read_to_string(project.path("daemons/alpha/daemon.toml")).unwrap();
    project.write("daemons/alpha/daemon.toml", daemon.replace(&here, "/stub/stub-daemon"));
    let machine = |name: &str, roles: &str, address: &str| {
        format!(
            "[machine.{name}-{word}]\ntransport = \"docker\"\nbuild = \"stub\"\nroles = [{roles}]\n\
             bench_address = \"{address}\"\ntools = {{ wrk = \"/stub/stub-wrk\" }}\n\n"
        )
    };
    let hosts = machine("server", "\"server\", \"database\"", "10.213.91.10")
        + &machine("client", "\"client\"", "10.213.91.11");
    project.write("hosts.toml", hosts);
    project.look();
    project
}

/// What the engine has of this project's runs: containers, networks, data.
pub fn of_runs(word: &str) -> Vec<String> {
    let mine = |line: &String| line.contains(word);
    let format = ["--format", "{{.Names}}", "--filter", "label=timetrial.run"];
    let mut found: Vec<String> =
        docker(&[&["ps", "-a"], format.as_slice()].concat()).into_iter().filter(mine).collect();
    // Neither a network nor data bears a machine's name: those of the runs in the store.
    for (kind, list) in [("network", "{{.Name}} {{.Labels}}"), ("volume", "{{.Name}} {{.Labels}}")] {
        let all = docker(&[kind, "ls", "--format", list, "--filter", "label=timetrial.run"]);
        found.extend(all.into_iter().map(|line| format!("{kind} {line}")));
    }
    found
}

/// Waits until the engine has no container of these machines any more.
pub fn assert_no_container_within(word: &str, limit: Duration) {
    let begun = Instant::now();
    loop {
        let all = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", "label=timetrial.run"]);
        let left: Vec<_> = all.into_iter().filter(|name| name.ends_with(word)).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < limit, "after {limit:?} there is still {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
