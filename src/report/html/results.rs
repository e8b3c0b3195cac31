//! The results: for each round and document the table and its graphs.

use maud::{Markup, html};

use crate::referee::Verdict;
use crate::report::escape::Text;
use crate::report::html::charts::charts;
use crate::report::model::{Column, Group, Model, Row, Section, columns};
use crate::report::words;

/// All results, round by round.
pub fn results(model: &Model) -> Markup {
    let begins_round = |place: usize| place == 0 || model.sections[place - 1].round != model.sections[place].round;
    html! {
        @for (place, section) in model.sections.iter().enumerate() {
            @if begins_round(place) {
                h2.round { "Round " (section.round) }
            }
            (result(section))
        }
        @if !model.sections.is_empty() {
            section.reading aria-label="How to read the results" {
                h3 { "Reading these results" }
                p { (words::VERDICTS) }
                p { (words::COLUMNS) }
                p { (words::CHARTS) }
            }
        }
    }
}

fn result(section: &Section) -> Markup {
    html! {
        section.result {
            div.table {
                h3 {
                    @for (place, endpoint) in section.endpoints.iter().enumerate() {
                        @if place > 0 { ", " }
                        code { (endpoint) }
                    }
                    " " span.document { "document " (section.document) }
                }
                p.load { (section.load) "; " (section.way) "." }
                @if !section.alike.is_empty() {
                    p.load { "The same for all: " (Text::joined(&section.alike, "; ")) "." }
                }
                (table(section))
            }
            (charts(section))
        }
    }
}

fn table(section: &Section) -> Markup {
    let columns = columns(section);
    let width = columns.len() + 1;
    html! {
        div.scroll role="region" aria-label="Results" tabindex="0" {
            table.results {
                (table_head(&columns))
                @for group in &section.groups {
                    (group_rows(section, group, &columns, width))
                }
            }
        }
    }
}

fn table_head(columns: &[&Column]) -> Markup {
    let over = columns.chunk_by(|one, next| !one.over.is_empty() && one.over == next.over);
    html! {
        thead {
            tr {
                th rowspan="2" scope="col" { "Daemon" }
                @for chunk in over {
                    @if chunk[0].over.is_empty() {
                        th rowspan="2" scope="col" class=[kind(chunk[0])] { (chunk[0].name) }
                    } @else {
                        th.over colspan=(chunk.len()) scope="colgroup" { span { (chunk[0].over) } }
                    }
                }
            }
            tr {
                @for column in columns.iter().filter(|column| !column.over.is_empty()) {
                    th scope="col" class=[kind(column)] { (column.name) }
                }
            }
        }
    }
}

fn kind(column: &Column) -> Option<&'static str> {
    match column.name {
        "Errors" => Some("errors"),
        // Numbers with words in them: they may take two lines.
        "reached" | "Workers" => Some("number wraps"),
        _ => column.number.then_some("number"),
    }
}

fn group_rows(section: &Section, group: &Group, columns: &[&Column], width: usize) -> Markup {
    html! {
        tbody {
            @if !group.differs.is_empty() {
                tr.group { th colspan=(width) scope="rowgroup" { span.stay { (Text::joined(&group.differs, " · ")) } } }
            }
            @for row in &group.rows {
                tr.row { (row_head(section, row)) (row_cells(row, columns)) }
                @if has_findings(row) {
                    tr class=(format!("findings {}", row.verdict.word())) { td colspan=(width) { (findings(row)) } }
                }
            }
        }
    }
}

fn row_head(section: &Section, row: &Row) -> Markup {
    html! {
        th scope="row" {
            span.title { (row.title) }
            @if section.shows.endpoint { code { (row.endpoint) } }
            @if section.shows.sample { span.sample { (row.sample()) } }
        }
    }
}

/// A row that was not measured has its reason where its numbers would be.
fn row_cells(row: &Row, columns: &[&Column]) -> Markup {
    let chunks = columns.chunk_by(|one, next| row.figures.is_none() && one.measured && next.measured);
    html! {
        @for chunk in chunks {
            @if row.figures.is_none() && chunk.len() > 1 {
                td.missing colspan=(chunk.len()) { (findings(row)) }
            } @else if chunk[0].name == "Verdict" {
                (verdict(row, &((chunk[0].cell)(row))))
            } @else {
                td class=[kind(chunk[0])] { ((chunk[0].cell)(row)) }
            }
        }
    }
}

/// The verdict; where nothing was found, with what is missing for a better one.
fn verdict(row: &Row, words: &Text) -> Markup {
    html! {
        td class=(format!("verdict {}", row.verdict.word().replace(' ', "-"))) {
            (words)
            @if !has_findings(row) && row.figures.is_some() {
                @for (_, message) in row.findings() { span.why { (message) } }
            }
        }
    }
}

/// Whether there are findings on figures, which have a line of their own.
fn has_findings(row: &Row) -> bool {
    row.figures.is_some() && matches!(row.verdict, Verdict::Suspect(_) | Verdict::Invalid(_))
}

fn findings(row: &Row) -> Markup {
    html! {
        ul.stay {
            @for (rule, message) in row.findings() {
                li { (message) " " span.rule { (rule) } }
            }
        }
    }
}
