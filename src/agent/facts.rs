//! Reads the machine. A fact that can't be read is left out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::agent::identity::Identity;
use crate::agent::procfs;
use crate::agent::tuning::Kernel;
use crate::wire::{Facts, GOVERNOR, TURBO};

/// Kernel settings that bear on a benchmark over TCP.
const SYSCTL: [&str; 22] = [
    "fs.file-max",
    "kernel.randomize_va_space",
    "kernel.sched_autogroup_enabled",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "vm.overcommit_memory",
    "vm.swappiness",
];

/// Programs that provisioning needs.
const NEEDED: [&str; 3] = ["apt-get", "dpkg-deb", "apt-cache"];

/// Reads all facts; whether who daemons run as has no name is asked by who can start a program for it.
pub fn read(state_directory: &Path, identity: &Identity, nameless: bool) -> Facts {
    let memory = memory().map(|machine| bounded(machine, &limits(Path::new(CGROUPS), &own_cgroups())));
    let (distribution, suite) = os_release();
    let kernel = Kernel::default();
    Facts {
        hostname: text("/proc/sys/kernel/hostname"),
        distribution,
        suite,
        kernel: text("/proc/sys/kernel/osrelease"),
        architecture: std::env::consts::ARCH.to_owned(),
        cpu_model: cpu_model(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory.map(|(total, _)| total),
        memory_available_bytes: memory.map(|(_, available)| available),
        disk_free_bytes: disk_free(state_directory),
        load_1m: text("/proc/loadavg").and_then(|line| line.split(' ').next()?.parse().ok()),
        uptime_s: text("/proc/uptime").and_then(|line| line.split('.').next()?.parse().ok()),
        boot_id: procfs::boot_id(),
        virtualization: virtualization(),
        cpu_governor: kernel.read(GOVERNOR),
        cpu_turbo: kernel.read(TURBO),
        nofile: nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok(),
        user: identity.name.clone(),
        nameless,
        sysctl: sysctl(),
        missing: NEEDED
            .iter()
            .filter(|program| crate::agent::lookup(program).is_none())
            .map(ToString::to_string)
            .collect(),
    }
}

fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn sysctl() -> BTreeMap<String, String> {
    let value = |key: &str| procfs::setting(Path::new(&format!("/proc/sys/{}", key.replace('.', "/"))));
    let tidy = |value: String| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    SYSCTL.iter().filter_map(|key| Some(((*key).to_owned(), tidy(value(key)?)))).collect()
}

/// What names a machine, as far as agents can get in each other's way on it: the boot, the processes that can be seen,
/// the file system, and the state directory.
pub fn identity(state: &Path) -> String {
    format!("{} {}", machine(), state.display())
}

/// The same of the machine alone.
pub fn machine() -> String {
    let boot = procfs::boot_id().unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    let root = fs::metadata("/").map(|found| format!("{}:{}", found.dev(), found.ino())).unwrap_or_default();
    format!("{boot} {namespace} {root}")
}

/// The distribution's full name and its suite.
pub fn os_release() -> (Option<String>, Option<String>) {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let found = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.map(|value| value.trim_matches('"').to_owned())
    };
    (value("PRETTY_NAME"), value("VERSION_CODENAME"))
}

/// Total and available bytes.
fn memory() -> Option<(u64, u64)> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some((system.total_memory(), system.available_memory())).filter(|(total, _)| *total > 0)
}

/// Where the kernel's groups of processes are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What a group may use, and what it does use without what the kernel would give back.
type Limit = (u64, u64);

/// The memory of a machine, total and available, as far as the groups that we are in leave it to us.
fn bounded(machine: (u64, u64), limits: &[Limit]) -> (u64, u64) {
    limits.iter().fold(machine, |(total, available), (limit, used)| {
        (total.min(*limit), available.min(limit.saturating_sub(*used)))
    })
}

/// The groups that this process is in, in the kernel's words.
fn own_cgroups() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

/// The limits on memory of our groups and of those around them: a group has no more than any that it lies in. In a
/// container the outer ones can't be seen, and its own may be the top one.
fn limits(root: &Path, own: &str) -> Vec<Limit> {
    let groups = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let files = if controllers.is_empty() {
            (root.to_owned(), ["memory.max", "memory.current", "inactive_file "])
        } else if controllers.split(',').any(|name| name == "memory") {
            let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "];
            (root.join("memory"), names)
        } else {
            return None;
        };
        Some((path, files))
    });
    let all = groups.flat_map(|(path, (top, names))| {
        let around = Path::new(path.trim_start_matches('/')).ancestors();
        around.filter_map(|group| limit(&top.join(group), names)).collect::<Vec<_>>()
    });
    all.collect()
}

/// The limit of one group; none where there is none.
fn limit(group: &Path, [most, usage, idle]: [&str; 3]) -> Option<Limit> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let most = number(most)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    // Files that nobody uses just now are no need.
    let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse().ok()).unwrap_or(0);
    Some((most, number(usage)?.saturating_sub(idle)))
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn virtualization() -> Option<String> {
    let mut signs = Vec::new();
    if Path::new("/.dockerenv").exists() {
        signs.push("container (docker)".to_owned());
    } else if Path::new("/run/.containerenv").exists() {
        signs.push("container (podman)".to_owned());
    }
    let hypervisor = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    if hypervisor {
        signs.push("virtual machine".to_owned());
    }
    Some(signs.join(" in a ")).filter(|signs| !signs.is_empty())
}

/// Free bytes, for this user, where a directory is.
pub fn disk_free(directory: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(directory).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn a_machine_has_no_more_memory_than_its_groups_may_use() {
        let root = tempfile::tempdir().unwrap();
        let outer =
            [("memory.max", "1000\n"), ("memory.current", "900\n"), ("memory.stat", "anon 1\ninactive_file 300\n")];
        group(&root.path().join("a"), &outer);
        group(&root.path().join("a/b"), &[("memory.max", "max\n"), ("memory.current", "10\n")]);
        let second = limits(root.path(), "0::/a/b\n");
        assert_eq!(second, [(1000, 600)]);
        assert_eq!(bounded((5000, 4000), &second), (1000, 400));
        assert_eq!(bounded((5000, 100), &second), (1000, 100));
        assert_eq!(bounded((5000, 4000), &limits(root.path(), "0::/\n")), (5000, 4000));
    }

    #[test]
    fn the_first_form_of_groups_is_read_too_also_from_within_a_container() {
        let root = tempfile::tempdir().unwrap();
        let stat = ("memory.stat", "inactive_file 1\ntotal_inactive_file 50\n");
        let files = [("memory.limit_in_bytes", "700\n"), ("memory.usage_in_bytes", "250\n"), stat];
        group(&root.path().join("memory"), &files);
        let own = "5:devices:/docker/x\n4:memory,hugetlb:/docker/x\n0::/\n";
        assert_eq!(limits(root.path(), own), [(700, 200)]);
        assert_eq!(limits(root.path(), "5:devices:/docker/x\n"), []);
        // Where there is no limit this form says a number that no machine has.
        group(&root.path().join("memory"), &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        assert_eq!(bounded((5000, 4000), &limits(root.path(), own)), (5000, 4000));
    }
}
