//! `bench machines`: how long the check of many machines behind ssh takes, beside the same check by Ansible, in turns in
//! one run. Both are whole commands, and both reach the same sshd's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::arguments::{Format, MachinesArguments};
use crate::cli::bench::{Spread, failed, say};
use crate::cli::error::Problem;
use crate::cli::exit;
use crate::cli::main::print;

/// The check by Ansible.
const PLAYBOOK: &str = include_str!("../../../benches/machines.yml");

/// How many machines are checked at once.
const SIZES: [usize; 3] = [1, 8, 32];

/// A check that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// `bench machines`
pub fn machines(arguments: &MachinesArguments, format: Format) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        tokio::select! {
            biased;
            stopped = stopped() => Err(stopped.err().map_or_else(|| Problem::told(exit::INTERRUPTED), Problem::from)),
            rows = measure(arguments) => rows,
        }
    })?;
    print(&table(&rows, arguments.rounds, format))?;
    Ok(exit::FINE)
}

/// Waits for a signal that asks to end: its servers and peers end with the bench, whichever it is.
pub(super) async fn stopped() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// One size, measured.
struct Row {
    machines: usize,
    /// One bare login to each, all at once: what any way over ssh costs at least.
    login: Spread,
    ours: Spread,
    ansible: Option<Spread>,
}

async fn measure(arguments: &MachinesArguments) -> Result<Vec<Row>, Problem> {
    let ansible = find_ansible(arguments.ansible.as_deref());
    if ansible.is_none() {
        say(
            "there is no ansible-playbook on the PATH (pip install ansible-core; --ansible DIR): ours is measured alone",
        );
    }
    let lab = Lab::make(arguments.port).await?;
    let mut rows = Vec::new();
    for machines in SIZES {
        let hosts = lab.inventories(machines)?;
        // The first contact sends the binary, and Ansible's first fills its caches: neither is a check.
        let took = lab.ours(&hosts.ours).await?;
        say(&format!("{machines} machines: first contact in {took:.0} ms"));
        if let Some(program) = &ansible {
            lab.ansible(program, &hosts.ansible).await?;
        }
        let (mut login, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=arguments.rounds {
            say(&format!("{machines} machines: round {round} of {}", arguments.rounds));
            login.push(lab.login(machines).await?);
            ours.push(lab.ours(&hosts.ours).await?);
            if let Some(program) = &ansible {
                theirs.push(lab.ansible(program, &hosts.ansible).await?);
            }
        }
        let ansible = (!theirs.is_empty()).then(|| Spread::of(theirs));
        rows.push(Row { machines, login: Spread::of(login), ours: Spread::of(ours), ansible });
    }
    Ok(rows)
}

/// The program, in the folder that was named or on the PATH.
pub(super) fn find_ansible(named: Option<&Path>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join("ansible-playbook")).find(|program| program.is_file())
}

/// Machines that are sshd's of this user on addresses of the loopback; gone with it.
struct Lab {
    folder: PathBuf,
    port: u16,
    user: String,
    servers: Vec<Child>,
}

struct Hosts {
    ours: PathBuf,
    ansible: PathBuf,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.start_kill();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program of this machine, by itself: a bench starts its peers, not an agent's processes.
#[expect(clippy::disallowed_methods, reason = "the peers of a bench are whole commands, started and timed here")]
pub(super) fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn address(machine: usize) -> String {
    format!("127.0.77.{}", machine + 1)
}

impl Lab {
    async fn make(port: u16) -> Result<Self, Problem> {
        let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].into_iter().map(Path::new).find(|path| path.is_file());
        let sshd = sshd.ok_or_else(|| {
            failed("there is no sshd on this machine").hint("install it: apt-get install openssh-server openssh-client")
        })?;
        let folder = std::env::temp_dir().join(format!("timetrial-bench-machines-{}", std::process::id()));
        fs::create_dir(&folder)?;
        // Where we are root, daemons' user must be able to enter it.
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        let user = user()?;
        let mut lab = Self { folder, port, user, servers: Vec::new() };
        lab.keys().await?;
        for machine in 0..SIZES[SIZES.len() - 1] {
            lab.start(sshd, machine)?;
        }
        lab.await_all().await?;
        Ok(lab)
    }

