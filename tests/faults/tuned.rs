//! A project whose campaign tunes this machine, by keys that harm nobody; and what this machine is set to, read by the
//! test and not asked of the product.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::project::{Project, Scenario};

/// What the campaign sets: one key of the host, one of the network namespace.
pub const KEYS: [(&str, &str); 2] = [("kernel.printk_ratelimit_burst", "77"), ("net.ipv4.tcp_orphan_retries", "5")];

/// One campaign at a time tunes a machine, so one test at a time: also of `tests/tuning`, and of another folder's.
pub fn alone() -> File {
    let path = std::env::temp_dir().join("timetrial-tests-of-tuning.lock");
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.lock().unwrap();
    file
}

/// Two daemons, two trials of a second, two settings.
pub fn project() -> Project {
    let scenario = Scenario { daemons: &["alpha", "beta"], ..Scenario::default() };
    let mut project = Project::with(&[("alpha", &[]), ("beta", &[])], &scenario);
    tune(&project, "");
    project.look();
    project
}

/// Has the project's campaign tune this machine; `more` are further keys of `[tune.server]`.
pub fn tune(project: &Project, more: &str) {
    let hosts = fs::read_to_string(project.path("hosts.toml")).unwrap();
    project.write("hosts.toml", format!("{hosts}may_tune = true\n"));
    let lines: String = KEYS.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    project.write("sysctl/harmless.conf", lines);
    let day = fs::read_to_string(project.path("scenarios/day.toml")).unwrap();
    project.write("scenarios/day.toml", format!("{day}\n[tune.server]\nsysctl = [\"harmless\"]\n{more}"));
}

/// A setting of this machine.
pub fn setting(key: &str) -> String {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Every setting of this machine but those that move by themselves.
pub fn snapshot() -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    collect(Path::new("/proc/sys"), &mut values);
    values
}

const MOVING: [&str; 12] = [
    "/fs/dentry-state",
    "/fs/file-nr",
    "/fs/inode-nr",
    "/fs/inode-state",
    "/fs/aio-nr",
    "/fs/quota",
    "/kernel/random",
    "/kernel/ns_last_pid",
    "/kernel/pty/nr",
    "/kernel/keys",
    "/nf_conntrack_count",
    "/binfmt_misc",
];

fn collect(folder: &Path, values: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        // Interfaces of containers come and go with other tests.
        if MOVING.iter().any(|moving| name.contains(moving)) || name.contains("/veth") || name.contains("/br-") {
            continue;
        }
        if path.is_dir() {
            collect(&path, values);
        } else if let Ok(value) = fs::read_to_string(&path) {
            values.insert(name, value);
        }
    }
}

/// Waits until the machine is set as it was: how long that took.
#[track_caller]
pub fn assert_as_it_was_within(before: &BTreeMap<String, String>, limit: Duration, what: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let now = snapshot();
        let differ: Vec<String> = before
            .iter()
            .filter(|(name, value)| now.get(*name) != Some(value))
            .map(|(name, value)| format!("{name} was {value:?} and is {:?}", now.get(name)))
            .collect();
        if differ.is_empty() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < limit, "{what}: after {limit:?} the machine is not as it was: {differ:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
