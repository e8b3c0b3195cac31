//! Locks on files: who holds one, as the file itself says, and how it is waited for. A lock dies with its agent.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::FlockArg;

use crate::agent::state::cannot;
use crate::agent::{identity, procfs};
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
        holder
    }

    /// Reads what a lock file says.
    pub fn read(mut file: &File) -> Self {
        let mut text = String::new();
        let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
        Self::parse(&text)
    }
}

/// Who holds a lock: as the kernel tells it, and as the file says, where that is of who holds it. Its text may be left of
/// somebody who was killed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Who signed it.
    pub holder: Option<Holder>,
    /// The processes, as far as this one can see them.
    pub processes: Vec<u32>,
}

impl Found {
    /// Looks.
    pub fn of(file: &File) -> Self {
        Self::told(Holder::read(file), holders(file))
    }

    fn told(text: Holder, mut processes: Vec<u32>) -> Self {
        let is_alive = |(pid, ticks): (u32, u64)| procfs::stat(pid).is_some_and(|stat| stat.start_ticks == ticks);
        let is_theirs = text.process.is_some_and(|process| processes.contains(&process.0) && is_alive(process));
        // From within a container the holder may not be seen; then nobody knows better than the text.
        let counts = is_theirs || processes.is_empty() && !text.owner.is_empty();
        let own = std::process::id();
        if processes.iter().any(|pid| *pid != own) {
            processes.retain(|pid| *pid != own);
        }
        Self { holder: counts.then_some(text), processes }
    }

    /// The id by which the holder can be ended.
    pub fn id(&self) -> Option<&str> {
        self.holder.as_ref()?.id.as_deref()
    }

    /// Who, in words.
    pub fn words(&self) -> String {
        match (&self.holder, self.processes.as_slice()) {
            (Some(holder), _) if !holder.owner.is_empty() => holder.owner.clone(),
            (_, []) => "somebody who can't be seen from here".to_owned(),
            (_, [one]) => process_in_words(*one),
            (_, [one, more @ ..]) => format!("{}, and {} more", process_in_words(*one), more.len()),
        }
    }
}

/// A process for people: its pid, whose it is, and what it was started as.
pub fn process_in_words(pid: u32) -> String {
    use std::os::unix::fs::MetadataExt;
    let user = std::fs::metadata(format!("/proc/{pid}"))
        .map_or_else(|_| "a user that can't be seen".to_owned(), |found| identity::name_of(found.uid().into()));
    format!("process {pid} of {user}, `{}`", procfs::command_line(pid))
}

/// Where the kernel tells all locks.
const LOCKS: &str = "/proc/locks";

/// A lock of a whole file, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    pid: u32,
    alone: bool,
    device: (u64, u64),
    inode: u64,
}

/// `1: FLOCK  ADVISORY  WRITE 21494 fe:00:5540074 0 EOF`; one that only waits has an arrow behind its number.
fn told(line: &str) -> Option<Told> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "FLOCK", _, how, pid, place, ..] = fields.as_slice() else { return None };
    let mut place = place.split(':');
    let mut hexadecimal = || u64::from_str_radix(place.next()?, 16).ok();
    let device = (hexadecimal()?, hexadecimal()?);
    Some(Told { pid: pid.parse().ok()?, alone: *how == "WRITE", device, inode: place.next()?.parse().ok()? })
}

fn all_locks() -> Vec<Told> {
    std::fs::read_to_string(LOCKS).unwrap_or_default().lines().filter_map(told).collect()
}

/// The locks on one file. Some file systems tell programs another device than the kernel tells here; then the inode
/// has to do.
fn on_file<'a>(locks: &'a [Told], file: &File) -> Vec<&'a Told> {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = file.metadata() else { return Vec::new() };
    let device = (nix::sys::stat::major(found.dev()), nix::sys::stat::minor(found.dev()));
    let same: Vec<&Told> = locks.iter().filter(|lock| lock.inode == found.ino()).collect();
    let exact: Vec<&Told> = same.iter().copied().filter(|lock| lock.device == device).collect();
    if exact.is_empty() { same } else { exact }
}

/// The processes that hold a lock on a file, shared or alone.
pub fn holders(file: &File) -> Vec<u32> {
    let mut processes: Vec<u32> = on_file(&all_locks(), file).into_iter().map(|lock| lock.pid).collect();
    processes.dedup();
    processes
}

