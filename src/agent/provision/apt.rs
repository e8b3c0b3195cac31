//! The machine's own apt, with private state: its sources, its keys, its mirrors, its certificates; nothing of it is
//! locked, changed or installed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::agent::process::{MARK, PassOn, Start};
use crate::agent::provision::{Purpose, progress, sources};
use crate::agent::state::{cannot, make};
use crate::agent::surroundings::Agent;
use crate::agent::{facts, lookup, tail_lines};
use crate::command::Output;
use crate::wire::Failure;

/// The version of what is left out below: part of every request's name.
pub const RULES: &str = "rules 2";

/// The libc family must match the machine's loader, so it is the machine's own in any case.
const LIBC_FAMILY: [&str; 7] = ["libc6", "libc-bin", "libc-l10n", "locales", "libgcc-s1", "libstdc++6", "libcrypt1"];

/// Left to the machine where it is only needed by another package: what maintainer scripts use.
const LEFT_OUT: [&str; 27] = [
    "dpkg",
    "tar",
    "perl",
    "perl-base",
    "debconf",
    "adduser",
    "passwd",
    "init-system-helpers",
    "sysvinit-utils",
    "usrmerge",
    "usr-is-merged",
    "lsb-base",
    "ucf",
    "sensible-utils",
    "ssl-cert",
    "openssl",
    "ca-certificates",
    "netbase",
    "postgresql-common",
    "postgresql-client-common",
    "libpam-modules",
    "libpam-modules-bin",
    "libsemanage-common",
    "libsemanage2",
    "libsepol2",
    "libaudit-common",
    "debianutils",
];

/// Families of names that are left out too.
const LEFT_OUT_FAMILIES: [(&str, &str); 4] =
    [("gcc-", "-base"), ("perl-modules-", ""), ("libperl5.", ""), ("lib", "-perl")];

fn is_left_out(package: &str) -> bool {
    let in_family = |(start, end): &(&str, &str)| package.starts_with(start) && package.ends_with(end);
    LIBC_FAMILY.contains(&package) || LEFT_OUT.contains(&package) || LEFT_OUT_FAMILIES.iter().any(in_family)
}

/// The name in what was asked for: `name`, `name:arch`, `name=version` or `name/suite`.
fn asked_name(asked: &str) -> &str {
    asked.split([':', '=', '/']).next().unwrap_or(asked)
}

/// Whether a package must match the machine's loader.
pub fn is_of_libc(package: &str) -> bool {
    LIBC_FAMILY.contains(&package)
}

/// Refuses what would be asked for in vain.
fn refuse_libc(packages: &[String]) -> Result<(), Failure> {
    let Some(package) = packages.iter().find(|package| LIBC_FAMILY.contains(&asked_name(package))) else {
        return Ok(());
    };
    Err(Failure::new(
        "package-of-the-machine",
        format!("the package `{package}` can't be had beside the machine's own"),
    )
    .detail(["the libc family must match the loader that starts every program, so the machine's own is used"])
    .hint("take it out of `packages`"))
}

/// What is kept of what apt resolved: what was asked for by name, and what it needs but for what is left out. What is
/// built is linked to the C library of its own suite: the machine may have no headers, or those of another version.
fn keep(resolved: &mut Vec<Package>, asked: &[String], purpose: Purpose) {
    let is_asked = |package: &Package| asked.iter().any(|name| asked_name(name) == package.name);
    let is_linked = |package: &Package| purpose == Purpose::Building && is_of_libc(&package.name);
    resolved.retain(|package| is_asked(package) || is_linked(package) || !is_left_out(&package.name));
}

/// A package that was resolved, as the signed index has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The name that apt saves it under.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: String,
}

/// What apt resolved, and how to get it.
pub struct Resolved<'a> {
    /// The apt that resolved it.
    pub apt: Apt<'a>,
    /// The packages taken, sorted.
    pub packages: Vec<Package>,
}

/// The machine's apt with private state for one suite.
pub struct Apt<'a> {
    agent: &'a Agent,
    name: String,
    directory: PathBuf,
}

/// A step that talks to the network takes at most this long. apt's own limits do not bound it: with a full disk its
/// `store` method hangs for ever.
const NETWORK_LIMIT: Duration = Duration::from_secs(300);

