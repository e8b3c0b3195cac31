//! Locks on files: who holds one, as the file itself says, and how it is waited for. A lock dies with its agent.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::FlockArg;

use crate::agent::procfs;
use crate::agent::state::cannot;
use crate::wire::Failure;

/// How long a dying agent of an earlier run is waited for: it has its own 10 s to stop what it started.
const PATIENCE: Duration = Duration::from_secs(12);

/// A wait that is longer is told.
const SHORT: Duration = Duration::from_millis(500);

/// Asked again and again during a wait, now and then with something to tell: whether it shall go on.
pub type WhileBusy<'a> = &'a dyn Fn(Option<String>) -> bool;

/// Who holds a lock, as the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Who, since when, which run, in its own words.
    pub owner: String,
    /// By which it is named: eight hexadecimal digits.
    pub id: Option<String>,
    /// The agent's pid and its start, in clock ticks: together they name a process for good.
    pub process: Option<(u32, u64)>,
}

impl Holder {
    /// What a lock file says.
    pub fn parse(text: &str) -> Self {
        let mut holder = Self::default();
        let mut owner = Vec::new();
        for line in text.lines() {
            if let Some(id) = line.strip_prefix("id: ") {
                holder.id = Some(id.to_owned());
            } else if let Some((pid, ticks)) = line.strip_prefix("pid: ").and_then(|pair| pair.split_once(' ')) {
                holder.process = pid.parse().ok().zip(ticks.parse().ok());
            } else {
                owner.push(line);
            }
        }
        holder.owner = owner.join("\n").trim().to_owned();
        if holder.owner.is_empty() {
            "somebody who left no name".clone_into(&mut holder.owner);
        }
        holder
    }

    /// Reads what a lock file says.
    pub fn read(mut file: &File) -> Self {
        let mut text = String::new();
        let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
        Self::parse(&text)
    }
}

/// Takes a lock, waiting for an agent that is about to leave. One that is held already may be changed from shared to
/// alone and back.
pub fn take(file: &File, path: &Path, how: FlockArg, while_busy: WhileBusy<'_>) -> Result<(), Failure> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(()),
            Err(Errno::EWOULDBLOCK | Errno::EINTR) => {}
            Err(error) => return Err(cannot("lock", path, &error.into())),
        }
        if start.elapsed() > PATIENCE {
            return Err(busy(&Holder::read(file), path));
        }
        let tell = !told && start.elapsed() > SHORT;
        told |= tell;
        if !while_busy(tell.then(|| format!("for {} to leave this machine", Holder::read(file).owner))) {
            return Err(Failure::new("leaving", "the agent is leaving and starts nothing more"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether nobody holds the lock alone, looked at by sharing it for a moment.
pub fn is_free(file: &File) -> bool {
    let free = flock(file, FlockArg::LockSharedNonblock).is_ok();
    if free {
        let _ = flock(file, FlockArg::Unlock);
    }
    free
}

#[expect(deprecated, reason = "the guard of the newer form can neither be changed in place nor kept beside its file")]
fn flock(file: &File, how: FlockArg) -> nix::Result<()> {
    nix::fcntl::flock(file.as_raw_fd(), how)
}

/// Writes into a lock file who holds it.
pub fn sign(mut file: &File, path: &Path, owner: &str, id: &str) -> Result<(), Failure> {
    let pid = std::process::id();
    let ticks = procfs::stat(pid).map_or(0, |stat| stat.start_ticks);
    // One line for the owner, so that none of its words is taken for the id.
    let owner = owner.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = format!("{owner}\nid: {id}\npid: {pid} {ticks}\n");
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all());
    written.map_err(|error| cannot("write", path, &error))
}

fn busy(holder: &Holder, path: &Path) -> Failure {
    let named = holder.id.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default();
    let other = match &holder.id {
        Some(id) => format!("; or end it, which puts back what it tuned: timetrial unlock MACHINE --id {id}"),
        None => String::new(),
    };
    Failure::new("busy", format!("this machine is in use by {}{named}", holder.owner))
        .detail([format!("the lock is {}", path.display())])
        .hint(format!("wait for that campaign to end; two at a time would measure each other{other}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_lock_is_read_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let file = open();
        assert_eq!(Holder::read(&file).owner, "somebody who left no name");
        sign(&file, &path, "me@here, since 12:00\nid: feigned", "0badcafe").unwrap();
        let holder = Holder::read(&open());
        assert_eq!(
            (holder.owner.as_str(), holder.id.as_deref()),
            ("me@here, since 12:00 id: feigned", Some("0badcafe"))
        );
        let ticks = procfs::stat(std::process::id()).unwrap().start_ticks;
        assert_eq!(holder.process, Some((std::process::id(), ticks)));
        // As a build before this one wrote it.
        assert_eq!(Holder::parse("only me"), Holder { owner: "only me".to_owned(), ..Holder::default() });
    }

    #[test]
    fn a_lock_is_shared_or_held_alone_and_a_refusal_names_the_holder_and_the_way_out() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let (one, two) = (open(), open());
        let impatient = |_: Option<String>| false;
        take(&one, &path, FlockArg::LockSharedNonblock, &impatient).unwrap();
        take(&two, &path, FlockArg::LockSharedNonblock, &impatient).unwrap();
        assert_eq!(take(&one, &path, FlockArg::LockExclusiveNonblock, &impatient).unwrap_err().code, "leaving");
        drop(two);
        take(&one, &path, FlockArg::LockExclusiveNonblock, &impatient).unwrap();
        assert!(!is_free(&open()));
        sign(&one, &path, "me", "0badcafe").unwrap();
        let failure = busy(&Holder::read(&open()), &path);
        assert_eq!(failure.message, "this machine is in use by me (id 0badcafe)");
        assert!(failure.hint.unwrap().ends_with("timetrial unlock MACHINE --id 0badcafe"));
        drop(one);
        assert!(is_free(&open()));
    }
}
