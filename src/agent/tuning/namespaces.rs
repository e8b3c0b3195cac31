//! Which namespaces the agent lives in: what it sets reaches no further, and may reach no further than its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::agent::procfs;
use crate::agent::tuning::kernel::Kernel;
use crate::tuning::{Scope, in_containers, scope};
use crate::wire::{GOVERNOR, Namespaces, TURBO};

/// The kernel's first namespaces have the same inodes on every machine, but for the network's and that of mounts.
const FIRST: [(&str, u64); 5] = [
    ("pid", 4_026_531_836),
    ("user", 4_026_531_837),
    ("ipc", 4_026_531_839),
    ("uts", 4_026_531_838),
    ("cgroup", 4_026_531_835),
];

/// Those that have settings of their own.
pub const WITH_SETTINGS: [&str; 3] = ["net", "ipc", "uts"];

/// Reads them.
pub fn read(kernel: &Kernel) -> Namespaces {
    let names = ["net", "ipc", "uts", "pid", "user", "mnt", "cgroup"];
    let inodes = names.iter().filter_map(|name| Some(((*name).to_owned(), inode(&format!("/proc/self/ns/{name}"))?)));
    // Only the first network namespace shows what the kernel has once for all of them.
    let first_net = kernel.read("net.core.netdev_max_backlog").is_some();
    judged(inodes.collect(), first_net, has_the_machines_files())
}

/// Whether this agent sees the machine's own files: the journal of one that lives among others would be gone with them,
/// while what it changed stays. No two mounts of one kernel have one number, so what is mounted as its root tells whether
/// it shares mounts and root with the machine's first process. What can't be seen of that is not the same. (The link of
/// the namespace itself would say less, and the first process may hide it even from root.)
fn has_the_machines_files() -> bool {
    let root = |process: &str| procfs::root_mount(&fs::read_to_string(format!("/proc/{process}/mountinfo")).ok()?);
    root("self").is_some_and(|own| root("1") == Some(own))
}

fn inode(path: &str) -> Option<u64> {
    Some(fs::metadata(path).ok()?.ino())
}

fn judged(inodes: BTreeMap<String, u64>, first_net: bool, own_files: bool) -> Namespaces {
    let is_first = |name: &str| FIRST.iter().any(|(first, inode)| *first == name && inodes.get(name) == Some(inode));
    let whole_machine = own_files && first_net && FIRST.iter().all(|(name, _)| is_first(name));
    let own = if whole_machine {
        ["host", "net", "ipc", "uts"].map(str::to_owned).to_vec()
    } else {
        // A namespace that can't be seen is nobody's.
        let own = |name: &str| inodes.contains_key(name) && if name == "net" { !first_net } else { !is_first(name) };
        WITH_SETTINGS.iter().filter(|name| own(name)).map(ToString::to_string).collect()
    };
    Namespaces { inodes, whole_machine, own }
}

/// The namespace that a setting belongs to.
pub fn owner_of(name: &str) -> &'static str {
    if name == GOVERNOR || name == TURBO {
        return "host";
    }
    match scope(name) {
        Scope::Host => "host",
        Scope::Net => "net",
        Scope::Ipc => "ipc",
        Scope::Uts => "uts",
    }
}

/// Why a setting is not this machine's to set. In a container nothing but the closed list is ever written: settings
/// of its host can be within reach there.
pub fn not_ours(name: &str, namespaces: &Namespaces) -> Option<String> {
    let owner = owner_of(name);
    // One of the network that nobody has looked at: whose it is can't be said, so it is let alone.
    if owner == "host" && name.starts_with("net.") && !namespaces.whole_machine && !is_shared(name) {
        return Some("it is not among the settings that are made in a container".to_owned());
    }
    if !namespaces.own.iter().any(|own| own == owner) {
        let whose = match owner {
            "net" => "its host's network",
            "ipc" => "its host's shared memory and semaphores",
            "uts" => "its host's name",
            _ => "the host",
        };
        return Some(format!(
            "it belongs to {whose}, and this machine is a container, or lives among files of its own: what is set \
             would outlive the journal that puts it back"
        ));
    }
    let listed = namespaces.whole_machine || in_containers(name);
    (!listed).then(|| "it is not among the settings that are made in a container".to_owned())
}

/// What a network namespace shows of its host, and what the kernel has once for all of them.
pub fn is_shared(name: &str) -> bool {
    let once = ["net.core.netdev_max_backlog", "net.ipv4.tcp_mem", "net.ipv4.udp_mem"];
    name.starts_with("net.core.rmem_") || name.starts_with("net.core.wmem_") || once.contains(&name)
}

