//! The `ssh` transport: our binary is put on a machine once, by its contents' name, and becomes the agent at the far end
//! of one channel.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssh::{Child, ChildStderr, ChildStdout, Session, Stdio};
use openssh_sftp_client::{Sftp, SftpOptions};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::time::timeout;

use crate::host::binary::Binary;
use crate::host::link::GOODBYE;
use crate::host::ssh_end::{End, Ending, broken};
use crate::host::ssh_session::{SshOptions, open, words};
use crate::host::{Link, LinkError};
use crate::wire::Failure;

/// Finds the binary there and becomes the agent.
const PLACE: &str = concat!(include_str!("own.sh"), include_str!("place.sh"));

/// Puts the binary in its place.
const INSTALL: &str = concat!(include_str!("own.sh"), include_str!("install.sh"));

/// Makes the file that the binary is sent to, and removes it.
const SEND: &str = include_str!("send.sh");

/// What a line of the scripts begins with.
const WORD: &str = "timetrial-place/1 ";

/// How long a script may take to say its line: it reads the binary once.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long sending the binary may take, on a slow line.
const SENDING: Duration = Duration::from_secs(600);

/// A machine behind `ssh`.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// Its name in the inventory.
    pub machine: String,
    /// How it is reached.
    pub options: SshOptions,
    /// Whether the agent is root there, by `sudo -n`.
    pub become_root: bool,
    /// Where its agent keeps things; the agent's own choice if not said.
    pub state_dir: Option<String>,
    /// What is put there.
    pub binary: Arc<Binary>,
}

/// What is held of a machine behind `ssh`.
pub struct SshHost {
    end: End,
    session: Arc<Session>,
    sent_bytes: u64,
}

impl std::fmt::Debug for SshHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SshHost({})", self.session.control_socket().display())
    }
}

/// Starts the agent of a machine and speaks with it.
pub async fn start_ssh(target: &SshTarget) -> Result<(SshHost, Link), LinkError> {
    let machine = &target.machine;
    let unreachable = |failure: Failure| LinkError::unreachable(machine, failure);
    let session = Arc::new(open(&target.options).await.map_err(unreachable)?);
    let mut begun = begin(target, &session).await.map_err(unreachable)?;
    let mut sent_bytes = 0;
    if let Said::Missing(state) = &begun.said {
        send(target, &session, state).await.map_err(unreachable)?;
        sent_bytes = u64::try_from(target.binary.bytes.len()).unwrap_or(u64::MAX);
        begun = begin(target, &session).await.map_err(unreachable)?;
        if let Said::Missing(state) = begun.said {
            let message = format!("the binary was put into {state}/bin, and is not there");
            return Err(unreachable(Failure::new("place", message).hint("is that disk full, or swept by somebody?")));
        }
    }
    let Begun { mut child, stdout, stderr, .. } = begun;
    let Some(stdin) = child.stdin().take() else {
        return Err(unreachable(Failure::new("ssh", "the channel has no input")));
    };
    let end = End::of(child);
    let ending = Ending { end: end.clone(), session: Arc::clone(&session) };
    match Link::open_watched(machine, stdout, stdin, ending.words()).await {
        Ok(link) => Ok((SshHost { end, session, sent_bytes }, link)),
        Err(error) => Err(unreachable(
            Failure::new("agent-not-started", format!("the agent did not start: {error}"))
                .detail(stderr.lines())
                .hint("run the same by hand there: BINARY agent; what it prints says why"),
        )),
    }
}

/// What the far end said first.
enum Said {
    /// The agent follows.
    There,
    /// The binary is not there; this is the state directory.
    Missing(String),
}

struct Begun {
    said: Said,
    child: Child<Arc<Session>>,
    stdout: BufReader<ChildStdout>,
    stderr: Collected,
}

/// What a channel printed to its standard error, as it comes.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    /// What an agent prints there is for people, and short.
    const MOST: usize = 16 << 10;

    fn follow(&self, mut stream: ChildStderr) {
        let kept = self.clone();
        tokio::spawn(async move {
            let mut bytes = vec![0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                kept.add(&bytes[..count]);
            }
        });
    }

    fn add(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::MOST.saturating_sub(all.len()).min(bytes.len());
        all.extend(&bytes[..room]);
    }

    fn lines(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<String> = String::from_utf8_lossy(&all).lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(8)..].to_vec()
    }
}

