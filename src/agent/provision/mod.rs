//! What is put into the cache, in place of installing it: package roots and virtual environments. What is there is
//! found by what was asked, without the network; what it holds is named by its contents.

mod apt;
mod build_root;
mod cache;
mod sources;
mod unpack;
mod venv;

pub use cache::{find, size};
pub use venv::{VenvRequest, venv};

use crate::agent::lock;
use crate::agent::surroundings::Agent;
use crate::wire::{Failure, Notice, Reply};

/// What a package root is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Programs run from it, with the machine's own C library.
    Running,
    /// Something is built with it: its programs run with the machine's C library, and link what they make to its own.
    Building,
}

/// Has Debian packages in the cache, unpacked, with all that they need.
pub fn package_root(
    agent: &Agent,
    name: &str,
    suite: &str,
    packages: &[String],
    purpose: Purpose,
) -> Result<Reply, Failure> {
    let state = &agent.state()?.directory;
    let kind = match purpose {
        Purpose::Running => "package-root",
        Purpose::Building => "build-root",
    };
    let request =
        cache::request_digest(&[&[kind, apt::RULES, suite, std::env::consts::ARCH], &*sorted(packages)].concat());
    if let Some(manifest) = cache::reuse(state, &request) {
        return Ok(manifest.reply(true));
    }
    let resolved = apt::Apt::new(agent, name, suite)?.resolve(packages, purpose)?;
    let manifest = unpack::unpack(agent, name, suite, &resolved, purpose)?;
    cache::remember(state, &request, &manifest)?;
    Ok(manifest.reply(false))
}

fn sorted(packages: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = packages.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Tells how far a provision is.
fn progress(agent: &Agent, name: &str, line: impl Into<String>) {
    // A closed channel means that the agent is leaving: nobody is left to tell.
    let _ = lock(&agent.notices).send(Notice::Progress { name: name.to_owned(), line: line.into() });
}
