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
    match (connect(options).await, &options.jump) {
        (Err(failure), Some(jump)) => Err(on_the_way(options, jump).await.unwrap_or(failure)),
        (result, _) => result,
    }
}

/// What a jump host's own ssh says does not reach us: each host on the way is asked by itself what it has against us.
async fn on_the_way(options: &SshOptions, jump: &str) -> Option<Failure> {
    let hops: Vec<&str> = jump.split(',').collect();
    for (place, hop) in hops.iter().enumerate() {
        let before = (place > 0).then(|| hops[..place].join(","));
        match connect(&SshOptions { jump: before, ..hop_of(options, hop) }).await {
            Ok(session) => drop(session.close().await),
            Err(Failure { code, message, detail, hint }) => {
                return Some(Failure { code, message: format!("its jump host: {message}"), detail, hint });
            }
        }
    }
    None
}

/// How a jump host is reached, from what `ssh -J` takes: `user@host:port`.
fn hop_of(options: &SshOptions, hop: &str) -> SshOptions {
    let hop = hop.strip_prefix("ssh://").unwrap_or(hop);
    let (user, place) = hop.rsplit_once('@').map_or((None, hop), |(user, place)| (Some(user.to_owned()), place));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (place, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    SshOptions { host, user, port, ..options.clone() }
}

async fn connect(options: &SshOptions) -> Result<Session, Failure> {
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
    builder.config_file(configuration(options)?);
    match tokio::time::timeout(LOG_IN, builder.connect_mux(&options.host)).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(refusal(options, &words(&error))),
        Err(_) => {
            let message = format!("the login to {} did not come to an end within {} s", options.host, LOG_IN.as_secs());
            let hint = "does something on the way ask a person? Try it by hand: ssh -o BatchMode=yes, and the host";
            Err(Failure::new("ssh-timeout", message).hint(hint))
        }
    }
}

/// The configuration that `ssh` reads: ours, which includes the user's own. A jump host, whoever names it, is reached by
/// another ssh, which takes nothing of the first from its arguments but this file: so the strictness about host keys, the
/// key and the known hosts stand in it. Whatever stands first counts. With a `LogLevel` of `QUIET` or `ERROR` ssh would not
/// say why it refuses, or why a link ended.
fn configuration(options: &SshOptions) -> Result<PathBuf, Failure> {
    let mut text = String::from("Host *\n  StrictHostKeyChecking yes\n  BatchMode yes\n  LogLevel INFO\n");
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    if let Some(key) = &options.key {
        text += &format!("  IdentityFile {}\n  IdentitiesOnly yes\n", quoted(key));
    }
    if let Some(file) = &options.known_hosts {
        text += &format!("  UserKnownHostsFile {}\n", quoted(file));
    }
    match &options.config {
        Some(config) => text += &format!("Include {}\n", quoted(config)),
        None => text += "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n",
    }
    let name = crate::wire::digest::sha256(text.as_bytes());
    let path = options.sockets.join(format!("config-{}", &name[..8]));
    fs::write(&path, text).map_err(|error| Failure::new("ssh", format!("can't write {}: {error}", path.display())))?;
    Ok(path)
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

/// What ssh's own words mean, and what to do. They name the host that refused, which may be a jump host on the way.
fn refusal(options: &SshOptions, said: &str) -> Failure {
    let SshOptions { host, .. } = options;
    let file = options.known_hosts.as_ref();
    let file = file.map_or("~/.ssh/known_hosts".to_owned(), |file| quoted(&file.display().to_string()));
    let user = options.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let by_hand = format!("ssh{} {user}{host} true", as_configured(options));
    let has = |words: &str| said.contains(words);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty() && !is_frame(line)).take(8);

    if has("IDENTIFICATION HAS CHANGED") {
        let name = between(said, "Host key for ", " has changed").map_or_else(|| known_name(options), str::to_owned);
        Failure::new("ssh-host-key-changed", format!("the host key of {name} is not the one that is known"))
            .detail(lines())
            .hint(format!(
                "either the machine was set up anew, or somebody stands between: find out which, and only then remove \
                 the old key: ssh-keygen -R '{name}' -f {file}"
            ))
    } else if has("host key is known") || has("Host key verification failed") {
        let name = between(said, "host key is known for ", " and").map_or_else(|| known_name(options), str::to_owned);
        let (port, host) = match name.strip_prefix('[').and_then(|name| name.split_once("]:")) {
            Some((host, port)) => (format!(" -p {port}"), host),
            None => (String::new(), name.as_str()),
        };
        Failure::new(
            "ssh-host-key-unknown",
            format!("the host key of {name} is not known, and is never learned unseen"),
        )
        .hint(format!(
            "get the key once: {}ssh-keyscan{port} {host} > found-key; compare what `ssh-keygen -lf found-key` shows with \
             the machine's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there); then add that same file: \
             cat found-key >> {file}",
            from_the_last_hop(options)
        ))
    } else if has("Permission denied (") || has("Too many authentication failures") || has("no such identity") {
        let key = options
            .key
            .as_ref()
            .map_or("your ssh agent and your configuration offer".to_owned(), |key| format!("{} holds", key.display()));
        let asked = said.lines().find_map(|line| line.trim().split_once(": Permission denied (")).map(|(who, _)| who);
        // Words of ours may stand before it.
        let asked = asked.and_then(|who| who.rsplit(' ').next());
        let who = asked.map_or_else(|| format!("{user}{host}"), str::to_owned);
        Failure::new("ssh-denied", format!("{who} accepts no key that {key}")).detail(lines()).hint(format!(
            "try it by hand: {by_hand}; `user` and `key` of the machine in hosts.toml say who logs in with what, and the \
             public key must stand in ~/.ssh/authorized_keys there"
        ))
    } else if has("Could not resolve hostname") {
        let name = between(said, "Could not resolve hostname ", ":").unwrap_or(host);
        Failure::new("ssh-no-such-host", format!("there is no host `{name}`"))
            .detail(lines())
            .hint("look at `host` of the machine in hosts.toml, at the name's DNS, or at your ssh configuration")
    } else if options.jump.is_some() {
        Failure::new("ssh-jump", format!("{host} can't be reached from its jump host")).detail(lines()).hint(
            "the jump host lets you in: is the machine up, does sshd listen there, may the jump host forward to it?",
        )
    } else {
        no_answer(options, said, &by_hand).detail(lines())
    }
}

