//! What a load cost its own machine, and what else went on there meanwhile, as the kernel tells it.

use std::fs::read_to_string;

use nix::sys::resource::{UsageWho, getrusage};

use crate::metric::Surroundings;

/// CPU time of one thread, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    user_us: u64,
    system_us: u64,
}

impl Cpu {
    /// That of the calling thread so far.
    pub fn of_this_thread() -> Self {
        getrusage(UsageWho::RUSAGE_THREAD).map_or_else(
            |_| Self::default(),
            |usage| {
                let micros = |time: nix::sys::time::TimeVal| {
                    (time.tv_sec() as u64).saturating_mul(1_000_000).saturating_add(time.tv_usec() as u64)
                };
                Self { user_us: micros(usage.user_time()), system_us: micros(usage.system_time()) }
            },
        )
    }

    /// What was used since then.
    pub fn since(self, before: Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
        }
    }

    fn total(self) -> u64 {
        self.user_us + self.system_us
    }
}

/// Counters of the machine at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    steal_us: Option<u64>,
    retransmits: Option<u64>,
    syn_retransmits: Option<u64>,
}

impl Machine {
    /// Those of now.
    pub fn now() -> Self {
        Self {
            steal_us: read_to_string("/proc/stat").ok().and_then(|text| steal_us(&text)),
            retransmits: read_to_string("/proc/self/net/snmp")
                .ok()
                .and_then(|text| column(&text, "Tcp:", "RetransSegs")),
            syn_retransmits: read_to_string("/proc/self/net/netstat")
                .ok()
                .and_then(|text| column(&text, "TcpExt:", "TCPSynRetrans")),
        }
    }

    /// What happened from then until now, with what our threads used.
    pub fn until_now(self, threads: &[Cpu]) -> Surroundings {
        let now = Self::now();
        let grown = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
        Surroundings {
            own_cpu_user_us: threads.iter().map(|cpu| cpu.user_us).sum(),
            own_cpu_system_us: threads.iter().map(|cpu| cpu.system_us).sum(),
            busiest_thread_cpu_us: threads.iter().map(|cpu| cpu.total()).max().unwrap_or(0),
            steal_us: grown(self.steal_us, now.steal_us),
            retransmits_count: grown(self.retransmits, now.retransmits),
            syn_retransmits_count: grown(self.syn_retransmits, now.syn_retransmits),
            peak_memory_bytes: read_to_string("/proc/self/status").ok().and_then(|text| peak_memory(&text)),
        }
    }
}

/// The eighth number of the first line is in hundredths of a second, whatever the kernel's own tick is.
fn steal_us(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    line.split_ascii_whitespace().nth(8)?.parse::<u64>().ok()?.checked_mul(10_000)
}

/// A value of two lines with the same beginning: names, and values.
fn column(text: &str, start: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(start));
    let names = lines.next()?.split_ascii_whitespace();
    let mut pairs = names.zip(lines.next()?.split_ascii_whitespace());
    pairs.find(|(this, _)| *this == name)?.1.parse().ok()
}

fn peak_memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(steal_us("cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"), Some(880_000));
        assert_eq!(steal_us("cpu  1 2 3\n"), None);
        let snmp = "Ip: A B\nIp: 1 2\nTcp: InSegs RetransSegs\nTcp: 17 42\n";
        assert_eq!(column(snmp, "Tcp:", "RetransSegs"), Some(42));
        assert_eq!(column(snmp, "Tcp:", "OutSegs"), None);
        assert_eq!(peak_memory("VmPeak:\t 1 kB\nVmHWM:\t    5124 kB\n"), Some(5_246_976));
        assert_eq!(peak_memory(""), None);
    }
}
