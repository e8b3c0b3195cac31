//! The limit of open files for what the agent starts.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::Signal;

use crate::agent::process::{PassOn, Start};
use crate::agent::surroundings::Agent;
use crate::agent::tuning::kernel::Kernel;
use crate::wire::Failure;

/// The bit of a process that may raise limits, in the kernel's numbering.
const CAP_SYS_RESOURCE: u32 = 24;

/// The kernel's first user namespace.
const FIRST_USER: u64 = 4_026_531_837;

/// Whether this process may raise its hard limit, up to `fs.nr_open`: the kernel asks for it in the first user
/// namespace, whoever is root in another.
pub fn may_raise() -> bool {
    use std::os::unix::fs::MetadataExt;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let first = std::fs::metadata("/proc/self/ns/user").is_ok_and(|found| found.ino() == FIRST_USER);
    first && has_capability(&status, CAP_SYS_RESOURCE)
}

fn has_capability(status: &str, bit: u32) -> bool {
    let set = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    set.is_some_and(|set| set >> bit & 1 == 1)
}

/// Soft and hard limit now.
pub fn current() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// As many as can be had of what is wanted.
pub fn obtainable(wanted: u64) -> u64 {
    let hard = current().map_or(wanted, |(_, hard)| hard);
    let most = Kernel::default().read("fs.nr_open").and_then(|text| text.trim().parse().ok());
    bounded(wanted, hard, most, may_raise())
}

fn bounded(wanted: u64, hard: u64, most: Option<u64>, may_raise: bool) -> u64 {
    if wanted <= hard || !may_raise { wanted.min(hard) } else { wanted.min(most.unwrap_or(hard)).max(hard) }
}

/// The limit, soft and hard, that a process has which the agent starts: one is started, as a daemon is, and says it.
pub fn of_started(agent: &Agent) -> Result<(u64, u64), Failure> {
    let start = Start {
        label: "the look at the limit of open files".to_owned(),
        program: "/proc/self/exe".into(),
        arguments: vec!["limit".into()],
        environment: std::collections::BTreeMap::new(),
        directory: "/".into(),
        identity: agent.changed_identity(),
        death_signal: Signal::SIGKILL,
        input: Vec::new(),
        pass_on: PassOn::Nothing,
    };
    let output = agent.processes.run(start, LOOK_LIMIT)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let read =
        text.split_once(' ').and_then(|(soft, hard)| Some((soft.trim().parse().ok()?, hard.trim().parse().ok()?)));
    read.ok_or_else(|| {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Failure::new("limits", "the limit of open files of what is started here can't be read back")
            .detail([format!("a process that was started for it said: {text}{words}")])
            .hint("leave `nofile` out of the scenario if the campaign can do without")
    })
}

/// It takes milliseconds.
const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Sets the limit of this process, soft and hard, to what can be had: for the moment before it becomes another program.
pub fn set(wanted: u64) -> nix::Result<()> {
    let value: rlim_t = obtainable(wanted);
    setrlimit(Resource::RLIMIT_NOFILE, value, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_got_than_is_permitted() {
        assert_eq!(bounded(1000, 4096, Some(1 << 20), false), 1000);
        assert_eq!(bounded(9000, 4096, Some(1 << 20), false), 4096);
        assert_eq!(bounded(9000, 4096, Some(1 << 20), true), 9000);
        assert_eq!(bounded(9000, 4096, Some(5000), true), 5000);
        assert_eq!(bounded(9000, 4096, Some(1000), true), 4096, "a limit above the most that can be set now is kept");
        assert_eq!(bounded(9000, 4096, None, true), 4096);
    }

    #[test]
    fn a_capability_is_read_from_the_kernels_words() {
        assert!(has_capability("Name:\tx\nCapEff:\t0000000001000000\n", CAP_SYS_RESOURCE));
        assert!(!has_capability("Name:\tx\nCapEff:\t0000000000ffffff\n", CAP_SYS_RESOURCE));
        assert!(!has_capability("", CAP_SYS_RESOURCE));
    }
}