/// The indexes of a suite take about 55 MB.
const INDEXES_NEED: u64 = 150_000_000;

impl<'a> Apt<'a> {
    /// Lays out the private state.
    pub fn new(agent: &'a Agent, name: &str, suite: &str) -> Result<Self, Failure> {
        for program in ["apt-get", "dpkg-deb"] {
            if lookup(program).is_none() {
                return Err(Failure::new("no-apt", format!("this machine has no {program}, so packages for `{name}` can't be had"))
                    .detail(["packages are resolved by the machine's own apt, downloaded, and run in place; nothing is installed"])
                    .hint("use a Debian machine, or daemons with `system = true` that use what is on the PATH"));
            }
        }
        let directory = agent.state()?.directory.join("apt").join(suite);
        for part in ["state/lists/partial", "cache", "none/partial", "log", "debs", "sources"] {
            make(&directory.join(part), 0o755)?;
        }
        let apt = Self { agent, name: name.to_owned(), directory };
        apt.write("status", "")?;
        apt.write("apt.conf", &(apt.configuration() + &apt.other_suite(suite)?))?;
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.directory.join(name);
        fs::write(&path, text).map_err(|error| cannot("write", &path, &error))
    }

    /// An empty status file makes the closure complete, whatever the machine has installed. Hooks of the machine's
    /// configuration (docker-clean, needrestart, ...) are for installing, and are cleared.
    fn configuration(&self) -> String {
        let here = self.directory.display();
        let mut text = String::from(CLEARED);
        text.push_str(SETTINGS);
        if let Some(bundle) = self.agent.ca_bundle.get() {
            text.push_str(&format!("Acquire::https::CAInfo \"{bundle}\";\n"));
        }
        text + &format!(
            "Dir::State \"{here}/state\"; Dir::State::lists \"{here}/state/lists\"; Dir::State::status \"{here}/status\";\n\
             Dir::State::extended_states \"{here}/state/extended_states\"; Dir::Cache \"{here}/cache\";\n\
             Dir::Cache::archives \"{here}/none\"; Dir::Cache::pkgcache \"pkgcache.bin\"; Dir::Cache::srcpkgcache \"\";\n\
             Dir::Log \"{here}/log\";\n"
        )
    }

    /// For another suite than the machine's own: its sources, with the other name.
    fn other_suite(&self, suite: &str) -> Result<String, Failure> {
        let own = facts::os_release().1.unwrap_or_default();
        if own == suite {
            return Ok(String::new());
        }
        let derived = self.directory.join("sources");
        let mut any = false;
        for path in source_files() {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let deb822 = path.extension().is_some_and(|extension| extension == "sources");
            let text = if deb822 { sources::stanzas(&text, &own, suite) } else { sources::lines(&text, &own, suite) };
            any |= !text.is_empty();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.write(&format!("sources/{name}"), &text)?;
        }
        if !any {
            return Err(Failure::new(
                "no-sources",
                format!("this machine's apt has no sources of its own suite `{own}` to take `{suite}` from"),
            )
            .hint("check /etc/apt/sources.list and /etc/apt/sources.list.d"));
        }
        Ok(format!("Dir::Etc::sourceparts \"{}\"; Dir::Etc::sourcelist \"/dev/null\";\n", derived.display()))
    }

