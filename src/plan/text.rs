//! The plan for people: every change and every trial, in order, with the time it will take.

use std::fmt::Write as _;

use crate::command::shell_words;
use crate::metric::counted;
use crate::plan::{
    Daemon, Database, Machine, NetworkPair, NetworkTool, Plan, Provision, ProvisionKind, Transport, Trial, text_tuning,
};
use crate::tool;

/// The whole plan as text.
pub fn text(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write_all(plan, &mut text);
    text
}

fn write_all(plan: &Plan, to: &mut String) -> std::fmt::Result {
    writeln!(to, "{}", plan.title)?;
    writeln!(
        to,
        "scenario {}: {} of {}, about {} once everything is provisioned",
        plan.scenario,
        counted(plan.trials.len(), "trial"),
        counted(plan.daemons.len(), "daemon"),
        clock(plan.estimate_s())
    )?;
    write_machines(plan, to)?;
    // Steps are counted through, up to the last one after the trials.
    let mut step = 0;
    write_before(plan, &mut step, to)?;
    write_trials(plan, to)?;
    write_after(plan, &mut step, to)?;
    write_commands(plan, to)
}

fn write_machines(plan: &Plan, to: &mut String) -> std::fmt::Result {
    writeln!(to, "\nMachines")?;
    for machine in &plan.machines {
        let (name, roles) = (&machine.name, machine.roles.join(", "));
        let transport = transport_words(machine);
        writeln!(to, "  {name}: {roles}; {transport}; benchmark address {}", machine.address)?;
    }
    Ok(())
}

fn write_before(plan: &Plan, step: &mut usize, to: &mut String) -> std::fmt::Result {
    writeln!(to, "\nBefore the first trial")?;
    let mut lines: Vec<String> = plan.provisions.iter().map(provision_line).collect();
    lines.extend(text_tuning::changes(plan));
    lines.extend(network_lines(plan));
    lines.extend(plan.daemons.iter().map(sources_line));
    if let Some(database) = &plan.database {
        lines.push(database_line(database));
        lines.extend(text_tuning::conf_lines(database));
    }
    write_steps(lines, step, to)
}

fn write_trials(plan: &Plan, to: &mut String) -> std::fmt::Result {
    writeln!(
        to,
        "\nTrials: each on a freshly started daemon, ready, counted and calm, stopped and proved gone after it"
    )?;
    let mut begins = 0.0;
    for trial in &plan.trials {
        write_trial(to, trial, begins)?;
        begins += trial.estimate_s();
    }
    Ok(())
}

fn write_after(plan: &Plan, step: &mut usize, to: &mut String) -> std::fmt::Result {
    writeln!(to, "\nAfter the last trial")?;
    let mut lines: Vec<String> = plan.database.iter().map(database_end).collect();
    lines.extend(network_lines(plan));
    lines.extend(text_tuning::undoing(plan));
    let leave = |machine: &Machine| {
        format!("{}: stop whatever still runs, remove the work directory; the cache stays", machine.name)
    };
    lines.extend(plan.machines.iter().map(leave));
    write_steps(lines, step, to)
}

fn write_commands(plan: &Plan, to: &mut String) -> std::fmt::Result {
    writeln!(to, "\nCommands")?;
    for daemon in &plan.daemons {
        for process in &daemon.processes {
            writeln!(to, "  {}: {}", daemon.name, shell_words(&process.command.words()))?;
        }
    }
    Ok(())
}

/// How a machine is reached, and as whom.
fn transport_words(machine: &Machine) -> String {
    match &machine.transport {
        Transport::Local => "this machine, as you".to_owned(),
        Transport::Ssh(ssh) => {
            let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let port = ssh.port.map(|port| format!(":{port}")).unwrap_or_default();
            let jump = ssh.jump.as_ref().map(|jump| format!(" by way of {jump}")).unwrap_or_default();
            let root = if ssh.become_root && machine.may_tune { ", with sudo" } else { "" };
            format!("ssh to {user}{}{port}{jump}{root}", ssh.host)
        }
        Transport::Docker(docker) => {
            let made = if docker.build.is_empty() { "from the image" } else { "built from docker/" };
            let engine = docker.engine.as_ref().map(|engine| format!(" on the engine {engine}")).unwrap_or_default();
            let space = if docker.build.is_empty() { " " } else { "" };
            format!("a container {made}{space}{}{engine}", docker.image)
        }
    }
}

fn write_steps(lines: Vec<String>, step: &mut usize, to: &mut String) -> std::fmt::Result {
    for line in lines {
        *step += 1;
        writeln!(to, "  {step:>2}. {line}")?;
    }
    Ok(())
}

