//! Making settings: each is recorded, written, read back and compared; kernels clamp, and say nothing.

use std::path::Path;

use crate::agent::tuning::journal::{self, Entry, Journal, Maker};
use crate::agent::tuning::kernel::{Kernel, along, partner, tidy};
use crate::agent::tuning::permission::standing;
use crate::agent::tuning::snapshot::Snapshot;
use crate::agent::tuning::undo::{Here, undo};
use crate::tuning::{follows, same};
use crate::wire::{Change, Failure, Namespaces, Outcome, Setting, Tuned};

/// Where settings are made.
#[derive(Debug)]
pub struct Site<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The journal's place.
    pub place: &'a Path,
    /// The agent's namespaces.
    pub namespaces: &'a Namespaces,
    /// Whether it is root.
    pub root: bool,
}

/// A setting on its way.
struct Attempt<'a> {
    setting: &'a Setting,
    before: Option<String>,
    refused: Option<String>,
}

/// Settings that were made.
#[derive(Debug)]
pub struct Made {
    /// All that were asked for.
    pub settings: Vec<Tuned>,
    /// None where nothing had to be changed.
    pub journal: Option<Journal>,
}

/// Makes settings. If one fails that the campaign can't do without, all is undone again at once.
pub fn make(site: &Site<'_>, maker: Maker, settings: &[Setting], go_on: &dyn Fn() -> bool) -> Result<Made, Failure> {
    for (place, setting) in settings.iter().enumerate() {
        if settings[..place].iter().any(|earlier| earlier.name == setting.name) {
            return Err(Failure::new("protocol", format!("{} is asked for twice", setting.name)));
        }
    }
    let attempts: Vec<Attempt<'_>> = settings
        .iter()
        .map(|setting| {
            let refused = standing(&setting.name, site.kernel, site.namespaces, site.root).refused;
            Attempt { setting, before: site.kernel.read(&setting.name), refused }
        })
        .collect();
    // What can't be set at all is known before anything is changed.
    let known: Vec<Tuned> =
        attempts.iter().filter(|attempt| attempt.refused.is_some()).map(|one| told(site.kernel, one)).collect();
    let hopeless = failing(settings, &known);
    if !hopeless.is_empty() {
        return Err(refusal(&hopeless));
    }
    let entries = entries(site.kernel, &attempts);
    if entries.is_empty() {
        let settings = attempts.iter().map(|attempt| told(site.kernel, attempt)).collect();
        return Ok(Made { settings, journal: None });
    }
    let boot_id = maker.boot_id.clone();
    let here = Here { boot_id, inodes: site.namespaces.inodes.clone() };
    let header = journal::header(maker, here.inodes.clone(), entries);
    let untouched = Snapshot::take(site.kernel, site.namespaces);
    let mut journal = Journal::create(site.place, header)?;
    let mut attempts = attempts;
    let written = write_all(site, &mut attempts, &mut journal, go_on);
    let settings_made: Vec<Tuned> = attempts.iter().map(|attempt| told(site.kernel, attempt)).collect();
    let failed = failing(settings, &settings_made);
    // Also where something failed: it may have done so after it had spread.
    let spread = strange(&untouched, site, &journal);
    match written {
        _ if !spread.is_empty() => Err(undone_after(spreading(&spread), site, journal, &here, &spread)),
        Ok(()) if failed.is_empty() => Ok(Made { settings: settings_made, journal: Some(journal) }),
        Ok(()) => Err(undone_after(refusal(&failed), site, journal, &here, &[])),
        Err(failure) => Err(undone_after(failure, site, journal, &here, &[])),
    }
}

/// What has changed along with the settings that were made, and is in no journal.
fn strange(untouched: &Snapshot, site: &Site<'_>, journal: &Journal) -> Vec<Change> {
    let entries = &journal.header.entries;
    let is_known = |name: &str| entries.iter().any(|entry| entry.name == name || follows(name, &entry.name));
    let now = Snapshot::take(site.kernel, site.namespaces);
    let differences = untouched.compare(&now).differences.into_iter();
    // What comes or goes with a module of the kernel has no value to go back to.
    differences.filter(|change| change.from.is_some() && change.to.is_some() && !is_known(&change.name)).collect()
}

