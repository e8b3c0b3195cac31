//! What this machine lets a load have: descriptors, local ports, processors. The sums are done before the first packet.

use std::net::IpAddr;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cli::load::wrong::Found;
use crate::loadgen::settings::{Address, Pace, Settings};
use crate::metric::{count, counted, duration_us, rate};

/// Descriptors that are not connections: standard streams, files, and a few for each thread.
const OTHER_FILES: u64 = 32;
const FILES_OF_A_THREAD: u64 = 4;
/// How long Linux keeps the port of a connection that was closed from here.
const TIME_WAIT_S: f64 = 60.0;

/// What was found on the machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The most files that we may have open, after asking for as many as may be.
    pub files: u64,
    /// The first and the last local port that the kernel gives to connections.
    pub ports: (u16, u16),
    /// `net.ipv4.tcp_tw_reuse`: 0 never, 1 always, 2 on the loopback.
    pub reuse: u8,
    /// The processors that we may run on.
    pub cpus: Vec<usize>,
    /// What time it is.
    pub now_unix_us: u64,
}

impl Machine {
    /// Looks at this machine, and raises the soft limit of open files to the hard one.
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let range = read("/proc/sys/net/ipv4/ip_local_port_range");
        let mut range = range.split_whitespace().filter_map(|word| word.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            files: open_files(),
            // Where the kernel does not tell, it has its defaults.
            ports: range.next().zip(range.next()).unwrap_or((32_768, 60_999)),
            reuse: read("/proc/sys/net/ipv4/tcp_tw_reuse").trim().parse().unwrap_or(2),
            cpus: processors(),
            now_unix_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn ports_count(&self) -> u64 {
        u64::from(self.ports.1.saturating_sub(self.ports.0)) + 1
    }

    fn range_words(&self) -> String {
        format!("net.ipv4.ip_local_port_range has {} ({} to {})", count(self.ports_count()), self.ports.0, self.ports.1)
    }
}

fn open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1_024 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

fn processors() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Refuses what can't be had here at all.
pub fn check(settings: &Settings, over_tcp: bool, machine: &Machine, found: &mut Found) {
    let (connections, threads) = (u64::from(settings.connections), u64::from(settings.threads));
    let others = OTHER_FILES + threads * FILES_OF_A_THREAD;
    let needed = connections + others;
    if needed > machine.files {
        let message = format!(
            "too few descriptors: {} + {others} of our own = {} open files, and this process may have {}",
            counted(connections, "connection"),
            count(needed),
            count(machine.files)
        );
        let hint =
            format!("ulimit -Hn {needed} in this shell as root, LimitNOFILE= in systemd, --ulimit nofile= in docker");
        found.wrong(message, hint);
    }
    if over_tcp && connections > machine.ports_count() {
        let message = format!(
            "too few local ports: each of {} to one address and port needs one of its own, and {}",
            counted(connections, "connection"),
            machine.range_words()
        );
        found.wrong(message, "sysctl net.ipv4.ip_local_port_range='1024 65535', or several client machines");
    }
}

/// Says where local ports will run out, in these words and with the sum.
pub fn port_exhaustion(settings: &Settings, machine: &Machine) -> Option<String> {
    let per_connection = settings.requests_per_connection? as f64;
    let Some(Address::Tcp(address)) = settings.target.addresses.first() else { return None };
    let is_reused = machine.reuse == 1 || machine.reuse == 2 && is_here(address.ip());
    // A port that is in TIME_WAIT may be taken again after a second where the kernel is told so.
    let kept_s = if is_reused { 1.0 } else { TIME_WAIT_S };
    let ports = machine.ports_count() as f64;
    let advice = "keep connections, widen the range, or use several client machines";
    match &settings.pace {
        Pace::Open(schedule) => {
            let new = schedule.largest_rate() / per_connection;
            let needed = new * kept_s.min(settings.duration.as_secs_f64());
            (needed > ports).then(|| {
                format!(
                    "port exhaustion: {} new connections/s x {kept_s} s in TIME_WAIT = {} local ports, and {}: from {} on, \
                     connects may fail with EADDRNOTAVAIL; {advice}",
                    rate(new),
                    count((new * kept_s) as u64),
                    machine.range_words(),
                    duration_us(ports / new * 1e6)
                )
            })
        }
        Pace::Closed => (!is_reused).then(|| {
            format!(
                "port exhaustion: above {} new connections/s ({} ports / {kept_s} s in TIME_WAIT) connects may fail with \
                 EADDRNOTAVAIL, since {}; {advice}",
                rate(ports / kept_s),
                count(machine.ports_count()),
                machine.range_words()
            )
        }),
    }
}

fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
