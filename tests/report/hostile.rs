//! What comes from outside is shown and never obeyed.

use timetrial::metric::LoadFigures;
use timetrial::referee::{Verdict, judge};
use timetrial::report::Report;

use crate::runs;

/// Characters that a terminal, a browser or an editor obeys instead of showing.
fn obeyed(character: char) -> bool {
    let hidden =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    character.is_control() && character != '\n' || hidden
}

#[test]
fn nothing_that_is_obeyed_reaches_any_format() {
    let report = Report::new(&runs::hostile());
    for (format, text) in
        [("html", report.html()), ("markdown", report.markdown()), ("csv", report.csv()), ("json", report.json())]
    {
        assert_eq!(text.chars().find(|c| obeyed(*c)), None, "{format}");
    }
}

#[test]
fn markup_stays_text_in_html() {
    let page = Report::new(&runs::hostile()).html();
    let lower = page.to_lowercase();
    for raw in ["<script", "<img", "onload=alert(1)>", "\" onmouseover=\"", "</style></title>"] {
        assert!(!lower.contains(raw), "{raw}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("⟨U+001B⟩]52;c;"));
    assert!(page.contains("⟨U+202E⟩"));
    assert!(page.contains("⟨U+0000⟩"));
}

#[test]
fn no_csv_cell_is_a_formula() {
    let csv = Report::new(&runs::hostile()).csv();
    for record in csv::Reader::from_reader(csv.as_bytes()).records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
    assert!(csv.contains("'=cmd|"));
}

#[test]
fn markdown_tables_keep_their_columns() {
    let markdown = Report::new(&runs::hostile()).markdown();
    let mut columns = None;
    let mut fenced: Option<&str> = None;
    for line in markdown.lines() {
        match fenced {
            Some(fence) if line == fence => fenced = None,
            Some(_) => {}
            None if line.starts_with("```") => fenced = Some(line.trim_end_matches("text")),
            None => {
                let bars = line.replace("\\|", "").matches('|').count();
                let table = line.starts_with('|');
                assert!(table || bars == 0, "a bar outside of a table: {line}");
                assert!(!table || columns.is_none_or(|before| before == bars), "{line}");
                columns = table.then_some(bars);
                assert!(!line.contains('<'), "markup: {line}");
            }
        }
    }
    assert_eq!(fenced, None, "a fence is open at the end");
}

#[test]
fn json_keeps_the_bytes_and_its_version() {
    let json: serde_json::Value = serde_json::from_str(&Report::new(&runs::hostile()).json()).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["run"]["title"], runs::HOSTILE.join(" "));
    assert_eq!(json["trials"].as_array().unwrap().len(), 8);
    assert_eq!(json["trials"][1]["failure"]["detail"][1], runs::HOSTILE[1]);
}

#[test]
fn no_figure_makes_anything_panic() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e308, f64::MIN_POSITIVE];
    let counts = [0, 1, u64::MAX];
    for number in numbers {
        for count in counts {
            let mut run = runs::full();
            for stored in &mut run.trials {
                spoil(stored.figures.as_mut().unwrap(), number, count);
                stored.trial.load.duration_s = number;
                stored.trial.load.rate = Some(count);
            }
            let report = Report::new(&run);
            let rendered = [report.html(), report.markdown(), report.csv(), report.json()];
            for text in rendered {
                assert!(!text.contains("NaN"), "NaN is shown as a number");
            }
        }
    }
}

#[test]
fn what_is_no_number_is_invalid() {
    let mut run = runs::full();
    run.trials[0].figures.as_mut().unwrap().service_time.as_mut().unwrap().mean_us = f64::NAN;
    run.trials[1].figures.as_mut().unwrap().duration_us = 0;
    let judgement = judge(&run);
    for id in ["0001", "0002"] {
        let verdict = judgement.verdict(id).unwrap();
        assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
        assert_eq!(verdict.findings()[0].rule, "impossible-figures");
    }
}

fn spoil(figures: &mut LoadFigures, number: f64, count: u64) {
    figures.requests = count;
    figures.duration_us = count;
    figures.bytes_received = count;
    figures.printed_requests_per_second = number;
    figures.errors.connect = count;
    figures.errors.status = count;
    figures.connections_asked = count.try_into().unwrap_or(u32::MAX);
    figures.threads = 0;
    let latency = figures.latency.as_mut().expect("it has a latency");
    latency.mean_us = number;
    latency.max_us = number;
    latency.min_us = Some(number);
    for percentile in &mut latency.percentiles {
        percentile.us = number;
    }
    figures.service_time = figures.latency.clone();
}

#[test]
fn a_run_with_nothing_in_it_has_a_page() {
    let mut run = runs::full();
    run.events.clear();
    run.trials.clear();
    run.facts.clear();
    run.plan.trials.clear();
    run.plan.daemons.clear();
    run.plan.machines.clear();
    let report = Report::new(&run);
    assert!(report.html().contains("no trial"));
    assert!(!report.markdown().is_empty() && !report.csv().is_empty() && !report.json().is_empty());
}
