//! What is to be reached, and whether it was. Pure.

use crate::cli::bench::Spread;
use crate::metric::count;

/// What figures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Times something else's.
    Times,
    /// Requests for each second of CPU time.
    PerCpuSecond,
    /// Requests a second.
    PerSecond,
    /// Microseconds.
    Us,
    /// Per cent.
    Percent,
    /// Megabytes.
    Mb,
    /// A bare number.
    Plain,
}

impl Unit {
    /// The end of a name in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Times => "ratio",
            Self::PerCpuSecond => "per_cpu_s",
            Self::PerSecond => "per_s",
            Self::Us => "us",
            Self::Percent => "percent",
            Self::Mb => "mb",
            Self::Plain => "number",
        }
    }

    /// For people, with its unit.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Times => format!("{value:.2} ×"),
            Self::PerCpuSecond | Self::PerSecond | Self::Plain if value >= 1_000.0 => count(value.round() as u64),
            Self::PerCpuSecond | Self::PerSecond => format!("{value:.1}"),
            Self::Us if value >= 1e6 => format!("{:.2} s", value / 1e6),
            Self::Us if value >= 10_000.0 => format!("{:.1} ms", value / 1e3),
            Self::Us if value >= 100.0 => format!("{} µs", count(value.round() as u64)),
            Self::Us => format!("{value:.1} µs"),
            Self::Percent => format!("{value:.3} %"),
            Self::Mb => format!("{value:.2} MB"),
            Self::Plain => format!("{value:.2}"),
        }
    }

    /// Where a goal or an aim stands: without needless digits.
    pub fn write_bound(self, value: f64) -> String {
        match self {
            Self::Times | Self::Percent | Self::Mb => {
                let text = format!("{value:.2}");
                let unit = match self {
                    Self::Times => "×",
                    Self::Percent => "%",
                    _ => "MB",
                };
                format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Us => format!("{value:.0} µs"),
            _ => self.write(value),
        }
    }
}

/// Which side of a bound is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// More.
    AtLeast,
    /// Less.
    AtMost,
}

/// A target of the table in the project's issue, and what came of it.
#[derive(Debug, Clone)]
pub struct Goal {
    /// What is measured, against what.
    pub what: String,
    /// Of what its figures are.
    pub unit: Unit,
    /// Which side is good.
    pub sense: Sense,
    /// What must be reached.
    pub target: f64,
    /// What is aimed at.
    pub aim: Option<f64>,
    /// One figure a round, or why there is none.
    pub figures: Result<Figures, String>,
}

/// One figure a round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// The figures.
    pub values: Vec<f64>,
    /// In all rounds others took too much of the processors.
    pub are_disturbed: bool,
}

impl Figures {
    /// Those of clean rounds, if there are any; else all.
    pub fn choose(of: impl Fn(bool) -> Vec<f64>) -> Self {
        let clean = of(true);
        if clean.is_empty() {
            return Self { values: of(false), are_disturbed: true };
        }
        Self { values: clean, are_disturbed: false }
    }

    /// Each made into another one.
    pub fn map(self, into: impl FnMut(f64) -> f64) -> Self {
        Self { values: self.values.into_iter().map(into).collect(), ..self }
    }

    /// A failure where there are none.
    pub fn or_failure(self) -> Result<Self, String> {
        if self.values.is_empty() { Err("no load came to its end".to_owned()) } else { Ok(self) }
    }
}

/// How near a goal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The aim too.
    Aim,
    /// What must be.
    Target,
    /// Not even that.
    No,
    /// There are figures, and others disturbed all of them.
    Unsure,
    /// There is no figure.
    Unknown,
}

impl Reached {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aim => "yes, the aim too",
            Self::Target => "yes",
            Self::No => "NO",
            Self::Unsure => "unsure: disturbed",
            Self::Unknown => "not measured",
        }
    }
}

