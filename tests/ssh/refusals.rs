//! Machines that can't be reached: each reason has a code, a message and a hint of its own, and nothing was touched.

use std::fs;
use std::net::TcpListener;

use crate::ssh::bench::{ALL_ROLES, Bench};
use crate::ssh::sshd::{Sshd, keygen, me};
use crate::support::machine::not_run;
use crate::support::project::RUN;
use crate::support::running::{RunDirectory, Running};

#[test]
#[ignore = "needs sshd: it asks for a host whose key is not known"]
fn a_host_key_that_is_not_known_is_refused_and_not_learned() {
    let Some(mut bench) = Bench::new() else { return };
    bench.project.write("keys/known", "");
    bench.project.look();
    let (ended, code) = bench.refused();
    assert_eq!(code, "ssh-host-key-unknown");
    let port = bench.sshd.port;
    ended.assert_said(&format!("bench: the host key of [127.0.0.2]:{port} is not known, and is never learned unseen"));
    ended.assert_said(&format!("get the key once: ssh-keyscan -p {port} 127.0.0.2 > found-key; compare "));
    ended.assert_said("then add that same file: cat found-key >> ");
    assert_eq!(fs::read_to_string(bench.project.path("keys/known")).unwrap(), "");
}

#[test]
#[ignore = "needs sshd: it changes its host key"]
fn a_host_key_that_has_changed_is_refused_with_the_entry_to_look_at() {
    let Some(mut bench) = Bench::new() else { return };
    keygen(&bench.project.path("keys/other"));
    let other = fs::read_to_string(bench.project.path("keys/other.pub")).unwrap();
    let port = bench.sshd.port;
    bench.project.write("keys/known", format!("[127.0.0.2]:{port} {other}"));
    bench.project.look();
    let (ended, code) = bench.refused();
    assert_eq!(code, "ssh-host-key-changed");
    ended.assert_said(&format!("bench: the host key of [127.0.0.2]:{port} is not the one that is known"));
    ended.assert_said(&format!("ssh-keygen -R '[127.0.0.2]:{port}' -f "));
    ended.assert_said("either the machine was set up anew, or somebody stands between").assert_not_said("@@@@");
}

#[test]
#[ignore = "needs sshd: it logs in with a wrong key"]
fn a_wrong_key_is_told_with_whose_it_is() {
    let Some(mut bench) = Bench::new() else { return };
    keygen(&bench.project.path("keys/wrong"));
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("key", "\"keys/wrong\"")])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "ssh-denied");
    let key = bench.project.path("keys/wrong");
    ended.assert_said(&format!("bench: {}@127.0.0.2 accepts no key that {} holds", me(), key.display()));
    ended.assert_said("must stand in ~/.ssh/authorized_keys there");
    ended.assert_said(&format!("try it by hand: ssh -i {} -o UserKnownHostsFile=", key.display()));
}

#[test]
#[ignore = "needs sshd: the user's configuration silences ssh"]
fn a_quiet_configuration_does_not_hide_why() {
    let Some(mut bench) = Bench::new() else { return };
    bench.project.write("keys/config", "LogLevel QUIET\n");
    keygen(&bench.project.path("keys/wrong"));
    let quiet = ("ssh_config", "\"keys/config\"");
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[quiet, ("key", "\"keys/wrong\"")])]);
    assert_eq!(bench.refused().1, "ssh-denied");
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[quiet, ("port", "9")])]);
    let ended = bench.run();
    ended.assert_code(5).assert_said("bench: 127.0.0.2 is there, but nothing listens on its port 9");
}

#[test]
#[ignore = "needs sshd: ssh itself is needed"]
fn nobody_listening_no_such_host_and_no_such_file_are_three_errors() {
    let check = |keys: &[(&str, &str)], wanted: &str, words: &[&str]| {
        let Some(mut bench) = Bench::new() else { return };
        bench.hosts(&[bench.machine("bench", ALL_ROLES, keys)]);
        let (ended, code) = bench.refused();
        assert_eq!(code, wanted);
        for words in words {
            ended.assert_said(words);
        }
    };
    check(
        &[("port", "9")],
        "ssh-refused",
        &["bench: 127.0.0.2 is there, but nothing listens on its port 9", "(hint: start sshd there, or say its `port`"],
    );
    check(
        &[("host", "\"no-such-host.invalid\"")],
        "ssh-no-such-host",
        &["bench: there is no host `no-such-host.invalid`", "(hint: look at `host` of the machine in hosts.toml"],
    );
    check(
        &[("key", "\"keys/nowhere\"")],
        "no-such-file",
        &["bench: can't read its `key`, /", "a relative path begins at the inventory's folder"],
    );
}

