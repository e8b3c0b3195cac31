//! A journal on a disk that is full: without room for it nothing is changed, and undoing needs none.

use std::io::Write;

use timetrial::wire::{Outcome, Reply};

use crate::tuning::apart::{Apart, KEY};
use crate::tuning::machine::{Machine, setting};
use crate::tuning::talk::PROGRAM;

/// Its own view of the journal's place, on a disk of 64 KiB that nobody else sees.
const SMALL: &str =
    "mkdir -p /var/lib/timetrial && mount -t tmpfs -o size=64k,mode=755 small /var/lib/timetrial && exec \"$@\"";

#[test]
#[ignore = "needs root: it mounts a small disk and sets settings of this machine"]
fn a_full_disk_stops_a_change_before_it_is_made_and_hinders_no_undoing() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    // With mounts of its own it is a container: it sets what its own network has.
    let apart = Apart::new("full");
    let before = apart.value();
    let mut talk = apart.agent_by(&["unshare", "-m", "sh", "-c", SMALL, "sh", PROGRAM], state.path());
    talk.hello("full").unwrap();
    let as_it_sees_it = format!("/proc/{}/root", talk.child.id());
    let filler = std::path::Path::new(&as_it_sees_it).join("var/lib/timetrial/filler");
    let fill = || {
        let mut file = std::fs::File::options().append(true).create(true).open(&filler).unwrap();
        while file.write_all(&[1; 512]).is_ok() {}
    };
    fill();
    let failure = talk.tune(&[setting(KEY, "11")]).unwrap_err();
    assert!(failure.message.contains("No space left"), "{failure:?}");
    assert_eq!(apart.value(), before);
    std::fs::remove_file(&filler).unwrap();
    assert!(talk.tune(&[setting(KEY, "11")]).unwrap()[0].took);
    fill();
    assert_eq!(apart.value(), "11");
    let Reply::Goodbye { undone, compared, .. } = talk.goodbye() else { panic!() };
    let undone = undone.unwrap();
    assert_eq!((undone.entries.len(), &undone.entries[0].outcome), (1, &Outcome::Restored));
    assert_eq!(compared.unwrap().differences, []);
    assert_eq!(apart.value(), before);
    machine.is_as_it_was();
}
