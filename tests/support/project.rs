//! A project folder in a temporary place: its own machine, daemons, data, port and store.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::support::machine;
use crate::support::running::{Ended, Running};

/// Nothing here takes longer, or the test fails.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What a daemon answers at `/index`.
pub const INDEX: &str = "{\"hello\": \"world\"}\n";
/// And at `/agents`.
pub const AGENTS: &str = "{\"agents\": [{\"id\": 1, \"name\": \"Ada\"}, {\"id\": 2, \"name\": \"Grace\"}]}\n";

/// A project folder.
pub struct Project {
    folder: tempfile::TempDir,
    /// The daemons' port.
    pub port: u16,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

/// What a scenario says.
pub struct Scenario<'a> {
    /// Names of daemons.
    pub daemons: &'a [&'a str],
    /// Paths.
    pub endpoints: &'a [&'a str],
    /// Seconds of load.
    pub load_s: u32,
    /// `[wait]`
    pub wait: &'a str,
    /// More keys of the load.
    pub load: &'a str,
}

impl Default for Scenario<'_> {
    fn default() -> Self {
        Self {
            daemons: &["alpha"],
            endpoints: &["/index"],
            load_s: 1,
            wait: "ready = \"20s\"\ncalm = \"5s\"\nstop = \"5s\"",
            load: "",
        }
    }
}

impl Project {
    /// One good daemon `alpha`, one trial of a second.
    pub fn new() -> Self {
        Self::with(&[("alpha", &[])], &Scenario::default())
    }

    /// Daemons with their flags, and a scenario.
    pub fn with(daemons: &[(&str, &[&str])], scenario: &Scenario<'_>) -> Self {
        let folder = tempfile::Builder::new().prefix("tt").tempdir_in("/tmp").unwrap();
        // Where the tests run as root, daemons run as nobody, who must get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut project = Self { folder, port: free_port(), before: BTreeMap::new() };
        for (name, _) in [("home", ()), ("tmp", ()), ("out", ())] {
            fs::create_dir(project.path(name)).unwrap();
        }
        for program in ["stub-daemon", "stub-wrk"] {
            let to = project.path("bin").join(program);
            fs::create_dir_all(project.path("bin")).unwrap();
            fs::copy(example(program), to).unwrap();
        }
        project.write("scenarios/data/set/documents/index.json", INDEX);
        project.write("scenarios/data/set/documents/agents.json", AGENTS);
        project.inventory(&project.path("s"));
        for (name, flags) in daemons {
            project.daemon(name, flags);
        }
        project.scenario(scenario);
        project.look();
        project
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// From now on, nothing but cache and store may change.
    pub fn look(&mut self) {
        self.before = self.written_by_hand();
    }

    fn written_by_hand(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        let ours = ["s", "reports", "out"].map(|name| self.path(name));
        files.retain(|path, _| !ours.iter().any(|folder| path.starts_with(folder)));
        files
    }

    /// The inventory with this state directory.
    pub fn inventory(&self, state: &Path) {
        let text = format!(
            "[machine.here]\ntransport = \"local\"\nroles = [\"server\", \"client\", \"database\"]\n\
             state_dir = \"{}\"\ntools = {{ wrk = \"{}\" }}\n",
            state.display(),
            self.path("bin/stub-wrk").display()
        );
        self.write("hosts.toml", text);
    }

    /// A daemon with these flags; `{workers}` may stand in them.
    pub fn daemon(&self, name: &str, flags: &[&str]) {
        let program = self.path("bin/stub-daemon").display().to_string();
        let workers: &[&str] = if flags.contains(&"--workers") { &[] } else { &["--workers", "{workers}"] };
        let command: Vec<&str> = [&[program.as_str(), "--bind", "{address}:{port}"], workers, flags].concat();
        let close = flags.contains(&"--close");
        self.write(
            &format!("daemons/{name}/daemon.toml"),
            format!(
                "title = \"the stub as {name}\"\nsystem = true\n\n[[process]]\ncommand = {command:?}\n\n\
                 [traits]\nkeep_alive = {}\n\n[[endpoint]]\npath = \"/index\"\ndocument = \"index\"\n\n\
                 [[endpoint]]\npath = \"/agents\"\ndocument = \"agents\"\n",
                !close
            ),
        );
        self.write(&format!("daemons/{name}/index.json"), INDEX);
        self.write(&format!("daemons/{name}/agents.json"), AGENTS);
    }

    /// Writes `scenarios/day.toml`.
    pub fn scenario(&self, scenario: &Scenario<'_>) {
        let Scenario { daemons, endpoints, load_s, wait, load } = scenario;
        let mut text = format!(
            "title = \"a day\"\ndaemons = {daemons:?}\nworkers = 2\nport = {}\ndata = \"set\"\n\n[wait]\n{wait}\n\n",
            self.port
        );
        let _ = write!(
            text,
            "[[round]]\nname = \"only\"\nendpoints = {endpoints:?}\n\
             load = {{ tool = \"wrk\", threads = 1, connections = 4, duration = \"{load_s}s\", timeout = \"1s\"{load} }}\n"
        );
        self.write("scenarios/day.toml", text);
    }

    /// How the load generator behaves from now on.
    pub fn wrk(&mut self, mode: &str) {
        self.write("bin/stub-wrk.mode", mode);
        self.look();
    }

    /// The product, with these arguments, in the project folder and without anything of the tester's own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.started_by(&[], arguments)
    }

