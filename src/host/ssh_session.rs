//! A session of the user's own `ssh`, and what its refusals mean.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};

use crate::wire::Failure;

/// How a machine is reached by `ssh`. What is not said comes from the user's own configuration.
#[derive(Debug, Clone, Default)]
pub struct SshOptions {
    /// Its name or address, or a `Host` of the configuration.
    pub host: String,
    /// The user there.
    pub user: Option<String>,
    /// The port of sshd.
    pub port: Option<u16>,
    /// A private key.
    pub key: Option<PathBuf>,
    /// A jump host, as `ssh -J` takes it.
    pub jump: Option<String>,
    /// The file of known hosts.
    pub known_hosts: Option<PathBuf>,
    /// A configuration in place of the user's own.
    pub config: Option<PathBuf>,
    /// A directory for the sockets of this controller alone; its path must be short.
    pub sockets: PathBuf,
}

/// How long a connection may take, before it is taken for impossible.
const CONNECT: Duration = Duration::from_secs(10);

/// The same with everything that comes after the connection: keys, agents that ask, jump hosts.
const LOG_IN: Duration = Duration::from_secs(40);

/// Opens a session. Host keys are checked strictly: a key that is not known is refused, never learned.
pub async fn open(options: &SshOptions) -> Result<Session, Failure> {
    let mut builder = SessionBuilder::default();
    builder
        .known_hosts_check(KnownHosts::Strict)
        .connect_timeout(CONNECT)
        .server_alive_interval(Duration::from_secs(2))
        // If this controller is killed, the connection's own process ends by itself, and the agent hears of it.
        .control_persist(ControlPersist::IdleFor(3.try_into().unwrap_or(std::num::NonZeroUsize::MIN)))
        .control_directory(&options.sockets);
    if let Some(user) = &options.user {
        builder.user(user.clone());
    }
    if let Some(port) = options.port {
        builder.port(port);
    }
    if let Some(key) = &options.key {
        builder.keyfile(key);
    }
    if let Some(file) = &options.known_hosts {
        builder.user_known_hosts_file(file);
    }
    if let Some(jump) = &options.jump {
        builder.jump_hosts(jump.split(','));
    }
    if let Some(config) = configuration(options)? {
        builder.config_file(config);
    }
    match tokio::time::timeout(LOG_IN, builder.connect_mux(&options.host)).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(refusal(options, &words(&error))),
        Err(_) => Err(refusal(options, "Connection timed out during login")),
    }
}

/// `ssh -J` starts another ssh that takes neither the key nor the known hosts of the first from its arguments, only a
/// configuration file: where both are needed, one is made that includes the user's own.
fn configuration(options: &SshOptions) -> Result<Option<PathBuf>, Failure> {
    if options.jump.is_none() || (options.key.is_none() && options.known_hosts.is_none()) {
        return Ok(options.config.clone());
    }
    let mut text = String::from("Host *\n");
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    if let Some(key) = &options.key {
        text += &format!("  IdentityFile {}\n  IdentitiesOnly yes\n", quoted(key));
    }
    if let Some(file) = &options.known_hosts {
        text += &format!("  UserKnownHostsFile {}\n", quoted(file));
    }
    text += "  StrictHostKeyChecking yes\n  BatchMode yes\n";
    match &options.config {
        Some(config) => text += &format!("Include {}\n", quoted(config)),
        None => text += "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n",
    }
    let name = crate::wire::digest::sha256(text.as_bytes());
    let path = options.sockets.join(format!("config-{}", &name[..8]));
    fs::write(&path, text).map_err(|error| Failure::new("ssh", format!("can't write {}: {error}", path.display())))?;
    Ok(Some(path))
}

