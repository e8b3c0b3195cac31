//! What the product has on an engine while no campaign runs: caches, images, and what dead controllers left. All of it
//! bears our labels, and nothing else is ever looked at.

use std::collections::HashMap;
use std::path::Path;

use bollard::query_parameters::{
    ListImagesOptions, ListNetworksOptions, ListVolumesOptions, RemoveImageOptions, RemoveVolumeOptions,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::host::docker::engine::{CALL, Engine};
use crate::host::docker::owner::{KEPT, MACHINE, RUN, is_gone, with_label};
use crate::host::docker::{container, engine_at, place, sweep};
use crate::wire::Failure;

/// What something on an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThingKind {
    /// The cache of a machine: package roots and virtual environments.
    Cache,
    /// An image that was built here.
    Image,
    /// A container of a campaign.
    Container,
    /// The data of a container.
    Data,
    /// The network of a campaign.
    Network,
}

impl ThingKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Cache => "cache volume",
            Self::Image => "image",
            Self::Container => "container",
            Self::Data => "data volume",
            Self::Network => "network",
        }
    }
}

/// Something of ours on an engine.
#[derive(Debug, Clone)]
pub struct Thing {
    /// What it is.
    pub kind: ThingKind,
    /// What it is called.
    pub name: String,
    /// The machine it is for, if it is for one.
    pub machine: Option<String>,
    /// Its size, where the engine tells it.
    pub bytes: Option<u64>,
    /// Why it is left alone, if it is.
    pub stays: Option<String>,
    id: String,
}

/// An engine that was asked what is ours there.
#[derive(Debug)]
pub struct EngineKeeper {
    engine: Engine,
}

/// The machines and folders of an inventory: what is for others is shown and left alone.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Names of machines.
    pub machines: Vec<String>,
    /// Folders that their images are built from.
    pub bases: Vec<String>,
}

impl EngineKeeper {
    /// Where an engine is, in words: machines with the same words are on the same one.
    pub fn place(said: Option<&str>) -> Result<String, Failure> {
        Ok(place(said)?.to_string())
    }

    /// Finds an engine.
    pub async fn open(said: Option<&str>, sockets: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { engine: engine_at(&place(said)?, sockets).await? })
    }

    /// What it is: two places with the same one are one engine.
    pub fn identity(&self) -> &str {
        &self.engine.identity
    }

    /// What there is.
    pub async fn things(&self, known: &Known) -> Result<Vec<Thing>, Failure> {
        let mut things = containers(&self.engine).await?;
        things.extend(volumes(&self.engine, known).await?);
        things.extend(networks(&self.engine).await?);
        things.extend(images(&self.engine, known).await?);
        Ok(things)
    }

    /// Removes one thing.
    pub async fn remove(&self, thing: &Thing) -> Result<(), Failure> {
        let (engine, docker) = (&self.engine, &self.engine.docker);
        match thing.kind {
            ThingKind::Container => container::remove(engine, &thing.id).await,
            ThingKind::Cache | ThingKind::Data => {
                let removal = docker.remove_volume(&thing.id, None::<RemoveVolumeOptions>);
                engine.look("the removal of a volume", removal).await.map(drop)
            }
            ThingKind::Network => {
                engine.look("the removal of a network", docker.remove_network(&thing.id)).await.map(drop)
            }
            ThingKind::Image => {
                let removal = docker.remove_image(&thing.id, None::<RemoveImageOptions>, None);
                engine.look("the removal of an image", removal).await.map(drop)
            }
        }
    }

    /// Lets go of the engine.
    pub async fn close(self) {
        self.engine.close().await;
    }
}

/// Why something of a run is left alone: its controller lives, as far as can be seen.
fn of_a_run(labels: &HashMap<String, String>) -> Option<String> {
    let run = labels.get(RUN).map_or("another", String::as_str);
    match is_gone(labels) {
        Some(true) => None,
        Some(false) => Some(format!("run {run} is under way")),
        None => Some(format!("run {run} belongs to a controller that can't be seen from here")),
    }
}

async fn containers(engine: &Engine) -> Result<Vec<Thing>, Failure> {
    let found = sweep::our_containers(engine, RUN).await?;
    let now = engine.now().await?;
    let things = found.iter().map(|container| {
        let labels = container.labels.clone().unwrap_or_default();
        // One that is only made yet may be started in a moment: its controller decides, not whether it runs.
        let stays = of_a_run(&labels).filter(|_| !sweep::is_abandoned(&labels, "", sweep::idle_s(container, now)));
        let machine = labels.get(MACHINE).cloned();
        let (name, id) = (sweep::name_of(container), sweep::id_of(container));
        Thing { kind: ThingKind::Container, name, machine, bytes: None, stays, id }
    });
    Ok(things.collect())
}

