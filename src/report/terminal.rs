//! The results for a terminal: what a person wants to see at the end of a run, in a hundred columns. The report has
//! the rest.

use crate::report::escape::Text;
use crate::report::model::{Column, Model, Network, Section, columns};
use crate::report::words;

/// Columns that fit; what a group's rows have in common stands above them in words.
const SHOWN: [(&str, &str); 9] = [
    ("Requests/s", "successful"),
    ("Requests/s", "all answers"),
    ("", "Errors"),
    ("Latency", "mean"),
    ("Latency", "p50"),
    ("Latency", "p99"),
    ("Latency", "max"),
    ("Bytes per response", "received"),
    ("", "Verdict"),
];

/// The results as text.
pub fn text(model: &Model) -> String {
    let head = &model.head;
    let mut lines = vec![head.title.terminal(), words::when_and_where(head).terminal(), String::new()];
    for section in &model.sections {
        lines.extend(results(section));
    }
    lines.extend(model.network.iter().flat_map(network));
    lines.push(head.outcome.terminal());
    lines.push(format!("verdicts: {}", words::summary(model.summary)));
    for notice in &head.notices {
        let (word, sign) = notice.kind.mark();
        lines.extend(wrapped(&format!("{sign} {word}: {}", notice.text.terminal())));
    }
    lines.join("\n") + "\n"
}

fn results(section: &Section) -> Vec<String> {
    let endpoints: Vec<String> = section.endpoints.iter().map(Text::terminal).collect();
    let mut lines = vec![format!("{}: {}", section.round.terminal(), endpoints.join(", "))];
    lines.extend(wrapped(&section.load.terminal()));
    if !section.alike.is_empty() {
        lines.push(format!("  the same for all: {}", Text::joined(&section.alike, "; ").terminal()));
    }
    lines.push(String::new());
    lines.extend(table(section));
    for row in section.rows() {
        if let Some(timed) = row.timed() {
            lines.push(format!("    {}: latency of {timed} answers", row.short_label(section.shows).terminal()));
        }
    }
    lines.push(String::new());
    lines
}

/// Each check in a line, and how near the fullest trial came to what the network allows.
fn network(network: &Network) -> Vec<String> {
    let over = if network.loopback { ", over the loopback: no network" } else { "" };
    let mut lines = vec![format!("network, both ways at once{over}")];
    for check in &network.checks {
        let [between, when, tool, there, back, ..] = words::check(check).map(|cell| cell.terminal());
        lines.push(format!("    {between} {when} by {tool}: requests {there}, answers {back}"));
    }
    lines.extend(network.missing.iter().map(|missing| format!("    no check: {}", missing.terminal())));
    let fullest = network.ceilings.iter().max_by(|one, other| one.ceiling.share.total_cmp(&other.ceiling.share));
    if let Some(fullest) = fullest {
        let [name, bytes, ceiling, reached, share] = words::ceiling(fullest).map(|cell| cell.terminal());
        let text = format!(
            "fullest in {name}: {reached} of the {ceiling} answers/s that it allows at {bytes} B each, {share}"
        );
        lines.extend(wrapped(&format!("  {text}")));
    }
    lines.push(String::new());
    lines
}

fn table(section: &Section) -> Vec<String> {
    let is_shown = |column: &&&Column| SHOWN.contains(&(column.over, column.name));
    let all = columns(section);
    let mut shown: Vec<&&Column> = all.iter().filter(is_shown).collect();
    // The verdict is the last word, not the first.
    shown.sort_by_key(|column| column.name == "Verdict");
    let heading = shown.iter().map(|column| match column.name {
        "successful" => "requests/s".to_owned(),
        "received" => "bytes".to_owned(),
        name => name.to_lowercase(),
    });
    let mut rows = vec![(None, std::iter::once(String::new()).chain(heading).collect::<Vec<_>>())];
    for group in &section.groups {
        let differs = (!group.differs.is_empty()).then(|| Text::joined(&group.differs, "; ").terminal());
        for (place, row) in group.rows.iter().enumerate() {
            let label = row.short_label(section.shows).terminal();
            let cells = shown.iter().map(|column| (column.cell)(row).terminal());
            rows.push((differs.clone().filter(|_| place == 0), std::iter::once(label).chain(cells).collect()));
        }
    }
    aligned(&rows, &shown)
}

fn aligned(rows: &[(Option<String>, Vec<String>)], columns: &[&&Column]) -> Vec<String> {
    let cells = columns.len() + 1;
    let width = |cell: usize| rows.iter().filter_map(|(_, row)| row.get(cell)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..cells).map(|cell| width(cell).unwrap_or(0)).collect();
    let mut lines = Vec::new();
    for (above, row) in rows {
        lines.extend(above.iter().map(|words| format!("  {words}")));
        let mut line = String::from("   ");
        for (place, (text, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(text.chars().count()));
            let number = place > 0 && columns.get(place - 1).is_some_and(|column| column.number);
            line.push_str(&if number { format!(" {pad}{text} ") } else { format!(" {text}{pad} ") });
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Running text in lines of at most a hundred characters.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines = Vec::new();
    let mut line = String::from("  ");
    for word in text.split(' ') {
        if line.chars().count() + word.chars().count() >= WIDTH && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, "    ".to_owned()));
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
