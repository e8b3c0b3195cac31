//! A campaign in the machine's own PostgreSQL: what it finds is written down, a drop-in gives it the profile, a database and
//! a role of the campaign's own get the data, and all of it is put back at the end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use crate::agent::database::fill::{Filled, fill};
use crate::agent::database::left::{DROP_IN, NAMES, Record};
use crate::agent::database::server::{Names, Server, admission, quoted};
use crate::agent::database::system::{Cluster, Talk, fit, log_from, log_length};
use crate::agent::database::{Database, Running, libpq_environment, profile, without_data};
use crate::agent::state::cannot;
use crate::agent::surroundings::Agent;
use crate::agent::{lock, tuning};
use crate::command::Output;
use crate::wire::{DatabaseRequest, Failure, Reply, Tuned};

const CODE: &str = "system-postgresql";

/// The machine's own server, with a campaign's drop-in.
struct System<'a> {
    talk: Talk<'a>,
    cluster: Cluster,
    request: &'a DatabaseRequest,
    record: Record,
    /// What the campaign needs whatever the profile says.
    own: String,
    /// Where in its log the last start is.
    log_from: u64,
}

/// Prepares the cluster that the inventory names. Whatever fails, it is put back at once.
pub(super) fn start(agent: &Agent, request: &DatabaseRequest, wanted: &str) -> Result<(Database, Reply), Failure> {
    agent.state()?;
    let talk = Talk { processes: &agent.processes, last: false };
    let cluster = fit(talk, wanted, request.port)?;
    refuse_strangers(talk, &cluster)?;
    // Held to the end of the start: who leaves meanwhile waits, and then puts back what was made.
    let mut session = lock(&agent.tuning);
    let maker = session.hold(agent)?;
    let record = Record::new(talk, &cluster, maker)?;
    session.record(&agent.tuning_place, record.clone())?;
    let log = (cluster.log.clone(), log_length(&cluster.log));
    let made = make(talk, cluster, request, record);
    let (reply, environment) = match made {
        Ok(made) => made,
        Err(failure) => {
            let left = tuning::put_back_now(&mut session, agent);
            return Err(failure.detail(left));
        }
    };
    let profile = match &reply {
        Reply::DatabaseStarted { profile, .. } => profile.clone(),
        _ => Vec::new(),
    };
    let server = Running::System { log: log.0, from: log.1 };
    Ok((Database { server, request: without_data(request), profile, environment }, reply))
}

type Made = (Reply, BTreeMap<OsString, OsString>);

fn make(talk: Talk<'_>, cluster: Cluster, request: &DatabaseRequest, record: Record) -> Result<Made, Failure> {
    let own = own_settings(talk, &cluster, request, &record)?;
    let mut server = System { talk, log_from: log_length(&cluster.log), cluster, request, record, own };
    server.admit()?;
    let profile = if request.settings.is_empty() {
        server.write_profile("")?;
        server.restart()?;
        Vec::new()
    } else {
        profile::apply(&mut server)?
    };
    refuse_lost(&profile)?;
    let Filled { rows, settings, version, password } = fill(&server)?;
    let environment = libpq_environment(request, NAMES, &password);
    let pid = server.cluster.pid()?;
    Ok((Reply::DatabaseStarted { version, pid, rows, settings, profile }, environment))
}

/// In somebody's own server a setting that did not take is no trifle that a report may tell of afterwards.
fn refuse_lost(profile: &[Tuned]) -> Result<(), Failure> {
    let lost: Vec<String> = profile
        .iter()
        .filter(|tuned| !tuned.took)
        .map(|tuned| {
            format!("`{}` did not become {}: {}", tuned.name, tuned.wanted, tuned.why.as_deref().unwrap_or("?"))
        })
        .collect();
    match lost.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new("postgres-setting", first.clone())
            .detail(lost[1..].iter().cloned())
            .hint("remove it from the profile, or what wins over it")),
    }
}

/// A database or a role of the campaign's names that no record tells of is somebody's.
fn refuse_strangers(talk: Talk<'_>, cluster: &Cluster) -> Result<(), Failure> {
    let Names { database, owner } = NAMES;
    let sql = format!(
        "select 'database ' || datname from pg_database where datname = '{database}' \
         union all select 'role ' || rolname from pg_roles where rolname = '{owner}';"
    );
    let strangers = talk.ask(cluster, &sql)?;
    let Some(first) = strangers.first() else { return Ok(()) };
    let message = format!("PostgreSQL {} has a {first} already, and no run that made it is on record", cluster.label());
    Err(Failure::new(CODE, message).hint("look whose it is; if nobody needs it, drop it"))
}

