//! Was all sent that was due?

use crate::metric::{count, counted};
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};

/// A few requests are due in the last moment and find no connection free any more.
const SHARE: f64 = 0.001;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "rate-not-kept",
    gives: Gives::Suspect,
    text: "More than 0.1 % of the requests that were due in an open loop were never sent, because no connection was free for them: the connections can't carry the rate at the latency that the daemon has. The rate was not the one asked for, and the latency holds those requests only as long as they were waited for.",
};

/// Applies when requests were due and never sent.
pub fn check(case: &Case<'_>) -> Option<String> {
    let account = case.figures.account.as_ref()?;
    let due = account.due?;
    let share = ratio(account.never_sent as f64, due as f64).filter(|share| *share > SHARE)?;
    Some(format!(
        "{} of {} ({}) were never sent, since none of {} was free: the rate was not the one asked for",
        count(account.never_sent),
        counted(due, "due request"),
        percent(share),
        counted(case.figures.connections_asked, "connection"),
    ))
}
