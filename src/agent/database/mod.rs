//! PostgreSQL for a campaign: a private cluster, or the machine's own one where the inventory says so; filled with the
//! data set, tuned by a profile, and everything of it gone at the end. The password is random, is made here, and never
//! leaves the agent but for the daemons' environment.

mod fill;
mod left;
mod private;
mod profile;
mod server;
mod system;
mod system_start;
mod value;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::agent::stop::{Stopped, stop};
use crate::agent::surroundings::Agent;
use crate::agent::tuning;
use crate::command::Exit;
use crate::wire::{self, DatabaseRequest, Failure, Reply, Tuned};

use fill::Filled;
use private::Private;
use server::{Names, Server};

pub(in crate::agent) use left::{Record, is_recorded, recorded, undo};
pub(in crate::agent) use system::{Talk, look};

/// The running server.
#[derive(Debug)]
pub struct Database {
    server: Running,
    /// What was asked for, without the data.
    request: DatabaseRequest,
    /// The profile, as read back.
    profile: Vec<Tuned>,
    /// libpq's variables for daemons, the password among them.
    pub environment: BTreeMap<OsString, OsString>,
}

#[derive(Debug)]
enum Running {
    /// The private cluster, by its number among the agent's processes.
    Private(u64),
    /// The machine's own one: its log, and where the campaign's part of that begins.
    System { log: PathBuf, from: u64 },
}

/// Starts and fills the server.
pub fn start(agent: &Agent, request: &DatabaseRequest) -> Result<(Database, Reply), Failure> {
    match &request.cluster {
        Some(cluster) => system_start::start(agent, request, cluster),
        None => start_private(agent, request),
    }
}

fn start_private(agent: &Agent, request: &DatabaseRequest) -> Result<(Database, Reply), Failure> {
    let mut server = Private::new(agent, request)?;
    let made = server.make().and_then(|()| profile::apply(&mut server));
    let filled = made.and_then(|profile| Ok((profile, fill::fill(&server)?)));
    let Some(process) = server.process else {
        return Err(filled.err().unwrap_or_else(|| Failure::new("database", "PostgreSQL does not run")));
    };
    let (profile, filled) = match filled {
        Ok(filled) => filled,
        Err(failure) => {
            // Nothing half made stays: the campaign ends here, and the data goes with the work directory.
            stop(&agent.processes, process, Duration::from_secs(5))?;
            return Err(failure);
        }
    };
    let pid = agent.processes.with(process, |entry| entry.pid)?;
    let environment = libpq_environment(request, server.names(), &filled.password);
    let Filled { rows, settings, version, .. } = filled;
    let (request, made) = (without_data(request), profile.clone());
    let database = Database { server: Running::Private(process), request, profile: made, environment };
    Ok((database, Reply::DatabaseStarted { version, pid, rows, settings, profile }))
}

fn without_data(request: &DatabaseRequest) -> DatabaseRequest {
    DatabaseRequest { schema: Vec::new(), rows: Vec::new(), ..request.clone() }
}

/// Reads again what was made of the profile. A server that does not answer has none of it.
pub fn verify(agent: &Agent, database: &Database) -> Vec<Tuned> {
    let (request, made) = (&database.request, &database.profile);
    if made.is_empty() {
        return Vec::new();
    }
    let sql = "select lower(name), replace(current_setting(name), E'\\n', ' ') from pg_settings;";
    let now = match &request.cluster {
        Some(cluster) => {
            let talk = Talk { processes: &agent.processes, last: false };
            talk.find(cluster).and_then(|cluster| talk.ask(&cluster, sql))
        }
        None => Private::new(agent, request)
            .and_then(|server| server.psql("postgres", sql.into()))
            .map(|text| text.lines().map(str::to_owned).collect()),
    };
    let now = now.unwrap_or_default();
    let shown = |name: &str| {
        let rows = now.iter().filter_map(|line| line.split_once('\t'));
        rows.filter(|(known, _)| *known == name.to_ascii_lowercase()).map(|(_, value)| value.to_owned()).next_back()
    };
    let again = |one: &Tuned| {
        let after = shown(&one.name);
        let name = wire::database_setting(request.cluster.as_deref(), &one.name);
        Tuned { name, took: after == one.after, after, why: None, ..one.clone() }
    };
    made.iter().map(again).collect()
}

/// The server's last messages. A statement that failed stands there as it was, so the password is blotted out.
pub fn log(agent: &Agent, database: &Database) -> Result<Reply, Failure> {
    let (stdout, stderr) = match &database.server {
        Running::Private(process) => {
            agent.processes.with(*process, |entry| (entry.stdout.last(usize::MAX), entry.stderr.last(usize::MAX)))?
        }
        Running::System { log, from } => (Vec::new(), system::log_from(log, *from)?),
    };
    let password = database.environment.get(OsStr::new("PGPASSWORD")).and_then(|password| password.to_str());
    let blot = |bytes| password.map_or_else(Vec::new, |password| blotted(bytes, password));
    Ok(Reply::Log { stdout: blot(stdout), stderr: blot(stderr) })
}

fn blotted(bytes: Vec<u8>, secret: &str) -> Vec<u8> {
    if !bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
        return bytes;
    }
    String::from_utf8_lossy(&bytes).replace(secret, "{password}").into_bytes()
}

/// Stops the private cluster ("fast": its clients are cut) and removes its data. The machine's own one is put back; what
/// came of that is told at the goodbye, with all else that was put back.
pub fn stop_and_remove(agent: &Agent, database: &Database) -> Result<Stopped, Failure> {
    let Running::Private(process) = database.server else {
        tuning::put_cluster_back(agent);
        let exit = Some(Exit::Code { code: 0 });
        return Ok(Stopped { exit, killed: false, leftovers: Vec::new(), still_alive: Vec::new() });
    };
    let stopped = stop(&agent.processes, process, Duration::from_secs(20))?;
    if !stopped.still_alive.is_empty() {
        // Not from under a server that may still write; the campaign ends here.
        return Ok(stopped);
    }
    let data = agent.state()?.work.join("db/data");
    fs::remove_dir_all(&data).map_err(|error| crate::agent::state::cannot("remove", &data, &error))?;
    Ok(stopped)
}

fn libpq_environment(request: &DatabaseRequest, names: Names, password: &str) -> BTreeMap<OsString, OsString> {
    let port = request.port.to_string();
    let variables = [
        ("PGHOST", request.address.as_str()),
        ("PGPORT", &port),
        ("PGUSER", names.owner),
        ("PGPASSWORD", password),
        ("PGDATABASE", names.database),
        ("PGSSLMODE", &request.sslmode),
    ];
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_leaves_in_no_log() {
        assert_eq!(blotted(b"role 'abc' \xff".to_vec(), "xyz"), b"role 'abc' \xff");
        assert_eq!(blotted(b"role 'abc'\nabc".to_vec(), "abc"), b"role '{password}'\n{password}");
    }
}
