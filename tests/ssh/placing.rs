//! What is put on a machine: once, by its contents, and never over what is not ours.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::ssh::bench::{ALL_ROLES, Bench, files_below, own_sha256, sha256_of};
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
