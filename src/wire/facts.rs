//! Facts of a machine, read by its agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a machine is, at one moment. What could not be read is `None` or missing, never a made-up value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Its host name.
    pub hostname: Option<String>,
    /// `Debian GNU/Linux 12 (bookworm)`
    pub distribution: Option<String>,
    /// `bookworm`
    pub suite: Option<String>,
    /// `6.18.44`
    pub kernel: Option<String>,
    /// `x86_64`
    pub architecture: String,
    /// The processor's own name.
    pub cpu_model: Option<String>,
    /// Logical processors that the agent may use.
    pub cpus: usize,
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Memory still available.
    pub memory_available_bytes: Option<u64>,
    /// Free space where the agent keeps its work.
    pub disk_free_bytes: Option<u64>,
    /// Load average over one minute.
    pub load_1m: Option<f64>,
    /// Seconds since boot.
    pub uptime_s: Option<u64>,
    /// The kernel's id of this boot.
    pub boot_id: Option<String>,
    /// `kvm`, `docker`, ... where it shows.
    pub virtualization: Option<String>,
    /// Frequency governor of the processors; of each by itself where they differ.
    pub cpu_governor: Option<String>,
    /// Whether they may run faster than they can for ever: `on`, `off`.
    pub cpu_turbo: Option<String>,
    /// Open files, soft and hard limit of the agent.
    pub nofile: Option<(u64, u64)>,
    /// The user that daemons run as; a number where no name of it is known.
    pub user: String,
    /// Whether the machine was asked for its name, and has none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nameless: bool,
    /// Kernel settings that bear on a benchmark, as they stand.
    pub sysctl: BTreeMap<String, String>,
    /// Tools that provisioning needs and that are missing.
    pub missing: Vec<String>,
}
