//! This machine, tuned by one test at a time, and held against what it was.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use timetrial::wire::Setting;

/// How many messages the kernel lets through at once where it limits them: nothing depends on it.
pub const HARMLESS: &str = "kernel.printk_ratelimit_burst";

/// Where the journal is.
pub const JOURNAL: &str = "/var/lib/timetrial/undo.jsonl";

/// What changes by itself.
const VOLATILE: [&str; 14] = [
    "fs/binfmt_misc",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/aio-nr",
    "kernel/random",
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "kernel/perf_event_max_sample_rate",
    "kernel/hung_task_warnings",
    "kernel/tainted",
    "net/netfilter/nf_conntrack_count",
    "vm/stat_refresh",
];

/// The machine, for one test alone.
pub struct Machine {
    before: BTreeMap<String, String>,
    _alone: File,
}

impl Machine {
    /// Waits until no other test uses it.
    pub fn alone() -> Self {
        let path = std::env::temp_dir().join("timetrial-tests-of-tuning.lock");
        let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
        file.lock().unwrap();
        assert!(!Path::new(JOURNAL).exists(), "something is left to be undone: {JOURNAL}");
        Self { before: snapshot(), _alone: file }
    }

    /// It is as it was, and no journal is left.
    #[track_caller]
    pub fn is_as_it_was(&self) {
        let now = snapshot();
        let names = self.before.keys().chain(now.keys());
        // Network cards come and go, with containers for one.
        let is_of_a_card =
            |name: &str| name.starts_with("net/ipv") && (name.contains("/conf/") || name.contains("/neigh/"));
        let comes_or_goes = |name: &str| is_of_a_card(name) && self.before.contains_key(name) != now.contains_key(name);
        let differ: Vec<_> =
            names.filter(|name| self.before.get(*name) != now.get(*name) && !comes_or_goes(name)).collect();
        assert!(differ.is_empty(), "{differ:?}");
        assert!(!Path::new(JOURNAL).exists());
    }
}

fn snapshot() -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut folders = vec![std::path::PathBuf::from("/proc/sys")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix("/proc/sys").unwrap().display().to_string();
            if VOLATILE.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(value) = fs::read_to_string(&path) {
                values.insert(name, value);
            }
        }
    }
    assert!(values.len() > 300);
    values
}

/// Reads a setting.
pub fn value(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a setting, as somebody else would.
pub fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/{}", name.replace('.', "/")), value).unwrap();
}

/// Another number than a setting has.
pub fn other(name: &str) -> String {
    (value(name).parse::<u64>().unwrap() + 7).to_string()
}

/// A setting to be made.
pub fn setting(name: &str, value: impl Into<String>) -> Setting {
    Setting { name: name.to_owned(), value: value.into(), optional: false, at_least: None }
}