/// Agents of this product that are at work among the same files and have no share of this lock: those that came while
/// there was none. An agent at work holds its state directory's lock.
pub fn outside(file: &File) -> Vec<u32> {
    let locks = all_locks();
    let inside: Vec<u32> = on_file(&locks, file).into_iter().map(|lock| lock.pid).collect();
    let own = std::process::id();
    let root = root_of("self");
    let is_outside =
        |pid: u32| pid != own && !inside.contains(&pid) && is_agent(pid) && root_of(&pid.to_string()) == root;
    let mut found: Vec<u32> =
        locks.iter().filter(|lock| lock.alone).map(|lock| lock.pid).filter(|pid| is_outside(*pid)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn root_of(process: &str) -> Option<String> {
    procfs::root_mount(&std::fs::read_to_string(format!("/proc/{process}/mountinfo")).ok()?)
}

/// Whether a process was started as our agent: over ssh by our name, here as the controller itself.
fn is_agent(pid: u32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next().unwrap_or_default();
    let is_ours =
        program == "/proc/self/exe" || Path::new(program.as_ref()).file_name().is_some_and(|name| name == "timetrial");
    is_ours && words.next().is_some_and(|word| word == "agent")
}

/// Waits, as for a lock that is held alone already, for agents that have no share of it.
pub fn await_outside(file: &File, path: &Path, while_busy: WhileBusy<'_>) -> Result<(), Failure> {
    let start = Instant::now();
    let mut told = false;
    loop {
        let found = Found { holder: None, processes: outside(file) };
        if found.processes.is_empty() {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(busy(&found, path));
        }
        let tell = !told && start.elapsed() > SHORT;
        told |= tell;
        if !while_busy(tell.then(|| format!("for {} to leave this machine", found.words()))) {
            return Err(Failure::new("leaving", "the agent is leaving and starts nothing more"));
        }
        std::thread::sleep(Duration::from_millis(50));
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
            return Err(busy(&Found::of(file), path));
        }
        let tell = !told && start.elapsed() > SHORT;
        told |= tell;
        if !while_busy(tell.then(|| format!("for {} to leave this machine", Found::of(file).words()))) {
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

fn busy(found: &Found, path: &Path) -> Failure {
    let named = found.id().map(|id| format!(" (id {id})")).unwrap_or_default();
    let hint = match (found.id(), found.processes.as_slice()) {
        (Some(id), _) => format!(
            "wait for that campaign to end; two at a time would measure each other; or end it, which puts back what it \
             tuned: timetrial unlock MACHINE --id {id}"
        ),
        (None, [.., other]) if !is_agent(*other) => {
            "no campaign holds that lock: look what that process is, and end it if it should not be there".to_owned()
        }
        _ => "wait for that campaign to end; two at a time would measure each other".to_owned(),
    };
    let others = found.processes.iter().filter(|_| found.holder.is_none() && found.processes.len() > 1);
    Failure::new("busy", format!("this machine is in use by {}{named}", found.words()))
        .detail([format!("the lock is {}", path.display())])
        .detail(others.map(|pid| process_in_words(*pid)))
        .hint(hint)
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
        assert_eq!(Holder::read(&file), Holder::default());
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
        let failure = busy(&Found::of(&open()), &path);
        assert_eq!(failure.message, "this machine is in use by me (id 0badcafe)");
        assert!(failure.hint.unwrap().ends_with("timetrial unlock MACHINE --id 0badcafe"));
        // What another one wrote who is gone counts no longer: who holds it is told by the kernel.
        std::fs::write(&path, "you\nid: 0badcafe\npid: 1 7\n").unwrap();
        let own = std::process::id();
        let failure = busy(&Found::of(&open()), &path);
        assert!(failure.message.starts_with(&format!("this machine is in use by process {own} of ")), "{failure:?}");
        assert!(!failure.message.contains("you") && !failure.hint.unwrap().contains("0badcafe"));
        drop(one);
        assert!(is_free(&open()));
        assert_eq!(holders(&open()), Vec::<u32>::new());
    }

    #[test]
    fn locks_are_read_as_the_kernel_tells_them() {
        let lock = Told { pid: 21_494, alone: true, device: (254, 0), inode: 5_540_074 };
        assert_eq!(told("1: FLOCK  ADVISORY  WRITE 21494 fe:00:5540074 0 EOF"), Some(lock.clone()));
        let shared = Told { alone: false, ..lock };
        assert_eq!(told("10: FLOCK  ADVISORY  READ 21494 fe:00:5540074 0 EOF"), Some(shared));
        for other in ["1: -> FLOCK  ADVISORY  WRITE 7 fe:00:1 0 EOF", "1: POSIX  ADVISORY  WRITE 7 fe:00:1 0 EOF", ""] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn a_text_counts_where_it_is_of_who_holds_the_lock_or_nobody_can_be_seen() {
        let own = std::process::id();
        let ticks = procfs::stat(own).unwrap().start_ticks;
        let text = |process| Holder { owner: "me".to_owned(), id: Some("0badcafe".to_owned()), process };
        let words = |process, processes: &[u32]| Found::told(text(process), processes.to_vec()).words();
        assert_eq!(words(Some((own, ticks)), &[own]), "me");
        assert!(words(Some((own, ticks + 1)), &[own]).starts_with(&format!("process {own} of ")));
        assert!(words(Some((own, ticks)), &[1]).starts_with("process 1 of "));
        assert_eq!(words(Some((own, ticks)), &[]), "me");
        assert_eq!(Found::told(Holder::default(), Vec::new()).words(), "somebody who can't be seen from here");
        assert!(words(None, &[1, own, 1]).ends_with(", and 1 more"));
    }
}
