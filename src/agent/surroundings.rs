//! What an agent has at hand: its state, its processes, and the surroundings that it gives to what it starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};

use crate::agent::database::Database;
use crate::agent::identity::{self, Identity};
use crate::agent::process::{MARK, Processes};
use crate::agent::provision;
use crate::agent::state::State;
use crate::agent::{lock, tuning};
use crate::wire::{Access, Failure, Notice};

/// An agent.
pub struct Agent {
    /// What it started.
    pub(in crate::agent) processes: Arc<Processes>,
    /// The running cluster.
    pub(in crate::agent) database: Mutex<Option<Database>>,
    /// How daemons get into a database on another machine.
    pub(in crate::agent) access: Mutex<Option<Access>>,
    /// Where notices go.
    pub(in crate::agent) notices: Mutex<Sender<Notice>>,
    /// Who daemons run as.
    pub(in crate::agent) identity: Identity,
    /// Where it keeps things, if not at the default place.
    pub(in crate::agent) state_dir: Option<PathBuf>,
    /// A CA bundle for downloads, once the controller has sent one.
    pub(in crate::agent) ca_bundle: OnceLock<String>,
    /// A proxy for downloads, once the controller has named one.
    pub(in crate::agent) proxy: OnceLock<String>,
    /// Set once the agent leaves: then nothing more is begun.
    pub(in crate::agent) leaving: AtomicBool,
    /// Held while the directories are being made.
    pub(in crate::agent) opening: Mutex<()>,
    /// Its share in the tuning of the machine.
    pub(in crate::agent) tuning: Mutex<tuning::Session>,
    /// Where the journal of changes is.
    pub(in crate::agent) tuning_place: PathBuf,
    state: OnceLock<State>,
}

impl Agent {
    /// An agent that has not been spoken to.
    pub(in crate::agent) fn new(state_dir: Option<PathBuf>, notices: Sender<Notice>) -> Self {
        Self {
            processes: Processes::new(notices.clone()),
            database: Mutex::new(None),
            access: Mutex::new(None),
            notices: Mutex::new(notices),
            identity: identity::choose(),
            state_dir,
            ca_bundle: OnceLock::new(),
            proxy: OnceLock::new(),
            leaving: AtomicBool::new(false),
            opening: Mutex::default(),
            tuning: Mutex::default(),
            tuning_place: PathBuf::from(tuning::PLACE),
            state: OnceLock::new(),
        }
    }

    /// Asked again and again during a wait, now and then with something to tell: whether it shall go on.
    pub(in crate::agent) fn waits_on(&self, told: Option<String>) -> bool {
        if let Some(line) = told {
            let _ = lock(&self.notices).send(Notice::Progress { name: "waiting".to_owned(), line });
        }
        !self.leaving.load(Ordering::Acquire)
    }

    /// Takes the directories for this agent's life.
    pub(in crate::agent) fn keep(&self, state: State) -> Result<&State, Failure> {
        let twice = |_| Failure::new("protocol", "hello was said twice");
        self.state.set(state).map_err(twice)?;
        self.state()
    }

    /// The directories, once there was a hello.
    pub(in crate::agent) fn state(&self) -> Result<&State, Failure> {
        self.state.get().ok_or_else(|| Failure::new("protocol", "nothing is done before hello"))
    }

    /// The user to change to, where the agent is root.
    pub(in crate::agent) fn changed_identity(&self) -> Option<Identity> {
        self.identity.change.then(|| self.identity.clone())
    }

    /// Where a package root is.
    pub(in crate::agent) fn root_path(&self, digest: &str) -> Result<PathBuf, Failure> {
        Ok(provision::find(&self.state()?.directory, digest)?.path)
    }

    /// The whole environment of what runs from these package roots and venvs. Nothing of the user's own is passed on:
    /// a stray `GUNICORN_CMD_ARGS` or `PYTHONPATH` would change what is measured.
    pub(in crate::agent) fn environment(&self, uses: &[String]) -> Result<BTreeMap<OsString, OsString>, Failure> {
        let state = self.state()?;
        let mut programs = Vec::new();
        let mut libraries = Vec::new();
        for digest in uses {
            let provision = provision::find(&state.directory, digest)?;
            programs.extend(provision.program_directories(&state.directory)?);
            libraries.extend(provision.library_directories(&state.directory)?);
        }
        programs.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        let mut environment: BTreeMap<OsString, OsString> = BTreeMap::from([
            ("PATH".into(), joined(&programs)?),
            ("HOME".into(), state.work.join("home").into()),
            ("TMPDIR".into(), state.work.join("tmp").into()),
            ("LANG".into(), "C.UTF-8".into()),
            (MARK.into(), state.work.clone().into()),
        ]);
        if !libraries.is_empty() {
            environment.insert("LD_LIBRARY_PATH".into(), joined(&libraries)?);
        }
        Ok(environment)
    }
}

fn joined(directories: &[PathBuf]) -> Result<OsString, Failure> {
    let unfit = |error| Failure::new("path", format!("a directory that can't stand in a search path: {error}"));
    std::env::join_paths(directories).map_err(unfit)
}

/// Finds a program as a shell would: a path as it is, a name along the environment's PATH.
pub fn resolve(program: &str, environment: &BTreeMap<OsString, OsString>) -> Result<PathBuf, Failure> {
    if program.contains('/') {
        let path = PathBuf::from(program);
        return if is_program(&path) { Ok(path) } else { Err(not_a_program(program)) };
    }
    let path = environment.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
    let found = std::env::split_paths(&path).map(|place| place.join(program)).find(|candidate| is_program(candidate));
    found.ok_or_else(|| {
        Failure::new("no-program", format!("there is no program `{program}` in the package roots or on the PATH"))
            .hint("name its Debian package in `packages`, or its distribution in the requirements")
    })
}

fn not_a_program(path: &str) -> Failure {
    Failure::new("no-program", format!("{path} is not there or is not an executable file"))
}

/// Whether this is a file that may be executed.
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
