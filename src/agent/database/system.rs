//! The machine's own PostgreSQL, as Debian keeps it: clusters by version and name, which `pg_lsclusters` lists and
//! `pg_ctlcluster` starts, by systemd where there is one. It belongs to somebody: what is done here is to look at it, to talk
//! to it, and to start it again; every file that is written stands in the record of `left.rs` before.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid};

use crate::agent::database::server::succeeded;
use crate::agent::identity::Identity;
use crate::agent::process::{PassOn, Processes, Start};
use crate::agent::state::cannot;
use crate::agent::{identity, lookup, tail_lines};
use crate::command::Output;
use crate::wire::{ClusterLook, Failure};

/// Starting a cluster with data may need its log replayed.
pub(in crate::agent) const START_LIMIT: Duration = Duration::from_secs(60);

/// An answer of a client program, or of Debian's.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Most of a log that is kept.
const LOG_LIMIT: u64 = 64 << 10;

const CODE: &str = "system-postgresql";

/// A cluster of the machine, as `pg_lsclusters` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct Cluster {
    pub(in crate::agent) version: String,
    pub(in crate::agent) name: String,
    pub(in crate::agent) port: u16,
    pub(in crate::agent) online: bool,
    pub(in crate::agent) owner: Identity,
    pub(in crate::agent) data: PathBuf,
    pub(in crate::agent) log: PathBuf,
}

/// Talks to the machine's own PostgreSQL.
#[derive(Clone, Copy)]
pub(in crate::agent) struct Talk<'a> {
    pub(in crate::agent) processes: &'a Processes,
    /// Whether programs are started also while the agent leaves: to put things back.
    pub(in crate::agent) last: bool,
}

