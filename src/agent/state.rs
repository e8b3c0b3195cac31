//! Where the agent keeps things: a cache that stays, a work directory that goes, and the lock that makes it alone.
//!
//! ```text
//! <state>/lock             held by the living agent; says who and since when, by which id, and its pid
//! <state>/bin/<SHA-256>/   our program, behind ssh
//! <state>/roots/<digest>/  package roots    <state>/venvs/<digest>/  virtual environments
//! <state>/apt/             apt's private state
//! <state>/.timetrial-state says that all this is ours
//! <state>/w/<8 hex>/       work of one run: removed at its end, or at the next contact
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::FlockArg;

use crate::agent::identity::{Identity, home};
use crate::agent::locks::{self, WhileBusy};
use crate::agent::own;
use crate::agent::process::MARK;
use crate::agent::work;
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

impl State {
    /// Makes and locks the directories, and sweeps what dead agents left: `kill` ends the processes of a work directory
    /// and tells them. While it waits for another agent to leave it asks `while_busy`, now and then with something to
    /// tell, whether it shall go on.
    pub fn open(
        directory: &Path,
        run: &str,
        owner: &str,
        identity: &Identity,
        while_busy: WhileBusy<'_>,
        kill: &dyn Fn(&Path) -> Vec<String>,
    ) -> Result<Self, Failure> {
        let work = directory.join("w").join(work::name(run));
        if work.as_os_str().len() > LONGEST_WORK {
            return Err(Failure::new(
                "state-dir-too-long",
                format!("the path of the state directory is too long for a socket in it: {}", directory.display()),
            )
            .hint(format!("choose a `state_dir` of at most {} characters", LONGEST_WORK - "/w/12345678".len())));
        }
        reachable(directory, identity)?;
        take(directory)?;
        let lock = lock_alone(directory, run, owner, while_busy)?;
        let swept = Self::fill(directory, &work, run, identity, kill).inspect_err(|_| drop(lock.set_len(0)))?;
        Ok(Self { directory: directory.to_owned(), work, swept, lock })
    }

    /// Sweeps, and makes the work directory.
    fn fill(
        directory: &Path,
        work: &Path,
        run: &str,
        identity: &Identity,
        kill: &dyn Fn(&Path) -> Vec<String>,
    ) -> Result<Vec<String>, Failure> {
        make(&directory.join("w"), 0o755)?;
        let swept = work::sweep(&directory.join("w"), kill);
        work::make(work, run)?;
        for private in ["home", "tmp", "db", "s"] {
            let path = work.join(private);
            work::make_new(&path, 0o700)?;
            if identity.change {
                chown(&path, Some(identity.uid.as_raw()), Some(identity.gid.as_raw()))
                    .map_err(|error| cannot("give away", &path, &error))?;
            }
        }
        Ok(swept)
    }

    /// The mark of this run's processes, as it stands in their environment.
    pub fn mark(&self) -> String {
        format!("{MARK}={}", self.work.display())
    }

    /// Removes the work directory; whether nothing of it is left.
    pub fn close(&self) -> bool {
        // A request that was under way may still write there: it fails soon, for its processes are gone.
        for _ in 0..40 {
            if work::remove(&self.work).is_ok() || !self.work.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.lock.set_len(0);
        !self.work.exists()
    }
}

/// Makes a directory and its parents; one that is there is taken as it is, and keeps its permissions.
pub fn make(path: &Path, mode: u32) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
        make(parent, 0o755)?;
    }
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        // Somebody was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| cannot("make", path, &error))
}

