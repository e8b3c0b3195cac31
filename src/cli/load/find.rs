//! Carries out `load --find-max`: one load after the other, each at the rate that the search wants next.

use std::time::{Duration, Instant};

use crate::cli::arguments::Format;
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::load::output::Files;
use crate::cli::load::read::Search;
use crate::cli::load::run::{One, one};
use crate::cli::load::signals::STOP;
use crate::cli::main::print;
use crate::diagnostic::printable;
use crate::loadgen::find;
use crate::loadgen::lines::{FoundLine, ProbeLine, json};
use crate::loadgen::schedule::Schedule;
use crate::loadgen::settings::{Pace, Settings};
use crate::metric::{LoadResult, rate};

/// Searches.
pub fn find(settings: &Settings, wanted: &Search, format: Format, files: &mut Files) -> Result<u8, Problem> {
    let mut search = find::Search::from(wanted.first_rate);
    let mut probes = 0;
    if format == Format::Human {
        print(&format!("Searching the highest rate with {} @ {}\n", wanted.goal, printable(&settings.target.url)))?;
    }
    while let Some(rate) = search.next() {
        if probes > 0 {
            rest(wanted.settle);
        }
        let schedule = Schedule::constant(rate, settings.duration);
        if STOP.is_asked() || schedule.total() == 0 {
            break;
        }
        let settings = Settings { pace: Pace::Open(schedule), ..settings.clone() };
        let One { result, .. } = one(&settings, &[], format, files)?;
        if STOP.is_asked() {
            break;
        }
        probes += 1;
        let mut because = wanted.goal.missed_by(&result);
        because.extend(result.invalid_because.iter().cloned());
        search.tell(because.is_empty());
        tell(rate, wanted, &result, because, format)?;
    }
    end(search.found(), search.next().is_none(), probes, wanted, format)
}

fn tell(asked: f64, wanted: &Search, result: &LoadResult, because: Vec<String>, format: Format) -> Result<(), Problem> {
    if format == Format::Json {
        let holds = because.is_empty();
        let line = ProbeLine { kind: "probe".to_owned(), rate_asked_per_s: asked, holds, fails_because: because };
        return print(&(json(result) + &json(&line)));
    }
    let figures = wanted.goal.figures(result);
    let verdict = if because.is_empty() { "holds".to_owned() } else { format!("fails: {}", because.join("; ")) };
    print(&format!("{:>12}/s  {figures}  {}\n", rate(asked), printable(&verdict)))
}

fn end(found: find::Found, is_whole: bool, probes_count: u64, wanted: &Search, format: Format) -> Result<u8, Problem> {
    let goal = wanted.goal.to_string();
    match format {
        Format::Json => {
            let (holds_at_per_s, fails_at_per_s) = (found.held, found.failed);
            let line =
                FoundLine { kind: "found".to_owned(), goal, holds_at_per_s, fails_at_per_s, probes_count, is_whole };
            print(&json(&line))?;
        }
        Format::Human => print(&(words(found, is_whole, &goal) + "\n"))?,
    }
    Ok(match found.held {
        _ if !is_whole && STOP.is_asked() => exit::INTERRUPTED,
        Some(_) => exit::FINE,
        None => exit::FAILED,
    })
}

fn words(found: find::Found, is_whole: bool, goal: &str) -> String {
    let cut = if is_whole { "" } else { ", as far as it was searched" };
    match (found.held, found.failed) {
        (Some(held), Some(failed)) => format!("{goal} holds at {}/s and fails at {}/s{cut}", rate(held), rate(failed)),
        (Some(held), None) => format!("{goal} holds at {}/s, and no rate was seen to fail{cut}", rate(held)),
        (None, Some(failed)) => format!("{goal} holds at no rate: it fails at {}/s{cut}", rate(failed)),
        (None, None) => "nothing was found: it was stopped before its first probe ended".to_owned(),
    }
}

/// Waits for the server to come to rest, or for somebody who wants it to stop.
fn rest(pause: Duration) {
    let end = Instant::now() + pause;
    while Instant::now() < end && !STOP.is_asked() {
        std::thread::sleep(Duration::from_millis(20).min(pause));
    }
}
