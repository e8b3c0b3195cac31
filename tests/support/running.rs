//! The product under way, and how it ended.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::project::{LIMIT, Project};

/// A started `timetrial`.
pub struct Running<'a> {
    project: &'a Project,
    child: Child,
    output: PathBuf,
    known: Vec<PathBuf>,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// As the system tells it.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl<'a> Running<'a> {
    /// Starts it. What it prints goes to files: a pipe would wait for its agent too.
    pub fn start(project: &'a Project, mut command: Command) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let output = project.path("out").join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        let file = |stream: &str| Stdio::from(File::create(output.with_extension(stream)).unwrap());
        let known = project.runs();
        let child = command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Self { project, child, output, known }
    }

    /// The controller's pid.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends the controller a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// This run's directory, once it is there.
    pub fn directory(&self) -> Option<PathBuf> {
        self.project.runs().into_iter().find(|path| !self.known.contains(path))
    }

    /// What it has printed to standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.output.with_extension("stderr"))
    }

    /// Waits until its events have one of this type.
    pub fn await_event(&self, kind: &str) {
        self.await_that(kind, || self.events_of(kind) > 0);
    }

    /// Waits until something is so.
    pub fn await_that(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < LIMIT, "no {what} within {LIMIT:?}: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many events of this type there are.
    pub fn events_of(&self, kind: &str) -> usize {
        let events = self.directory().map(|run| read(&run.join("events.jsonl"))).unwrap_or_default();
        events.matches(&format!("\"type\":\"{kind}\"")).count()
    }

    /// Waits for its end; its directory.
    pub fn end_with_directory(self, look: impl FnOnce(&Ended)) -> PathBuf {
        let (project, known) = (self.project, self.known.clone());
        look(&self.end());
        project.runs().into_iter().find(|path| !known.contains(path)).unwrap()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(begun.elapsed() < LIMIT, "no end within {LIMIT:?}: {}", self.stderr()),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Ended { status, stdout: read(&self.output.with_extension("stdout")), stderr: self.stderr() }
    }
}

/// A test that failed leaves no controller behind; its agent ends with it.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &std::path::Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

impl Ended {
    /// Its exit code.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// It ended with this code, or the test fails and shows what it printed.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "stderr:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }

    /// It said this to the user, once.
    #[track_caller]
    pub fn assert_said(&self, text: &str) -> &Self {
        let times = self.stderr.matches(text).count();
        assert_eq!(times, 1, "`{text}` stands {times} times in:\n{}", self.stderr);
        self
    }

    /// It did not say this.
    #[track_caller]
    pub fn assert_not_said(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text), "`{text}` stands in:\n{}", self.stderr);
        self
    }
}

/// A run directory.
pub struct RunDirectory(pub PathBuf);

impl RunDirectory {
    /// The one run of a project.
    #[track_caller]
    pub fn only(project: &Project) -> Self {
        let mut runs = project.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        Self(runs.remove(0))
    }

    /// A file of it.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A JSON file of it.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.bytes(name)).unwrap()
    }

    /// Its events; each line is whole, and their numbers have no gaps.
    pub fn events(&self) -> Vec<Value> {
        let text = String::from_utf8(self.bytes("events.jsonl")).unwrap();
        assert!(text.ends_with('\n'), "the last line is whole");
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["sequence"], index + 1, "{event}");
        }
        events
    }

    /// The types of its events, in order.
    pub fn types(&self) -> Vec<String> {
        self.events().iter().map(|event| event["event"]["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The first event of this type.
    pub fn event(&self, kind: &str) -> Value {
        let events = self.events();
        let found = events.into_iter().find(|event| event["event"]["type"] == kind);
        found.unwrap_or_else(|| panic!("no event `{kind}`"))["event"].clone()
    }

    /// The reason why the trial of this number failed.
    pub fn failure(&self, trial: &str) -> Value {
        let finished = self
            .events()
            .into_iter()
            .find(|event| event["event"]["type"] == "trial-finished" && event["event"]["trial"] == trial);
        finished.unwrap()["event"]["outcome"]["reason"].clone()
    }

    /// Every file is as the manifest says, and it is complete.
    pub fn assert_complete(&self) {
        let manifest = self.json("complete.json");
        let files = manifest["files"].as_object().unwrap();
        for (name, digest) in files {
            use sha2::Digest as _;
            let found = sha2::Sha256::digest(self.bytes(name));
            let hex: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest.as_str(), Some(hex.as_str()), "{name}");
        }
        let modified = |name: &str| fs::metadata(self.0.join(name)).unwrap().modified().unwrap();
        assert!(files.keys().all(|name| modified(name) <= modified("complete.json")), "complete.json is the last");
        assert!(files.contains_key("events.jsonl") && files.contains_key("plan.json"));
    }
}
