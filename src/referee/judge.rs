//! Holds every rule against every planned trial.

use std::collections::BTreeMap;

use crate::event::Happening;
use crate::plan::Trial;
use crate::referee::rules::{self, Case, FIGURE_RULES};
use crate::referee::verdict::{Finding, Gives, Rule, Verdict};
use crate::store::{SeenCheck, StoredRun, StoredTrial};

/// What the referee says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// A verdict for each trial, planned or begun, by its id.
    pub verdicts: BTreeMap<String, Verdict>,
    /// How many there are of each.
    pub summary: Summary,
}

impl Judgement {
    /// The verdict of a trial of the run.
    pub fn verdict(&self, trial: &str) -> Option<&Verdict> {
        self.verdicts.get(trial)
    }
}

/// How many trials have which verdict. All but `trials` add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Planned or begun.
    pub trials: usize,
    /// Measured, and to be relied on.
    pub valid: usize,
    /// Measured, with doubts.
    pub suspect: usize,
    /// Measured, and worthless.
    pub invalid: usize,
    /// Measured, neither for nor against.
    pub unjudged: usize,
    /// Begun, without figures.
    pub not_measured: usize,
    /// Planned, never begun.
    pub not_begun: usize,
}

impl Summary {
    /// Trials that have figures.
    pub fn measured(&self) -> usize {
        self.valid + self.suspect + self.invalid + self.unjudged
    }
}

/// Every rule, in the order in which they are tried.
pub fn rules() -> Vec<Rule> {
    let figure_rules = FIGURE_RULES.iter().map(|(rule, _)| *rule);
    std::iter::once(rules::not_measured::RULE).chain(figure_rules).chain([rules::samples::RULE]).collect()
}

/// Judges every trial of a run.
pub fn judge(run: &StoredRun) -> Judgement {
    let calm = calm_percents(run);
    let mut summary = Summary::default();
    let mut verdicts = BTreeMap::new();
    for stored in &run.trials {
        let verdict = judge_begun(run, stored, &calm);
        count_begun(&mut summary, &verdict);
        verdicts.insert(stored.trial.id.clone(), verdict);
    }
    for trial in &run.plan.trials {
        if !verdicts.contains_key(&trial.id) {
            summary.not_begun += 1;
            verdicts.insert(trial.id.clone(), not_begun());
        }
    }
    summary.trials = summary.measured() + summary.not_measured + summary.not_begun;
    Judgement { verdicts, summary }
}

fn judge_begun(run: &StoredRun, stored: &StoredTrial, calm: &BTreeMap<&str, f64>) -> Verdict {
    let Some(figures) = &stored.figures else {
        let message = rules::not_measured::why(stored.outcome.as_ref());
        return Verdict::Unjudged(Finding { rule: rules::NOT_MEASURED, message });
    };
    let trial = &stored.trial;
    let is_own =
        |check: &SeenCheck<'_>| check.server == trial.server && trial.clients().any(|client| client == check.client);
    let checks: Vec<SeenCheck<'_>> = run.network_checks().filter(is_own).collect();
    let mut machines: Vec<&str> = std::iter::once(trial.server.as_str()).chain(trial.clients()).collect();
    machines.extend(run.plan.database.as_ref().map(|database| database.machine.as_str()));
    machines.sort_unstable();
    machines.dedup();
    let drifted: Vec<_> = machines
        .into_iter()
        .flat_map(|machine| run.drifted(machine, &trial.id).into_iter().map(move |drift| (machine, drift)))
        .collect();
    let case = Case {
        drifted: &drifted,
        stored,
        figures,
        daemon: run.plan.daemon(&stored.trial.daemon),
        cpu_percent: calm.get(stored.trial.id.as_str()).copied(),
        checks: &checks,
        one_machine: run.is_local(trial),
        answer_rate: run.answers_carried(trial),
    };
    let mut found: Vec<(Gives, Finding)> = FIGURE_RULES
        .iter()
        .filter_map(|(rule, check)| check(&case).map(|message| (rule.gives, Finding { rule: rule.id, message })))
        .collect();
    found.sort_by_key(|(gives, _)| *gives);
    let gravest = found.first().map(|(gives, _)| *gives);
    let findings = found.into_iter().map(|(_, finding)| finding).collect();
    match gravest {
        Some(Gives::Invalid) => Verdict::Invalid(findings),
        Some(_) => Verdict::Suspect(findings),
        None => {
            let message = rules::samples::why(samples(run, &stored.trial));
            Verdict::Unjudged(Finding { rule: rules::samples::RULE.id, message })
        }
    }
}

fn not_begun() -> Verdict {
    let message = "the run ended, or was cut off, before this trial began".to_owned();
    Verdict::Unjudged(Finding { rule: rules::NOT_MEASURED, message })
}

fn count_begun(summary: &mut Summary, verdict: &Verdict) {
    match verdict {
        Verdict::Valid => summary.valid += 1,
        Verdict::Suspect(_) => summary.suspect += 1,
        Verdict::Invalid(_) => summary.invalid += 1,
        Verdict::Unjudged(_) if verdict.is_unmeasured() => summary.not_measured += 1,
        Verdict::Unjudged(_) => summary.unjudged += 1,
    }
}

/// Measured trials of the same daemon, endpoint and round, this one among them.
fn samples(run: &StoredRun, trial: &Trial) -> usize {
    let alike = |other: &Trial| {
        (&other.round, &other.daemon, &other.endpoint) == (&trial.round, &trial.daemon, &trial.endpoint)
    };
    run.trials.iter().filter(|stored| stored.figures.is_some() && alike(&stored.trial)).count()
}

/// CPU use of each daemon when it was waited for to be calm.
fn calm_percents(run: &StoredRun) -> BTreeMap<&str, f64> {
    let calm = |happening| match happening {
        &Happening::DaemonCalm { ref trial, cpu_percent, .. } => Some((trial.as_str(), cpu_percent)),
        _ => None,
    };
    run.lasting_events().filter_map(|event| calm(&event.event)).collect()
}
