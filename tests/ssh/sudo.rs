//! Root by `sudo`, only where something may be tuned. The `sudo` here is a script that keeps what it was asked, found
//! first in the session's PATH: the machine's own sudo, its rules and its users are not the test's to change.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::ssh::bench::{ALL_ROLES, Bench, own_sha256};
use crate::support::machine::not_run;
use crate::support::project::Scenario;

const PLAY: &str = "SetEnv HOME={project}/home TMPDIR={project}/tmp PATH={project}/sbin:/usr/bin:/bin";

/// A machine whose sudo does this, after it kept what it was asked; none where this is not root, who alone can put a
/// program where only root can have put it.
fn bench(then: &str, may_tune: &str) -> Option<Bench> {
    if !nix::unistd::Uid::effective().is_root() {
        not_run("not root");
        return None;
    }
    let mut bench = Bench::with(&[("alpha", &[])], &Scenario::default(), PLAY)?;
    let log = bench.project.path("out/sudo");
    bench.project.write("sbin/sudo", format!("#!/bin/sh\nprintf '%s\\n' \"$1 $2 $3\" >>{}\n{then}\n", log.display()));
    fs::set_permissions(bench.project.path("sbin/sudo"), fs::Permissions::from_mode(0o755)).unwrap();
    let keys = [("become", "\"sudo\""), ("may_tune", may_tune)];
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &keys)]);
    Some(bench)
}

fn asked(bench: &Bench) -> Vec<String> {
    let text = fs::read_to_string(bench.project.path("out/sudo")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs root and sshd: its sudo is a script"]
fn sudo_is_asked_where_something_may_be_tuned_and_without_a_password() {
    let Some(bench) = bench("shift; exec \"$@\"", "true") else { return };
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    bench.run().assert_code(0).assert_said("our program was sent, ").assert_said("1 measured");
    let agent = format!("-n {}/bin/{}/timetrial agent", bench.project.path("s").display(), own_sha256());
    assert_eq!(asked(&bench), ["-n true ", "-n sh -c", "-n true ", agent.as_str()]);
    bench.assert_clean();
}

#[test]
#[ignore = "needs root and sshd: its sudo is a script"]
fn sudo_is_not_asked_where_nothing_may_be_tuned() {
    let Some(bench) = bench("shift; exec \"$@\"", "false") else { return };
    bench.run().assert_code(0).assert_said("1 measured");
    assert_eq!(asked(&bench), Vec::<String>::new());
    bench.assert_clean();
}

#[test]
#[ignore = "needs root and sshd: its sudo is a script"]
fn a_sudo_that_refuses_is_told_before_anything_is_sent() {
    let Some(bench) = bench("echo 'sudo: a password is required' >&2; exit 1", "true") else { return };
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    let (ended, code) = bench.refused();
    assert_eq!(code, "sudo");
    ended.assert_said("bench: sudo is not there, wants a password, or does not let this user be root");
    ended.assert_said("| sudo: a password is required").assert_said("`USER ALL=(root) NOPASSWD: ALL`");
    assert_eq!(asked(&bench), ["-n true "]);
    assert!(!bench.project.path("s").exists());
}
