//! What a reader must know of tuning before the first number: what may not have fitted, what did not take, what was not as
//! it was found.

use crate::event::{Happening, SumVerdict};
use crate::report::escape::Text;
use crate::report::model::types::{Notice, NoticeKind};
use crate::store::StoredRun;
use crate::wire::{Outcome, Tuned, Undone};

/// The notices.
pub fn notices(run: &StoredRun) -> Vec<Notice> {
    let mut all = Vec::new();
    let sums: Vec<&str> = run.events.iter().flat_map(|event| doubts(&event.event)).collect();
    for event in &run.events {
        if let Happening::MachineTuned { machine, settings, .. } = &event.event {
            // What a sum told before is not told again.
            let told = |tuned: &&Tuned| sums.iter().any(|text| text.contains(&format!("{} = ", tuned.name)));
            let lost = settings.iter().filter(|tuned| !tuned.took && !told(tuned));
            all.extend(
                lost.map(|tuned| Notice { kind: NoticeKind::Limit, text: Text::from(self::lost(machine, tuned)) }),
            );
        }
        all.extend(of(&event.event).into_iter().map(|(kind, text)| Notice { kind, text: Text::from(text) }));
    }
    all
}

fn doubts(event: &Happening) -> Vec<&str> {
    let Happening::Reckoned { sums } = event else { return Vec::new() };
    let doubtful = sums.iter().filter(|sum| sum.verdict == SumVerdict::Doubtful);
    doubtful.map(|sum| sum.text.as_str()).collect()
}

fn of(event: &Happening) -> Vec<(NoticeKind, String)> {
    match event {
        Happening::Reckoned { sums } => {
            let doubtful = sums.iter().filter(|sum| sum.verdict == SumVerdict::Doubtful);
            doubtful
                .map(|sum| (NoticeKind::Limit, format!("{}: {}.", sum.machine, sum.text.trim_end_matches('.'))))
                .collect()
        }
        Happening::LeftUndone { machine, undone } => left(machine, undone),
        Happening::TuningUndone { machine, undone } => {
            let told = undone.entries.iter().filter_map(|entry| match &entry.outcome {
                Outcome::LeftAlone => Some(format!(
                    "On {machine}, {} was changed by somebody else meanwhile, and was left as that: {}.",
                    entry.name,
                    entry.found.as_deref().unwrap_or("nothing")
                )),
                Outcome::Failed { why } => Some(format!("On {machine}, {} could not be put back: {why}.", entry.name)),
                _ => None,
            });
            told.map(|text| (NoticeKind::Doubt, text)).collect()
        }
        Happening::MachineCompared { machine, compared, .. } => {
            let told = compared.differences.iter().map(|change| {
                let [from, to] = [&change.from, &change.to].map(|value| value.as_deref().unwrap_or("nothing"));
                format!("{machine} was not as it was found: {} was {from} and is {to}.", change.name)
            });
            told.map(|text| (NoticeKind::Doubt, text)).collect()
        }
        _ => Vec::new(),
    }
}

/// What an earlier run had left: only where all of it is undone was the machine put back.
fn left(machine: &str, undone: &Undone) -> Vec<(NoticeKind, String)> {
    let run = &undone.run;
    let told = undone.entries.iter().filter_map(|entry| match &entry.outcome {
        Outcome::LeftAlone => Some(format!(
            "On {machine}, {}, which run {run} had changed, was set by somebody else since, and was left as that: {}.",
            entry.name,
            entry.found.as_deref().unwrap_or("nothing")
        )),
        Outcome::Failed { why } => {
            Some(format!("On {machine}, {}, which run {run} had changed, could not be put back: {why}.", entry.name))
        }
        _ => None,
    });
    let mut all: Vec<_> = told.map(|text| (NoticeKind::Doubt, text)).collect();
    if all.is_empty() {
        let text = format!("{machine} was still as run {run} had left it, and was put back before this one.");
        all.push((NoticeKind::Limit, text));
    }
    all
}

fn lost(machine: &str, tuned: &Tuned) -> String {
    let stays = tuned.after.as_deref().map_or("there is none here".to_owned(), |after| format!("it is {after}"));
    let why = tuned.why.as_deref().unwrap_or("it did not take");
    format!("On {machine}, {} did not become {}: {stays} ({why}).", tuned.name, tuned.wanted)
}
