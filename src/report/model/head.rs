//! The head of a report: what, when, where, and what a reader must know before the first number.

use crate::event::{Happening, Outcome};
use crate::metric::counted;
use crate::referee::{self, Finding, Gives, Summary};
use crate::report::escape::Text;
use crate::report::model::types::{Head, MachineFacts, Notice, NoticeKind, Row, Section};
use crate::report::model::{facts, sessions, tuning};
use crate::store::{RunState, StoredRun};

/// The head.
pub fn head(run: &StoredRun, summary: Summary, sections: &[Section], machines: &[MachineFacts]) -> Head {
    let started = run.events.iter().find_map(|event| match &event.event {
        Happening::CampaignStarted { timetrial, .. } => Some((event.time, Text::from(timetrial))),
        _ => None,
    });
    let before = |name: &str| run.facts.get(name).and_then(|moments| moments.get("before").or(moments.get("after")));
    Head {
        run: Text::from(&run.id),
        directory: Text::from(run.directory.to_string_lossy().into_owned()),
        title: Text::from(&run.plan.title),
        scenario: Text::from(&run.plan.scenario),
        timetrial: started.as_ref().map(|(_, version)| version.clone()),
        started: started.map(|(time, _)| time).or(run.events.first().map(|event| event.time)),
        took_ms: sessions::took_ms(run),
        places: run.plan.machines.iter().map(|machine| facts::line(&machine.name, before(&machine.name))).collect(),
        outcome: Text::from(outcome(run, summary)),
        whole: matches!(run.state, RunState::Complete(Outcome::Measured)) && summary.measured() == summary.trials,
        notices: notices(run, summary, sections, machines),
    }
}

fn outcome(run: &StoredRun, summary: Summary) -> String {
    let numbers = part_of(summary.measured(), summary.trials, "measured");
    match &run.state {
        RunState::Incomplete => {
            format!("This run is incomplete: it was cut off, or it still runs. {numbers}.")
        }
        RunState::Complete(Outcome::Interrupted) => format!("The user stopped this run. {numbers}."),
        RunState::Complete(Outcome::Failed { reason }) => {
            let hint = reason.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            format!("This run failed: {}{hint}. {numbers}.", reason.message.trim_end_matches('.'))
        }
        RunState::Complete(Outcome::Measured) if summary.measured() == summary.trials => match summary.trials {
            1 => "The run is complete: its trial was measured.".to_owned(),
            all => format!("The run is complete: all {} were measured.", counted(all, "trial")),
        },
        RunState::Complete(Outcome::Measured) => format!("The run ended by itself, but only {numbers}."),
    }
}

/// `1 of 8 trials was measured`
fn part_of(part: usize, whole: usize, what: &str) -> String {
    let verb = if part == 1 || whole == 1 { "was" } else { "were" };
    format!("{part} of {} {verb} {what}", counted(whole, "trial"))
}

fn notices(run: &StoredRun, summary: Summary, sections: &[Section], machines: &[MachineFacts]) -> Vec<Notice> {
    let mut notices = findings(sections);
    notices.extend(tuning::notices(run));
    let mut say = |kind, text: Text| notices.push(Notice { kind, text });
    if summary.not_begun > 0 {
        say(NoticeKind::Missing, Text::from(part_of(summary.not_begun, summary.trials, "never begun") + "."));
    }
    for machine in machines {
        let changed: Vec<&Text> = machine.facts.iter().filter(|fact| fact.changed).map(|fact| &fact.name).collect();
        if !changed.is_empty() {
            let names = Text::joined(changed, ", ");
            let machine = machine.name.within("On ", ", ");
            say(NoticeKind::Doubt, Text::joined([&machine, &names], "").within("", " changed during the run."));
        }
    }
    for event in &run.events {
        if let Happening::Warning { message } = &event.event {
            say(NoticeKind::Doubt, Text::from(message));
        }
    }
    if let Some(text) = sessions::notice(run) {
        say(NoticeKind::Limit, Text::from(text));
    }
    if sections.iter().any(|section| section.groups.len() > 1) {
        say(NoticeKind::Limit, Text::from(UNLIKE));
    }
    let trials = || run.plan.trials.iter().map(|trial| run.is_local(trial));
    if trials().any(|alone| alone) {
        say(NoticeKind::Limit, Text::from(ONE_MACHINE));
    }
    if run.plan.network.is_none() && trials().any(|alone| !alone) {
        say(NoticeKind::Limit, Text::from(NO_NETWORK_CHECK));
    }
    if summary.unjudged > 0 {
        say(NoticeKind::Limit, Text::from(NO_REPEATS));
    }
    notices.sort_by_key(|notice| notice.kind);
    notices
}

