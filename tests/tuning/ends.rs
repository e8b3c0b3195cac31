//! Whatever ends an agent: the machine is as it was, then or at the next contact.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use timetrial::wire::{Outcome, Reply, Request, Undone};

use crate::tuning::machine::{HARMLESS, JOURNAL, Machine, other, set, setting, value};
use crate::tuning::talk::Talk;

fn outcome(undone: &Undone, name: &str) -> Outcome {
    undone.entries.iter().find(|entry| entry.name == name).unwrap().outcome.clone()
}

/// An agent that has made one setting.
fn tuned(state: &Path, run: &str, wanted: &str) -> Talk {
    let mut talk = Talk::start(state);
    assert_eq!(talk.hello(run).unwrap(), None);
    let made = talk.tune(&[setting(HARMLESS, wanted)]).unwrap();
    assert!(made[0].took && made[0].why.is_none(), "{made:?}");
    assert_eq!(value(HARMLESS), wanted);
    talk
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn a_goodbye_puts_back_and_proves_it() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let (before, wanted) = (value(HARMLESS), other(HARMLESS));
    let mut talk = tuned(state.path(), "goodbye", &wanted);
    let Reply::Tuned { settings, .. } = talk.ask(Request::VerifyTuning).unwrap() else { panic!() };
    assert!(settings[0].took);
    set(HARMLESS, "77");
    let Reply::Tuned { settings, .. } = talk.ask(Request::VerifyTuning).unwrap() else { panic!() };
    assert!(!settings[0].took && settings[0].after.as_deref() == Some("77"));
    set(HARMLESS, &wanted);
    assert_eq!(talk.tune(&[setting(HARMLESS, "5")]).unwrap_err().message, "this machine is tuned already");
    let Reply::Goodbye { undone, compared, removed_work_dir, .. } = talk.goodbye() else { panic!() };
    let undone = undone.unwrap();
    assert_eq!((undone.run.as_str(), outcome(&undone, HARMLESS)), ("goodbye", Outcome::Restored));
    assert_eq!(undone.entries[0].before.as_deref(), Some(before.as_str()));
    let compared = compared.unwrap();
    assert!(compared.differences.is_empty() && compared.values > 300 && removed_work_dir, "{compared:?}");
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn a_lost_controller_and_a_signal_put_back() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let wanted = other(HARMLESS);
    for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGINT), Some(Signal::SIGHUP)] {
        let mut talk = tuned(state.path(), &format!("end {signal:?}"), &wanted);
        match signal {
            None => talk.hang_up(),
            Some(signal) => kill(Pid::from_raw(talk.child.id().cast_signed()), signal).unwrap(),
        }
        talk.end();
        machine.is_as_it_was();
    }
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn what_an_agent_left_that_was_killed_is_seen_and_put_back_at_the_next_hello() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let (before, wanted) = (value(HARMLESS), other(HARMLESS));
    tuned(state.path(), "killed", &wanted).kill();
    assert_eq!(value(HARMLESS), wanted);
    let mut next = Talk::start(state.path());
    let Reply::Look(look) = next.ask(Request::Look { settings: vec![HARMLESS.to_owned()], cluster: None }).unwrap()
    else {
        panic!()
    };
    assert_eq!(look.settings[HARMLESS].refused, None);
    let left = look.left.unwrap();
    assert_eq!((left.run.as_str(), left.owner.as_str()), ("killed", "tester, run killed"));
    assert_eq!((left.entries[0].from.as_deref(), left.entries[0].to.as_deref()), (Some(&*wanted), Some(&*before)));
    assert_eq!(value(HARMLESS), wanted, "a look changes nothing");
    let undone = next.hello("next").unwrap().unwrap();
    assert_eq!((undone.run.as_str(), outcome(&undone, HARMLESS)), ("killed", Outcome::Restored));
    machine.is_as_it_was();
    let Reply::Goodbye { undone, compared, .. } = next.goodbye() else { panic!() };
    assert_eq!((undone, compared.unwrap().differences), (None, Vec::new()));
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn what_somebody_else_set_meanwhile_is_left_and_told() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let (before, wanted) = (value(HARMLESS), other(HARMLESS));
    let theirs = format!("{}1", wanted);
    for kills in [true, false] {
        let talk = tuned(state.path(), &format!("meanwhile {kills}"), &wanted);
        set(HARMLESS, &theirs);
        let undone = if kills {
            talk.kill();
            Talk::start(state.path()).hello("next").unwrap()
        } else {
            let Reply::Goodbye { undone, compared, .. } = talk.goodbye() else { panic!() };
            let differences = compared.unwrap().differences;
            assert_eq!((differences.len(), differences[0].to.as_deref()), (1, Some(&*theirs)));
            undone
        };
        assert_eq!(outcome(&undone.unwrap(), HARMLESS), Outcome::LeftAlone);
        assert_eq!(value(HARMLESS), theirs);
        set(HARMLESS, &before);
        machine.is_as_it_was();
    }
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn restore_puts_back_and_does_nothing_the_second_time() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let wanted = other(HARMLESS);
    tuned(state.path(), "killed", &wanted).kill();
    let restore = |talk: &mut Talk| match talk.ask(Request::Restore { owner: "restorer".to_owned() }).unwrap() {
        Reply::Restored { left, undone, compared } => (left, undone, compared),
        other => panic!("{other:?}"),
    };
    let mut talk = Talk::start(state.path());
    let (left, undone, compared) = restore(&mut talk);
    assert_eq!(left.unwrap().run, "killed");
    assert_eq!(outcome(&undone.unwrap(), HARMLESS), Outcome::Restored);
    assert_eq!((compared.clone().unwrap().values, compared.unwrap().differences), (1, Vec::new()));
    machine.is_as_it_was();
    assert_eq!(restore(&mut talk), (None, None, None));
    drop(talk);
    assert_eq!(restore(&mut Talk::start(state.path())), (None, None, None));
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn settings_do_not_wait_for_a_record_of_postgresql_that_nobody_can_read() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    tuned(state.path(), "killed", &other(HARMLESS)).kill();
    let record = Path::new(JOURNAL).with_file_name("undo-postgresql.json");
    std::fs::write(&record, "{\"format\":9").unwrap();
    let mut talk = Talk::start(state.path());
    let failed = talk.ask(Request::Restore { owner: "restorer".to_owned() }).unwrap_err();
    machine.is_as_it_was();
    std::fs::remove_file(&record).unwrap();
    assert!(failed.message.contains("undo-postgresql.json can't be read"), "{failed:?}");
    assert!(failed.detail[0].starts_with("what the run killed had tuned was put back first"), "{failed:?}");
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn killed_at_any_moment_of_tuning_the_next_hello_puts_back() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let names = [HARMLESS, "kernel.printk_ratelimit", "vm.overcommit_kbytes", "vm.dirty_background_bytes"];
    let values = [other(HARMLESS), other("kernel.printk_ratelimit"), "900000".to_owned(), "104857600".to_owned()];
    let settings: Vec<_> = names.iter().zip(&values).map(|(name, value)| setting(name, value.as_str())).collect();
    let mut journals = 0;
    for step in 0..24 {
        let mut talk = Talk::start(state.path());
        talk.hello(&format!("killed {step}")).unwrap();
        talk.send(Request::Tune { settings: settings.clone(), nofile: None });
        // Before there is a journal, and from then on step by step.
        let began = Instant::now();
        while step % 6 != 0 && !Path::new(JOURNAL).exists() && began.elapsed() < Duration::from_secs(5) {}
        std::thread::sleep(Duration::from_micros(if step % 6 == 0 { 2000 * step } else { 40 * step }));
        talk.kill();
        journals += usize::from(Path::new(JOURNAL).exists());
        let mut next = Talk::start(state.path());
        let undone = next.hello(&format!("next {step}")).unwrap();
        let fine = |outcome: &Outcome| matches!(outcome, Outcome::Restored | Outcome::AlreadySo);
        assert!(undone.iter().flat_map(|undone| &undone.entries).all(|entry| fine(&entry.outcome)), "{undone:?}");
        machine.is_as_it_was();
    }
    assert!(journals > 3, "only {journals} were killed in the middle");
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn pairs_are_put_back_and_a_setting_that_fails_leaves_nothing() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let mut talk = Talk::start(state.path());
    talk.hello("pairs").unwrap();
    let bad = [setting(HARMLESS, other(HARMLESS)), setting("net.core.somaxconn", "-1"), setting("vm.none", "1")];
    let failure = talk.tune(&bad[..2]).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.detail.len()), ("tuning-refused", 1));
    assert!(failure.detail[0].contains("the kernel refuses `-1`"), "{failure:?}");
    machine.is_as_it_was();
    let failure = talk.tune(&bad).unwrap_err();
    assert!(failure.detail[0].contains("no such setting"), "{failure:?}");
    machine.is_as_it_was();
    let pairs = [setting("vm.overcommit_kbytes", "900000"), setting("vm.dirty_background_bytes", "104857600")];
    let made = talk.tune(&pairs).unwrap();
    assert!(made.iter().all(|one| one.took), "{made:?}");
    assert_eq!((value("vm.overcommit_ratio"), value("vm.dirty_background_ratio")), ("0".to_owned(), "0".to_owned()));
    let Reply::Goodbye { undone, .. } = talk.goodbye() else { panic!() };
    let undone = undone.unwrap();
    assert!(
        undone.entries.len() == 4 && undone.entries.iter().all(|one| one.outcome == Outcome::Restored),
        "{undone:?}"
    );
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn what_was_left_alone_while_nobody_listened_is_told_at_the_next_contact_and_once() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let (before, wanted) = (value(HARMLESS), other(HARMLESS));
    let theirs = format!("{wanted}1");
    for by_restore in [false, true] {
        let mut talk = tuned(state.path(), &format!("unheard {by_restore}"), &wanted);
        set(HARMLESS, &theirs);
        talk.hang_up();
        talk.end();
        assert!(!Path::new(JOURNAL).exists());
        let mut next = Talk::start(state.path());
        let undone = if by_restore {
            let restored = next.ask(Request::Restore { owner: "restorer".to_owned() }).unwrap();
            let Reply::Restored { undone, .. } = restored else { panic!() };
            undone
        } else {
            next.hello("next").unwrap()
        };
        let undone = undone.unwrap();
        assert_eq!((undone.run, undone.entries.len()), (format!("unheard {by_restore}"), 1));
        assert_eq!(undone.entries[0].outcome, Outcome::LeftAlone);
        assert_eq!(undone.entries[0].found.as_deref(), Some(&*theirs));
        next.goodbye();
        assert_eq!(Talk::start(state.path()).hello("once more").unwrap(), None);
        assert_eq!(value(HARMLESS), theirs);
        set(HARMLESS, &before);
        machine.is_as_it_was();
    }
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn what_somebody_set_after_a_death_in_the_middle_is_theirs_and_told() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let (before, wanted) = (value(HARMLESS), other(HARMLESS));
    tuned(state.path(), "in flight", &wanted).kill();
    // As if it had died before it wrote the line that says what it read back.
    let bytes = std::fs::read(JOURNAL).unwrap();
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut cut = bytes[..first].to_vec();
    cut.resize(bytes.len(), 0);
    std::fs::write(JOURNAL, cut).unwrap();
    let theirs = (before.parse::<u64>().unwrap() + 3).to_string();
    set(HARMLESS, &theirs);
    let undone = Talk::start(state.path()).hello("next").unwrap().unwrap();
    assert_eq!((outcome(&undone, HARMLESS), value(HARMLESS)), (Outcome::LeftAlone, theirs));
    set(HARMLESS, &before);
    machine.is_as_it_was();
}

#[test]
#[ignore = "needs root: it sets settings of this machine"]
fn what_spreads_is_refused_and_what_follows_goes_back_by_itself() {
    let machine = Machine::alone();
    let state = tempfile::tempdir().unwrap();
    let mut talk = Talk::start(state.path());
    talk.hello("spreads").unwrap();
    for name in ["net.ipv6.conf.all.ignore_routes_with_linkdown", "kernel.shm_rmid_forced", "net.ipv4.ip_forward"] {
        let failure = talk.tune(&[setting(name, if value(name) == "1" { "0" } else { "1" })]).unwrap_err();
        assert!(failure.detail[0].contains("no campaign may set it"), "{name}: {failure:?}");
        machine.is_as_it_was();
    }
    let followed =
        [setting("net.ipv4.conf.default.rp_filter", "1"), setting("net.ipv4.conf.default.log_martians", "1")];
    assert!(talk.tune(&followed).unwrap().iter().all(|one| one.took));
    let Reply::Goodbye { compared, .. } = talk.goodbye() else { panic!() };
    assert_eq!(compared.unwrap().differences, []);
    machine.is_as_it_was();
}
