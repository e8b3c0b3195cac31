//! The user's wish to stop: passed in, looked at wherever something takes time.

use tokio::sync::watch;

/// Says that the user wants to stop.
#[derive(Debug, Clone)]
pub struct StopHandle(watch::Sender<Option<String>>);

/// Tells when the user wants to stop.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Option<String>>);

/// A handle and its signal.
pub fn stop_channel() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(None);
    (StopHandle(sender), StopSignal(receiver))
}

impl StopHandle {
    /// Asks to stop, saying which signal asked. The first one counts.
    pub fn stop(&self, signal: &str) {
        self.0.send_if_modified(|asked| asked.is_none() && asked.replace(signal.to_owned()).is_none());
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

    /// The signal that asked, if one has.
    pub fn has_asked(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}
