//! The network checks, and the ceilings that follow from them.

use crate::command::shell_words;
use crate::event::Moment;
use crate::metric::LoadFigures;
use crate::plan::Trial;
use crate::report::escape::Text;
use crate::report::model::types::{Ceiling, CeilingRow, CheckRow, Network, Row, Section};
use crate::store::{SeenCheck, StoredRun};

/// What the network between a trial's machines allows at the size of its answers. One machine has none.
pub fn ceiling(run: &StoredRun, trial: &Trial, figures: &LoadFigures) -> Option<Ceiling> {
    let bits_per_second = run.answers_carried(trial)?;
    let answers_per_second = bits_per_second / 8.0 / figures.bytes_per_response()?;
    let share = figures.requests_per_second() / answers_per_second;
    share.is_finite().then_some(Ceiling { bits_per_second, answers_per_second, share })
}

/// The checks of a run, if any was planned or made.
pub fn network(run: &StoredRun, sections: &[Section]) -> Option<Network> {
    let seen: Vec<SeenCheck<'_>> = run.network_checks().collect();
    if seen.is_empty() && run.plan.network.is_none() {
        return None;
    }
    let planned = run.plan.network.iter().flat_map(|network| &network.pairs);
    let rows = sections.iter().flat_map(|section| section.rows().map(move |row| (section, row)));
    Some(Network {
        loopback: planned.clone().all(|pair| run.same_machine(&pair.client, &pair.server)),
        missing: missing(run, &seen),
        checks: seen.iter().map(check_row).collect(),
        ceilings: rows.filter_map(|(section, row)| ceiling_row(section, row)).collect(),
    })
}

fn check_row(check: &SeenCheck<'_>) -> CheckRow {
    CheckRow {
        client: Text::from(check.client),
        server: Text::from(check.server),
        when: check.when.word(),
        tool: Text::from(&check.figures.tool),
        figures: check.figures.clone(),
        commands: check.commands.map(|words| Text::from(shell_words(words))),
    }
}

/// Planned checks without figures: the run ended before, or the check failed.
fn missing(run: &StoredRun, seen: &[SeenCheck<'_>]) -> Vec<Text> {
    let Some(network) = &run.plan.network else { return Vec::new() };
    let moments = [(Moment::Before, "before the first trial"), (Moment::After, "after the last trial")];
    let mut missing = Vec::new();
    for (when, moment) in moments {
        for (pair, tool) in network.pairs.iter().flat_map(|pair| network.tools.iter().map(move |tool| (pair, tool))) {
            let (tool, client, server) = (tool.name.as_str(), pair.client.as_str(), pair.server.as_str());
            let is_it = |check: &SeenCheck<'_>| {
                (check.when, check.tool, check.client, check.server) == (when, tool, client, server)
            };
            if !seen.iter().any(is_it) {
                missing.push(Text::from(format!("{client} – {server} by {tool}, {moment}")));
            }
        }
    }
    missing
}

fn ceiling_row(section: &Section, row: &Row) -> Option<CeilingRow> {
    let figures = row.figures.as_ref()?;
    let sample = if row.repeats > 1 { format!(", {}", row.sample()) } else { String::new() };
    let name = Text::joined([&row.title, &row.endpoint], " ").within("", &sample);
    Some(CeilingRow {
        trial: row.id.clone(),
        name: Text::joined([&section.round, &name], ": "),
        bytes_per_response: figures.bytes_per_response()?,
        reached: figures.requests_per_second(),
        ceiling: row.ceiling?,
    })
}
