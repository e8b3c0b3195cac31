//! Reaching machines: which transport starts an agent, and what it needs from the controller's disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::error::Problem;
use crate::cli::exit;
use crate::host::{Connection, Host, LinkError, start_local};
use crate::plan::{Machine, Transport};
use crate::wire::Failure;

/// Reaches the machines of one campaign, or of one look at them.
pub struct Connector {
    /// The folder of the inventory: where relative paths in it begin.
    folder: PathBuf,
}

impl Connector {
    /// For an inventory.
    pub fn new(hosts: &Path) -> Self {
        Self { folder: hosts.parent().unwrap_or(Path::new("")).to_owned() }
    }

    /// Starts a machine's agent.
    pub async fn connect(&self, machine: &Machine) -> Result<Connection, LinkError> {
        match &machine.transport {
            Transport::Local => {
                let (host, link) = start_local(&machine.name, machine.state_dir.as_deref()).await?;
                Ok(Connection { host: Host::Local(host), link })
            }
            Transport::Ssh(_) | Transport::Docker(_) => {
                let message = format!("the transport `{}` is not wired yet", machine.transport.word());
                Err(LinkError::unreachable(&machine.name, Failure::new("not-wired", message)))
            }
        }
    }

    /// The certificates that machines shall get, by machine. A file that is not there is found before any is contacted.
    pub fn certificates(&self, machines: &[Machine]) -> Result<BTreeMap<String, String>, Problem> {
        let mut certificates = BTreeMap::new();
        for machine in machines {
            let Some(named) = &machine.ca_bundle else { continue };
            let path = self.here(named);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let what = format!("can't read the `ca_bundle` of machine `{}`, {}", machine.name, path.display());
                Problem::new(exit::WRONG_INPUT, anyhow::Error::new(error).context(what))
                    .hint("it is a file here, on the controller; it is sent to the machine")
            })?;
            certificates.insert(machine.name.clone(), text);
        }
        Ok(certificates)
    }

    /// A file of the controller, as the inventory names it.
    fn here(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => self.folder.join(path),
        }
    }
}