impl Talk<'_> {
    fn start_of(&self, program: PathBuf, arguments: &[&str], identity: Option<Identity>) -> Start {
        let label = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // No mark of ours: the server that is started so outlives the agent, and nobody may take it for a leftover.
        let environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")];
        Start {
            label,
            program,
            arguments: arguments.iter().map(Into::into).collect(),
            environment: environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            directory: PathBuf::from("/"),
            identity,
            // It goes on without us: half a restart would leave no server at all.
            death_signal: Signal::SIGCONT,
            input: Vec::new(),
            pass_on: PassOn::Nothing,
        }
    }

    fn run(&self, start: Start, most: Duration) -> Result<Output, Failure> {
        if self.last { self.processes.run_last(start, most) } else { self.processes.run(start, most) }
    }

    /// Finds a cluster by its name, such as `15/main`.
    pub(in crate::agent) fn find(&self, wanted: &str) -> Result<Cluster, Failure> {
        let Some(program) = lookup("pg_lsclusters") else {
            return Err(Failure::new(CODE, format!("there is no PostgreSQL {wanted} here: pg_lsclusters is not installed"))
                .hint("install Debian's postgresql package, or remove `postgresql` from this machine in hosts.toml: the campaign then makes a private cluster"));
        };
        let output = self.run(self.start_of(program, &["--no-header"], None), ANSWER_LIMIT)?;
        succeeded(&output, "pg_lsclusters can't list the clusters")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let clusters: Vec<Cluster> = text.lines().filter_map(cluster).collect();
        let names: Vec<String> = clusters.iter().map(Cluster::label).collect();
        clusters.into_iter().find(|cluster| cluster.label() == wanted).ok_or_else(|| {
            let known =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            Failure::new(CODE, format!("this machine has no PostgreSQL {wanted}: {known}"))
                .hint("name one of those in hosts.toml, as `pg_lsclusters` lists them: VERSION/NAME")
        })
    }

    /// Runs one of PostgreSQL's client programs as the cluster's owner, over its socket.
    pub(in crate::agent) fn client(
        &self,
        cluster: &Cluster,
        program: &str,
        arguments: &[&str],
        input: Vec<u8>,
    ) -> Result<Output, Failure> {
        let sockets = cluster.sockets()?;
        let (host, port) = (sockets.display().to_string(), cluster.port.to_string());
        let connection = ["--host", host.as_str(), "--port", &port, "--no-password"];
        let program = cluster.program(program);
        let mut start = self.start_of(program, &[&connection[..], arguments].concat(), Some(cluster.owner.clone()));
        start.input = input;
        start.death_signal = Signal::SIGKILL;
        self.run(start, START_LIMIT)
    }

    /// Asks the running server; rows with tabs between their fields.
    pub(in crate::agent) fn ask(&self, cluster: &Cluster, sql: &str) -> Result<Vec<String>, Failure> {
        let arguments = [
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
            "--file=-",
            "--dbname",
            "postgres",
        ];
        let output = self.client(cluster, "psql", &arguments, sql.as_bytes().to_vec())?;
        succeeded(&output, "PostgreSQL refused what it was asked")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// `start`, `restart` or `reload`, by Debian's own program.
    pub(in crate::agent) fn control(&self, cluster: &Cluster, action: &str) -> Result<(), Failure> {
        let Some(program) = lookup("pg_ctlcluster") else {
            return Err(Failure::new(CODE, "there is no pg_ctlcluster here, by which PostgreSQL is started"));
        };
        // What it starts becomes a child of the agent, and is none of its own.
        self.processes.spare(&cluster.data);
        let from = log_length(&cluster.log);
        let start = self.start_of(program, &[&cluster.version, &cluster.name, action], None);
        let output = self.run(start, START_LIMIT + Duration::from_secs(15))?;
        if !output.exit.is_success() {
            let log = log_from(&cluster.log, from).unwrap_or_default();
            let lines = tail_lines(if log.is_empty() { &output.stderr } else { &log }, 12);
            let message = format!("PostgreSQL {} ended at its {action} with {}", cluster.label(), output.exit);
            return Err(Failure::new("database-died", message).detail(lines));
        }
        self.await_answer(cluster)
    }

    fn await_answer(&self, cluster: &Cluster) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match self.ask(cluster, "select 1;") {
                Ok(_) => return Ok(()),
                Err(failure) if Instant::now() > deadline => return Err(failure),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Has a server that never starts read its files and this one setting.
    pub(in crate::agent) fn dry_start(&self, cluster: &Cluster, setting: &str, value: &str) -> Result<Output, Failure> {
        let (data, said) = (cluster.data.display().to_string(), format!("{setting}={value}"));
        let file = format!("config_file={}", cluster.configuration().join("postgresql.conf").display());
        let arguments = ["-D", data.as_str(), "-c", &file, "-c", &said, "-C", setting];
        self.run(self.start_of(cluster.program("postgres"), &arguments, Some(cluster.owner.clone())), ANSWER_LIMIT)
    }
}

impl Cluster {
    /// `15/main`
    pub(in crate::agent) fn label(&self) -> String {
        format!("{}/{}", self.version, self.name)
    }

    /// Where its configuration is.
    pub(in crate::agent) fn configuration(&self) -> PathBuf {
        Path::new("/etc/postgresql").join(&self.version).join(&self.name)
    }

    fn program(&self, name: &str) -> PathBuf {
        Path::new("/usr/lib/postgresql").join(&self.version).join("bin").join(name)
    }

    /// The id of its server, and where its sockets are, as the server itself has written down.
    fn written_down(&self) -> Result<(u32, PathBuf), Failure> {
        let path = self.data.join("postmaster.pid");
        let text = fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))?;
        let lines: Vec<&str> = text.lines().collect();
        let found = lines.first().and_then(|pid| pid.trim().parse().ok()).zip(lines.get(4));
        let (pid, sockets) = found.ok_or_else(|| {
            Failure::new(CODE, format!("PostgreSQL {} does not say where its sockets are", self.label()))
        })?;
        Ok((pid, PathBuf::from(sockets.trim())))
    }

    fn sockets(&self) -> Result<PathBuf, Failure> {
        Ok(self.written_down()?.1)
    }

    /// The id of its server.
    pub(in crate::agent) fn pid(&self) -> Result<u32, Failure> {
        Ok(self.written_down()?.0)
    }
}

/// A line of `pg_lsclusters --no-header`: version, name, port, status, owner, data directory, log file.
fn cluster(line: &str) -> Option<Cluster> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [version, name, port, status, owner, data, log, ..] = fields[..] else { return None };
    let (uid, gid) = identity::ids_of(owner)?;
    Some(Cluster {
        version: version.to_owned(),
        name: name.to_owned(),
        port: port.parse().ok()?,
        online: status.split(',').any(|word| word == "online"),
        owner: Identity { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), name: owner.to_owned(), change: true },
        data: PathBuf::from(data),
        log: PathBuf::from(log),
    })
}

/// How long a log is.
pub(in crate::agent) fn log_length(log: &Path) -> u64 {
    fs::metadata(log).map_or(0, |found| found.len())
}

/// What a log has from there on, its last part.
pub(in crate::agent) fn log_from(log: &Path, from: u64) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        // One that is shorter now was begun anew.
        let from = if length < from { 0 } else { from };
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_LIMIT))))?;
        let mut bytes = Vec::new();
        file.take(LOG_LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| cannot("read", log, &error))
}

/// Looks at the cluster that the inventory names, and changes nothing.
pub(in crate::agent) fn look(processes: &Processes, wanted: &str, port: u16) -> ClusterLook {
    let talk = Talk { processes, last: false };
    let mut looked = ClusterLook { name: wanted.to_owned(), ..ClusterLook::default() };
    match fit(talk, wanted, port) {
        Ok(cluster) => match shown(talk, &cluster) {
            Ok(settings) => looked.settings = settings,
            Err(failure) => looked.refused = Some(failure),
        },
        Err(failure) => looked.refused = Some(failure),
    }
    looked
}