#[test]
#[ignore = "needs sshd: its project is made with ssh's own tools"]
fn a_controller_without_ssh_is_told() {
    let Some(bench) = Bench::new() else { return };
    let mut command = bench.command(RUN);
    command.env("PATH", bench.project.path("bin"));
    let ended = Running::start(&bench.project, command).end();
    ended.assert_code(5).assert_said("bench: there is no `ssh` program on this machine, the controller");
    ended.assert_said("(hint: install it: apt-get install openssh-client)");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: waits for the 10 s that a connection may take"]
fn a_host_that_says_nothing_has_a_time_limit() {
    let Some(mut bench) = Bench::new() else { return };
    let mute = TcpListener::bind(("127.0.0.2", 0)).unwrap();
    let port = mute.local_addr().unwrap().port().to_string();
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("port", &port)])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "ssh-timeout");
    ended
        .assert_said("bench: 127.0.0.2 did not answer within 10 s")
        .assert_said("does its firewall let this machine in?");
}

#[test]
#[ignore = "needs root and sshd: it takes the network away in a network namespace"]
fn no_way_to_a_host_is_told() {
    let Some(mut bench) = Bench::new() else { return };
    if !nix::unistd::Uid::effective().is_root() {
        return not_run("not root");
    }
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("host", "\"192.0.2.1\"")])]);
    let alone = bench.started_by(&["unshare", "-n"], RUN);
    let ended = Running::start(&bench.project, alone).end();
    if ended.stderr.contains("unshare: ") {
        return not_run("making namespaces is not allowed");
    }
    ended.assert_code(5).assert_said("bench: there is no way to 192.0.2.1 from here, or it is down");
    let reason = RunDirectory::only(&bench.project).event("campaign-finished")["outcome"]["reason"].clone();
    assert_eq!(reason["code"], "ssh-no-route");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: two machines fail at once"]
fn two_machines_that_fail_are_both_told() {
    let Some(mut bench) = Bench::new() else { return };
    bench.hosts(&[
        bench.machine("alpha", "[\"server\"]", &[("port", "9"), ("bench_address", "\"127.0.0.2\"")]),
        bench.machine("beta", "[\"client\", \"database\"]", &[("host", "\"127.0.0.4\""), ("port", "9")]),
    ]);
    let (ended, _) = bench.refused();
    ended.assert_said("alpha: 127.0.0.2 is there, but nothing listens on its port 9");
    ended.assert_said("beta: 127.0.0.4 is there, but nothing listens on its port 9");
    let doctor = bench.timetrial(&["doctor"]);
    doctor.assert_code(5);
    assert_eq!(doctor.stdout.matches("  problem: 127.0.0.").count(), 2, "{}", doctor.stdout);
    assert_eq!(doctor.stdout.matches("(hint: start sshd there").count(), 2, "{}", doctor.stdout);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: its users have no shell"]
fn a_login_without_a_shell_is_told_with_what_it_printed() {
    let check = |command: &str, words: &str| {
        let forced = format!("ForceCommand {command}");
        let Some(bench) = Bench::with(&[("alpha", &[])], &crate::support::project::Scenario::default(), &forced) else {
            return;
        };
        let (ended, code) = bench.refused();
        assert_eq!(code, "ssh");
        ended.assert_said("bench: the login works, but no shell runs commands").assert_said(words);
        ended.assert_said("the user needs a plain POSIX shell");
    };
    check("/bin/false", "(hint: ");
    check("echo 'This account is currently not available.'", "| This account is currently not available.");
}

#[test]
#[ignore = "needs sshd: two of them, one as a jump host"]
fn a_jump_host_that_refuses_is_named() {
    let Some(mut bench) = Bench::new() else { return };
    let public = fs::read_to_string(bench.project.path("keys/id.pub")).unwrap();
    let gate = Sshd::start(&["127.0.0.5"], &public, "");
    let jump = format!("\"{}@127.0.0.5:{}\"", me(), gate.port);
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("jump", &jump)])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "ssh-host-key-unknown");
    ended.assert_said(&format!("bench: its jump host: the host key of [127.0.0.5]:{} is not known", gate.port));
    ended.assert_said(&format!("get the key once: ssh-keyscan -p {} 127.0.0.5 > found-key", gate.port));
    assert!(!bench.sshd.log().contains("Accepted publickey"), "{}", bench.sshd.log());
}
