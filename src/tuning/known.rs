//! What is known of kernel settings: where each applies, which are dangerous, gone, or never set by a profile.

/// Where a setting applies: what is set there is seen by all that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole machine, and all containers on it.
    Host,
    /// A network namespace.
    Net,
    /// An IPC namespace.
    Ipc,
    /// A UTS namespace.
    Uts,
}

impl Scope {
    /// `host`, `net`, `ipc`, `uts`: as agents tell which namespaces are their machine's own.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
        }
    }
}

/// The frequency governor of all processors, among settings: no sysctl, but set and put back like one.
pub const GOVERNOR: &str = "cpu.governor";

/// Whether processors may run faster than they can for ever, among settings: `on`, `off`.
pub const TURBO: &str = "cpu.turbo";

/// Settings that each network namespace has for itself and lets be written. Seen on Linux 6.18 by writing to them in a
/// new namespace; `rmem_max` and its like are visible there and can't be written, `tcp_mem` and `netdev_max_backlog` are
/// not there at all.
const OF_NETWORKS: &[&str] = &[
    "net.core.optmem_max",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_dsack",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_fastopen",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_limit_output_bytes",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_moderate_rcvbuf",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv4.tcp_no_metrics_save",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_orphan_retries",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_window_scaling",
    "net.ipv4.tcp_wmem",
];

/// The same for IPC namespaces.
const OF_IPC: &[&str] = &[
    "fs.mqueue.msg_default",
    "fs.mqueue.msg_max",
    "fs.mqueue.msgsize_default",
    "fs.mqueue.msgsize_max",
    "fs.mqueue.queues_max",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// Where a setting applies. One that is not known to belong to a namespace is the whole machine's: whoever may set it
/// there may set it, and nobody sets it by mistake from inside a container.
pub fn scope(name: &str) -> Scope {
    let is_rp_filter = name.starts_with("net.ipv4.conf.") && name.ends_with(".rp_filter");
    if is_rp_filter || OF_NETWORKS.contains(&name) {
        return Scope::Net;
    }
    match name {
        "kernel.hostname" | "kernel.domainname" => Scope::Uts,
        name if OF_IPC.contains(&name) => Scope::Ipc,
        _ => Scope::Host,
    }
}

/// Whether a container has this setting for itself and can set it. The list is closed: with some options of its engine a
/// container could write settings of the machine under it.
pub fn in_containers(name: &str) -> bool {
    matches!(scope(name), Scope::Net | Scope::Ipc)
}

/// A socket's buffer of this many bytes is small enough to have thousands of them.
const LARGE_BUFFER: u64 = 1 << 20;

/// Pages of memory that most machines do not have: 64 GiB.
const ALL_MEMORY_PAGES: u64 = 16 << 20;

/// KiB that are taken from all programs for good: 1 GiB.
const LARGE_RESERVE: u64 = 1 << 20;

/// Limits of the whole machine, with the least that one which does anything at all needs of each.
const ROOM: &[(&str, u64)] = &[
    ("fs.file-max", 65_536),
    ("fs.inotify.max_user_instances", 128),
    ("fs.inotify.max_user_watches", 8_192),
    ("fs.nr_open", 4_096),
    ("kernel.pid_max", 32_768),
    ("kernel.pty.max", 256),
    ("kernel.threads-max", 8_192),
    ("net.ipv4.neigh.default.gc_thresh3", 1_024),
    ("net.ipv6.neigh.default.gc_thresh3", 1_024),
    ("net.ipv6.route.max_size", 4_096),
    ("net.netfilter.nf_conntrack_max", 16_384),
    ("vm.max_map_count", 65_530),
];

/// What protects the kernel and programs, with the least that still does.
const PROTECTIONS: &[(&str, u64)] = &[
    ("kernel.dmesg_restrict", 1),
    ("kernel.io_uring_disabled", 1),
    ("kernel.kptr_restrict", 1),
    ("kernel.perf_event_paranoid", 2),
    ("kernel.randomize_va_space", 2),
    ("kernel.split_lock_mitigate", 1),
    ("net.core.bpf_jit_harden", 1),
    ("net.ipv4.ip_unprivileged_port_start", 1_024),
];

/// What this value takes from everybody on the machine, or lays open, if anything.
fn danger_to_all(name: &str, value: &str) -> Option<&'static str> {
    let number = value.trim().parse::<i64>().ok()?;
    let below = |table: &[(&str, u64)]| {
        let known = table.iter().find(|(known, _)| *known == name);
        known.is_some_and(|(_, least)| u64::try_from(number).map_or(true, |number| number < *least))
    };
    if below(ROOM) {
        return Some("it is a limit of the whole machine: programs that have nothing to do with this one fail at it");
    }
    if below(PROTECTIONS) {
        return Some("it lowers the machine's protection against the programs and users on it");
    }
    match name {
        "vm.min_free_kbytes" | "vm.admin_reserve_kbytes" | "vm.user_reserve_kbytes"
            if number > LARGE_RESERVE.cast_signed() =>
        {
            Some("this much memory is kept from all programs, and the kernel kills some where too little is left")
        }
        "vm.nr_hugepages" if number > 0 => {
            Some("this memory is taken from all programs that do not ask for huge pages, used or not")
        }
        "vm.unprivileged_userfaultfd" | "kernel.core_pipe_limit" | "vm.legacy_va_layout" if number > 0 => {
            Some("it lowers the machine's protection against the programs and users on it")
        }
        _ => None,
    }
}

