//! The `docker` transport: a machine is a container that lives as long as the campaign, and the agent its main process.

mod container;
mod engine;
mod image;
mod kept;
mod network;
mod owner;
mod stream;
mod sweep;

pub use kept::{EngineKeeper, Known, Thing, ThingKind};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::InspectContainerOptions;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::host::docker::container::Parts;
use crate::host::docker::engine::{Engine, Place};
use crate::host::docker::network::OwnNetwork;
use crate::host::docker::owner::RUN;
use crate::host::link::GOODBYE;
use crate::host::{Binary, Link, LinkError};
use crate::wire::Failure;

/// What a container is made from, and what it may use.
#[derive(Debug, Clone)]
pub struct DockerTarget {
    /// The machine's name.
    pub machine: String,
    /// `unix:///path`, `ssh://user@host`; else the environment's, else the usual socket.
    pub engine: Option<String>,
    /// The image, or the name of the folder it is built from.
    pub image: String,
    /// The files of that folder, by their paths in it; none where the image is used as it is.
    pub build: Vec<(String, Vec<u8>)>,
    /// A network that somebody made; one of the campaign's own if not said.
    pub network: Option<String>,
    /// Its address there, if it needs a fixed one.
    pub address: Option<String>,
    /// Its CPUs.
    pub cpus: Option<String>,
    /// Its memory.
    pub memory_bytes: Option<u64>,
    /// How many files a process may have open.
    pub nofile: Option<u64>,
    /// Settings of its own namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Those of them that it does without where the engine refuses them.
    pub optional: Vec<String>,
    /// Where its agent keeps its cache.
    pub state_dir: Option<String>,
    /// A proxy for what a build downloads.
    pub proxy: Option<String>,
    /// What is started in it.
    pub binary: Arc<Binary>,
    /// A directory for the sockets of this controller alone, where an engine is reached by `ssh`.
    pub sockets: Option<PathBuf>,
}

/// The containers of one campaign, on whatever engines they are.
#[derive(Debug)]
pub struct Containers {
    run: String,
    /// By their places; two places may be one engine.
    engines: Mutex<BTreeMap<String, Arc<Contact>>>,
}

/// An engine, and what this campaign has there.
#[derive(Debug)]
struct Contact {
    engine: Arc<Engine>,
    network: Mutex<Option<OwnNetwork>>,
    /// Held while an image is pulled or built: two machines of one image wait for it together.
    images: Mutex<()>,
    /// What dead controllers had left there; told once, by the first machine.
    swept: Mutex<Vec<String>>,
}

/// A container with an agent in it.
#[derive(Debug)]
pub struct DockerHost {
    engine: Arc<Engine>,
    container: String,
    swept: Vec<String>,
}

impl Containers {
    /// For a run with this id.
    pub fn of(run: &str) -> Self {
        Self { run: run.to_owned(), engines: Mutex::default() }
    }

    /// Makes a machine's container, starts the agent in it, and speaks with it. What takes long is told as it happens.
    pub async fn start(&self, target: &DockerTarget, tell: &dyn Fn(&str)) -> Result<(DockerHost, Link), LinkError> {
        let unreachable = |failure| LinkError::unreachable(&target.machine, failure);
        let contact = self.contact(target).await.map_err(unreachable)?;
        let mut target = target.clone();
        loop {
            let container = self.create(&contact, &target, tell).await.map_err(unreachable)?;
            let host = DockerHost { engine: Arc::clone(&contact.engine), container, swept: Vec::new() };
            let error = match host.speak(&target).await {
                Ok(link) => {
                    let swept = std::mem::take(&mut *contact.swept.lock().await);
                    return Ok((DockerHost { swept, ..host }, link));
                }
                Err(error) => error,
            };
            let _ = container::remove(&host.engine, &host.container).await;
            // Engines refuse a setting only when the container starts: one that it can do without is left out then.
            let Some(refused) = container::refused_optional(&target, &error.to_string()) else { return Err(error) };
            tell(&format!("{}: the engine refuses {refused}, which is optional: it is left out", target.machine));
            target.sysctls.remove(&refused);
        }
    }

    /// Removes whatever this campaign still has on its engines: its network, and containers of machines that never
    /// came so far as to be let go of. What could not be removed, in words.
    pub async fn close(&self) -> Vec<String> {
        let mut left = Vec::new();
        let places = std::mem::take(&mut *self.engines.lock().await);
        let engines: BTreeMap<_, _> =
            places.into_values().map(|contact| (contact.engine.identity.clone(), contact)).collect();
        for contact in engines.into_values() {
            contact.engine.made().await;
            if let Err(failure) = remove_all(&contact.engine, &self.run).await {
                left.push(format!("{failure}; the next contact with that engine removes what is left there"));
            }
            // Whoever still holds it is a container's stream that has not ended yet.
            if let Some(engine) = Arc::into_inner(contact).and_then(|contact| Arc::into_inner(contact.engine)) {
                engine.close().await;
            }
        }
        left
    }

