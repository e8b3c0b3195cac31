//! Reaching machines: which transport starts an agent.

use crate::host::{Link, LinkError, LocalHost, start_local};
use crate::plan::{Machine, Transport};

/// Starts a machine's agent.
pub async fn connect(machine: &Machine) -> Result<(Option<LocalHost>, Link), LinkError> {
    match machine.transport {
        Transport::Local => {
            let (host, link) = start_local(&machine.name, machine.state_dir.as_deref()).await?;
            Ok((Some(host), link))
        }
    }
}
