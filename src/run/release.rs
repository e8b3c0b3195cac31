//! The end on every machine: what runs is stopped, what was tuned is put back, and what came of it is told.

use futures_util::future::join_all;

use crate::event::{Happening, Reason};
use crate::host::{Link, LinkError};
use crate::plan::Plan;
use crate::run::campaign::{Connected, State};
use crate::run::emitter::Emitter;
use crate::run::error::RunError;
use crate::wire::{Change, Compared, Outcome, Reply, Request, Undone};

/// What to do about a machine that is left changed.
const RESTORE: &str = "`timetrial restore --hosts FILE` tries again, and says what it does";

/// What came of the end on all machines.
#[derive(Debug, Default)]
pub struct Released {
    /// The first thing that went wrong.
    pub error: Option<RunError>,
    /// Each machine that was left changed, or may have been.
    pub left: Vec<Reason>,
}

impl Released {
    fn note(&mut self, result: Result<(), RunError>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }
}

/// Says goodbye to every agent: it stops what still runs, puts back what it changed, and removes its work. All of it is
/// told, also where it can't be written down any more.
pub async fn all(state: &mut State<'_>) -> Released {
    let touched: Vec<Link> = state.touched.iter().filter_map(|machine| state.link(machine).ok()).collect();
    let machines = std::mem::take(&mut state.machines).into_iter();
    let owners = machines.filter_map(|(machine, Connected { link, host })| Some((machine, link, host?)));
    let leaving = owners.map(async |(machine, link, host)| {
        let reply = link.ask(Request::Goodbye).await;
        let is_touched = touched.iter().any(|other| other.is_same(&link));
        drop(link);
        host.wait().await;
        (machine, is_touched, reply)
    });
    let leaving = join_all(leaving).await;
    let plan = state.campaign.plan;
    let mut released = Released::default();
    for (machine, is_touched, reply) in leaving {
        match reply {
            Ok(Reply::Goodbye { stopped, removed_work_dir, undone, compared }) => {
                let told = Happening::MachineReleased { machine: machine.clone(), stopped, removed_work_dir };
                released.note(state.emitter.emit(told).map_err(RunError::Record));
                let left = put_back(&mut state.emitter, plan, &machine, undone, compared, &mut released);
                if let Some(reason) = left {
                    released.note(Err(RunError::Broken(reason.clone())));
                    released.left.push(reason);
                }
            }
            other => {
                let error = match other {
                    Ok(other) => LinkError::OutOfTurn { machine: machine.clone(), answer: format!("{other:?}") },
                    Err(error) => error,
                };
                released.note(Err(RunError::Link(error)));
                if is_touched {
                    released.left.push(may_be_tuned(&machine));
                }
            }
        }
    }
    released
}

/// Tells what was put back, and how the machine compares with what it was. A machine left changed is a failure, whatever
/// was measured.
fn put_back(
    emitter: &mut Emitter<'_>,
    plan: &Plan,
    machine: &str,
    undone: Option<Undone>,
    compared: Option<Compared>,
    released: &mut Released,
) -> Option<Reason> {
    let name = machine.to_owned();
    let failed = undone.as_ref().map(failures).unwrap_or_default();
    // What somebody else set meanwhile is theirs, and was told with the undoing.
    let alone = undone.as_ref().map(left_alone).unwrap_or_default();
    if let Some(undone) = undone {
        let told = emitter.emit(Happening::TuningUndone { machine: name.clone(), undone });
        released.note(told.map_err(RunError::Record));
    }
    let mut ours = Vec::new();
    if let Some(compared) = compared {
        let tuned = |change: &&Change| {
            is_of_ours_in_postgresql(change) || plan.tuning.iter().any(|tuning| has(tuning, &change.name))
        };
        ours = compared.differences.iter().filter(tuned).cloned().collect();
        let told = emitter.emit(Happening::MachineCompared { machine: name, compared, ours: ours.clone() });
        released.note(told.map_err(RunError::Record));
    }
    let left = ours.iter().filter(|change| !alone.contains(&change.name)).map(|change| {
        let [from, to] = [&change.from, &change.to].map(|value| value.as_deref().unwrap_or("nothing"));
        format!("{} was {from} and is {to}", change.name)
    });
    let lines = failed.into_iter().chain(left).collect();
    left_changed(format!("{machine} is left changed"), lines)
}

fn left_changed(what: String, mut lines: Vec<String>) -> Option<Reason> {
    if lines.is_empty() {
        return None;
    }
    let message = format!("{what}: {}", lines.remove(0));
    Some(Reason { code: "left-changed".to_owned(), message, detail: lines, hint: Some(RESTORE.to_owned()) })
}

/// Why nothing is measured on a machine on which not all could be undone that an earlier run had left: it is in a state
/// that nobody asked for.
pub fn still_changed(machine: &str, undone: &Undone) -> Option<Reason> {
    left_changed(format!("{machine} is still as run {} left it", undone.run), failures(undone))
}

/// What holds of a machine whose agent did not live to tell that it put it back.
fn may_be_tuned(machine: &str) -> Reason {
    Reason {
        code: "may-be-tuned".to_owned(),
        message: format!(
            "{machine} may still be tuned: its agent was lost before it could say that it put the machine back. If that \
             agent lives, it does so by itself"
        ),
        detail: Vec::new(),
        hint: Some(
            "`timetrial restore --hosts FILE` puts it back if nobody has yet, and so does the next contact with that machine"
                .to_owned(),
        ),
    }
}

/// Whether something of the campaign's is still in the machine's own PostgreSQL: all of it bears our name. Whatever else
/// is different there, somebody else has changed.
fn is_of_ours_in_postgresql(change: &Change) -> bool {
    let bears_our_name = |text: &str| text.contains("timetrial");
    let now = change.to.as_deref().is_some_and(bears_our_name);
    change.name.starts_with("PostgreSQL ") && (now || change.to.is_some() && bears_our_name(&change.name))
}

fn has(tuning: &crate::plan::Tuning, name: &str) -> bool {
    tuning.settings.iter().any(|setting| setting.name == name)
}

fn failures(undone: &Undone) -> Vec<String> {
    let failed = undone.entries.iter().filter_map(|entry| match &entry.outcome {
        Outcome::Failed { why } => Some(format!("{} could not be put back: {why}", entry.name)),
        _ => None,
    });
    failed.collect()
}

fn left_alone(undone: &Undone) -> Vec<String> {
    let alone = undone.entries.iter().filter(|entry| entry.outcome == Outcome::LeftAlone);
    alone.map(|entry| entry.name.clone()).collect()
}
