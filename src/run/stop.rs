//! The user's wish to stop: passed in, looked at wherever something takes time.

use tokio::sync::watch;

/// What the user has asked for.
#[derive(Debug, Default)]
struct Asked {
    /// The signal that asked to stop.
    signal: Option<String>,
    /// Whether it came a second time.
    hurry: bool,
}

/// Says that the user wants to stop.
#[derive(Debug, Clone)]
pub struct StopHandle(watch::Sender<Asked>);

/// Tells when the user wants to stop.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Asked>);

/// A handle and its signal.
pub fn stop_channel() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(Asked::default());
    (StopHandle(sender), StopSignal(receiver))
}

impl StopHandle {
    /// Asks to stop, saying which signal asked. A second call asks to hurry: nothing more is collected.
    pub fn stop(&self, signal: &str) {
        self.0.send_modify(|asked| match asked.signal {
            None => asked.signal = Some(signal.to_owned()),
            Some(_) => asked.hurry = true,
        });
    }
}

impl StopSignal {
    /// Waits until somebody asks; which signal it was. Waits for ever once the handle is gone.
    pub async fn asked(&self) -> String {
        match self.0.clone().wait_for(|asked| asked.signal.is_some()).await {
            Ok(asked) => asked.signal.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until somebody asks twice. Waits for ever once the handle is gone.
    pub async fn hurried(&self) {
        if self.0.clone().wait_for(|asked| asked.hurry).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether somebody asked twice: then what takes time is skipped, but for undoing.
    pub fn is_hurried(&self) -> bool {
        self.0.borrow().hurry
    }

    /// The signal that asked, if one has.
    pub fn has_asked(&self) -> Option<String> {
        self.0.borrow().signal.clone()
    }
}