    /// A key for all machines and one for the user, and what each side must know of the other.
    async fn keys(&self) -> Result<(), Problem> {
        for name in ["host_key", "user_key"] {
            let mut command = program("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.folder.join(name));
            finish(command, "ssh-keygen").await?;
        }
        let public = fs::read_to_string(self.folder.join("host_key.pub"))?;
        let public: Vec<&str> = public.split_ascii_whitespace().take(2).collect();
        let known: String = (0..SIZES[SIZES.len() - 1])
            .map(|machine| format!("[{}]:{} {}\n", address(machine), self.port, public.join(" ")))
            .collect();
        fs::write(self.folder.join("known_hosts"), known)?;
        fs::copy(self.folder.join("user_key.pub"), self.folder.join("authorized_keys"))?;
        fs::write(self.folder.join("machines.yml"), PLAYBOOK)?;
        Ok(())
    }

    fn start(&mut self, sshd: &Path, machine: usize) -> Result<(), Problem> {
        let folder = self.folder.display();
        let text = format!(
            "ListenAddress {}:{}\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             PidFile none\nSubsystem sftp internal-sftp\nMaxStartups 100\n",
            address(machine),
            self.port
        );
        let config = self.folder.join(format!("sshd-{machine}"));
        fs::write(&config, text)?;
        let mut command = program(sshd);
        command.arg("-D").arg("-e").arg("-f").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        self.servers.push(command.spawn()?);
        Ok(())
    }

    async fn await_all(&mut self) -> Result<(), Problem> {
        let begun = Instant::now();
        for machine in 0..self.servers.len() {
            while tokio::net::TcpStream::connect((address(machine), self.port)).await.is_err() {
                let ended = self.servers[machine].try_wait()?;
                if ended.is_some() || begun.elapsed() > Duration::from_secs(20) {
                    let config = self.folder.join(format!("sshd-{machine}"));
                    return Err(failed(format!("sshd does not listen on {}:{}", address(machine), self.port)).hint(
                        format!(
                            "another --port? Run as root, sshd needs the folder /run/sshd. It was started with {}",
                            config.display()
                        ),
                    ));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Both inventories of the first machines.
    fn inventories(&self, machines: usize) -> Result<Hosts, Problem> {
        let Self { folder, port, user, .. } = self;
        let (mut ours, mut ansible) = (String::new(), String::from("[all]\n"));
        for machine in 0..machines {
            let address = address(machine);
            ours += &format!(
                "[machine.m{machine:02}]\ntransport = \"ssh\"\nhost = \"{address}\"\nport = {port}\nuser = \"{user}\"\n\
                 key = \"user_key\"\nknown_hosts = \"known_hosts\"\nroles = [\"client\"]\nstate_dir = \"{}/state-{machine}\"\n\n",
                folder.display()
            );
            ansible += &format!("m{machine:02} ansible_host={address} ansible_port={port} ansible_user={user}\n");
        }
        let hosts = Hosts {
            ours: folder.join(format!("hosts-{machines}.toml")),
            ansible: folder.join(format!("hosts-{machines}.ini")),
        };
        fs::write(&hosts.ours, ours)?;
        fs::write(&hosts.ansible, ansible)?;
        Ok(hosts)
    }

    /// Milliseconds that `ssh HOST true` takes, to all machines at once.
    async fn login(&self, machines: usize) -> Result<f64, Problem> {
        let begun = Instant::now();
        let logins = (0..machines).map(|machine| {
            let mut command = program("ssh");
            command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o"]);
            command.arg(format!("UserKnownHostsFile={}", self.folder.join("known_hosts").display()));
            command.arg("-i").arg(self.folder.join("user_key")).arg("-p").arg(self.port.to_string());
            command.arg(format!("{}@{}", self.user, address(machine))).arg("true");
            finish(command, "ssh")
        });
        try_join_all(logins).await?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }

    /// Milliseconds that our check takes, as a whole command.
    async fn ours(&self, hosts: &Path) -> Result<f64, Problem> {
        let mut command = program(std::env::current_exe()?);
        command.arg("doctor").arg("--hosts").arg(hosts);
        finish(command, "timetrial doctor").await
    }

    /// The same by Ansible: all machines at once, and pipelining, which spares it a file transfer for each task. Its
    /// connections stay open between rounds, as is its way; ours are made anew.
    async fn ansible(&self, program_path: &Path, hosts: &Path) -> Result<f64, Problem> {
        let mut command = program(program_path);
        command.arg("-i").arg(hosts).arg(self.folder.join("machines.yml"));
        let ssh = format!(
            "-o ControlMaster=auto -o ControlPersist=20s -o UserKnownHostsFile={}/known_hosts -o StrictHostKeyChecking=yes",
            self.folder.display()
        );
        command.env("ANSIBLE_FORKS", "32").env("ANSIBLE_PIPELINING", "true").env("ANSIBLE_NOCOLOR", "1");
        command.env("ANSIBLE_PRIVATE_KEY_FILE", self.folder.join("user_key")).env("ANSIBLE_SSH_ARGS", ssh);
        command
            .env("ANSIBLE_LOCAL_TEMP", self.folder.join("ansible"))
            .env("ANSIBLE_SSH_CONTROL_PATH_DIR", self.folder.join("cp"));
        command
            .env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&self.folder);
        finish(command, "ansible-playbook").await
    }
}

/// The name of the user that this is.
fn user() -> Result<String, Problem> {
    let own = nix::unistd::getuid();
    let passwd = fs::read_to_string("/etc/passwd")?;
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == own.to_string()).then(|| name.to_owned())
    });
    name.ok_or_else(|| failed(format!("the user {own} has no entry in /etc/passwd, and sshd lets nobody else in")))
}

/// Runs a command to its end; the milliseconds that it took. One that fails measures nothing.
pub(super) async fn finish(mut command: Command, what: &str) -> Result<f64, Problem> {
    let begun = Instant::now();
    let child = command.spawn().map_err(|error| failed(format!("{what} can't be started: {error}")))?;
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let output = output.map_err(|_| failed(format!("{what} did not end within {} s", LIMIT.as_secs())))??;
    if output.status.success() {
        return Ok(begun.elapsed().as_secs_f64() * 1e3);
    }
    // Ansible tells its failures on standard output.
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(6)..].join("\n  ");
    Err(failed(format!("{what} failed: {}\n  {last}", output.status)))
}

