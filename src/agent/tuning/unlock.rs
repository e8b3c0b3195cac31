//! Ending the agent that holds a machine, from outside: it puts back what it tuned, and leaves as it does at any end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::locks::{Found, Holder, is_free};
use crate::agent::tuning::journal;
use crate::agent::{own, procfs};
use crate::wire::{Failure, Reply};

/// How long an agent is waited for that was asked to end. It has to stop what it started, and to undo.
const PATIENCE: Duration = Duration::from_secs(90);

/// A lock that somebody holds.
struct Held {
    file: File,
    path: PathBuf,
    found: Found,
}

/// Ends the agent that holds one of these locks under this id, and waits until the lock is free. Then it looks whether
/// that one has put everything back: whether the journal is gone.
pub fn unlock(locks: &[PathBuf], place: &Path, id: &str) -> Result<Reply, Failure> {
    let mut held = Vec::new();
    for path in locks {
        held.extend(held_lock(path)?);
    }
    if held.is_empty() {
        let shown: Vec<_> = locks.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::new("not-locked", "nobody holds the lock of this machine; nothing was done")
            .detail([format!("looked at {}", shown.join(" and "))])
            .hint("nothing needs to be unlocked; what a dead agent left is put back by `timetrial restore`"));
    }
    let Some(lock) = held.iter().find(|lock| lock.found.id() == Some(id)) else {
        return Err(wrong_id(&held[0], id));
    };
    let Some(holder) = &lock.found.holder else { return Err(wrong_id(lock, id)) };
    end(lock, holder)?;
    let began = Instant::now();
    while !is_free(&lock.file) {
        if began.elapsed() > PATIENCE {
            let message = format!("the agent of {} was asked to end, and still holds the lock", holder.owner);
            return Err(Failure::new("still-locked", message)
                .detail([format!("waited {} s for {}", PATIENCE.as_secs(), lock.path.display())])
                .hint("look what that process does; after a kill -9 the next contact undoes what it tuned"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Reply::Unlocked { owner: holder.owner.clone(), left_tuned: journal::is_there(place) })
}

fn held_lock(path: &Path) -> Result<Option<Held>, Failure> {
    if !own::is_there(path)? {
        return Ok(None);
    }
    let file = own::open_to_read(path)?;
    if is_free(&file) {
        return Ok(None);
    }
    let found = Found::of(&file);
    Ok(Some(Held { file, path: path.to_owned(), found }))
}

fn wrong_id(lock: &Held, id: &str) -> Failure {
    let owner = lock.found.words();
    match lock.found.id() {
        Some(own) => Failure::new(
            "wrong-id",
            format!("this machine is held by {owner} under the id {own}, not {id}; nothing was done"),
        )
        .hint(format!("if that campaign shall end: timetrial unlock MACHINE --id {own}")),
        None => Failure::new("wrong-id", format!("this machine is held by {owner}, who left no id; nothing was done"))
            .detail([format!("the lock is {}", lock.path.display())])
            .hint(
                "end that process if it should not be there; what a dead agent left is put back by `timetrial restore`",
            ),
    }
}

fn end(lock: &Held, holder: &Holder) -> Result<(), Failure> {
    let gone = |what: &str| {
        Failure::new("unknown-holder", format!("the lock of {} is held, but {what}", holder.owner))
            .detail([format!("the lock is {}", lock.path.display())])
            .hint("its agent may live in a container of its own: end that campaign where it was started")
    };
    let Some((pid, ticks)) = holder.process else { return Err(gone("its agent left no pid")) };
    if procfs::stat(pid).is_none_or(|stat| stat.start_ticks != ticks) {
        return Err(gone(&format!("its agent, pid {pid}, is not to be seen here")));
    }
    // Who let go of it meanwhile needs no signal.
    if is_free(&lock.file) {
        return Ok(());
    }
    let raw = i32::try_from(pid).map_err(|_| gone("its pid is none"))?;
    kill(Pid::from_raw(raw), Signal::SIGTERM).map_err(|error| {
        Failure::new("not-permitted", format!("can't end the agent of {}, pid {pid}: {error}", holder.owner))
            .hint("unlock as the user who started that campaign, or as root")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::locks::sign;

    #[test]
    fn a_lock_that_nobody_holds_and_a_wrong_id_are_told_and_nothing_is_done() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let of = |id: &str| unlock(&[path.clone(), place.path().join("none")], place.path(), id).unwrap_err();
        assert_eq!(of("0badcafe").code, "not-locked");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        assert_eq!(of("0badcafe").code, "not-locked");
        file.lock().unwrap();
        let pid = std::process::id();
        let nameless = of("0badcafe").message;
        assert!(nameless.starts_with(&format!("this machine is held by process {pid} of ")), "{nameless}");
        assert!(nameless.ends_with("who left no id; nothing was done"), "{nameless}");
        // The process that is named is this one: a signal would end the test.
        sign(&file, &path, "me", "0badcafe").unwrap();
        let wrong = of("12345678");
        assert_eq!(wrong.code, "wrong-id");
        assert!(wrong.hint.unwrap().ends_with("--id 0badcafe"));
        std::fs::write(&path, format!("me\nid: 0badcafe\npid: {pid} 1\n")).unwrap();
        let of_a_dead_one = of("0badcafe");
        assert!(of_a_dead_one.message.ends_with("who left no id; nothing was done"), "{of_a_dead_one:?}");
    }
}
