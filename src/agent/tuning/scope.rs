//! Where a setting belongs, and when two values are the same. A stand-in until the room `tuning` is there.

/// Whose a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole machine's.
    Host,
    /// Its network namespace's.
    Net,
    /// Its IPC namespace's.
    Ipc,
    /// Its UTS namespace's.
    Uts,
}

/// Network settings that the kernel has once for all namespaces.
const HOST_NET: [&str; 9] = [
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.rmem_default",
    "net.core.wmem_max",
    "net.core.wmem_default",
    "net.core.default_qdisc",
    "net.core.busy_poll",
    "net.core.busy_read",
    "net.ipv4.tcp_mem",
];

/// What a container may set in a namespace of its own.
const IN_CONTAINERS: [&str; 14] = [
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
];

/// Whose a setting is.
pub fn scope(key: &str) -> Scope {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
    if key.starts_with("net.") && !HOST_NET.contains(&key) {
        Scope::Net
    } else if starts(&["kernel.sem", "kernel.shm", "kernel.msg", "fs.mqueue."]) {
        Scope::Ipc
    } else if starts(&["kernel.hostname", "kernel.domainname"]) {
        Scope::Uts
    } else {
        Scope::Host
    }
}

/// Whether a container may set it in a namespace of its own.
pub fn in_containers(key: &str) -> bool {
    IN_CONTAINERS.contains(&key)
}

/// Whether two values are one, however their fields stand apart.
pub fn same(a: &str, b: &str) -> bool {
    a.split_ascii_whitespace().eq(b.split_ascii_whitespace())
}