fn provision_line(provision: &Provision) -> String {
    let machine = &provision.machine;
    match &provision.what {
        ProvisionKind::PackageRoot { suite, packages } => {
            format!(
                "{machine}: have {} of Debian {suite} in the cache, unpacked, not installed",
                packages.join(" and ")
            )
        }
        ProvisionKind::BuildRoot { suite, packages } => {
            format!(
                "{machine}: have {} of Debian {suite} in the cache, unpacked, for building only",
                packages.join(" and ")
            )
        }
        ProvisionKind::Venv { interpreter, requirements, sha256, build, .. } => {
            let requirements = requirements.strip_prefix("inputs/").unwrap_or(requirements);
            let built = build.as_ref().map(|build| format!(", {} built from sources", build.sources.join(" and ")));
            format!(
                "{machine}: have a virtual environment of {interpreter} with {requirements} ({}) in the cache{}",
                &sha256[..12.min(sha256.len())],
                built.unwrap_or_default()
            )
        }
    }
}

fn sources_line(daemon: &Daemon) -> String {
    let line = format!("put the {} of {} into the work directory", counted(daemon.files.len(), "file"), daemon.name);
    if daemon.templates.is_empty() {
        return line;
    }
    let names = daemon.templates.iter().map(|name| name.rsplit('/').next().unwrap_or(name));
    format!("{line}, {} filled in", names.collect::<Vec<_>>().join(" and "))
}

/// One line for each check: it is made before the first trial and after the last in the same way.
fn network_lines(plan: &Plan) -> Vec<String> {
    let Some(network) = &plan.network else { return Vec::new() };
    let line = |tool: &NetworkTool, pair: &NetworkPair| {
        let NetworkPair { client, server } = pair;
        let way = if client == server {
            format!("over the loopback of {server}, where no network is")
        } else {
            format!("between {client} and {server}")
        };
        let back = tool::find_network(&tool.name).and_then(|found| found.back_port(network.port));
        let back = back.map(|port| format!(" and back to port {port} of {client}")).unwrap_or_default();
        let (name, port, duration) = (&tool.name, network.port, network.duration_s);
        format!(
            "{way}: check the network by {name}, both ways at once for {duration} s, to port {port} of {server}{back}"
        )
    };
    network.pairs.iter().flat_map(|pair| network.tools.iter().map(move |tool| line(tool, pair))).collect()
}

fn database_end(database: &Database) -> String {
    match &database.cluster {
        Some(cluster) => format!(
            "{}: take drop-in, database and role out of PostgreSQL {cluster} again, and start it anew",
            database.machine
        ),
        None => format!("stop PostgreSQL on {} and remove its data", database.machine),
    }
}

fn database_line(database: &Database) -> String {
    let rows: Vec<String> = database.tables.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    let what = match &database.cluster {
        Some(_) => "give its own PostgreSQL a drop-in, a database and a role, and start it anew: PostgreSQL",
        None => "make and start PostgreSQL",
    };
    format!(
        "{}: {what} {} on {}:{} ({}, sslmode {}, max_connections {}), data set {} ({})",
        database.machine,
        database.cluster.clone().unwrap_or_else(|| database.version.to_string()),
        database.address,
        database.port,
        database.authentication,
        database.sslmode,
        database.max_connections,
        database.data,
        rows.join(", ")
    )
}

fn write_trial(to: &mut String, trial: &Trial, begins: f64) -> std::fmt::Result {
    let load = &trial.load;
    write!(to, "  {} {:>6}  {}  {} {}", trial.id, clock(begins), trial.round, trial.daemon, trial.endpoint)?;
    if trial.repeat > 1 {
        write!(to, " (repeat {})", trial.repeat)?;
    }
    let shares = trial.shares();
    let is_shared = shares.len() > 1;
    write!(to, ": {}", load.tool)?;
    if is_shared {
        write!(to, " on {}", trial.clients_words())?;
    }
    let each = if is_shared { " each" } else { "" };
    write!(to, ", {}{each}, {}", counted(load.threads, "thread"), counted(load.connections, "connection"))?;
    if is_shared {
        let parts: Vec<String> = shares.iter().map(|share| share.connections.to_string()).collect();
        write!(to, " ({})", parts.join(" + "))?;
    }
    write!(to, "{}, {} s", load.streams_words(), load.duration_s)?;
    if let Some(rate) = load.rate {
        write!(to, ", {rate} requests/s")?;
        if is_shared {
            write!(to, " in {} equal parts", shares.len())?;
        }
    }
    if let Some(warm_up) = load.warm_up_s {
        write!(to, " after {warm_up} s of warm-up")?;
    }
    writeln!(to, "; document {}, database: {}", trial.document, trial.database_use)
}

/// `0:45`, `2:20`, `1:05:00`
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
