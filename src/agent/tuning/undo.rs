//! Undoing a journal: what is done about each entry is decided without touching anything, and then done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::agent::procfs;
use crate::agent::tuning::journal::{Entry, Journal};
use crate::agent::tuning::kernel::{Kernel, counts_bytes, partner, tidy};
use crate::agent::tuning::namespaces::{self, WITH_SETTINGS, is_alive, owner_of};
use crate::agent::tuning::untold;
use crate::tuning::same;
use crate::wire::{Change, GOVERNOR, Left, Outcome, PutBack, Undone};

/// Where the agent that undoes lives.
#[derive(Debug, Clone, Default)]
pub struct Here {
    /// This boot.
    pub boot_id: String,
    /// Inodes of its namespaces.
    pub inodes: BTreeMap<String, u64>,
}

/// Where an entry counts, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Here.
    Here,
    /// In an earlier boot, or in a container that is gone: the values went with it.
    Gone,
    /// In a container that still lives, and that this agent is not in.
    Elsewhere,
}

/// How far the agent that made the changes came with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It was not begun.
    Untouched,
    /// It was under way when the agent died.
    InFlight,
    /// It was made, and this was read back.
    Made(Option<&'a str>),
}

/// What to do about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Write what it was.
    PutBack,
    /// Nothing, and why.
    Nothing(Outcome),
}

/// Decides about an entry that stands for itself.
pub fn decide(entry: &Entry, found: Option<&str>, reach: Reach, progress: Progress<'_>) -> Decision {
    if let Some(outcome) = out_of_reach(reach) {
        return Decision::Nothing(outcome);
    }
    // What is not there any more, a network card or a module of the kernel, took its value along.
    let Some(found) = found else { return Decision::Nothing(Outcome::LeftAlone) };
    if same(found, &entry.before) {
        return Decision::Nothing(Outcome::AlreadySo);
    }
    if is_our_doing(entry, found, progress) { Decision::PutBack } else { Decision::Nothing(Outcome::LeftAlone) }
}