    /// Refreshes the indexes and resolves packages with all that they need.
    pub fn resolve(self, packages: &[String], purpose: Purpose) -> Result<Resolved<'a>, Failure> {
        if purpose == Purpose::Running {
            refuse_libc(packages)?;
        }
        progress(self.agent, &self.name, "reading the package indexes");
        if let Some(free) = facts::disk_free(&self.directory).filter(|free| *free < INDEXES_NEED) {
            let free = crate::metric::short_bytes(free);
            return Err(Failure::new(
                "disk-full",
                format!("{} has {free} free, and apt's indexes need 150 MB", self.directory.display()),
            )
            .hint("free some space there, or choose another `state_dir` for this machine in hosts.toml"));
        }
        self.run("apt-get", &["update"], "apt can't read its package indexes")?;
        let mut arguments = vec!["--print-uris", "install"];
        arguments.extend(packages.iter().map(String::as_str));
        let output = self.run("apt-get", &arguments, "apt can't resolve the packages")?;
        let mut resolved: Vec<Package> =
            String::from_utf8_lossy(&output.stdout).lines().filter_map(parse_uri).collect();
        keep(&mut resolved, packages, purpose);
        resolved.sort();
        if resolved.is_empty() {
            return Err(Failure::new("no-sources", format!("apt resolved nothing for {}", packages.join(", ")))
                .detail(tail_lines(&output.stderr, 10))
                .hint("check that this machine's apt has sources: /etc/apt/sources.list.d"));
        }
        Ok(Resolved { apt: self, packages: resolved })
    }

    /// Downloads packages into a directory; apt checks them against the signed indexes.
    pub fn download(&self, packages: &[Package]) -> Result<PathBuf, Failure> {
        let total: u64 = packages.iter().map(|package| package.bytes).sum();
        let line = format!("downloading {} packages, {}", packages.len(), crate::metric::short_bytes(total));
        progress(self.agent, &self.name, line);
        let exact: Vec<String> =
            packages.iter().map(|package| format!("{}={}", package.name, package.version)).collect();
        let mut arguments = vec!["download"];
        arguments.extend(exact.iter().map(String::as_str));
        self.run("apt-get", &arguments, "apt can't download the packages")?;
        Ok(self.directory.join("debs"))
    }

    fn run(&self, program: &str, arguments: &[&str], what: &str) -> Result<Output, Failure> {
        let configuration = self.directory.join("apt.conf").display().to_string();
        let mut all = vec!["-c", &configuration, "-qq"];
        all.extend(arguments);
        let path = lookup(program).ok_or_else(|| Failure::new("no-apt", format!("this machine has no {program}")))?;
        let output = self
            .agent
            .processes
            .run(self.agent.own_program(program, path, &all, &self.directory.join("debs"))?, NETWORK_LIMIT)?;
        if output.exit.is_success() {
            return Ok(output);
        }
        Err(Failure::new("apt", format!("{what} for `{}`: {}", self.name, output.exit))
            .detail(tail_lines(&output.stderr, 12))
            .hint("its sources, proxy and certificates are the machine's own: try `apt-get update` there as root"))
    }
}

impl Agent {
    /// A program of the machine, with the machine's own environment: proxies, certificates, pip's settings.
    pub(in crate::agent) fn own_program(
        &self,
        label: &str,
        program: PathBuf,
        arguments: &[&str],
        directory: &std::path::Path,
    ) -> Result<Start, Failure> {
        let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        for name in ["LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "APT_CONFIG"] {
            environment.remove(std::ffi::OsStr::new(name));
        }
        environment.insert("LC_ALL".into(), "C.UTF-8".into());
        environment.insert("DEBIAN_FRONTEND".into(), "noninteractive".into());
        environment.insert(MARK.into(), self.state()?.work.clone().into());
        if let Some(bundle) = self.ca_bundle.get() {
            for name in ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
                environment.insert(name.into(), bundle.into());
            }
        }
        if let Some(proxy) = self.proxy.get() {
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
                environment.insert(name.into(), proxy.into());
            }
        }
        Ok(Start {
            label: label.to_owned(),
            program,
            arguments: arguments.iter().map(Into::into).collect(),
            environment,
            directory: directory.to_owned(),
            identity: None,
            death_signal: Signal::SIGKILL,
            input: Vec::new(),
            pass_on: PassOn::Nothing,
        })
    }
}

fn source_files() -> Vec<PathBuf> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = parts
        .filter(|path| path.extension().is_some_and(|extension| extension == "sources" || extension == "list"))
        .collect();
    files.push(PathBuf::from("/etc/apt/sources.list"));
    files
}

/// A line of `--print-uris`: `'URI' name_version_arch.deb size SHA256:digest`. A colon in the version is `%3a`.
fn parse_uri(line: &str) -> Option<Package> {
    let mut fields = line.strip_prefix('\'')?.split_ascii_whitespace();
    let file = fields.nth(1)?.to_owned();
    let bytes = fields.next()?.parse().ok()?;
    let sha256 = fields.next()?.strip_prefix("SHA256:")?.to_owned();
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?.to_owned(), parts.next()?.replace("%3a", ":"));
    Some(Package { name, version, file, bytes, sha256 })
}