/// The frame that ssh draws around what is urgent; the first of its lines may have words of ours before it.
fn is_frame(line: &str) -> bool {
    line.starts_with('@') || line.contains("@@@@")
}

/// The options with which `ssh` by hand goes the way that we go.
fn as_configured(options: &SshOptions) -> String {
    let quoted = |path: &Path| quoted(&path.display().to_string());
    let mut text = String::new();
    if let Some(config) = &options.config {
        text += &format!(" -F {}", quoted(config));
    }
    if let Some(key) = &options.key {
        text += &format!(" -i {}", quoted(key));
    }
    if let Some(file) = &options.known_hosts {
        text += &format!(" -o UserKnownHostsFile={}", quoted(file));
    }
    if let Some(jump) = &options.jump {
        text += &format!(" -J {jump}");
    }
    if let Some(port) = options.port {
        text += &format!(" -p {port}");
    }
    text
}

/// What is behind a jump host can be asked for its key only from there.
fn from_the_last_hop(options: &SshOptions) -> String {
    let Some(jump) = &options.jump else { return String::new() };
    let (before, last) = jump.rsplit_once(',').map_or((None, jump.as_str()), |(before, last)| (Some(before), last));
    let hop = SshOptions { jump: before.map(str::to_owned), ..hop_of(options, last) };
    let user = hop.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    format!("ssh{} {user}{} ", as_configured(&hop), hop.host)
}

/// A word for a shell, in quotation marks if it needs them.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The same where nobody was there to refuse anything.
fn no_answer(options: &SshOptions, said: &str, by_hand: &str) -> Failure {
    let host = between(said, "connect to host ", " port ").unwrap_or(&options.host);
    let has = |words: &str| said.contains(words);
    if has("Connection refused") {
        let port = between(said, " port ", ": Connection refused").unwrap_or("22");
        Failure::new("ssh-refused", format!("{host} is there, but nothing listens on its port {port}"))
            .hint("start sshd there, or say its `port` in hosts.toml")
    } else if has("No route to host") || has("Network is unreachable") {
        Failure::new("ssh-no-route", format!("there is no way to {host} from here, or it is down"))
            .hint("is it up, is its address right, and are both on a network that leads to the other?")
    } else if has("timed out") {
        Failure::new("ssh-timeout", format!("{host} did not answer within {} s", CONNECT.as_secs()))
            .hint("is it up, is its address right, and does its firewall let this machine in?")
    } else if has("No such file or directory") && has("failed to connect to the remote host") {
        Failure::new("no-ssh", "there is no `ssh` program on this machine, the controller")
            .hint("install it: apt-get install openssh-client")
    } else {
        Failure::new("ssh", format!("ssh can't reach {host}")).hint(format!("try it by hand: {by_hand}"))
    }
}

