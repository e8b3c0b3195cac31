//! Tuning in a campaign: a look, the sums, the user's consent, the settings, and whether they are still so at the end.
//! Undoing is the agents' own affair: they do it whatever becomes of us.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Instant;

use crate::event::{Happening, Reason, Sum, SumVerdict, paths};
use crate::host::Link;
use crate::plan::{Machine, NoFile, Plan, Transport, TunedSetting};
use crate::preflight::{self, Difference, Seen};
use crate::run::campaign::{State, ask};
use crate::run::emitter::millis;
use crate::run::error::RunError;
use crate::run::{contact, resume};
use crate::wire::{ClusterAsked, Look, Reply, Request, Setting, Tuned};

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
    let plan = state.campaign.plan;
    let facts = resume::facts(state).await?;
    let mut all = BTreeMap::new();
    for (machine, (_, facts)) in plan.machines.iter().zip(facts) {
        let link = state.link(&machine.name)?;
        let look = look_at(state, &link, look_request(plan, &machine.name)).await?;
        state.emitter.json(&paths::look(&machine.name, &resume::moment(state.campaign)), &look)?;
        let mut seen = Seen { look, facts };
        preflight::complete(plan, machine, &mut seen);
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
    let sums = preflight::sums(state.campaign.plan, seen);
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
    let plan = state.campaign.plan;
    let is_local = |difference: &Difference| {
        plan.machine(&difference.machine).is_some_and(|machine| machine.transport == Transport::Local)
    };
    let changes: Vec<String> = preflight::differences(plan, seen)
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

/// What one agent is to set, for all the names of its machine.
struct Work {
    machine: Machine,
    link: Link,
    settings: Vec<Setting>,
    nofile: Option<NoFile>,
}

/// Makes the settings on every machine.
pub async fn apply(state: &mut State<'_>, seen: &BTreeMap<String, Seen>) -> Result<(), RunError> {
    for work in works(state)? {
        let begun = Instant::now();
        let made = matches!(work.machine.transport, Transport::Docker(_));
        let name = work.machine.name.clone();
        let settings = if made { Vec::new() } else { work.settings.clone() };
        // What a container was made with needs no agent to set it, and goes with the container.
        let (told, nofile) = if made && work.nofile.is_none() {
            (Vec::new(), None)
        } else {
            let request = Request::Tune { settings, nofile: work.nofile.as_ref().map(|files| files.want) };
            match contact::ask_patiently(state, &work.link, request).await? {
                Reply::Tuned { settings, nofile } => (settings, nofile),
                other => return Err(RunError::Link(work.link.out_of_turn(&other))),
            }
        };
        let look = seen.get(&name).map(|seen| &seen.look);
        let settings = if made { work.settings.iter().map(|setting| made_so(setting, look)).collect() } else { told };
        refuse_lost(&name, &work.settings, &settings)?;
        refuse_few_files(&name, work.nofile.as_ref(), nofile)?;
        let applied = settings.iter().filter_map(|tuned| Some((tuned.name.clone(), tuned.after.clone()?)));
        state.tuned.insert(name.clone(), applied.collect());
        let took_ms = millis(begun);
        state.emitter.emit(Happening::MachineTuned { machine: name, settings, nofile, took_ms })?;
    }
    Ok(())
}

fn works(state: &State<'_>) -> Result<Vec<Work>, RunError> {
    let mut works: Vec<Work> = Vec::new();
    for tuning in &state.campaign.plan.tuning {
        let Some(machine) = state.campaign.plan.machine(&tuning.machine) else { continue };
        let link = state.link(&machine.name)?;
        let wanted = tuning.settings.iter().map(asked);
        let nofile = tuning.nofile;
        let Some(known) = works.iter_mut().find(|work| work.link.is_same(&link)) else {
            works.push(Work { machine: machine.clone(), link, settings: wanted.collect(), nofile });
            continue;
        };
        known.nofile = match (known.nofile.take(), nofile) {
            (Some(one), Some(other)) => {
                let want = one.want.max(other.want);
                Some(NoFile { want, at_least: one.at_least.max(other.at_least) })
            }
            (one, other) => one.or(other),
        };
        for setting in wanted {
            match known.settings.iter().find(|other| other.name == setting.name) {
                None => known.settings.push(setting),
                Some(other) if other.value == setting.value => {}
                Some(other) => return Err(RunError::NotFit(two_values(&known.machine.name, machine, other, &setting))),
            }
        }
    }
    Ok(works)
}

fn asked(setting: &TunedSetting) -> Setting {
    let TunedSetting { name, value, optional, at_least, .. } = setting.clone();
    Setting { name, value, optional, at_least }
}

fn two_values(first: &str, second: &Machine, one: &Setting, other: &Setting) -> Reason {
    Reason {
        code: "two-values".to_owned(),
        message: format!(
            "{first} and {} are one machine, and `{}` shall be {} for the one and {} for the other",
            second.name, one.name, one.value, other.value
        ),
        detail: Vec::new(),
        hint: Some("give both roles the same value: it is one kernel".to_owned()),
    }
}

/// A setting that a container was made with, as its agent reads it.
fn made_so(setting: &Setting, look: Option<&Look>) -> Tuned {
    let after = look.and_then(|look| look.settings.get(&setting.name)).and_then(|standing| standing.value.clone());
    let took = after.as_deref() == Some(setting.value.as_str());
    let why = (!took).then(|| "a container has no such setting of its own, or its engine refuses it".to_owned());
    // A container has no value before: it begins with this one.
    Tuned { name: setting.name.clone(), wanted: setting.value.clone(), before: None, after, took, why }
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

/// Fewer open files than were asked for are an error, unless they are enough.
fn refuse_few_files(machine: &str, asked: Option<&NoFile>, got: Option<(u64, u64)>) -> Result<(), RunError> {
    let Some((asked, (soft, hard))) = asked.zip(got) else { return Ok(()) };
    let least = asked.at_least;
    if soft >= least {
        return Ok(());
    }
    Err(RunError::NotFit(Reason {
        code: "too-few-files".to_owned(),
        message: format!(
            "{machine}: {least} open files are needed, and what is started there gets {soft}, of at most {hard}"
        ),
        detail: vec![format!("{} were asked for; the limit was read from a process that the agent started", asked.want)],
        hint: Some(
            "raise the hard limit of the user there (`ulimit -Hn`, limits.conf) or fs.nr_open; or say in `at_least` how \
             many are enough"
                .to_owned(),
        ),
    }))
}

/// Reads everything again after the last trial: what is no longer so puts the trials in doubt.
pub async fn verify(state: &mut State<'_>) -> Result<(), RunError> {
    for (name, applied) in state.tuned.clone() {
        let Some(machine) = state.campaign.plan.machine(&name) else { continue };
        let link = state.link(&name)?;
        let now: BTreeMap<String, Option<String>> = if matches!(machine.transport, Transport::Docker(_)) {
            let settings = applied.keys().cloned().collect();
            let look = look_at(state, &link, Request::Look { settings, cluster: None }).await?;
            look.settings.into_iter().map(|(name, standing)| (name, standing.value)).collect()
        } else {
            match ask(state, &link, Request::VerifyTuning).await? {
                Reply::Tuned { settings, .. } => settings.into_iter().map(|tuned| (tuned.name, tuned.after)).collect(),
                other => return Err(RunError::Link(link.out_of_turn(&other))),
            }
        };
        let changed = applied.iter().filter_map(|(name, applied)| {
            let after = now.get(name).cloned().flatten();
            let drifted = after.as_deref() != Some(applied.as_str());
            drifted.then(|| Tuned {
                name: name.clone(),
                wanted: applied.clone(),
                before: Some(applied.clone()),
                after,
                took: false,
                why: Some("somebody changed it during the campaign".to_owned()),
            })
        });
        let (settings, changed) = (applied.len(), changed.collect());
        state.emitter.emit(Happening::TuningVerified { machine: name, settings, changed })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_open_files_than_are_enough_end_the_campaign() {
        let asked = NoFile { want: 1_048_576, at_least: 8_192 };
        let refused = |asked, got| refuse_few_files("bench", asked, got).err().map(|error| error.reason());
        assert_eq!(refused(Some(&asked), Some((20_000, 20_000))), None);
        assert_eq!(refused(Some(&asked), None), None);
        assert_eq!(refused(None, Some((1, 1))), None);
        let reason = refused(Some(&asked), Some((4_096, 8_192))).unwrap();
        assert_eq!(reason.code, "too-few-files");
        assert_eq!(
            reason.message,
            "bench: 8192 open files are needed, and what is started there gets 4096, of at most 8192"
        );
    }
}
