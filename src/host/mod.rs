//! Reaches a machine, starts the agent there, and speaks with it. What is then asked of the agent is `run`'s affair.

mod binary;
mod docker;
mod fake;
mod link;
mod local;
mod ssh;
mod ssh_end;
mod ssh_session;
mod ssh_sockets;

pub use binary::Binary;
pub use docker::{Containers, DockerHost, DockerTarget, EngineKeeper, Known, Thing, ThingKind, engine_behind_ssh};
pub use fake::{HANG_UP, Script, fake};
pub use link::{Link, LinkError, ProcessNotices};
pub use local::{LocalHost, start_local};
pub use ssh::{SshHost, SshTarget, start_ssh};
pub use ssh_session::{SshOptions, open as open_ssh};
pub use ssh_sockets::Sockets;

/// What the controller holds of a machine while an agent works there.
#[derive(Debug)]
pub enum Host {
    /// A child of ours.
    Local(LocalHost),
    /// A container of ours.
    Docker(DockerHost),
    /// The far end of an `ssh` channel.
    Ssh(SshHost),
    /// Somebody else's affair: a machine of a test.
    Elsewhere,
}

/// An agent that was started, and the channel to it.
#[derive(Debug)]
pub struct Connection {
    /// What is held of its machine.
    pub host: Host,
    /// The channel.
    pub link: Link,
}

impl Host {
    /// How much of our program had to be sent there; none where nothing ever is.
    pub fn sent_bytes(&self) -> Option<u64> {
        match self {
            Self::Ssh(host) => Some(host.sent_bytes()),
            // A container is new, and gets it each time.
            Self::Local(_) | Self::Docker(_) | Self::Elsewhere => None,
        }
    }

    /// Waits for the agent's end, after its goodbye, and lets go of the machine.
    pub async fn wait(self) {
        match self {
            Self::Local(host) => host.wait().await,
            Self::Docker(host) => host.wait().await,
            Self::Ssh(host) => host.wait().await,
            Self::Elsewhere => {}
        }
    }

    /// What was found of dead controllers on the way to the machine, and removed; beside what its agent finds.
    pub fn swept(&self) -> &[String] {
        match self {
            Self::Docker(host) => host.swept(),
            Self::Local(_) | Self::Ssh(_) | Self::Elsewhere => &[],
        }
    }
}
