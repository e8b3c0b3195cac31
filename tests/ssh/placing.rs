//! What is put on a machine: once, by its contents, and never over what is not ours.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::ssh::bench::{ALL_ROLES, Bench, files_below, own_sha256, sha256_of};
use crate::support::machine::not_run;
use crate::support::project::{Scenario, entries};
use crate::support::running::RunDirectory;

#[test]
#[ignore = "needs sshd: the program is sent there"]
fn the_program_is_sent_once_and_a_second_campaign_changes_nothing() {
    let Some(bench) = Bench::new() else { return };
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    bench.run().assert_code(0).assert_said("bench is ready: our program was sent, ").assert_said("1 measured");
    bench.assert_clean();
    let run = RunDirectory::only(&bench.project);
    run.assert_complete();
    let size = fs::metadata(env!("CARGO_BIN_EXE_timetrial")).unwrap().len();
    assert_eq!(run.event("machine-connected")["sent_bytes"], size);
    assert_eq!(run.event("machine-connected")["transport"], "ssh");

    let placed = bench.placed("s");
    assert_eq!(sha256_of(&placed), own_sha256());
    let look = || (files_below(&bench.project.path("s")), fs::metadata(&placed).unwrap().ino());
    let before = look();
    bench.run().assert_code(0).assert_said("bench is ready: our program was there already");
    assert_eq!(look(), before);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: the program there is damaged"]
fn a_damaged_program_is_replaced() {
    let Some(bench) = Bench::new() else { return };
    let placed = bench.placed("s");
    fs::write(&placed, "#!/bin/sh\necho broken\n").unwrap();
    bench.run().assert_code(0).assert_said("our program was sent, ").assert_said("1 measured");
    assert_eq!(sha256_of(&placed), own_sha256());
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: somebody's folder is there"]
fn a_folder_of_somebody_else_is_refused_and_not_touched() {
    let Some(bench) = Bench::new() else { return };
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    bench.project.write("s/thesis.txt", "years");
    let (ended, code) = bench.refused();
    assert_eq!(code, "state-dir-not-ours");
    ended.assert_said("bench: the state directory holds `thesis.txt`, which is not ours");
    ended.assert_said("(hint: name an own, empty folder as `state_dir`");
}

#[test]
#[ignore = "needs sshd: nobody may write there"]
fn a_state_directory_that_can_not_be_made_is_told() {
    let Some(mut bench) = Bench::new() else { return };
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("state_dir", "\"/proc/timetrial\"")])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "place");
    ended.assert_said("bench: the binary can't be put into /proc/timetrial").assert_said("| mkdir: ");
}

#[test]
#[ignore = "needs sshd: a machine with another kind of processor is played"]
fn a_program_for_another_processor_is_told_before_it_is_sent() {
    let Some(mut bench) = Bench::new() else { return };
    // Its header says so: bytes 18 and 19 are the processor.
    let (number, name): (u16, &str) = if cfg!(target_arch = "x86_64") { (183, "aarch64") } else { (62, "x86_64") };
    let mut program = fs::read(env!("CARGO_BIN_EXE_timetrial")).unwrap();
    program.truncate(64 << 10);
    program[18..20].copy_from_slice(&number.to_le_bytes());
    bench.project.write("keys/timetrial-other", program);
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("binary", "\"keys/timetrial-other\"")])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "other-architecture");
    let here = std::env::consts::ARCH;
    ended.assert_said(&format!("bench: it has a processor of the kind {here}, and "));
    ended.assert_said(&format!("keys/timetrial-other is for {name}"));
    ended.assert_said("name it in hosts.toml: binary = \"FILE\"");
}

#[test]
#[ignore = "needs sshd: it looks before anything is sent"]
fn what_is_no_program_is_told_before_anything_is_contacted() {
    let Some(mut bench) = Bench::new() else { return };
    bench.project.write("keys/script", "#!/bin/sh\n");
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("binary", "\"keys/script\"")])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "binary");
    ended.assert_said("can't be sent: it is not a program for Linux (no ELF file)");
    assert!(!bench.sshd.log().contains("Accepted publickey"));
}

