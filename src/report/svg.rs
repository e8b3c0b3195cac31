//! Bar charts as inline SVG. Everything is labelled where it stands: no legend, no colour that must be told apart, and
//! every bar begins at zero. How it looks is in the page's style sheet, so that it follows print and dark mode.

use maud::{Markup, html};

use crate::report::escape::Text;

/// A chart: bars in groups, all on one scale.
pub struct Chart {
    /// What it shows, for those who can't see it.
    pub name: String,
    /// The groups, from top to bottom.
    pub groups: Vec<ChartGroup>,
}

/// Bars that may be compared with one another.
pub struct ChartGroup {
    /// What sets this group apart, one line each; nothing when there is one group only.
    pub words: Vec<Text>,
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// What one trial has in a chart.
pub struct Entry {
    /// Whose it is.
    pub label: Text,
    /// What else tells it apart: a path, a sample; on a line of its own.
    pub detail: Option<Text>,
    /// Its verdict, sign and word.
    pub verdict: String,
    /// How far its bars may be trusted.
    pub trust: Trust,
    /// Its bars; none when nothing was measured, which is said and never drawn as 0.
    pub bars: Vec<Bar>,
}

/// How a bar is drawn, beside the verdict that stands by it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing speaks against it: filled.
    Whole,
    /// There are doubts: pale, with an outline.
    Doubtful,
    /// It means nothing: a broken outline.
    None,
}

/// A bar from zero, and a line on to a farther value.
pub struct Bar {
    /// Where the bar ends.
    pub value: f64,
    /// Where the line ends.
    pub tail: Option<f64>,
    /// What stands behind it.
    pub label: Text,
}

const WIDTH: f64 = 380.0;
const LINE: f64 = 16.0;
const BAR: f64 = 12.0;
const BAR_STEP: f64 = 17.0;
const LABEL_STEP: f64 = 19.0;
const DETAIL_STEP: f64 = 15.0;
const ENTRY_GAP: f64 = 11.0;
const WORDS_GAP: f64 = 5.0;
const GROUP_GAP: f64 = 14.0;
/// The mean width of a character of the small print, generously: labels must fit in any system font.
const CHARACTER: f64 = 6.3;

/// Draws it.
pub fn draw(chart: &Chart) -> Markup {
    let scale = Scale::of(chart);
    let mut y = 0.0;
    let mut parts = Vec::new();
    for (place, group) in chart.groups.iter().enumerate() {
        if place > 0 {
            y += GROUP_GAP;
        }
        parts.push(draw_group(group, &scale, &mut y));
    }
    html! {
        svg role="img" aria-label=(chart.name) viewBox=(format!("0 0 {WIDTH} {}", y.ceil())) width=(WIDTH) height=(y.ceil()) {
            @for part in parts { (part) }
        }
    }
}

/// From values to places. One scale for the whole chart: the same length is the same number in every group.
struct Scale {
    largest: f64,
    room: f64,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let bars = || chart.groups.iter().flat_map(|group| &group.entries).flat_map(|entry| &entry.bars);
        let values = bars().flat_map(|bar| [Some(bar.value), bar.tail]).flatten().filter(|value| value.is_finite());
        let label = bars().map(|bar| bar.label.width()).max().unwrap_or(0);
        let room = WIDTH - label as f64 * CHARACTER - 10.0;
        Self { largest: values.fold(0.0, f64::max), room: room.max(WIDTH / 4.0) }
    }

    fn place(&self, value: f64) -> f64 {
        let share = value / self.largest;
        if share.is_finite() { share.clamp(0.0, 1.0) * self.room } else { 0.0 }
    }
}

fn draw_group(group: &ChartGroup, scale: &Scale, y: &mut f64) -> Markup {
    let words: Vec<(f64, &Text)> = group.words.iter().map(|word| (step(y, LINE), word)).collect();
    *y += if words.is_empty() { 0.0 } else { WORDS_GAP };
    let top = *y + 2.0;
    let entries: Vec<Markup> = group.entries.iter().map(|entry| draw_entry(entry, scale, y)).collect();
    let bottom = *y - ENTRY_GAP + 3.0;
    html! {
        @for (at, word) in words {
            text.words x="0" y=(number(at + 12.0)) { (word.shortened(60)) }
        }
        @for entry in entries { (entry) }
        line.baseline x1="0.5" x2="0.5" y1=(number(top)) y2=(number(bottom)) {}
    }
}

