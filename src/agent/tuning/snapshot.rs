//! All settings of a machine at one moment, and what differs from them later: the proof that it is as it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::tuning::kernel::{Kernel, tidy};
use crate::agent::tuning::namespaces::{is_shared, owner_of};
use crate::wire::{Change, Compared, GOVERNOR, Namespaces, TURBO};

/// What the kernel counts, draws or changes by itself; and two where looking would change something, or is nobody's
/// business: a place that is mounted when it is looked at, and keys.
const VOLATILE: [&str; 30] = [
    "dev.cdrom",
    "fs.aio-nr",
    "fs.binfmt_misc",
    "fs.dentry-state",
    "fs.file-nr",
    "fs.inode-nr",
    "fs.inode-state",
    "fs.nfs",
    "fs.quota",
    "kernel.hung_task_detect_count",
    "kernel.hung_task_warnings",
    "kernel.msg_next_id",
    "kernel.ns_last_pid",
    "kernel.perf_event_max_sample_rate",
    "kernel.pty.nr",
    "kernel.random",
    "kernel.sched_domain",
    "kernel.sem_next_id",
    "kernel.shm_next_id",
    "kernel.spl",
    "kernel.tainted",
    "net.ipv4.netfilter.ip_conntrack_count",
    "net.ipv4.route.flush",
    "net.ipv4.tcp_fastopen_key",
    "net.ipv6.route.flush",
    "net.netfilter.nf_conntrack_count",
    "sunrpc",
    "vm.compact_memory",
    "vm.drop_caches",
    "vm.stat_refresh",
];

/// Settings of one network card each: cards come and go, with containers for one.
const BY_CARD: [&str; 5] = ["net.ipv4.conf.", "net.ipv4.neigh.", "net.ipv6.conf.", "net.ipv6.neigh.", "net.mpls.conf."];

/// All values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Reads all that is the machine's own. In a container what belongs to its host changes without it.
    pub fn take(kernel: &Kernel, namespaces: &Namespaces) -> Self {
        let own = |wanted: &str| namespaces.own.iter().any(|own| own == wanted);
        // Far more of a network namespace is its own than the closed list of what may be set there.
        let is_own = |name: &str| own(owner_of(name)) || own("net") && name.starts_with("net.") && !is_shared(name);
        let names = kernel.names(&|name| VOLATILE.contains(&name) || name.ends_with(".stable_secret"));
        let names = names.into_iter().chain([GOVERNOR, TURBO].map(str::to_owned)).filter(|name| is_own(name));
        Self(names.filter_map(|name| Some((name.clone(), tidy(&kernel.read(&name)?)))).collect())
    }

    /// What is different later.
    pub fn compare(&self, later: &Self) -> Compared {
        let names: BTreeSet<&String> = self.0.keys().chain(later.0.keys()).collect();
        let values = names.len();
        let differs = |name: &&String| {
            let (before, after) = (self.0.get(*name), later.0.get(*name));
            let of_a_card = BY_CARD.iter().any(|prefix| name.starts_with(prefix));
            before != after && !(of_a_card && (before.is_none() || after.is_none()))
        };
        let change = |name: &String| Change {
            name: name.clone(),
            from: self.0.get(name).cloned(),
            to: later.0.get(name).cloned(),
        };
        let differences = names.into_iter().filter(differs).map(change).collect();
        Compared { values, differences }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tuning::kernel::tests::made_up;

    #[test]
    fn what_differs_is_told_but_not_what_counts_or_comes_and_goes_by_itself() {
        let place = tempfile::tempdir().unwrap();
        let settings = [
            ("vm.swappiness", "60"),
            ("net.core.somaxconn", "1"),
            ("fs.file-nr", "1"),
            ("kernel.random.uuid", "a"),
            ("net.ipv4.conf.eth0.mtu", "1"),
        ];
        let kernel = made_up(place.path(), &settings);
        let own = |names: &[&str]| Namespaces {
            own: names.iter().map(ToString::to_string).collect(),
            ..Namespaces::default()
        };
        let whole = own(&["host", "net"]);
        let before = Snapshot::take(&kernel, &whole);
        assert_eq!(before.compare(&Snapshot::take(&kernel, &whole)), Compared { values: 3, differences: vec![] });
        made_up(
            place.path(),
            &[("vm.swappiness", "1"), ("fs.file-nr", "2"), ("net.ipv4.conf.veth1.mtu", "2"), ("vm.new", "")],
        );
        let compared = before.compare(&Snapshot::take(&kernel, &whole));
        let names: Vec<_> = compared.differences.iter().map(|change| change.name.as_str()).collect();
        assert_eq!(names, ["vm.new", "vm.swappiness"]);
        assert_eq!(compared.differences[1].from.as_deref(), Some("60"));
        made_up(place.path(), &[("net.ipv4.conf.eth0.mtu", "7")]);
        let container = own(&["net"]);
        assert_eq!(
            before.compare(&Snapshot::take(&kernel, &whole)).differences.len(),
            3,
            "a card that stays is compared"
        );
        assert_eq!(Snapshot::take(&kernel, &container).0.len(), 3);
    }

    #[test]
    fn this_machine_is_as_it_is() {
        let kernel = Kernel::default();
        let namespaces = crate::agent::tuning::namespaces::read(&kernel);
        let own = Namespaces { own: ["host", "net", "ipc", "uts"].map(str::to_owned).to_vec(), ..namespaces };
        let before = Snapshot::take(&kernel, &own);
        assert!(before.0.len() > 300, "{} values", before.0.len());
    }
}
