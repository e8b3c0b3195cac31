//! Did the daemon still answer the right document?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "wrong-document",
    gives: Gives::Invalid,
    text: "After the load the endpoint answered another document than it must: what was measured may have been another answer.",
};

/// Applies when the document was wrong after the load.
pub fn check(case: &Case<'_>) -> Option<String> {
    match &case.stored.seen.document_after {
        Some((false, detail)) => {
            let detail = detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            Some(format!(
                "after the load {} answered another document than \"{}\"{detail}: the load may have measured wrong answers",
                case.stored.trial.endpoint, case.stored.trial.document
            ))
        }
        Some((true, _)) | None => None,
    }
}