fn spreading(spread: &[Change]) -> Failure {
    let what = if spread.len() == 1 { "another one".to_owned() } else { format!("{} others", spread.len()) };
    Failure::new(
        "tuning-spreads",
        format!(
            "making the settings that the campaign asks for changed {what} along with them; nothing was left changed"
        ),
    )
    .hint("take the setting that does so out of the profile, and set each one by its own name that you mean")
}

/// Writes back what had changed along, after all else is undone: that may have changed it once more.
fn unspread(kernel: &Kernel, change: &Change) -> (bool, String) {
    let [from, to] = [&change.from, &change.to].map(|value| value.as_deref().unwrap_or_default());
    let is_so = kernel.read(&change.name).is_some_and(|now| same(&now, from));
    match if is_so { Ok(String::new()) } else { kernel.put_back(&change.name, from) } {
        Ok(_) => (true, format!("{} was {from}, became {to}, and is {from} again", change.name)),
        Err(why) => (false, format!("{} was {from}, became {to}, and could not be put back: {why}", change.name)),
    }
}

/// What the journal has to know: what will be changed, and what changes along with it.
fn entries(kernel: &Kernel, attempts: &[Attempt<'_>]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for attempt in attempts {
        let Some(before) = attempt.before.clone().filter(|before| attempt.is_needed(before)) else { continue };
        let Setting { name, value, .. } = attempt.setting;
        match entries.iter_mut().find(|entry| entry.name == *name) {
            Some(follower) => follower.wanted = Some(value.clone()),
            None => entries.push(Entry { name: name.clone(), before, wanted: Some(value.clone()) }),
        }
        let other = partner(name)
            .or_else(|| along(name, kernel))
            .filter(|other| !entries.iter().any(|entry| entry.name == *other));
        if let Some((other, before)) = other.and_then(|other| Some((other, kernel.read(other)?))) {
            entries.push(Entry { name: other.to_owned(), before, wanted: None });
        }
    }
    entries
}

impl Attempt<'_> {
    fn is_needed(&self, before: &str) -> bool {
        self.refused.is_none() && !same(before, &self.setting.value)
    }
}

fn write_all(
    site: &Site<'_>,
    attempts: &mut [Attempt<'_>],
    journal: &mut Journal,
    go_on: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    for attempt in attempts {
        if !attempt.before.as_ref().is_some_and(|before| attempt.is_needed(before)) {
            continue;
        }
        if !go_on() {
            return Err(Failure::new("leaving", "the agent is leaving and changes nothing more"));
        }
        let Setting { name, value, .. } = attempt.setting;
        if let Err(error) = site.kernel.write(name, value) {
            attempt.refused = Some(format!("the kernel refuses `{value}`: {error}"));
        }
        for changed in [Some(name.as_str()), partner(name), along(name, site.kernel)].into_iter().flatten() {
            if journal.header.entries.iter().any(|entry| entry.name == changed) {
                journal.made(changed, site.kernel.read(changed))?;
            }
        }
    }
    Ok(())
}

/// A setting as it is now, after all were made: one may have changed another.
fn told(kernel: &Kernel, attempt: &Attempt<'_>) -> Tuned {
    let Setting { name, value, .. } = attempt.setting;
    let after = kernel.read(name).as_deref().map(tidy);
    let took = after.as_deref().is_some_and(|after| same(after, value));
    let why = (!took).then(|| match (&attempt.refused, &after) {
        (Some(refused), _) => refused.clone(),
        // It was so, and nobody wrote it.
        (None, Some(after)) if attempt.before.as_ref().is_some_and(|before| same(before, value)) => {
            format!("it was so, and another setting made it `{after}`")
        }
        (None, Some(after)) => format!("the kernel took it and made it `{after}`"),
        (None, None) => "it can't be read any more".to_owned(),
    });
    Tuned {
        name: name.clone(),
        wanted: value.clone(),
        before: attempt.before.as_deref().map(tidy),
        after,
        took,
        why,
        source: None,
    }
}

/// Reads again what was made.
pub fn verify(kernel: &Kernel, made: &[Tuned]) -> Vec<Tuned> {
    let again = |one: &Tuned| {
        let after = kernel.read(&one.name).as_deref().map(tidy);
        let took = after.as_deref().is_some_and(|after| same(after, &one.wanted));
        let why = if took {
            None
        } else if after == one.after {
            one.why.clone()
        } else {
            let then = one.after.as_deref().unwrap_or("nothing");
            Some(format!("it was `{then}` when it was made, and somebody changed it since"))
        };
        Tuned { after, took, why, ..one.clone() }
    };
    made.iter().map(again).collect()
}

/// Those that the campaign can't do without.
fn failing<'a>(settings: &[Setting], made: &'a [Tuned]) -> Vec<&'a Tuned> {
    let is_enough = |one: &Tuned, setting: &Setting| {
        let number = one.after.as_deref().and_then(|after| after.parse::<u64>().ok());
        setting.optional || setting.at_least.zip(number).is_some_and(|(least, number)| number >= least)
    };
    let setting = |one: &Tuned| settings.iter().find(|setting| setting.name == one.name);
    made.iter().filter(|one| !one.took && !setting(one).is_some_and(|setting| is_enough(one, setting))).collect()
}

