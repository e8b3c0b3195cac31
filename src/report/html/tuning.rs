//! Tuning: the sums, what was set, and how it was put back.

use maud::{Markup, html};

use crate::report::model::Tuning;
use crate::report::tuning::{Block, blocks};

/// The section.
pub fn tuning(tuning: &Tuning) -> Markup {
    html! {
        h2 { "Tuning" }
        @for block in &blocks(tuning) {
            @match block {
                Block::Heading(text) => h3 { (text) },
                Block::Line(text) => p.load { (text) },
                Block::Table { label, head, rows } => {
                    div.scroll role="region" aria-label=(label) tabindex="0" {
                        table.times {
                            thead { tr { @for name in head { th scope="col" { (name) } } } }
                            tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
                        }
                    }
                }
            }
        }
    }
}