/// Makes a path this much older than now.
fn age(path: &Path, by: Duration) {
    fs::File::open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

#[track_caller]
fn assert_not_safe(bench: &mut Bench, words: &str) {
    // What the test itself changed, and what the refusal before this one reported.
    let _ = fs::remove_dir_all(bench.project.path("reports"));
    bench.project.look();
    let (ended, code) = bench.refused();
    assert_eq!(code, "state-dir-not-safe");
    ended.assert_said("bench: the state directory is not safe: ").assert_said(words);
    ended.assert_said("(hint: choose a `state_dir` in hosts.toml that only root");
}

#[test]
#[ignore = "needs sshd: others may write where our program is"]
fn a_place_that_others_can_change_is_refused_and_nothing_in_it_is_run() {
    let Some(mut bench) = Bench::new() else { return };
    let state = bench.project.path("s");
    let placed = bench.placed("s");
    for open in [placed.parent().unwrap(), &state.join("bin"), &state] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
        assert_not_safe(&mut bench, &format!("{} can be written by others (mode 777)", open.display()));
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bench.run().assert_code(0).assert_said("our program was there already");
}

#[test]
#[ignore = "needs sshd: where the place for our program lies, others may write"]
fn a_folder_above_that_others_can_change_is_refused_before_anything_is_made() {
    let Some(mut bench) = Bench::new() else { return };
    let above = bench.project.path("s/above");
    fs::create_dir(&above).unwrap();
    let there = format!("\"{}\"", above.join("state").display());
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("state_dir", &there)])]);
    for mode in [0o777, 0o757] {
        fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
        assert_not_safe(&mut bench, &format!("{} can be written by others (mode {mode:o})", above.display()));
    }
    fs::set_permissions(&above, fs::Permissions::from_mode(0o1777)).unwrap();
    bench.run().assert_code(0).assert_said("our program was sent, ");
}

#[test]
#[ignore = "needs sshd: a link is in the place of a folder"]
fn a_place_that_is_a_link_is_refused() {
    let Some(mut bench) = Bench::new() else { return };
    let (state, link) = (bench.project.path("s"), bench.project.path("s-link"));
    symlink(&state, &link).unwrap();
    let there = format!("\"{}\"", link.display());
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("state_dir", &there)])]);
    assert_not_safe(&mut bench, &format!("{} is no directory but a symbolic link", link.display()));
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[])]);
    fs::rename(state.join("bin"), state.join("elsewhere")).unwrap();
    symlink("elsewhere", state.join("bin")).unwrap();
    assert_not_safe(&mut bench, &format!("{}/bin is no directory but a symbolic link", state.display()));
}

#[test]
#[ignore = "needs root and sshd: it gives a folder away"]
fn a_place_that_belongs_to_somebody_else_is_refused() {
    let Some(mut bench) = Bench::new() else { return };
    if !nix::unistd::Uid::effective().is_root() {
        return not_run("not root");
    }
    let state = bench.project.path("s");
    for theirs in [state.join("bin"), state] {
        chown(&theirs, Some(4711), None).unwrap();
        assert_not_safe(&mut bench, &format!("{} belongs to the user 4711", theirs.display()));
        chown(&theirs, Some(0), None).unwrap();
    }
}

#[test]
#[ignore = "needs sshd: somebody's folder has a lock of its own"]
fn a_lock_of_somebody_else_does_not_make_a_folder_ours() {
    let Some(bench) = Bench::new() else { return };
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    bench.project.write("s/lock", "mine");
    bench.project.write("s/pool/thesis.txt", "years");
    let (ended, code) = bench.refused();
    assert_eq!(code, "state-dir-not-ours");
    ended.assert_said("bench: the state directory holds `pool`, which is not ours");
}

#[test]
#[ignore = "needs sshd: the program is sent there beside old ones"]
fn old_programs_go_and_what_is_named_otherwise_stays() {
    let Some(bench) = Bench::new() else { return };
    let old = Duration::from_secs(40 * 24 * 3600);
    fs::remove_file(bench.placed("s")).unwrap();
    let bin = bench.project.path("s/bin");
    let (ours, young) = ("0".repeat(64), "1".repeat(64));
    for name in [ours.as_str(), young.as_str(), "precious", "0123456789abcdef"] {
        bench.project.write(&format!("s/bin/{name}/thesis.txt"), "years");
        if name != young {
            age(&bin.join(name), old);
        }
    }
    bench.run().assert_code(0).assert_said("our program was sent, ");
    assert!(!bin.join(&ours).exists());
    for stays in [young.as_str(), "precious", "0123456789abcdef"] {
        assert!(bin.join(stays).join("thesis.txt").exists(), "{stays}");
    }
}