/// The cluster, if a campaign can use it.
pub(in crate::agent) fn fit(talk: Talk<'_>, wanted: &str, port: u16) -> Result<Cluster, Failure> {
    if !Uid::effective().is_root() {
        let failure = Failure::new(CODE, format!("PostgreSQL {wanted} can't be tuned: the agent is not root here"));
        return Err(failure.hint("give the machine `become = \"sudo\"` in hosts.toml, or log in as root"));
    }
    let cluster = talk.find(wanted)?;
    if !cluster.online {
        return Err(Failure::new(CODE, format!("PostgreSQL {wanted} does not run"))
            .hint(format!("start it: pg_ctlcluster {} {} start", cluster.version, cluster.name)));
    }
    if cluster.port != port {
        let message = format!("PostgreSQL {wanted} listens on port {}, and hosts.toml says {port}", cluster.port);
        return Err(Failure::new(CODE, message).hint(format!("write port = {} beside its name", cluster.port)));
    }
    refuse_unread(talk, &cluster)?;
    Ok(cluster)
}

/// What somebody has written into its files and the server has not read yet, our start would put into force.
fn refuse_unread(talk: Talk<'_>, cluster: &Cluster) -> Result<(), Failure> {
    let hint = |action: &str| {
        let (version, name) = (&cluster.version, &cluster.name);
        format!("if that is meant to be, pg_ctlcluster {version} {name} {action}; else take it back")
    };
    let waiting = talk.ask(cluster, "select name from pg_settings where pending_restart order by 1;")?;
    if !waiting.is_empty() {
        let message = format!(
            "in PostgreSQL {} {} waits for a restart, and the campaign would be that restart",
            cluster.label(),
            waiting.join(", ")
        );
        return Err(Failure::new(CODE, message).hint(hint("restart")));
    }
    let sql = "select extract(epoch from pg_conf_load_time());\n\
               select distinct sourcefile from pg_file_settings union select setting from pg_settings \
               where name in ('config_file', 'hba_file', 'ident_file') \
               union select setting || '/postgresql.auto.conf' from pg_settings where name = 'data_directory';";
    let lines = talk.ask(cluster, sql)?;
    let (loaded, files) = lines.split_first().map_or(("", &lines[..]), |(loaded, files)| (loaded.as_str(), files));
    let loaded: f64 = loaded.trim().parse().unwrap_or(f64::INFINITY);
    let is_newer = |path: &&String| {
        let changed = fs::metadata(path).and_then(|found| found.modified()).ok();
        let changed = changed.and_then(|changed| changed.duration_since(std::time::UNIX_EPOCH).ok());
        // Within the second in which it is read, nobody can tell.
        changed.is_some_and(|changed| changed.as_secs_f64() > loaded + 1.0)
    };
    let Some(file) = files.iter().find(is_newer) else { return Ok(()) };
    let message = format!(
        "{file} was written after PostgreSQL {} had read it, and the campaign would put into force what stands there",
        cluster.label()
    );
    Err(Failure::new(CODE, message).hint(hint("reload")))
}

/// All settings, as a person would write them.
fn shown(talk: Talk<'_>, cluster: &Cluster) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "select lower(name), replace(current_setting(name), E'\\n', ' ') from pg_settings order by 1;";
    let lines = talk.ask(cluster, sql)?;
    Ok(lines.iter().filter_map(|line| line.split_once('\t')).map(|(name, value)| (name.into(), value.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_clusters_is_read() {
        let line = "15  main    5432 online,recovery root /var/lib/postgresql/15/main /var/log/postgresql/postgresql-15-main.log";
        let found = cluster(line).unwrap();
        assert_eq!((found.label().as_str(), found.port, found.online), ("15/main", 5432, true));
        assert_eq!((found.owner.uid.as_raw(), found.data), (0, PathBuf::from("/var/lib/postgresql/15/main")));
        assert!(!cluster("9.6 old 5433 down root /d /l").unwrap().online);
        assert_eq!(cluster("15 main 5432 online no-such-user /d /l"), None);
        assert_eq!(cluster("Ver Cluster Port Status Owner Data directory Log file"), None);
    }

    #[test]
    fn a_log_is_read_from_where_the_campaign_began() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("log");
        fs::write(&log, "before\nafter\n").unwrap();
        assert_eq!(log_from(&log, 7).unwrap(), b"after\n");
        assert_eq!(log_from(&log, 70).unwrap(), b"before\nafter\n", "it was begun anew");
        assert!(log_from(&place.path().join("none"), 0).is_err());
    }
}
