//! A network namespace of its own, as a container has: only what is its own is set, and nothing around it changes.

use std::process::Command;

use timetrial::wire::{Outcome, Reply, Request};

use crate::tuning::machine::{HARMLESS, Machine, setting, value};
use crate::tuning::talk::{PROGRAM, Talk};

/// A setting that a network namespace has for itself.
pub const KEY: &str = "net.ipv4.tcp_fin_timeout";

/// A network namespace, gone with the test.
pub struct Apart(String);

impl Apart {
    /// Makes one.
    pub fn new(name: &str) -> Self {
        let apart = Self(format!("timetrial-{name}-{}", std::process::id()));
        ip(&["netns", "add", &apart.0]);
        apart
    }

    fn agent(&self, state: &std::path::Path) -> Talk {
        self.agent_by(&[PROGRAM], state)
    }

    /// An agent in it, started by way of another program.
    pub fn agent_by(&self, way: &[&str], state: &std::path::Path) -> Talk {
        Talk::start_by(&[&["ip", "netns", "exec", self.0.as_str()], way].concat(), state)
    }

    /// What [`KEY`] is in it.
    pub fn value(&self) -> String {
        ip(&["netns", "exec", &self.0, "cat", "/proc/sys/net/ipv4/tcp_fin_timeout"])
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs root: it makes a network namespace and sets settings of it"]
fn only_its_own_settings_are_made_and_put_back() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let apart = Apart::new("own");
    let (inside, outside) = (apart.value(), value(KEY));
    let mut talk = apart.agent(state.path());
    let asked = [KEY, HARMLESS, "net.ipv4.conf.all.log_martians", "kernel.sem"].map(str::to_owned).to_vec();
    let Reply::Look(look) = talk.ask(Request::Look { settings: asked, cluster: None }).unwrap() else { panic!() };
    assert!(!look.namespaces.whole_machine);
    assert_eq!(look.namespaces.own, ["net"]);
    assert_eq!(look.settings[KEY].refused, None);
    for (name, words) in [
        (HARMLESS, "belongs to the host"),
        ("net.ipv4.conf.all.log_martians", "not among"),
        ("kernel.sem", "its host's shared memory"),
    ] {
        let refused = look.settings[name].refused.as_ref().unwrap();
        assert!(refused.contains(words), "{name}: {refused}");
    }
    talk.hello("apart").unwrap();
    let both = [setting(KEY, "11"), setting(HARMLESS, "5")];
    assert_eq!(talk.tune(&both).unwrap_err().code, "tuning-refused");
    assert_eq!(apart.value(), inside);
    assert!(talk.tune(&both[..1]).unwrap()[0].took);
    assert_eq!((apart.value().as_str(), value(KEY)), ("11", outside));
    let Reply::Goodbye { compared, .. } = talk.goodbye() else { panic!() };
    assert_eq!(compared.unwrap().differences, []);
    assert_eq!(apart.value(), inside);
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it looks from among other mounts"]
fn among_files_of_its_own_nothing_of_the_machine_is_set() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    // All namespaces are the machine's but that of mounts, as in a container that is given everything else of its host.
    let mut talk = Talk::start_by(&["unshare", "-m", PROGRAM], state.path());
    let asked = [KEY, HARMLESS, "kernel.sem"].map(str::to_owned).to_vec();
    let Reply::Look(look) = talk.ask(Request::Look { settings: asked.clone(), cluster: None }).unwrap() else {
        panic!()
    };
    assert!(!look.namespaces.whole_machine && look.namespaces.own.is_empty(), "{:?}", look.namespaces);
    for name in asked {
        let refused = look.settings[&name].refused.as_ref().unwrap();
        assert!(refused.contains("or lives among files of its own"), "{name}: {refused}");
    }
    talk.hello("mounts").unwrap();
    assert_eq!(talk.tune(&[setting(HARMLESS, "5")]).unwrap_err().code, "tuning-refused");
    assert_eq!(talk.tune(&[setting(KEY, "11")]).unwrap_err().code, "tuning-refused");
    talk.goodbye();
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it makes a network namespace and sets settings of it"]
fn what_was_killed_in_it_is_put_back_from_within_or_gone_with_it() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let apart = Apart::new("killed");
    let inside = apart.value();
    let tune_and_kill = |run: &str| {
        let mut talk = apart.agent(state.path());
        talk.hello(run).unwrap();
        talk.tune(&[setting(KEY, "11")]).unwrap();
        talk.kill();
        assert_eq!(apart.value(), "11");
    };
    tune_and_kill("one");
    // From outside, as long as it lives, nothing can be done, and nothing is forgotten.
    let mut outside = Talk::start(state.path());
    let undone = outside.hello("outside").unwrap().unwrap();
    assert!(matches!(undone.entries[0].outcome, Outcome::Failed { .. }), "{undone:?}");
    assert_eq!(outside.tune(&[setting(HARMLESS, "5")]).unwrap_err().code, "left-tuned");
    drop(outside);
    let mut again = apart.agent(state.path());
    let undone = again.hello("again").unwrap().unwrap();
    assert_eq!((&undone.entries[0].outcome, apart.value()), (&Outcome::Restored, inside));
    drop(again);
    tune_and_kill("two");
    drop(apart);
    let undone = Talk::start(state.path()).hello("after").unwrap().unwrap();
    assert_eq!(undone.entries[0].outcome, Outcome::UndoneByBoot);
    machine.is_as_it_was();
}
