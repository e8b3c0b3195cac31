//! Does the daemon keep connections open as it says?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "keep-alive-differs",
    gives: Gives::Suspect,
    text: "The daemon was seen to keep connections open, or to close them, other than its daemon.toml says. Keep-alive alone can change a rate several times over.",
};

/// Applies when keep-alive was seen other than declared.
pub fn check(case: &Case<'_>) -> Option<String> {
    let declared = case.daemon?.keep_alive;
    let seen = case.stored.seen.keep_alive?;
    let words = |keeps: bool| if keeps { "keeps connections open" } else { "closes each connection" };
    (declared != seen).then(|| {
        format!(
            "the daemon is declared as one that {}, but one that {} was seen: it is compared with the wrong ones",
            words(declared),
            words(seen)
        )
    })
}
