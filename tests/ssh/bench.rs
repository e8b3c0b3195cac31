//! A project whose machine is behind an sshd of its own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::Digest as _;

use crate::ssh::sshd::{self, Sshd, keygen, me};
use crate::support::project::{Project, RUN, Scenario};
use crate::support::running::{Ended, RunDirectory, Running};

/// All that one machine can do.
pub const ALL_ROLES: &str = "[\"server\", \"client\", \"database\"]";

/// A project, and the sshd in front of its machine.
pub struct Bench {
    /// The project; its key is `keys/id`, its known hosts `keys/known`.
    pub project: Project,
    /// The sshd.
    pub sshd: Sshd,
}

impl Bench {
    /// One daemon, one machine with all roles, where our program is already; none where there is no sshd.
    pub fn new() -> Option<Self> {
        Self::with(&[("alpha", &[])], &Scenario::default(), "")
    }

    /// The same with these daemons, this scenario, and more configuration of sshd, in which `{project}` is filled.
    pub fn with(daemons: &[(&str, &[&str])], scenario: &Scenario<'_>, more: &str) -> Option<Self> {
        sshd::is_there().then(|| {
            let project = Project::with(daemons, scenario);
            fs::create_dir(project.path("keys")).unwrap();
            // Sockets lie here, and must be gone after each command.
            fs::create_dir(project.path("r")).unwrap();
            keygen(&project.path("keys/id"));
            let folder = project.path("").display().to_string();
            let more = more.replace("{project}", folder.trim_end_matches('/'));
            // What a session leaves in its home or its temporary folder shows as a changed file.
            let more = if more.contains("SetEnv") {
                more
            } else {
                format!("{more}\nSetEnv HOME={folder}home TMPDIR={folder}tmp")
            };
            let key = fs::read_to_string(project.path("keys/id.pub")).unwrap();
            let sshd = Sshd::start(&["127.0.0.2", "127.0.0.3"], &key, &more);
            project.write("keys/known", [sshd.known_at("127.0.0.2"), sshd.known_at("127.0.0.3")].concat());
            let mut bench = Self { project, sshd };
            bench.place("s");
            bench.hosts(&[bench.machine("bench", ALL_ROLES, &[])]);
            bench
        })
    }

    /// Puts our program where it would be sent, so that a test that is not about sending does not send it.
    pub fn place(&self, state: &str) {
        self.project.write(&format!("{state}/.timetrial-state"), "ours\n");
        let path = self.placed(state);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_timetrial"), &path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Where our program is in a state directory.
    pub fn placed(&self, state: &str) -> PathBuf {
        self.project.path(state).join("bin").join(own_sha256()).join("timetrial")
    }

    /// A machine of the inventory. These keys replace what it has of the same name; an empty value takes one out.
    pub fn machine(&self, name: &str, roles: &str, keys: &[(&str, &str)]) -> String {
        let quoted = |text: &str| format!("\"{text}\"");
        let mut all = vec![
            ("transport", quoted("ssh")),
            ("roles", roles.to_owned()),
            ("host", quoted(&self.sshd.address)),
            ("port", self.sshd.port.to_string()),
            ("user", quoted(&me())),
            ("key", quoted("keys/id")),
            ("known_hosts", quoted("keys/known")),
            ("state_dir", quoted(&self.project.path("s").display().to_string())),
            ("tools", format!("{{ wrk = {:?} }}", self.project.path("bin/stub-wrk"))),
        ];
        for (key, value) in keys {
            all.retain(|(other, _)| other != key);
            if !value.is_empty() {
                all.push((key, (*value).to_owned()));
            }
        }
        let mut text = format!("[machine.{name}]\n");
        for (key, value) in all {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }

    /// The inventory from now on.
    pub fn hosts(&mut self, machines: &[String]) {
        self.project.write("hosts.toml", machines.join("\n"));
        self.project.look();
    }

    /// The product with its sockets in the project.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.started_by(&[], arguments)
    }

    /// The same through another program.
    pub fn started_by(&self, by: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.project.started_by(by, arguments);
        command.env("XDG_RUNTIME_DIR", self.project.path("r"));
        command
    }

    /// `timetrial ARGUMENTS`, to its end.
    pub fn timetrial(&self, arguments: &[&str]) -> Ended {
        Running::start(&self.project, self.command(arguments)).end()
    }

    /// `timetrial run`, to its end.
    pub fn run(&self) -> Ended {
        self.timetrial(RUN)
    }

    /// `timetrial run`, under way.
    pub fn begin(&self) -> Running<'_> {
        Running::start(&self.project, self.command(RUN))
    }

    /// Runs a campaign that must be refused before anything was changed; its output, and the code of the reason.
    #[track_caller]
    pub fn refused(&self) -> (Ended, String) {
        let before = files_below(&self.project.path("s"));
        let ended = self.run();
        ended.assert_code(5);
        self.assert_clean();
        assert_eq!(files_below(&self.project.path("s")), before, "nothing was touched");
        let reason = RunDirectory::only(&self.project).event("campaign-finished")["outcome"]["reason"].clone();
        (ended, reason["code"].as_str().unwrap().to_owned())
    }

    /// Nothing remains; the connection's own process may need a moment to hear of its end.
    #[track_caller]
    pub fn assert_clean(&self) {
        self.project.assert_clean_within(std::time::Duration::from_secs(8));
    }
}

/// The name of the program that is tested.
pub fn own_sha256() -> &'static str {
    static SHA: OnceLock<String> = OnceLock::new();
    SHA.get_or_init(|| sha256_of(Path::new(env!("CARGO_BIN_EXE_timetrial"))))
}

/// SHA-256 of a file.
pub fn sha256_of(path: &Path) -> String {
    sha2::Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All paths below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = crate::support::project::entries(folder);
    let below: Vec<PathBuf> = found.iter().filter(|path| path.is_dir()).flat_map(|path| files_below(path)).collect();
    found.extend(below);
    found
}
