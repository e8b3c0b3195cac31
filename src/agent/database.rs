//! The private PostgreSQL cluster: made new for a campaign, run in place and unprivileged, removed with the work
//! directory. Its password is random, is made here, and never leaves the agent but for the daemons' environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::agent::process::{PassOn, Start};
use crate::agent::stop::{Stopped, stop};
use crate::agent::surroundings::Agent;
use crate::agent::{database_profile, tail_lines};
use crate::command::Output;
use crate::wire::{DatabaseRequest, Failure, Reply};

/// The running cluster.
#[derive(Debug)]
pub struct Database {
    process: u64,
    /// libpq's variables for daemons, the password among them.
    pub environment: BTreeMap<OsString, OsString>,
}

/// The database's name, and its owner's.
const NAME: &str = "benchmarks";
const OWNER: &str = "bench";
/// The superuser, over the socket only.
const ADMIN: &str = "timetrial";

/// The sockets' directory for our own clients, which work in `tmp` beside it. libpq takes a comma in a host for the end
/// of it and knows no quotes, so the directory's own path, which may hold one, is not named.
const SOCKETS: &str = "/proc/self/cwd/../s";

/// Starting an empty cluster takes well under a second; a machine under load gets patience.
pub(in crate::agent) const START_LIMIT: Duration = Duration::from_secs(60);

/// The programs of a cluster and where its files are.
pub(in crate::agent) struct Cluster<'a> {
    pub(in crate::agent) agent: &'a Agent,
    pub(in crate::agent) request: &'a DatabaseRequest,
    programs: PathBuf,
    pub(in crate::agent) data: PathBuf,
    sockets: PathBuf,
}

/// Makes, starts and fills the cluster.
pub fn start(agent: &Agent, request: &DatabaseRequest) -> Result<(Database, Reply), Failure> {
    let root = agent.root_path(&request.root)?;
    let work = &agent.state()?.work;
    let cluster = Cluster {
        agent,
        request,
        programs: root.join(format!("usr/lib/postgresql/{}/bin", request.version)),
        data: work.join("db/data"),
        sockets: work.join("s"),
    };
    cluster.initialise()?;
    cluster.configure()?;
    let mut process = cluster.launch()?;
    let tuned = cluster.await_start(process).and_then(|()| database_profile::apply(&cluster, &mut process));
    let filled = tuned.and_then(|profile| Ok((profile, cluster.fill()?)));
    let (profile, (rows, settings, version, password)) = match filled {
        Ok(filled) => filled,
        Err(failure) => {
            // Nothing half made stays: the campaign ends here, and the data goes with the work directory.
            stop(&agent.processes, process, Duration::from_secs(5))?;
            return Err(failure);
        }
    };
    let pid = agent.processes.with(process, |entry| entry.pid)?;
    let database = Database { process, environment: libpq_environment(request, &password) };
    Ok((database, Reply::DatabaseStarted { version, pid, rows, settings, profile }))
}

