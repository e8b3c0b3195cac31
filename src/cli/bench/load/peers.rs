//! Where the others come from: the PATH, a place that was named, or a package root in our cache, as campaigns have it.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cli::bench::load::arguments::LoadBenchArguments;
use crate::cli::bench::say;
use crate::cli::error::Problem;
use crate::host::{Host, Link, LinkError, start_local};
use crate::wire::{self, Reply, Request};

/// A program of somebody else.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it is.
    pub path: PathBuf,
    /// Where its libraries are, if they are not the machine's.
    libraries: Vec<PathBuf>,
}

impl Peer {
    /// Gives a command its libraries.
    pub fn surround(&self, command: &mut Command) {
        if let Ok(path) = std::env::join_paths(&self.libraries)
            && !self.libraries.is_empty()
        {
            command.env("LD_LIBRARY_PATH", path);
        }
    }
}

/// All of them. What is not here is `None`, and was said.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// The server.
    pub nginx: Option<Peer>,
    /// wrk 4.
    pub wrk: Option<Peer>,
    /// h2load.
    pub h2load: Option<Peer>,
    /// ab.
    pub ab: Option<Peer>,
    /// wrk2.
    pub wrk2: Option<Peer>,
    /// oha.
    pub oha: Option<Peer>,
}

impl Peers {
    /// Looks for all. Progress and what is missing are said.
    pub async fn find(arguments: &LoadBenchArguments) -> Result<Self, Problem> {
        let mut peers = Self {
            nginx: on_path("nginx"),
            wrk: on_path("wrk"),
            h2load: on_path("h2load"),
            ab: on_path("ab"),
            wrk2: named("wrk2", arguments.wrk2.as_deref()),
            oha: named("oha", arguments.oha.as_deref()),
        };
        let wanted = [
            (&mut peers.nginx, "nginx", "nginx"),
            (&mut peers.wrk, "wrk", "wrk"),
            (&mut peers.h2load, "h2load", "nghttp2-client"),
            (&mut peers.ab, "ab", "apache2-utils"),
        ];
        let missing: Vec<(&mut Option<Peer>, &str, &str)> =
            wanted.into_iter().filter(|(peer, ..)| peer.is_none()).collect();
        if !missing.is_empty()
            && let Err(why) = provision(missing).await
        {
            say(&format!("no package roots here: {why}"));
        }
        let all = [
            (&peers.nginx, "nginx", "apt-get install nginx-light"),
            (&peers.wrk, "wrk", "apt-get install wrk"),
            (&peers.h2load, "h2load", "apt-get install nghttp2-client"),
            (&peers.ab, "ab", "apt-get install apache2-utils"),
            (&peers.wrk2, "wrk2", "name it with --wrk2 PATH"),
            (&peers.oha, "oha", "name it with --oha PATH"),
        ];
        for (peer, name, hint) in all {
            match peer {
                Some(peer) => say(&format!("{name}: {}", peer.path.display())),
                None => say(&format!("not here: {name} ({hint}); what is measured beside it is left out")),
            }
        }
        Ok(peers)
    }
}

fn named(name: &str, path: Option<&Path>) -> Option<Peer> {
    let is_there = |path: &&Path| path.is_file();
    match path {
        Some(path) => path.canonicalize().ok().filter(|path| is_there(&path.as_path())).map(of_machine),
        None => on_path(name),
    }
}

fn of_machine(path: PathBuf) -> Peer {
    Peer { path, libraries: Vec::new() }
}

fn on_path(name: &str) -> Option<Peer> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers are where only root looks.
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let programs = std::env::split_paths(&path).chain(more).map(|folder| folder.join(name));
    programs.into_iter().find(|program| program.is_file()).map(of_machine)
}

/// Has each in a package root of our cache, by an agent of this machine.
async fn provision(missing: Vec<(&mut Option<Peer>, &str, &str)>) -> Result<(), String> {
    let suite = suite().ok_or("this machine does not say which Debian it is")?;
    let names: Vec<&str> = missing.iter().map(|(_, name, _)| *name).collect();
    say(&format!("getting {} into the cache", names.join(", ")));
    let told = |error: LinkError| error.to_string();
    let (host, link) = start_local("this machine", None).await.map_err(told)?;
    let mut problem = hello(&link).await.err();
    for (peer, name, package) in missing {
        if problem.is_some() {
            break;
        }
        let request = Request::PackageRoot {
            name: format!("root-{name}"),
            suite: suite.clone(),
            packages: vec![package.to_owned()],
        };
        match link.ask(request).await {
            Ok(Reply::Provisioned { path, .. }) => *peer = in_root(Path::new(&path), name),
            Ok(other) => problem = Some(format!("the agent answered {other:?}")),
            Err(error) => say(&format!("no package root with {name}: {error}")),
        }
    }
    let left = link.ask(Request::Goodbye).await.map_err(told);
    drop(link);
    Host::Local(host).wait().await;
    problem.map_or(left.map(|_| ()), Err)
}

async fn hello(link: &Link) -> Result<(), String> {
    let hello = Request::Hello {
        protocol: wire::PROTOCOL,
        run: format!("bench-load-{}", std::process::id()),
        owner: "timetrial bench load".to_owned(),
        ca_bundle: None,
        proxy: None,
    };
    link.ask(hello).await.map(|_| ()).map_err(|error| error.to_string())
}

fn in_root(root: &Path, name: &str) -> Option<Peer> {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/bin", "usr/sbin", "bin", "sbin"].map(|folder| root.join(folder).join(name));
    let libraries = ["usr/lib", "lib"].map(|folder| root.join(folder).join(&triplet));
    let path = folders.into_iter().find(|path| path.is_file())?;
    Some(Peer { path, libraries: libraries.into_iter().filter(|folder| folder.is_dir()).collect() })
}

fn suite() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"').to_owned())
}
