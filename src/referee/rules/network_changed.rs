//! Was it the same network all the time?

use crate::event::Moment;
use crate::metric::{Flow, apart, bit_rate};
use crate::referee::rules::Case;
use crate::referee::rules::case::percent;
use crate::referee::verdict::{Gives, Rule};
use crate::store::SeenCheck;

/// Two checks of a quiet network are closer to each other than this.
const FAR: f64 = 0.1;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "network-changed",
    gives: Gives::Suspect,
    text: "The network between load generator and daemon carried more than 10 % more or less after the last trial than before the first: nobody knows which of the two this trial had. A loopback is not judged: it moves with the CPU of its machine.",
};

/// Applies when the network was another one after the last trial.
pub fn check(case: &Case<'_>) -> Option<String> {
    let trial = &case.stored.trial;
    if trial.client == trial.server {
        return None;
    }
    let before = case.checks.iter().filter(|check| check.when == Moment::Before);
    let both = before.filter_map(|before| {
        let after = case.checks.iter().find(|after| after.when == Moment::After && after.tool == before.tool)?;
        Some((before, after))
    });
    let changes = both.flat_map(|(before, after)| changes(before, after));
    let (share, message) = changes.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (share > FAR).then_some(message)
}

/// How far each way has changed, and the words for it.
fn changes(before: &SeenCheck<'_>, after: &SeenCheck<'_>) -> Vec<(f64, String)> {
    let (old, new) = (before.figures, after.figures);
    let ways = [("requests", &old.to_server, &new.to_server), ("answers", &old.to_client, &new.to_client)];
    let change = |(what, old, new): (&str, &Flow, &Flow)| {
        let (old, new) = (old.bits_per_second(), new.bits_per_second());
        let share = apart(old, new)?;
        let message = format!(
            "by {} the network carried {} of {what} before the first trial and {} after the last, {} apart: it changed meanwhile",
            before.tool,
            bit_rate(old),
            bit_rate(new),
            percent(share)
        );
        Some((share, message))
    };
    ways.into_iter().filter_map(change).collect()
}
