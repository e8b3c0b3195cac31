//! The head of a report: what, when, where, and what a reader must know before the first number.

use crate::event::{Happening, Outcome};
use crate::referee::{Summary, Verdict};
use crate::report::escape::Text;
use crate::report::model::facts;
use crate::report::model::types::{Head, MachineFacts, Notice, NoticeKind, Row, Section};
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
        took_ms: run.events.last().map(|event| event.elapsed_ms),
        places: run.plan.machines.iter().map(|machine| facts::line(&machine.name, before(&machine.name))).collect(),
        outcome: Text::from(outcome(run, summary)),
        whole: matches!(run.state, RunState::Complete(Outcome::Measured)) && summary.measured() == summary.trials,
        notices: notices(run, summary, sections, machines),
    }
}

fn outcome(run: &StoredRun, summary: Summary) -> String {
    let numbers = format!("{} of {} trials were measured", summary.measured(), summary.trials);
    match &run.state {
        RunState::Incomplete => {
            format!("This run is incomplete: it was cut off, or it still runs. {numbers}.")
        }
        RunState::Complete(Outcome::Interrupted) => format!("The user stopped this run. {numbers}."),
        RunState::Complete(Outcome::Failed { reason }) => {
            let hint = reason.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            format!("This run failed: {}{hint}. {numbers}.", reason.message.trim_end_matches('.'))
        }
        RunState::Complete(Outcome::Measured) if summary.measured() == summary.trials => {
            format!("The run is complete: all {} trials were measured.", summary.trials)
        }
        RunState::Complete(Outcome::Measured) => format!("The run ended by itself, but only {numbers}."),
    }
}

fn notices(run: &StoredRun, summary: Summary, sections: &[Section], machines: &[MachineFacts]) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut say = |kind, text: Text| notices.push(Notice { kind, text });
    for row in sections.iter().flat_map(Section::rows) {
        if let Some((kind, text)) = row_notice(row) {
            say(kind, text);
        }
    }
    if summary.not_begun > 0 {
        say(
            NoticeKind::Missing,
            Text::from(format!("{} of {} trials were never begun.", summary.not_begun, summary.trials)),
        );
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
    if sections.iter().any(|section| section.groups.len() > 1) {
        say(NoticeKind::Limit, Text::from(UNLIKE));
    }
    if run.plan.trials.iter().any(|trial| trial.client == trial.server) {
        say(NoticeKind::Limit, Text::from(ONE_MACHINE));
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

const NO_REPEATS: &str = "No number here is valid yet: this version does not analyse repeats, so a difference between two rows may be chance.";

/// What is grave about a row.
fn row_notice(row: &Row) -> Option<(NoticeKind, Text)> {
    let kind = match &row.verdict {
        Verdict::Invalid(_) => NoticeKind::Missing,
        Verdict::Suspect(_) => NoticeKind::Doubt,
        // Trials that were never begun are told in one sentence.
        Verdict::Unjudged(_) if row.verdict.is_unmeasured() && row.begun => NoticeKind::Missing,
        Verdict::Unjudged(_) | Verdict::Valid => return None,
    };
    let name = Text::joined([&row.title, &row.endpoint], " ");
    let sample = if row.repeats > 1 { format!(", {}", row.sample()) } else { String::new() };
    let findings: Vec<Text> = row.findings().map(|(_, message)| message).collect();
    let first = findings.first().cloned().unwrap_or_default();
    let more = match findings.len().saturating_sub(1) {
        0 => ".".to_owned(),
        more => format!("; and {more} more, see its row."),
    };
    let said = name.within("", &format!("{sample}: {}: ", row.verdict.word()));
    Some((kind, Text::joined([&said, &first], "").within("", &more)))
}
