//! What stands behind the numbers: machines, software, commands, times, files.

use maud::{Markup, html};

use crate::report::escape::Text;
use crate::report::html::{network, tuning};
use crate::report::model::{DatabaseFacts, Fact, MachineFacts, Model, Row, Shows, Software};
use crate::report::words;

/// Everything after the results.
pub fn appendix(model: &Model) -> Markup {
    html! {
        section.appendix {
            @if let Some(found) = &model.network { (network::network(found)) }
            (tuning::tuning(&model.tuning))
            h2 { "Machines" }
            @for machine in &model.machines { (machine_facts(machine)) }
            h2 { "Software" }
            @for software in &model.software { (versions(software)) }
            @if let Some(database) = &model.database { (database_facts(database)) }
            h2 { "Trials: exact commands" }
            @for (_, row) in model.rows() { (commands(row)) }
            h2 { "Time" }
            (times(model))
            h2 { "Files" }
            (files(model))
        }
    }
}

fn machine_facts(machine: &MachineFacts) -> Markup {
    let alike = |fact: &Fact| !fact.changed && fact.before == fact.after;
    html! {
        h3 { (machine.name) }
        p.load { (machine.part) }
        @if machine.facts.is_empty() {
            p { "No facts of this machine are stored." }
        } @else {
            div.scroll role="region" aria-label="Facts" tabindex="0" {
                table.facts {
                    thead { tr { th scope="col" { "Fact" } th scope="col" { "before" } th scope="col" { "after" } } }
                    tbody {
                        @for fact in &machine.facts {
                            tr class=[fact.changed.then_some("changed")] {
                                th scope="row" { (fact.name) }
                                td { (known(fact.before.as_ref())) }
                                @if alike(fact) {
                                    td.same { "the same" }
                                } @else {
                                    td { (known(fact.after.as_ref())) @if fact.changed { strong { " ▲ changed" } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn known(text: Option<&Text>) -> Text {
    text.cloned().unwrap_or_else(|| Text::from("–"))
}

fn versions(software: &Software) -> Markup {
    html! {
        h3 { (software.name) }
        p.load { (words::provision(software)) }
        @if !software.versions.is_empty() {
            ul.versions {
                @for (name, version) in &software.versions {
                    li { span.name { (name) } " " span.version { (version) } }
                }
            }
        }
    }
}

fn database_facts(database: &DatabaseFacts) -> Markup {
    html! {
        h2 { "Database" }
        (pairs(&database.facts))
        @if !database.settings.is_empty() {
            p.load { "Settings that differ from the server's defaults, as read back:" }
            (pairs(&database.settings))
        }
    }
}

fn pairs(pairs: &[(Text, Text)]) -> Markup {
    html! {
        div.scroll role="region" aria-label="Facts" tabindex="0" {
            table.facts {
                tbody {
                    @for (name, value) in pairs {
                        tr { th scope="row" { (name) } td { (value) } }
                    }
                }
            }
        }
    }
}

fn commands(row: &Row) -> Markup {
    let every = Shows { endpoint: true, sample: row.repeats > 1, ..Shows::default() };
    html! {
        article.trial {
            h3 { span.id { (row.id) } " " (row.label(every)) " " span.mark { (row.verdict.symbol()) " " (row.verdict.word()) } }
            p.load { (words::trial(row)) }
            pre tabindex="0" {
                @for command in row.daemon_commands.iter().chain(&row.load_commands) { (command) "\n" }
            }
            @if let Some(reason) = &row.reason {
                p { strong { (reason.code) } ": " (reason.message) }
                @if let Some(hint) = &reason.hint { p { "Hint: " (hint) } }
                @if !reason.detail.is_empty() {
                    pre tabindex="0" { @for line in &reason.detail { (line) "\n" } }
                }
            }
        }
    }
}

fn times(model: &Model) -> Markup {
    html! {
        div.scroll role="region" aria-label="Times of trials" tabindex="0" {
            table.times {
                thead {
                    tr {
                        th scope="col" { "Trial" }
                        @for name in ["at", "ready", "calm", "warm-up", "load", "stop", "whole"] {
                            th.number scope="col" { (name) }
                        }
                    }
                }
                tbody {
                    @for (_, row) in model.rows() {
                        tr {
                            th scope="row" { (row.id) " " (row.daemon) " " (row.endpoint) }
                            @for cell in words::times(&row.times) { td.number { (cell) } }
                        }
                    }
                }
            }
        }
        div.scroll role="region" aria-label="Steps of the campaign" tabindex="0" {
            table.times {
                thead { tr { th.number scope="col" { "at" } th scope="col" { "Step" } th.number scope="col" { "took" } } }
                tbody {
                    @for step in &model.steps {
                        tr { td.number { (words::clock(step.at_ms)) } td { (step.what) } td.number { (words::took(step.took_ms)) } }
                    }
                }
            }
        }
    }
}

fn files(model: &Model) -> Markup {
    html! {
        p { (words::FILES) " The run directory is " code { (model.head.directory) } "." }
        p { "This report is made again by:" }
        pre tabindex="0" { (model.again) }
        @if !model.inputs.is_empty() {
            p.load { "Files that people wrote, with the beginning of each SHA-256:" }
            (pairs(&model.inputs))
        }
    }
}
