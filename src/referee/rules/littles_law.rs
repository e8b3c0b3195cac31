//! Do connections, rate and latency belong together?

use crate::metric::{LoadFigures, counted, duration_us, rate};
use crate::referee::rules::Case;
use crate::referee::rules::case::ratio;
use crate::referee::verdict::{Gives, Rule};

/// Where the ratio may lie.
const FITS: std::ops::RangeInclusive<f64> = 0.8..=1.25;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "littles-law",
    gives: Gives::Suspect,
    text: "In a closed loop every connection has one request under way, or as many as were asked for, so requests under way = rate × mean latency (Little's law, Operations Research 9, 1961). Outside of 0.8 to 1.25 times that, the rate and the latency are not of the same load.",
};

/// Applies when a closed loop does not obey Little's law.
pub fn check(case: &Case<'_>) -> Option<String> {
    if case.rate_asked().is_some() {
        return None;
    }
    let figures = case.figures;
    // Without a latency there is nothing to hold the rate against.
    let mean_us = figures.waiting()?.mean_us;
    let expected = figures.requests_under_way();
    let under_way = figures.under_way()?;
    let ratio = ratio(expected as f64, under_way)?;
    (!FITS.contains(&ratio)).then(|| {
        if figures.account.is_some() {
            return format!(
                "all times together are {} requests under way at once, with {} (ratio {ratio:.2}, should be 0.8 to 1.25): for a part of \
                 the time the load was not the one asked for",
                rate(under_way),
                alive(figures)
            );
        }
        format!(
            "{}/s × {} mean latency is {} requests under way at once, with {} (ratio {ratio:.2}, should be 0.8 to 1.25): rate and latency are not of the same load",
            rate(figures.requests_per_second()),
            duration_us(mean_us),
            rate(under_way),
            alive(figures),
        )
    })
}

/// What should be under way: `64 connections alive`, `8 connections alive and 10 on each`.
fn alive(figures: &LoadFigures) -> String {
    let connections = counted(figures.connections_alive(), "connection");
    match figures.streams_asked {
        Some(streams) if streams > 1 => format!("{connections} alive and {streams} on each"),
        _ => format!("{connections} alive"),
    }
}
