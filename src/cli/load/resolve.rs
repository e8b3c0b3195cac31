//! From a name to the one address that is loaded.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::load::url::Url;
use crate::loadgen::settings::Address;

/// How long an address is waited for, where a name has several.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a load goes, and what is worth knowing about that.
pub struct Resolved {
    /// The address.
    pub address: Address,
    /// Which it is, where the URL does not say it.
    pub note: Option<String>,
}

/// The address of a URL. Of a name with several, it is the first one that accepts a connection: a load is for one server,
/// and `localhost` is often listened to on one of its addresses only. That connection is closed at once.
pub fn resolve(url: &Url, unix: Option<&PathBuf>) -> Result<Resolved, Problem> {
    if let Some(path) = unix {
        return Ok(Resolved { address: Address::Unix(path.clone()), note: None });
    }
    if let Some(address) = url.address() {
        return Ok(Resolved { address: Address::Tcp(SocketAddr::new(address, url.port)), note: None });
    }
    let addresses = look_up(url)?;
    let of = |address: SocketAddr, note: String| Resolved { address: Address::Tcp(address), note: Some(note) };
    if let [only] = addresses[..] {
        return Ok(of(only, format!("{} is {}", url.host, only.ip())));
    }
    let mut refused = Vec::new();
    for address in &addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(_) => {
                let others = addresses.len() - 1 - refused.len();
                let tried = if refused.is_empty() { String::new() } else { format!("; {}", refused.join("; ")) };
                let untried = if others > 0 { format!("; not tried: {others}") } else { String::new() };
                return Ok(of(*address, format!("{} is {}{tried}{untried}", url.host, address.ip())));
            }
            Err(error) => refused.push(format!("{address}: {error}")),
        }
    }
    let message = format!("no address of {} accepts a connection: {}", url.host, refused.join("; "));
    Err(Problem::new(exit::FAILED, anyhow::anyhow!(message)).hint("is the server running, and listening on that port?"))
}

fn look_up(url: &Url) -> Result<Vec<SocketAddr>, Problem> {
    let failed = |error: anyhow::Error| {
        Problem::new(exit::FAILED, error.context(format!("the name {} can't be looked up", url.host)))
            .hint("check the name, or write the address and pass -H 'Host: NAME'")
    };
    let found = (url.host.as_str(), url.port).to_socket_addrs().map_err(|error| failed(error.into()))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(failed(anyhow::anyhow!("it has no address"))) } else { Ok(addresses) }
}
