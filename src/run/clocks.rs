//! Several machines begin a load together: their clocks are compared with ours, and each is told the time by its own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::event::{Clock, Happening};
use crate::host::Link;
use crate::plan::Trial;
use crate::run::campaign::{State, ask};
use crate::run::error::{RunError, TrialError};
use crate::wire::{Reply, Request};

/// How often each clock is asked; the quickest answer is the most exact.
const ASKED: usize = 8;

/// Generators are started and make their connections within this, on top of what a message takes.
const LEAD: Duration = Duration::from_millis(1_500);

/// A link that is this many times slower than its quickest answer still brings the start in time.
const SLOWER: u64 = 8;

/// When a load begins, by the clock of each machine that makes it.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// By the controller's clock, in microseconds of Unix time.
    at_us: u64,
    clocks: Vec<Clock>,
}

impl Beginning {
    /// How far a machine's clock is ahead of ours; nothing where nobody asked.
    pub fn ahead_us(&self, client: &str) -> i64 {
        self.clocks.iter().find(|clock| clock.machine == client).map_or(0, |clock| clock.ahead_us)
    }

    /// When the load begins, by this machine's clock.
    pub fn by_clock_of(&self, client: &str) -> u64 {
        self.at_us.saturating_add_signed(self.ahead_us(client))
    }

    /// How long it is until then.
    pub fn lead(&self) -> Duration {
        Duration::from_micros(self.at_us.saturating_sub(now_us()))
    }
}

/// Agrees on a beginning with all machines of a trial's load; nothing where there is one only, which begins at once.
pub async fn agree(state: &mut State<'_>, trial: &Trial) -> Result<Option<Beginning>, TrialError> {
    if trial.more_clients.is_empty() {
        return Ok(None);
    }
    let mut clocks: Vec<Clock> = Vec::new();
    for client in trial.clients() {
        let link = state.link(client)?;
        clocks.push(compare(state, client, &link).await?);
    }
    state.emitter.emit(Happening::ClocksCompared { trial: trial.id.clone(), clocks: clocks.clone() })?;
    let slowest = clocks.iter().map(|clock| clock.within_us).max().unwrap_or(0);
    let lead = LEAD + Duration::from_micros(slowest.saturating_mul(SLOWER));
    let at_us = now_us().saturating_add(u64::try_from(lead.as_micros()).unwrap_or(u64::MAX));
    Ok(Some(Beginning { at_us, clocks }))
}

/// Its clock, as it stood in the middle of the quickest question and answer.
async fn compare(state: &State<'_>, client: &str, link: &Link) -> Result<Clock, TrialError> {
    let mut best: Option<Clock> = None;
    for _ in 0..ASKED {
        let (before, begun) = (now_us(), Instant::now());
        let theirs = match ask(state, link, Request::Clock).await? {
            Reply::Clock { unix_us } => unix_us,
            other => return Err(RunError::Link(link.out_of_turn(&other)).into()),
        };
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (ours, within_us) = (before.saturating_add(took / 2), took.div_ceil(2));
        if best.as_ref().is_none_or(|known| within_us < known.within_us) {
            let ahead_us = i64::try_from(i128::from(theirs) - i128::from(ours)).unwrap_or(0);
            best = Some(Clock { machine: client.to_owned(), ahead_us, within_us });
        }
    }
    best.ok_or_else(|| RunError::Link(link.out_of_turn(&Reply::Done)).into())
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
