//! From what was written to the plan. Pure: the same files give the same plan, on any machine, at any time.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Command;
use crate::diagnostic::Placed;
use crate::inventory;
use crate::inventory::Postgresql;
use crate::plan::check::{Project, max_connections};
use crate::plan::document;
use crate::plan::roles::Roles;
use crate::plan::{
    Build, Daemon, Database, DatabaseUse, Document, FORMAT, Load, NetworkCheck, Plan, Process, Provision,
    ProvisionKind, Trial, Wait, WorkersAt, network, tuning_build,
};
use crate::scenario;
use crate::tool;

/// A Python: the suite that it comes from, for each Debian has one, and the packages of it and of its pip.
struct Interpreter {
    name: &'static str,
    suite: &'static str,
    packages: &'static [&'static str],
}

const INTERPRETERS: [Interpreter; 2] = [
    Interpreter { name: "python3.11", suite: SUITE, packages: &["python3.11", "python3-pip-whl"] },
    // This pip needs distutils, which Debian keeps in a package of its own.
    Interpreter {
        name: "python3.9",
        suite: "bullseye",
        packages: &["python3.9", "python3-distutils", "python-pip-whl"],
    },
];

/// The suite of everything else, but for what goes with a Python.
const SUITE: &str = "bookworm";

/// Why a checked project makes no plan: the checks should have said so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan can't be made: {0}")]
pub struct PlanError(String);

impl PlanError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Makes the plan of a checked project.
pub fn build(project: &Project) -> Result<Plan, PlanError> {
    let roles = Roles::of(project)?;
    let mut provisions = Provisions::default();
    let database = database(project, &roles, &mut provisions)?;
    let daemons: Vec<Daemon> = project
        .daemons
        .iter()
        .map(|daemon| planned_daemon(project, daemon, &roles, &mut provisions))
        .collect::<Result<_, _>>()?;
    let trials = trials(project, &roles, &mut provisions)?;
    let network =
        project.scenario.network.as_ref().map(|written| network::planned(written, &trials, database.as_ref()));
    let network = network.map(|planned| provided(planned, project, &mut provisions));
    let used: BTreeSet<&str> = trials.iter().map(|trial| trial.document.as_str()).collect();
    let documents =
        project.data.iter().flat_map(|data| &data.documents).filter(|(name, _)| used.contains(name.as_str()));
    let documents = documents.map(|(name, found)| {
        (name.clone(), Document { sha256: document::sha256(&found.content), content: found.content.clone() })
    });
    let scenario = &project.scenario;
    let mut machines = roles.machines()?;
    let tuning = tuning_build::tuning(project, &machines);
    tuning_build::give_to_containers(&mut machines, &tuning);
    Ok(Plan {
        format: FORMAT,
        scenario: scenario.name.clone(),
        title: scenario.title.value.clone(),
        machines,
        daemons,
        database,
        network,
        tuning,
        documents: documents.collect(),
        provisions: provisions.0,
        trials,
        wait: Wait {
            ready_s: scenario.wait.ready.as_secs_f64(),
            calm_s: scenario.wait.calm.as_secs_f64(),
            stop_s: scenario.wait.stop.as_secs_f64(),
        },
        inputs: project
            .inputs
            .iter()
            .map(|file| (input_name(&file.name), document::sha256_bytes(&file.bytes)))
            .collect(),
    })
}

/// A file's place in the run directory.
pub fn input_name(name: &str) -> String {
    format!("{}/{name}", crate::plan::INPUTS)
}

/// What is provisioned, each thing once.
#[derive(Default)]
struct Provisions(Vec<Provision>);

impl Provisions {
    fn add(&mut self, machine: &str, base: &str, what: ProvisionKind) -> String {
        if let Some(known) = self.0.iter().find(|known| known.machine == machine && known.what == what) {
            return known.name.clone();
        }
        let name = format!("{base}@{machine}");
        self.0.push(Provision { name: name.clone(), machine: machine.to_owned(), what });
        name
    }

