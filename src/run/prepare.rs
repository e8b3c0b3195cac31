//! What comes before the first trial and after the last: hello, facts, ports, packages, sources, the database.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::event::{Happening, Reason, paths};
use crate::host::{Host, Link, LinkError};
use crate::plan::{ConfSetting, Daemon, Database, Machine};
use crate::run::campaign::{State, ask};
use crate::run::emitter::millis;
use crate::run::error::RunError;
use crate::run::{contact, network, release};
use crate::wire::{self, DatabaseRequest, DatabaseSetting, Facts, Listener, Reply, Request, Tuned, WorkFile};

/// What opens the conversation: the agent takes its lock, and sweeps what a dead one left.
pub fn hello(state: &State<'_>, machine: &Machine) -> Request {
    Request::Hello {
        protocol: wire::PROTOCOL,
        run: state.campaign.run.to_owned(),
        owner: state.campaign.owner.clone(),
        ca_bundle: state.campaign.certificates.get(&machine.name).cloned(),
        proxy: machine.proxy.clone(),
    }
}

/// Tells that a machine's agent is there.
pub fn welcome(state: &mut State<'_>, machine: &Machine, reply: Reply) -> Result<(), RunError> {
    let Reply::Welcome { version, pid, boot_id, work_dir, mut swept, undone, .. } = reply else {
        return Err(out_of_turn(&machine.name));
    };
    let host = state.machines.get(&machine.name).and_then(|connected| connected.host.as_ref());
    let sent_bytes = host.and_then(Host::sent_bytes);
    swept.extend(host.into_iter().flat_map(Host::swept).cloned());
    state.work_dirs.insert(machine.name.clone(), work_dir);
    state.emitter.emit(Happening::MachineConnected {
        machine: machine.name.clone(),
        transport: machine.transport.word().to_owned(),
        agent_pid: pid,
        agent_version: version,
        boot_id,
        sent_bytes,
        swept,
    })?;
    let Some(undone) = undone else { return Ok(()) };
    let reason = release::still_changed(&machine.name, &undone);
    state.emitter.emit(Happening::LeftUndone { machine: machine.name.clone(), undone })?;
    reason.map_or(Ok(()), |reason| Err(RunError::NotFit(reason)))
}

/// Tells that a machine is one that another name leads to as well.
pub fn shares(state: &mut State<'_>, machine: &Machine, other: &str) -> Result<(), RunError> {
    if let Some(work) = state.work_dirs.get(other).cloned() {
        state.work_dirs.insert(machine.name.clone(), work);
    }
    state.emitter.emit(Happening::MachineShared { machine: machine.name.clone(), other: other.to_owned() })?;
    let unheard = unheard(state, machine, other).join(" and ");
    if unheard.is_empty() {
        return Ok(());
    }
    let name = &machine.name;
    let message = format!(
        "{name} is the same machine as {other}, whose agent downloads for both: {unheard} of {name} in the inventory is another \
         one and is not used; give both names the same"
    );
    Ok(state.emitter.emit(Happening::Warning { message })?)
}

