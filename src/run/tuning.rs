//! Tuning in a campaign: a look, the sums, the user's consent, the settings, and whether they are still so at the end.
//! Undoing is the agents' own affair: they do it whatever becomes of us.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Instant;

use crate::event::{Happening, Reason, Sum, SumVerdict, paths};
use crate::host::Link;
use crate::plan::{NoFile, Plan, Transport, TunedSetting};
use crate::preflight::{self, Difference, Seen};
use crate::run::campaign::{State, ask};
use crate::run::emitter::millis;
use crate::run::error::RunError;
use crate::run::{contact, resume};
use crate::wire::{self, ClusterAsked, Look, Reply, Request, Setting, Tuned};

/// Asks the user whether this may be done; the lines say what.
pub type Confirm = dyn Fn(Vec<String>) -> Pin<Box<dyn Future<Output = bool>>>;

/// What is asked of an agent that looks.
pub fn look_request(plan: &Plan, machine: &str) -> Request {
    let database = plan.database.as_ref().filter(|database| database.machine == machine);
    let asked = |name: &String, port| ClusterAsked { name: name.clone(), port };
    let cluster = database.and_then(|database| Some(asked(database.cluster.as_ref()?, database.port)));
    Request::Look { settings: preflight::to_look_at(plan, machine), cluster }
}

/// Looks at every machine, and keeps what was seen.
pub async fn look(state: &mut State<'_>) -> Result<BTreeMap<String, Seen>, RunError> {
    let facts = resume::facts(state).await?;
    let (one, shared) = (state.as_one(), state.shared());
    let mut all = BTreeMap::new();
    for (machine, (_, facts)) in state.campaign.plan.machines.iter().zip(facts) {
        let link = state.link(&machine.name)?;
        let owner = shared.get(&machine.name).unwrap_or(&machine.name);
        let look = look_at(state, &link, look_request(&one, owner)).await?;
        state.emitter.json(&paths::look(&machine.name, &resume::moment(state.campaign)), &look)?;
        let mut seen = Seen { look, facts };
        if let Some(machine) = one.machine(owner) {
            preflight::complete(&one, machine, &mut seen);
        }
        all.insert(machine.name.clone(), seen);
    }
    Ok(all)
}

async fn look_at(state: &State<'_>, link: &Link, request: Request) -> Result<Look, RunError> {
    match ask(state, link, request).await? {
        Reply::Look(look) => Ok(*look),
        other => Err(RunError::Link(link.out_of_turn(&other))),
    }
}

/// Does the sums. What can't work is refused before anything is changed.
pub fn reckon(state: &mut State<'_>, seen: &BTreeMap<String, Seen>) -> Result<(), RunError> {
    let sums = preflight::sums(&state.as_one(), seen);
    state.emitter.emit(Happening::Reckoned { sums: sums.clone() })?;
    refusal(&sums).map_or(Ok(()), |reason| Err(RunError::NotFit(reason)))
}

/// Why sums that do not come out end a campaign: the first, and the others with it.
pub fn refusal(sums: &[Sum]) -> Option<Reason> {
    let mut refused = sums.iter().filter(|sum| sum.verdict == SumVerdict::Refused);
    let first = refused.next()?;
    let other = |sum: &Sum| {
        let hint = sum.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        format!("and {}: {}{hint}", sum.machine, sum.text)
    };
    Some(Reason {
        code: format!("preflight-{}", first.code),
        message: format!("{}: {}", first.machine, first.text),
        detail: refused.map(other).collect(),
        hint: first.hint.clone(),
    })
}

/// Asks the user before the machine that he sits at is changed.
pub async fn agree(state: &State<'_>, seen: &BTreeMap<String, Seen>) -> Result<(), RunError> {
    let Some(confirm) = state.campaign.confirm else { return Ok(()) };
    let shared = state.shared();
    // Of several names of this machine one is enough to know it by.
    let names = state.campaign.plan.machines.iter().filter(|machine| machine.transport == Transport::Local);
    let here: BTreeSet<&String> = names.map(|machine| shared.get(&machine.name).unwrap_or(&machine.name)).collect();
    let is_local = |difference: &Difference| here.contains(&difference.machine);
    let changes: Vec<String> = preflight::differences(&state.as_one(), seen)
        .into_iter()
        .filter(|difference| is_local(difference) && difference.changes())
        .map(|difference| difference.to_string())
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let agreed = tokio::select! {
        agreed = confirm(changes) => agreed,
        signal = state.campaign.stop.asked() => return Err(RunError::Interrupted(signal)),
    };
    if agreed {
        return Ok(());
    }
    Err(RunError::NotFit(Reason {
        code: "not-agreed".to_owned(),
        message: "you did not agree to the changes on this machine, so nothing was changed".to_owned(),
        detail: Vec::new(),
        hint: Some(
            "answer `yes`, or pass --yes; `timetrial run --dry-run` shows the changes without asking".to_owned(),
        ),
    }))
}