/// What is dangerous about this value, if anything.
pub fn danger(name: &str, value: &str) -> Option<&'static str> {
    let number = |at: usize| value.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
    let first_is = |wanted: u64| number(0) == Some(wanted);
    match name {
        "net.ipv4.tcp_rmem" | "net.ipv4.tcp_wmem" if number(0).is_some_and(|minimum| minimum > LARGE_BUFFER) => {
            Some("each connection may keep this much even when memory is short, and thousands of them use it up")
        }
        "net.ipv4.tcp_mem" if number(2).is_some_and(|pages| pages > ALL_MEMORY_PAGES) => {
            Some("TCP may then use more memory than most machines have, and nothing holds it back")
        }
        "net.ipv4.tcp_tw_reuse" if first_is(1) => {
            Some("ports are used again while they still wait, which hides that a load uses them up")
        }
        "net.ipv4.tcp_syncookies" if first_is(0) => {
            Some("connections are dropped without a word when a backlog is full, and a SYN flood stops the machine")
        }
        "vm.overcommit_memory" if first_is(1) => {
            Some("every promise of memory is made, and the kernel kills programs when it can't be kept")
        }
        "vm.overcommit_memory" if first_is(2) => {
            Some("programs that reserve more than they use get no memory any more, also those that run already")
        }
        "kernel.sched_rt_runtime_us" if value.trim() == "-1" => {
            Some("a program with a real-time priority can take all processors for ever")
        }
        _ => danger_to_all(name, value),
    }
}

/// Since when no kernel has this setting any more, if it is known to be gone.
pub fn gone(name: &str) -> Option<&'static str> {
    match name {
        "net.ipv4.tcp_tw_recycle" => Some("removed in Linux 4.12: it broke connections from behind NAT"),
        _ => None,
    }
}

const PANIC: &str = "it decides when the machine stops or starts anew";
const COMMAND: &str = "the kernel runs what it names, as root";
const ACTION: &str = "writing to it does something at once, which can't be undone";
const ONE_WAY: &str = "it can't be put back once it is set";
const SECRET: &str = "it is a secret, and what is set stands in reports";
const SECURITY: &str = "it lowers the machine's protection, and no benchmark needs it";
const READ_ONLY: &str = "it can only be read";
const DESTROYS: &str = "it destroys what other programs have, which putting it back does not give back";
const ADDRESSES: &str = "it takes the machine's addresses away, which putting it back does not give back";
const SPREADS: &str = "it sets the same for every network interface, and what each had before is lost; set it for each \
     interface that you mean: net.ipv6.conf.eth0.NAME";
