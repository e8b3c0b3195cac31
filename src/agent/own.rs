//! That a place is ours: what lies in it is run, locked, truncated and removed, by root where the agent is root. So only
//! root and the user that the agent runs as may be able to change it, or to put something else in its place. The same
//! rule stands in `host/own.sh`, for machines where no agent is yet.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;

use crate::agent::state::cannot;
use crate::wire::Failure;

/// As many links in one path as the kernel follows.
const MOST_LINKS: usize = 40;

const BY_GROUP: u32 = 0o020;
const BY_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whether nobody but root and this user can change a state directory, as far as it is there already.
pub fn check(directory: &Path) -> Result<(), Failure> {
    match unsafe_part(directory, Uid::effective().as_raw()) {
        Some((part, why)) => Err(not_safe(directory, &part, &why)),
        None => Ok(()),
    }
}

/// Opens a file of ours to write it, and makes it if it is not there; by no link, and none that somebody else has too.
pub fn open(path: &Path) -> Result<File, Failure> {
    open_as_ours(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
}

/// Opens a file of ours that is there, to write it.
pub fn open_existing(path: &Path) -> Result<File, Failure> {
    open_as_ours(path, OpenOptions::new().read(true).write(true))
}

/// Opens a file of ours that is there, to read it or to lock it.
pub fn open_to_read(path: &Path) -> Result<File, Failure> {
    open_as_ours(path, OpenOptions::new().read(true))
}

fn open_as_ours(path: &Path, options: &mut OpenOptions) -> Result<File, Failure> {
    let file = match options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path) {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(not_our_file(path, "is a link"));
        }
        opened => opened.map_err(|error| cannot("open", path, &error))?,
    };
    let found = file.metadata().map_err(|error| cannot("open", path, &error))?;
    match why_not_our_file(&found, Uid::effective().as_raw()) {
        Some(why) => Err(not_our_file(path, &why)),
        None => Ok(file),
    }
}

/// Whether a file is there and is ours; one that is there and is not is an error.
pub fn is_there(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("look at", path, &error)),
        Ok(found) => match why_not_our_file(&found, Uid::effective().as_raw()) {
            Some(why) => Err(not_our_file(path, &why)),
            None => Ok(true),
        },
    }
}

fn why_not_our_file(found: &Metadata, own: u32) -> Option<String> {
    if found.is_symlink() {
        Some("is a link".to_owned())
    } else if !found.is_file() {
        Some("is not a plain file".to_owned())
    } else if !is_trusted(found, own) {
        Some(format!("belongs to the user {}", found.uid()))
    } else {
        (found.nlink() != 1).then(|| "is known by a second name elsewhere".to_owned())
    }
}

fn not_our_file(path: &Path, why: &str) -> Failure {
    let directory = path.parent().unwrap_or(path);
    not_safe(directory, path, why).hint("look what it is and who put it there, and remove it")
}

fn not_safe(directory: &Path, part: &Path, why: &str) -> Failure {
    let message = format!("{} is not safe as a state directory: {} {why}", directory.display(), part.display());
    Failure::new("state-dir-not-safe", message).hint(
        "choose a `state_dir` in hosts.toml that only root and the user of the agent can change, and so with each folder \
         above it, such as /srv/timetrial; or mend that one: chown, chmod go-w",
    )
}

fn is_trusted(found: &Metadata, own: u32) -> bool {
    found.uid() == 0 || found.uid() == own
}

/// The first part of the way to a directory that somebody else can change, and why; the directory itself last.
fn unsafe_part(directory: &Path, own: u32) -> Option<(PathBuf, String)> {
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let mut ahead = steps(whole.parent().unwrap_or(&whole));
    let mut at = PathBuf::from("/");
    let mut links = 0;
    // As the kernel goes: whoever owns a link on the way, or can replace it, says where the way leads.
    while let Some(step) = ahead.pop() {
        if step == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&step);
        // What is not there yet will be made by us.
        let Ok(found) = fs::symlink_metadata(&next) else { break };
        if let Some(why) = why_not_above(&found, own) {
            return Some((next, why));
        }
        if !found.is_symlink() {
            at = next;
            continue;
        }
        let Ok(target) = fs::read_link(&next) else { break };
        links += 1;
        if links > MOST_LINKS {
            break;
        }
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        ahead.extend(steps(&target));
    }
    let found = fs::symlink_metadata(&whole).ok()?;
    why_not_ours(&found, own).map(|why| (whole, why))
}

