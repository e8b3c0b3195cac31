//! Reads the machine. A fact that can't be read is left out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::agent::identity::Identity;
use crate::agent::procfs;
use crate::wire::Facts;

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

/// Reads all facts.
pub fn read(state_directory: &Path, identity: &Identity) -> Facts {
    let memory = memory();
    let (distribution, suite) = os_release();
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
        cpu_governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        nofile: nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok(),
        user: identity.name.clone(),
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
    let value = |key: &str| text(&format!("/proc/sys/{}", key.replace('.', "/")));
    let tidy = |value: String| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    SYSCTL.iter().filter_map(|key| Some(((*key).to_owned(), tidy(value(key)?)))).collect()
}

/// What names a machine, as far as agents can get in each other's way on it: the boot, the processes that can be seen,
/// the file system, and the state directory.
pub fn identity(state: &Path) -> String {
    let boot = procfs::boot_id().unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    let root = fs::metadata("/").map(|found| format!("{}:{}", found.dev(), found.ino())).unwrap_or_default();
    format!("{boot} {namespace} {root} {}", state.display())
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
