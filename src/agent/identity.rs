//! Who daemons, generators and PostgreSQL run as: never root.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid};

use crate::agent::lookup;
use crate::agent::process::{PassOn, Processes, Start};
use crate::command::Exit;

/// A user to run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: Uid,
    /// Its group.
    pub gid: Gid,
    /// Its name, for people.
    pub name: String,
    /// Whether a started process has to change to it: only where the agent is root.
    pub change: bool,
}

/// The invoking user; for root the one behind sudo, else nobody. PostgreSQL refuses to run as root, and a daemon
/// under test has no business there.
pub fn choose() -> Identity {
    let own = Uid::effective();
    if !own.is_root() {
        return Identity { uid: own, gid: Gid::effective(), name: name_of(own), change: false };
    }
    let behind_sudo = number("SUDO_UID").zip(number("SUDO_GID")).filter(|(uid, _)| *uid != 0);
    let (uid, gid) = match behind_sudo {
        Some((uid, gid)) => (Uid::from_raw(uid), Gid::from_raw(gid)),
        None => nobody(),
    };
    Identity { uid, gid, name: name_of(uid), change: true }
}

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

fn nobody() -> (Uid, Gid) {
    const NOBODY: u32 = 65_534;
    match passwd_entry(|fields| fields.first() == Some(&"nobody")) {
        Some((uid, gid, _)) => (Uid::from_raw(uid), Gid::from_raw(gid)),
        None => (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)),
    }
}

/// A user's name, or its number where it has none in `/etc/passwd`.
pub fn name_of(uid: Uid) -> String {
    entry_of(uid).map_or_else(|| uid.to_string(), |(_, _, name)| name)
}

fn entry_of(uid: Uid) -> Option<(u32, u32, String)> {
    let text = uid.to_string();
    passwd_entry(|fields| fields.get(2) == Some(&text.as_str()))
}

/// What `getent` ends with where nobody has what it was asked for.
const NOBODY_HAS_IT: Exit = Exit::Code { code: 2 };

/// Users of a directory in the network are asked for over that.
const NAME_LIMIT: Duration = Duration::from_secs(10);

/// Whether nothing on this machine has a name for this user, as in a container that is started with any number. One who
/// is not in `/etc/passwd` may come from elsewhere (LDAP, systemd): the machine's own `getent` knows, and where there is
/// none, nobody does.
pub fn is_nameless(identity: &Identity, processes: &Processes) -> bool {
    if entry_of(identity.uid).is_some() {
        return false;
    }
    let Some(program) = lookup("getent") else { return false };
    let start = Start {
        label: "getent".to_owned(),
        program,
        arguments: vec!["passwd".into(), identity.uid.to_string().into()],
        environment: std::collections::BTreeMap::new(),
        directory: PathBuf::from("/"),
        identity: None,
        death_signal: Signal::SIGKILL,
        input: Vec::new(),
        pass_on: PassOn::Nothing,
    };
    processes.run(start, NAME_LIMIT).is_ok_and(|output| output.exit == NOBODY_HAS_IT)
}

/// User and group of a name.
pub fn ids_of(name: &str) -> Option<(u32, u32)> {
    passwd_entry(|fields| fields.first() == Some(&name)).map(|(uid, gid, _)| (uid, gid))
}

/// Looks in `/etc/passwd` itself: a static binary should not load the machine's name service modules.
fn passwd_entry(wanted: impl Fn(&[&str]) -> bool) -> Option<(u32, u32, String)> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        wanted(&fields).then(|| {
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?, (*fields.first()?).to_owned()))
        })?
    })
}

/// The home directory of the agent's own user.
pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(Into::into)
}
