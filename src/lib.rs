//! `timetrial`: trustworthy end-to-end benchmarks of network daemons. The map of the rooms is `docs/architecture.md`.

pub mod agent;
pub mod cli;
pub mod command;
pub mod diagnostic;
pub mod display;
pub mod event;
pub mod host;
pub mod inventory;
pub mod loadgen;
pub mod metric;
pub mod plan;
pub mod preflight;
pub mod referee;
pub mod report;
pub mod run;
pub mod scenario;
pub mod store;
pub mod tool;
pub mod truth;
pub mod tuning;
pub mod wire;