/// Opens the channel and hears what the far end says first.
async fn begin(target: &SshTarget, session: &Arc<Session>) -> Result<Begun, Failure> {
    let SshTarget { binary, .. } = target;
    let mut command = Arc::clone(session).arc_command("sh");
    command.arg("-c").arg(PLACE).arg("timetrial").arg(&binary.sha256).arg(binary.architecture);
    command.arg(target.state_dir.as_deref().unwrap_or("")).arg(if target.become_root { "root" } else { "" });
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().await.map_err(|error| channel(&error))?;
    let no_pipe = || Failure::new("ssh", "the channel has no output");
    let stderr = Collected::default();
    stderr.follow(child.stderr().take().ok_or_else(no_pipe)?);
    let mut stdout = BufReader::new(child.stdout().take().ok_or_else(no_pipe)?);
    let line = match timeout(PATIENCE, said(&mut stdout, &stderr)).await {
        Ok(line) => line,
        Err(_) => {
            return Err(Failure::new("ssh", format!("no shell answered within {} s", PATIENCE.as_secs()))
                .detail(stderr.lines())
                .hint("does a login there wait for something? The user needs a plain shell"));
        }
    };
    let Some(line) = line else {
        // What it printed may be on its way still.
        tokio::time::sleep(Duration::from_millis(200)).await;
        return Err(Failure::new("ssh", "the login works, but no shell runs commands")
            .detail(stderr.lines())
            .hint("the user needs a plain POSIX shell; a forced command or a restricted one can't start an agent"));
    };
    let said = understand(target, &line, &stderr)?;
    Ok(Begun { said, child, stdout, stderr })
}

/// The scripts' line. What a login shell printed before it is skipped, and kept for the case that nothing else comes.
async fn said(stream: &mut (impl AsyncReadExt + Unpin), noise: &Collected) -> Option<String> {
    const MOST_NOISE: usize = 64 << 10;
    let mut line = Vec::new();
    for _ in 0..MOST_NOISE {
        let Ok(byte) = stream.read_u8().await else { break };
        line.push(byte);
        if byte != b'\n' {
            continue;
        }
        if let Some(found) = String::from_utf8_lossy(&line).trim_end().strip_prefix(WORD) {
            return Some(found.to_owned());
        }
        noise.add(&line);
        line.clear();
    }
    noise.add(&line);
    None
}

fn understand(target: &SshTarget, line: &str, stderr: &Collected) -> Result<Said, Failure> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "there" => Ok(Said::There),
        "missing" => Ok(Said::Missing(rest.to_owned())),
        "architecture" => Err(target.binary.fits(rest).err().unwrap_or_else(|| {
            Failure::new("other-architecture", format!("its processor is of another kind: {rest}"))
        })),
        "sudo" => Err(Failure::new("sudo", "sudo is not there, wants a password, or does not let this user be root")
            .detail((!rest.is_empty()).then(|| rest.to_owned()).into_iter().chain(stderr.lines()))
            .hint(
                "add a file in /etc/sudoers.d there: `USER ALL=(root) NOPASSWD: ALL`; or take `become` out of hosts.toml, \
                 and nothing is tuned",
            )),
        "nowhere" => Err(Failure::new("no-state-dir", "neither XDG_CACHE_HOME nor HOME is set there")
            .hint("set `state_dir` of this machine in hosts.toml")),
        "not-ours" => Err(Failure::new("state-dir-not-ours", format!("the state directory holds `{rest}`, which is not ours"))
            .hint("name an own, empty folder as `state_dir` of this machine in hosts.toml")),
        "not-safe" => Err(Failure::new("state-dir-not-safe", format!("the state directory is not safe: {rest}")).hint(
            "choose a `state_dir` in hosts.toml that only root and the user of the agent (root where it becomes root) can \
             change, and so with each folder above it, such as /srv/timetrial; or mend that one: chown, chmod go-w",
        )),
        "wrong" => Err(Failure::new("place", format!("what arrived is not what was sent: its SHA-256 is {rest}"))
            .hint("is the disk there full, or failing?")),
        _ => Err(Failure::new("place", format!("the machine said `{line}`")).detail(stderr.lines())),
    }
}

fn channel(error: &openssh::Error) -> Failure {
    Failure::new("ssh", format!("a channel could not be opened: {}", words(error)))
        .hint("sshd allows a number of sessions (MaxSessions) and of logins at once (MaxStartups)")
}

