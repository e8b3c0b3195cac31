//! Loads by several generators in turns, round by round; those that others disturbed are done again.

use std::path::PathBuf;

use crate::cli::bench::load::cpus::Cpus;
use crate::cli::bench::load::generator::{Candidate, Load, Outcome};
use crate::cli::bench::load::goal::{Figures, ratios};
use crate::cli::bench::load::peers::Peers;
use crate::cli::bench::{Scratch, Spread, say};
use crate::cli::error::Problem;

/// From this share of foreign CPU time on one of both processors on, a load is done again.
const MOST_FOREIGN: f64 = 0.08;

/// What all parts of the bench have in common.
pub struct Bench {
    /// Both processors.
    pub cpus: Cpus,
    /// For servers' and generators' files.
    pub folder: Scratch,
    /// How many rounds.
    pub rounds: u32,
    /// How often a load is made at most; the least disturbed of them is taken.
    pub tries: u32,
    /// How long a load lasts.
    pub seconds: u64,
    /// Our own program.
    pub ours: PathBuf,
    /// The others.
    pub peers: Peers,
}

/// What one generator did in each round.
#[derive(Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// One for each round; `None` where it failed, which was said.
    rounds: Vec<Option<Outcome>>,
}

impl Bench {
    /// Each candidate once in each round. The order moves from round to round, so that nobody always follows the same one.
    pub async fn turns(
        &self,
        part: &str,
        load: &Load,
        candidates: &[Candidate],
        rounds: u32,
    ) -> Result<Vec<Series>, Problem> {
        let mut all: Vec<Series> =
            candidates.iter().map(|candidate| Series { name: candidate.name, rounds: Vec::new() }).collect();
        for round in 1..=rounds {
            say(&format!("{part}: round {round} of {rounds}"));
            for place in 0..candidates.len() {
                let which = (place + round as usize - 1) % candidates.len();
                let outcome = self.calm(&candidates[which], load).await;
                all[which].rounds.push(match outcome {
                    Ok(outcome) => Some(outcome),
                    Err(problem) => {
                        say(&format!("  {}: {}", candidates[which].name, problem.text()));
                        None
                    }
                });
            }
        }
        Ok(all)
    }

    /// One load, again and again until nobody disturbs it, or often enough.
    async fn calm(&self, candidate: &Candidate, load: &Load) -> Result<Outcome, Problem> {
        let mut best: Option<Outcome> = None;
        for attempt in 1..=self.tries {
            let outcome = candidate.run(load, &self.cpus, &self.folder.0).await?;
            let foreign = outcome.foreign_share;
            if best.as_ref().is_none_or(|best| foreign < best.foreign_share) {
                best = Some(outcome);
            }
            if foreign <= MOST_FOREIGN {
                break;
            }
            let again = if attempt < self.tries { "again" } else { "the least disturbed is taken" };
            say(&format!("  {}: {:.0} % foreign CPU; {again}", candidate.name, foreign * 100.0));
        }
        best.ok_or_else(|| crate::cli::bench::failed("no load was made"))
    }
}

/// Figures of a series, one for each round.
pub type Figure = dyn Fn(&Outcome) -> Option<f64>;

impl Series {
    fn figures(&self, of: &Figure, only_clean: bool) -> Vec<Option<f64>> {
        let figure = |outcome: &Option<Outcome>| {
            let outcome = outcome.as_ref()?;
            (!only_clean || outcome.foreign_share <= MOST_FOREIGN).then(|| of(outcome)).flatten()
        };
        self.rounds.iter().map(figure).collect()
    }

    /// Those of clean rounds, if there are any; else all.
    pub fn known(&self, of: &Figure) -> Figures {
        Figures::choose(|only_clean| self.figures(of, only_clean).into_iter().flatten().collect())
    }

    /// Median and range of the same.
    pub fn spread(&self, of: &Figure) -> Option<Spread> {
        let known = self.known(of).values;
        (!known.is_empty()).then(|| Spread::of(known))
    }

    /// Round by round, how many times another one's figure this is: of rounds in which both were clean, if there are any.
    pub fn over(&self, other: &Self, of: &Figure) -> Figures {
        Figures::choose(|only_clean| ratios(&self.figures(of, only_clean), &other.figures(of, only_clean)))
    }

    /// Rounds in which it was not disturbed, and all in which it ran.
    pub fn clean_of_all(&self) -> (usize, usize) {
        let ran = self.rounds.iter().flatten();
        (ran.clone().filter(|outcome| outcome.foreign_share <= MOST_FOREIGN).count(), ran.count())
    }

