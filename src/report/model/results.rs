//! Trials to sections, groups and rows: what may be compared stands together, what differs is said in words.

use std::collections::BTreeMap;

use crate::command::shell_words;
use crate::event::{Outcome, Reason, paths};
use crate::metric::{LoadFigures, count, counted};
use crate::plan::{Daemon, Load, Trial, WorkersAt};
use crate::referee::{Judgement, Verdict};
use crate::report::escape::Text;
use crate::report::model::types::{Group, ReasonText, Row, Section, Shows, Traits, TrialTimes};
use crate::report::model::{network, times};
use crate::store::{Seen, StoredRun, StoredTrial};

/// One section for each round, document and load, in the plan's order.
pub fn sections(run: &StoredRun, judgement: &Judgement) -> Vec<Section> {
    let mut times = times::trials(run);
    let mut sections: Vec<(SectionKey, Vec<Row>)> = Vec::new();
    for (trial, stored) in trials(run) {
        let row = row(run, judgement, trial, stored, times.remove(&trial.id).unwrap_or_default());
        let key = SectionKey::of(run, trial, stored);
        match sections.iter_mut().find(|(other, _)| *other == key) {
            Some((known, rows)) => {
                known.tool = known.tool.take().or(key.tool);
                rows.push(row);
            }
            None => sections.push((key, vec![row])),
        }
    }
    sections.into_iter().map(|(key, rows)| key.section(rows)).collect()
}

/// Each planned trial with what became of it, and those that were begun without being planned.
fn trials(run: &StoredRun) -> Vec<(&Trial, Option<&StoredTrial>)> {
    let begun: BTreeMap<&str, &StoredTrial> =
        run.trials.iter().map(|stored| (stored.trial.id.as_str(), stored)).collect();
    let planned = run.plan.trials.iter().map(|trial| {
        let stored = begun.get(trial.id.as_str()).copied();
        (stored.map_or(trial, |stored| &stored.trial), stored)
    });
    let is_planned = |id: &str| run.plan.trials.iter().any(|trial| trial.id == id);
    let unplanned = begun.values().filter(|stored| !is_planned(&stored.trial.id));
    planned.chain(unplanned.map(|stored| (&stored.trial, Some(*stored)))).collect()
}

/// What trials must share to be compared: all that the section's heading says.
struct SectionKey {
    round: String,
    document: String,
    load: Load,
    way: String,
    tool: Option<String>,
}

impl PartialEq for SectionKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.round, &self.document, &self.load, &self.way) == (&other.round, &other.document, &other.load, &other.way)
    }
}

impl SectionKey {
    fn of(run: &StoredRun, trial: &Trial, stored: Option<&StoredTrial>) -> Self {
        Self {
            round: trial.round.clone(),
            document: trial.document.clone(),
            load: trial.load.clone(),
            way: way(run, trial),
            tool: stored.and_then(|stored| stored.figures.as_ref()).map(|figures| figures.tool.clone()),
        }
    }

    fn section(self, rows: Vec<Row>) -> Section {
        let mut endpoints: Vec<Text> = Vec::new();
        for row in &rows {
            if !endpoints.contains(&row.endpoint) {
                endpoints.push(row.endpoint.clone());
            }
        }
        let shows = Shows {
            endpoint: endpoints.len() > 1,
            sample: rows.iter().any(|row| row.repeats > 1),
            all_answers: rows.iter().filter_map(|row| row.figures.as_ref()).any(|f| f.successes() != f.requests),
            timed: rows.iter().any(|row| row.timed().is_some()),
            rate_asked: rows.iter().any(|row| row.rate_asked.is_some()),
            lateness: rows.iter().filter_map(|row| row.figures.as_ref()).any(|f| f.send_lateness().is_some()),
        };
        let (alike, groups) = grouped(rows);
        Section {
            round: Text::from(self.round),
            document: Text::from(self.document),
            endpoints,
            load: load_words(&self.load, self.tool.as_ref()),
            way: Text::from(self.way),
            alike,
            groups,
            shows,
        }
    }
}