/// Sends the binary, and has it checked and put in its place.
async fn send(target: &SshTarget, session: &Arc<Session>, state: &str) -> Result<(), Failure> {
    let sent = Sent::make(session).await?;
    let installed = match upload(target, session, &sent.path).await {
        Ok(()) => install(target, session, state, &sent.path).await,
        failed => failed,
    };
    // Whatever came of it: what was sent is a copy by now, or of no use.
    sent.remove().await;
    match installed {
        Err(failure) => Err(broken(session).await.map_or(failure, |how| {
            Failure::new("ssh", format!("{how} while our program was sent"))
                .hint("nothing was put in its place: try again when the network to the machine is steady")
        })),
        installed => installed,
    }
}

/// The file there that the binary is sent to. It lives as long as the channel of the shell that made it.
struct Sent {
    path: String,
    shell: Child<Arc<Session>>,
}

impl Sent {
    /// Makes it, in the user's own reach.
    async fn make(session: &Arc<Session>) -> Result<Self, Failure> {
        let mut command = Arc::clone(session).arc_command("sh");
        command.arg("-c").arg(SEND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = command.spawn().await.map_err(|error| channel(&error))?;
        let no_pipe = || Failure::new("ssh", "the channel has no output");
        let stderr = Collected::default();
        stderr.follow(shell.stderr().take().ok_or_else(no_pipe)?);
        let mut stdout = shell.stdout().take().ok_or_else(no_pipe)?;
        let line = timeout(PATIENCE, said(&mut stdout, &stderr)).await.ok().flatten();
        match line.as_deref().and_then(|line| line.strip_prefix("sent ")) {
            Some(path) if path.starts_with('/') => Ok(Self { path: path.to_owned(), shell }),
            _ => Err(Failure::new("place", "the machine can't make a temporary file")
                .detail(stderr.lines())
                .hint("is its /tmp full or read-only?")),
        }
    }

    /// Its shell removes it when nothing more can come from here.
    async fn remove(mut self) {
        drop(self.shell.stdin().take());
        let _ = timeout(PATIENCE, self.shell.wait()).await;
    }
}

/// Has what was sent checked and put in its place.
async fn install(target: &SshTarget, session: &Arc<Session>, state: &str, sent: &str) -> Result<(), Failure> {
    let mut command = if target.become_root {
        let mut command = session.command("sudo");
        command.arg("-n").arg("sh");
        command
    } else {
        session.command("sh")
    };
    command.arg("-c").arg(INSTALL).arg("timetrial").arg(&target.binary.sha256).arg(state).arg(sent);
    let output = timeout(PATIENCE, command.output()).await;
    let output = output
        .map_err(|_| Failure::new("place", format!("{state} could not be written within {} s", PATIENCE.as_secs())))?
        .map_err(|error| channel(&error))?;
    let stderr = Collected(Arc::new(Mutex::new(output.stderr)));
    match said(&mut output.stdout.as_slice(), &stderr).await.as_deref() {
        Some("installed") => Ok(()),
        Some(line) => understand(target, line, &stderr).map(|_| ()),
        None if target.become_root && stderr.lines().iter().any(|line| line.starts_with("sudo:")) => {
            understand(target, "sudo", &stderr).map(|_| ())
        }
        None => Err(Failure::new("place", format!("the binary can't be put into {state}"))
            .detail(stderr.lines())
            .hint("choose a `state_dir` in hosts.toml that the user may write, with room for the binary")),
    }
}

/// Sends the binary into that file.
async fn upload(target: &SshTarget, session: &Arc<Session>, path: &str) -> Result<(), Failure> {
    let failed = |error: openssh_sftp_client::Error| {
        Failure::new("sftp", format!("the binary can't be sent to {path}: {error}")).hint(
            "sshd there needs its sftp subsystem (Subsystem sftp internal-sftp), a few sessions for each connection \
             (MaxSessions), a login shell that prints nothing where it is not asked by a person, and room for the \
             binary in /tmp",
        )
    };
    let sending = async {
        let sftp = Sftp::from_clonable_session(Arc::clone(session), SftpOptions::default()).await.map_err(failed)?;
        sftp.fs().write(Path::new(path), &target.binary.bytes).await.map_err(failed)?;
        sftp.close().await.map_err(failed)
    };
    timeout(SENDING, sending)
        .await
        .map_err(|_| Failure::new("sftp", format!("the binary was not sent within {} s", SENDING.as_secs())))?
}

impl SshHost {
    /// How much had to be sent: the whole binary, or nothing.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Waits for the agent's end; it was asked to leave before. One that hears nothing any more leaves by itself.
    pub async fn wait(self) {
        let Self { end, session, .. } = self;
        let _ = timeout(GOODBYE, end.how()).await;
        if let Ok(session) = Arc::try_unwrap(session) {
            let _ = timeout(Duration::from_secs(5), session.close()).await;
        }
    }
}
