//! The `local` transport: the agent is a child of the controller, in a session of its own.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::host::link::GOODBYE;
use crate::host::{Link, LinkError};

/// A local agent's process.
#[derive(Debug)]
pub struct LocalHost {
    child: Child,
}

/// Starts the agent of this machine and speaks with it.
#[expect(clippy::disallowed_methods, reason = "the one place in `host` that starts a local agent")]
pub async fn start_local(machine: &str, state_dir: Option<&str>) -> Result<(LocalHost, Link), LinkError> {
    let lost = |error: std::io::Error| LinkError::Lost {
        machine: machine.to_owned(),
        why: format!("it can't be started: {error}"),
    };
    // Itself, not what stands at its path now: a rebuild in the middle of a campaign changes nothing.
    let mut agent = Command::new("/proc/self/exe");
    agent.arg("agent");
    if let Some(directory) = state_dir {
        agent.arg("--state-dir").arg(directory);
    }
    // Not killed on drop: closing its input makes it end in order.
    let mut child =
        agent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().map_err(lost)?;
    let missing = || lost(std::io::Error::other("a pipe is missing"));
    let (to, from) = (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
    let link = Link::open(machine, from, to).await?;
    Ok((LocalHost { child }, link))
}

impl LocalHost {
    /// Waits for the agent's end; it was asked to leave before.
    pub async fn wait(mut self) {
        if tokio::time::timeout(GOODBYE, self.child.wait()).await.is_err() {
            // One that hears nothing any more (it was stopped, or hangs in the kernel) would keep its lock for ever. What
            // it leaves is swept by the next agent.
            let _ = self.child.kill().await;
        }
    }
}
