//! The rules, one a file. Each has a `RULE` for reading; those on figures have a `check` that answers with one sentence.

mod calm;
mod case;
mod connections;
mod connections_lost;
mod corrected;
mod document;
mod duration;
mod ending;
mod errors;
mod generator_invalid;
mod generator_late;
mod impossible;
mod keep_alive;
mod leftovers;
mod list;
mod littles_law;
mod load_protocol;
mod network_changed;
mod network_limit;
pub(super) mod not_measured;
mod printed_rate;
mod protocol;
mod rate_kept;
mod rate_reached;
pub(super) mod samples;
mod status;
mod success;
mod tuning_changed;
mod workers;

pub(super) use case::Case;
pub(super) use list::FIGURE_RULES;
pub(super) use not_measured::ID as NOT_MEASURED;