    /// What does not fit: complaints of the generator, and counts of ours that are not the server's.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for (place, outcome) in self.rounds.iter().enumerate() {
            let Some(outcome) = outcome else {
                remarks.push(format!("{}, round {}: it failed", self.name, place + 1));
                continue;
            };
            let mut add = |what: String| remarks.push(format!("{}, round {}: {what}", self.name, place + 1));
            if !outcome.said.complaints.is_empty() {
                add(outcome.said.complaints.join("; "));
            }
            if let Some(sent) = outcome.said.sent.filter(|sent| *sent != outcome.known.requests) {
                add(format!("it says that it sent {sent} requests, and the server counted {}", outcome.known.requests));
            }
        }
        remarks.extend(self.late_server());
        let (clean, all) = self.clean_of_all();
        let most = MOST_FOREIGN * 100.0;
        match clean {
            _ if clean == all => {}
            0 => remarks.push(format!(
                "{}: in no round less than {most} % of a processor went to others; all rounds count",
                self.name
            )),
            _ => remarks.push(format!(
                "{}: {} of {all} rounds do not count, since more than {most} % of a processor went to others",
                self.name,
                all - clean
            )),
        }
        remarks
    }

    /// A server that answers late itself blurs what its clients measure.
    fn late_server(&self) -> Option<String> {
        let ran = self.rounds.iter().flatten();
        let shares = ran.map(|outcome| outcome.known.late as f64 / outcome.known.requests.max(1) as f64);
        let late: Vec<f64> = shares.filter(|share| *share > 0.01).collect();
        let most = late.iter().copied().fold(0.0, f64::max) * 100.0;
        let rounds = self.rounds.iter().flatten().count();
        (!late.is_empty()).then(|| {
            format!(
                "{}: in {} of {rounds} rounds more than 1 % of the server's answers left more than 20 µs late, up to {most:.1} %",
                self.name,
                late.len()
            )
        })
    }

    /// How the last load was scheduled, if the generator says that.
    pub fn scheduler(&self) -> Option<&str> {
        self.rounds.iter().flatten().next_back()?.said.scheduler.as_deref()
    }
}

/// The series of that name.
pub fn find<'a>(all: &'a [Series], name: &str) -> Option<&'a Series> {
    all.iter().find(|series| series.name == name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::bench::load::printed::Said;
    use crate::cli::bench::load::server::Known;

    fn series(name: &'static str, rounds: &[Option<(u64, f64)>]) -> Series {
        let outcome = |(requests, foreign_share): (u64, f64)| Outcome {
            known: Known { requests, ..Known::default() },
            said: Said { sent: Some(100), ..Said::default() },
            cpu: Duration::from_secs(1),
            peak_memory_bytes: None,
            foreign_share,
        };
        Series { name, rounds: rounds.iter().map(|round| round.map(outcome)).collect() }
    }

    #[test]
    fn a_server_that_is_late_is_told_once() {
        let mut told = series("ours", &[Some((100, 0.0)), Some((100, 0.0)), Some((100, 0.0))]);
        for (round, late) in told.rounds.iter_mut().flatten().zip([1, 2, 30]) {
            round.known.late = late;
        }
        let words = told.remarks().join("\n");
        assert!(words.contains("in 2 of 3 rounds more than 1 %") && words.ends_with("up to 30.0 %"), "{words}");
    }

    fn requests(outcome: &Outcome) -> Option<f64> {
        Some(outcome.known.requests as f64)
    }

    #[test]
    fn disturbed_rounds_count_only_if_there_are_no_others() {
        let some = series("ours", &[Some((100, 0.0)), Some((50, 0.5)), None, Some((80, 0.08))]);
        assert_eq!(some.known(&requests), Figures { values: vec![100.0, 80.0], are_disturbed: false });
        assert_eq!(some.clean_of_all(), (2, 3));
        let none = series("ours", &[Some((100, 0.1)), Some((50, 0.5))]);
        assert_eq!(none.known(&requests), Figures { values: vec![100.0, 50.0], are_disturbed: true });
    }

    #[test]
    fn ratios_are_of_rounds_that_both_have_clean() {
        let ours = series("ours", &[Some((100, 0.0)), Some((90, 0.0)), Some((60, 0.0))]);
        let theirs = series("theirs", &[Some((50, 0.0)), Some((10, 0.9)), None]);
        assert_eq!(ours.over(&theirs, &requests).values, [2.0]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let told = series("ours", &[Some((100, 0.0)), Some((99, 0.2)), None]).remarks().join("\n");
        assert!(told.contains("round 2: it says that it sent 100 requests, and the server counted 99"), "{told}");
        assert!(told.contains("round 3: it failed") && told.contains("1 of 2 rounds do not count"), "{told}");
    }
}