const UNLIKE: &str = "The daemons are not alike in everything: those that differ in keep-alive, database connections, \
    workers or protocol are drawn in separate groups, with the difference in words above each. Compare within a group; \
    between groups, the difference may be the setting's and not the daemon's.";

const ONE_MACHINE: &str = "Load generator and daemons shared one machine, without a network between them: the rates are \
    for calibration and for comparing, not what users of a real server would get.";

const NO_NETWORK_CHECK: &str = "Load generator and daemons were on different machines, and the network between them was not \
    checked: nothing here says how much of it the load took. `[network]` in the scenario has it checked.";

const NO_REPEATS: &str = "No number here is valid yet: this version does not analyse repeats, so a difference between two rows may be chance.";

/// One notice for each rule, however many trials it found: a reader should see what is wrong, not how often.
fn findings(sections: &[Section]) -> Vec<Notice> {
    let mut found: Vec<(Key<'_>, Vec<(&Row, &Finding)>)> = Vec::new();
    for row in sections.iter().flat_map(Section::rows) {
        for finding in row.verdict.findings() {
            let Some(kind) = kind(row, finding) else { continue };
            // Trials without numbers failed in ways that have little in common.
            let failure = row.reason.as_ref().filter(|_| row.figures.is_none()).map(|reason| &reason.code);
            let key = (kind, finding.rule, failure);
            match found.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push((row, finding)),
                None => found.push((key, vec![(row, finding)])),
            }
        }
    }
    let notice = |((kind, ..), rows): (Key<'_>, Vec<_>)| Some(Notice { kind, text: finding_text(kind, &rows)? });
    found.into_iter().filter_map(notice).collect()
}

/// What is said once: how grave, by which rule, and for a failure its word.
type Key<'a> = (NoticeKind, &'static str, Option<&'a Text>);

fn finding_text(kind: NoticeKind, rows: &[(&Row, &Finding)]) -> Option<Text> {
    let (row, finding) = rows.first()?;
    let sample = if row.repeats > 1 { format!(", {}", row.sample()) } else { String::new() };
    let name = Text::joined([&row.title, &row.endpoint], " ").within("", &sample);
    let message = Text::from(&finding.message);
    // An invalid trial may have findings that alone would make it suspect only.
    let word = if kind == NoticeKind::Doubt { "suspect" } else { row.verdict.word() };
    Some(match rows.len() - 1 {
        0 => Text::joined([&name.within("", &format!(": {word}: ")), &message], "").within("", "."),
        more => {
            let before = format!("{}: {}: ", counted(rows.len(), "trial"), finding.rule);
            Text::joined([&name, &message], ": ").within(&before, &format!(" (and {more} more, see their rows)."))
        }
    })
}

/// How grave a finding is, if it is.
fn kind(row: &Row, finding: &Finding) -> Option<NoticeKind> {
    if row.verdict.is_unmeasured() {
        // Trials that were never begun are told in one sentence.
        return row.begun.then_some(NoticeKind::Missing);
    }
    let rule = referee::rules().into_iter().find(|rule| rule.id == finding.rule)?;
    match rule.gives {
        Gives::Invalid => Some(NoticeKind::Invalid),
        Gives::Suspect => Some(NoticeKind::Doubt),
        Gives::Unjudged => None,
    }
}
