//! The `exec` shim: a moment of our own binary between the agent and the program it starts. It makes a session,
//! takes the right user, asks to die with the agent, and becomes the program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid};

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

/// Becomes the program; returns only when that failed.
pub fn run(shim: Shim) -> io::Error {
    match prepare(&shim) {
        Err(error) => error,
        Ok(()) => become_program(&shim),
    }
}

fn prepare(shim: &Shim) -> io::Result<()> {
    nix::unistd::setsid()?;
    // The agent waits for its signals with a mask; a mask is inherited, and a daemon must hear TERM.
    SigSet::all().thread_unblock()?;
    if let (Some(uid), Some(gid)) = (shim.uid, shim.gid) {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        nix::unistd::setgroups(&[gid])?;
        nix::unistd::setresgid(gid, gid, gid)?;
        nix::unistd::setresuid(uid, uid, uid)?;
    }
    // After the change of user: that would have cleared it.
    if let Some(signal) = shim.death_signal {
        nix::sys::prctl::set_pdeathsig(Signal::try_from(signal)?)?;
    }
    // The agent may have died before the kernel knew what to do then.
    if nix::unistd::getppid().as_raw() != shim.parent {
        return Err(io::Error::other("the agent is gone"));
    }
    match &shim.directory {
        Some(directory) => std::env::set_current_dir(directory),
        None => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the shim's one job is to become another program")]
fn become_program(shim: &Shim) -> io::Error {
    let Some((program, arguments)) = shim.command.split_first() else {
        return io::Error::other("no program");
    };
    std::process::Command::new(program).args(arguments).exec()
}
