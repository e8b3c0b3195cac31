//! The network: what the checks saw, and how much of it each trial took.

use maud::{Markup, html};

use crate::report::model::Network;
use crate::report::words;

/// Checks and ceilings.
pub fn network(network: &Network) -> Markup {
    html! {
        h2 { "Network" }
        p { (words::NETWORK) @if network.loopback { " " (words::LOOPBACK) } }
        div.scroll role="region" aria-label="Network checks" tabindex="0" {
            table.times {
                thead {
                    tr {
                        @for (name, number) in words::CHECK_HEAD { th.number[number] scope="col" { (name) } }
                    }
                }
                tbody {
                    @for check in &network.checks {
                        tr {
                            @for (cell, (_, number)) in words::check(check).iter().zip(words::CHECK_HEAD) {
                                td.number[number] { (cell) }
                            }
                        }
                    }
                }
            }
        }
        @for missing in &network.missing { p { "▲ No check: " (missing) "." } }
        @if !network.ceilings.is_empty() {
            p.load { (words::CEILINGS) }
            div.scroll role="region" aria-label="Ceilings" tabindex="0" {
                table.times {
                    thead {
                        tr {
                            @for (name, number) in words::CEILING_HEAD { th.number[number] scope="col" { (name) } }
                        }
                    }
                    tbody {
                        @for ceiling in &network.ceilings {
                            tr {
                                @for (cell, (_, number)) in words::ceiling(ceiling).iter().zip(words::CEILING_HEAD) {
                                    td.number[number] { (cell) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !network.checks.is_empty() {
            p.load { "The commands, first the side that waits:" }
            pre tabindex="0" {
                @for commands in words::check_commands(network) { (commands) "\n" }
            }
        }
    }
}
