//! Python virtual environments: the interpreter of a package root, and exactly the distributions that a requirements
//! file pins by hash.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::provision::cache::{Kind, Manifest, find, remember, request_digest, reuse, size};
use crate::agent::provision::{build_root, progress};
use crate::agent::state::{cannot, make};
use crate::agent::surroundings::Agent;
use crate::agent::tail_lines;
use crate::command::Output;
use crate::wire::digest::sha256;
use crate::wire::{BuildRequest, Failure, Reply};

/// What a venv shall be.
#[derive(Debug, Clone)]
pub struct VenvRequest {
    /// For messages.
    pub name: String,
    /// Digest of the package root of its interpreter.
    pub root: String,
    /// `python3.11`
    pub interpreter: String,
    /// The requirements' text.
    pub requirements: String,
    /// What of them is built from sources, and with what.
    pub build: Option<BuildRequest>,
}

/// The version of how venvs are made: part of their names.
const RECIPE: &str = "venv 1";

/// The version of how something is built: part of the names of venvs for which something is.
const BUILD_RECIPE: &str = "build 1";

/// Downloads of a slow index take minutes, not hours.
const PIP_LIMIT: Duration = Duration::from_secs(900);

/// Has the venv in the cache.
pub fn venv(agent: &Agent, request: &VenvRequest) -> Result<Reply, Failure> {
    let state = &agent.state()?.directory;
    let requirements = sha256(request.requirements.as_bytes());
    let mut parts = vec![RECIPE, &request.root, &request.interpreter, &requirements];
    if let Some(build) = &request.build {
        parts.extend([BUILD_RECIPE, &build.root]);
        parts.extend(build.sources.iter().map(String::as_str));
    }
    let digest = request_digest(&parts);
    if let Some(manifest) = reuse(state, &digest) {
        return Ok(manifest.reply(true));
    }
    let build_root = request.build.as_ref().map(|build| find(state, &build.root)).transpose()?;
    let path = state.join("venvs").join(&digest);
    let making = Making { agent, request, path, root: find(state, &request.root)?, build_root };
    let versions = making.make()?;
    let manifest = Manifest {
        digest: digest.clone(),
        bytes: size(&making.path),
        path: making.path,
        kind: Kind::Venv,
        needs: Some(request.root.clone()),
        versions,
    };
    manifest.seal(&manifest.path)?;
    remember(state, &digest, &manifest)?;
    Ok(manifest.reply(false))
}

struct Making<'a> {
    agent: &'a Agent,
    request: &'a VenvRequest,
    /// Where it is and stays: a venv's scripts name their interpreter by its whole path, so it can't be moved there.
    path: PathBuf,
    root: Manifest,
    build_root: Option<Manifest>,
}

impl Making<'_> {
    fn make(&self) -> Result<BTreeMap<String, String>, Failure> {
        if let Some(parent) = self.path.parent() {
            make(parent, 0o755)?;
        }
        if self.path.exists() {
            // Without a manifest it was never finished.
            fs::remove_dir_all(&self.path).map_err(|error| cannot("remove", &self.path, &error))?;
        }
        let interpreter = self.root.path.join("usr/bin").join(&self.request.interpreter);
        let path = self.path.display().to_string();
        self.run(interpreter, &["-m", "venv", "--without-pip", &path], "the virtual environment can't be made", None)?;
        progress(self.agent, &self.request.name, "installing its requirements");
        self.install()?;
        self.versions()
    }

    fn install(&self) -> Result<(), Failure> {
        let requirements = self.path.join("timetrial-requirements.txt");
        fs::write(&requirements, &self.request.requirements).map_err(|error| cannot("write", &requirements, &error))?;
        let file = requirements.display().to_string();
        let sources = self.request.build.as_ref().map(|build| build.sources.join(","));
        let mut arguments = vec!["install", "--require-hashes", "--only-binary", ":all:"];
        if let Some(sources) = &sources {
            // Without isolation pip takes the build root's tools instead of some of today's from the index.
            arguments.extend(["--no-binary", sources.as_str(), "--no-build-isolation"]);
            progress(self.agent, &self.request.name, format!("building {sources}"));
        }
        arguments.extend([
            "--no-deps",
            "--no-input",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--progress-bar",
            "off",
            "--compile",
            "-r",
            &file,
        ]);
        self.pip(&arguments, "pip can't install the requirements", self.build_root.as_ref()).map(|_| ())
    }

    /// What is really in it, as pip reads it back.
    fn versions(&self) -> Result<BTreeMap<String, String>, Failure> {
        let arguments = ["list", "--format=freeze", "--disable-pip-version-check"];
        let output = self.pip(&arguments, "pip can't list what it installed", None)?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text
            .lines()
            .filter_map(|line| line.split_once("=="))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect())
    }

    /// pip comes as a wheel of the package root, run out of the file: it is never in the venv itself.
    fn pip(&self, arguments: &[&str], what: &str, build_root: Option<&Manifest>) -> Result<Output, Failure> {
        let wheels = self.root.path.join("usr/share/python-wheels");
        let is_pip = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pip-"));
        let wheel = fs::read_dir(&wheels).into_iter().flatten().flatten().map(|entry| entry.path()).find(is_pip);
        let wheel =
            wheel.ok_or_else(|| Failure::new("no-pip", format!("there is no pip wheel in {}", wheels.display())))?;
        let program = wheel.join("pip").display().to_string();
        let mut all = vec![program.as_str()];
        all.extend(arguments);
        self.run(self.path.join("bin").join(&self.request.interpreter), &all, what, build_root)
    }

    /// With a build root, its tools are at hand as well.
    fn run(
        &self,
        program: PathBuf,
        arguments: &[&str],
        what: &str,
        build_root: Option<&Manifest>,
    ) -> Result<Output, Failure> {
        let state = &self.agent.state()?.directory;
        let directory: &Path = &self.agent.state()?.work;
        let mut start = self.agent.own_program(&self.request.interpreter, program, arguments, directory)?;
        let mut libraries = self.root.library_directories(state)?;
        if let Some(root) = build_root {
            libraries.extend(root.library_directories(state)?);
            let mut programs = root.program_directories(state)?;
            programs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
            start.environment.insert("PATH".into(), std::env::join_paths(programs).unwrap_or_default());
            start.environment.extend(build_root::environment(root, &self.request.interpreter));
        }
        let libraries = std::env::join_paths(libraries);
        start.environment.insert("LD_LIBRARY_PATH".into(), libraries.unwrap_or_default());
        let output = self.agent.processes.run(start, PIP_LIMIT)?;
        if output.exit.is_success() {
            return Ok(output);
        }
        Err(Failure::new("venv", format!("{what} for `{}`: {}", self.request.name, output.exit))
            .detail(tail_lines(&[output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat(), 12))
            .hint("its index, proxy and certificates are the machine's own settings: pip.conf and PIP_* in the environment"))
    }
}