    fn packages(&mut self, machine: &str, base: &str, suite: &str, packages: &[&str]) -> String {
        let packages = packages.iter().map(ToString::to_string).collect();
        self.add(machine, base, ProvisionKind::PackageRoot { suite: suite.to_owned(), packages })
    }

    fn build(&mut self, machine: &str, suite: &str, build: &scenario::Build) -> Build {
        let words = |words: &[Placed<String>]| words.iter().map(|word| word.value.clone()).collect::<Vec<_>>();
        let what = ProvisionKind::BuildRoot { suite: suite.to_owned(), packages: words(&build.packages) };
        // Several daemons may have several of one suite.
        let known = self.0.iter().filter(|known| matches!(known.what, ProvisionKind::BuildRoot { .. })).count();
        let base = if known == 0 { "build".to_owned() } else { format!("build-{}", known + 1) };
        Build { root: self.add(machine, &base, what), sources: words(&build.sources) }
    }
}

fn database(project: &Project, roles: &Roles<'_>, provisions: &mut Provisions) -> Result<Option<Database>, PlanError> {
    let (Some(postgres), Some(data)) = (&project.scenario.postgres, &project.data) else { return Ok(None) };
    let machine = roles.player(&postgres.role.value)?;
    let name = machine.name.value.clone();
    let own = machine.postgresql.as_ref().map(|own| &own.value);
    let version = own.map_or(postgres.version.value, Postgresql::version);
    let mut private = || provisions.packages(&name, "postgresql", SUITE, &[&format!("postgresql-{version}")]);
    let provision = if own.is_none() { Some(private()) } else { None };
    let folder = format!("scenarios/data/{}/", data.name);
    let is_data =
        |name: &&String| name.starts_with(&folder) && (name.ends_with(".csv") || name.ends_with("/schema.sql"));
    let files = project.inputs.iter().map(|file| &file.name).filter(is_data);
    Ok(Some(Database {
        machine: name,
        provision,
        cluster: own.map(|own| own.cluster.value.clone()),
        version,
        address: roles.address(machine)?,
        port: own.map_or(postgres.port.value, |own| own.port.value),
        authentication: postgres.authentication.value.word().to_owned(),
        sslmode: postgres.sslmode.value.word().to_owned(),
        max_connections: max_connections(postgres, &project.profiles).value,
        conf: tuning_build::conf(project),
        clients: vec![roles.player("server")?.name.value.clone()],
        data: data.name.clone(),
        tables: data.tables.iter().map(|table| (table.table.clone(), table.rows)).collect(),
        files: files.map(|name| input_name(name)).collect(),
    }))
}

/// The network check with what its tools run from. A binary that the inventory names wins over the package.
fn provided(mut check: NetworkCheck, project: &Project, provisions: &mut Provisions) -> NetworkCheck {
    let machines: BTreeSet<&String> = check.pairs.iter().flat_map(|pair| [&pair.client, &pair.server]).collect();
    for tool in &mut check.tools {
        let Some(found) = tool::find_network(&tool.name) else { continue };
        for machine in project.inventory.machines.iter().filter(|machine| machines.contains(&machine.name.value)) {
            if !machine.tools.contains_key(&tool.name) {
                let (name, package) = (machine.name.value.as_str(), found.package());
                let provision = provisions.packages(name, &tool.name, SUITE, &[package]);
                tool.provisions.insert(name.to_owned(), provision);
            }
        }
    }
    check
}

fn planned_daemon(
    project: &Project,
    daemon: &scenario::Daemon,
    roles: &Roles<'_>,
    provisions: &mut Provisions,
) -> Result<Daemon, PlanError> {
    let scenario = &project.scenario;
    let server = roles.player("server")?;
    let values = BTreeMap::from([
        ("workers", scenario.workers.value.to_string()),
        ("pool", scenario.pool.value.to_string()),
        ("address", roles.address(server)?),
        ("port", scenario.port.value.to_string()),
        // The agent knows the work directory, which has room for a socket's path.
        ("socket", "{work}/tmp/backend.sock".to_owned()),
        ("scratch", "{work}/tmp".to_owned()),
    ]);
    let folder = format!("daemons/{}/", daemon.name);
    let files = project.inputs.iter().filter(|file| file.name.starts_with(&folder)).map(|file| input_name(&file.name));
    let templates: Vec<String> =
        daemon.templates.iter().map(|template| input_name(&format!("{folder}{}", template.value))).collect();
    let filled = values.iter().filter(|_| !templates.is_empty());
    Ok(Daemon {
        name: daemon.name.clone(),
        title: daemon.title.value.clone(),
        provisions: daemon_provisions(project, daemon, &server.name.value, provisions)?,
        processes: daemon
            .processes
            .iter()
            .map(|process| planned_process(process, &values))
            .collect::<Result<_, _>>()?,
        keep_alive: daemon.traits.keep_alive.value,
        protocol: daemon.traits.protocol.value.clone(),
        workers: scenario.workers.value,
        files: files.collect(),
        values: filled.map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        templates,
    })
}