/// Decides about two settings of which one is 0 where the other is not: together, since writing one changes both.
pub fn decide_pair(pair: [&Entry; 2], found: [Option<&str>; 2], reach: Reach, progress: [Progress<'_>; 2]) -> Decision {
    if let Some(outcome) = out_of_reach(reach) {
        return Decision::Nothing(outcome);
    }
    let [Some(one), Some(two)] = found else { return Decision::Nothing(Outcome::LeftAlone) };
    if same(one, &pair[0].before) && same(two, &pair[1].before) {
        return Decision::Nothing(Outcome::AlreadySo);
    }
    // The one that is not 0 says who was here last.
    let are_ours = [0, 1].map(|at| is_our_doing(pair[at], [one, two][at], progress[at]));
    let ours = match (same(one, "0"), same(two, "0")) {
        (true, true) => are_ours.contains(&true),
        (one_is_zero, _) => are_ours[usize::from(one_is_zero)],
    };
    if ours { Decision::PutBack } else { Decision::Nothing(Outcome::LeftAlone) }
}

fn out_of_reach(reach: Reach) -> Option<Outcome> {
    match reach {
        Reach::Here => None,
        Reach::Gone => Some(Outcome::UndoneByBoot),
        Reach::Elsewhere => {
            let why = "it was made in a container that still lives, and can only be put back from within it";
            Some(Outcome::Failed { why: why.to_owned() })
        }
    }
}

fn is_our_doing(entry: &Entry, found: &str, progress: Progress<'_>) -> bool {
    let is_wanted = || entry.wanted.as_deref().is_some_and(|wanted| same(found, wanted));
    match progress {
        Progress::Untouched => false,
        // Nobody has read back what the kernel made of it. It takes a value as it is or refuses it, but for a few.
        Progress::InFlight => {
            is_wanted() || entry.wanted.as_deref().is_some_and(|wanted| may_be_made_of(entry, wanted, found))
        }
        Progress::Made(after) => after.is_some_and(|after| same(found, after)) || is_wanted(),
    }
}

/// Whether the kernel may have made this of what it was asked for.
fn may_be_made_of(entry: &Entry, wanted: &str, found: &str) -> bool {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let numbers = number(&entry.before).zip(number(wanted)).zip(number(found));
    match (entry.name.as_str(), numbers) {
        // Each processor is set by itself: some may have been, and others not yet.
        (GOVERNOR, _) => governors_between(&entry.before, wanted, found),
        // Rounded up to a power of two, of whole pages.
        ("fs.pipe-max-size", Some(((_, wanted), found))) => found == wanted.next_power_of_two().max(4096),
        ("net.netfilter.nf_conntrack_buckets", Some(((_, wanted), found))) => (wanted..=2 * wanted).contains(&found),
        // As many as there is memory for.
        ("vm.nr_hugepages", Some(((before, wanted), found))) => {
            (before.min(wanted)..=before.max(wanted)).contains(&found)
        }
        // Counted in ticks of the kernel's clock, of which there are a hundred a second at least.
        (name, Some(((_, wanted), found))) if name.ends_with("_ms") => wanted.abs_diff(found) < 10,
        // Ports and processors may be told in other words.
        (_, None) => listed(wanted).zip(listed(found)).is_some_and(|(wanted, found)| wanted == found),
        _ => false,
    }
}

/// The governors of all processors, each what it was or what it shall be.
fn governors_between(before: &str, wanted: &str, found: &str) -> bool {
    let of = |text: &str, cpu: Option<&str>| -> Option<String> {
        let words = || text.split_ascii_whitespace().filter_map(|word| word.split_once('='));
        let own = words().find(|(known, _)| Some(*known) == cpu).map(|(_, governor)| governor.to_owned());
        own.or_else(|| (!text.contains('=')).then(|| text.trim().to_owned()))
    };
    let fits =
        |cpu: Option<&str>, now: &str| [before, wanted].iter().any(|known| of(known, cpu).as_deref() == Some(now));
    if found.contains('=') {
        found.split_ascii_whitespace().all(|word| word.split_once('=').is_some_and(|(cpu, now)| fits(Some(cpu), now)))
    } else {
        fits(None, found.trim())
    }
}

/// What a list of numbers and ranges holds: `80,90-92`.
fn listed(text: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if last > u32::from(u16::MAX) {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// Where an entry of a journal counts.
fn reach(name: &str, journal: &Journal, here: &Here) -> Reach {
    let owner = owner_of(name);
    // Whoever can't read which boot this is does not know that the values are gone: what is found then decides.
    if !here.boot_id.is_empty() && journal.header.maker.boot_id != here.boot_id {
        return Reach::Gone;
    }
    let Some(made_in) = journal.header.namespaces.get(owner).filter(|_| WITH_SETTINGS.contains(&owner)) else {
        return Reach::Here;
    };
    match here.inodes.get(owner) {
        Some(own) if own == made_in => Reach::Here,
        Some(_) if !is_alive(owner, *made_in) => Reach::Gone,
        // Nor does who can't see where it is itself.
        _ => Reach::Elsewhere,
    }
}

fn progress<'a>(entry: &Entry, journal: &'a Journal) -> Progress<'a> {
    match journal.after.get(&entry.name) {
        Some(after) => Progress::Made(after.as_deref()),
        None if journal.in_flight() == Some(entry.name.as_str()) => Progress::InFlight,
        None => Progress::Untouched,
    }
}

/// Undoes a journal, the last change first, and removes it once nothing of it is left to do.
pub fn undo(kernel: &Kernel, mut journal: Journal, here: &Here) -> Undone {
    let began = Instant::now();
    let mut entries: Vec<PutBack> = Vec::new();
    let open: Vec<Entry> = open_entries(&journal).cloned().collect();
    for entry in open.iter().rev() {
        if entries.iter().any(|done| done.name == entry.name) {
            continue;
        }
        let other = partner(&entry.name).and_then(|name| open.iter().find(|other| other.name == name));
        entries.extend(match other {
            Some(other) => undo_pair(kernel, &journal, here, [entry, other]),
            None => vec![undo_one(kernel, &journal, here, entry)],
        });
    }
    untold::keep(journal.place(), &journal.header.maker.run, &entries);
    let failed = |entry: &PutBack| matches!(entry.outcome, Outcome::Failed { .. });
    let run = journal.header.maker.run.clone();
    let kept = if entries.iter().any(failed) {
        entries.iter().filter(|entry| !failed(entry)).try_for_each(|entry| journal.resolve(&entry.name))
    } else {
        journal.remove()
    };
    if let Err(failure) = kept {
        let outcome = Outcome::Failed { why: failure.message };
        entries.push(PutBack { name: "the journal itself".to_owned(), found: None, before: None, outcome });
    }
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Undone { run, entries, took_ms }
}

fn open_entries(journal: &Journal) -> impl Iterator<Item = &Entry> {
    journal.header.entries.iter().filter(|entry| !journal.resolved.contains(&entry.name))
}

fn undo_one(kernel: &Kernel, journal: &Journal, here: &Here, entry: &Entry) -> PutBack {
    let found = kernel.read(&entry.name);
    let decided = decide(entry, found.as_deref(), reach(&entry.name, journal, here), progress(entry, journal));
    let outcome = match decided {
        Decision::Nothing(outcome) => outcome,
        Decision::PutBack => outcome(kernel.put_back(&entry.name, &entry.before).map(drop)),
    };
    told(entry, found, outcome)
}

fn undo_pair(kernel: &Kernel, journal: &Journal, here: &Here, pair: [&Entry; 2]) -> Vec<PutBack> {
    let found = pair.map(|entry| kernel.read(&entry.name));
    let seen = [found[0].as_deref(), found[1].as_deref()];
    let progress = pair.map(|entry| progress(entry, journal));
    let outcome = match decide_pair(pair, seen, reach(&pair[0].name, journal, here), progress) {
        Decision::Nothing(outcome) => outcome,
        Decision::PutBack => outcome(put_pair_back(kernel, pair)),
    };
    pair.into_iter().zip(found).map(|(entry, found)| told(entry, found, outcome.clone())).collect()
}

/// Writes the one that was not 0: that makes the other 0 again, to which it can't be set.
fn put_pair_back(kernel: &Kernel, pair: [&Entry; 2]) -> Result<(), String> {
    let wrong = |entry: &Entry, error: std::io::Error| {
        format!("the kernel refuses `{}` for {}: {error}", tidy(&entry.before), entry.name)
    };
    match pair.iter().find(|entry| !same(&entry.before, "0")) {
        Some(entry) => kernel.write(&entry.name, &entry.before).map_err(|error| wrong(entry, error))?,
        None => {
            // Only a share that changes makes the bytes 0.
            let share = pair.iter().find(|entry| !counts_bytes(&entry.name)).unwrap_or(&pair[0]);
            for value in ["1", "0"] {
                kernel.write(&share.name, value).map_err(|error| wrong(share, error))?;
            }
        }
    }
    for entry in pair {
        let now = kernel.read(&entry.name).unwrap_or_default();
        if !same(&now, &entry.before) {
            return Err(format!("{} reads `{}` and not `{}`", entry.name, tidy(&now), tidy(&entry.before)));
        }
    }
    Ok(())
}

fn outcome(done: Result<(), String>) -> Outcome {
    done.map_or_else(|why| Outcome::Failed { why }, |()| Outcome::Restored)
}

fn told(entry: &Entry, found: Option<String>, outcome: Outcome) -> PutBack {
    let found = found.as_deref().map(tidy);
    PutBack { name: entry.name.clone(), found, before: Some(tidy(&entry.before)), outcome }
}

/// What a journal holds that nobody has undone.
pub fn left(kernel: &Kernel, journal: &Journal) -> Left {
    let maker = journal.header.maker.clone();
    let change = |entry: &Entry| Change {
        name: entry.name.clone(),
        from: kernel.read(&entry.name).as_deref().map(tidy),
        to: Some(tidy(&entry.before)),
    };
    let entries = open_entries(journal).map(change).collect();
    let stays = staying(kernel, journal);
    Left { run: maker.run, owner: maker.owner, since: maker.since, boot_id: maker.boot_id, entries, stays }
}

/// What an undoing would leave as it is.
fn staying(kernel: &Kernel, journal: &Journal) -> Vec<String> {
    let here = Here { boot_id: procfs::boot_id().unwrap_or_default(), inodes: namespaces::read(kernel).inodes };
    let open: Vec<&Entry> = open_entries(journal).collect();
    let decided = |entry: &Entry| {
        let reach = reach(&entry.name, journal, &here);
        let other = partner(&entry.name).and_then(|name| open.iter().find(|other| other.name == name));
        let found = kernel.read(&entry.name);
        match other {
            Some(other) => {
                let beside = kernel.read(&other.name);
                let progress = [progress(entry, journal), progress(other, journal)];
                decide_pair([entry, other], [found.as_deref(), beside.as_deref()], reach, progress)
            }
            None => decide(entry, found.as_deref(), reach, progress(entry, journal)),
        }
    };
    let stays = open.iter().filter(|entry| decided(entry) != Decision::PutBack);
    stays.map(|entry| entry.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tuning::{journal, kernel};

    fn entry(before: &str, wanted: Option<&str>) -> Entry {
        Entry { name: "x".to_owned(), before: before.to_owned(), wanted: wanted.map(str::to_owned) }
    }

    #[test]
    fn what_we_made_is_put_back_and_what_others_made_is_left() {
        use Outcome::{AlreadySo, LeftAlone, UndoneByBoot};
        use Progress::{InFlight, Made, Untouched};
        let entry = entry("4 5", Some("9"));
        let nothing = Decision::Nothing;
        for (found, progress, expected) in [
            (Some("4\t5"), Made(Some("9")), nothing(AlreadySo)),
            (Some("4 5"), Untouched, nothing(AlreadySo)),
            (Some("9"), Made(Some("9")), Decision::PutBack),
            (Some("8"), Made(Some("8")), Decision::PutBack),
            (Some("9"), Made(Some("8")), Decision::PutBack),
            (Some("7"), Made(Some("8")), nothing(LeftAlone)),
            (Some("9"), Untouched, nothing(LeftAlone)),
            (Some("9"), InFlight, Decision::PutBack),
            (Some("7"), InFlight, nothing(LeftAlone)),
            (None, Made(Some("9")), nothing(LeftAlone)),
        ] {
            assert_eq!(decide(&entry, found, Reach::Here, progress), expected, "{found:?} {progress:?}");
            assert_eq!(decide(&entry, found, Reach::Gone, progress), nothing(UndoneByBoot));
            let elsewhere = decide(&entry, found, Reach::Elsewhere, progress);
            assert!(matches!(elsewhere, Decision::Nothing(Outcome::Failed { .. })));
        }
    }

    #[test]
    fn what_the_kernel_may_have_made_of_a_value_in_flight_is_ours_and_nothing_else() {
        for (name, before, wanted, found, expected) in [
            ("kernel.printk_ratelimit_burst", "10", "77", "42", false),
            ("net.core.somaxconn", "4096", "100000", "65535", false),
            ("fs.pipe-max-size", "1048576", "2000000", "2097152", true),
            ("fs.pipe-max-size", "1048576", "2000000", "1500000", false),
            ("vm.nr_hugepages", "0", "12000", "380", true),
            ("vm.nr_hugepages", "0", "12000", "12001", false),
            ("net.ipv4.ip_local_reserved_ports", "", "80,81,82,90", "80-82,90", true),
            ("net.ipv4.ip_local_reserved_ports", "", "80,81,82,90", "80-82,91", false),
            ("net.ipv4.tcp_rmem", "1 2 3", "4 5 6", "4 5 7", false),
            (GOVERNOR, "powersave", "performance", "cpu0=performance cpu1=powersave", true),
            (GOVERNOR, "cpu0=ondemand cpu1=powersave", "performance", "cpu0=performance cpu1=powersave", true),
            (GOVERNOR, "powersave", "performance", "cpu0=performance cpu1=ondemand", false),
            (GOVERNOR, "powersave", "performance", "ondemand", false),
        ] {
            let wanted = Some(wanted.to_owned());
            let entry = Entry { name: name.to_owned(), before: before.to_owned(), wanted };
            let decided = decide(&entry, Some(found), Reach::Here, Progress::InFlight);
            assert_eq!(decided == Decision::PutBack, expected, "{name}: {found}");
        }
    }

    #[test]
    fn a_pair_is_put_back_together() {
        use Progress::{InFlight, Made, Untouched};
        let (bytes, share) = (entry("0", Some("4096")), entry("20", None));
        let of = |bytes_now, share_now, one, two| {
            decide_pair([&bytes, &share], [Some(bytes_now), Some(share_now)], Reach::Here, [one, two])
        };
        let made = |after| Made(Some(after));
        assert_eq!(of("0", "20", made("4096"), made("0")), Decision::Nothing(Outcome::AlreadySo));
        assert_eq!(of("4096", "0", made("4096"), made("0")), Decision::PutBack);
        assert_eq!(of("4096", "0", InFlight, Untouched), Decision::PutBack);
        assert_eq!(of("0", "30", made("4096"), made("0")), Decision::Nothing(Outcome::LeftAlone));
        assert_eq!(of("8192", "0", made("4096"), made("0")), Decision::Nothing(Outcome::LeftAlone));
        assert_eq!(of("4096", "0", Untouched, Untouched), Decision::Nothing(Outcome::LeftAlone));
        assert_eq!(of("8192", "0", InFlight, Untouched), Decision::Nothing(Outcome::LeftAlone));
        assert_eq!(of("0", "30", InFlight, Untouched), Decision::Nothing(Outcome::LeftAlone));
    }

    fn files(place: &std::path::Path) -> Kernel {
        let settings = [("vm.swappiness", "1"), ("vm.dirty_bytes", "4096000"), ("vm.dirty_ratio", "0")];
        kernel::tests::made_up(place, &settings)
    }

    #[test]
    fn an_undoing_that_fails_in_part_stays_in_the_journal_and_the_next_one_does_the_rest() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        let kernel = files(above.path());
        let mut made = journal::tests::made_up(&place);
        for (name, after) in [("vm.swappiness", "1"), ("vm.dirty_bytes", "4096000"), ("vm.dirty_ratio", "0")] {
            made.made(name, Some(after.to_owned())).unwrap();
        }
        drop(made);
        let open = || Journal::open(&place).unwrap().unwrap();
        assert_eq!(left(&kernel, &open()).entries.len(), 3);
        // Files don't make their partner 0, so the pair can't be put back.
        let undone = undo(&kernel, open(), &Here::default());
        let outcomes: Vec<_> = undone.entries.iter().map(|entry| (entry.name.as_str(), &entry.outcome)).collect();
        assert!(matches!(outcomes[0], ("vm.dirty_ratio", Outcome::Failed { .. })), "{outcomes:?}");
        assert_eq!(outcomes[2], ("vm.swappiness", &Outcome::Restored));
        assert_eq!(kernel.read("vm.swappiness").as_deref(), Some("60"));
        // Somebody sets the same as we had: that is no more ours.
        kernel.write("vm.swappiness", "1").unwrap();
        kernel.write("vm.dirty_bytes", "0").unwrap();
        let undone = undo(&kernel, open(), &Here::default());
        assert_eq!(undone.entries.len(), 2);
        assert!(undone.entries.iter().all(|entry| entry.outcome == Outcome::AlreadySo), "{undone:?}");
        assert_eq!(kernel.read("vm.swappiness").as_deref(), Some("1"));
        assert!(!journal::is_there(&place));
    }

    #[test]
    fn what_can_not_be_read_of_where_we_are_forgets_nothing() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        let kernel = files(above.path());
        let maker = journal::Maker { boot_id: "a boot".to_owned(), ..journal::Maker::default() };
        let entry = |name: &str, before: &str, wanted: &str| Entry {
            name: name.to_owned(),
            before: before.to_owned(),
            wanted: Some(wanted.to_owned()),
        };
        let entries = vec![entry("vm.swappiness", "60", "1"), entry("net.ipv4.tcp_sack", "1", "0")];
        // A namespace that nobody lives in.
        let header = journal::header(maker, BTreeMap::from([("net".to_owned(), 1)]), entries);
        let mut made = Journal::create(&place, header).unwrap();
        made.made("vm.swappiness", Some("1".to_owned())).unwrap();
        let undone = undo(&kernel, made, &Here::default());
        assert!(matches!(undone.entries[0].outcome, Outcome::Failed { .. }), "{undone:?}");
        assert_eq!(undone.entries[1].outcome, Outcome::Restored);
        assert!(journal::is_there(&place), "the next one may see where it is");
        let here = Here { boot_id: "a boot".to_owned(), inodes: BTreeMap::from([("net".to_owned(), 2)]) };
        let undone = undo(&kernel, Journal::open(&place).unwrap().unwrap(), &here);
        assert_eq!((undone.entries.len(), &undone.entries[0].outcome), (1, &Outcome::UndoneByBoot));
        assert!(!journal::is_there(&place));
    }

    #[test]
    fn after_another_boot_nothing_is_written() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        let kernel = files(above.path());
        let here = Here { boot_id: "another".to_owned(), ..Here::default() };
        let undone = undo(&kernel, journal::tests::made_up(&place), &here);
        assert!(undone.entries.iter().all(|entry| entry.outcome == Outcome::UndoneByBoot), "{undone:?}");
        assert_eq!(kernel.read("vm.swappiness").as_deref(), Some("1"));
        assert!(!journal::is_there(&place));
    }
}