/// Where it listens, whom it admits, and how many.
fn own_settings(
    talk: Talk<'_>,
    cluster: &Cluster,
    request: &DatabaseRequest,
    record: &Record,
) -> Result<String, Failure> {
    let folder = cluster.configuration().join("conf.d");
    if !folder.is_dir() {
        let message =
            format!("PostgreSQL {} has no folder {} for settings of others", cluster.label(), folder.display());
        return Err(Failure::new(CODE, message).hint("make it, and have postgresql.conf say include_dir = 'conf.d'"));
    }
    let now = talk.ask(cluster, "show listen_addresses;")?.join("");
    let mut own = format!(
        "max_connections = {}\nhba_file = {}\n",
        request.max_connections,
        quoted(&record.admission.display().to_string())
    );
    if let Some(wider) = wider(&now, &request.address) {
        own.push_str(&format!("listen_addresses = {}\n", quoted(&wider)));
    }
    Ok(own)
}

/// The addresses to listen on, where those that it has do not reach.
fn wider(now: &str, address: &str) -> Option<String> {
    let everywhere = if address.contains(':') { "::" } else { "0.0.0.0" };
    let local = address == "127.0.0.1" || address == "::1";
    let reaches = |one: &str| one == "*" || one == everywhere || one == address || local && one == "localhost";
    if now.split(',').map(str::trim).any(reaches) {
        return None;
    }
    Some(if now.trim().is_empty() { address.to_owned() } else { format!("{now},{address}") })
}

impl System<'_> {
    /// Who may come in: the campaign's daemons, and whoever could before.
    fn admit(&self) -> Result<(), Failure> {
        let path = self.talk.ask(&self.cluster, "show hba_file;")?.join("");
        let before = fs::read_to_string(&path).map_err(|error| cannot("read", path.as_ref(), &error))?;
        let end = if before.ends_with('\n') { "" } else { "\n" };
        let text = format!("{}{before}{end}", admission(self.request, NAMES));
        self.record.put(&self.record.admission, &text, &self.cluster)
    }

    /// A configuration that does not read the folder would take nothing, and say nothing.
    fn refuse_unread(&self) -> Result<(), Failure> {
        let file = self.record.drop_in.display();
        let sql = format!("select count(*) from pg_file_settings where sourcefile = '{file}';");
        if self.talk.ask(&self.cluster, &sql)?.first().is_some_and(|count| count != "0") {
            return Ok(());
        }
        let message = format!("PostgreSQL {} does not read {file}", self.cluster.label());
        Err(Failure::new(CODE, message).hint("have its postgresql.conf say include_dir = 'conf.d', as Debian's does"))
    }
}

impl Server for System<'_> {
    fn request(&self) -> &DatabaseRequest {
        self.request
    }

    fn names(&self) -> Names {
        NAMES
    }

    fn client(&self, program: &str, arguments: &[&str], input: Vec<u8>) -> Result<Output, Failure> {
        self.talk.client(&self.cluster, program, arguments, input)
    }

    fn drop_in(&self) -> &'static str {
        DROP_IN
    }

    fn write_profile(&self, lines: &str) -> Result<(), Failure> {
        // Ours last: the number of a line names the profile's setting, and what we need wins.
        self.record.put(&self.record.drop_in, &format!("{lines}{}", self.own), &self.cluster)
    }

    fn dry_start(&self, setting: &str, value: &str) -> Result<Output, Failure> {
        self.talk.dry_start(&self.cluster, setting, value)
    }

    fn must_restart(&self) -> bool {
        true
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.refuse_unread()?;
        self.log_from = log_length(&self.cluster.log);
        self.talk.control(&self.cluster, "restart")
    }

    fn last_words(&self) -> Vec<u8> {
        log_from(&self.cluster.log, self.log_from).unwrap_or_default()
    }

    fn own_path(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_listens_where_daemons_reach_it_and_where_it_did_before() {
        for (now, address, expected) in [
            ("localhost", "127.0.0.1", None),
            ("*", "10.0.0.2", None),
            ("0.0.0.0", "10.0.0.2", None),
            ("10.0.0.2, localhost", "10.0.0.2", None),
            ("localhost", "10.0.0.2", Some("localhost,10.0.0.2")),
            ("localhost", "127.0.0.2", Some("localhost,127.0.0.2")),
            ("", "10.0.0.2", Some("10.0.0.2")),
            ("0.0.0.0", "fd00::2", Some("0.0.0.0,fd00::2")),
        ] {
            assert_eq!(wider(now, address).as_deref(), expected, "{now} {address}");
        }
    }
}