fn load_words(load: &Load, tool: Option<&String>) -> Text {
    // Planned times are round numbers: `15 s`, not `15.0 s`.
    let seconds = |s: f64| if s.is_finite() { format!("{s} s") } else { "an unknown time".to_owned() };
    let rate = match load.rate {
        Some(rate) => format!("open loop, {} requests/s asked for", count(rate)),
        None => "closed loop, as fast as answers come".to_owned(),
    };
    let warm_up = match load.warm_up_s {
        Some(warm_up) => format!(", after {} of the same load unmeasured", seconds(warm_up)),
        None => ", no warm-up".to_owned(),
    };
    let late = match load.timeout_s {
        Some(timeout) => format!("an answer after {} counts as a timeout", seconds(timeout)),
        None => "no answer is too late".to_owned(),
    };
    Text::from(format!(
        "{}: {rate}; {}, {}{}, {}{warm_up}; {late}",
        tool.unwrap_or(&load.tool),
        counted(load.threads, "thread"),
        counted(load.connections, "connection"),
        load.streams_words(),
        seconds(load.duration_s),
    ))
}

fn way(run: &StoredRun, trial: &Trial) -> String {
    let address = format!("{}:{}", trial.address, trial.port);
    if !trial.more_clients.is_empty() {
        let beside = if run.is_local(trial) { ", beside it on its own machine," } else { "" };
        let shares: Vec<String> = trial.shares().iter().map(|share| share.connections.to_string()).collect();
        return format!(
            "load from {}{beside} to the daemon on {} ({address}); {} connections, {} each",
            trial.clients_words(),
            trial.server,
            shares.join(" + "),
            counted(trial.load.threads, "thread")
        );
    }
    if trial.client == trial.server {
        format!("load and daemon on one machine, {} ({address})", trial.server)
    } else if run.same_machine(&trial.client, &trial.server) {
        format!("load from {} to the daemon on {}: two names of one machine ({address})", trial.client, trial.server)
    } else {
        format!("load from {} to the daemon on {} ({address})", trial.client, trial.server)
    }
}

/// Splits rows by their traits: what all share, and groups with the words in which they differ.
fn grouped(rows: Vec<Row>) -> (Vec<Text>, Vec<Group>) {
    let Some(first) = rows.first().map(|row| row.traits.words()) else {
        return (Vec::new(), Vec::new());
    };
    let shared: Vec<bool> =
        (0..first.len()).map(|trait_| rows.iter().all(|row| row.traits.words()[trait_] == first[trait_])).collect();
    let pick = |words: &[Text], want: bool| {
        words.iter().zip(&shared).filter(|(_, shared)| **shared == want).map(|(word, _)| word.clone()).collect()
    };
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let differs: Vec<Text> = pick(&row.traits.words(), false);
        match groups.iter_mut().find(|group| group.differs == differs) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { differs, rows: vec![row] }),
        }
    }
    (pick(&first, true), groups)
}

fn row(run: &StoredRun, judgement: &Judgement, trial: &Trial, stored: Option<&StoredTrial>, times: TrialTimes) -> Row {
    let daemon = run.plan.daemon(&trial.daemon);
    let unseen = Seen::default();
    let seen = stored.map_or(&unseen, |stored| &stored.seen);
    let figures = stored.and_then(|stored| stored.figures.clone()).map(LoadFigures::founded);
    Row {
        id: Text::from(&trial.id),
        daemon: Text::from(&trial.daemon),
        title: Text::from(daemon.map_or(&trial.daemon, |daemon| &daemon.title)),
        endpoint: Text::from(&trial.endpoint),
        repeat: trial.repeat,
        repeats: repeats(run, trial),
        // Every planned or begun trial has a verdict; should one be missing, nothing good is said of it.
        verdict: judgement.verdict(&trial.id).cloned().unwrap_or(Verdict::Suspect(Vec::new())),
        outcome: outcome_word(stored),
        reason: stored.and_then(|stored| reason(stored.outcome.as_ref())),
        rate_asked: figures.as_ref().and_then(|figures| figures.rate_asked).or(trial.load.rate),
        ceiling: figures.as_ref().and_then(|figures| network::ceiling(run, trial, figures)),
        figures,
        traits: traits(trial, daemon, seen),
        body_bytes: seen.body_bytes,
        times,
        daemon_commands: daemon_commands(daemon, seen),
        load_commands: seen.load_commands.iter().map(|words| Text::from(shell_words(words))).collect(),
        begun: stored.is_some(),
        raw: Text::from(paths::raw(&trial.id, "")),
    }
}