const CLEARED: &str = "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n\
#clear APT::Install::Pre-Invoke;\n#clear APT::Install::Post-Invoke;\n#clear APT::Install::Post-Invoke-Success;\n\
#clear DPkg::Pre-Invoke;\n#clear DPkg::Post-Invoke;\n#clear DPkg::Pre-Install-Pkgs;\n\
#clear Acquire::IndexTargets::deb::DEP-11;\n#clear Acquire::IndexTargets::deb::DEP-11-icons;\n\
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;\n#clear Acquire::IndexTargets::deb::DEP-11-icons-large;\n\
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;\n#clear Acquire::IndexTargets::deb::Contents-deb;\n\
#clear Acquire::IndexTargets::deb::Contents-deb-legacy;\n#clear Acquire::IndexTargets::deb::CNF;\n\
#clear Acquire::IndexTargets::deb-src;\n#clear APT::Default-Release;\n#clear Acquire::CompressionTypes::Order;\n";

const SETTINGS: &str = "APT::Sandbox::User \"root\";\nAPT::Color \"0\";\nAPT::Update::Error-Mode \"any\";\n\
APT::Install-Recommends \"0\";\nAPT::Install-Suggests \"0\";\nAPT::Get::Assume-Yes \"1\";\nAPT::Get::AllowUnauthenticated \"0\";\n\
Acquire::AllowInsecureRepositories \"0\";\nAcquire::AllowDowngradeToInsecureRepositories \"0\";\nAcquire::Languages \"none\";\n\
Acquire::ForceHash \"SHA256\";\nAcquire::GzipIndexes \"true\";\nAcquire::CompressionTypes::Order { \"xz\"; \"gz\"; };\n\
Acquire::Retries \"1\";\nAcquire::http::Timeout \"15\";\nAcquire::https::Timeout \"15\";\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_uri_is_read() {
        let digest = "a".repeat(64);
        let line = format!(
            "'mirror://x/pool/t/tzdata_2025b-0%2bdeb12u2_all.deb' tzdata_1%3a2025b-0+deb12u2_all.deb 258000 SHA256:{digest}"
        );
        let package = parse_uri(&line).unwrap();
        assert_eq!(
            (package.name.as_str(), package.version.as_str(), package.bytes),
            ("tzdata", "1:2025b-0+deb12u2", 258_000)
        );
        assert_eq!(package.sha256, digest);
        assert_eq!(parse_uri("Reading package lists..."), None);
        assert_eq!(parse_uri("'mirror://x' half_1"), None);
    }

    #[test]
    fn what_is_asked_for_by_name_is_kept() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            version: "1".to_owned(),
            file: String::new(),
            bytes: 1,
            sha256: String::new(),
        };
        let found = ["openssl", "perl", "netbase", "wrk", "libc6"].map(package);
        let check = |purpose: Purpose, expected: &[&str]| {
            let mut resolved = found.to_vec();
            keep(&mut resolved, &["openssl".to_owned(), "perl:any".to_owned(), "wrk=4".to_owned()], purpose);
            assert_eq!(resolved, expected.iter().map(|name| package(name)).collect::<Vec<_>>());
        };
        check(Purpose::Running, &["openssl", "perl", "wrk"]);
        check(Purpose::Building, &["openssl", "perl", "wrk", "libc6"]);
    }

    #[test]
    fn the_libc_family_by_name_is_refused() {
        for name in ["libc6", "libstdc++6:amd64", "libc6=2.36"] {
            let failure = refuse_libc(&["wrk".to_owned(), name.to_owned()]).unwrap_err();
            assert!(failure.message.contains(name) && failure.hint.is_some(), "{}", failure.message);
        }
        assert_eq!(refuse_libc(&["openssl".to_owned(), "libpq5".to_owned()]), Ok(()));
    }

    #[test]
    fn the_libc_family_is_left_to_the_machine() {
        for package in ["libc6", "libgcc-s1", "gcc-12-base", "libperl5.36", "libjson-perl", "perl-modules-5.36"] {
            assert!(is_left_out(package), "{package}");
        }
        for package in ["libpq5", "postgresql-15", "libssl3", "python3.11-minimal", "wrk", "libluajit-5.1-2"] {
            assert!(!is_left_out(package), "{package}");
        }
    }
}
