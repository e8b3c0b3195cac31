//! Where the agent keeps things: a cache that stays, a work directory that goes, and the lock that makes it alone.
//!
//! ```text
//! <state>/lock             held by the living agent; says who and since when
//! <state>/roots/<digest>/  package roots    <state>/venvs/<digest>/  virtual environments
//! <state>/apt/             apt's private state
//! <state>/w/<8 hex>/       work of one run: removed at its end, or at the next contact
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agent::identity::{Identity, home};
use crate::agent::process::MARK;
use crate::agent::procfs;
use crate::agent::stop::signal;
use crate::wire::Failure;

/// The agent's directories, locked.
#[derive(Debug)]
pub struct State {
    /// The whole.
    pub directory: PathBuf,
    /// This run's work.
    pub work: PathBuf,
    /// What a dead agent had left and was removed.
    pub swept: Vec<String>,
    lock: File,
}

/// The place that is used where the inventory names none.
pub fn default_directory(is_root: bool) -> Result<PathBuf, Failure> {
    if is_root {
        // Not under /root: daemons run as another user and must be able to read their programs.
        return Ok(PathBuf::from("/var/cache/timetrial"));
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| home().map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("timetrial")).ok_or_else(|| {
        Failure::new("no-state-dir", "neither XDG_CACHE_HOME nor HOME is set, so there is no place for the cache")
            .hint("set one of them, or `state_dir` of this machine in hosts.toml")
    })
}

/// PostgreSQL's socket lives in the work directory, and a socket's path has room for 107 bytes.
const LONGEST_WORK: usize = 107 - "/s/.s.PGSQL.65535".len();

/// How long a dying agent of an earlier run is waited for: it has its own 10 s to stop what it started.
const PATIENCE: Duration = Duration::from_secs(12);

/// A wait that is longer is told.
const SHORT: Duration = Duration::from_millis(500);

impl State {
    /// Makes and locks the directories, and sweeps what dead agents left: `kill` ends the processes of a work directory
    /// and tells them. While it waits for another agent to leave it asks `while_busy`, now and then with something to
    /// tell, whether it shall go on.
    pub fn open(
        directory: &Path,
        run: &str,
        owner: &str,
        identity: &Identity,
        while_busy: &dyn Fn(Option<String>) -> bool,
        kill: &dyn Fn(&Path) -> Vec<String>,
    ) -> Result<Self, Failure> {
        make(directory, 0o755)?;
        let lock = lock_alone(directory, owner, while_busy)?;
        let swept = sweep(directory, kill);
        let work = directory.join("w").join(work_name(run));
        if work.as_os_str().len() > LONGEST_WORK {
            return Err(Failure::new(
                "state-dir-too-long",
                format!("the path of the state directory is too long for a socket in it: {}", directory.display()),
            )
            .hint(format!("choose a `state_dir` of at most {} characters", LONGEST_WORK - "/w/12345678".len())));
        }
        make(&directory.join("w"), 0o755)?;
        make(&work, 0o755)?;
        for private in ["home", "tmp", "db", "s"] {
            let path = work.join(private);
            make(&path, 0o700)?;
            if identity.change {
                chown(&path, Some(identity.uid.as_raw()), Some(identity.gid.as_raw()))
                    .map_err(|error| cannot("give away", &path, &error))?;
            }
        }
        Ok(Self { directory: directory.to_owned(), work, swept, lock })
    }

    /// The mark of this run's processes, as it stands in their environment.
    pub fn mark(&self) -> String {
        format!("{MARK}={}", self.work.display())
    }

    /// Removes the work directory; whether nothing of it is left.
    pub fn close(&self) -> bool {
        // A request that was under way may still write there: it fails soon, for its processes are gone.
        for _ in 0..40 {
            if fs::remove_dir_all(&self.work).is_ok() || !self.work.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.lock.set_len(0);
        !self.work.exists()
    }
}

/// Eight hexadecimal digits that stand for a run: short, because of the socket.
fn work_name(run: &str) -> String {
    crate::wire::digest::sha256(run.as_bytes())[..8].to_owned()
}

/// Makes a directory and its parents; one that is there is taken as it is.
pub fn make(path: &Path, mode: u32) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|error| cannot("make", path, &error))
}

