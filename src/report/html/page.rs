//! The page's frame and its head.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::html::{appendix, results, style};
use crate::report::model::{Head, Model};
use crate::report::words;

/// The whole page.
pub fn page(model: &Model) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(style::policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (model.head.title) " – timetrial" }
                style { (PreEscaped(style::STYLE)) }
            }
            body {
                header { (head(&model.head)) }
                main {
                    (first(model))
                    (results::results(model))
                    (appendix::appendix(model))
                }
                footer { p { "Made by timetrial from run " code { (model.head.run) } "." } }
            }
        }
    };
    page.into_string()
}

fn head(head: &Head) -> Markup {
    html! {
        p.kicker { "timetrial report" }
        h1 { (head.title) }
        p.line { (words::when_and_where(head)) }
    }
}

/// What a reader must know before the first number.
fn first(model: &Model) -> Markup {
    let head = &model.head;
    html! {
        section.first aria-label="What to know first" {
            p class=(if head.whole { "outcome" } else { "outcome broken" }) { (head.outcome) }
            p.summary { (words::summary(model.summary)) }
            @if !head.notices.is_empty() {
                ul.notices {
                    @for notice in &head.notices {
                        @let (word, sign) = notice.kind.mark();
                        li class=(word) { span.sign aria-hidden="true" { (sign) } p { span.hidden { (word) ": " } (notice.text) } }
                    }
                }
            }
        }
    }
}