fn table(rows: &[Row], rounds: u32, format: Format) -> String {
    if format == Format::Json {
        let line = |row: &Row| {
            let mut line = serde_json::json!({"bench": "check-of-machines", "machines": row.machines, "rounds": rounds,
                "ssh_login": row.login.json(), "timetrial": row.ours.json()});
            if let Some(ansible) = &row.ansible {
                line["ansible"] = ansible.json();
                line["ratio"] = (ansible.median / row.ours.median).into();
            }
            line.to_string() + "\n"
        };
        return rows.iter().map(line).collect();
    }
    let mut text = format!(
        "the check of machines behind ssh: `timetrial doctor` beside a playbook with the same checks, whole commands\n\
         (sshd's on the loopback, so both ends share its CPUs; median and range of {rounds} interleaved rounds;\n\
         Ansible keeps its connections from round to round, a login is `ssh HOST true` to all at once)\n\n\
         \x20 machines    bare login                   timetrial                    Ansible                      ratio\n"
    );
    for Row { machines, login, ours, ansible } in rows {
        let spread = |spread: &Spread| format!("{:.0} ms ({:.0} to {:.0})", spread.median, spread.least, spread.most);
        let (theirs, ratio) = match ansible {
            Some(ansible) => (spread(ansible), format!("{:.1}", ansible.median / ours.median)),
            None => ("not run: no Ansible".to_owned(), "-".to_owned()),
        };
        text += &format!("  {machines:>8}    {:<27}  {:<27}  {theirs:<27}  {ratio:>4}\n", spread(login), spread(ours));
    }
    text + "  aim: ten times faster at 32\n"
}
