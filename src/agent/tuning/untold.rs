//! What an undoing left alone or failed at, kept until somebody has heard it: an agent whose controller is dead has
//! nobody to tell it to. It is written before the journal is removed, so that no death in between loses it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;

use crate::agent::own;
use crate::agent::tuning::journal::sync_directory;
use crate::wire::{Outcome, PutBack, Undone};

fn path(place: &Path) -> PathBuf {
    place.join("untold.json")
}

fn is_worth_telling(entry: &PutBack) -> bool {
    matches!(entry.outcome, Outcome::LeftAlone | Outcome::Failed { .. })
}

/// Keeps of an undoing what somebody has to hear. That this fails, as on a full disk, keeps nobody from undoing.
pub fn keep(place: &Path, run: &str, entries: &[PutBack]) {
    let worth: Vec<PutBack> = entries.iter().filter(|entry| is_worth_telling(entry)).cloned().collect();
    if worth.is_empty() {
        return;
    }
    let mut all = read(place);
    // Of what is tried again only the last time counts.
    for kept in all.iter_mut().filter(|kept| kept.run == run) {
        kept.entries.retain(|entry| !worth.iter().any(|newer| newer.name == entry.name));
    }
    all.push(Undone { run: run.to_owned(), entries: worth, took_ms: 0 });
    all.retain(|kept| !kept.entries.is_empty());
    let _ = write(place, &all);
}

fn write(place: &Path, all: &[Undone]) -> std::io::Result<()> {
    let new = place.join("untold.new");
    let _ = fs::remove_file(&new);
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&new)?;
    file.write_all(&serde_json::to_vec(all)?)?;
    file.sync_all()?;
    fs::rename(&new, path(place))?;
    sync_directory(place).map_err(|failure| std::io::Error::other(failure.message))
}

/// What is kept; nothing where it can't be read, or is not ours.
fn read(place: &Path) -> Vec<Undone> {
    let path = path(place);
    if !own::is_there(&path).unwrap_or(false) || own::check(place).is_err() {
        return Vec::new();
    }
    let bytes = fs::read(&path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// An undoing with what was kept of earlier ones in front of it. What had failed and was tried again now is told once.
pub fn with(place: &Path, undone: Option<Undone>) -> Option<Undone> {
    let mut all = if Uid::effective().is_root() { read(place) } else { Vec::new() };
    for kept in &mut all {
        let again = |entry: &PutBack| {
            let newer = undone.iter().find(|undone| undone.run == kept.run).map_or(&[][..], |undone| &undone.entries);
            newer.iter().any(|newer| newer.name == entry.name)
        };
        kept.entries.retain(|entry| !again(entry));
    }
    let parts = all.into_iter().filter(|kept| !kept.entries.is_empty()).chain(undone);
    parts.reduce(|mut one, next| {
        one.run = next.run;
        one.entries.extend(next.entries);
        one.took_ms += next.took_ms;
        one
    })
}

/// It was told.
pub fn forget(place: &Path) {
    if Uid::effective().is_root() && fs::remove_file(path(place)).is_ok() {
        let _ = sync_directory(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, outcome: Outcome) -> PutBack {
        PutBack { name: name.to_owned(), found: Some("42".to_owned()), before: Some("10".to_owned()), outcome }
    }

    #[test]
    fn what_somebody_has_to_hear_is_kept_and_told_once() {
        let place = tempfile::tempdir().unwrap();
        let failed = || Outcome::Failed { why: "no".to_owned() };
        keep(place.path(), "one", &[entry("a", Outcome::Restored), entry("b", Outcome::AlreadySo)]);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        keep(
            place.path(),
            "one",
            &[entry("a", Outcome::LeftAlone), entry("b", failed()), entry("c", Outcome::Restored)],
        );
        keep(place.path(), "two", &[entry("d", Outcome::LeftAlone)]);
        keep(place.path(), "one", &[entry("b", failed())]);
        let kept = read(place.path());
        let names =
            |undone: &Undone| undone.entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>().join("");
        assert_eq!(kept.iter().map(names).collect::<Vec<_>>(), ["a", "d", "b"]);
        if !Uid::effective().is_root() {
            assert_eq!(with(place.path(), None), None, "it is told to who can do something about it");
            return;
        }
        assert_eq!(names(&with(place.path(), None).unwrap()), "adb");
        let again = Undone { run: "one".to_owned(), entries: vec![entry("b", Outcome::Restored)], took_ms: 3 };
        let told = with(place.path(), Some(again)).unwrap();
        assert_eq!((names(&told).as_str(), &told.entries[2].outcome), ("adb", &Outcome::Restored));
        forget(place.path());
        assert_eq!((with(place.path(), None), fs::read_dir(place.path()).unwrap().count()), (None, 0));
        fs::write(path(place.path()), "half").unwrap();
        assert_eq!(with(place.path(), None), None);
    }
}
