//! How many samples are there?

use crate::metric::counted;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "samples",
    gives: Gives::Unjudged,
    text: "Nothing speaks against the figures, but one sample can't tell a real difference from chance, and this version does not analyse repeats.",
};

/// What so many samples allow to say.
pub fn why(samples: usize) -> String {
    match samples {
        0 | 1 => "one sample".to_owned(),
        more => format!("{}, not analysed", counted(more, "sample")),
    }
}