fn draw_entry(entry: &Entry, scale: &Scale, y: &mut f64) -> Markup {
    let top = step(y, LABEL_STEP);
    let verdict_room = entry.verdict.chars().count() + 2;
    let label_room = ((WIDTH - 6.0) / (CHARACTER + 0.3)) as usize;
    let detail = entry.detail.as_ref().map(|detail| (step(y, DETAIL_STEP), detail));
    let bars: Vec<(f64, &Bar)> = entry.bars.iter().map(|bar| (step(y, BAR_STEP), bar)).collect();
    let empty = bars.is_empty().then(|| step(y, BAR_STEP));
    *y += ENTRY_GAP;
    html! {
        text.label x="6" y=(number(top + 13.0)) { (entry.label.shortened(label_room.saturating_sub(verdict_room))) }
        text class=(format!("verdict {}", trust_class(entry.trust))) x=(WIDTH) y=(number(top + 13.0)) text-anchor="end" { (entry.verdict) }
        @if let Some((at, detail)) = detail {
            text.detail x="6" y=(number(at + 10.0)) { (detail.shortened(label_room)) }
        }
        @for (at, bar) in bars { (draw_bar(bar, entry.trust, scale, at)) }
        @if let Some(at) = empty {
            text.value x="6" y=(number(at + BAR - 2.0)) { "no number" }
        }
    }
}

fn draw_bar(bar: &Bar, trust: Trust, scale: &Scale, y: f64) -> Markup {
    let end = scale.place(bar.value);
    let tail = bar.tail.map(|tail| scale.place(tail)).filter(|tail| *tail > end);
    let middle = y + BAR / 2.0;
    html! {
        rect class=(format!("bar {}", trust_class(trust))) x="0.5" y=(number(y)) width=(number(end)) height=(BAR) {}
        @if let Some(tail) = tail {
            line.tail x1=(number(end)) x2=(number(tail)) y1=(number(middle)) y2=(number(middle)) {}
            line.tail x1=(number(tail)) x2=(number(tail)) y1=(number(y + 2.0)) y2=(number(y + BAR - 2.0)) {}
        }
        text.value x=(number(tail.unwrap_or(end) + 6.0)) y=(number(y + BAR - 2.0)) { (bar.label) }
    }
}

fn trust_class(trust: Trust) -> &'static str {
    match trust {
        Trust::Whole => "whole",
        Trust::Doubtful => "doubtful",
        Trust::None => "none",
    }
}

/// Where it was, moved on.
fn step(y: &mut f64, by: f64) -> f64 {
    let at = *y;
    *y += by;
    at
}

fn number(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[(f64, Option<f64>)]) -> String {
        let bars = values.iter().map(|(value, tail)| Bar { value: *value, tail: *tail, label: Text::from("x") });
        let entry = Entry {
            label: Text::from("<daemon>"),
            detail: Some(Text::from("/index")),
            verdict: "○ unjudged".to_owned(),
            trust: Trust::Whole,
            bars: bars.collect(),
        };
        let groups = vec![ChartGroup { words: vec![Text::from("keep-alive: no")], entries: vec![entry] }];
        draw(&Chart { name: "Requests/s".to_owned(), groups }).into_string()
    }

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let drawn = chart(&[(50.0, None), (100.0, None)]);
        assert!(drawn.contains(r#"width="181.9""#) && drawn.contains(r#"width="363.7""#), "{drawn}");
        assert!(drawn.contains("&lt;daemon&gt;"));
    }

    #[test]
    fn what_was_not_measured_has_no_bar() {
        let drawn = chart(&[]);
        assert!(drawn.contains("no number") && !drawn.contains("<rect"), "{drawn}");
    }

    #[test]
    fn no_number_breaks_the_drawing() {
        let drawn = chart(&[(f64::NAN, Some(f64::INFINITY)), (-1.0, None), (0.0, Some(0.0)), (1e300, Some(5e-324))]);
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}