    /// The same through another program, such as `unshare -n`.
    pub fn started_by(&self, by: &[&str], arguments: &[&str]) -> Command {
        let words = [by, &[env!("CARGO_BIN_EXE_timetrial")], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8").env("USER", "tester");
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command
    }

    /// `timetrial ARGUMENTS`, to its end.
    pub fn timetrial(&self, arguments: &[&str]) -> Ended {
        Running::start(self, self.command(arguments)).end()
    }

    /// `timetrial run`, to its end.
    pub fn run(&self) -> Ended {
        self.timetrial(RUN)
    }

    /// `timetrial run`, under way.
    pub fn begin(&self) -> Running<'_> {
        Running::start(self, self.command(RUN))
    }

    /// The run directories, by name.
    pub fn runs(&self) -> Vec<PathBuf> {
        let mut runs: Vec<PathBuf> = entries(&self.path("reports"));
        runs.retain(|path| path.join("events.jsonl").exists());
        runs
    }

    /// What is not as it was: processes, listeners, work, files outside the cache and the store.
    pub fn remains(&self) -> Vec<String> {
        let mut remains = machine::processes_of(self.folder.path());
        remains.extend(machine::listeners(self.port));
        remains.extend(entries(&self.path("s/w")).iter().map(|path| format!("work {}", path.display())));
        let now = self.written_by_hand();
        remains.extend(now.iter().filter(|(path, bytes)| self.before.get(*path) != Some(bytes)).map(changed));
        remains.extend(self.before.iter().filter(|(path, _)| !now.contains_key(*path)).map(changed));
        remains
    }

    /// Waits until nothing remains.
    pub fn assert_clean_within(&self, limit: Duration) {
        let begun = std::time::Instant::now();
        loop {
            let remains = self.remains();
            if remains.is_empty() {
                return;
            }
            assert!(begun.elapsed() < limit, "after {limit:?} there is still {remains:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Nothing remains now.
    pub fn assert_clean(&self) {
        assert_eq!(self.remains(), Vec::<String>::new());
    }
}

/// The run that most tests do.
pub const RUN: &[&str] = &["run", "scenarios/day.toml"];

fn changed((path, _): (&PathBuf, &Vec<u8>)) -> String {
    format!("a changed file {}", path.display())
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for path in entries(folder) {
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
}

/// The paths in a folder, sorted; none if it is not there.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// An example program, built by `cargo test` beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: `cargo build --examples` does it", path.display());
    path
}

/// Below the ephemeral range, and another one for each test of each test program.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 20_000 + (std::process::id() % 60) as u16 * 200 + NEXT.fetch_add(1, Ordering::Relaxed) % 200;
        if machine::listeners(port).is_empty() {
            return port;
        }
    }
}