/// What could not be done to which path, and why.
pub fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::new("file", format!("can't {what} {}: {error}", path.display()));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied
        | std::io::ErrorKind::ReadOnlyFilesystem
        | std::io::ErrorKind::NotADirectory => failure.hint(
            "choose a place that this user may write: `state_dir` of this machine in hosts.toml, or XDG_CACHE_HOME",
        ),
        std::io::ErrorKind::StorageFull => failure.hint("free some space there, or choose another `state_dir`"),
        _ => failure,
    }
}

fn lock_alone(directory: &Path, owner: &str, while_busy: &dyn Fn(Option<String>) -> bool) -> Result<File, Failure> {
    let path = directory.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| cannot("open", &path, &error))?;
    let start = Instant::now();
    let mut told = false;
    while file.try_lock().is_err() {
        if start.elapsed() > PATIENCE {
            return Err(busy(&mut file, &path));
        }
        let tell = !told && start.elapsed() > SHORT;
        told |= tell;
        if !while_busy(tell.then(|| format!("for {} to leave this machine", holder(&mut file)))) {
            return Err(Failure::new("leaving", "the agent is leaving and starts nothing more"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(owner.as_bytes()))
        .and_then(|()| file.sync_all());
    written.map_err(|error| cannot("write", &path, &error))?;
    Ok(file)
}

fn busy(file: &mut File, path: &Path) -> Failure {
    Failure::new("busy", format!("this machine is in use by {}", holder(file)))
        .detail([format!("the lock is {}", path.display())])
        .hint("wait for that campaign to end; two at a time would measure each other")
}

/// Who holds the lock, as it says itself.
fn holder(file: &mut File) -> String {
    let mut owner = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut owner));
    if owner.is_empty() { "somebody who left no name".to_owned() } else { owner }
}

/// Removes what agents that died without cleaning up have left: their marked processes, and their work.
fn sweep(directory: &Path, kill: &dyn Fn(&Path) -> Vec<String>) -> Vec<String> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(directory.join("w")).into_iter().flatten().flatten() {
        let work = entry.path();
        swept.extend(kill(&work));
        if fs::remove_dir_all(&work).is_ok() {
            swept.push(work.display().to_string());
        }
    }
    swept
}

/// Kills what bears the mark of a work directory, as far as this user may see it; what that was.
pub fn kill_marked(work: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", work.display());
    let mut killed: Vec<(u32, String)> = Vec::new();
    // Each pass finds those that were being started during the one before.
    for _ in 0..100 {
        // A daemon may overwrite its environment to show a title, and is then known by where it works. Somebody's shell
        // that looks around there has a terminal, and is left alone.
        let marked = |process: &procfs::Stat| {
            procfs::has_mark(process.pid, &mark) || (!process.has_terminal && procfs::works_under(process.pid, work))
        };
        let found: Vec<_> =
            procfs::all().into_iter().filter(|process| process.state != 'Z' && marked(process)).collect();
        if found.is_empty() {
            break;
        }
        for process in found {
            if !killed.iter().any(|(pid, _)| *pid == process.pid) {
                killed.push((process.pid, procfs::command_line(process.pid)));
            }
            signal(process.pid, nix::sys::signal::Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    killed.into_iter().map(|(pid, command)| format!("process {pid}, `{command}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::identity::choose;

    fn myself() -> Identity {
        Identity { change: false, ..choose() }
    }

    #[test]
    fn what_a_dead_agent_left_is_swept_and_the_cache_stays() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("w/0badf00d/db")).unwrap();
        fs::create_dir_all(place.path().join("roots/abc")).unwrap();
        let state = State::open(place.path(), "run", "me", &myself(), &|_| true, &kill_marked).unwrap();
        assert_eq!(state.swept, [place.path().join("w/0badf00d").display().to_string()]);
        assert!(place.path().join("roots/abc").exists() && state.work.join("home").exists());
        assert!(state.close() && !state.work.exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_the_reason() {
        let place = tempfile::tempdir().unwrap();
        let long = place.path().join("x".repeat(90));
        let failure = State::open(&long, "run", "me", &myself(), &|_| true, &kill_marked).unwrap_err();
        assert_eq!(failure.code, "state-dir-too-long");
    }
}
