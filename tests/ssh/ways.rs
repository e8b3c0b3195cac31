//! The ways to a machine: relative files, an alias of a configuration, a jump host, an ssh agent, a noisy login; and two
//! names of one machine.

#![expect(clippy::disallowed_methods, reason = "a test starts what it needs")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ssh::bench::{ALL_ROLES, Bench};
use crate::ssh::sshd::{Sshd, me};
use crate::support::project::{RUN, Scenario};
use crate::support::running::{RunDirectory, Running};

#[test]
#[ignore = "needs sshd: it is looked at from another folder"]
fn files_of_the_inventory_are_relative_to_it() {
    let Some(bench) = Bench::new() else { return };
    let hosts = bench.project.path("hosts.toml").display().to_string();
    let mut command = bench.command(&["doctor", "--hosts", &hosts]);
    command.current_dir("/");
    let ended = Running::start(&bench.project, command).end();
    assert!(ended.assert_code(0).stdout.contains("machine bench\n  "), "{}", ended.stdout);
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: reached by an alias"]
fn a_host_of_an_own_configuration_needs_nothing_else() {
    let Some(mut bench) = Bench::new() else { return };
    let path = |name: &str| bench.project.path(name).display().to_string();
    let text = format!(
        "Host machine-one\n  HostName 127.0.0.2\n  Port {}\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        bench.sshd.port,
        me(),
        path("keys/id"),
        path("keys/known")
    );
    bench.project.write("keys/config", text);
    let keys = [
        ("host", "\"machine-one\""),
        ("ssh_config", "\"keys/config\""),
        ("port", ""),
        ("user", ""),
        ("key", ""),
        ("known_hosts", ""),
    ];
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &keys)]);
    bench.run().assert_code(0).assert_said("1 measured");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: two of them, one as a jump host"]
fn a_jump_host_is_passed_with_the_key_and_the_known_hosts_of_the_inventory() {
    let Some(mut bench) = Bench::new() else { return };
    let public = fs::read_to_string(bench.project.path("keys/id.pub")).unwrap();
    let gate = Sshd::start(&["127.0.0.5"], &public, "");
    bench.project.write("keys/known", [gate.known_at("127.0.0.5"), bench.sshd.known_at("127.0.0.2")].concat());
    let jump = format!("\"{}@127.0.0.5:{}\"", me(), gate.port);
    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("jump", &jump)])]);
    bench.run().assert_code(0).assert_said("1 measured");
    for log in [gate.log(), bench.sshd.log()] {
        assert!(log.contains("Accepted publickey"), "{log}");
    }
    bench.assert_clean();
}

/// An agent of ssh, which ends with its test.
struct KeyAgent(Child);

impl Drop for KeyAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs sshd: and an ssh-agent, which it starts"]
fn an_ssh_agent_holds_the_key_where_the_inventory_names_none() {
    let Some(mut bench) = Bench::new() else { return };
    let folder = tempfile::Builder::new().prefix("key").tempdir_in("/tmp").unwrap();
    let socket = folder.path().join("socket");
    let mut command = Command::new("ssh-agent");
    command.arg("-D").arg("-a").arg(&socket).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _agent = KeyAgent(command.spawn().unwrap());
    let begun = Instant::now();
    while !socket.exists() {
        assert!(begun.elapsed() < Duration::from_secs(10), "no ssh-agent");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut add = Command::new("ssh-add");
    add.arg("-q").arg(bench.project.path("keys/id")).env("SSH_AUTH_SOCK", &socket);
    assert!(add.status().unwrap().success());

    bench.hosts(&[bench.machine("bench", ALL_ROLES, &[("key", "")])]);
    let (ended, code) = bench.refused();
    assert_eq!(code, "ssh-denied", "without the agent: {}", ended.stderr);
    ended.assert_said("accepts no key that your ssh agent and your configuration offer");
    let mut command = bench.command(RUN);
    command.env("SSH_AUTH_SOCK", &socket);
    Running::start(&bench.project, command).end().assert_code(0).assert_said("1 measured");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: its users are greeted at length"]
fn a_banner_and_a_login_shell_that_prints_are_no_hindrance() {
    let greeting = "Banner /etc/os-release\n\
        ForceCommand case $SSH_ORIGINAL_COMMAND in *sftp*) exec /usr/lib/openssh/sftp-server;; esac; \
        echo Welcome; echo 'timetrial-place/0 no'; printf 'You have mail.\\r\\n'; echo 'to error' >&2; \
        exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
    let Some(bench) = Bench::with(&[("alpha", &[])], &Scenario::default(), greeting) else { return };
    fs::remove_dir_all(bench.project.path("s")).unwrap();
    bench.run().assert_code(0).assert_said("bench is ready: our program was sent, ").assert_said("1 measured");
    bench.assert_clean();
}

#[test]
#[ignore = "needs sshd: two names lead to it"]
fn two_names_of_one_machine_share_one_agent() {
    let share = |other: &str| {
        let Some(mut bench) = Bench::new() else { return };
        bench.hosts(&[
            bench.machine("alpha", "[\"server\"]", &[]),
            bench.machine("beta", "[\"client\", \"database\"]", &[("host", &format!("\"{other}\""))]),
        ]);
        bench.run().assert_code(0).assert_said("beta is the same machine as alpha: one agent for both");
        let run = RunDirectory::only(&bench.project);
        assert_eq!(run.types().iter().filter(|kind| *kind == "machine-connected").count(), 1);
        assert_eq!(run.types().iter().filter(|kind| *kind == "machine-released").count(), 1);
        bench.assert_clean();
    };
    share("127.0.0.2");
    share("127.0.0.3");
}

#[test]
#[ignore = "needs sshd: two state directories are behind it"]
fn two_state_directories_are_two_agents() {
    let Some(mut bench) = Bench::new() else { return };
    let states = ["s/one", "s/two"];
    states.iter().for_each(|state| bench.place(state));
    let [one, two] = states.map(|state| format!("\"{}\"", bench.project.path(state).display()));
    bench.hosts(&[
        bench.machine("alpha", "[\"server\"]", &[("state_dir", &one)]),
        bench.machine("beta", "[\"client\", \"database\"]", &[("state_dir", &two), ("host", "\"127.0.0.3\"")]),
    ]);
    bench.run().assert_code(0).assert_not_said("is the same machine as").assert_said("1 measured");
    let run = RunDirectory::only(&bench.project);
    assert_eq!(run.types().iter().filter(|kind| *kind == "machine-connected").count(), 2);
    // The load came from the one and went to the other.
    let command = run.event("load-started").to_string();
    assert!(command.contains(&format!("http://127.0.0.2:{}/index", bench.project.port)), "{command}");
    for state in states {
        assert_eq!(crate::support::project::entries(&bench.project.path(state).join("w")).len(), 0);
    }
    bench.assert_clean();
}
