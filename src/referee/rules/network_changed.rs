//! Was it the same network all the time?

use crate::event::Moment;
use crate::metric::{Flow, NetworkFigures, apart, bit_rate};
use crate::referee::rules::Case;
use crate::referee::rules::case::percent;
use crate::referee::verdict::{Gives, Rule};
use crate::store::SeenCheck;

/// Two checks of one network are closer to each other than this. On a busy, shared virtual machine checks of 3 s were 22 %
/// apart and checks of 5 s 11 %: the latter says nothing of the network yet, the former says that the machine is no place to
/// measure.
const FAR: f64 = 0.15;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "network-changed",
    gives: Gives::Suspect,
    text: "The network between load generator and daemon carried more than 15 % more or less after the last trial than before the first: nobody knows which of the two this trial had. A loopback is not judged: it moves with the CPU of its machine.",
};

/// Applies when the network was another one after the last trial.
pub fn check(case: &Case<'_>) -> Option<String> {
    let trial = &case.stored.trial;
    if trial.client == trial.server {
        return None;
    }
    let ways = WAYS.iter().filter_map(|(what, way)| change(case, what, *way));
    let (share, message) = ways.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (share > FAR).then_some(message)
}

/// One way over the network.
type Way = fn(&NetworkFigures) -> &Flow;

/// Both ways, and what goes there.
const WAYS: [(&str, Way); 2] = [("requests", |figures| &figures.to_server), ("answers", |figures| &figures.to_client)];

/// How far one way has changed, and the words for it. Of several tools the one that saw most is believed: what was carried
/// could be carried, and a tool that saw less may have had no CPU.
fn change(case: &Case<'_>, what: &str, way: Way) -> Option<(f64, String)> {
    // What another tool saw says nothing of a change.
    let both =
        |check: &&SeenCheck<'_>| case.checks.iter().any(|other| other.tool == check.tool && other.when != check.when);
    let most = |when: Moment| {
        let seen = case.checks.iter().filter(|check| check.when == when).filter(both);
        seen.map(|check| (way(check.figures).bits_per_second(), check.tool))
            .max_by(|one, other| one.0.total_cmp(&other.0))
    };
    let ((old, before), (new, after)) = (most(Moment::Before)?, most(Moment::After)?);
    let share = apart(old, new)?;
    let message = format!(
        "the network carried {} of {what} before the first trial (by {before}) and {} after the last (by {after}), {} apart: it \
         changed meanwhile",
        bit_rate(old),
        bit_rate(new),
        percent(share)
    );
    Some((share, message))
}
