//! A sum: what a plan asks of a machine, held against what the machine has.

use serde::{Deserialize, Serialize};

/// One line of a reckoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// A stable word: `database-connections`, `ports`, `descriptors`, ...
    pub code: String,
    /// The machine.
    pub machine: String,
    /// The sum in words and numbers: `2 workers x pool of 10 = 20, and 3 reserved, of max_connections 100`.
    pub text: String,
    /// What comes of it.
    pub verdict: SumVerdict,
    /// What to do, where it does not come out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What comes of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SumVerdict {
    /// It fits.
    Fits,
    /// It may not fit, or less was got than asked for: it stands on the report's first page.
    Doubtful,
    /// It can't work, and nothing is changed.
    Refused,
}
