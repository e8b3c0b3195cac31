//! Signals during a campaign. Ctrl-C, TERM and HUP stop it in order; Ctrl-Z is refused, because a stopped controller
//! looks dead to its agents, and they would stop everything.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::run::StopHandle;

/// SIGTSTP and SIGXFSZ are 20 and 25 on every architecture that we build for.
const TSTP: i32 = 20;
const XFSZ: i32 = 25;

/// Watches for signals until it is dropped. `say` tells the user what was understood.
pub async fn watch(stop: StopHandle, say: impl Fn(&str)) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Under `nohup` it is ignored already, and a run that shall outlive its terminal does.
    let mut hangup = if is_ignored(HANGUP) { None } else { Some(signal(SignalKind::hangup())?) };
    let mut suspend = signal(SignalKind::from_raw(TSTP))?;
    // A file that may not grow further is an error of that write, told like a full disk, and no sudden death.
    let _too_large = signal(SignalKind::from_raw(XFSZ))?;
    let mut asked = false;
    loop {
        let name = tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
            () = maybe(&mut hangup) => "SIGHUP",
            _ = suspend.recv() => {
                say("Ctrl-Z is refused during a run: the machines would take a stopped controller for dead. Ctrl-C ends the run in order.");
                continue;
            }
        };
        say(&if asked {
            "hurrying: nothing more is collected; everything is still put back".to_owned()
        } else {
            format!("stopping ({name}): ending the load and the daemons, keeping what was measured")
        });
        asked = true;
        stop.stop(name);
    }
}

/// Waits for a signal that somebody listens for, or for ever.
pub async fn maybe(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => signal.recv().await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// SIGHUP.
pub const HANGUP: u32 = 1;

/// Whether whoever started this process had it ignore a signal.
pub fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
