//! The preflight: what a plan asks of its machines, held against what they have: sums and differences, before
//! anything is changed. Pure: it reads a
//! plan and what agents saw, so the same sums come out of `run`, of `run --dry-run`, and of a stored run.
//!
//! One file for each family of sums. All of them reckon with the values that will hold *after* the plan's tuning
//! (`machine.rs`): a setting that the machine refuses keeps the value that it has.

mod cluster;
mod conf;
mod database;
mod descriptors;
mod differences;
mod load;
mod machine;
mod memory;
mod one;
mod ports;
mod requests;
mod settings;
mod taken;
mod text;

#[cfg(test)]
mod fixtures;

use std::collections::BTreeMap;

use crate::event::Sum;
use crate::plan::Plan;
use crate::preflight::machine::On;
use crate::wire::{Facts, Look};

pub use differences::{Difference, as_made, as_undone, complete, differences, withheld};
pub use one::as_one;
pub use text::text;

/// What an agent saw of its machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Settings as they stand, limits, ports.
    pub look: Look,
    /// Memory, processors, kernel.
    pub facts: Facts,
}

/// Settings that sums reckon with, whether the plan changes them or not.
const RECKONED: [&str; 14] = [
    "fs.nr_open",
    "kernel.sem",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_tw_reuse_delay",
    "net.ipv4.tcp_wmem",
];

/// The settings to look at on a machine: those that the plan changes there, and those that sums reckon with.
pub fn to_look_at(plan: &Plan, machine: &str) -> Vec<String> {
    let tuned = plan.tuning.iter().filter(|tuning| tuning.machine == machine).flat_map(|tuning| &tuning.settings);
    let mut names: Vec<String> = tuned.map(|setting| setting.name.clone()).collect();
    names.extend(RECKONED.map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

/// All sums, machine by machine in the plan's order. What nobody saw of a machine is no part of any sum.
pub fn sums(plan: &Plan, machines: &BTreeMap<String, Seen>) -> Vec<Sum> {
    let mut sums = Vec::new();
    for machine in &plan.machines {
        let Some(seen) = machines.get(&machine.name) else { continue };
        let on = On { plan, name: &machine.name, seen };
        sums.extend(taken::sums(&on));
        sums.extend(settings::sums(&on));
        sums.extend(cluster::sums(&on));
        sums.extend(database::sums(&on));
        sums.extend(ports::sums(&on));
        sums.extend(requests::sums(&on));
        sums.extend(descriptors::sums(&on));
        sums.extend(load::sums(&on));
        sums.extend(memory::sums(&on));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SumVerdict;
    use crate::preflight::fixtures::{plan_of_2015, seen, tuned_plan};

    #[test]
    fn the_campaign_of_2015_on_todays_defaults() {
        let machine = seen(&[
            ("net.core.somaxconn", "4096"),
            ("net.ipv4.ip_local_port_range", "32768 60999"),
            ("net.ipv4.tcp_rmem", "4096 131072 33554432"),
            ("net.ipv4.tcp_wmem", "4096 16384 4194304"),
            ("net.ipv4.tcp_tw_reuse", "2"),
        ]);
        let sums = sums(&plan_of_2015(), &BTreeMap::from([("pc".to_owned(), machine)]));
        let found: Vec<(&str, SumVerdict)> = sums.iter().map(|sum| (sum.code.as_str(), sum.verdict)).collect();
        assert_eq!(
            found,
            [
                ("database-connections", SumVerdict::Fits),
                ("ephemeral-ports", SumVerdict::Fits),
                ("ephemeral-ports", SumVerdict::Fits),
                ("ports-in-range", SumVerdict::Fits),
                ("port-per-request", SumVerdict::Fits),
                ("port-per-request", SumVerdict::Fits),
                ("even-connections", SumVerdict::Doubtful),
                ("backlog", SumVerdict::Fits),
                ("database-memory", SumVerdict::Fits),
                ("socket-memory", SumVerdict::Fits),
            ]
        );
    }

    #[test]
    fn what_nobody_saw_is_no_part_of_a_sum() {
        assert_eq!(sums(&plan_of_2015(), &BTreeMap::new()), []);
    }

    #[test]
    fn each_setting_is_looked_at_once() {
        let plan = tuned_plan(&[("net.core.somaxconn", "100000"), ("net.core.rmem_max", "1")]);
        let names = to_look_at(&plan, "pc");
        assert_eq!(names.len(), RECKONED.len() + 1);
        assert!(names.iter().any(|name| name == "net.core.rmem_max"));
        assert_eq!(to_look_at(&plan, "another").len(), RECKONED.len());
    }
}
