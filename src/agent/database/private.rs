//! The campaign's private cluster: made new, run in place and unprivileged, removed with the work directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::agent::database::server::{Names, Server, admission, in_list, quoted, succeeded};
use crate::agent::process::{PassOn, Start};
use crate::agent::state::cannot;
use crate::agent::stop::stop;
use crate::agent::surroundings::Agent;
use crate::agent::tail_lines;
use crate::command::Output;
use crate::wire::{DatabaseRequest, Failure};

/// The superuser, over the socket only.
const ADMIN: &str = "timetrial";

/// The profile's file, beside `postgresql.conf`, which includes it.
const DROP_IN: &str = "timetrial.conf";

/// The sockets' directory for our own clients, which work in `tmp` beside it. libpq takes a comma in a host for the end
/// of it and knows no quotes, so the directory's own path, which may hold one, is not named.
const SOCKETS: &str = "/proc/self/cwd/../s";

/// Starting an empty cluster takes well under a second; a machine under load gets patience.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The programs of a cluster and where its files are.
pub(in crate::agent) struct Private<'a> {
    agent: &'a Agent,
    request: &'a DatabaseRequest,
    programs: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    /// Its number among the agent's processes, once it runs.
    pub(in crate::agent) process: Option<u64>,
}

impl<'a> Private<'a> {
    /// A cluster that is not made yet.
    pub(in crate::agent) fn new(agent: &'a Agent, request: &'a DatabaseRequest) -> Result<Self, Failure> {
        let root = agent.root_path(&request.root)?;
        let work = &agent.state()?.work;
        Ok(Self {
            agent,
            request,
            programs: root.join(format!("usr/lib/postgresql/{}/bin", request.version)),
            data: work.join("db/data"),
            sockets: work.join("s"),
            process: None,
        })
    }

    /// Makes and starts it.
    pub(in crate::agent) fn make(&mut self) -> Result<(), Failure> {
        self.initialise()?;
        self.configure()?;
        self.launch()
    }

    fn running(&self) -> Result<u64, Failure> {
        self.process.ok_or_else(|| Failure::new("database", "PostgreSQL does not run"))
    }

    fn start_of(&self, program: &str, arguments: &[&str]) -> Result<Start, Failure> {
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
        hba.push_str(&admission(request, self.names()));
        self.write("postgresql.auto.conf", "")?;
        // Last, so that a profile's word goes before ours.
        let drop_in = format!("include_if_exists = '{}'\n", DROP_IN);
        self.append("postgresql.conf", &(settings + &drop_in))?;
        self.write("pg_hba.conf", &hba)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.data.join(name);
        fs::write(&path, text).map_err(|error| cannot("write", &path, &error))
    }

    fn append(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.data.join(name);
        let before = fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))?;
        self.write(name, &format!("{before}\n# timetrial\n{text}"))
    }

    fn launch(&mut self) -> Result<(), Failure> {
        let data = self.data.display().to_string();
        let mut start = self.start_of("postgres", &["-D", &data])?;
        start.label = "PostgreSQL".to_owned();
        // SIGINT is its fast shutdown: it cuts its clients and leaves in order.
        start.death_signal = Signal::SIGINT;
        let process = self.agent.processes.start(start, Signal::SIGINT)?;
        self.process = Some(process);
        self.await_start(process)
    }

    fn await_start(&self, process: u64) -> Result<(), Failure> {
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
}

impl Server for Private<'_> {
    fn request(&self) -> &DatabaseRequest {
        self.request
    }

    fn names(&self) -> Names {
        Names { database: "benchmarks", owner: "bench" }
    }

    fn client(&self, program: &str, arguments: &[&str], input: Vec<u8>) -> Result<Output, Failure> {
        let port = self.request.port.to_string();
        let connection = ["--host", SOCKETS, "--port", &port, "--username", ADMIN];
        let mut start = self.start_of(program, &[&connection[..], arguments].concat())?;
        start.input = input;
        self.agent.processes.run(start, START_LIMIT)
    }

    fn drop_in(&self) -> &'static str {
        DROP_IN
    }

    fn write_profile(&self, lines: &str) -> Result<(), Failure> {
        self.write(DROP_IN, lines)
    }

    fn dry_start(&self, setting: &str, value: &str) -> Result<Output, Failure> {
        let data = self.data.display().to_string();
        let said = format!("{setting}={value}");
        let start = self.start_of("postgres", &["-D", &data, "-c", &said, "-C", setting])?;
        self.agent.processes.run(start, START_LIMIT)
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let stopped = stop(&self.agent.processes, self.running()?, Duration::from_secs(20))?;
        if !stopped.still_alive.is_empty() {
            let failure = Failure::new("database", "PostgreSQL could not be stopped for its restart");
            return Err(failure.detail(stopped.still_alive));
        }
        self.launch()
    }

    fn last_words(&self) -> Vec<u8> {
        let log = |process| self.agent.processes.with(process, |entry| entry.stderr.last(8192)).ok();
        self.process.and_then(log).unwrap_or_default()
    }

    fn own_path(&self) -> Option<String> {
        self.agent.state().ok().map(|state| state.work.display().to_string())
    }
}
