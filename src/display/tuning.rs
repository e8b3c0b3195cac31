//! What is said of tuning: the sums that do not come out, what was set, and how it was put back.

use crate::diagnostic::printable;
use crate::event::{Happening, Sum, SumVerdict};
use crate::metric::{counted, duration_ms};
use crate::wire::{Change, GOVERNOR, Left, Outcome, PutBack, TURBO, Tuned, Undone};

/// The lines of an event.
pub fn of(event: &Happening) -> Vec<String> {
    match event {
        Happening::Reckoned { sums } => {
            sums.iter().filter(|sum| sum.verdict == SumVerdict::Doubtful).map(doubt).collect()
        }
        Happening::LeftUndone { machine, undone } => {
            let mut lines = left_undone(undone).into_iter();
            let head = lines.next().map(|head| format!("  {}: {head}", printable(machine)));
            head.into_iter().chain(lines.map(|line| format!("  {line}"))).collect()
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
    let others = settings.iter().filter(|tuned| is_another(tuned)).count();
    let others = if others > 0 { format!(", {others} became another value than asked for") } else { String::new() };
    let nofile = nofile.map(|(soft, _)| format!(", {soft} open files")).unwrap_or_default();
    let machine = printable(machine);
    let head = format!(
        "  {machine} is tuned: {took} of {}{others}{nofile}, read back, in {}",
        counted(settings.len(), "setting"),
        duration_ms(took_ms)
    );
    let lost = settings.iter().filter(|tuned| !tuned.took).map(|tuned| {
        let why = tuned.why.as_deref().unwrap_or("it did not take");
        let after = printable(tuned.after.as_deref().unwrap_or("as it is"));
        // The kernel may take a value and make it another one: that is a change, and no staying.
        let what = if is_another(tuned) {
            format!("became {after}, and not {}", printable(&tuned.wanted))
        } else {
            format!("stays {after}")
        };
        format!("    {} {what}: {}", printable(&tuned.name), printable(why))
    });
    std::iter::once(head).chain(lost).collect()
}

/// Whether a setting that did not take was changed all the same.
fn is_another(tuned: &Tuned) -> bool {
    !tuned.took && tuned.before.is_some() && tuned.after.is_some() && tuned.before != tuned.after
}

/// What a dead agent had left and became of it, in lines: whose it was, and each change.
pub fn left_undone(undone: &Undone) -> Vec<String> {
    let head = format!("run {} had left it changed", printable(&undone.run));
    std::iter::once(head).chain(undone.entries.iter().map(|entry| format!("  {}", put_back(entry)))).collect()
}

/// What an undoing will do about each change that was left, in lines.
pub fn to_undo(left: &Left) -> Vec<String> {
    if left.entries.is_empty() {
        return vec!["undo its changes, which only root can see".to_owned()];
    }
    let line = |change: &Change| {
        let [now, before] = [&change.from, &change.to].map(|value| printable(value.as_deref().unwrap_or("nothing")));
        let name = printable(&change.name);
        if !left.stays.contains(&change.name) {
            format!("put back {name} {now} -> {before}")
        } else if change.from == change.to {
            format!("find {name} as it was: {before}")
        } else {
            format!("leave {name} alone: it is {now}, which is not what that run set; before, it was {before}")
        }
    };
    left.entries.iter().map(line).collect()
}

/// What is still changed after an undoing, one line for each change that failed.
pub fn still_changed(undone: &Undone) -> Vec<String> {
    let failed = undone.entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Failed { .. }));
    failed.map(put_back).collect()
}

fn undone(machine: &str, undone: &Undone) -> Vec<String> {
    let fine =
        |entry: &&PutBack| matches!(entry.outcome, Outcome::Restored | Outcome::AlreadySo | Outcome::UndoneByBoot);
    let back = undone.entries.iter().filter(fine).count();
    let head = format!(
        "  {} is put back: {back} of {}, in {}",
        printable(machine),
        counted(undone.entries.len(), "change"),
        duration_ms(undone.took_ms)
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
        Outcome::LeftAlone => {
            // These two are no sysctls: they are files of each processor, or of its driver.
            let hint = if [GOVERNOR, TURBO].contains(&name.as_ref()) {
                "set it again below /sys/devices/system/cpu".to_owned()
            } else {
                format!("sysctl -w '{name}={before}'")
            };
            format!(
                "left alone: {name} is {found}, which somebody else set meanwhile; before us it was {before} (hint: to put \
                 that back, {hint})"
            )
        }
        Outcome::UndoneByBoot => format!("undone by a start of the machine: {name}, before us {before}"),
        Outcome::Failed { why } => format!("NOT put back: {name} is {found} and was {before}: {}", printable(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_value_that_the_kernel_made_another_does_not_stay() {
        let one = |name: &str, wanted: &str, before: &str, after: &str| Tuned {
            name: name.to_owned(),
            wanted: wanted.to_owned(),
            before: some(before),
            after: some(after),
            took: false,
            why: some("so it is"),
            source: None,
        };
        let settings = [one("fs.pipe-max-size", "2000000", "1048576", "2097152"), one("a.b", "1", "0", "0")];
        assert_eq!(
            tuned("here", &settings, None, 0),
            [
                "  here is tuned: 0 of 2 settings, 1 became another value than asked for, read back, in under 1 ms",
                "    fs.pipe-max-size became 2097152, and not 2000000: so it is",
                "    a.b stays 0: so it is",
            ]
        );
    }

    #[test]
    fn nobody_is_sent_to_set_a_governor_by_sysctl() {
        let line = |name: &str| {
            let name = name.to_owned();
            put_back(&PutBack { name, found: some("b"), before: some("a"), outcome: Outcome::LeftAlone })
        };
        assert!(line("a.b").ends_with("(hint: to put that back, sysctl -w 'a.b=a')"), "{}", line("a.b"));
        for name in [GOVERNOR, TURBO] {
            assert!(line(name).ends_with("set it again below /sys/devices/system/cpu)"), "{}", line(name));
        }
    }

    #[test]
    fn what_was_left_is_told_before_and_after_it_is_undone() {
        let entry = |outcome| PutBack { name: "a.b".to_owned(), found: some("42"), before: some("10"), outcome };
        let failed = Outcome::Failed { why: "read-only".to_owned() };
        let entries = vec![entry(Outcome::Restored), entry(Outcome::LeftAlone), entry(failed)];
        let undone = Undone { run: "r".to_owned(), entries, took_ms: 0 };
        assert_eq!(still_changed(&undone), ["NOT put back: a.b is 42 and was 10: read-only"]);
        let lines = left_undone(&undone);
        assert_eq!((lines.len(), lines[0].as_str()), (4, "run r had left it changed"));
        assert!(lines[2].starts_with("  left alone: a.b is 42, which somebody else set meanwhile"), "{}", lines[2]);

        let change = |name: &str, from: &str| Change { name: name.to_owned(), from: some(from), to: some("10") };
        let entries = vec![change("a.b", "77"), change("a.c", "42"), change("a.d", "10")];
        let left = Left { entries, stays: vec!["a.c".to_owned(), "a.d".to_owned()], ..Left::default() };
        assert_eq!(
            to_undo(&left),
            [
                "put back a.b 77 -> 10",
                "leave a.c alone: it is 42, which is not what that run set; before, it was 10",
                "find a.d as it was: 10",
            ]
        );
    }
}