/// The venv before the package root, so that its programs are found first.
fn daemon_provisions(
    project: &Project,
    daemon: &scenario::Daemon,
    machine: &str,
    provisions: &mut Provisions,
) -> Result<Vec<String>, PlanError> {
    let mut names = Vec::new();
    if daemon.system {
        return Ok(names);
    }
    // All that a daemon runs from is of one suite: libraries of two would stand on one path.
    let mut suite = SUITE;
    if let Some(interpreter) = &daemon.interpreter {
        let known = INTERPRETERS.iter().find(|known| known.name == interpreter.value);
        let python = known.ok_or_else(|| PlanError(format!("no suite has `{}`", interpreter.value)))?;
        suite = python.suite;
        let root = provisions.packages(machine, python.name, suite, python.packages);
        match &daemon.requirements {
            None => names.push(root),
            Some(requirements) => {
                let input = input_name(&format!("daemons/{}/{}", daemon.name, requirements.value));
                let file = project.inputs.iter().find(|file| input_name(&file.name) == input);
                let file = file.ok_or_else(|| PlanError(format!("{input} was not read")))?;
                let sha256 = document::sha256_bytes(&file.bytes);
                let interpreter = python.name.to_owned();
                let build = daemon.build.as_ref().map(|build| provisions.build(machine, suite, build));
                let what = ProvisionKind::Venv { root, interpreter, requirements: input, sha256, build };
                names.push(provisions.add(machine, &format!("venv-{}", daemon.name), what));
            }
        }
    }
    if !daemon.packages.is_empty() {
        let packages: Vec<&str> = daemon.packages.iter().map(|package| package.value.as_str()).collect();
        names.push(provisions.packages(machine, &format!("packages-{}", daemon.name), suite, &packages));
    }
    Ok(names)
}

fn planned_process(process: &scenario::Process, values: &BTreeMap<&str, String>) -> Result<Process, PlanError> {
    let words: Vec<String> = process.command.iter().map(|word| fill(&word.value, values)).collect();
    let (program, arguments) =
        words.split_first().ok_or_else(|| PlanError("a process without a command".to_owned()))?;
    let mut command = Command::new(program.clone(), arguments.iter().cloned());
    // The product's own variables; what the daemon's file says comes after and wins.
    for name in ["workers", "pool"] {
        command
            .environment
            .insert(format!("TIMETRIAL_{}", name.to_uppercase()), values.get(name).cloned().unwrap_or_default());
    }
    let own = process.environment.iter().map(|(name, value)| (name.clone(), fill(&value.value, values)));
    command.environment.extend(own);
    let workers = match process.workers.value {
        scenario::WorkersAt::Children => WorkersAt::Children,
        scenario::WorkersAt::Itself => WorkersAt::Itself,
        scenario::WorkersAt::Nowhere => WorkersAt::Nowhere,
    };
    let helpers = process.helpers.iter().map(|helper| helper.value.clone()).collect();
    Ok(Process { command, workers, helpers })
}

/// Fills `{workers}` and the like; `{{` and `}}` are braces. The reader has refused unknown names.
fn fill(template: &str, values: &BTreeMap<&str, String>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            text.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        let end = brace.find('}').unwrap_or(brace.len().saturating_sub(1));
        match values.get(brace.get(1..end).unwrap_or_default()) {
            Some(value) => text.push_str(value),
            None => text.push_str(&brace[..=end]),
        }
        rest = &brace[end + 1..];
    }
    text + rest
}