/// Makes the settings on every machine.
pub async fn apply(state: &mut State<'_>, seen: &BTreeMap<String, Seen>) -> Result<(), RunError> {
    let one = state.as_one();
    for tuning in &one.tuning {
        let Some(machine) = one.machine(&tuning.machine) else { continue };
        let link = state.link(&machine.name)?;
        let begun = Instant::now();
        let made = matches!(machine.transport, Transport::Docker(_));
        let name = machine.name.clone();
        let asked: Vec<Setting> = tuning.settings.iter().map(asked).collect();
        let seen = seen.get(&name);
        // What was reckoned without is not tried: it could take after all, and no sum would hold.
        let withheld = seen.map(|seen| preflight::withheld(&one, &name, seen)).unwrap_or_default();
        let settings: Vec<Setting> =
            asked.iter().filter(|setting| !made && !withheld.contains_key(&setting.name)).cloned().collect();
        // What a container was made with needs no agent to set it, and goes with the container.
        let (told, nofile) = if settings.is_empty() && tuning.nofile.is_none() {
            (Vec::new(), None)
        } else {
            if !settings.is_empty() {
                state.touched.insert(name.clone());
            }
            let request = Request::Tune { settings, nofile: tuning.nofile.map(|nofile| nofile.want) };
            match contact::ask_patiently(state, &link, request).await? {
                Reply::Tuned { settings, nofile } => (settings, nofile),
                other => return Err(RunError::Link(link.out_of_turn(&other))),
            }
        };
        let look = seen.map(|seen| &seen.look);
        let is_told = |setting: &Setting| told.iter().find(|tuned| tuned.name == setting.name).cloned();
        let settings: Vec<Tuned> = asked
            .iter()
            .filter_map(|setting| match withheld.get(&setting.name) {
                _ if made => Some(made_so(setting, look)),
                Some(why) => Some(left_so(setting, why, look)),
                None => is_told(setting),
            })
            .collect();
        refuse_lost(&name, &asked, &settings)?;
        refuse_few(&name, tuning.nofile, nofile)?;
        let applied = settings.iter().filter(|tuned| !withheld.contains_key(&tuned.name));
        let applied = applied.filter_map(|tuned| Some((tuned.name.clone(), tuned.after.clone()?)));
        state.tuned.insert(name.clone(), applied.collect());
        state.open_files.extend(nofile.map(|limits| (name.clone(), limits)));
        let took_ms = millis(begun);
        state.emitter.emit(Happening::MachineTuned { machine: name, settings, nofile, took_ms })?;
    }
    Ok(())
}

fn asked(setting: &TunedSetting) -> Setting {
    let TunedSetting { name, value, optional, at_least, .. } = setting.clone();
    Setting { name, value, optional, at_least }
}

/// A setting that is not made, since the campaign goes on without it.
fn left_so(setting: &Setting, why: &str, look: Option<&Look>) -> Tuned {
    let now = look.and_then(|look| look.settings.get(&setting.name)).and_then(|standing| standing.value.clone());
    let Setting { name, value, .. } = setting.clone();
    Tuned { name, wanted: value, before: now.clone(), after: now, took: false, why: Some(why.to_owned()), source: None }
}

/// Fewer open files than are needed, though the sums came out.
fn refuse_few(machine: &str, asked: Option<NoFile>, got: Option<(u64, u64)>) -> Result<(), RunError> {
    let Some((NoFile { want, at_least }, (soft, _))) = asked.zip(got) else { return Ok(()) };
    if soft >= at_least {
        return Ok(());
    }
    Err(RunError::NotFit(Reason {
        code: "nofile-refused".to_owned(),
        message: format!("{machine}: {want} open files were asked for, {soft} are got, and {at_least} are needed"),
        detail: Vec::new(),
        hint: Some(format!("raise the hard limit or fs.nr_open there, or be content with at_least = {soft}")),
    }))
}

