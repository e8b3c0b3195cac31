//! One machine, one campaign that tunes: who comes second is told, and how the first can be ended.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use timetrial::wire::{Reply, Request};

use crate::tuning::machine::{HARMLESS, Machine, other, setting, value};
use crate::tuning::talk::{PROGRAM, Talk};

/// A user who is not root.
const NOBODY: u32 = 65_534;

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn a_second_agent_is_refused_by_name_and_the_first_can_be_ended_by_its_id() {
    let machine = Machine::alone();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = value(HARMLESS);
    let mut first = Talk::start(one.path());
    first.hello("first").unwrap();
    first.tune(&[setting(HARMLESS, other(HARMLESS))]).unwrap();
    // Another state directory is no way around the machine's lock.
    let refused = Talk::start(two.path()).hello("second").unwrap_err();
    assert_eq!(refused.code, "busy");
    let id = refused.message.strip_prefix("this machine is in use by tester, run first (id ").unwrap();
    let id = id.strip_suffix(')').unwrap().to_owned();
    assert!(refused.hint.unwrap().ends_with(&format!("timetrial unlock MACHINE --id {id}")));
    let mut other = Talk::start(two.path());
    let wrong = other.ask(Request::Unlock { id: "00000000".to_owned() }).unwrap_err();
    assert_eq!(wrong.code, "wrong-id");
    assert!(wrong.hint.unwrap().ends_with(&id));
    assert_ne!(value(HARMLESS), before);
    let Reply::Unlocked { owner } = other.ask(Request::Unlock { id: id.clone() }).unwrap() else { panic!() };
    assert_eq!(owner, "tester, run first");
    first.end();
    machine.is_as_it_was();
    assert_eq!(other.ask(Request::Unlock { id }).unwrap_err().code, "not-locked");
    // The first one has left nothing behind.
    assert_eq!(other.hello("after").unwrap(), None);
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn who_shares_a_machine_can_not_tune_it() {
    let machine = Machine::alone();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // So that there is a lock to share.
    let mut earlier = Talk::start(one.path());
    earlier.hello("earlier").unwrap();
    earlier.tune(&[setting(HARMLESS, other(HARMLESS))]).unwrap();
    earlier.goodbye();
    let (mut first, mut second) = (Talk::start(one.path()), Talk::start(two.path()));
    first.hello("first").unwrap();
    second.hello("second").unwrap();
    let settings = [setting(HARMLESS, other(HARMLESS))];
    assert_eq!(first.tune(&settings).unwrap_err().code, "busy");
    machine.is_as_it_was();
    second.goodbye();
    assert!(first.tune(&settings).unwrap()[0].took);
    first.goodbye();
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn who_is_not_root_looks_and_is_refused_a_machine_that_is_still_tuned() {
    let machine = Machine::alone();
    let (state, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Where the program lies, that user may not come.
    let program = theirs.path().join("timetrial");
    std::fs::copy(PROGRAM, &program).unwrap();
    let own = theirs.path().join("state");
    std::fs::create_dir(&own).unwrap();
    chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(theirs.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.display().to_string();
    let way = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program.as_str()];
    let as_nobody = |state: &Path| Talk::start_by(&way, state);
    let mut talk = as_nobody(&own);
    let asked = vec![HARMLESS.to_owned(), "vm.none".to_owned()];
    let Reply::Look(look) = talk.ask(Request::Look { settings: asked, cluster: None }).unwrap() else { panic!() };
    assert!(!look.root && look.left.is_none() && !look.may_raise_nofile);
    assert!(look.settings[HARMLESS].refused.as_ref().unwrap().contains("the agent is not root"));
    talk.hello("nobody").unwrap();
    assert_eq!(talk.tune(&[setting(HARMLESS, "5")]).unwrap_err().code, "not-root");
    drop(talk);
    let mut killed = Talk::start(state.path());
    killed.hello("killed").unwrap();
    killed.tune(&[setting(HARMLESS, other(HARMLESS))]).unwrap();
    killed.kill();
    let mut talk = as_nobody(&own);
    let refused = talk.hello("nobody").unwrap_err();
    assert_eq!(refused.code, "left-tuned");
    assert!(refused.message.contains("the run killed (tester, run killed, since 2"), "{}", refused.message);
    assert!(refused.hint.unwrap().contains("timetrial restore"));
    assert_eq!(talk.ask(Request::Restore { owner: "nobody".to_owned() }).unwrap_err().code, "left-tuned");
    drop(talk);
    Talk::start(state.path()).hello("root").unwrap().unwrap();
    machine.is_as_it_was();
}