fn refusal(failed: &[&Tuned]) -> Failure {
    let line = |one: &&Tuned| {
        let is = one.after.as_deref().map_or_else(|| "is not there".to_owned(), |after| format!("is `{after}`"));
        format!(
            "{}: `{}` was asked for, it {is}: {}",
            one.name,
            one.wanted,
            one.why.as_deref().unwrap_or("unknown why")
        )
    };
    let what = if failed.len() == 1 { "a setting".to_owned() } else { format!("{} settings", failed.len()) };
    Failure::new(
        "tuning-refused",
        format!("{what} that the campaign asks for can't be made here; nothing was left changed"),
    )
    .detail(failed.iter().map(line))
    .hint("mark what the campaign can do without as `optional`, or say in `at_least` how much is enough")
}

fn undone_after(mut failure: Failure, site: &Site<'_>, journal: Journal, here: &Here, spread: &[Change]) -> Failure {
    let stays: Vec<String> = undo(site.kernel, journal, here)
        .entries
        .iter()
        .filter_map(|entry| match &entry.outcome {
            Outcome::Failed { why } => Some(format!("{} could not be put back: {why}", entry.name)),
            Outcome::LeftAlone => Some(format!("{} was changed by somebody else meanwhile, and left so", entry.name)),
            _ => None,
        })
        .collect();
    let back: Vec<(bool, String)> = spread.iter().map(|change| unspread(site.kernel, change)).collect();
    if !stays.is_empty() || back.iter().any(|(is_back, _)| !is_back) {
        failure.message = failure.message.replace("nothing was left changed", "not all could be put back");
    }
    failure.detail(back.into_iter().map(|(_, line)| line)).detail(stays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tuning::journal::is_there;
    use crate::agent::tuning::kernel::tests::made_up;

    fn setting(name: &str, value: &str) -> Setting {
        Setting { name: name.to_owned(), value: value.to_owned(), optional: false, at_least: None }
    }

    fn whole() -> Namespaces {
        let own = ["host", "net", "ipc", "uts"].map(str::to_owned).to_vec();
        Namespaces { whole_machine: true, own, ..Namespaces::default() }
    }

    fn tuned(folder: &Path, settings: &[Setting]) -> (Result<Made, Failure>, Kernel) {
        let values = [("vm.swappiness", "60"), ("net.core.somaxconn", "4096"), ("net.core.same", "1\t2")];
        let kernel = made_up(folder, &values);
        let place = folder.join("timetrial");
        let namespaces = whole();
        let site = Site { kernel: &kernel, place: &place, namespaces: &namespaces, root: true };
        (make(&site, Maker::default(), settings, &|| true), kernel)
    }

    #[test]
    fn what_is_made_is_recorded_and_what_is_so_already_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (made, kernel) = tuned(folder.path(), &[setting("vm.swappiness", "1"), setting("net.core.same", "1 2")]);
        let made = made.unwrap();
        let journal = made.journal.unwrap();
        assert_eq!(journal.header.entries.len(), 1);
        assert_eq!(journal.after["vm.swappiness"].as_deref(), Some("1"));
        assert!(made.settings.iter().all(|one| one.took && one.why.is_none()), "{:?}", made.settings);
        assert_eq!(made.settings[0].before.as_deref(), Some("60"));
        kernel.write("vm.swappiness", "7").unwrap();
        let verified = verify(&kernel, &made.settings);
        assert!(!verified[0].took && verified[1].took);
        assert!(verified[0].why.as_ref().unwrap().contains("somebody changed it since"));
        let here = Here::default();
        let undone = undo(&kernel, journal, &here);
        assert_eq!(undone.entries[0].outcome, Outcome::LeftAlone);
    }

    #[test]
    fn a_setting_that_must_be_and_can_not_refuses_all_before_anything_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (made, kernel) = tuned(folder.path(), &[setting("vm.swappiness", "1"), setting("vm.none", "1")]);
        let failure = made.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.detail.len()), ("tuning-refused", 1));
        assert!(failure.detail[0].starts_with("vm.none: `1` was asked for, it is not there"), "{failure:?}");
        assert_eq!(kernel.read("vm.swappiness").as_deref(), Some("60"));
        assert!(!folder.path().join("timetrial").exists());
        let optional = Setting { optional: true, ..setting("vm.none", "1") };
        let enough = Setting { at_least: Some(1024), ..setting("net.core.somaxconn", "4096") };
        let (made, _) = tuned(folder.path(), &[optional, enough]);
        let made = made.unwrap();
        assert!(!made.settings[0].took && made.settings[1].took && made.journal.is_none());
    }

    #[test]
    fn a_setting_that_fails_in_the_middle_undoes_what_was_made_and_so_does_leaving() {
        let folder = tempfile::tempdir().unwrap();
        let kernel =
            made_up(folder.path(), &[("vm.swappiness", "60"), ("vm.dirty_bytes", "0"), ("vm.dirty_ratio", "0")]);
        let place = folder.path().join("timetrial");
        let namespaces = whole();
        let site = Site { kernel: &kernel, place: &place, namespaces: &namespaces, root: true };
        let settings = [setting("vm.swappiness", "1"), setting("vm.dirty_bytes", "8192")];
        let calls = std::cell::Cell::new(0);
        let leave = || {
            calls.set(calls.get() + 1);
            calls.get() < 2
        };
        assert_eq!(make(&site, Maker::default(), &settings, &leave).unwrap_err().code, "leaving");
        assert_eq!(kernel.read("vm.swappiness").as_deref(), Some("60"));
        assert!(!is_there(&place));
    }

    #[test]
    fn what_changes_along_is_written_back_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = made_up(folder.path(), &[("net.x.all", "0"), ("net.x.lo", "1"), ("kernel.watchdog", "1")]);
        let place = folder.path().join("timetrial");
        let namespaces = whole();
        let site = Site { kernel: &kernel, place: &place, namespaces: &namespaces, root: true };
        // Files don't spread; somebody does it for them in the moment between.
        let spreads = || {
            kernel.write("net.x.lo", "7").unwrap();
            true
        };
        let failure = make(&site, Maker::default(), &[setting("net.x.all", "7")], &spreads).unwrap_err();
        assert_eq!(failure.code, "tuning-spreads");
        assert!(failure.message.ends_with("changed another one along with them; nothing was left changed"));
        assert_eq!(failure.detail, ["net.x.lo was 1, became 7, and is 1 again"]);
        assert_eq!((kernel.read("net.x.all").as_deref(), kernel.read("net.x.lo").as_deref()), (Some("0"), Some("1")));
        assert!(!is_there(&place));
        // What is known to go back by itself is no such thing.
        let along = || {
            kernel.write("kernel.watchdog", "0").unwrap();
            true
        };
        made_up(folder.path(), &[("kernel.nmi_watchdog", "1")]);
        assert!(make(&site, Maker::default(), &[setting("kernel.nmi_watchdog", "0")], &along).is_ok());
    }

    #[test]
    fn of_what_is_clamped_enough_is_enough() {
        let one = |after: &str| Tuned {
            name: "x".to_owned(),
            wanted: "9000".to_owned(),
            before: None,
            after: Some(after.to_owned()),
            took: false,
            why: None,
            source: None,
        };
        let least = [Setting { at_least: Some(100), ..setting("x", "9000") }];
        assert!(failing(&least, &[one("100")]).is_empty());
        assert_eq!(failing(&least, &[one("99")]).len(), 1);
        assert_eq!(failing(&least, &[one("100 200")]).len(), 1);
        assert_eq!(failing(&[setting("x", "9000")], &[one("8999")]).len(), 1);
    }
}