const ROUTES: &str = "changing it resets other settings, which can't be undone";
const TWO_FILES: &str =
    "the kernel shows one value under two names, in units that differ: it can't be put back exactly";

/// Settings that no profile may hold, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("dev.tty.ldisc_autoload", SECURITY),
    ("dev.tty.legacy_tiocsti", SECURITY),
    ("fs.protected_fifos", SECURITY),
    ("fs.protected_hardlinks", SECURITY),
    ("fs.protected_regular", SECURITY),
    ("fs.protected_symlinks", SECURITY),
    ("fs.suid_dumpable", SECURITY),
    ("kernel.acct", ACTION),
    ("kernel.cad_pid", ACTION),
    ("kernel.core_pattern", COMMAND),
    ("kernel.ctrl-alt-del", PANIC),
    ("kernel.domainname", "it is the machine's name"),
    ("kernel.hostname", "it is the machine's name"),
    ("kernel.hotplug", COMMAND),
    ("kernel.io_uring_group", SECURITY),
    ("kernel.kexec_load_disabled", ONE_WAY),
    ("kernel.modprobe", COMMAND),
    ("kernel.modules_disabled", ONE_WAY),
    ("kernel.msg_next_id", ACTION),
    ("kernel.ns_last_pid", ACTION),
    ("kernel.oops_limit", PANIC),
    ("kernel.poweroff_cmd", COMMAND),
    ("kernel.real-root-dev", ACTION),
    ("kernel.sem_next_id", ACTION),
    ("kernel.shm_next_id", ACTION),
    ("kernel.shm_rmid_forced", DESTROYS),
    ("kernel.sysctl_writes_strict", SECURITY),
    ("kernel.sysrq", PANIC),
    ("kernel.tainted", ONE_WAY),
    ("kernel.unprivileged_bpf_disabled", ONE_WAY),
    ("kernel.warn_limit", PANIC),
    ("kernel.watchdog", "it sets kernel.nmi_watchdog and kernel.soft_watchdog along: set those"),
    ("net.ipv4.ip_forward", ROUTES),
    ("net.ipv4.route.flush", ACTION),
    ("net.ipv4.tcp_available_congestion_control", READ_ONLY),
    ("net.ipv4.tcp_available_ulp", READ_ONLY),
    ("net.ipv4.tcp_ehash_entries", READ_ONLY),
    ("net.ipv4.tcp_fastopen_key", SECRET),
    ("net.ipv4.udp_hash_entries", READ_ONLY),
    ("net.ipv6.route.flush", ACTION),
    ("vm.compact_memory", ACTION),
    ("vm.drop_caches", ACTION),
    ("vm.hugetlb_shm_group", SECURITY),
    ("vm.memfd_noexec", SECURITY),
    ("vm.mmap_min_addr", SECURITY),
    ("vm.mmap_rnd_bits", SECURITY),
    ("vm.mmap_rnd_compat_bits", SECURITY),
    ("vm.nr_hugepages_mempolicy", "it is vm.nr_hugepages under another name: set that"),
    ("vm.panic_on_oom", PANIC),
    ("vm.stat_refresh", ACTION),
];

/// Whole families of such settings, by how they begin.
const REFUSED_FAMILIES: &[(&str, &str)] = &[
    ("fs.binfmt_misc.", COMMAND),
    ("kernel.firmware_config.", COMMAND),
    ("kernel.kexec_load_limit_", ONE_WAY),
    ("kernel.panic", PANIC),
    ("kernel.random.", READ_ONLY),
    ("kernel.usermodehelper.", COMMAND),
    ("kernel.yama.", SECURITY),
    ("net.ipv6.conf.all.", SPREADS),
    ("net.mpls.", "it takes away the machine's labels and routes, which putting it back does not give back"),
];

/// Settings of each network interface, by how they end.
const REFUSED_OF_INTERFACES: &[(&str, &str)] = &[
    (".addr_gen_mode", ADDRESSES),
    (".disable_ipv6", ADDRESSES),
    (".forwarding", ROUTES),
    (".mtu", ADDRESSES),
    (".stable_secret", SECRET),
];

