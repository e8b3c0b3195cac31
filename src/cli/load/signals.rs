//! Signals during a load: the first stops it and lets it tell what was measured, a later one ends it at once.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::signals::{HANGUP, is_ignored, maybe};
use crate::loadgen::drive::Stop;

/// Whoever wants a load to stop says it here.
pub static STOP: Stop = Stop::new();

/// Who asks once is often heard twice, as of `timeout`, which asks its child and then the whole group.
const ONCE: Duration = Duration::from_millis(500);

/// Listens on a thread of its own, for the rest of this process's life.
pub fn listen() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch()))?;
    Ok(())
}

async fn watch() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let [Ok(mut interrupt), Ok(mut terminate)] = kinds.map(signal) else { return };
    // Under `nohup` it is ignored already, and a load that shall outlive its terminal does.
    let mut hangup = if is_ignored(HANGUP) { None } else { signal(SignalKind::hangup()).ok() };
    let mut asked: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = maybe(&mut hangup) => {}
        }
        if asked.get_or_insert_with(Instant::now).elapsed() > ONCE {
            // Nothing is to be put back, and whoever asks twice has waited enough.
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
        STOP.ask();
    }
}