fn trials(project: &Project, roles: &Roles<'_>, provisions: &mut Provisions) -> Result<Vec<Trial>, PlanError> {
    let scenario = &project.scenario;
    let server = roles.player("server")?;
    let address = roles.address(server)?;
    let mut trials: Vec<Trial> = Vec::new();
    for round in &scenario.rounds {
        let clients = roles.players(&round.from.value)?;
        let client = clients[0];
        let more_clients: Vec<String> = clients[1..].iter().map(|machine| machine.name.value.clone()).collect();
        let load = planned_load(round, client, provisions)?;
        for repeat in 1..=round.repeats.value {
            for (path, daemon, endpoint) in matching(project, round) {
                trials.push(Trial {
                    id: format!("{:04}", trials.len() + 1),
                    round: round.name.value.clone(),
                    daemon: daemon.name.clone(),
                    endpoint: path.to_owned(),
                    repeat,
                    document: endpoint.document.value.clone(),
                    database_use: database_use(endpoint, scenario.pool.value),
                    server: server.name.value.clone(),
                    client: client.name.value.clone(),
                    more_clients: more_clients.clone(),
                    address: address.clone(),
                    port: scenario.port.value,
                    load: load.clone(),
                });
            }
        }
    }
    Ok(trials)
}

/// The endpoints of a round in its order, and for each the daemons that have it, in the scenario's order.
fn matching<'a>(
    project: &'a Project,
    round: &'a scenario::Round,
) -> impl Iterator<Item = (&'a str, &'a scenario::Daemon, &'a scenario::Endpoint)> {
    round.endpoints.iter().flat_map(|path| {
        project.daemons.iter().filter(|daemon| round.takes(&daemon.name)).filter_map(move |daemon| {
            let endpoint = daemon.endpoints.iter().find(|endpoint| endpoint.path.value == path.value)?;
            Some((path.value.as_str(), daemon, endpoint))
        })
    })
}

fn database_use(endpoint: &scenario::Endpoint, per_worker: u32) -> DatabaseUse {
    match endpoint.database.value {
        scenario::DatabaseUse::None => DatabaseUse::None,
        scenario::DatabaseUse::ConnectionPerRequest => DatabaseUse::ConnectionPerRequest,
        scenario::DatabaseUse::Pool => DatabaseUse::Pool { per_worker },
    }
}

fn planned_load(
    round: &scenario::Round,
    client: &inventory::Machine,
    provisions: &mut Provisions,
) -> Result<Load, PlanError> {
    let load = &round.load;
    let name = load.tool.value.as_str();
    let found = tool::find(name).ok_or_else(|| PlanError(format!("there is no load generator `{name}`")))?;
    // A binary that the inventory names wins over the package.
    let package = found.package().filter(|_| !client.tools.contains_key(name));
    let provision = package.map(|package| provisions.packages(&client.name.value, name, SUITE, &[package]));
    Ok(Load {
        tool: name.to_owned(),
        provision,
        threads: load.threads.value,
        connections: load.connections.value,
        streams: found.multiplexes().then(|| load.streams.as_ref().map_or(1, |streams| streams.value)),
        duration_s: load.duration.value.as_secs_f64(),
        warm_up_s: load.warm_up.as_ref().map(|warm_up| warm_up.value.as_secs_f64()),
        rate: load.rate.as_ref().map(|rate| rate.value),
        timeout_s: found.has_time_limit().then_some(load.timeout.value.as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_doubled_braces_are_braces() {
        let values = BTreeMap::from([("port", "8016".to_owned()), ("address", "127.0.0.1".to_owned())]);
        let check = |template: &str, expected: &str| assert_eq!(fill(template, &values), expected);
        check("{address}:{port}", "127.0.0.1:8016");
        check("plain", "plain");
        check("{{port}}", "{port}");
        check("{{{port}}}", "{8016}");
        check("{other}", "{other}");
        check("open {", "open {");
        check("é{port}é", "é8016é");
    }
}
