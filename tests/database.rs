//! The private PostgreSQL with a profile: a real server out of a package root, driven as a controller drives it, by
//! frames to an agent.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "as a controller starts it; what fails ends the test"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use timetrial::wire::{
    DatabaseRequest, DatabaseSetting, Failure, FromAgent, HEARTBEAT, MAGIC, PROTOCOL, Reply, Request, ToAgent, Tuned,
    frame,
};

/// An agent and its controller's end.
struct Agent {
    child: Child,
    input: Arc<Mutex<Option<ChildStdin>>>,
    output: BufReader<ChildStdout>,
    next: u64,
    /// The run's work directory.
    work: PathBuf,
    /// Digest of the package root.
    root: String,
}

impl Agent {
    fn start(state: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timetrial"));
        command.arg("agent").arg("--state-dir").arg(state).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = Arc::new(Mutex::new(child.stdin.take()));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), MAGIC);
        let beating = Arc::clone(&input);
        std::thread::spawn(move || {
            loop {
                match beating.lock().unwrap().as_mut() {
                    Some(input) => frame::write(input, &ToAgent::Heartbeat).unwrap(),
                    None => return,
                }
                std::thread::sleep(HEARTBEAT);
            }
        });
        let mut agent = Self { child, input, output, next: 0, work: PathBuf::new(), root: String::new() };
        let hello = Request::Hello {
            protocol: PROTOCOL,
            run: "a-test".to_owned(),
            owner: "a tester".to_owned(),
            ca_bundle: None,
            proxy: None,
        };
        let Ok(Reply::Welcome { work_dir, .. }) = agent.ask(hello) else { panic!("no welcome") };
        agent.work = PathBuf::from(work_dir);
        let packages = Request::PackageRoot {
            name: "postgresql".to_owned(),
            suite: "bookworm".to_owned(),
            packages: vec!["postgresql-15".to_owned()],
        };
        match agent.ask(packages) {
            Ok(Reply::Provisioned { digest, .. }) => agent.root = digest,
            other => panic!("no package root: {other:?}"),
        }
        agent
    }

    fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        self.next += 1;
        let asked = ToAgent::Request { id: self.next, request };
        frame::write(self.input.lock().unwrap().as_mut().unwrap(), &asked).unwrap();
        loop {
            match frame::read::<FromAgent>(&mut self.output).unwrap().expect("the agent is there") {
                FromAgent::Reply { id, reply } if id == self.next => return reply,
                _ => {}
            }
        }
    }

    /// Starts the cluster with a profile; where each setting stands is `profile.conf:` and its number.
    fn database(&mut self, settings: &[(&str, &str)]) -> Result<Vec<Tuned>, Failure> {
        let setting = |(line, (name, value)): (usize, &(&str, &str))| DatabaseSetting {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            from: format!("profile.conf:{}", line + 1),
        };
        let request = DatabaseRequest {
            cluster: None,
            root: self.root.clone(),
            version: 15,
            address: "127.0.0.1".to_owned(),
            // Below the ephemeral range, and another one for each tester.
            port: 17_000 + (std::process::id() % 1000) as u16,
            authentication: "scram-sha-256".to_owned(),
            sslmode: "disable".to_owned(),
            max_connections: 50,
            settings: settings.iter().enumerate().map(setting).collect(),
            client_addresses: vec!["127.0.0.1".to_owned()],
            schema: b"create table nothing (id integer);".to_vec(),
            rows: Vec::new(),
        };
        match self.ask(Request::StartDatabase(Box::new(request)))? {
            Reply::DatabaseStarted { profile, .. } => {
                self.ask(Request::StopDatabase)?;
                Ok(profile)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The failure of a profile; what it leaves is removed, as a campaign's end does.
    fn refused(&mut self, settings: &[(&str, &str)]) -> Failure {
        let failure = self.database(settings).expect_err("it is refused");
        assert_eq!(failure.code, "postgres-setting", "{failure:?}");
        std::fs::remove_dir_all(self.work.join("db/data")).unwrap();
        failure
    }

    fn leave(mut self) {
        assert!(matches!(self.ask(Request::Goodbye), Ok(Reply::Goodbye { .. })));
        *self.input.lock().unwrap() = None;
        self.child.wait().unwrap();
    }
}

#[track_caller]
fn assert_took(profile: &[Tuned], name: &str, after: &str) {
    let tuned = profile.iter().find(|tuned| tuned.name == name).unwrap();
    assert_eq!((tuned.took, tuned.after.as_deref(), tuned.why.as_deref()), (true, Some(after), None), "{tuned:?}");
}

#[test]
#[ignore = "needs packages: a whole PostgreSQL"]
fn a_profile_takes_or_is_refused_before_it_can_do_harm() {
    let folder = tempfile::Builder::new().prefix("tt").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut agent = Agent::start(&folder.path().join("s"));
    assert_eq!(agent.database(&[]).unwrap(), []);
    what_takes(&mut agent);
    what_is_refused(&mut agent);
    what_does_not_start(&mut agent);
    what_something_else_overrules(&mut agent);
    agent.leave();
}

fn what_takes(agent: &mut Agent) {
    let by_reload =
        [("work_mem", "32MB"), ("fsync", "no"), ("log_line_prefix", "it's \\ %m "), ("DateStyle", "iso,dmy")];
    let profile = agent.database(&by_reload).unwrap();
    assert_took(&profile, "work_mem", "32MB");
    assert_took(&profile, "fsync", "off");
    assert_took(&profile, "log_line_prefix", "it's \\ %m ");
    assert_took(&profile, "DateStyle", "ISO, DMY");
    assert_eq!(profile[0].before.as_deref(), Some("4MB"));
    let by_restart = [
        ("max_connections", "200"),
        ("shared_buffers", "65536kB"),
        ("wal_buffers", "-1"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.max", "1000"),
        ("pg_stat_statements.track", "ALL"),
        ("nobody.knows", "this"),
        ("random_page_cost", "1.10"),
    ];
    let profile = agent.database(&by_restart).unwrap();
    assert_took(&profile, "max_connections", "200");
    assert_eq!(profile[0].before.as_deref(), Some("50"), "the request's");
    assert_took(&profile, "shared_buffers", "64MB");
    assert_took(&profile, "wal_buffers", "2MB");
    assert_took(&profile, "shared_preload_libraries", "pg_stat_statements");
    assert_took(&profile, "pg_stat_statements.max", "1000");
    assert_took(&profile, "pg_stat_statements.track", "all");
    assert_took(&profile, "random_page_cost", "1.1");
    let unknown = &profile[6];
    assert_eq!((unknown.took, unknown.why.as_deref()), (false, Some("no library that is loaded knows it")));
}

fn what_is_refused(agent: &mut Agent) {
    let failure = agent.refused(&[("work_mem", "8MB"), ("checkpoint_segments", "3")]);
    assert_eq!(
        failure.message,
        "PostgreSQL refuses `checkpoint_segments` (profile.conf:2): unrecognized configuration parameter \
         \"checkpoint_segments\""
    );
    assert_eq!(failure.hint.as_deref(), Some("mend or remove profile.conf:2"));
    // Both need a restart, and only one of them is wrong.
    let failure = agent.refused(&[("shared_buffers", "64MB"), ("wal_level", "nonsense"), ("work_mem", "32mb")]);
    assert_eq!(
        failure.message,
        "PostgreSQL refuses `wal_level` (profile.conf:2): invalid value for parameter \"wal_level\": \"nonsense\"; \
         Available values: minimal, replica, logical."
    );
    assert_eq!(failure.detail.len(), 1);
    assert!(failure.detail[0].starts_with("work_mem (profile.conf:3): invalid value"), "{:?}", failure.detail);
    let failure = agent.database(&[("port", "5432")]).expect_err("the port is the campaign's");
    assert!(failure.message.starts_with("`port` (profile.conf:1) can't be set by a profile"), "{failure:?}");
    std::fs::remove_dir_all(agent.work.join("db/data")).unwrap();
}

fn what_does_not_start(agent: &mut Agent) {
    let failure = agent.refused(&[("work_mem", "8MB"), ("shared_buffers", "7TB")]);
    let begin = "PostgreSQL does not start with `shared_buffers = 7TB` (profile.conf:2): could not map anonymous shared \
                 memory: Cannot allocate memory";
    assert!(failure.message.starts_with(begin), "{failure:?}");
    assert!(failure.detail.iter().any(|line| line.contains("FATAL:")), "{failure:?}");
    let failure = agent.refused(&[("shared_preload_libraries", "nothing_like_it")]);
    let begin = "PostgreSQL does not start with `shared_preload_libraries = nothing_like_it` (profile.conf:1): could not \
                 access file \"nothing_like_it\"";
    assert!(failure.message.starts_with(begin), "{failure:?}");
}

/// Somebody's ALTER SYSTEM, made as soon as the profile is written.
fn what_something_else_overrules(agent: &mut Agent) {
    let data = agent.work.join("db/data");
    let (done, found) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let other = std::thread::spawn({
        let (done, found) = (Arc::clone(&done), Arc::clone(&found));
        let deadline = Instant::now() + Duration::from_secs(60);
        move || {
            while !done.load(Ordering::Relaxed) && Instant::now() < deadline {
                if data.join("timetrial.conf").exists() {
                    std::fs::write(data.join("postgresql.auto.conf"), "work_mem = '5MB'\n").unwrap();
                    found.store(true, Ordering::Relaxed);
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let failure = agent.refused(&[("max_connections", "60"), ("work_mem", "32MB")]);
    done.store(true, Ordering::Relaxed);
    other.join().unwrap();
    assert!(found.load(Ordering::Relaxed));
    assert!(failure.message.starts_with("`work_mem` (profile.conf:2) would not take: "), "{failure:?}");
    assert!(failure.message.ends_with("postgresql.auto.conf:1 (ALTER SYSTEM) sets it to 5MB and wins"), "{failure:?}");
    assert!(failure.hint.as_deref().unwrap().contains("ALTER SYSTEM RESET work_mem"), "{failure:?}");
}
