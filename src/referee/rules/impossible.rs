//! Can the figures be true at all?

use crate::metric::{Latency, LoadFigures, counted, duration_us};
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "impossible-figures",
    gives: Gives::Invalid,
    text: "The figures contradict themselves: no duration, more refusals than answers, a mean above the maximum, percentiles that fall, or something that is no number.",
};

/// Applies when the figures can't be true.
pub fn check(case: &Case<'_>) -> Option<String> {
    let contradiction = contradiction(case.figures)?;
    Some(format!("the figures contradict themselves: {contradiction}"))
}

fn contradiction(figures: &LoadFigures) -> Option<String> {
    let latencies = figures.latency.iter().chain(&figures.service_time);
    if !is_number(&figures.printed_requests_per_second) || !latencies.clone().all(all_numbers) {
        return Some("one of them is negative or no number".to_owned());
    }
    if figures.duration_us == 0 {
        return Some(format!("{} in no time", counted(figures.requests, "answer")));
    }
    if figures.errors.status > figures.answered() {
        return Some(format!(
            "{} among {}",
            counted(figures.errors.status, "refusal"),
            counted(figures.answered(), "answer")
        ));
    }
    latencies.into_iter().find_map(disorder)
}

fn disorder(latency: &Latency) -> Option<String> {
    // Tools round each figure by itself, so a mean may exceed the maximum by its last digit.
    if latency.mean_us > latency.max_us * 1.01 + 1.0 {
        return Some(format!(
            "a mean latency of {} above the maximum of {}",
            duration_us(latency.mean_us),
            duration_us(latency.max_us)
        ));
    }
    let falls = latency.percentiles.windows(2).find(|two| two[1].rank > two[0].rank && two[1].us < two[0].us)?;
    Some(format!("the {}th percentile is below the {}th", falls[1].rank, falls[0].rank))
}

fn all_numbers(latency: &Latency) -> bool {
    let single = [latency.mean_us, latency.stdev_us, latency.max_us];
    let percentiles = latency.percentiles.iter().flat_map(|percentile| [percentile.rank, percentile.us]);
    single.into_iter().chain(latency.min_us).chain(percentiles).all(|number| is_number(&number))
}

fn is_number(number: &f64) -> bool {
    number.is_finite() && *number >= 0.0
}
