//! Was the load answered in the protocol that the daemon says?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "load-protocol",
    gives: Gives::Invalid,
    text: "The load generator spoke another protocol with the daemon than its daemon.toml says. What was measured is not what the row is named for: HTTP/2 puts many requests on one connection, and HTTP/1.1 does not.",
};

/// Applies when the load generator tells another protocol than the daemon declares.
pub fn check(case: &Case<'_>) -> Option<String> {
    let declared = &case.daemon?.protocol;
    let spoken = case.figures.protocol.as_ref()?;
    (declared != spoken)
        .then(|| format!("the daemon is declared as one that speaks {declared}, but the load was answered in {spoken}: this is not what was to be measured"))
}
