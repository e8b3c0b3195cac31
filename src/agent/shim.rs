//! The `exec` shim: a moment of our own binary between the agent and the program it starts. It makes a session,
//! takes the right user, asks to die with the agent, and becomes the program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid};

use crate::agent::tuning::nofile;

/// What runs here: by the kernel's own link it is found also by a user who may not walk to where it lies, and also where
/// the file was replaced meanwhile.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// What the shim does before it becomes the program.
#[derive(Debug, Clone, clap::Args)]
pub struct Shim {
    /// Sent by the kernel when the agent dies
    #[arg(long)]
    pub death_signal: Option<i32>,
    /// The user to become
    #[arg(long, requires = "gid")]
    pub uid: Option<u32>,
    /// The group to become
    #[arg(long)]
    pub gid: Option<u32>,
    /// The limit of open files, as far as it can be had
    #[arg(long)]
    pub nofile: Option<u64>,
    /// The current directory
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// The agent's pid: if it is no longer the parent, the agent died meanwhile
    #[arg(long)]
    pub parent: i32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// The step that failed on the way to the program.
#[derive(Debug, thiserror::Error)]
#[error("can't {step}")]
pub struct ShimError {
    step: String,
    source: io::Error,
}

/// Becomes the program; returns only when that failed.
pub fn run(shim: Shim) -> ShimError {
    match prepare(&shim) {
        Err(error) => error,
        Ok(()) => become_program(&shim),
    }
}

fn cannot<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> ShimError {
    |error| ShimError { step: step.into(), source: error.into() }
}

fn prepare(shim: &Shim) -> Result<(), ShimError> {
    nix::unistd::setsid().map_err(cannot("make a session"))?;
    // The agent waits for its signals with a mask; a mask is inherited, and a daemon must hear TERM.
    SigSet::all().thread_unblock().map_err(cannot("let signals through"))?;
    // Before the change of user: only root may raise it.
    if let Some(files) = shim.nofile {
        nofile::set(files).map_err(cannot(format!("have {files} files open")))?;
    }
    if let (Some(uid), Some(gid)) = (shim.uid, shim.gid) {
        become_user(Uid::from_raw(uid), Gid::from_raw(gid)).map_err(cannot(format!("become user {uid}")))?;
    }
    // After the change of user: that would have cleared it.
    if let Some(signal) = shim.death_signal {
        let set = Signal::try_from(signal).and_then(nix::sys::prctl::set_pdeathsig);
        set.map_err(cannot("ask for a signal at the agent's end"))?;
    }
    // The agent may have died before the kernel knew what to do then.
    if nix::unistd::getppid().as_raw() != shim.parent {
        return Err(cannot("start anything more")(io::Error::other("the agent is gone")));
    }
    match &shim.directory {
        Some(directory) => std::env::set_current_dir(directory)
            .map_err(cannot(format!("change to the directory {}", directory.display()))),
        None => Ok(()),
    }
}

fn become_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    nix::unistd::setgroups(&[gid])?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)
}

#[expect(clippy::disallowed_methods, reason = "the shim's one job is to become another program")]
fn become_program(shim: &Shim) -> ShimError {
    let Some((program, arguments)) = shim.command.split_first() else {
        return cannot("run anything")(io::Error::other("no program"));
    };
    let mut command = std::process::Command::new(program);
    if program == OWN_PROGRAM {
        // The kernel's link is how it is found, and no name to show in a list of processes.
        command.arg0("timetrial");
    }
    let error = command.args(arguments).exec();
    cannot(format!("run {}", program.to_string_lossy()))(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_step_that_failed() {
        let from_os = cannot::<nix::errno::Errno>("become user 7")(nix::errno::Errno::EPERM);
        assert_eq!(from_os.to_string(), "can't become user 7");
        let shim = Shim {
            death_signal: None,
            uid: None,
            gid: None,
            nofile: None,
            directory: None,
            parent: 0,
            command: vec!["/not/there".into(), "argument".into()],
        };
        let error = become_program(&shim);
        assert_eq!(
            (error.to_string().as_str(), error.source.kind()),
            ("can't run /not/there", io::ErrorKind::NotFound)
        );
    }
}