async fn volumes(engine: &Engine, known: &Known) -> Result<Vec<Thing>, Failure> {
    let sizes = sizes(engine).await.unwrap_or_default();
    let mut things = Vec::new();
    for (label, kind) in [(format!("{KEPT}=cache"), ThingKind::Cache), (RUN.to_owned(), ThingKind::Data)] {
        let options = ListVolumesOptions { filters: Some(with_label(&label)) };
        let found = engine.call("its volumes", engine.docker.list_volumes(Some(options))).await?;
        for volume in found.volumes.unwrap_or_default() {
            let machine = volume.labels.get(MACHINE).cloned();
            let stays = match kind {
                ThingKind::Cache => machine.as_ref().filter(|machine| !known.machines.contains(machine)).map(unknown),
                _ => of_a_run(&volume.labels),
            };
            let bytes = sizes.get(&volume.name).copied();
            things.push(Thing { kind, name: volume.name.clone(), machine, bytes, stays, id: volume.name });
        }
    }
    Ok(things)
}

fn unknown(machine: &String) -> String {
    format!("this inventory names no machine `{machine}` here")
}

async fn networks(engine: &Engine) -> Result<Vec<Thing>, Failure> {
    let options = ListNetworksOptions { filters: Some(with_label(RUN)) };
    let found = engine.call("its networks", engine.docker.list_networks(Some(options))).await?;
    let things = found.into_iter().map(|network| {
        let stays = of_a_run(&network.labels.unwrap_or_default());
        let id = network.id.unwrap_or_default();
        let name = network.name.unwrap_or_else(|| id.clone());
        Thing { kind: ThingKind::Network, name, machine: None, bytes: None, stays, id }
    });
    Ok(things.collect())
}

async fn images(engine: &Engine, known: &Known) -> Result<Vec<Thing>, Failure> {
    let filters = Some(with_label(&format!("{KEPT}=image")));
    let options = ListImagesOptions { filters, ..ListImagesOptions::default() };
    let mut things = Vec::new();
    for image in engine.call("its images", engine.docker.list_images(Some(options))).await? {
        // One that is built from one of ours bears our label too, and is its maker's.
        for name in image.repo_tags.iter().filter(|name| name.starts_with("timetrial/")) {
            let base = name.trim_start_matches("timetrial/").split(':').next().unwrap_or_default();
            let is_known = known.bases.iter().any(|known| known == base);
            let stays = (!is_known).then(|| format!("this inventory builds nothing from docker/{base}"));
            let bytes = u64::try_from(image.size).ok();
            things.push(Thing {
                kind: ThingKind::Image,
                name: name.clone(),
                machine: None,
                bytes,
                stays,
                id: name.clone(),
            });
        }
    }
    Ok(things)
}

/// The sizes of volumes. The client reads only the newest engines' form of this answer, so it is asked for by hand.
async fn sizes(engine: &Engine) -> Option<HashMap<String, u64>> {
    let ask = async {
        let mut stream = UnixStream::connect(&engine.socket).await?;
        stream.write_all(b"GET /system/df HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map(|_| answer)
    };
    let answer = timeout(CALL, ask).await.ok()?.ok()?;
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some(read_sizes(&serde_json::from_slice(&answer[body..]).ok()?))
}

/// Older engines have `Volumes`, newer ones `VolumeUsage.Items`; a size that was not counted is -1.
fn read_sizes(answer: &Value) -> HashMap<String, u64> {
    let lists = [answer.get("Volumes"), answer.pointer("/VolumeUsage/Items")];
    let volumes = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
    let sized = volumes.filter_map(|volume| {
        Some((volume.get("Name")?.as_str()?.to_owned(), volume.pointer("/UsageData/Size")?.as_u64()?))
    });
    sized.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_both_forms_and_what_is_not_counted_has_none() {
        let volume =
            |name: &str, size: i64| serde_json::json!({"Name": name, "UsageData": {"Size": size, "RefCount": 0}});
        let old = serde_json::json!({"Volumes": [volume("a", 7), volume("b", -1)], "Images": null});
        assert_eq!(read_sizes(&old), HashMap::from([("a".to_owned(), 7)]));
        let new = serde_json::json!({"VolumeUsage": {"Items": [volume("c", 9)]}});
        assert_eq!(read_sizes(&new), HashMap::from([("c".to_owned(), 9)]));
        assert!(read_sizes(&serde_json::json!({"Volumes": null})).is_empty());
    }

    #[test]
    fn what_a_living_run_has_is_left_alone() {
        let labels = crate::host::docker::owner::labels("r");
        assert_eq!(of_a_run(&labels).as_deref(), Some("run r is under way"));
        let elsewhere = HashMap::from([("timetrial.controller".to_owned(), "boot/pid:[1] 2 3".to_owned())]);
        assert!(of_a_run(&elsewhere).is_some_and(|why| why.contains("can't be seen")));
    }
}
