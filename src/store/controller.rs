//! Who carries a run out, and from where: what its plan and its inputs do not tell, and whoever resumes it needs.

use serde::{Deserialize, Serialize};

/// `controller.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// The version of the program: another one may measure otherwise, so it does not go on with this run.
    pub timetrial: String,
    /// The inventory's absolute path on the controller: relative paths of keys and certificates begin in its folder.
    pub hosts: String,
    /// Who runs it: user, host, process, and since when.
    pub owner: String,
}
