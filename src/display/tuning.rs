//! What is said of tuning: the sums that do not come out, what was set, and how it was put back.

use crate::diagnostic::printable;
use crate::event::{Happening, Sum, SumVerdict};
use crate::metric::{counted, duration_us};
use crate::wire::{Outcome, PutBack, Tuned, Undone};

/// The lines of an event.
pub fn of(event: &Happening) -> Vec<String> {
    match event {
        Happening::Reckoned { sums } => {
            sums.iter().filter(|sum| sum.verdict == SumVerdict::Doubtful).map(doubt).collect()
        }
        Happening::LeftUndone { machine, undone } => {
            let head = format!("  {}: run {} had left it changed", printable(machine), printable(&undone.run));
            std::iter::once(head).chain(undone.entries.iter().map(|entry| format!("    {}", put_back(entry)))).collect()
        }
        Happening::MachineTuned { machine, settings, nofile, took_ms } => tuned(machine, settings, *nofile, *took_ms),
        Happening::TuningVerified { machine, changed, .. } => changed
            .iter()
            .map(|change| {
                let now = change.after.as_deref().unwrap_or("gone");
                format!(
                    "warning: {}: {} was {} and is {} after the last trial: somebody changed it meanwhile",
                    printable(machine),
                    printable(&change.name),
                    printable(&change.wanted),
                    printable(now)
                )
            })
            .collect(),
        Happening::TuningUndone { machine, undone } => self::undone(machine, undone),
        Happening::MachineCompared { machine, compared, ours } => {
            let machine = printable(machine);
            if compared.differences.is_empty() {
                return vec![format!("  {machine} is as it was found: {} compared", counted(compared.values, "value"))];
            }
            let whose = |name: &str| {
                if ours.iter().any(|change| change.name == name) { "tuned" } else { "not tuned by us" }
            };
            let lines = compared.differences.iter().map(|change| {
                let [from, to] = [&change.from, &change.to].map(|value| value.as_deref().unwrap_or("nothing"));
                let name = printable(&change.name);
                format!(
                    "warning: {machine}: {name} ({}) was {} and is {}",
                    whose(&change.name),
                    printable(from),
                    printable(to)
                )
            });
            lines.collect()
        }
        _ => Vec::new(),
    }
}

fn doubt(sum: &Sum) -> String {
    let hint = sum.hint.as_ref().map(|hint| format!(" (hint: {})", printable(hint))).unwrap_or_default();
    format!("  {}: {}{hint}", printable(&sum.machine), printable(&sum.text))
}

fn tuned(machine: &str, settings: &[Tuned], nofile: Option<(u64, u64)>, took_ms: u64) -> Vec<String> {
    let took = settings.iter().filter(|tuned| tuned.took).count();
    let nofile = nofile.map(|(soft, _)| format!(", {soft} open files")).unwrap_or_default();
    let machine = printable(machine);
    let head = format!(
        "  {machine} is tuned: {took} of {}{nofile}, read back, in {}",
        counted(settings.len(), "setting"),
        duration_us(took_ms as f64 * 1e3)
    );
    let lost = settings.iter().filter(|tuned| !tuned.took).map(|tuned| {
        let why = tuned.why.as_deref().unwrap_or("it did not take");
        format!(
            "    {} stays {}: {}",
            printable(&tuned.name),
            printable(tuned.after.as_deref().unwrap_or("as it is")),
            printable(why)
        )
    });
    std::iter::once(head).chain(lost).collect()
}

fn undone(machine: &str, undone: &Undone) -> Vec<String> {
    let fine =
        |entry: &&PutBack| matches!(entry.outcome, Outcome::Restored | Outcome::AlreadySo | Outcome::UndoneByBoot);
    let back = undone.entries.iter().filter(fine).count();
    let head = format!(
        "  {} is put back: {back} of {}, in {}",
        printable(machine),
        counted(undone.entries.len(), "change"),
        duration_us(undone.took_ms as f64 * 1e3)
    );
    let others = undone.entries.iter().filter(|entry| !fine(entry)).map(|entry| format!("    {}", put_back(entry)));
    std::iter::once(head).chain(others).collect()
}

/// What was done about one entry of a journal, in words.
pub fn put_back(entry: &PutBack) -> String {
    let [found, before] = [&entry.found, &entry.before].map(|value| printable(value.as_deref().unwrap_or("nothing")));
    let name = printable(&entry.name);
    match &entry.outcome {
        Outcome::Restored => format!("put back: {name} {found} -> {before}"),
        Outcome::AlreadySo => format!("as it was already: {name} {before}"),
        Outcome::LeftAlone if name.starts_with("PostgreSQL ") => {
            format!(
                "left alone: {name} is {found}, by somebody else's hand (hint: look at it; once nobody needs it, remove it and start PostgreSQL anew)"
            )
        }
        Outcome::LeftAlone => format!(
            "left alone: {name} is {found}, which somebody else set meanwhile; before us it was {before} (hint: to put that back, \
             sysctl -w '{name}={before}')"
        ),
        Outcome::UndoneByBoot => format!("undone by a start of the machine: {name}, before us {before}"),
        Outcome::Failed { why } => format!("NOT put back: {name} is {found} and was {before}: {}", printable(why)),
    }
}
