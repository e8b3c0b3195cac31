//! A run that was resumed: when, and what each session measured.

use jiff::Timestamp;

use crate::event::{Event, Happening};
use crate::metric::counted;
use crate::store::{StoredRun, finished};

/// The events of each session, the first one's first.
fn sessions(run: &StoredRun) -> impl Iterator<Item = &[Event]> {
    run.events.chunk_by(|_, next| !matches!(next.event, Happening::CampaignResumed { .. }))
}

/// How long the run took, without the time between its sessions, in which nothing ran.
pub fn took_ms(run: &StoredRun) -> Option<u64> {
    run.events.first()?;
    let length = |(place, session): (usize, &[Event])| {
        let last = session.last()?.elapsed_ms;
        // The first one began when the clock did.
        let first = if place == 0 { 0 } else { session.first()?.elapsed_ms };
        Some(last.saturating_sub(first))
    };
    Some(sessions(run).enumerate().filter_map(length).sum())
}

/// What a reader must know of a run that was resumed.
pub fn notice(run: &StoredRun) -> Option<String> {
    let resumed: Vec<(Timestamp, usize)> = run.events.iter().filter_map(resumption).collect();
    let (_, first) = resumed.first()?;
    let all = finished(&run.events).len();
    let ends = resumed.iter().skip(1).map(|(_, finished)| *finished).chain([all]);
    let parts = resumed.iter().zip(ends).map(|((time, before), end)| {
        let at = time.strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("resumed {at}, and then {} finished", counted(end.saturating_sub(*before), "trial"))
    });
    let parts: Vec<String> = parts.collect();
    Some(format!(
        "The numbers are of {}: {} finished before the run was {}. No session measures \
         anything on a machine whose kernel, processor, memory or packages are not those of the first.",
        counted(resumed.len() + 1, "session"),
        counted(*first, "trial"),
        parts.join(", ")
    ))
}

fn resumption(event: &Event) -> Option<(Timestamp, usize)> {
    match &event.event {
        Happening::CampaignResumed { finished, .. } => Some((event.time, *finished)),
        _ => None,
    }
}
