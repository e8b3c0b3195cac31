//! What a plan changes on machines, and with which settings PostgreSQL runs.

use serde::{Deserialize, Serialize};

/// What is changed on a machine for the campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// The machine.
    pub machine: String,
    /// The profiles that it comes from, in order.
    pub profiles: Vec<String>,
    /// The settings, in order, each once.
    pub settings: Vec<TunedSetting>,
    /// The limit of open files for daemons, load generators and PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nofile: Option<NoFile>,
}

/// A setting of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunedSetting {
    /// `net.core.somaxconn`, `cpu.governor`, `cpu.turbo`
    pub name: String,
    /// What it shall be.
    pub value: String,
    /// Where that stands: `sysctl/network-booster.conf:5`.
    pub from: String,
    /// Whether the campaign goes on without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Whether less is enough, and how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// What is dangerous about it, which the scenario accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
}

/// A limit of open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoFile {
    /// What is asked for.
    pub want: u64,
    /// What is enough.
    pub at_least: u64,
}

/// A PostgreSQL profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresConf {
    /// Its name: a file in `postgres-conf/`.
    pub name: String,
    /// Its settings, in its order, the last of each name.
    pub settings: Vec<ConfSetting>,
}

/// A setting of a PostgreSQL profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfSetting {
    /// Its name.
    pub name: String,
    /// Its value, without quotes.
    pub value: String,
    /// Where it stands: `postgres-conf/today.conf:7`.
    pub from: String,
    /// What is dangerous about it, which the scenario accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
}
