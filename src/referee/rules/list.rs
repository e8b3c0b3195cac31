//! Every rule on figures, in order: what makes a trial invalid, then what the load generator told, then what was seen.

use crate::referee::rules::{
    Case, calm, connections, connections_lost, corrected, document, duration, ending, errors, generator_invalid,
    generator_late, impossible, keep_alive, leftovers, littles_law, load_protocol, network_changed, network_limit,
    printed_rate, protocol, rate_kept, rate_reached, status, success, tuning_changed, workers,
};
use crate::referee::verdict::Rule;

/// Answers with one sentence when the rule applies.
type Check = fn(&Case<'_>) -> Option<String>;

/// The rules on figures.
pub const FIGURE_RULES: [(Rule, Check); 25] = [
    (impossible::RULE, impossible::check),
    (success::RULE, success::check),
    (document::RULE, document::check),
    (load_protocol::RULE, load_protocol::check),
    (connections_lost::RULE, connections_lost::check),
    (generator_invalid::RULE, generator_invalid::check),
    (ending::RULE, ending::check),
    (status::RULE, status::check),
    (errors::RULE, errors::check),
    (connections::RULE, connections::check),
    (printed_rate::RULE, printed_rate::check),
    (duration::RULE, duration::check),
    (corrected::RULE, corrected::check),
    (littles_law::RULE, littles_law::check),
    (rate_reached::RULE, rate_reached::check),
    (rate_kept::RULE, rate_kept::check),
    (generator_late::RULE, generator_late::check),
    (network_limit::RULE, network_limit::check),
    (network_changed::RULE, network_changed::check),
    (tuning_changed::RULE, tuning_changed::check),
    (keep_alive::RULE, keep_alive::check),
    (protocol::RULE, protocol::check),
    (workers::RULE, workers::check),
    (calm::RULE, calm::check),
    (leftovers::RULE, leftovers::check),
];
