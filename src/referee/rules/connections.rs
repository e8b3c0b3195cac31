//! Were as many connections alive as were asked for?

use crate::metric::{count, counted};
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "fewer-connections",
    gives: Gives::Suspect,
    text: "Fewer connections were alive at the end than were asked for. wrk divides them evenly over its threads and drops the rest, and it never opens again what failed to connect; ours replaces them, and tells how many were open at once at most: the load was smaller than stated.",
};

/// Applies when connections are missing.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    let asked = figures.connections_asked.max(case.stored.trial.load.connections);
    let alive = figures.connections_alive();
    (alive < asked).then(|| {
        if figures.account.is_some() {
            let asked = counted(asked, "connection");
            return format!(
                "{asked} asked for, {} open at once at most: the load was smaller than stated",
                count(alive.into())
            );
        }
        format!(
            "{} asked for, {} used ({} with {} each), {} alive at the end: the load was smaller than stated",
            counted(asked, "connection"),
            count(figures.connections_used.into()),
            counted(figures.threads, "thread"),
            figures.connections_used.checked_div(figures.threads).unwrap_or(0),
            count(alive.into())
        )
    })
}
