//! Reaching machines: which transport starts an agent, and what it needs from the controller's disk.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::error::Problem;
use crate::cli::exit;
use crate::host::{
    Binary, Connection, Containers, DockerTarget, Host, LinkError, Sockets, SshOptions, SshTarget, engine_behind_ssh,
    start_local, start_ssh,
};
use crate::plan::check::InputFile;
use crate::plan::{Docker, Machine, Ssh, Transport, input_name};
use crate::wire::Failure;

/// Reaches the machines of one campaign, or of one look at them.
pub struct Connector {
    /// The folder of the inventory: where relative paths in it begin.
    folder: PathBuf,
    sockets: OnceCell<Sockets>,
    own: OnceCell<Arc<Binary>>,
    containers: Containers,
    /// What containers are built from, by names under `inputs/`.
    bases: BTreeMap<String, Vec<u8>>,
}

impl Connector {
    /// For an inventory, a run, and its inputs.
    pub fn new(hosts: &Path, run: &str, inputs: &[InputFile]) -> Self {
        let bases = inputs.iter().filter(|file| file.name.starts_with("docker/"));
        Self {
            folder: hosts.parent().unwrap_or(Path::new("")).to_owned(),
            sockets: OnceCell::new(),
            own: OnceCell::new(),
            containers: Containers::of(run),
            bases: bases.map(|file| (input_name(&file.name), file.bytes.clone())).collect(),
        }
    }

    /// Starts a machine's agent. What takes long on the way is told in lines.
    pub async fn connect(&self, machine: &Machine, tell: &dyn Fn(&str)) -> Result<Connection, LinkError> {
        match &machine.transport {
            Transport::Local => {
                let (host, link) = start_local(&machine.name, machine.state_dir.as_deref()).await?;
                Ok(Connection { host: Host::Local(host), link })
            }
            Transport::Ssh(ssh) => {
                let (host, link) = start_ssh(&self.ssh_target(machine, ssh)?).await?;
                Ok(Connection { host: Host::Ssh(host), link })
            }
            Transport::Docker(docker) => {
                let (host, link) = self.containers.start(&self.docker_target(machine, docker)?, tell).await?;
                Ok(Connection { host: Host::Docker(host), link })
            }
        }
    }

    /// Lets go of what no single machine has: the network of the campaign's containers. What is left, in words.
    pub async fn close(&self) -> Vec<String> {
        self.containers.close().await
    }

    /// Where the sockets of ssh are, if an engine that is named so needs any.
    pub fn engine_sockets(&self, engine: Option<&str>) -> Result<Option<PathBuf>, Failure> {
        if !engine_behind_ssh(engine) {
            return Ok(None);
        }
        Ok(Some(self.sockets()?.path().to_owned()))
    }

    fn docker_target(&self, machine: &Machine, docker: &Docker) -> Result<DockerTarget, LinkError> {
        let binary = self.binary(machine).map_err(|failure| LinkError::unreachable(&machine.name, failure))?;
        let sockets = self.engine_sockets(docker.engine.as_deref());
        let sockets = sockets.map_err(|failure| LinkError::unreachable(&machine.name, failure))?;
        let folder = input_name(&format!("docker/{}/", docker.image));
        let file = |name: &String| {
            let path = name.strip_prefix(&folder).unwrap_or(name).to_owned();
            let missing = || Failure::new("build", format!("the file {name} was not read"));
            let bytes = self.bases.get(name).ok_or_else(missing)?.clone();
            Ok((path, bytes))
        };
        let build = docker.build.iter().map(file).collect::<Result<_, _>>();
        Ok(DockerTarget {
            machine: machine.name.clone(),
            engine: docker.engine.clone(),
            image: docker.image.clone(),
            build: build.map_err(|failure| LinkError::unreachable(&machine.name, failure))?,
            network: docker.network.clone(),
            address: docker.address.clone(),
            cpus: docker.cpus.clone(),
            memory_bytes: docker.memory_bytes,
            nofile: docker.nofile,
            // What the campaign tunes wins over what the machine always has.
            sysctls: docker
                .sysctls
                .iter()
                .chain(&docker.tuned)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            optional: docker.optional.clone(),
            state_dir: machine.state_dir.clone(),
            proxy: machine.proxy.clone(),
            binary,
            sockets,
        })
    }

    fn ssh_target(&self, machine: &Machine, ssh: &Ssh) -> Result<SshTarget, LinkError> {
        let options = self.ssh_options(ssh).map_err(|failure| LinkError::unreachable(&machine.name, failure))?;
        let binary = self.binary(machine).map_err(|failure| LinkError::unreachable(&machine.name, failure))?;
        Ok(SshTarget {
            machine: machine.name.clone(),
            options,
            // Root only where something may be tuned.
            become_root: ssh.become_root && machine.may_tune,
            state_dir: machine.state_dir.clone(),
            binary,
        })
    }

    fn ssh_options(&self, ssh: &Ssh) -> Result<SshOptions, Failure> {
        let file = |named: &Option<String>, key: &str| {
            let Some(named) = named else { return Ok(None) };
            let path = self.here(named);
            let path = std::path::absolute(&path).unwrap_or(path);
            match std::fs::File::open(&path) {
                Ok(_) => Ok(Some(path)),
                Err(error) => {
                    Err(Failure::new("no-such-file", format!("can't read its `{key}`, {}: {error}", path.display()))
                        .hint("it is a file here, on the controller; a relative path begins at the inventory's folder"))
                }
            }
        };
        Ok(SshOptions {
            host: ssh.host.clone(),
            user: ssh.user.clone(),
            port: ssh.port,
            key: file(&ssh.key, "key")?,
            jump: ssh.jump.clone(),
            known_hosts: file(&ssh.known_hosts, "known_hosts")?,
            config: file(&ssh.config, "ssh_config")?,
            sockets: self.sockets()?.path().to_owned(),
        })
    }

    /// The directory for ssh's sockets, made when the first machine needs it.
    fn sockets(&self) -> Result<&Sockets, Failure> {
        if let Some(sockets) = self.sockets.get() {
            return Ok(sockets);
        }
        let made = Sockets::make().map_err(|error| {
            Failure::new("ssh", format!("can't make a directory for ssh's sockets: {error}"))
                .hint("XDG_RUNTIME_DIR, or /tmp where it is not set, must be writable")
        })?;
        Ok(self.sockets.get_or_init(|| made))
    }

    /// What is put on a machine: this program itself, or the one that the inventory names for another processor.
    fn binary(&self, machine: &Machine) -> Result<Arc<Binary>, Failure> {
        let Some(named) = &machine.binary else {
            if let Some(own) = self.own.get() {
                return Ok(Arc::clone(own));
            }
            let own = Binary::own()
                .map_err(|error| Failure::new("binary", format!("this `timetrial` can't be sent: {error}")))?;
            return Ok(Arc::clone(self.own.get_or_init(|| Arc::new(own))));
        };
        let path = self.here(named);
        let binary = Binary::read(&path).map_err(|error| {
            Failure::new("binary", format!("its `binary`, {}, can't be sent: {error}", path.display()))
                .hint("it is a static `timetrial` for that machine: a file here, on the controller")
        })?;
        Ok(Arc::new(binary))
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