/// Whether somebody still lives in, or keeps, a namespace of this kind with this inode: as far as can be seen.
pub fn is_alive(kind: &str, wanted: u64) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lived_in = processes
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
        .any(|entry| fs::metadata(entry.path().join("ns").join(kind)).is_ok_and(|found| found.ino() == wanted));
    let kept = |place: &str| {
        let files = fs::read_dir(Path::new(place)).into_iter().flatten().flatten();
        files.into_iter().any(|entry| fs::metadata(entry.path()).is_ok_and(|found| found.ino() == wanted))
    };
    lived_in || (kind == "net" && (kept("/run/netns") || kept("/run/docker/netns")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(changed: &[(&str, u64)], first_net: bool) -> Namespaces {
        let mut inodes: BTreeMap<String, u64> =
            FIRST.iter().map(|(name, inode)| ((*name).to_owned(), *inode)).collect();
        inodes.insert("net".to_owned(), 4_026_531_833);
        inodes.extend(changed.iter().map(|(name, inode)| ((*name).to_owned(), *inode)));
        judged(inodes, first_net, true)
    }

    #[test]
    fn only_the_machine_itself_owns_everything_and_a_container_what_is_not_the_first() {
        assert_eq!(of(&[], true).own, ["host", "net", "ipc", "uts"]);
        assert_eq!(of(&[], false).own, ["net"]);
        assert_eq!(of(&[("ipc", 1), ("pid", 2)], true).own, ["ipc"]);
        assert_eq!(of(&[("ipc", 1), ("uts", 2)], false).own, WITH_SETTINGS);
        for one in ["pid", "user", "cgroup"] {
            assert!(!of(&[(one, 7)], true).whole_machine && of(&[(one, 7)], true).own.is_empty(), "{one}");
        }
        assert!(judged(BTreeMap::new(), false, true).own.is_empty(), "what can't be seen is nobody's");
        let among_other_files = judged(of(&[], true).inodes, true, false);
        assert!(!among_other_files.whole_machine && among_other_files.own.is_empty(), "{among_other_files:?}");
        assert_eq!(judged(of(&[], false).inodes, false, false).own, ["net"]);
        for name in ["vm.swappiness", "net.ipv4.tcp_fin_timeout", "kernel.sem"] {
            let why = not_ours(name, &among_other_files).unwrap();
            assert!(why.contains("this machine is a container, or lives among files of its own"), "{why}");
        }
    }

    #[test]
    fn in_a_container_only_the_closed_list_in_its_own_namespaces_is_set() {
        let container = of(&[("pid", 7), ("ipc", 1)], false);
        for (name, words) in [
            ("net.ipv4.tcp_fin_timeout", None),
            ("kernel.sem", None),
            ("vm.swappiness", Some("belongs to the host")),
            ("kernel.pid_max", Some("belongs to the host")),
            (GOVERNOR, Some("belongs to the host")),
            ("kernel.hostname", Some("its host's name")),
            ("net.ipv4.conf.all.rp_filter", None),
            ("net.core.rmem_max", Some("belongs to the host")),
            ("net.ipv4.conf.all.log_martians", Some("not among")),
        ] {
            let why = not_ours(name, &container);
            assert_eq!(why.is_some(), words.is_some(), "{name}: {why:?}");
            assert!(why.unwrap_or_default().contains(words.unwrap_or_default()), "{name}");
        }
        assert_eq!(not_ours("vm.swappiness", &of(&[], true)), None);
        assert!(not_ours("net.ipv4.tcp_fin_timeout", &of(&[("pid", 7)], true)).is_some());
    }

    #[test]
    fn the_root_is_known_by_its_mounts_number() {
        let info = "22 27 0:21 / /proc rw - proc proc rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\n";
        assert_eq!(procfs::root_mount(info).as_deref(), Some("27"));
        assert_eq!(procfs::root_mount("22 27 0:21 / /proc rw - proc proc rw\n"), None, "as in a chroot");
        assert!(procfs::root_mount(&fs::read_to_string("/proc/self/mountinfo").unwrap()).is_some());
    }

    #[test]
    fn a_namespace_that_a_process_lives_in_is_alive() {
        let own = inode("/proc/self/ns/net").unwrap();
        assert!(is_alive("net", own) && !is_alive("net", 1));
    }
}