/// The same, of what is known of each interface's neighbours.
const REFUSED_OF_NEIGHBOURS: &[&str] = &[
    ".base_reachable_time",
    ".base_reachable_time_ms",
    ".retrans_time",
    ".retrans_time_ms",
    ".unres_qlen",
    ".unres_qlen_bytes",
];

/// Why no profile may set this, if so: it can harm the machine, or can't be undone.
pub fn refused(name: &str) -> Option<&'static str> {
    // What makes the kernel panic is named after what it panics on.
    if name.starts_with("kernel.") && name.ends_with("_panic") {
        return Some(PANIC);
    }
    let exact = REFUSED.iter().find(|(known, _)| *known == name);
    let family = || REFUSED_FAMILIES.iter().find(|(beginning, _)| name.starts_with(beginning));
    let of_interfaces = || {
        let is_of_interface = name.starts_with("net.ipv4.conf.") || name.starts_with("net.ipv6.conf.");
        REFUSED_OF_INTERFACES.iter().find(|(end, _)| is_of_interface && name.ends_with(end))
    };
    let of_neighbours = || {
        let is_of_neighbour = name.starts_with("net.ipv4.neigh.") || name.starts_with("net.ipv6.neigh.");
        REFUSED_OF_NEIGHBOURS.iter().any(|end| is_of_neighbour && name.ends_with(end)).then_some(TWO_FILES)
    };
    exact.or_else(of_interfaces).or_else(family).map(|(_, why)| *why).or_else(of_neighbours)
}

/// Whether a setting changes by itself when another is made, and goes back by itself with that one: the defaults for
/// network interfaces hold for each that was never given anything of its own, a few values are shown under two names, and
/// a congestion control may bring its module along.
pub fn follows(name: &str, made: &str) -> bool {
    for family in ["net.ipv4.conf.", "net.ipv4.neigh.", "net.ipv6.neigh."] {
        let made = made.strip_prefix(family).and_then(|rest| rest.strip_prefix("default."));
        let own = name.strip_prefix(family).and_then(|rest| rest.split_once('.'));
        if let Some((made, (_, own))) = made.zip(own) {
            return made == own;
        }
    }
    match made {
        "kernel.nmi_watchdog" | "kernel.soft_watchdog" => name == "kernel.watchdog",
        "net.ipv4.tcp_congestion_control" => name == "net.ipv4.tcp_available_congestion_control",
        "vm.nr_hugepages" => name == "vm.nr_hugepages_mempolicy",
        _ => false,
    }
}

/// Whether two values are one, up to white space: the kernel parts fields by tabs.
pub fn same(left: &str, right: &str) -> bool {
    left.split_whitespace().eq(right.split_whitespace())
}

