//! A stored run to verdicts with reasons: pure rules, one a file in `rules/`. A rule sees one trial and says one sentence.

mod judge;
mod rules;
mod verdict;

pub use judge::{Judgement, Summary, judge, rules};
pub use verdict::{Finding, Gives, Rule, Verdict};
