//! The three graphs of the 2015 post for one section: requests/s, errors, latency.

use maud::{Markup, html};

use crate::metric::LoadFigures;
use crate::metric::{count, duration_us, rate};
use crate::referee::Verdict;
use crate::report::escape::Text;
use crate::report::model::{Row, Section};
use crate::report::svg::{self, Bar, Chart, ChartGroup, Entry, Trust};

/// A graph: its name, which way is better, what it draws, and its bars for a measured row.
type Graph = (&'static str, &'static str, &'static str, fn(&LoadFigures) -> Vec<Bar>);

const GRAPHS: [Graph; 3] = [
    ("Requests/s", "higher is better", "Successful answers per second.", rates),
    ("Errors", "lower is better", "Each kind by itself, over the whole load.", errors),
    ("Latency", "lower is better", "Bar: mean. Line: up to the 99th percentile.", latencies),
];

/// The graphs of a section.
pub fn charts(section: &Section) -> Markup {
    html! {
        div.charts {
            @for (name, better, note, bars) in GRAPHS {
                figure {
                    figcaption { strong { (name) } " " span.better { "(" (better) ")" } span.note { (note) } }
                    (svg::draw(&chart(section, name, better, bars)))
                }
            }
        }
    }
}

fn chart(section: &Section, name: &str, better: &str, bars: fn(&LoadFigures) -> Vec<Bar>) -> Chart {
    let group = |group: &crate::report::model::Group| ChartGroup {
        words: group.differs.clone(),
        entries: group.rows.iter().map(|row| entry(section, row, bars)).collect(),
    };
    Chart {
        name: format!("Bar chart: {name}, {better}. The numbers are in the table above."),
        groups: section.groups.iter().map(group).collect(),
    }
}

fn entry(section: &Section, row: &Row, bars: fn(&LoadFigures) -> Vec<Bar>) -> Entry {
    Entry {
        label: row.title.clone(),
        detail: detail(section, row),
        verdict: format!("{} {}", row.verdict.symbol(), row.verdict.word()),
        trust: match row.verdict {
            Verdict::Valid | Verdict::Unjudged(_) => Trust::Whole,
            Verdict::Suspect(_) => Trust::Doubtful,
            Verdict::Invalid(_) => Trust::None,
        },
        bars: row.figures.as_ref().map(bars).unwrap_or_default(),
    }
}

/// What tells this row apart from others of the same daemon.
fn detail(section: &Section, row: &Row) -> Option<Text> {
    let endpoint = section.shows.endpoint.then(|| row.endpoint.clone());
    let sample = section.shows.sample.then(|| Text::from(row.sample()));
    let parts: Vec<Text> = endpoint.into_iter().chain(sample).collect();
    (!parts.is_empty()).then(|| Text::joined(&parts, ", "))
}

fn rates(figures: &LoadFigures) -> Vec<Bar> {
    let successes = figures.successes_per_second();
    let all = figures.requests_per_second();
    let label = if figures.successes() == figures.requests {
        format!("{}/s", rate(successes))
    } else {
        format!("{}/s (all answers {}/s)", rate(successes), rate(all))
    };
    bar(successes, None, label)
}

fn errors(figures: &LoadFigures) -> Vec<Bar> {
    let kinds = figures.errors.by_kind().into_iter().filter(|(_, number)| *number > 0);
    let bars: Vec<Bar> = kinds
        .map(|(kind, number)| Bar {
            value: number as f64,
            tail: None,
            label: Text::from(format!("{kind} {}", count(number))),
        })
        .collect();
    if bars.is_empty() { bar(0.0, None, "none".to_owned()) } else { bars }
}

fn latencies(figures: &LoadFigures) -> Vec<Bar> {
    let Some(waiting) = figures.waiting() else { return Vec::new() };
    let mean = waiting.mean_us;
    let tail = waiting.percentile(99.0).filter(|p99| p99.is_finite());
    let label = match tail {
        Some(p99) => format!("{}, p99 {}", duration_us(mean), duration_us(p99)),
        None => duration_us(mean),
    };
    bar(mean, tail, label)
}

/// One bar; none for what is no number.
fn bar(value: f64, tail: Option<f64>, label: String) -> Vec<Bar> {
    if value.is_finite() { vec![Bar { value, tail, label: Text::from(label) }] } else { Vec::new() }
}
