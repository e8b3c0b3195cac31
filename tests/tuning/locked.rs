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
    let Reply::Unlocked { owner, left_tuned } = other.ask(Request::Unlock { id: id.clone() }).unwrap() else {
        panic!()
    };
    assert_eq!((owner.as_str(), left_tuned), ("tester, run first", false));
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
    assert!(look.settings[HARMLESS].refused.as_ref().unwrap().contains("not root"));
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

/// The machine's lock.
const LOCK: &str = "/var/lib/timetrial/lock";

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn a_strangers_lock_is_told_with_its_process_and_a_dead_ones_name_is_not() {
    let machine = Machine::alone();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut killed = Talk::start(one.path());
    killed.hello("killed").unwrap();
    killed.tune(&[setting(HARMLESS, other(HARMLESS))]).unwrap();
    killed.kill();
    assert!(std::fs::read_to_string(LOCK).unwrap().starts_with("tester, run killed"), "or the test shows nothing");
    let way = ["--reuid=65534", "--regid=65534", "--clear-groups", "flock", "--no-fork", "-x", LOCK, "sleep", "60"];
    let mut stranger = Stranger(std::process::Command::new("setpriv").args(way).spawn().unwrap());
    let file = std::fs::File::open(LOCK).unwrap();
    while file.try_lock_shared().is_ok() {
        file.unlock().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let named = format!("process {} of nobody, `sleep 60`", stranger.0.id());
    let busy = Talk::start(two.path()).hello("second").unwrap_err();
    assert_eq!((busy.code.as_str(), busy.message), ("busy", format!("this machine is in use by {named}")));
    let restore = Talk::start(two.path()).ask(Request::Restore { owner: "restorer".to_owned() }).unwrap_err();
    assert_eq!(restore.message, format!("this machine is in use by {named}"));
    let wrong = Talk::start(two.path()).ask(Request::Unlock { id: "0badcafe".to_owned() }).unwrap_err();
    assert!(wrong.message.starts_with(&format!("this machine is held by {named}")), "{wrong:?}");
    stranger.end();
    Talk::start(two.path()).hello("after").unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(LOCK).unwrap(), "", "who let go of it is not named");
    machine.is_as_it_was();
}

/// A process that is ended with the test.
struct Stranger(std::process::Child);

impl Stranger {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.end();
    }
}

/// Its own view of the lock's place, where there is no lock: as on a machine that was never tuned.
const NEVER_TUNED: &str = "mount -t tmpfs -o mode=755 none /var/lib/timetrial && exec \"$@\"";

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn who_came_while_there_was_no_lock_is_seen_by_who_tunes() {
    let machine = Machine::alone();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all("/var/lib/timetrial").unwrap();
    // The machine of all tests has that lock already. Among the same mounts there are two without it.
    let mut holder = std::process::Command::new("unshare")
        .args(["-m", "-n", "sh", "-c", NEVER_TUNED, "sh", "sleep", "120"])
        .spawn()
        .unwrap();
    let namespace = holder.id().to_string();
    while std::fs::read_to_string(format!("/proc/{namespace}/comm")).unwrap() != "sleep\n" {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let way = ["nsenter", "-t", &namespace, "-m", "-n", PROGRAM];
    let (mut first, mut second) = (Talk::start_by(&way, one.path()), Talk::start_by(&way, two.path()));
    first.hello("untuned").unwrap();
    second.hello("tuned").unwrap();
    let asked = [setting(crate::tuning::apart::KEY, "11")];
    let busy = second.tune(&asked).unwrap_err();
    let named = format!("this machine is in use by process {} of root, `{PROGRAM} agent --state-dir", first.child.id());
    assert!(busy.code == "busy" && busy.message.starts_with(&named), "{busy:?}");
    first.goodbye();
    assert!(second.tune(&asked).unwrap()[0].took);
    second.goodbye();
    holder.kill().unwrap();
    holder.wait().unwrap();
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn an_unlock_says_what_the_ended_one_could_not_put_back() {
    let machine = Machine::alone();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = format!("/proc/sys/{}", HARMLESS.replace('.', "/"));
    let mut first = Talk::start(one.path());
    first.hello("first").unwrap();
    first.tune(&[setting(HARMLESS, other(HARMLESS))]).unwrap();
    let text = std::fs::read_to_string(LOCK).unwrap();
    let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let run = |program: &str, arguments: &[&str]| {
        assert!(std::process::Command::new(program).args(arguments).status().unwrap().success(), "{program}");
    };
    run("mount", &["--bind", &file, &file]);
    run("mount", &["-o", "remount,bind,ro", &file]);
    let unlocked = Talk::start(two.path()).ask(Request::Unlock { id });
    run("umount", &[&file]);
    let Reply::Unlocked { left_tuned, .. } = unlocked.unwrap() else { panic!() };
    assert!(left_tuned);
    first.end();
    let undone = Talk::start(two.path()).hello("after").unwrap().unwrap();
    assert_eq!(undone.entries.len(), 1, "what failed and is done now is told once: {undone:?}");
    assert_eq!(undone.entries[0].outcome, timetrial::wire::Outcome::Restored);
    machine.is_as_it_was();
}
