//! Was the daemon calm before the load?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "not-calm",
    gives: Gives::Suspect,
    text: "The daemon's processes still used CPU when the load began, longer than the scenario waits for them: its start is part of what was measured.",
};

/// Applies when the process tree did not become calm in time.
pub fn check(case: &Case<'_>) -> Option<String> {
    (case.stored.seen.calm == Some(false)).then(|| {
        let at = case.cpu_percent.filter(|percent| percent.is_finite());
        let at = at.map(|percent| format!(", at {percent:.0} % CPU")).unwrap_or_default();
        format!("the daemon's processes were not calm when the load began{at}: its start is part of what was measured")
    })
}
