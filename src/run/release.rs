//! The end on every machine: what runs is stopped, what was tuned is put back, and what came of it is told.

use futures_util::future::join_all;

use crate::event::{Happening, Reason};
use crate::host::LinkError;
use crate::plan::Plan;
use crate::run::campaign::{Connected, State};
use crate::run::emitter::Emitter;
use crate::run::error::RunError;
use crate::wire::{Change, Compared, Outcome, Reply, Request, Undone};

/// Says goodbye to every agent: it stops what still runs, puts back what it changed, and removes its work.
pub async fn all(state: &mut State<'_>) -> Result<(), RunError> {
    let machines = std::mem::take(&mut state.machines).into_iter();
    let owners = machines.filter_map(|(machine, Connected { link, host })| Some((machine, link, host?)));
    let leaving = owners.map(async |(machine, link, host)| {
        let reply = link.ask(Request::Goodbye).await;
        drop(link);
        host.wait().await;
        (machine, reply)
    });
    let plan = state.campaign.plan;
    let mut first = Ok(());
    for (machine, reply) in join_all(leaving).await {
        let result = match reply {
            Ok(Reply::Goodbye { stopped, removed_work_dir, undone, compared }) => {
                let released = Happening::MachineReleased { machine: machine.clone(), stopped, removed_work_dir };
                let told = state.emitter.emit(released).map_err(RunError::Record);
                told.and_then(|()| put_back(&mut state.emitter, plan, &machine, undone, compared))
            }
            Ok(other) => Err(RunError::Link(LinkError::OutOfTurn { machine, answer: format!("{other:?}") })),
            Err(error) => Err(RunError::Link(error)),
        };
        first = first.and(result);
    }
    first
}

/// Tells what was put back, and how the machine compares with what it was. A machine left changed is a failure, whatever
/// was measured.
fn put_back(
    emitter: &mut Emitter<'_>,
    plan: &Plan,
    machine: &str,
    undone: Option<Undone>,
    compared: Option<Compared>,
) -> Result<(), RunError> {
    let name = machine.to_owned();
    let failed = undone.as_ref().map(failures).unwrap_or_default();
    // What somebody else set meanwhile is theirs, and was told with the undoing.
    let alone = undone.as_ref().map(left_alone).unwrap_or_default();
    if let Some(undone) = undone {
        emitter.emit(Happening::TuningUndone { machine: name.clone(), undone })?;
    }
    let mut ours = Vec::new();
    if let Some(compared) = compared {
        let tuned = |change: &&Change| {
            is_of_ours_in_postgresql(change) || plan.tuning.iter().any(|tuning| has(tuning, &change.name))
        };
        ours = compared.differences.iter().filter(tuned).cloned().collect();
        emitter.emit(Happening::MachineCompared { machine: name, compared, ours: ours.clone() })?;
    }
    let left = ours.iter().filter(|change| !alone.contains(&change.name)).map(|change| {
        let [from, to] = [&change.from, &change.to].map(|value| value.as_deref().unwrap_or("nothing"));
        format!("{} was {from} and is {to}", change.name)
    });
    let mut lines: Vec<String> = failed.into_iter().chain(left).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let message = format!("{machine} is left changed: {}", lines.remove(0));
    let hint = "`timetrial restore --hosts FILE` tries again, and says what it does".to_owned();
    Err(RunError::Broken(Reason { code: "left-changed".to_owned(), message, detail: lines, hint: Some(hint) }))
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