/// The server's last messages. A statement that failed stands there as it was, so the password is blotted out.
pub fn log(agent: &Agent, database: &Database) -> Result<Reply, Failure> {
    let (stdout, stderr) = agent
        .processes
        .with(database.process, |entry| (entry.stdout.last(usize::MAX), entry.stderr.last(usize::MAX)))?;
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

/// Stops the cluster ("fast": its clients are cut) and removes its data.
pub fn stop_and_remove(agent: &Agent, database: &Database) -> Result<Stopped, Failure> {
    let stopped = stop(&agent.processes, database.process, Duration::from_secs(20))?;
    if !stopped.still_alive.is_empty() {
        // Not from under a server that may still write; the campaign ends here.
        return Ok(stopped);
    }
    let data = agent.state()?.work.join("db/data");
    fs::remove_dir_all(&data).map_err(|error| crate::agent::state::cannot("remove", &data, &error))?;
    Ok(stopped)
}

fn libpq_environment(request: &DatabaseRequest, password: &str) -> BTreeMap<OsString, OsString> {
    let port = request.port.to_string();
    let variables = [
        ("PGHOST", request.address.as_str()),
        ("PGPORT", &port),
        ("PGUSER", OWNER),
        ("PGPASSWORD", password),
        ("PGDATABASE", NAME),
        ("PGSSLMODE", &request.sslmode),
    ];
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

type Filled = (BTreeMap<String, u64>, BTreeMap<String, String>, String, String);

impl Cluster<'_> {
    pub(in crate::agent) fn start_of(&self, program: &str, arguments: &[&str]) -> Result<Start, Failure> {
        let mut environment = self.agent.environment(std::slice::from_ref(&self.request.root))?;
        environment.insert("LC_ALL".into(), "C.UTF-8".into());
        Ok(Start {
            label: program.to_owned(),
            program: self.programs.join(program),
            arguments: arguments.iter().map(Into::into).collect(),
            environment,
            directory: self.agent.state()?.work.join("tmp"),
            identity: self.agent.changed_identity(),
            death_signal: Signal::SIGKILL,
            input: Vec::new(),
            pass_on: PassOn::Nothing,
        })
    }

    fn initialise(&self) -> Result<(), Failure> {
        let data = self.data.display().to_string();
        let arguments = [
            "--pgdata",
            &data,
            "--username",
            ADMIN,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ];
        let output = self.agent.processes.run(self.start_of("initdb", &arguments)?, START_LIMIT)?;
        succeeded(&output, "initdb could not make the database cluster")
    }

    /// Only what must differ from PostgreSQL's own defaults is set, and all of it in one place.
    fn configure(&self) -> Result<(), Failure> {
        let request = self.request;
        let timezone = if Path::new("/usr/share/zoneinfo/UTC").exists() { "UTC" } else { "GMT" };
        let settings = format!(
            "listen_addresses = '{}'\nport = {}\nunix_socket_directories = {}\nmax_connections = {}\n\
             password_encryption = '{}'\nssl = off\ntimezone = '{timezone}'\nlog_timezone = '{timezone}'\n",
            request.address,
            request.port,
            quoted(&in_list(&self.sockets.display().to_string())),
            request.max_connections,
            if request.authentication == "md5" { "md5" } else { "scram-sha-256" },
        );
        // The socket's directory admits its owner only, so `trust` there is no wider than `peer`, which needs a
        // user name that `nobody` of a container may not have.
        let mut hba = String::from("local all all trust\n");
        for address in &request.client_addresses {
            let bits = if address.contains(':') { 128 } else { 32 };
            hba.push_str(&format!("hostnossl {NAME} {OWNER} {address}/{bits} {}\n", request.authentication));
            // Whoever goes to any address of the loopback comes from this one.
            if address.starts_with("127.") && address != "127.0.0.1" {
                hba.push_str(&format!("hostnossl {NAME} {OWNER} 127.0.0.1/32 {}\n", request.authentication));
            }
        }
        self.write("postgresql.auto.conf", "")?;
        // Last, so that a profile's word goes before ours.
        let drop_in = format!("include_if_exists = '{}'\n", database_profile::DROP_IN);
        self.append("postgresql.conf", &(settings + &drop_in))?;
        self.write("pg_hba.conf", &hba)
    }

    pub(in crate::agent) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.data.join(name);
        fs::write(&path, text).map_err(|error| crate::agent::state::cannot("write", &path, &error))
    }

    fn append(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.data.join(name);
        let before = fs::read_to_string(&path).map_err(|error| crate::agent::state::cannot("read", &path, &error))?;
        self.write(name, &format!("{before}\n# timetrial\n{text}"))
    }

    pub(in crate::agent) fn launch(&self) -> Result<u64, Failure> {
        let data = self.data.display().to_string();
        let mut start = self.start_of("postgres", &["-D", &data])?;
        start.label = "PostgreSQL".to_owned();
        // SIGINT is its fast shutdown: it cuts its clients and leaves in order.
        start.death_signal = Signal::SIGINT;
        self.agent.processes.start(start, Signal::SIGINT)
    }

    pub(in crate::agent) fn await_start(&self, process: u64) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(exit) = self.agent.processes.wait(process, Duration::from_millis(30)) {
                let log = self.agent.processes.with(process, |entry| entry.stderr.last(4096))?;
                return Err(Failure::new("database-died", format!("PostgreSQL ended at its start with {exit}"))
                    .detail(tail_lines(&log, 12)));
            }
            if self.psql("postgres", b"select 1;".to_vec()).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new(
                    "database-not-ready",
                    format!("PostgreSQL did not answer within {} s", START_LIMIT.as_secs()),
                ));
            }
        }
    }

    /// Runs SQL from standard input (never from argv: it may hold the password) and gives tab-separated rows.
    pub(in crate::agent) fn psql(&self, database: &str, sql: Vec<u8>) -> Result<String, Failure> {
        let port = self.request.port.to_string();
        let arguments = [
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
            "--single-transaction",
            "--file=-",
            "--host",
            SOCKETS,
            "--port",
            &port,
            "--username",
            ADMIN,
            "--dbname",
            database,
        ];
        let mut start = self.start_of("psql", &arguments)?;
        start.input = sql;
        let output = self.agent.processes.run(start, START_LIMIT)?;
        succeeded(&output, "PostgreSQL refused SQL of the data set")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn fill(&self) -> Result<Filled, Failure> {
        let password = random_password()?;
        let owner = format!("create role {OWNER} login password '{password}';\n");
        self.psql("postgres", owner.into_bytes())?;
        self.create_database()?;
        let mut sql = format!("set role {OWNER};\n").into_bytes();
        sql.extend_from_slice(&self.request.schema);
        for table in &self.request.rows {
            let name = identifier(&table.path)?;
            sql.extend_from_slice(format!("\ncopy {name} from stdin (format csv, header true);\n").as_bytes());
            sql.extend_from_slice(&table.bytes);
            sql.extend_from_slice(if table.bytes.ends_with(b"\n") { b"\\.\n" } else { b"\n\\.\n" });
        }
        // Statistics now, so that plans do not change when autovacuum comes by in the middle of a trial.
        sql.extend_from_slice(b"\nanalyze;\n");
        self.psql(NAME, sql)?;
        let version = self.psql(NAME, b"show server_version;".to_vec())?.trim().to_owned();
        Ok((self.count_rows()?, self.settings()?, version, password))
    }

    fn create_database(&self) -> Result<(), Failure> {
        // CREATE DATABASE can't run in a transaction, so not by `psql`.
        let port = self.request.port.to_string();
        let arguments = ["--host", SOCKETS, "--port", &port, "--username", ADMIN, "--owner", OWNER, NAME];
        let output = self.agent.processes.run(self.start_of("createdb", &arguments)?, START_LIMIT)?;
        succeeded(&output, "PostgreSQL could not make the database")
    }

    fn count_rows(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let mut rows = BTreeMap::new();
        for table in &self.request.rows {
            let name = identifier(&table.path)?;
            let text = self.psql(NAME, format!("select count(*) from {name};").into_bytes())?;
            let count = text
                .trim()
                .parse()
                .map_err(|_| Failure::new("database", format!("a count of `{name}` that is no number: {text}")))?;
            rows.insert(name.to_owned(), count);
        }
        Ok(rows)
    }

    /// Read back, not assumed: what the server says it runs with.
    fn settings(&self) -> Result<BTreeMap<String, String>, Failure> {
        let sql = "select name, setting || coalesce(' ' || unit, '') from pg_settings where source not in ('default', 'override', 'client') order by name;";
        let text = self.psql(NAME, sql.into())?;
        let work = self.agent.state()?.work.display().to_string();
        let row =
            |line: &str| line.split_once('\t').map(|(name, value)| (name.to_owned(), value.replace(&work, "{work}")));
        Ok(text.lines().filter_map(row).collect())
    }
}

