//! The network that the containers of a campaign share: one of its own, or one that somebody made.

use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptions;
use tokio::time::{Instant, sleep};

use crate::host::docker::engine::Engine;
use crate::host::docker::owner::{RUN, labels, with_label};
use crate::wire::Failure;

/// The campaign's own network on one engine.
#[derive(Debug, Clone)]
pub(super) struct OwnNetwork {
    pub id: String,
    subnet: Option<String>,
}

/// The subnet of an address: the 256 around it.
fn subnet(address: &str) -> Result<String, Failure> {
    match address.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            Ok(format!("{a}.{b}.{c}.0/24"))
        }
        _ => {
            let message = format!("the campaign's own network is one of IPv4, and the machine's address is {address}");
            Err(Failure::new("network", message).hint("make a network yourself and name it: `network` in hosts.toml"))
        }
    }
}

/// Makes the campaign's network, for a machine with this address in it. One that is made already is taken if it has
/// room for that address.
pub(super) async fn own(
    engine: &Engine,
    run: &str,
    made: &mut Option<OwnNetwork>,
    address: Option<&str>,
) -> Result<OwnNetwork, Failure> {
    let wanted = address.map(subnet).transpose()?;
    if let Some(made) = made {
        if let (Some(here), Some(address)) = (&made.subnet, address)
            && wanted.as_ref() != Some(here)
        {
            let message = format!("its address {address} is not in the campaign's own network {here}");
            let hint = "give all containers a bench_address that begins with the same three numbers, or leave it out";
            return Err(Failure::new("network", message).hint(hint));
        }
        return Ok(made.clone());
    }
    let ipam = wanted.as_ref().map(|subnet| Ipam {
        config: Some(vec![IpamConfig { subnet: Some(subnet.clone()), ..IpamConfig::default() }]),
        ..Ipam::default()
    });
    let request = NetworkCreateRequest {
        name: format!("timetrial-{run}"),
        driver: Some("bridge".to_owned()),
        labels: Some(labels(run)),
        ipam,
        ..NetworkCreateRequest::default()
    };
    let docker = engine.docker.clone();
    let created = engine.make("a network", async move { docker.create_network(request).await }).await;
    let id = created.map_err(|failure| overlaps(failure, wanted.as_deref()))?.id;
    let network = OwnNetwork { id, subnet: wanted };
    *made = Some(network.clone());
    Ok(network)
}

fn overlaps(failure: Failure, subnet: Option<&str>) -> Failure {
    let Some(subnet) = subnet.filter(|_| failure.message.contains("overlap")) else {
        return failure;
    };
    let message = format!("the campaign's network can't have the addresses {subnet}: another network has them");
    Failure::new("network-overlaps", message).detail([failure.message]).hint(
        "if it is that of a running campaign, wait for its end (two at a time would measure each other); else give the \
         containers a bench_address in another range, as 10.99.7.10 and 10.99.7.11",
    )
}

/// An existing network by its name: its id.
pub(super) async fn existing(engine: &Engine, name: &str) -> Result<String, Failure> {
    let filter = std::collections::HashMap::from([("name".to_owned(), vec![name.to_owned()])]);
    let options = ListNetworksOptions { filters: Some(filter) };
    let all = engine.call("its networks", engine.docker.list_networks(Some(options))).await?;
    // The filter also finds names that only hold this one; and nothing keeps an engine from having a name twice.
    let found: Vec<_> = all.into_iter().filter(|network| network.name.as_deref() == Some(name)).collect();
    match found.as_slice() {
        [network] => Ok(network.id.clone().unwrap_or_default()),
        [] => {
            let message = format!("the Docker engine at {} has no network `{name}`", engine.place);
            let hint = format!(
                "make it, `docker network create --subnet 10.99.7.0/24 {name}`, or leave `network` out: the campaign then \
                 makes one of its own"
            );
            Err(Failure::new("no-network", message).hint(hint))
        }
        several => {
            let message = format!("the Docker engine at {} has {} networks `{name}`", engine.place, several.len());
            Err(Failure::new("no-network", message).hint("remove all but one, or name another"))
        }
    }
}

/// What an engine began for us and we gave up, a build for one, holds on to the network until it has ended there.
const LETTING_GO: Duration = Duration::from_secs(10);

/// Removes the networks of a run.
pub(super) async fn remove_of(engine: &Engine, run: &str) -> Result<(), Failure> {
    let options = ListNetworksOptions { filters: Some(with_label(&format!("{RUN}={run}"))) };
    for network in engine.call("its networks", engine.docker.list_networks(Some(options))).await? {
        let id = network.id.unwrap_or_default();
        let end = Instant::now() + LETTING_GO;
        while let Err(failure) = engine.look("the removal of a network", engine.docker.remove_network(&id)).await {
            if Instant::now() > end {
                return Err(failure);
            }
            sleep(Duration::from_millis(250)).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_as_large_as_three_numbers_say() {
        assert_eq!(subnet("10.213.57.10").unwrap(), "10.213.57.0/24");
        assert_eq!(subnet("fd00::7").unwrap_err().code, "network");
    }

    #[test]
    fn addresses_that_are_taken_are_told_with_what_to_do() {
        let engine = Failure::new("engine", "Pool overlaps with other one on this address space");
        let failure = overlaps(engine.clone(), Some("10.213.57.0/24"));
        assert_eq!(failure.code, "network-overlaps");
        assert_eq!(overlaps(engine, None).code, "engine");
        assert_eq!(overlaps(Failure::new("engine", "no"), Some("10.213.57.0/24")).code, "engine");
    }
}
