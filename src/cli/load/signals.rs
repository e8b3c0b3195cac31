//! Signals during a load: the first stops it and lets it tell what was measured, the second ends it at once.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::loadgen::drive::Stop;

/// Whoever wants a load to stop says it here.
pub static STOP: Stop = Stop::new();

/// Listens on a thread of its own, for the rest of this process's life.
pub fn listen() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch()))?;
    Ok(())
}

async fn watch() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else { return };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        if STOP.is_asked() {
            // Nothing is to be put back, and whoever asks twice has waited enough.
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
        STOP.ask();
    }
}