/// What stands between the first two such words.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let found = rest.split_once(after)?.0;
    (!found.is_empty() && !found.contains('\n')).then_some(found)
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
            "failed to connect: @@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nOffending ED25519 key in known:1\n\
             Host key verification failed.",
            "ssh-host-key-changed",
        );
        check("failed to connect: connect to host lab port 2222: Connection refused", "ssh-refused");
        check("Could not resolve hostname lab: Name or service not known", "ssh-no-such-host");
        check("root@lab: Permission denied (publickey).", "ssh-denied");
        check("connect to host lab port 2222: Connection timed out", "ssh-timeout");
        check("Connection timed out during banner exchange", "ssh-timeout");
        check("connect to host lab port 2222: No route to host", "ssh-no-route");
        check("kex_exchange_identification: Connection closed by remote host", "ssh");
        check("failed to connect to the remote host: No such file or directory (os error 2)", "no-ssh");
    }

    #[test]
    fn a_jump_host_is_read_as_ssh_reads_it() {
        let check = |hop: &str, user: Option<&str>, host: &str, port: Option<u16>| {
            let found = hop_of(&SshOptions { user: Some("me".to_owned()), ..SshOptions::default() }, hop);
            assert_eq!((found.user.as_deref(), found.host.as_str(), found.port), (user, host, port), "{hop}");
        };
        check("gate", None, "gate", None);
        check("you@gate:2200", Some("you"), "gate", Some(2200));
        check("ssh://gate:2200", None, "gate", Some(2200));
        check("you@[fd00::1]:2200", Some("you"), "fd00::1", Some(2200));
        check("fd00::1", None, "fd00::1", None);
    }

    #[test]
    fn what_is_to_be_tried_by_hand_goes_the_way_that_we_go() {
        let options = SshOptions {
            host: "lab".to_owned(),
            user: Some("me".to_owned()),
            port: Some(2222),
            key: Some("/my keys/id".into()),
            known_hosts: Some("/k".into()),
            config: Some("/c".into()),
            jump: Some("a,you@gate:2200".to_owned()),
            ..SshOptions::default()
        };
        let hint = refusal(&options, "me@lab: Permission denied (publickey).").hint.unwrap();
        let by_hand = "ssh -F /c -i '/my keys/id' -o UserKnownHostsFile=/k -J a,you@gate:2200 -p 2222 me@lab true";
        assert!(hint.contains(by_hand), "{hint}");
        let hint = refusal(&options, "Host key verification failed.").hint.unwrap();
        let there = "-o UserKnownHostsFile=/k -J a -p 2200 you@gate ssh-keyscan -p 2222 lab > found-key; ";
        assert!(hint.contains(there), "{hint}");
        let said =
            "failed to connect: @@@@@@@\n@ WARNING: IDENTIFICATION HAS CHANGED! @\n@@@@@@@\nOffending key in known:1";
        assert_eq!(refusal(&options, said).detail, ["Offending key in known:1"]);
    }

    #[test]
    fn a_changed_key_names_the_entry_to_remove() {
        let options = SshOptions { host: "lab".to_owned(), port: Some(2222), ..SshOptions::default() };
        let hint = refusal(&options, "IDENTIFICATION HAS CHANGED").hint.unwrap();
        assert!(hint.ends_with("ssh-keygen -R '[lab]:2222' -f ~/.ssh/known_hosts"), "{hint}");
    }

    #[test]
    fn a_jump_host_that_refuses_is_named_and_not_the_machine_behind_it() {
        let options = SshOptions { host: "lab".to_owned(), port: Some(2222), ..SshOptions::default() };
        let check = |said: &str, code: &str, words: &str| {
            let failure = refusal(&options, said);
            let hint = failure.hint.unwrap_or_default();
            assert_eq!(failure.code, code, "{said}");
            assert!(failure.message.contains(words), "{} {hint}", failure.message);
            assert!(!hint.contains("-keyscan") || hint.contains("-p 2200 gate"), "{hint}");
        };
        let closed = "kex_exchange_identification: Connection closed by remote host";
        let unknown = "No ED25519 host key is known for [gate]:2200 and you have requested strict checking.";
        check(&format!("{unknown}\nHost key verification failed.\n{closed}"), "ssh-host-key-unknown", "[gate]:2200");
        check(
            &format!("failed to connect: me@gate: Permission denied (publickey).\n{closed}"),
            "ssh-denied",
            "me@gate accepts no key",
        );
        let refused = format!("ssh: connect to host gate port 2200: Connection refused\n{closed}");
        check(&refused, "ssh-refused", "gate is there, but nothing listens on its port 2200");
        let options = SshOptions { jump: Some("gate".to_owned()), ..options };
        assert_eq!(refusal(&options, closed).message, "lab can't be reached from its jump host");
    }
}