/// What a machine is given for its downloads that the name whose agent it shares is not.
fn unheard(state: &State<'_>, machine: &Machine, other: &str) -> Vec<&'static str> {
    let Some(owner) = state.campaign.plan.machine(other) else { return Vec::new() };
    let certificates = &state.campaign.certificates;
    let differs = [
        ("`ca_bundle`", certificates.get(&machine.name) != certificates.get(other)),
        ("`proxy`", machine.proxy != owner.proxy),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

fn out_of_turn(machine: &str) -> RunError {
    RunError::Link(LinkError::OutOfTurn { machine: machine.to_owned(), answer: "another kind of reply".to_owned() })
}

/// Reads and keeps every machine's facts.
pub async fn facts(state: &mut State<'_>, when: &str) -> Result<Vec<(String, Facts)>, RunError> {
    let mut all = Vec::new();
    for machine in &state.campaign.plan.machines {
        let facts = facts_of(state, &machine.name).await?;
        state.emitter.json(&paths::facts(&machine.name, when), &facts)?;
        all.push((machine.name.clone(), facts));
    }
    Ok(all)
}

/// Reads a machine's facts.
pub async fn facts_of(state: &State<'_>, machine: &str) -> Result<Facts, RunError> {
    match ask(state, &state.link(machine)?, Request::ReadFacts).await? {
        Reply::Facts(facts) => Ok(*facts),
        _ => Err(out_of_turn(machine)),
    }
}

/// Nobody may listen where the campaign will: seen before anything is changed, and never solved by killing.
pub async fn ports_free(state: &mut State<'_>) -> Result<(), RunError> {
    let plan = state.campaign.plan;
    let mut wanted: Vec<(String, u16, &str)> =
        plan.trials.iter().map(|trial| (trial.server.clone(), trial.port, "the daemons")).collect();
    // The machine's own PostgreSQL listens already, and shall.
    let private = plan.database.iter().filter(|database| database.cluster.is_none());
    wanted.extend(private.map(|database| (database.machine.clone(), database.port, "PostgreSQL")));
    wanted.extend(network::ports(plan).into_iter().map(|(machine, port)| (machine, port, "the network check")));
    wanted.sort();
    wanted.dedup();
    for (machine, port, whose) in wanted {
        if let Some(reason) = port_taken(&listeners(state, &machine, port).await?, &machine, port, whose) {
            return Err(RunError::NotFit(reason));
        }
    }
    Ok(())
}

/// Who listens on a port.
pub async fn listeners(state: &State<'_>, machine: &str, port: u16) -> Result<Vec<Listener>, RunError> {
    match state.link(machine)?.ask(Request::Listeners { port }).await? {
        Reply::Listeners { listeners } => Ok(listeners),
        _ => Err(out_of_turn(machine)),
    }
}

/// What is wrong when somebody listens.
pub fn port_taken(listeners: &[Listener], machine: &str, port: u16, whose: &str) -> Option<Reason> {
    let first = listeners.first()?;
    Some(Reason {
        code: "port-taken".to_owned(),
        message: format!("{machine}: port {port}, which {whose} shall listen on, is taken by {first}"),
        // One alone is in the message.
        detail: listeners.iter().filter(|_| listeners.len() > 1).map(ToString::to_string).collect(),
        hint: Some("stop that process, or choose another port in the scenario".to_owned()),
    })
}

fn input<'a>(state: &'a State<'_>, name: &str) -> &'a [u8] {
    state.campaign.inputs.get(name).map_or(&[], Vec::as_slice)
}

/// Puts the daemons' sources into the work directory of the machine they run on.
pub async fn sources(state: &mut State<'_>) -> Result<(), RunError> {
    let plan = state.campaign.plan;
    for daemon in &plan.daemons {
        let servers: std::collections::BTreeSet<_> =
            plan.trials.iter().filter(|trial| trial.daemon == daemon.name).map(|trial| &trial.server).collect();
        for server in servers {
            let (directory, files) = (source_directory(&daemon.name), source_files(state, daemon, server));
            ask(state, &state.link(server)?, Request::PutFiles { directory, files }).await?;
        }
    }
    Ok(())
}

/// A daemon's sources as they shall lie on a machine.
fn source_files(state: &State<'_>, daemon: &Daemon, server: &str) -> Vec<WorkFile> {
    let folder = format!("inputs/daemons/{}/", daemon.name);
    let work = state.work_dirs.get(server).map_or("", String::as_str);
    let file = |name: &String| WorkFile {
        path: name.strip_prefix(&folder).unwrap_or(name).to_owned(),
        bytes: daemon.on_machine(name, input(state, name), work),
    };
    daemon.files.iter().map(file).collect()
}

/// Where a daemon's sources are, under the work directory.
pub fn source_directory(daemon: &str) -> String {
    format!("daemons/{daemon}")
}

/// Makes the private cluster, or prepares the machine's own one, if the plan has a database.
pub async fn database(state: &mut State<'_>) -> Result<(), RunError> {
    let Some(database) = &state.campaign.plan.database else { return Ok(()) };
    let request = database_request(state, database);
    let link = state.link(&database.machine)?;
    if database.cluster.is_some() {
        state.touched.insert(database.machine.clone());
    }
    let begun = Instant::now();
    let reply = contact::ask_patiently(state, &link, Request::StartDatabase(Box::new(request))).await?;
    let Reply::DatabaseStarted { version, pid, rows, settings, profile } = reply else {
        return Err(out_of_turn(&database.machine));
    };
    state.database = Some(database.machine.clone());
    if rows != database.tables {
        return Err(RunError::Broken(Reason {
            code: "wrong-rows".to_owned(),
            message: format!("the database holds {rows:?}, the data set `{}` has {:?}", database.data, database.tables),
            detail: Vec::new(),
            hint: Some("each row of the data set must be one line of its CSV file".to_owned()),
        }));
    }
    let (machine, port) = (database.machine.clone(), database.port);
    tell_daemons(state, &link).await?;
    // Somebody may change it meanwhile: it is verified with all else that was tuned.
    let named =
        |tuned: &Tuned| Some((wire::database_setting(database.cluster.as_deref(), &tuned.name), tuned.after.clone()?));
    if !profile.is_empty() {
        state.tuned.entry(machine.clone()).or_default().extend(profile.iter().filter_map(named));
    }
    state.emitter.emit(Happening::DatabaseStarted {
        machine,
        version,
        pid,
        port,
        took_ms: millis(begun),
        rows,
        settings,
        profile,
    })?;
    Ok(())
}

/// Agents of daemons on other machines are told how to get in.
async fn tell_daemons(state: &State<'_>, database: &Link) -> Result<(), RunError> {
    let servers: BTreeSet<&String> = state.campaign.plan.trials.iter().map(|trial| &trial.server).collect();
    for server in servers {
        let link = state.link(server)?;
        if link.is_same(database) {
            continue;
        }
        let Reply::Access(access) = ask(state, database, Request::DatabaseAccess).await? else {
            return Err(out_of_turn(server));
        };
        ask(state, &link, Request::UseDatabase { access }).await?;
    }
    Ok(())
}

fn database_request(state: &State<'_>, database: &Database) -> DatabaseRequest {
    let stem = |name: &str| name.rsplit('/').next().unwrap_or(name).trim_end_matches(".csv").to_owned();
    let rows = database.files.iter().filter(|name| name.ends_with(".csv"));
    let schema = database.files.iter().find(|name| name.ends_with("/schema.sql"));
    let address = |machine: &Machine| database.clients.contains(&machine.name).then(|| machine.address.clone());
    DatabaseRequest {
        cluster: database.cluster.clone(),
        root: database.provision.as_ref().and_then(|name| state.digests.get(name)).cloned().unwrap_or_default(),
        version: database.version,
        address: database.address.clone(),
        port: database.port,
        authentication: database.authentication.clone(),
        sslmode: database.sslmode.clone(),
        max_connections: database.max_connections,
        settings: database.conf.iter().flat_map(|conf| &conf.settings).map(setting).collect(),
        client_addresses: state.campaign.plan.machines.iter().filter_map(address).collect(),
        schema: schema.map(|name| input(state, name).to_vec()).unwrap_or_default(),
        rows: rows.map(|name| WorkFile { path: stem(name), bytes: input(state, name).to_vec() }).collect(),
    }
}

fn setting(setting: &ConfSetting) -> DatabaseSetting {
    let ConfSetting { name, value, from, .. } = setting.clone();
    DatabaseSetting { name, value, from }
}

/// Keeps what the server of the private cluster said last, if there is one. A log that can't be had spoils no figures.
pub async fn keep_database_log(state: &mut State<'_>) -> Result<(), RunError> {
    let Some(machine) = state.database.clone() else { return Ok(()) };
    match state.link(&machine)?.ask(Request::DatabaseLog).await {
        Ok(Reply::Log { stderr, .. }) if stderr.is_empty() => Ok(()),
        Ok(Reply::Log { stderr, .. }) => Ok(state.emitter.file(&paths::database_log(&machine), &stderr)?),
        Ok(_) => Err(out_of_turn(&machine)),
        Err(LinkError::Refused { failure, .. }) => {
            let message = format!("the log of PostgreSQL could not be kept: {failure}");
            Ok(state.emitter.emit(Happening::Warning { message })?)
        }
        Err(lost) => Err(lost.into()),
    }
}

/// Stops the private cluster and removes its data; or has the machine's own one put back.
pub async fn stop_database(state: &mut State<'_>) -> Result<(), RunError> {
    keep_database_log(state).await?;
    let Some(machine) = state.database.take() else { return Ok(()) };
    match state.link(&machine)?.ask(Request::StopDatabase).await? {
        Reply::Stopped { exit, took_ms, still_alive, .. } => {
            let cluster = state.campaign.plan.database.as_ref().and_then(|database| database.cluster.clone());
            let stopped = Happening::DatabaseStopped { machine: machine.clone(), cluster, exit, took_ms };
            state.emitter.emit(stopped)?;
            gone(&machine, "PostgreSQL", exit.is_some(), &still_alive)
        }
        _ => Err(out_of_turn(&machine)),
    }
}

/// Whether what was stopped is gone. What not even KILL ends would be measured together with all that comes after it.
pub fn gone(machine: &str, what: &str, has_ended: bool, still_alive: &[String]) -> Result<(), RunError> {
    if has_ended && still_alive.is_empty() {
        return Ok(());
    }
    let first = still_alive.first().map_or("the agent does not say which process".to_owned(), |process| {
        let (pid, command) = process.split_once(' ').unwrap_or((process, "?"));
        format!("pid {pid}, `{command}`")
    });
    Err(RunError::Broken(Reason {
        code: "daemon-not-stopped".to_owned(),
        message: format!("{machine}: {what} was killed and is still alive: {first}"),
        detail: still_alive.iter().filter(|_| still_alive.len() > 1).cloned().collect(),
        hint: Some(
            "a process that not even KILL ends hangs in the kernel: look at its disks and mounts, or start the machine \
             anew; nothing more is measured beside it"
                .to_owned(),
        ),
    }))
}
