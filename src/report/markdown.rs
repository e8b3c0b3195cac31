//! Markdown: the same tables, for a text editor, a repository, or a comment.

use crate::report::escape::{Text, fence};
use crate::report::model::{self, Fact, Model, Row, Section, Shows, columns};
use crate::report::tuning::{Block, blocks};
use crate::report::words;

/// The whole document.
pub fn document(model: &Model) -> String {
    let mut out = String::new();
    head(&mut out, model);
    results(&mut out, model);
    network(&mut out, model);
    tuning(&mut out, model);
    machines(&mut out, model);
    software(&mut out, model);
    database(&mut out, model);
    commands(&mut out, model);
    times(&mut out, model);
    again(&mut out, model);
    out
}

fn line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn heading(out: &mut String, level: usize, text: &str) {
    if !out.ends_with("\n\n") {
        line(out, "");
    }
    line(out, &format!("{} {text}\n", "#".repeat(level)));
}

/// A table; cells are escaped already.
fn table(out: &mut String, head: &[(&str, bool)], rows: impl IntoIterator<Item = Vec<String>>) {
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    line(out, &row(head.iter().map(|(name, _)| (*name).to_owned()).collect()));
    line(out, &row(head.iter().map(|(_, number)| if *number { "---:" } else { "---" }.to_owned()).collect()));
    for cells in rows {
        line(out, &row(cells));
    }
}

fn code(out: &mut String, lines: &[Text]) {
    let fence = fence(lines);
    line(out, &format!("\n{fence}text"));
    for text in lines {
        line(out, &text.markdown_code());
    }
    line(out, &fence);
}

fn head(out: &mut String, model: &Model) {
    let head = &model.head;
    line(out, &format!("# {}\n", head.title.markdown()));
    line(out, &words::when_and_where(head).markdown());
    line(out, &format!("\n**{}**", head.outcome.markdown()));
    line(out, &format!("\nVerdicts: {}.\n", words::summary(model.summary)));
    for notice in &head.notices {
        let (word, sign) = notice.kind.mark();
        line(out, &format!("- {sign} *{word}:* {}", notice.text.markdown()));
    }
}

fn results(out: &mut String, model: &Model) {
    let mut round = None;
    for section in &model.sections {
        if round != Some(&section.round) {
            heading(out, 2, &format!("Round {}", section.round.markdown()));
            round = Some(&section.round);
        }
        result(out, section);
    }
}

fn result(out: &mut String, section: &Section) {
    let endpoints: Vec<String> = section.endpoints.iter().map(Text::markdown).collect();
    heading(out, 3, &format!("{} – document {}", endpoints.join(", "), section.document.markdown()));
    line(out, &format!("{}; {}.", section.load.markdown(), section.way.markdown()));
    if !section.alike.is_empty() {
        line(out, &format!("\nThe same for all: {}.", Text::joined(&section.alike, "; ").markdown()));
    }
    for group in &section.groups {
        if !group.differs.is_empty() {
            line(out, &format!("\n**{}**", Text::joined(&group.differs, "; ").markdown()));
        }
        line(out, "");
        result_table(out, section, &group.rows);
    }
    findings(out, section);
}

fn result_table(out: &mut String, section: &Section, rows: &[Row]) {
    let columns = columns(section);
    let names: Vec<(String, bool)> = columns.iter().map(|column| (column_name(column), column.number)).collect();
    let mut head = vec![("Daemon", false)];
    head.extend(names.iter().map(|(name, number)| (name.as_str(), *number)));
    let cells = rows.iter().map(|row| {
        let label = row.label(section.shows).markdown();
        std::iter::once(label).chain(columns.iter().map(|column| (column.cell)(row).markdown())).collect()
    });
    table(out, &head, cells);
}

fn column_name(column: &model::Column) -> String {
    if column.over.is_empty() { column.name.to_owned() } else { format!("{} {}", column.over, column.name) }
}

fn findings(out: &mut String, section: &Section) {
    line(out, "");
    for row in section.rows() {
        let name = row.label(section.shows).markdown();
        for (rule, message) in row.findings() {
            let (sign, word) = (row.verdict.symbol(), row.verdict.word());
            line(out, &format!("- {sign} {name}: {word}: {} (rule `{rule}`)", message.markdown()));
        }
    }
}

fn network(out: &mut String, model: &Model) {
    let Some(network) = &model.network else { return };
    heading(out, 2, "Network");
    line(out, words::NETWORK);
    if network.loopback {
        line(out, &format!("\n{}", words::LOOPBACK));
    }
    line(out, "");
    let cells = |cells: &[Text]| cells.iter().map(Text::markdown).collect();
    table(out, &words::CHECK_HEAD, network.checks.iter().map(|check| cells(&words::check(check))));
    line(out, "");
    for missing in &network.missing {
        line(out, &format!("- ▲ no check: {}", missing.markdown()));
    }
    if !network.ceilings.is_empty() {
        line(out, &format!("\n{}\n", words::CEILINGS));
        table(out, &words::CEILING_HEAD, network.ceilings.iter().map(|ceiling| cells(&words::ceiling(ceiling))));
    }
    let commands = words::check_commands(network);
    if !commands.is_empty() {
        line(out, "\nThe commands, first the side that waits:");
        code(out, &commands);
    }
}

