//! Signals during a campaign. Ctrl-C, TERM and HUP stop it in order; Ctrl-Z is refused, because a stopped controller
//! looks dead to its agents, and they would stop everything.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::run::StopHandle;

/// SIGTSTP is 20 on every architecture that we build for.
const TSTP: i32 = 20;

/// Watches for signals until it is dropped. `say` tells the user what was understood.
pub async fn watch(stop: StopHandle, say: impl Fn(&str)) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut suspend = signal(SignalKind::from_raw(TSTP))?;
    let mut asked = false;
    loop {
        let name = tokio::select! {
            _ = next(&mut interrupt) => "Ctrl-C",
            _ = next(&mut terminate) => "SIGTERM",
            _ = next(&mut hangup) => "SIGHUP",
            _ = next(&mut suspend) => {
                say("Ctrl-Z is refused during a run: the machines would take a stopped controller for dead. Ctrl-C ends the run in order.");
                continue;
            }
        };
        if asked {
            say("hurrying: nothing more is collected; everything is still put back");
        }
        asked = true;
        stop.stop(name);
    }
}

async fn next(signal: &mut Signal) -> Option<()> {
    signal.recv().await
}
