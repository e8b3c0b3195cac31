//! An sshd of the test's own, as the user that runs the test, with keys of its own.

#![expect(clippy::disallowed_methods, reason = "a test starts what it needs")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::machine;

const SSHD: &str = "/usr/sbin/sshd";

/// Its process, its folder, and where it listens.
pub struct Sshd {
    folder: tempfile::TempDir,
    child: Child,
    /// The first of its addresses.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// Whether this machine has what these tests need; says so where it does not.
pub fn is_there() -> bool {
    let has = |program: &str| ["/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
    let all = Path::new(SSHD).exists() && has("ssh") && has("ssh-keygen") && has("ssh-agent");
    if !all {
        machine::not_run("no sshd");
    }
    all
}

/// The user that runs the test, who is the only one that can log in.
pub fn me() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes a key pair without a passphrase.
pub fn keygen(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path);
    assert!(command.status().unwrap().success());
}

impl Sshd {
    /// Starts one that listens on these addresses and lets this public key in, with more lines of configuration.
    pub fn start(addresses: &[&str], public_key: &str, more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("sshd").tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().join(name);
        keygen(&path("host"));
        fs::write(path("authorized"), public_key).unwrap();
        if nix::unistd::Uid::effective().is_root() {
            // Debian's package has its service make it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = free_port();
        let listen: String = addresses.iter().map(|address| format!("ListenAddress {address}:{port}\n")).collect();
        let configuration = format!(
            "{more}\n{listen}HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\nMaxStartups 100\nLogLevel VERBOSE\nPrintMotd no\nPrintLastLog no\n",
            path("host").display(),
            path("authorized").display(),
        );
        fs::write(path("config"), configuration).unwrap();
        let log = File::create(path("log")).unwrap();
        let mut command = Command::new(SSHD);
        command.arg("-D").arg("-e").arg("-f").arg(path("config"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let sshd = Self { folder, child, address: addresses[0].to_owned(), port };
        let begun = Instant::now();
        while machine::listeners(port).len() < addresses.len() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no sshd on port {port}: {}", sshd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd
    }

    /// The line that makes it known at an address.
    pub fn known_at(&self, address: &str) -> String {
        let key = fs::read_to_string(self.path("host.pub")).unwrap();
        format!("[{address}]:{} {key}", self.port)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The processes of its sessions, without what runs in them.
    pub fn sessions(&self) -> Vec<Pid> {
        let mut found = vec![self.child.id().cast_signed()];
        let mut at = 0;
        while at < found.len() {
            found.extend(children_named_sshd(found[at]));
            at += 1;
        }
        found.into_iter().skip(1).map(Pid::from_raw).collect()
    }

    /// Ends the process that listens. Its sessions live on, and are nobody's then.
    pub fn stop_listening(&self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL).unwrap();
    }

    /// Sends a signal to the processes of all its sessions.
    pub fn signal_sessions(&self, signal: Signal) {
        let sessions = self.sessions();
        assert!(!sessions.is_empty(), "nobody is logged in: {}", self.log());
        for pid in sessions {
            // One may have gone with the one before it.
            let _ = kill(pid, signal);
        }
    }
}

/// Its sessions end with it, or a test that failed would leave them.
impl Drop for Sshd {
    fn drop(&mut self) {
        for pid in self.sessions() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn children_named_sshd(parent: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let is_child = rest.split(' ').nth(1) == Some(parent.to_string().as_str());
        // Newer releases have a program of its own for a session.
        if is_child && name.split_once('(').is_some_and(|(_, name)| name.starts_with("sshd")) {
            found.push(pid);
        }
    }
    found
}

fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 2210 + NEXT.fetch_add(1, Ordering::Relaxed) % 90;
        if machine::listeners(port).is_empty() {
            return port;
        }
    }
}
