//! The search for the highest rate that holds: doubled until one fails, then halved in between. It knows no load, only
//! whether one held.

/// Rates within so much of one another are the same.
const CLOSE: f64 = 1.02;
/// Below this there is nothing to find, and above it no machine.
const LOWEST: f64 = 1.0;
const HIGHEST: f64 = 1e8;

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    next: Option<f64>,
    held: Option<f64>,
    failed: Option<f64>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The highest rate that held. `None`: none did.
    pub held: Option<f64>,
    /// The lowest one that failed. `None`: none did.
    pub failed: Option<f64>,
}

impl Search {
    /// A search that begins at a rate.
    pub fn from(first_rate: f64) -> Self {
        Self { next: Some(first_rate), held: None, failed: None }
    }

    /// The next rate to try. `None`: it is over.
    pub fn next(&self) -> Option<f64> {
        self.next
    }

    /// Is told whether that rate held.
    pub fn tell(&mut self, holds: bool) {
        let Some(rate) = self.next else { return };
        *(if holds { &mut self.held } else { &mut self.failed }) = Some(rate);
        self.next = match (self.held, self.failed) {
            (Some(held), None) => Some(held * 2.0).filter(|rate| *rate <= HIGHEST),
            (None, Some(failed)) => Some(failed / 2.0).filter(|rate| *rate >= LOWEST),
            (Some(held), Some(failed)) if failed / held > CLOSE => {
                let middle = tidy((held + failed) / 2.0);
                Some(middle).filter(|middle| *middle > held && *middle < failed)
            }
            _ => None,
        };
    }

    /// What is known so far.
    pub fn found(&self) -> Found {
        Found { held: self.held, failed: self.failed }
    }
}

/// Three digits: a rate that people can say. The error is less than what is searched for.
fn tidy(rate: f64) -> f64 {
    let step = 10_f64.powf(rate.log10().floor() - 2.0);
    let tidied = (rate / step).round() * step;
    // Powers of ten below 1 are no round numbers for a computer.
    (tidied * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is found where a server bears so much, and in how many probes.
    fn search(first: f64, bears: f64) -> (Found, u32) {
        let mut search = Search::from(first);
        let mut probes = 0;
        while let Some(rate) = search.next() {
            search.tell(rate <= bears);
            probes += 1;
            assert!(probes < 100, "{first} {bears}");
        }
        (search.found(), probes)
    }

    #[test]
    fn a_servers_limit_is_found() {
        let (found, probes) = search(1_000.0, 12_345.0);
        assert_eq!((found.held, found.failed), (Some(12_300.0), Some(12_500.0)));
        assert_eq!(probes, 10);
        assert_eq!(search(1_000.0, 0.0).0, Found { held: None, failed: Some(1_000.0 / 512.0) });
        assert_eq!(search(1e7, f64::INFINITY).0, Found { held: Some(8e7), failed: None });
    }

    proptest! {
        #[test]
        fn every_limit_is_found_within_two_per_cent(first in 1.0f64..1e6, bears in 2.0f64..1e7) {
            let (found, probes) = search(first, bears);
            let (held, failed) = (found.held.unwrap(), found.failed.unwrap());
            prop_assert!(held <= bears && bears < failed && failed / held <= CLOSE, "{held} {failed}");
            prop_assert!(probes <= 40, "{probes}");
        }
    }
}
