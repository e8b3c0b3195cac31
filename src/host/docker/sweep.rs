//! What the containers of dead controllers left on an engine: found by label, removed, and told. Nothing without our
//! label is ever touched, and nothing of a controller that may still live.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions, RemoveVolumeOptions,
};
use tokio::time::{Instant, sleep};

use crate::host::docker::container::remove;
use crate::host::docker::engine::{Engine, seconds};
use crate::host::docker::owner::{RUN, is_gone, is_mine, with_label};
use crate::wire::Failure;

/// Whether a controller on another machine lives can't be seen from here. What it made and does not use for so long
/// belongs to nobody: between making a container and starting it are seconds.
const ABANDONED_S: i64 = 1800;

/// An agent whose controller died ends within this time by itself.
const LEAVING: Duration = Duration::from_secs(15);

/// Removes what dead controllers left; what that was.
pub(super) async fn sweep(engine: &Engine, own_run: &str) -> Result<Vec<String>, Failure> {
    let mut swept = containers(engine, own_run).await?;
    swept.extend(volumes(engine, own_run).await?);
    swept.extend(networks(engine, own_run).await?);
    Ok(swept)
}

/// All containers that are ours.
pub(super) async fn our_containers(engine: &Engine, label: &str) -> Result<Vec<ContainerSummary>, Failure> {
    let options =
        ListContainersOptions { all: true, filters: Some(with_label(label)), ..ListContainersOptions::default() };
    engine.call("its containers", engine.docker.list_containers(Some(options))).await
}

/// Whether something belongs to nobody any more.
pub(super) fn is_abandoned(labels: &HashMap<String, String>, own_run: &str, age_s: Option<i64>) -> bool {
    let Some(run) = labels.get(RUN) else { return false };
    if run == own_run {
        // A run is resumed only where nobody else carries it out, so of another process is of a dead one.
        return !is_mine(labels);
    }
    match is_gone(labels) {
        Some(gone) => gone,
        None => age_s.is_some_and(|age| age > ABANDONED_S),
    }
}

fn runs(container: &ContainerSummary) -> bool {
    matches!(container.state, Some(State::RUNNING | State::PAUSED | State::RESTARTING))
}

/// How old one is that does not run. The age of a running one says nothing: a campaign may take days.
pub(super) fn idle_s(container: &ContainerSummary, now: i64) -> Option<i64> {
    container.created.filter(|_| !runs(container)).map(|created| now - created)
}

/// How a container is called, for people.
pub(super) fn name_of(container: &ContainerSummary) -> String {
    let names = container.names.iter().flatten();
    names.map(|name| name.trim_start_matches('/').to_owned()).next().unwrap_or_else(|| id_of(container))
}

/// Its id.
pub(super) fn id_of(container: &ContainerSummary) -> String {
    container.id.clone().unwrap_or_default()
}

async fn containers(engine: &Engine, own_run: &str) -> Result<Vec<String>, Failure> {
    let end = Instant::now() + LEAVING;
    let mut swept = Vec::new();
    loop {
        let now = engine.now().await?;
        let mut leaving = false;
        for container in our_containers(engine, RUN).await? {
            let labels = container.labels.clone().unwrap_or_default();
            if !is_abandoned(&labels, own_run, idle_s(&container, now)) {
                continue;
            }
            if runs(&container) && Instant::now() < end {
                leaving = true;
                continue;
            }
            remove(engine, &id_of(&container)).await?;
            swept.push(format!("container {}", name_of(&container)));
        }
        if !leaving {
            return Ok(swept);
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// The data of a container that the engine could not take along.
async fn volumes(engine: &Engine, own_run: &str) -> Result<Vec<String>, Failure> {
    let mut filters = with_label(RUN);
    filters.insert("dangling".to_owned(), vec!["true".to_owned()]);
    let options = ListVolumesOptions { filters: Some(filters) };
    let now = engine.now().await?;
    let mut swept = Vec::new();
    for volume in
        engine.call("its volumes", engine.docker.list_volumes(Some(options))).await?.volumes.unwrap_or_default()
    {
        let age = volume.created_at.as_deref().and_then(seconds).map(|created| now - created);
        if is_abandoned(&volume.labels, own_run, age) {
            engine
                .look("the removal of a volume", engine.docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>))
                .await?;
            swept.push(format!("volume {}", volume.name));
        }
    }
    Ok(swept)
}

async fn networks(engine: &Engine, own_run: &str) -> Result<Vec<String>, Failure> {
    let options = ListNetworksOptions { filters: Some(with_label(RUN)) };
    let now = engine.now().await?;
    let mut swept = Vec::new();
    for network in engine.call("its networks", engine.docker.list_networks(Some(options))).await? {
        let age = network.created.as_deref().and_then(seconds).map(|created| now - created);
        if !is_abandoned(&network.labels.unwrap_or_default(), own_run, age) {
            continue;
        }
        let id = network.id.unwrap_or_default();
        let found = engine.docker.inspect_network(&id, None::<InspectNetworkOptions>);
        let is_used = match engine.look("a network", found).await? {
            None => continue,
            Some(found) => found.containers.is_some_and(|containers| !containers.is_empty()),
        };
        if !is_used {
            engine.look("the removal of a network", engine.docker.remove_network(&id)).await?;
            swept.push(format!("network {}", network.name.unwrap_or(id)));
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::docker::owner::labels;

    #[test]
    fn only_what_nobody_can_need_is_abandoned() {
        let old = Some(ABANDONED_S + 1);
        assert!(!is_abandoned(&HashMap::new(), "mine", old), "not ours");
        assert!(!is_abandoned(&labels("mine"), "mine", old), "of this run");
        assert!(!is_abandoned(&labels("other"), "mine", old), "of this process, which lives");
        let elsewhere = HashMap::from([
            (RUN.to_owned(), "other".to_owned()),
            ("timetrial.controller".to_owned(), "another-boot/pid:[1] 7 8".to_owned()),
        ]);
        assert!(is_abandoned(&elsewhere, "mine", old));
        assert!(is_abandoned(&elsewhere, "other", None), "of this run's controller before, which is resumed");
        assert!(!is_abandoned(&elsewhere, "mine", Some(60)));
        assert!(!is_abandoned(&elsewhere, "mine", None));
    }
}