/// A string of `postgresql.conf`. A line break in it would end the line.
pub(in crate::agent) fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r");
    format!("'{escaped}'")
}

/// An element of a setting that is a list: without quotes a comma would end it.
fn in_list(element: &str) -> String {
    format!("\"{}\"", element.replace('"', "\"\""))
}

/// A table's name out of a file's: nothing that would have to be quoted.
fn identifier(name: &str) -> Result<&str, Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fine = !name.is_empty() && name.chars().all(plain);
    fine.then_some(name).ok_or_else(|| Failure::new("table-name", format!("`{name}` can't be a table's name")))
}

fn succeeded(output: &Output, what: &str) -> Result<(), Failure> {
    if output.exit.is_success() {
        return Ok(());
    }
    Err(Failure::new("database", format!("{what}: {}", output.exit)).detail(tail_lines(&output.stderr, 12)))
}

fn random_password() -> Result<String, Failure> {
    let mut bytes = [0; 24];
    let source = Path::new("/dev/urandom");
    let read = fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| crate::agent::state::cannot("read", source, &error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_leaves_in_no_log() {
        assert_eq!(blotted(b"role 'abc' \xff".to_vec(), "xyz"), b"role 'abc' \xff");
        assert_eq!(blotted(b"role 'abc'\nabc".to_vec(), "abc"), b"role '{password}'\n{password}");
    }

    #[test]
    fn a_path_stands_in_a_setting_whatever_is_in_it() {
        let setting = |path: &str| quoted(&in_list(path));
        assert_eq!(setting("/tmp/plain/s"), r#"'"/tmp/plain/s"'"#);
        assert_eq!(setting("/tmp/a,b's dir/s"), r#"'"/tmp/a,b''s dir/s"'"#);
        assert_eq!(setting(r#"/a\n"b"#), r#"'"/a\\n""b"'"#);
        assert_eq!(quoted("two\nlines"), r"'two\nlines'");
    }
}