fn tuning(out: &mut String, model: &Model) {
    heading(out, 2, "Tuning");
    for (place, block) in blocks(&model.tuning).iter().enumerate() {
        match block {
            Block::Heading(text) => heading(out, 3, &text.markdown()),
            Block::Line(text) if place == 0 || out.ends_with("\n\n") => line(out, &text.markdown()),
            Block::Line(text) => line(out, &format!("\n{}", text.markdown())),
            Block::Table { head, rows, .. } => {
                line(out, "");
                let head: Vec<(&str, bool)> = head.iter().map(|name| (*name, false)).collect();
                table(out, &head, rows.iter().map(|row| row.iter().map(Text::markdown).collect()));
            }
        }
    }
}

fn machines(out: &mut String, model: &Model) {
    heading(out, 2, "Machines");
    for machine in &model.machines {
        line(out, &format!("**{}**: {}\n", machine.name.markdown(), machine.part.markdown()));
        let cell = |text: &Option<Text>| text.as_ref().map_or("–".to_owned(), Text::markdown);
        let row = |fact: &Fact| {
            let after = if fact.changed { format!("**{}** (changed)", cell(&fact.after)) } else { cell(&fact.after) };
            vec![fact.name.markdown(), cell(&fact.before), after]
        };
        table(out, &[("Fact", false), ("before", false), ("after", false)], machine.facts.iter().map(row));
        line(out, "");
    }
}

fn software(out: &mut String, model: &Model) {
    heading(out, 2, "Software");
    for software in &model.software {
        let place = words::provision(software);
        line(out, &format!("**{}**: {}\n", software.name.markdown(), place.markdown()));
        if !software.versions.is_empty() {
            pairs(out, ["Package", "version"], &software.versions);
            line(out, "");
        }
    }
}

fn pairs(out: &mut String, head: [&str; 2], pairs: &[(Text, Text)]) {
    let cells = pairs.iter().map(|(name, value)| vec![name.markdown(), value.markdown()]);
    table(out, &[(head[0], false), (head[1], false)], cells);
}

fn database(out: &mut String, model: &Model) {
    let Some(database) = &model.database else { return };
    heading(out, 2, "Database");
    pairs(out, ["Fact", "value"], &database.facts);
    if !database.settings.is_empty() {
        line(out, "\nSettings that differ from the server's defaults, as read back:\n");
        pairs(out, ["Setting", "value"], &database.settings);
    }
}

fn commands(out: &mut String, model: &Model) {
    heading(out, 2, "Trials: exact commands");
    for (_, row) in model.rows() {
        let every = Shows { endpoint: true, sample: row.repeats > 1, ..Shows::default() };
        heading(out, 3, &format!("{} {}", row.id.markdown(), row.label(every).markdown()));
        line(out, &words::trial(row).markdown());
        let commands: Vec<Text> = row.daemon_commands.iter().chain(&row.load_commands).cloned().collect();
        code(out, &commands);
        if let Some(reason) = &row.reason {
            line(out, &format!("\n{}: {}", reason.code.markdown(), reason.message.markdown()));
            if let Some(hint) = &reason.hint {
                line(out, &format!("\nHint: {}", hint.markdown()));
            }
            if !reason.detail.is_empty() {
                code(out, &reason.detail);
            }
        }
    }
}

fn times(out: &mut String, model: &Model) {
    heading(out, 2, "Time");
    let head = ["Trial", "at", "ready", "calm", "warm-up", "load", "stop", "whole"];
    let head: Vec<(&str, bool)> = head.iter().map(|name| (*name, *name != "Trial")).collect();
    let cells = model.rows().map(|(_, row)| {
        std::iter::once(&row.id).chain(&words::times(&row.times)).map(Text::markdown).collect::<Vec<_>>()
    });
    table(out, &head, cells);
    line(out, "");
    let steps = model
        .steps
        .iter()
        .map(|step| vec![words::clock(step.at_ms), step.what.markdown(), words::took(step.took_ms).markdown()]);
    table(out, &[("at", true), ("Step", false), ("took", true)], steps);
}

fn again(out: &mut String, model: &Model) {
    heading(out, 2, "Files");
    line(out, &format!("{} This report is made again by:", words::FILES));
    code(out, std::slice::from_ref(&model.again));
    line(out, &format!("\nRun directory: {}\n", model.head.directory.markdown()));
    pairs(out, ["Input", "SHA-256 begins"], &model.inputs);
}