    /// The engine of a machine; what dead controllers left there is swept at the first contact.
    async fn contact(&self, target: &DockerTarget) -> Result<Arc<Contact>, Failure> {
        let place = place(target.engine.as_deref())?;
        let mut engines = self.engines.lock().await;
        if let Some(contact) = engines.get(&place.to_string()) {
            return Ok(Arc::clone(contact));
        }
        let engine = engine_at(&place, target.sockets.as_deref()).await?;
        let known = engines.values().find(|contact| contact.engine.identity == engine.identity).cloned();
        if let Some(contact) = known {
            engine.close().await;
            engines.insert(place.to_string(), Arc::clone(&contact));
            return Ok(contact);
        }
        let swept = Mutex::new(sweep::sweep(&engine, &self.run).await?);
        let contact =
            Arc::new(Contact { engine: Arc::new(engine), network: Mutex::default(), images: Mutex::default(), swept });
        engines.insert(place.to_string(), Arc::clone(&contact));
        Ok(contact)
    }

    async fn create(&self, contact: &Contact, target: &DockerTarget, tell: &dyn Fn(&str)) -> Result<String, Failure> {
        let engine = &contact.engine;
        // Looked for before anything is made.
        let existing = match &target.network {
            Some(name) => Some(network::existing(engine, name).await?),
            None => None,
        };
        let pulled = match target.build.is_empty() {
            true => Some(contact.image(target, None, tell).await?),
            false => None,
        };
        let network = match existing {
            Some(id) => id,
            None => {
                let mut made = contact.network.lock().await;
                network::own(engine, &self.run, &mut made, target.address.as_deref()).await?.id
            }
        };
        let image = match pulled {
            Some(image) => image,
            // Some engines have no other network that a build could download over.
            None => contact.image(target, Some(&network), tell).await?,
        };
        let volume = container::cache_volume(engine, &target.machine).await?;
        let parts = Parts { run: &self.run, target, image, network, volume };
        container::create(engine, &parts, tell).await
    }
}

impl Contact {
    async fn image(
        &self,
        target: &DockerTarget,
        network: Option<&str>,
        tell: &dyn Fn(&str),
    ) -> Result<String, Failure> {
        let _alone = self.images.lock().await;
        image::have(&self.engine, target, network, tell).await
    }
}

fn place(said: Option<&str>) -> Result<Place, Failure> {
    let environment = std::env::var("DOCKER_HOST").ok();
    Place::of(said, environment.as_deref())
}

/// The engine at a place.
async fn engine_at(place: &Place, sockets: Option<&Path>) -> Result<Engine, Failure> {
    match place {
        Place::Socket(socket) => Engine::open(socket, place.to_string()).await,
        Place::Ssh(host) => {
            let no_place = || Failure::new("ssh", "there is no directory for ssh's sockets");
            Engine::behind_ssh(host, sockets.ok_or_else(no_place)?).await
        }
    }
}

/// Whether the engine that is named so, or by the environment, is reached by `ssh`, which needs a place for its sockets.
pub fn engine_behind_ssh(said: Option<&str>) -> bool {
    matches!(place(said), Ok(Place::Ssh(_)))
}

async fn remove_all(engine: &Engine, run: &str) -> Result<(), Failure> {
    for container in sweep::our_containers(engine, &format!("{RUN}={run}")).await? {
        container::remove(engine, &sweep::id_of(&container)).await?;
    }
    network::remove_of(engine, run).await
}

impl DockerHost {
    /// What dead controllers had left on the engine, if this was its first contact.
    pub fn swept(&self) -> &[String] {
        &self.swept
    }

    async fn speak(&self, target: &DockerTarget) -> Result<Link, LinkError> {
        let attached = container::start(&self.engine, &self.container, target).await;
        let attached = attached.map_err(|failure| LinkError::unreachable(&target.machine, failure))?;
        let (output, input, complaint) = stream::take_apart(Arc::clone(&self.engine), self.container.clone(), attached);
        Link::open(&target.machine, output, input).await.map_err(|error| {
            let why = match error {
                LinkError::Lost { why, .. } => why,
                other => other.to_string(),
            };
            let failure = Failure::new("agent-start", format!("the agent in its container: {why}"));
            LinkError::unreachable(&target.machine, failure.detail(stream::lines(&complaint)))
        })
    }

    /// Waits for the container's end; its agent was asked to leave before. One that does not leave is removed.
    pub async fn wait(self) {
        let end = Instant::now() + GOODBYE;
        while Instant::now() < end {
            let found = self.engine.docker.inspect_container(&self.container, None::<InspectContainerOptions>);
            match self.engine.look("a container", found).await {
                // The engine removes it as soon as the agent has left.
                Ok(None) => return,
                Ok(Some(_)) => sleep(Duration::from_millis(50)).await,
                // What is left there is swept by the next contact.
                Err(_) => return,
            }
        }
        let _ = container::remove(&self.engine, &self.container).await;
    }
}

#[cfg(test)]
impl DockerTarget {
    /// A machine of nothing but a binary, for tests.
    fn with(binary: Binary) -> Self {
        Self {
            machine: String::new(),
            engine: None,
            image: String::new(),
            build: Vec::new(),
            network: None,
            address: None,
            cpus: None,
            memory_bytes: None,
            nofile: None,
            sysctls: BTreeMap::new(),
            optional: Vec::new(),
            state_dir: None,
            proxy: None,
            binary: Arc::new(binary),
            sockets: None,
        }
    }
}
