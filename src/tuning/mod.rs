//! Profiles of kernel settings and of PostgreSQL's: how they are written, where each setting applies, and what is
//! dangerous about it. Pure: nothing is looked up on any machine.

mod known;
mod postgres;
mod sysctl;

pub use known::{GOVERNOR, Scope, TURBO, danger, follows, gone, in_containers, refused, same, scope, single_number};
pub use postgres::{conf_danger, conf_number, conf_refused, loses_data, parse_conf};
pub use sysctl::{WrittenSetting, normal_name, parse_sysctl};