/// What a sending left of itself; it removes itself when its channel has ended, which may take a moment.
#[track_caller]
fn assert_nothing_left_on_its_way(bench: &Bench) {
    let begun = Instant::now();
    loop {
        let left = entries(&bench.project.path("tmp"));
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A machine where this happens when the program is to be sent, which is not there.
fn where_sending(does: &str) -> Option<Bench> {
    let force = format!(
        "ForceCommand case $SSH_ORIGINAL_COMMAND in *sftp*) ls $TMPDIR >$HOME/seen; {does};; esac; \
         exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n\
         SetEnv HOME={{project}}/out TMPDIR={{project}}/tmp"
    );
    let bench = Bench::with(&[("alpha", &[])], &Scenario::default(), &force)?;
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    fs::create_dir_all(bench.project.path("out")).unwrap();
    fs::create_dir_all(bench.project.path("tmp")).unwrap();
    Some(bench)
}

#[track_caller]
fn assert_was_on_its_way(bench: &Bench) {
    let seen = fs::read_to_string(bench.project.path("out/seen")).unwrap();
    assert!(seen.starts_with("timetrial-sent."), "or the test shows nothing: {seen}");
}

#[test]
#[ignore = "needs sshd: its sftp does not start"]
fn a_sending_that_fails_leaves_nothing() {
    let Some(bench) = where_sending("exit 1") else { return };
    let ended = bench.run();
    ended.assert_code(5).assert_said("bench: the binary can't be sent to ");
    assert_was_on_its_way(&bench);
    assert_nothing_left_on_its_way(&bench);
    assert!(!bench.project.path("s").exists());
}

#[test]
#[ignore = "needs sshd: its session is killed while the program is sent"]
fn a_link_that_is_lost_while_sending_is_told_as_that_and_leaves_nothing() {
    let Some(bench) = where_sending("kill -9 $PPID; exit 1") else { return };
    let ended = bench.run();
    ended.assert_code(5).assert_said("bench: the connection to it broke").assert_said(" while our program was sent");
    ended.assert_not_said("Subsystem sftp");
    assert_was_on_its_way(&bench);
    assert_nothing_left_on_its_way(&bench);
}

#[test]
#[ignore = "needs sshd: its controller is interrupted while the program is sent"]
fn ctrl_c_and_kill_9_while_sending_leave_nothing() {
    for signal in [nix::sys::signal::Signal::SIGINT, nix::sys::signal::Signal::SIGKILL] {
        let Some(bench) = where_sending("sleep 600 & wait") else { return };
        let running = bench.begin();
        let seen = bench.project.path("out/seen");
        running.await_that("sending", || fs::metadata(&seen).is_ok_and(|found| found.len() > 0));
        running.signal(signal);
        running.end();
        assert_was_on_its_way(&bench);
        assert_nothing_left_on_its_way(&bench);
    }
}

#[test]
#[ignore = "needs sshd: a program that was on its way lies there"]
fn what_a_dead_sending_left_goes_at_the_next_contact() {
    let Some(bench) = Bench::new() else { return };
    for name in ["old", "new"] {
        bench.project.write(&format!("tmp/timetrial-sent.{name}"), "half");
    }
    bench.project.write("tmp/thesis.txt", "years");
    for old in ["timetrial-sent.old", "thesis.txt"] {
        age(&bench.project.path("tmp").join(old), Duration::from_secs(600));
    }
    bench.timetrial(&["doctor"]).assert_code(0);
    let path = |name: &str| bench.project.path("tmp").join(name);
    assert_eq!(entries(&bench.project.path("tmp")).len(), 2);
    assert!(path("thesis.txt").exists() && path("timetrial-sent.new").exists());
}
