//! How far the campaign is: what the bars show.

use std::time::{Duration, Instant};

use crate::event::Happening;

/// How far the campaign is.
#[derive(Debug, Default)]
pub struct Progress {
    trials: usize,
    done: usize,
    trial: Option<Trial>,
    network: bool,
}

#[derive(Debug)]
struct Trial {
    name: String,
    phase: &'static str,
    began: Instant,
    /// Seconds from its beginning to the campaign's end, as planned.
    left_s: f64,
    load: (u64, u64),
}

impl Progress {
    /// Takes an event in.
    pub fn take(&mut self, event: &Happening) {
        match event {
            Happening::CampaignStarted { trials, .. } => self.trials = *trials,
            Happening::CampaignResumed { finished, left, .. } => {
                (self.trials, self.done) = (finished + left, *finished)
            }
            Happening::NetworkCheckStarted { .. } => self.network = true,
            Happening::NetworkChecked { .. } | Happening::Warning { .. } => self.network = false,
            Happening::TrialStarted { daemon, endpoint, load_s, left_s, .. } => {
                let load = (0, (load_s * 1e3) as u64);
                self.trial = Some(Trial {
                    name: format!("{daemon} {endpoint}"),
                    phase: "starting",
                    began: Instant::now(),
                    left_s: *left_s,
                    load,
                });
            }
            Happening::TrialFinished { .. } => {
                self.done += 1;
                self.trial = None;
            }
            _ => self.take_phase(event),
        }
    }

    fn take_phase(&mut self, event: &Happening) {
        let Some(trial) = &mut self.trial else { return };
        trial.phase = match event {
            Happening::DaemonStarted { .. } => "waiting for it to be ready",
            Happening::DaemonReady { .. } => "waiting for calm",
            Happening::DaemonCalm { .. } => "warming up",
            Happening::LoadStarted { .. } => "load",
            Happening::LoadFinished { .. } => "asking for the document again",
            Happening::DocumentChecked { .. } => "stopping",
            Happening::LoadProgress { elapsed_ms, total_ms, .. } => {
                trial.load = (*elapsed_ms, *total_ms);
                trial.phase
            }
            _ => trial.phase,
        };
    }

    /// What runs now, in words.
    pub fn now(&self) -> String {
        match &self.trial {
            None if self.network => "checking the network".to_owned(),
            None => "preparing".to_owned(),
            Some(trial) if trial.phase == "load" => {
                let (elapsed, total) = trial.load;
                format!("{}: load, {} of {} s", trial.name, (elapsed.min(total)) / 1000, total / 1000)
            }
            Some(trial) => format!("{}: {}", trial.name, trial.phase),
        }
    }

    /// Done and all, in thousandths of a trial.
    pub fn thousandths(&self) -> (u64, u64) {
        let of_trial = match &self.trial {
            Some(Trial { phase: "load", load: (elapsed, total), .. }) if *total > 0 => {
                (elapsed * 1000 / total).min(1000)
            }
            Some(Trial { phase: "asking for the document again" | "stopping", .. }) => 1000,
            _ => 0,
        };
        (self.done as u64 * 1000 + of_trial, (self.trials as u64 * 1000).max(1))
    }

    /// Trial in words: `trial 3 of 8`.
    pub fn position(&self) -> String {
        let running = usize::from(self.trial.is_some());
        format!("trial {} of {}", (self.done + running).min(self.trials), self.trials)
    }

    /// Time left, once trials run.
    pub fn left(&self) -> Option<Duration> {
        let trial = self.trial.as_ref()?;
        let left = trial.left_s - trial.began.elapsed().as_secs_f64();
        Some(Duration::from_secs_f64(left.max(0.0)))
    }
}
