//! Does the daemon speak the protocol that it says?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "protocol-differs",
    gives: Gives::Suspect,
    text: "The daemon was seen to answer in another protocol than its daemon.toml says. The protocol decides whether connections stay open, so it is grouped by what was seen.",
};

/// Applies when the protocol was seen other than declared.
pub fn check(case: &Case<'_>) -> Option<String> {
    let declared = &case.daemon?.protocol;
    let seen = case.stored.seen.protocol.as_ref()?;
    (declared != seen)
        .then(|| format!("the daemon is declared as one that speaks {declared}, but it answered in {seen}: it is compared as the latter"))
}