/// Whether who daemons run as can enter the directory and what is known to be in it: root can enter any, and its
/// daemons would fail one by one after everything was downloaded. What is not there yet will be made open.
fn reachable(directory: &Path, identity: &Identity) -> Result<(), Failure> {
    if !identity.change {
        return Ok(());
    }
    let existing = directory.ancestors().find_map(|path| fs::canonicalize(path).ok()).unwrap_or_default();
    let mut steps: Vec<PathBuf> = existing.ancestors().map(Path::to_owned).collect();
    steps.reverse();
    steps.extend(["w", "roots", "venvs"].map(|name| directory.join(name)));
    // A file in the way is not a closed directory: making the next one under it says so.
    let is_closed =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_dir() && !may_enter(&found, identity));
    let Some(closed) = steps.into_iter().find(is_closed) else { return Ok(()) };
    let Identity { name, .. } = identity;
    Err(Failure::new(
        "state-dir-unreachable",
        format!("daemons run as {name}, who can't enter {}, where {} is", closed.display(), directory.display()),
    )
    .hint(format!("choose a `state_dir` in hosts.toml that {name} can reach, or open that directory: chmod a+x")))
}

/// What the permission bits say of a directory.
fn may_enter(directory: &fs::Metadata, identity: &Identity) -> bool {
    let bit = if directory.uid() == identity.uid.as_raw() {
        0o100
    } else if directory.gid() == identity.gid.as_raw() {
        0o010
    } else {
        0o001
    };
    directory.mode() & bit != 0
}

/// The file by which a state directory is known as ours.
const MARKER: &str = ".timetrial-state";

/// All that stands in a state directory; those of earlier builds have no marker.
const ENTRIES: [&str; 8] = ["lock", "bin", "requests", "roots", "venvs", "apt", "w", MARKER];