fn repeats(run: &StoredRun, trial: &Trial) -> u32 {
    let alike = |other: &&Trial| {
        (&other.round, &other.daemon, &other.endpoint) == (&trial.round, &trial.daemon, &trial.endpoint)
    };
    run.plan.trials.iter().filter(alike).map(|other| other.repeat).max().unwrap_or(1)
}

fn outcome_word(stored: Option<&StoredTrial>) -> &'static str {
    match stored.map(|stored| &stored.outcome) {
        None => "not-begun",
        Some(None) => "cut-off",
        Some(Some(Outcome::Measured)) => "measured",
        Some(Some(Outcome::Interrupted)) => "interrupted",
        Some(Some(Outcome::Failed { .. })) => "failed",
    }
}

fn reason(outcome: Option<&Outcome>) -> Option<ReasonText> {
    match outcome {
        Some(Outcome::Failed { reason }) => Some(reason_text(reason)),
        _ => None,
    }
}

fn reason_text(reason: &Reason) -> ReasonText {
    // A detail may hold several lines; each is shown as one.
    let lines = reason.detail.iter().flat_map(|detail| detail.split('\n'));
    ReasonText {
        code: Text::from(&reason.code),
        message: Text::from(&reason.message),
        detail: lines.map(|line| Text::from(line.trim_end_matches('\r'))).collect(),
        hint: reason.hint.as_ref().map(Text::from),
    }
}

fn traits(trial: &Trial, daemon: Option<&Daemon>, seen: &Seen) -> Traits {
    let counts = daemon.is_some_and(|daemon| daemon.processes.iter().any(|p| p.workers != WorkersAt::Nowhere));
    let declared = daemon.map(|daemon| daemon.protocol.as_str());
    let workers_seen = seen.workers.filter(|_| counts);
    Traits {
        keep_alive: seen.keep_alive.or(daemon.map(|daemon| daemon.keep_alive)),
        keep_alive_seen: seen.keep_alive.is_some(),
        database: trial.database_use.to_string(),
        workers: workers_seen.or(daemon.map(|daemon| daemon.workers)),
        workers_seen: workers_seen.is_some(),
        protocol: Text::from(seen.protocol.as_deref().or(declared).unwrap_or("not known")),
        protocol_seen: seen.protocol.is_some(),
    }
}

/// The commands as run, else as planned, each with what the plan adds to its environment.
fn daemon_commands(daemon: Option<&Daemon>, seen: &Seen) -> Vec<Text> {
    let processes = daemon.map_or(&[][..], |daemon| &daemon.processes);
    let planned = || processes.iter().map(|process| process.command.words()).collect();
    let commands: Vec<Vec<String>> =
        if seen.daemon_commands.is_empty() { planned() } else { seen.daemon_commands.clone() };
    let with_environment = |(place, words): (usize, &Vec<String>)| {
        let environment = processes.get(place).map(|process| &process.command.environment);
        let set = environment.into_iter().flatten().map(|(name, value)| {
            let value = shell_words(std::slice::from_ref(value));
            format!("{name}={value} ")
        });
        Text::from(set.collect::<String>() + &shell_words(words))
    };
    commands.iter().enumerate().map(with_environment).collect()
}
