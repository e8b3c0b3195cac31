//! A campaign in the machine's own PostgreSQL: a cluster that Debian's own programs made, asked by the test itself before
//! and after.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::faults::tuned::alone;
use crate::support::machine;
use crate::support::project::{Project, Scenario};
use crate::support::running::{RunDirectory, Running};

const VERSION: &str = "15";
const TUNED: &[&str] = &["run", "--yes", "scenarios/day.toml"];

/// The promise is 60 s.
const UNDONE: Duration = Duration::from_secs(120);

#[expect(clippy::disallowed_methods, reason = "the test prepares the machine")]
fn output(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").current_dir("/").output().unwrap()
}

fn done(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A cluster of Debian's, dropped in the end.
struct Cluster {
    name: String,
    port: u16,
}

impl Cluster {
    fn new(port: u16) -> Self {
        let name = format!("tt{}", std::process::id());
        let there = output("pg_lsclusters", &["--no-header"]);
        assert!(there.status.success(), "no postgresql-common");
        let cluster = Self { name, port };
        done("pg_createcluster", &[VERSION, &cluster.name, "--port", &port.to_string(), "--start"]);
        cluster
    }

    fn label(&self) -> String {
        format!("{VERSION}/{}", self.name)
    }

    fn control(&self, action: &str) {
        done("pg_ctlcluster", &[VERSION, &self.name, action]);
    }

    fn folder(&self) -> PathBuf {
        Path::new("/etc/postgresql").join(VERSION).join(&self.name)
    }

    fn drop_in(&self) -> PathBuf {
        self.folder().join("conf.d/zz-timetrial.conf")
    }

    fn ask(&self, sql: &str) -> String {
        let port = self.port.to_string();
        let psql = format!("/usr/lib/postgresql/{VERSION}/bin/psql");
        let by_owner = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", &psql];
        let rest = ["-h", "/var/run/postgresql", "-p", &port, "-d", "postgres", "-XAtc", sql];
        done("setpriv", &[&by_owner[..], &rest].concat())
    }

    /// Everything that a campaign may touch.
    fn snapshot(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for (name, sql) in [
            (
                "settings",
                "select name, setting, source, sourcefile, pending_restart from pg_settings where source <> 'client' order by 1",
            ),
            ("databases", "select datname from pg_database order by 1"),
            ("roles", "select rolname from pg_roles order by 1"),
        ] {
            values.insert(name.to_owned(), self.ask(sql));
        }
        let data = self.ask("show data_directory");
        let automatic = Path::new(data.trim()).join("postgresql.auto.conf");
        for folder in [self.folder(), self.folder().join("conf.d")] {
            for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
                values.insert(entry.path().display().to_string(), fs::read_to_string(entry.path()).unwrap());
            }
        }
        values.insert("automatic".to_owned(), fs::read_to_string(automatic).unwrap());
        values
    }

    #[track_caller]
    fn assert_as_it_was(&self, before: &BTreeMap<String, String>) {
        let now = self.snapshot();
        for (name, value) in before {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (was, is) = (lines(value), lines(now.get(name).map_or("", String::as_str)));
            let differ: Vec<_> = is.iter().filter(|line| !was.contains(line)).collect();
            assert_eq!(differ, Vec::<&String>::new(), "{name}");
            assert_eq!(was.len(), is.len(), "{name}");
        }
        assert_eq!(
            now.len(),
            before.len(),
            "{:?}",
            now.keys().filter(|name| !before.contains_key(*name)).collect::<Vec<_>>()
        );
    }

    fn assert_as_it_was_within(&self, before: &BTreeMap<String, String>, limit: Duration) {
        let begun = Instant::now();
        // While the server is started anew, nobody can ask it.
        while self.drop_in().exists() || !Self::nothing_is_left() || !self.is_online() {
            assert!(begun.elapsed() < limit, "not put back after {limit:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.assert_as_it_was(before);
    }

    fn nothing_is_left() -> bool {
        !Path::new("/var/lib/timetrial/undo-postgresql.json").exists()
            && !Path::new("/var/lib/timetrial/undo.who").exists()
    }

    fn is_online(&self) -> bool {
        let text = done("pg_lsclusters", &["--no-header"]);
        text.lines().any(|line| line.split_whitespace().nth(1) == Some(&self.name) && line.contains(" online "))
    }

    /// A project whose campaign uses it, with a profile of these lines.
    fn project(&self, profile: &str) -> Project {
        let mut project = Project::with(&[("alpha", &[])], &Scenario { load_s: 2, ..Scenario::default() });
        let hosts = fs::read_to_string(project.path("hosts.toml")).unwrap();
        let own = format!("postgresql = {{ cluster = \"{}\", port = {} }}", self.label(), self.port);
        project.write("hosts.toml", format!("{hosts}may_tune = true\n{own}\n"));
        let day = fs::read_to_string(project.path("scenarios/day.toml")).unwrap();
        project.write("scenarios/day.toml", format!("{day}\n[postgres]\nconf = \"own\"\n"));
        project.write("postgres-conf/own.conf", profile);
        project.write("scenarios/data/set/schema.sql", "create table agents (id integer, name text);\n");
        project.write("scenarios/data/set/agents.csv", "id,name\n1,Ada\n2,Grace\n");
        let daemon = fs::read_to_string(project.path("daemons/alpha/daemon.toml")).unwrap();
        let uses = daemon.replace("document = \"index\"", "document = \"index\"\ndatabase = \"pool\"");
        project.write("daemons/alpha/daemon.toml", uses);
        project.look();
        project
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Of a test that failed, too: `pg_dropcluster` leaves files that are not its own, and the next of this name finds them.
        let _ = fs::remove_file(self.drop_in());
        let _ = fs::remove_file(self.folder().join("timetrial-pg_hba.conf"));
        output("pg_dropcluster", &["--stop", VERSION, &self.name]);
    }
}

fn begin(project: &Project) -> Running<'_> {
    Running::start(project, project.started_by(&["env", "--default-signal=HUP,INT,TERM"], TUNED))
}

const PROFILE: &str = "work_mem = 32MB\nshared_buffers = 64MB\n";

#[test]
#[ignore = "needs root and PostgreSQL"]
fn the_machines_own_postgresql_is_used_and_is_as_it_was() {
    let (_alone, cluster) = (alone(), Cluster::new(5_961));
    let before = cluster.snapshot();
    let project = cluster.project(PROFILE);
    let dry = project.timetrial(&["run", "--dry-run", "scenarios/day.toml"]);
    dry.assert_code(0);
    for line in [
        "work_mem 4MB -> 32MB (postgres-conf/own.conf:1)",
        "shared_buffers 128MB -> 64MB",
        "max_connections is 100 already",
    ] {
        assert!(dry.stdout.contains(line), "{line}\n{}", dry.stdout);
    }
    cluster.assert_as_it_was(&before);
    let doctor = project.timetrial(&["doctor"]);
    doctor.assert_code(0);
    let line = format!("PostgreSQL {}, which campaigns use: version 15.", cluster.label());
    assert!(doctor.stdout.contains(&line), "{}", doctor.stdout);
    let server = cluster.ask("select pg_postmaster_start_time()");
    project.run().assert_code(2).assert_said("nobody is there to agree to that");
    assert_eq!(cluster.ask("select pg_postmaster_start_time()"), server, "not even started anew");

    let running = begin(&project);
    running.await_event("load-started");
    assert_eq!(cluster.ask("show work_mem").trim(), "32MB");
    assert_eq!(cluster.ask("show shared_buffers").trim(), "64MB");
    assert!(cluster.ask("select datname from pg_database").contains("timetrial_benchmarks"));
    running.end().assert_code(0).assert_said("here is put back: 5 of 5 changes").assert_said("here is as it was found");
    cluster.assert_as_it_was(&before);
    let events = RunDirectory::only(&project);
    let profile = &events.event("database-started")["profile"];
    assert!(profile.as_array().unwrap().iter().all(|one| one["took"] == true), "{profile}");
    assert_eq!(events.event("tuning-verified")["settings"], 2);
    assert!(Cluster::nothing_is_left());
    project.assert_clean();
}

#[test]
#[ignore = "needs root and PostgreSQL"]
fn whatever_dies_the_machines_own_postgresql_is_put_back() {
    let (_alone, cluster) = (alone(), Cluster::new(5_962));
    let before = cluster.snapshot();
    let project = cluster.project(PROFILE);

    let running = begin(&project);
    running.await_event("load-started");
    running.signal(Signal::SIGINT);
    running.end().assert_code(130).assert_said("here is put back: 5 of 5 changes");
    cluster.assert_as_it_was(&before);

    let running = begin(&project);
    running.await_event("load-started");
    running.signal(Signal::SIGKILL);
    running.end();
    cluster.assert_as_it_was_within(&before, UNDONE);

    // With its agent dies whoever would have put it back; as root, that is the product's own process alone.
    let running = begin(&project);
    running.await_event("load-started");
    for pid in machine::pids(project.path("").as_path(), "agent") {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    running.end().assert_code(1);
    assert!(cluster.drop_in().exists() && !Cluster::nothing_is_left());
    // The machine is started anew: values of the kernel would be gone, files are not.
    cluster.control("stop");
    let record = Path::new("/var/lib/timetrial/undo-postgresql.json");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text = fs::read_to_string(record).unwrap();
    assert!(text.contains(boot.trim()));
    fs::write(record, text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    cluster.control("start");
    assert_eq!(cluster.ask("show work_mem").trim(), "32MB");
    let restored = project.timetrial(&["restore"]);
    restored.assert_code(0);
    assert!(
        restored.stdout.contains("its server with the campaign's settings -> with its own settings"),
        "{}",
        restored.stdout
    );
    cluster.assert_as_it_was(&before);
    let again = project.timetrial(&["restore"]);
    assert_eq!(again.stdout, "here: nothing to put back\n");
    // The next contact sweeps what else the dead agent left.
    project.timetrial(&["doctor"]).assert_code(0);
    project.assert_clean();
}

#[test]
#[ignore = "needs root and PostgreSQL"]
fn what_the_server_would_not_take_is_refused_and_nothing_stays() {
    let (_alone, cluster) = (alone(), Cluster::new(5_963));
    cluster.ask("alter system set work_mem = '9MB'");
    cluster.ask("select pg_reload_conf()");
    std::thread::sleep(Duration::from_millis(1_500));
    let before = cluster.snapshot();
    let refused = |profile: &str, words: &[&str]| {
        let project = cluster.project(profile);
        let ended = project.timetrial(TUNED);
        ended.assert_code(1);
        for text in words {
            ended.assert_said(text);
        }
        cluster.assert_as_it_was(&before);
        assert!(Cluster::nothing_is_left());
        project.assert_clean();
    };
    refused(
        "checkpoint_timeout = 10min\nwork_mem = 32MB\n",
        &["`work_mem` (postgres-conf/own.conf:2) would not take: ", "(ALTER SYSTEM) sets it to 9MB and wins"],
    );
    refused("temp_buffers = 1\n", &["PostgreSQL refuses `temp_buffers` (postgres-conf/own.conf:1)"]);
    refused(
        "shared_preload_libraries = nothing_like_it\n",
        &["PostgreSQL does not start with `shared_preload_libraries = nothing_like_it` (postgres-conf/own.conf:1)"],
    );

    let project = cluster.project("checkpoint_timeout = 10min\n");
    let hosts = fs::read_to_string(project.path("hosts.toml")).unwrap();
    let unfit = |hosts: String, words: &str| {
        project.write("hosts.toml", hosts);
        project.timetrial(TUNED).assert_code(5).assert_said(words);
    };
    unfit(hosts.replace("port = 5963", "port = 5964"), "listens on port 5963, and hosts.toml says 5964");
    unfit(hosts.replace(&cluster.name, "nobody"), "this machine has no PostgreSQL 15/nobody: it has ");
    cluster.control("stop");
    unfit(hosts.clone(), "does not run\n  (hint: start it: pg_ctlcluster 15 ");
    cluster.control("start");
    std::thread::sleep(Duration::from_millis(1_500));
    cluster.ask("alter system set work_mem = '8MB'");
    unfit(hosts.clone(), "postgresql.auto.conf was written after PostgreSQL 15/");
    cluster.ask("alter system set work_mem = '9MB'");
    cluster.ask("alter system set max_connections = 90");
    cluster.ask("select pg_reload_conf()");
    std::thread::sleep(Duration::from_millis(500));
    unfit(hosts, "max_connections waits for a restart, and the campaign would be that restart");
    cluster.ask("alter system reset max_connections");
    cluster.ask("select pg_reload_conf()");
    cluster.ask("create role timetrial_bench");
    project.timetrial(TUNED).assert_said("has a role timetrial_bench already");
    cluster.ask("drop role timetrial_bench");
    cluster.assert_as_it_was(&before);
}

#[test]
#[ignore = "needs root and PostgreSQL"]
fn what_somebody_else_does_to_postgresql_meanwhile_is_told() {
    let (_alone, cluster) = (alone(), Cluster::new(5_965));
    let project = cluster.project(PROFILE);
    let running = begin(&project);
    running.await_event("load-started");
    cluster.ask("alter system set work_mem = '1MB'");
    cluster.ask("select pg_reload_conf()");
    running
        .end()
        .assert_code(0)
        .assert_said("work_mem was 32MB and is 1MB after the last trial")
        .assert_said("postgresql.auto.conf (not tuned by us)");
    let run = RunDirectory::only(&project);
    let changed = &run.event("tuning-verified")["changed"];
    assert_eq!(changed[0]["name"], format!("PostgreSQL {}: work_mem", cluster.label()), "{changed}");
    assert_eq!(changed[0]["after"], "1MB");
    cluster.ask("alter system reset work_mem");
    cluster.ask("select pg_reload_conf()");

    let running = begin(&project);
    running.await_event("load-started");
    let mine = fs::read_to_string(cluster.drop_in()).unwrap() + "# and mine\n";
    fs::write(cluster.drop_in(), &mine).unwrap();
    running.end().assert_code(1).assert_said("zz-timetrial.conf is no longer as it was made, by somebody else's hand");
    assert_eq!(fs::read_to_string(cluster.drop_in()).unwrap(), mine);
    assert!(Cluster::nothing_is_left());
    // What the drop-in names has stayed with it: the server would not start without.
    cluster.control("restart");
    assert!(cluster.ask("show hba_file").contains("timetrial-pg_hba.conf"));
    fs::remove_file(cluster.drop_in()).unwrap();
    fs::remove_file(cluster.folder().join("timetrial-pg_hba.conf")).unwrap();
}