/// Takes a directory only if it is empty or ours: what is in it is locked, filled and swept.
fn take(directory: &Path) -> Result<(), Failure> {
    // Nothing is made where somebody else could move it away, and what somebody else made in the meantime is not ours.
    own::check(directory)?;
    make(directory, 0o755)?;
    own::check(directory)?;
    let entries = fs::read_dir(directory).map_err(|error| cannot("read", directory, &error))?;
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    let stranger = names.iter().find(|found| !ENTRIES.iter().any(|name| found == name));
    let marker = directory.join(MARKER);
    if own::is_there(&marker)? {
        return Ok(());
    }
    // Where the work lies on a volume of its own, the engine made the place that it is seen at, and nothing else.
    let is_mounted = names.iter().all(|name| name == "w") && is_empty(&directory.join("w"));
    if !is_mounted && (!has("lock") || stranger.is_some()) {
        let found = stranger.or(names.first()).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let own = directory.join("timetrial");
        return Err(Failure::new(
            "state-dir-not-ours",
            format!("{} is not a state directory of timetrial: it holds `{found}`", directory.display()),
        )
        .hint(format!("name an own, empty folder as `state_dir` in hosts.toml, such as {}", own.display())));
    }
    let written = own::open(&marker)?.write_all(b"the cache and the work of timetrial\n");
    written.map_err(|error| cannot("write", &marker, &error))
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
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

fn lock_alone(directory: &Path, run: &str, owner: &str, while_busy: WhileBusy<'_>) -> Result<File, Failure> {
    let path = directory.join("lock");
    let file = own::open(&path)?;
    locks::take(&file, &path, FlockArg::LockExclusiveNonblock, while_busy)?;
    locks::sign(&file, &path, owner, &work::name(run))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::identity::choose;

    fn myself() -> Identity {
        Identity { change: false, ..choose() }
    }

    fn open(place: &Path, run: &str) -> Result<State, Failure> {
        State::open(place, run, "me", &myself(), &|_| true, &work::kill_marked)
    }

    #[test]
    fn what_a_dead_agent_left_is_swept_and_the_cache_stays() {
        let place = tempfile::tempdir().unwrap();
        let dead = open(place.path(), "dead").unwrap();
        let left = dead.work.display().to_string();
        drop(dead);
        fs::create_dir_all(place.path().join("roots/abc")).unwrap();
        fs::create_dir_all(place.path().join("w/precious")).unwrap();
        let state = open(place.path(), "run").unwrap();
        assert_eq!(state.swept, [left]);
        assert!(place.path().join("roots/abc").exists() && state.work.join("home").exists());
        assert!(state.close() && !state.work.exists());
        assert!(place.path().join("w/precious").exists());
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_and_not_changed() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o2755)).unwrap();
        for (name, lock) in [("w/precious", None), ("pool", Some("lock"))] {
            fs::create_dir_all(place.path().join(name)).unwrap();
            if let Some(lock) = lock {
                fs::write(place.path().join(lock), "mine").unwrap();
            }
            assert_eq!(open(place.path(), "run").unwrap_err().code, "state-dir-not-ours", "{name}");
        }
        assert_eq!(fs::read_to_string(place.path().join("lock")).unwrap(), "mine");
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o7777, 0o2755);
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
    fn a_directory_that_the_daemons_user_can_not_enter_is_named_before_anything_is_made() {
        let identity = choose();
        if !identity.change {
            return eprintln!("not run: only root runs daemons as somebody else");
        }
        let place = tempfile::tempdir().unwrap();
        let at = |state: &Path| State::open(state, "run", "me", &identity, &|_| true, &work::kill_marked);
        let state = place.path().join("open/state");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(place.path(), 0o700);
        let failure = at(&state).unwrap_err();
        assert_eq!(failure.code, "state-dir-unreachable");
        let closed = format!("can't enter {}, where {} is", place.path().display(), state.display());
        assert!(failure.message.contains(&closed), "{}", failure.message);
        assert!(!place.path().join("open").exists());
        mode(place.path(), 0o711);
        assert!(at(&state).unwrap().close());
        mode(&state.join("w"), 0o700);
        assert_eq!(at(&state).unwrap_err().code, "state-dir-unreachable");
        chown(state.join("w"), Some(identity.uid.as_raw()), None).unwrap();
        assert!(at(&state).unwrap().close());
    }

    #[test]
    fn an_empty_directory_and_a_cache_of_an_earlier_build_are_taken_as_they_are() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o2750)).unwrap();
        assert!(open(place.path(), "one").unwrap().close());
        fs::remove_file(place.path().join(MARKER)).unwrap();
        fs::create_dir(place.path().join("venvs")).unwrap();
        assert!(open(place.path(), "two").unwrap().close());
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o7777, 0o2750);
    }

    #[test]
    fn a_lock_or_a_marker_that_is_a_link_is_refused_and_what_is_behind_it_not_changed() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state");
        let thesis = place.path().join("thesis.txt");
        fs::write(&thesis, "years").unwrap();
        for name in ["lock", MARKER] {
            assert!(open(&state, "one").unwrap().close());
            fs::remove_file(state.join(name)).unwrap();
            std::os::unix::fs::symlink(&thesis, state.join(name)).unwrap();
            let failure = open(&state, "two").unwrap_err();
            assert_eq!(failure.code, "state-dir-not-safe");
            assert!(failure.message.ends_with(&format!("state/{name} is a link")), "{}", failure.message);
            assert_eq!(fs::read_to_string(&thesis).unwrap(), "years");
            fs::remove_dir_all(&state).unwrap();
        }
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused_before_anything_is_made() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
        for state in [place.path().to_owned(), place.path().join("state")] {
            assert_eq!(open(&state, "run").unwrap_err().code, "state-dir-not-safe");
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_work_directory_that_is_there_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        assert!(open(place.path(), "one").unwrap().close());
        let taken = place.path().join("w").join(work::name("two"));
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("thesis.txt"), "years").unwrap();
        assert!(open(place.path(), "two").unwrap_err().message.starts_with("can't make "));
        assert!(taken.join("thesis.txt").exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_the_reason() {
        let place = tempfile::tempdir().unwrap();
        let long = place.path().join("x".repeat(90));
        assert_eq!(open(&long, "run").unwrap_err().code, "state-dir-too-long");
        assert!(!long.exists());
    }
}