/// A setting that a container was made with, as its agent reads it.
fn made_so(setting: &Setting, look: Option<&Look>) -> Tuned {
    let after = look.and_then(|look| look.settings.get(&setting.name)).and_then(|standing| standing.value.clone());
    let took = after.as_deref() == Some(setting.value.as_str());
    let why = (!took).then(|| "a container has no such setting of its own, or its engine refuses it".to_owned());
    // A container has no value before: it begins with this one.
    Tuned { name: setting.name.clone(), wanted: setting.value.clone(), before: None, after, took, why, source: None }
}

/// A setting that did not take is an error, unless it is optional or enough of it did.
fn refuse_lost(machine: &str, asked: &[Setting], tuned: &[Tuned]) -> Result<(), RunError> {
    let lost = |setting: &&Setting| {
        let found = tuned.iter().find(|tuned| tuned.name == setting.name);
        let enough = found.and_then(|tuned| tuned.after.as_ref()?.parse::<u64>().ok()).zip(setting.at_least);
        let is_fine = found.is_some_and(|tuned| tuned.took) || enough.is_some_and(|(got, least)| got >= least);
        !is_fine && !setting.optional
    };
    let lost: Vec<&Setting> = asked.iter().filter(lost).collect();
    let Some(first) = lost.first() else { return Ok(()) };
    let words = |setting: &Setting| {
        let found = tuned.iter().find(|tuned| tuned.name == setting.name);
        let why = found.and_then(|tuned| tuned.why.clone()).unwrap_or_else(|| "nothing was read back".to_owned());
        format!("`{}` did not become {}: {why}", setting.name, setting.value)
    };
    Err(RunError::NotFit(Reason {
        code: "setting-refused".to_owned(),
        message: format!("{machine}: {}", words(first)),
        detail: lost.iter().skip(1).map(|setting| words(setting)).collect(),
        hint: Some(format!(
            "take it out of the profile, or name it in `optional`, as in optional = [\"{}\"]",
            first.name
        )),
    }))
}

/// Reads everything again after the last trial: what is no longer so puts the trials in doubt.
pub async fn verify(state: &mut State<'_>) -> Result<(), RunError> {
    for (name, applied) in state.tuned.clone() {
        let Some(machine) = state.campaign.plan.machine(&name) else { continue };
        let link = state.link(&name)?;
        let (settings, open_files) = match ask(state, &link, Request::VerifyTuning).await? {
            Reply::Tuned { settings, nofile } => (settings, nofile),
            other => return Err(RunError::Link(link.out_of_turn(&other))),
        };
        let mut now: BTreeMap<String, Option<String>> =
            settings.into_iter().map(|tuned| (tuned.name, tuned.after)).collect();
        // What a container was made with, its agent did not make.
        if matches!(machine.transport, Transport::Docker(_)) {
            let settings = applied.keys().filter(|name| !name.starts_with(wire::DATABASE)).cloned().collect();
            let look = look_at(state, &link, Request::Look { settings, cluster: None }).await?;
            now.extend(look.settings.into_iter().map(|(name, standing)| (name, standing.value)));
        }
        let changed = applied.iter().filter_map(|(name, applied)| {
            let after = now.get(name).cloned().flatten();
            let drifted = after.as_deref() != Some(applied.as_str());
            drifted.then(|| drift(name, applied.clone(), after))
        });
        let mut changed: Vec<Tuned> = changed.collect();
        if let Some(limits) = state.open_files.get(&name).filter(|limits| open_files.as_ref() != Some(limits)) {
            changed.push(drift("open files of what is started", words(*limits), open_files.map(words)));
        }
        let settings = applied.len();
        state.emitter.emit(Happening::TuningVerified { machine: name, settings, changed })?;
    }
    Ok(())
}

/// A limit, soft and hard.
fn words((soft, hard): (u64, u64)) -> String {
    if soft == hard { soft.to_string() } else { format!("{soft} (hard {hard})") }
}

/// What is no longer as it was made.
fn drift(name: &str, made: String, after: Option<String>) -> Tuned {
    Tuned {
        name: name.to_owned(),
        wanted: made.clone(),
        before: Some(made),
        after,
        took: false,
        why: Some("somebody changed it during the campaign".to_owned()),
        source: None,
    }
}