impl Goal {
    /// Median and range.
    pub fn spread(&self) -> Option<Spread> {
        let figures = self.figures.as_ref().ok().filter(|figures| !figures.values.is_empty())?;
        Some(Spread::of(figures.values.clone()))
    }

    /// By the median.
    pub fn reached(&self) -> Reached {
        let Some(spread) = self.spread() else { return Reached::Unknown };
        if self.figures.as_ref().is_ok_and(|figures| figures.are_disturbed) {
            return Reached::Unsure;
        }
        let is_good = |bound: f64| match self.sense {
            Sense::AtLeast => spread.median >= bound,
            Sense::AtMost => spread.median <= bound,
        };
        match self.aim {
            _ if !is_good(self.target) => Reached::No,
            Some(aim) if is_good(aim) => Reached::Aim,
            _ => Reached::Target,
        }
    }
}

/// The ratio of each round that both have.
pub fn ratios(over: &[Option<f64>], under: &[Option<f64>]) -> Vec<f64> {
    let both = over.iter().zip(under).filter_map(|(over, under)| Some((*over)? / (*under)?));
    both.filter(|ratio| ratio.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(sense: Sense, figures: &[f64]) -> Goal {
        let (target, aim) = match sense {
            Sense::AtLeast => (1.05, 1.10),
            Sense::AtMost => (0.05, 0.01),
        };
        let what = "a test".to_owned();
        Goal {
            what,
            unit: Unit::Times,
            sense,
            target,
            aim: Some(aim),
            figures: Ok(Figures { values: figures.to_vec(), are_disturbed: false }),
        }
    }

    #[test]
    fn the_median_decides() {
        let check =
            |sense, figures: &[f64], expected| assert_eq!(goal(sense, figures).reached(), expected, "{figures:?}");
        check(Sense::AtLeast, &[1.0, 1.11, 1.12], Reached::Aim);
        check(Sense::AtLeast, &[1.0, 1.07, 1.2], Reached::Target);
        check(Sense::AtLeast, &[1.0, 1.04, 1.2], Reached::No);
        check(Sense::AtMost, &[0.0], Reached::Aim);
        check(Sense::AtMost, &[0.03], Reached::Target);
        check(Sense::AtMost, &[0.06], Reached::No);
        check(Sense::AtMost, &[], Reached::Unknown);
        let missing = Goal { figures: Err("no wrk2".to_owned()), ..goal(Sense::AtLeast, &[]) };
        assert_eq!(missing.reached(), Reached::Unknown);
        let figures = Ok(Figures { values: vec![2.0], are_disturbed: true });
        assert_eq!(Goal { figures, ..goal(Sense::AtLeast, &[]) }.reached(), Reached::Unsure);
    }

    #[test]
    fn a_ratio_needs_both_of_a_round() {
        let ours = [Some(2.0), None, Some(3.0), Some(1.0)];
        let theirs = [Some(1.0), Some(1.0), Some(2.0), None];
        assert_eq!(ratios(&ours, &theirs), [2.0, 1.5]);
        assert!(ratios(&[Some(1.0)], &[Some(0.0)]).is_empty());
    }

    #[test]
    fn figures_carry_their_unit() {
        let check = |unit: Unit, value, expected: &str| assert_eq!(unit.write(value), expected);
        check(Unit::Times, 1.0912, "1.09 ×");
        check(Unit::PerCpuSecond, 141_934.2, "141,934");
        check(Unit::Plain, 1_242_042.0, "1,242,042");
        check(Unit::Us, 33.04, "33.0 µs");
        check(Unit::Us, 1_136.4, "1,136 µs");
        check(Unit::Us, 15_659.0, "15.7 ms");
        check(Unit::Percent, 0.0004, "0.000 %");
        let check = |unit: Unit, value, expected: &str| assert_eq!(unit.write_bound(value), expected);
        check(Unit::Times, 1.4, "1.4 ×");
        check(Unit::Times, 8.0, "8 ×");
        check(Unit::Percent, 0.05, "0.05 %");
        check(Unit::Us, 50.0, "50 µs");
    }
}