/// What a path is made of, the last first.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    steps.collect()
}

/// What is above may be open to all where the sticky bit keeps the names in it to their owners, as in /tmp.
fn why_not_above(found: &Metadata, own: u32) -> Option<String> {
    if !is_trusted(found, own) {
        return Some(format!("belongs to the user {}", found.uid()));
    }
    if found.is_symlink() || found.mode() & STICKY != 0 {
        return None;
    }
    // A group of the same number as a user is that user's own.
    let by_group = found.mode() & BY_GROUP != 0 && found.gid() != found.uid();
    (by_group || found.mode() & BY_OTHERS != 0).then(|| writable(found))
}

fn why_not_ours(found: &Metadata, own: u32) -> Option<String> {
    if found.is_symlink() {
        Some("is a link".to_owned())
    } else if !found.is_dir() {
        Some("is not a directory".to_owned())
    } else if !is_trusted(found, own) {
        Some(format!("belongs to the user {}", found.uid()))
    } else {
        (found.mode() & (BY_GROUP | BY_OTHERS) != 0).then(|| writable(found))
    }
}

fn writable(found: &Metadata) -> String {
    format!("can be written by others (mode {:o})", found.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[track_caller]
    fn refused(directory: &Path, words: &str) {
        let failure = check(directory).unwrap_err();
        assert_eq!(failure.code, "state-dir-not-safe");
        assert!(failure.message.contains(words), "{}", failure.message);
    }

    #[test]
    fn a_directory_that_others_can_change_or_replace_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir_all(path("above/state")).unwrap();
        check(&path("above/state")).unwrap();
        check(&path("above/not/there/yet")).unwrap();
        for open in [0o777, 0o757, 0o775, 0o1777] {
            mode(&path("above/state"), open);
            refused(&path("above/state"), &format!("above/state can be written by others (mode {open:o})"));
        }
        mode(&path("above/state"), 0o755);
        mode(&path("above"), 0o757);
        refused(&path("above/state"), "above can be written by others (mode 757)");
        refused(&path("above/not/there/yet"), "above can be written by others (mode 757)");
        mode(&path("above"), 0o1777);
        check(&path("above/state")).unwrap();
        symlink(path("above/state"), path("link")).unwrap();
        refused(&path("link"), "link is a link");
        fs::write(path("file"), "").unwrap();
        refused(&path("file"), "file is not a directory");
        // A link of ours on the way is followed, and the way behind it is looked at.
        symlink("above", path("way")).unwrap();
        check(&path("way/state")).unwrap();
        mode(&path("above"), 0o757);
        refused(&path("way/state"), "above can be written by others");
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
    fn what_belongs_to_somebody_else_is_refused() {
        if !Uid::effective().is_root() {
            return eprintln!("not run: only root can give things away");
        }
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir_all(path("theirs/state")).unwrap();
        chown(path("theirs"), Some(4711), None).unwrap();
        refused(&path("theirs"), "theirs belongs to the user 4711");
        refused(&path("theirs/state"), "theirs belongs to the user 4711");
        fs::create_dir_all(path("ours/state")).unwrap();
        symlink(path("ours"), path("way")).unwrap();
        check(&path("way/state")).unwrap();
        std::os::unix::fs::lchown(path("way"), Some(4711), None).unwrap();
        refused(&path("way/state"), "way belongs to the user 4711");
        fs::write(path("lock"), "theirs").unwrap();
        chown(path("lock"), Some(4711), None).unwrap();
        assert!(open(&path("lock")).unwrap_err().message.contains("lock belongs to the user 4711"));
    }

    #[test]
    fn a_file_is_opened_by_no_link() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("thesis.txt"), "years").unwrap();
        symlink(path("thesis.txt"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::hard_link(path("thesis.txt"), path("second")).unwrap();
        for name in ["link", "dangling", "second"] {
            assert_eq!(open(&path(name)).unwrap_err().code, "state-dir-not-safe", "{name}");
            assert_eq!(is_there(&path(name)).unwrap_err().code, "state-dir-not-safe", "{name}");
        }
        assert!(!path("nowhere").exists());
        assert!(!is_there(&path("new")).unwrap());
        open(&path("new")).unwrap();
        assert!(is_there(&path("new")).unwrap());
    }
}
