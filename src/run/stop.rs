//! The user's wish to stop: passed in, looked at wherever something takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Says that the user wants to stop.
#[derive(Debug, Clone)]
pub struct StopHandle(watch::Sender<Option<String>>, Arc<AtomicBool>);

/// Tells when the user wants to stop.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Option<String>>, Arc<AtomicBool>);

/// A handle and its signal.
pub fn stop_channel() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(None);
    let hurry = Arc::new(AtomicBool::new(false));
    (StopHandle(sender, Arc::clone(&hurry)), StopSignal(receiver, hurry))
}

impl StopHandle {
    /// Asks to stop, saying which signal asked. A second call asks to hurry: nothing more is collected.
    pub fn stop(&self, signal: &str) {
        let first = self.0.send_if_modified(|asked| asked.is_none() && asked.replace(signal.to_owned()).is_none());
        if !first {
            self.1.store(true, Ordering::Release);
        }
    }
}

impl StopSignal {
    /// Waits until somebody asks; which signal it was. Waits for ever once the handle is gone.
    pub async fn asked(&self) -> String {
        match self.0.clone().wait_for(Option::is_some).await {
            Ok(signal) => signal.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether somebody asked twice: then what takes time is skipped, but for undoing.
    pub fn is_hurried(&self) -> bool {
        self.1.load(Ordering::Acquire)
    }

    /// The signal that asked, if one has.
    pub fn has_asked(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}