/// An error with all its reasons.
pub fn words(error: &openssh::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// What ssh's own words mean, and what to do.
fn refusal(options: &SshOptions, said: &str) -> Failure {
    let SshOptions { host, .. } = options;
    let port = options.port.map(|port| format!(" -p {port}")).unwrap_or_default();
    let file = options.known_hosts.as_ref().map_or("~/.ssh/known_hosts".to_owned(), |file| file.display().to_string());
    let user = options.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let has = |words: &str| said.contains(words);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('@')).take(8);

    if has("IDENTIFICATION HAS CHANGED") {
        Failure::new("ssh-host-key-changed", format!("the host key of {host} is not the one that is known"))
            .detail(lines())
            .hint(format!(
                "either the machine was set up anew, or somebody stands between: find out which, and only then remove \
                 the old key: ssh-keygen -R {} -f {file}",
                known_name(options)
            ))
    } else if has("host key is known") || has("Host key verification failed") {
        Failure::new(
            "ssh-host-key-unknown",
            format!("the host key of {host} is not known, and is never learned unseen"),
        )
        .hint(format!(
            "compare the key that `ssh-keyscan{port} {host} | ssh-keygen -lf -` shows with the machine's own \
                 (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there), then add it to {file}: \
                 ssh-keyscan{port} {host} >> {file}"
        ))
    } else if has("Permission denied (") || has("Too many authentication failures") || has("no such identity") {
        let key = options
            .key
            .as_ref()
            .map_or("your ssh agent and your configuration offer".to_owned(), |key| format!("{} holds", key.display()));
        Failure::new("ssh-denied", format!("{user}{host} accepts no key that {key}")).detail(lines()).hint(format!(
            "try it by hand: ssh{port} {user}{host} true; `user` and `key` of the machine in hosts.toml say who logs \
                 in with what, and the public key must stand in ~/.ssh/authorized_keys there"
        ))
    } else if has("Could not resolve hostname") {
        Failure::new("ssh-no-such-host", format!("there is no host `{host}`"))
            .hint("look at `host` of the machine in hosts.toml, at the name's DNS, or at your ssh configuration")
    } else if has("Connection refused") {
        let port = options.port.unwrap_or(22);
        Failure::new("ssh-refused", format!("{host} is there, but nothing listens on its port {port}"))
            .hint("start sshd there, or say its `port` in hosts.toml")
    } else if has("No route to host") || has("Network is unreachable") {
        Failure::new("ssh-no-route", format!("there is no way to {host} from here, or it is down"))
            .detail(lines())
            .hint("is it up, is its address right, and are both on a network that leads to the other?")
    } else if has("timed out") {
        Failure::new("ssh-timeout", format!("{host} did not answer within {} s", CONNECT.as_secs()))
            .detail(lines())
            .hint("is it up, is its address right, and does its firewall let this machine in?")
    } else if has("No such file or directory") && has("failed to connect to the remote host") {
        Failure::new("no-ssh", "there is no `ssh` program on this machine, the controller")
            .hint("install it: apt-get install openssh-client")
    } else {
        Failure::new("ssh", format!("ssh can't reach {host}"))
            .detail(lines())
            .hint(format!("try it by hand: ssh{port} {user}{host} true"))
    }
}

/// A host as files of known hosts name it.
fn known_name(options: &SshOptions) -> String {
    match options.port {
        Some(port) if port != 22 => format!("[{}]:{port}", options.host),
        _ => options.host.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_code_of_its_own() {
        let options = SshOptions { host: "lab".to_owned(), port: Some(2222), ..SshOptions::default() };
        let check = |said: &str, code: &str| {
            let failure = refusal(&options, said);
            assert_eq!(failure.code, code, "{said}");
            assert!(failure.hint.is_some());
        };
        check(
            "failed to connect to the remote host: No ED25519 host key is known for [lab]:2222 and you have requested \
             strict checking.\nHost key verification failed.",
            "ssh-host-key-unknown",
        );
        check(
            "@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nOffending ED25519 key in known:1\n\
             Host key verification failed.",
            "ssh-host-key-changed",
        );
        check("connect to host lab port 2222: Connection refused", "ssh-refused");
        check("Could not resolve hostname lab: Name or service not known", "ssh-no-such-host");
        check("root@lab: Permission denied (publickey).", "ssh-denied");
        check("connect to host lab port 2222: Connection timed out", "ssh-timeout");
        check("Connection timed out during banner exchange", "ssh-timeout");
        check("connect to host lab port 2222: No route to host", "ssh-no-route");
        check("kex_exchange_identification: Connection closed by remote host", "ssh");
        check("failed to connect to the remote host: No such file or directory (os error 2)", "no-ssh");
    }

    #[test]
    fn a_changed_key_names_the_entry_to_remove() {
        let options = SshOptions { host: "lab".to_owned(), port: Some(2222), ..SshOptions::default() };
        let hint = refusal(&options, "IDENTIFICATION HAS CHANGED").hint.unwrap();
        assert!(hint.ends_with("ssh-keygen -R [lab]:2222 -f ~/.ssh/known_hosts"), "{hint}");
    }
}
