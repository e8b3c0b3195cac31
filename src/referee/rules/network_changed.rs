//! Was it the same network all the time?

use crate::event::Moment;
use crate::metric::{Flow, NetworkFigures, apart, bit_rate};
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};
use crate::store::SeenCheck;

/// Two checks of one network are closer to each other than this. On a busy, shared virtual machine checks of 3 s were 22 %
/// apart and checks of 5 s 11 %: the latter says nothing of the network yet, the former says that the machine is no place to
/// measure.
const FAR: f64 = 0.15;

/// Answers that take less of the network than this are not held up by it, whichever of the two it was.
const REAL_SHARE: f64 = 0.2;

/// A network that changed by more than this is another one, and whatever went over it is in doubt: a link of 1 Gb/s that
/// fell to 100 Mb/s.
const ANOTHER: f64 = 0.5;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "network-changed",
    gives: Gives::Suspect,
    text: "The network between load generator and daemon carried more than 15 % more or less after the last trial than before the first, and the answers took more than 20 % of the lower of both, or it changed by more than half: nobody knows which of the two this trial had. A loopback is not judged: it moves with the CPU of its machine.",
};

/// Applies when the network was another one after the last trial.
pub fn check(case: &Case<'_>) -> Option<String> {
    if case.one_machine {
        return None;
    }
    let changes = WAYS.iter().filter_map(|(what, way)| change(case, what, *way));
    let changes = changes.max_by(|one, other| one.0.total_cmp(&other.0));
    let (change, message) = changes.filter(|(change, _)| *change > FAR)?;
    if change > ANOTHER {
        return Some(message);
    }
    let share = ratio(case.answers_rate(), lower(case)?)?;
    (share > REAL_SHARE).then(|| format!("{message}, and the answers took {} of the lower of both", percent(share)))
}

/// The lower rate of answers of both moments: the one that load could have felt.
fn lower(case: &Case<'_>) -> Option<f64> {
    let (old, new) = both(case, |figures| &figures.to_client)?;
    Some(old.0.min(new.0))
}

/// One way over the network.
type Way = fn(&NetworkFigures) -> &Flow;

/// Both ways, and what goes there.
const WAYS: [(&str, Way); 2] = [("requests", |figures| &figures.to_server), ("answers", |figures| &figures.to_client)];

/// How far one way has changed, and the words for it.
fn change(case: &Case<'_>, what: &str, way: Way) -> Option<(f64, String)> {
    let ((old, before), (new, after)) = both(case, way)?;
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

/// A rate in bits per second, and the tool that saw it.
type Seen<'a> = (f64, &'a str);

/// What one way carried before and after. Of several tools the one that saw most is believed: what was carried could be
/// carried, and a tool that saw less may have had no CPU.
fn both<'a>(case: &Case<'a>, way: Way) -> Option<(Seen<'a>, Seen<'a>)> {
    // What another tool saw says nothing of a change.
    let twice =
        |check: &&SeenCheck<'_>| case.checks.iter().any(|other| other.tool == check.tool && other.when != check.when);
    let most = |when: Moment| {
        let seen = case.checks.iter().filter(|check| check.when == when).filter(twice);
        seen.map(|check| (way(check.figures).bits_per_second(), check.tool))
            .max_by(|one, other| one.0.total_cmp(&other.0))
    };
    Some((most(Moment::Before)?, most(Moment::After)?))
}
