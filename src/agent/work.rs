//! The work directories of runs: how one is known to be ours, and how what a dead agent left is killed and removed.
//!
//! Everything that is removed here was made here: a directory named by eight hexadecimal digits that holds our marker,
//! which is written first and removed last. Whatever else stands beside it belongs to somebody.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::process::MARK;
use crate::agent::procfs;
use crate::agent::shared_memory::Segments;
use crate::agent::state::cannot;
use crate::agent::stop::signal;
use crate::wire::Failure;

/// The file that makes a directory a work directory of ours; it holds the run's id.
const MARKER: &str = ".timetrial-work";

/// Eight hexadecimal digits that stand for a run: short, because of the socket.
pub fn name(run: &str) -> String {
    crate::wire::digest::sha256(run.as_bytes())[..8].to_owned()
}

/// Makes a run's work directory. Nothing may be there: it would be removed at the end.
pub fn make(work: &Path, run: &str) -> Result<(), Failure> {
    make_new(work, 0o755)?;
    let marker = work.join(MARKER);
    fs::write(&marker, format!("{run}\n")).map_err(|error| cannot("write", &marker, &error))
}

/// Makes a directory that must not be there yet, with these permissions whatever the umask is.
pub fn make_new(path: &Path, mode: u32) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().mode(mode).create(path);
    made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode))).map_err(|error| {
        let failure = cannot("make", path, &error);
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return failure.hint("nothing that is there is touched: look what it is, and move it away");
        }
        failure
    })
}

/// Whether this is a work directory that an agent made: by its name and its marker, and not by way of a link.
pub fn is_ours(work: &Path) -> bool {
    let digits = |name: &str| name.len() == 8 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let named = work.file_name().and_then(|name| name.to_str()).is_some_and(digits);
    let real = |path: &Path, is: fn(&fs::Metadata) -> bool| fs::symlink_metadata(path).is_ok_and(|found| is(&found));
    named && real(work, fs::Metadata::is_dir) && real(&work.join(MARKER), fs::Metadata::is_file)
}

/// Removes a work directory, its marker last: what is cut off in the middle is still known as ours.
pub fn remove(work: &Path) -> std::io::Result<()> {
    let marker = work.join(MARKER);
    for entry in fs::read_dir(work)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.path() != marker {
            fs::remove_file(entry.path())?;
        }
    }
    let text = fs::read(&marker)?;
    fs::remove_file(&marker)?;
    // Somebody who still writes there makes it fail: then it stays ours.
    fs::remove_dir(work).inspect_err(|_| drop(fs::write(&marker, text)))
}

/// Removes what agents that died without cleaning up have left: their marked processes, and their work.
pub fn sweep(place: &Path, kill: &dyn Fn(&Path) -> Vec<String>) -> Vec<String> {
    let mut swept = Vec::new();
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_ours(path)).collect();
    for work in found {
        swept.extend(kill(&work));
        if remove(&work).is_ok() {
            swept.push(work.display().to_string());
        }
    }
    swept
}

/// Kills what bears the mark of a work directory, as far as this user may see it; what that was. Of another directory
/// nothing is killed.
pub fn kill_marked(work: &Path) -> Vec<String> {
    if !is_ours(work) {
        return Vec::new();
    }
    let mark = format!("{MARK}={}", work.display());
    let mut killed: Vec<(u32, String)> = Vec::new();
    let mut segments = Segments::default();
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
            segments.note(process.pid);
            signal(process.pid, nix::sys::signal::Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    segments.remove_unused();
    killed.into_iter().map(|(pid, command)| format!("process {pid}, `{command}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_and_marked_is_swept() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for kept in ["precious", "0badf00d", "DEADBEEF", "123456789"] {
            fs::create_dir(path(kept)).unwrap();
            fs::write(path(kept).join("thesis.txt"), "years").unwrap();
        }
        for marked in ["precious", "DEADBEEF"] {
            fs::write(path(marked).join(MARKER), "run").unwrap();
        }
        make(&path("0badcafe"), "run").unwrap();
        fs::create_dir(path("0badcafe/db")).unwrap();
        std::os::unix::fs::symlink(path("0badcafe"), path("00000000")).unwrap();
        let asked = std::cell::RefCell::new(Vec::new());
        let swept = sweep(place.path(), &|work| {
            asked.borrow_mut().push(work.to_owned());
            Vec::new()
        });
        assert_eq!(swept, [path("0badcafe").display().to_string()]);
        assert_eq!(*asked.borrow(), [path("0badcafe")], "nothing else is killed");
        for kept in ["precious", "0badf00d", "DEADBEEF", "123456789"] {
            assert_eq!(fs::read_to_string(path(kept).join("thesis.txt")).unwrap(), "years");
        }
    }

    #[test]
    fn nothing_is_killed_for_a_directory_that_is_not_ours() {
        let place = tempfile::tempdir().unwrap();
        // Were it not refused, this test would end itself.
        let mine = std::env::current_dir().unwrap();
        assert_eq!(kill_marked(&mine), Vec::<String>::new());
        assert_eq!(kill_marked(place.path()), Vec::<String>::new());
    }

    #[test]
    fn a_work_directory_is_never_one_that_was_there() {
        let place = tempfile::tempdir().unwrap();
        let work = place.path().join(name("run"));
        fs::write(&work, "something").unwrap();
        assert!(make(&work, "run").unwrap_err().message.starts_with("can't make "));
        assert_eq!(fs::read_to_string(&work).unwrap(), "something");
    }
}
