//! How an agent behind `ssh` was lost: it ended there, or the connection to it did.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openssh::{Child, Session};
use tokio::sync::watch;
use tokio::time::timeout;

/// How the far end of the channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// With this exit code.
    Code(i32),
    /// By a signal, or not by itself: nobody told.
    Untold,
}

/// The end of a channel, for whoever wants to know.
#[derive(Debug, Clone)]
pub(super) struct End(watch::Receiver<Option<How>>);

impl End {
    /// Waits for it in the background.
    pub(super) fn of(child: Child<Arc<Session>>) -> Self {
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            let how = match child.wait().await {
                Ok(status) => status.code().map_or(How::Untold, How::Code),
                // So the crate tells the exit code 127.
                Err(openssh::Error::Remote(_)) => How::Code(127),
                Err(_) => How::Untold,
            };
            // Where nobody listens, nobody wants to know.
            let _ = tell.send(Some(how));
        });
        Self(told)
    }

    /// Waits until it has ended.
    pub(super) async fn how(mut self) {
        self.known().await;
    }

    async fn known(&mut self) -> Option<How> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|how| *how)
    }
}

/// What can be found out about an end.
pub(super) struct Ending {
    pub(super) end: End,
    pub(super) session: Arc<Session>,
}

/// How long each of two questions may take: the streams have ended, or have been silent for long.
const SOON: Duration = Duration::from_secs(2);

impl Ending {
    /// In words. It is asked when the streams have ended; nothing if it knows no more than they do.
    pub(super) async fn words(mut self) -> Option<String> {
        let how = timeout(SOON, self.end.known()).await.ok().flatten();
        let stands = stands(&self.session).await;
        let last = last_words(self.session.control_socket());
        words(how, stands, last.as_deref())
    }
}

/// The connection's own process answers this, or has ended with the connection.
async fn stands(session: &Session) -> bool {
    matches!(timeout(SOON, session.check()).await, Ok(Ok(())))
}

/// How the connection broke, if it is what something else failed by.
pub(super) async fn broken(session: &Session) -> Option<String> {
    if stands(session).await {
        // Its own process may be about to end.
        tokio::time::sleep(Duration::from_millis(300)).await;
        if stands(session).await {
            return None;
        }
    }
    words(None, false, last_words(session.control_socket()).as_deref())
}

fn words(how: Option<How>, stands: bool, last: Option<&str>) -> Option<String> {
    match (how, stands) {
        (Some(How::Code(code)), _) => Some(format!("it ended there with exit code {code}")),
        (Some(How::Untold), true) => Some("it was killed there; the connection stands".to_owned()),
        (_, false) => Some(match last {
            Some(last) => format!("the connection to it broke: {last}"),
            None => "the connection to it broke".to_owned(),
        }),
        // Silent, and nobody knows why.
        (None, true) => None,
    }
}

/// What ssh said last: it keeps a log beside its socket.
fn last_words(socket: &Path) -> Option<String> {
    let log = std::fs::read_to_string(socket.with_file_name("log")).ok()?;
    log.lines().rev().map(|line| line.trim().trim_end_matches('.')).find(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_died_is_told_apart_from_a_connection_that_broke() {
        let check =
            |how, stands, last, expected: Option<&str>| assert_eq!(words(how, stands, last).as_deref(), expected);
        check(Some(How::Code(3)), true, None, Some("it ended there with exit code 3"));
        check(Some(How::Untold), true, Some("x"), Some("it was killed there; the connection stands"));
        check(Some(How::Untold), false, None, Some("the connection to it broke"));
        check(Some(How::Untold), false, Some("Timeout"), Some("the connection to it broke: Timeout"));
        check(None, false, None, Some("the connection to it broke"));
        check(None, true, None, None);
    }
}
