//! Who plays which role, and where: the machines of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::inventory::{self, Source};
use crate::plan::build::{PlanError, input_name};
use crate::plan::check::{InputFile, Project};
use crate::plan::{Docker, Machine, Ssh, Transport};

/// Where everything is when one machine does it all.
const LOOPBACK: &str = "127.0.0.1";

/// The network that containers get where nobody names another, and the first address in it.
const CONTAINERS: (&str, usize) = ("10.213.57.", 10);

/// Who plays which role.
pub(super) struct Roles<'a> {
    project: &'a Project,
    used: BTreeSet<String>,
    /// Whether all of it happens on one machine.
    alone: bool,
}

impl<'a> Roles<'a> {
    pub(super) fn of(project: &'a Project) -> Result<Self, PlanError> {
        let scenario = &project.scenario;
        let mut used: BTreeSet<String> = scenario.rounds.iter().map(|round| round.from.value.clone()).collect();
        used.insert("server".to_owned());
        used.extend(scenario.postgres.iter().map(|postgres| postgres.role.value.clone()));
        let mut roles = Self { project, used, alone: true };
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for role in &roles.used {
            names.extend(roles.players(role)?.into_iter().map(|machine| machine.name.value.as_str()));
        }
        roles.alone = names.len() == 1;
        Ok(roles)
    }

    /// The machine with a role; the first one of the clients.
    pub(super) fn player(&self, role: &str) -> Result<&'a inventory::Machine, PlanError> {
        Ok(self.players(role)?[0])
    }

    /// The machines with a role, at least one: clients may be several.
    pub(super) fn players(&self, role: &str) -> Result<Vec<&'a inventory::Machine>, PlanError> {
        let plays = |machine: &&inventory::Machine| machine.roles.iter().any(|played| played.value == role);
        let found: Vec<_> = self.project.inventory.machines.iter().filter(plays).collect();
        if found.is_empty() { Err(PlanError::new(format!("no machine has the role `{role}`"))) } else { Ok(found) }
    }

    /// Everything stays on the loopback when one machine does it all, and never listens elsewhere.
    pub(super) fn address(&self, machine: &inventory::Machine) -> Result<String, PlanError> {
        if self.alone {
            return Ok(LOOPBACK.to_owned());
        }
        bench_address(machine, &self.project.inventory)
            .ok_or_else(|| PlanError::new(format!("machine `{}` has no `bench_address`", machine.name.value)))
    }

    /// The machines that play, in the inventory's order.
    pub(super) fn machines(&self) -> Result<Vec<Machine>, PlanError> {
        let all = self.project.inventory.machines.iter();
        all.filter(|machine| !self.roles(machine).is_empty()).map(|machine| self.machine(machine)).collect()
    }

    fn roles(&self, machine: &inventory::Machine) -> Vec<String> {
        let roles = machine.roles.iter().map(|role| role.value.clone());
        roles.filter(|role| self.used.contains(role)).collect()
    }

    fn machine(&self, machine: &inventory::Machine) -> Result<Machine, PlanError> {
        let address = self.address(machine)?;
        let transport = match (&machine.ssh, &machine.docker) {
            (Some(ssh), _) => Transport::Ssh(self::ssh(ssh)),
            (_, Some(docker)) => {
                let fixed = (!self.alone).then(|| address.clone());
                Transport::Docker(self::docker(docker, fixed, &self.project.inputs))
            }
            (None, None) => Transport::Local,
        };
        Ok(planned(machine, self.roles(machine), address, transport))
    }
}

fn docker(docker: &inventory::Docker, address: Option<String>, inputs: &[InputFile]) -> Docker {
    let (image, build) = match &docker.source.value {
        Source::Image(image) => (image.clone(), Vec::new()),
        Source::Build(base) => {
            let folder = format!("docker/{base}/");
            let files = inputs.iter().filter(|file| file.name.starts_with(&folder));
            (base.clone(), files.map(|file| input_name(&file.name)).collect())
        }
    };
    Docker {
        engine: docker.engine.as_ref().map(|engine| engine.value.clone()),
        image,
        build,
        network: docker.network.as_ref().map(|network| network.value.clone()),
        address,
        cpus: docker.cpus.clone(),
        memory_bytes: docker.memory_bytes,
        nofile: docker.nofile,
        sysctls: docker.sysctls.clone(),
        tuned: BTreeMap::new(),
        optional: Vec::new(),
    }
}

fn ssh(ssh: &inventory::Ssh) -> Ssh {
    Ssh {
        host: ssh.host.value.clone(),
        user: ssh.user.clone(),
        port: ssh.port,
        key: ssh.key.clone(),
        jump: ssh.jump.clone(),
        known_hosts: ssh.known_hosts.clone(),
        config: ssh.config.clone(),
        become_root: ssh.become_root,
    }
}

fn planned(machine: &inventory::Machine, roles: Vec<String>, address: String, transport: Transport) -> Machine {
    let text = |placed: &Option<crate::diagnostic::Placed<String>>| placed.as_ref().map(|placed| placed.value.clone());
    Machine {
        name: machine.name.value.clone(),
        transport,
        roles,
        address,
        state_dir: text(&machine.state_dir),
        ca_bundle: text(&machine.ca_bundle),
        proxy: text(&machine.proxy),
        may_tune: machine.may_tune,
        binary: text(&machine.binary),
        tools: machine.tools.iter().map(|(tool, path)| (tool.clone(), path.value.clone())).collect(),
    }
}

/// A machine by itself, for a look at it: no campaign, no roles, nobody else to reach. The files of the folders that
/// containers are built from are among the inputs.
pub fn lone_machine(machine: &inventory::Machine, inputs: &[InputFile]) -> Machine {
    let transport = match (&machine.ssh, &machine.docker) {
        (Some(ssh), _) => Transport::Ssh(self::ssh(ssh)),
        (_, Some(docker)) => {
            // A network that somebody made may give no address by itself.
            let address = docker.network.as_ref().and(machine.bench_address.as_ref());
            let address = address.map(|address| address.value.clone());
            Transport::Docker(self::docker(docker, address, inputs))
        }
        (None, None) => Transport::Local,
    };
    planned(machine, Vec::new(), LOOPBACK.to_owned(), transport)
}

/// Where other machines reach this one: as it says, else by what reaches it anyway.
pub(super) fn bench_address(machine: &inventory::Machine, inventory: &inventory::Inventory) -> Option<String> {
    if let Some(address) = &machine.bench_address {
        return Some(address.value.clone());
    }
    if let Some(ssh) = &machine.ssh {
        return ssh.host.value.parse::<IpAddr>().ok().map(|address| address.to_string());
    }
    if machine.docker.as_ref().is_some_and(|docker| docker.network.is_none()) {
        let containers = inventory.machines.iter().filter(|machine| machine.docker.is_some());
        let number = containers.take_while(|other| other.name.value != machine.name.value).count();
        return Some(format!("{}{}", CONTAINERS.0, CONTAINERS.1 + number));
    }
    // Two names for this machine reach each other on the loopback, and nobody else does.
    let all_local = inventory.machines.iter().all(|machine| machine.transport.value == inventory::Transport::Local);
    all_local.then(|| LOOPBACK.to_owned())
}