/// The value as a number, where it is a single whole one.
pub fn single_number(value: &str) -> Option<u64> {
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_containers_own_is_set_in_one() {
        let check = |name: &str, expected: Scope| {
            assert_eq!(scope(name), expected, "{name}");
            assert_eq!(in_containers(name), matches!(expected, Scope::Net | Scope::Ipc), "{name}");
        };
        check("net.core.somaxconn", Scope::Net);
        check("net.ipv4.tcp_rmem", Scope::Net);
        check("net.ipv4.conf.all.rp_filter", Scope::Net);
        check("net.ipv4.conf.eth0/5.rp_filter", Scope::Net);
        check("net.ipv4.conf.all.accept_redirects", Scope::Host);
        check("kernel.sem", Scope::Ipc);
        check("kernel.shmmax", Scope::Ipc);
        check("fs.mqueue.msg_max", Scope::Ipc);
        check("kernel.hostname", Scope::Uts);
        for name in
            ["net.core.rmem_max", "net.core.netdev_max_backlog", "net.ipv4.tcp_mem", "fs.file-max", "vm.swappiness"]
        {
            check(name, Scope::Host);
        }
        check("kernel.pid_max", Scope::Host);
        check("net.core.somaxconn2", Scope::Host);
    }

    #[test]
    fn dangers_are_those_of_the_value() {
        let check = |name: &str, value: &str, expected: bool| {
            assert_eq!(danger(name, value).is_some(), expected, "{name} {value}")
        };
        check("net.ipv4.tcp_rmem", "30000000 30000000 30000000", true);
        check("net.ipv4.tcp_rmem", "4096 131072 33554432", false);
        check("net.ipv4.tcp_wmem", "1048577\t2097152\t4194304", true);
        check("net.ipv4.tcp_mem", "30000000 30000000 30000000", true);
        check("net.ipv4.tcp_mem", "300000 300000 300000", false);
        check("net.ipv4.tcp_tw_reuse", "1", true);
        check("net.ipv4.tcp_tw_reuse", "2", false);
        check("net.ipv4.tcp_syncookies", "0", true);
        check("net.ipv4.tcp_syncookies", "1", false);
        check("vm.overcommit_memory", "0", false);
        for (name, bad, good) in [
            ("kernel.randomize_va_space", "0", "2"),
            ("kernel.kptr_restrict", "0", "1"),
            ("kernel.perf_event_paranoid", "-1", "2"),
            ("fs.file-max", "10", "1000000"),
            ("kernel.pid_max", "301", "4194304"),
            ("kernel.threads-max", "100", "100000"),
            ("vm.min_free_kbytes", "24000000", "65536"),
            ("vm.nr_hugepages", "12000", "0"),
        ] {
            check(name, bad, true);
            check(name, good, false);
        }
        check("net.core.somaxconn", "100000", false);
    }

    #[test]
    fn what_can_harm_a_machine_is_refused() {
        for name in [
            "kernel.panic",
            "kernel.panic_on_oops",
            "kernel.softlockup_panic",
            "kernel.unknown_nmi_panic",
            "kernel.hung_task_panic",
            "kernel.sysrq",
            "kernel.core_pattern",
            "vm.drop_caches",
            "vm.panic_on_oom",
            "net.ipv4.route.flush",
            "net.ipv6.conf.all.disable_ipv6",
            "net.ipv6.conf.all.ignore_routes_with_linkdown",
            "net.ipv6.conf.default.forwarding",
            "net.ipv4.conf.all.forwarding",
            "net.ipv4.conf.eth0.forwarding",
            "net.ipv4.ip_forward",
            "net.ipv4.neigh.eth0.unres_qlen",
            "net.mpls.platform_labels",
            "kernel.shm_rmid_forced",
            "kernel.warn_limit",
            "kernel.oops_limit",
            "kernel.kexec_load_limit_reboot",
            "kernel.watchdog",
        ] {
            assert!(refused(name).is_some(), "{name}");
        }
        for name in ["net.core.somaxconn", "vm.swappiness", "kernel.shmmax", "net.ipv4.conf.all.rp_filter"] {
            assert_eq!(refused(name), None, "{name}");
        }
    }

    #[test]
    fn what_changes_along_and_goes_back_by_itself_is_known() {
        for (name, made, expected) in [
            ("net.ipv4.conf.lo.rp_filter", "net.ipv4.conf.default.rp_filter", true),
            ("net.ipv4.conf.lo.rp_filter", "net.ipv4.conf.default.log_martians", false),
            ("net.ipv4.conf.lo.rp_filter", "net.ipv4.conf.all.rp_filter", false),
            ("net.ipv6.neigh.eth0/5.gc_stale_time", "net.ipv6.neigh.default.gc_stale_time", true),
            ("net.ipv6.conf.lo.hop_limit", "net.ipv6.conf.default.hop_limit", false),
            ("kernel.watchdog", "kernel.nmi_watchdog", true),
            ("vm.nr_hugepages_mempolicy", "vm.nr_hugepages", true),
            ("vm.swappiness", "vm.dirty_ratio", false),
        ] {
            assert_eq!(follows(name, made), expected, "{name} {made}");
        }
    }

    #[test]
    fn values_are_compared_as_the_kernel_prints_them() {
        assert!(same("1 2 3", "1\t2\t3\n") && same("a", " a ") && !same("12", "1 2"));
        assert_eq!((single_number("4096\n"), single_number("1 2"), single_number("bic")), (Some(4096), None, None));
    }
}
