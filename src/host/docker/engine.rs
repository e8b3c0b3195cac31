//! The way to a Docker engine, and what is asked of it: always within a time, always with words for what went wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemInfo;
use bollard::{API_DEFAULT_VERSION, Docker};
use openssh::{ForwardType, Session, Socket};
use tokio::sync::RwLock;
use tokio::time::timeout;

use crate::host::ssh_session::{self, SshOptions};
use crate::wire::Failure;

/// The oldest version of the engines' language that this was tried with: that of Docker 20.10.
const OLDEST: (usize, usize) = (1, 41);

/// How long an engine may take for one thing; what takes longer by its nature has a time of its own.
pub(super) const CALL: Duration = Duration::from_secs(60);

/// No answer within this time ends a request, whatever its own time is.
const SILENCE_S: u64 = 900;

/// Where an engine listens if nobody says another place.
const USUAL: &str = "/var/run/docker.sock";

/// An engine that answers.
pub(super) struct Engine {
    pub docker: Docker,
    /// Where it is, in words.
    pub place: String,
    /// What it is whatever way leads to it: a socket may have two names. Cloned machines can share an engine's id, and
    /// hardly a name beside it.
    pub identity: String,
    /// The kind of its processor, as `uname -m` names it.
    pub architecture: String,
    /// The socket by which it is reached from here.
    pub socket: PathBuf,
    /// Read by each request that makes something, for as long as it is under way.
    making: Arc<RwLock<()>>,
    /// What the way to another machine goes through, for as long as it is used.
    way: Option<Session>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", self.place)
    }
}

/// Where an engine is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Socket(PathBuf),
    Ssh(String),
}

impl Place {
    /// As the inventory says, else as the environment does, else the usual place.
    pub fn of(said: Option<&str>, environment: Option<&str>) -> Result<Self, Failure> {
        let (text, from) = match (said, environment.filter(|text| !text.is_empty())) {
            (Some(text), _) => (text, "hosts.toml"),
            (None, Some(text)) => (text, "DOCKER_HOST"),
            (None, None) => return Ok(Self::Socket(PathBuf::from(USUAL))),
        };
        if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            return Ok(Self::Socket(PathBuf::from(path)));
        }
        if let Some(host) = text.strip_prefix("ssh://").filter(|host| !host.is_empty() && !host.starts_with('-')) {
            return Ok(Self::Ssh(host.to_owned()));
        }
        let message =
            format!("{from} names the Docker engine `{text}`, and only unix:///PATH and ssh://USER@HOST are taken");
        Err(Failure::new("engine-address", message)
            .hint("an open TCP port of an engine gives root on its machine to whoever reaches it: go there by ssh"))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Ssh(host) => write!(f, "ssh://{host}"),
        }
    }
}

impl Engine {
    /// Speaks with the engine behind a socket, in the words that both know.
    pub async fn open(socket: &Path, place: String) -> Result<Self, Failure> {
        let address = socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&address, SILENCE_S, API_DEFAULT_VERSION)
            .map_err(|error| no_engine(&place, &error))?;
        // Without this a newer client would pin its own version, which an older engine refuses.
        let negotiated = timeout(CALL, docker.negotiate_version()).await.map_err(|_| silent(&place, "its version"))?;
        let docker = negotiated.map_err(|error| no_engine(&place, &error))?;
        let version = docker.client_version();
        let found = (version.major_version, version.minor_version);
        if found < OLDEST {
            let message =
                format!("the Docker engine at {place} speaks version {}.{} of its language", found.0, found.1);
            let hint = format!("{}.{} is needed: Docker 20.10, or a later one", OLDEST.0, OLDEST.1);
            return Err(Failure::new("engine-too-old", message).hint(hint));
        }
        let (identity, architecture, socket) = (place.clone(), String::new(), socket.to_owned());
        let mut engine = Self { docker, place, identity, architecture, socket, making: Arc::default(), way: None };
        let info: SystemInfo = engine.call("what it is", engine.docker.info()).await?;
        if info.os_type.as_deref().is_some_and(|kind| kind != "linux") {
            let message = format!("the Docker engine at {} runs no Linux containers", engine.place);
            return Err(Failure::new("engine-not-linux", message).hint("switch it to Linux containers"));
        }
        if let Some(id) = info.id.filter(|id| !id.is_empty()) {
            engine.identity = format!("{id} {}", info.name.unwrap_or_default());
        }
        engine.architecture = uname_word(&info.architecture.unwrap_or_default()).to_owned();
        Ok(engine)
    }

    /// The engine of another machine: its socket, brought here by the user's own ssh.
    pub async fn behind_ssh(host: &str, sockets: &Path) -> Result<Self, Failure> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let session = ssh_session::open(&options(host, sockets)).await?;
        let here = sockets.join(format!("engine-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let pair = (Socket::from(here.as_path()), Socket::from(Path::new(USUAL)));
        let forwarded = timeout(CALL, session.request_port_forward(ForwardType::Local, pair.0, pair.1)).await;
        forwarded
            .map_err(|_| "no answer".to_owned())
            .and_then(|done| done.map_err(|error| ssh_session::words(&error)))
            .map_err(|why| {
                let message = format!("ssh to {host} works, but does not bring the socket of its engine here: {why}");
                Failure::new("no-engine", message).hint("its sshd must allow it: AllowStreamLocalForwarding")
            })?;
        let engine = Self::open(&here, format!("ssh://{host}")).await.map_err(|failure| Failure {
            hint: Some(format!(
                "try it by hand: `ssh {host} docker info`; the user there must be allowed to use {USUAL}"
            )),
            ..failure
        })?;
        Ok(Self { way: Some(session), ..engine })
    }

    /// Lets go of the way to it.
    pub async fn close(self) {
        if let Some(session) = self.way {
            let _ = timeout(CALL, session.close()).await;
        }
    }

    /// Waits for an answer, but not for ever.
    pub async fn call<T>(&self, what: &str, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        match timeout(CALL, answer).await {
            Err(_) => Err(silent(&self.place, what)),
            Ok(Err(error)) => Err(self.failure(what, &error)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    /// The same for a request that makes something: it is seen through even where nobody waits for it any more. An engine
    /// goes on with what it began, and what nobody hears of nobody removes.
    pub async fn make<T: Send + 'static>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Failure> {
        let under_way = Arc::clone(&self.making).read_owned().await;
        let task = tokio::spawn(async move {
            let _under_way = under_way;
            timeout(CALL, request).await
        });
        match task.await {
            Ok(Err(_)) => Err(silent(&self.place, what)),
            Ok(Ok(Err(error))) => Err(self.failure(what, &error)),
            Ok(Ok(Ok(answer))) => Ok(answer),
            Err(error) => Err(Failure::new("engine", format!("asking for {what} ended: {error}"))),
        }
    }

    /// Waits for what is being made: only then can be seen what there is. No such request takes longer than a call may.
    pub async fn made(&self) {
        let _ = self.making.write().await;
    }

    /// The same, where not being there is an answer.
    pub async fn look<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Failure> {
        match timeout(CALL, answer).await {
            Err(_) => Err(silent(&self.place, what)),
            Ok(Err(Error::DockerResponseServerError { status_code: 404, .. })) => Ok(None),
            Ok(Err(error)) => Err(self.failure(what, &error)),
            Ok(Ok(answer)) => Ok(Some(answer)),
        }
    }

    /// What the engine said to a request.
    pub fn failure(&self, what: &str, error: &Error) -> Failure {
        Failure::new("engine", format!("the Docker engine at {}, asked for {what}: {}", self.place, words(error)))
    }

    /// The engine's clock, in seconds: what it made is as old as that says.
    pub async fn now(&self) -> Result<i64, Failure> {
        let info = self.call("its clock", self.docker.info()).await?;
        let time = info.system_time.as_deref().and_then(seconds);
        time.ok_or_else(|| Failure::new("engine", format!("the Docker engine at {} tells no time", self.place)))
    }
}

/// `user@host:port`, as ssh takes it. All else comes from the user's own configuration.
fn options(text: &str, sockets: &Path) -> SshOptions {
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, text),
    };
    // An IPv6 address stands in brackets where a port may follow.
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (place, None),
    };
    let host = if port.is_some() { host } else { place };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    SshOptions { host, user, port, sockets: sockets.to_owned(), ..SshOptions::default() }
}

/// Seconds since 1970 of a time as engines write it.
pub(super) fn seconds(time: &str) -> Option<i64> {
    Some(time.parse::<jiff::Timestamp>().ok()?.as_second())
}

fn silent(place: &str, what: &str) -> Failure {
    let message = format!("the Docker engine at {place} did not answer within {} s, asked for {what}", CALL.as_secs());
    Failure::new("engine-silent", message).hint("look at it: `docker info`, and the log of its service")
}

/// Why there is nobody to speak with.
fn no_engine(place: &str, error: &Error) -> Failure {
    let kind = kind_of(error);
    let why = match kind {
        Some(std::io::ErrorKind::PermissionDenied) => "this user may not use it".to_owned(),
        _ => words(error),
    };
    let hint = match kind {
        Some(std::io::ErrorKind::PermissionDenied) => {
            "add yourself to the group that its socket belongs to (`sudo usermod -aG docker $USER`, then log in again), \
             knowing that this gives you root there"
        }
        _ => "start it (`sudo systemctl start docker`), or say where it is: `engine` in hosts.toml, or DOCKER_HOST",
    };
    Failure::new("no-engine", format!("no Docker engine at {place}: {why}")).hint(hint)
}

fn kind_of(error: &Error) -> Option<std::io::ErrorKind> {
    if matches!(error, Error::SocketNotFoundError(_)) {
        return Some(std::io::ErrorKind::NotFound);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        cause = one.source();
    }
    None
}

/// What the engine said, or what is the matter with the way to it.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::SocketNotFoundError(path) => format!("there is no socket {path}"),
        _ => {
            // The outer ones only say that something failed.
            let mut innermost: &dyn std::error::Error = error;
            while let Some(cause) = innermost.source() {
                innermost = cause;
            }
            innermost.to_string()
        }
    }
}

/// The word of `uname -m` for the word of an engine, which are those of the Go language.
pub(super) fn uname_word(word: &str) -> &str {
    match word {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "arm" => "armv7l",
        "386" => "i686",
        "loong64" => "loongarch64",
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_where_somebody_says() {
        let usual = Place::Socket(PathBuf::from(USUAL));
        assert_eq!(Place::of(None, None).unwrap(), usual);
        assert_eq!(Place::of(None, Some("")).unwrap(), usual);
        let here = |path: &str| Place::Socket(PathBuf::from(path));
        assert_eq!(Place::of(None, Some("unix:///run/d.sock")).unwrap(), here("/run/d.sock"));
        assert_eq!(Place::of(Some("unix:///a"), Some("unix:///b")).unwrap(), here("/a"));
        assert_eq!(Place::of(Some("ssh://me@there:22"), None).unwrap(), Place::Ssh("me@there:22".to_owned()));
        for refused in ["tcp://there:2375", "unix://relative", "ssh://", "ssh://-oProxyCommand=x", "there"] {
            let failure = Place::of(None, Some(refused)).unwrap_err();
            assert!(failure.message.starts_with(&format!("DOCKER_HOST names the Docker engine `{refused}`")));
        }
    }

    #[test]
    fn a_way_by_ssh_has_a_user_and_a_port_if_they_are_said() {
        let read = |text: &str| {
            let SshOptions { host, user, port, .. } = options(text, Path::new("/s"));
            (user, host, port)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("there"), (None, "there".to_owned(), None));
        assert_eq!(read("me@there:2222"), (some("me"), "there".to_owned(), Some(2222)));
        assert_eq!(read("me@[fd00::1]:22"), (some("me"), "fd00::1".to_owned(), Some(22)));
        assert_eq!(read("me@fd00::1"), (some("me"), "fd00::1".to_owned(), None));
    }

    #[test]
    fn engines_tell_the_time_with_nine_digits_and_a_zone() {
        assert_eq!(seconds("1970-01-01T00:01:00.123456789Z"), Some(60));
        assert_eq!(seconds("1970-01-01T01:01:00.1+01:00"), Some(60));
        assert_eq!(seconds("yesterday"), None);
    }

    #[tokio::test]
    #[ignore = "needs Docker"]
    async fn the_language_spoken_is_the_newest_that_both_know() {
        let engine = Engine::open(Path::new(USUAL), USUAL.to_owned()).await.unwrap();
        let own = engine.docker.version().await.unwrap().api_version.unwrap();
        let own: Vec<usize> = own.split('.').map(|number| number.parse().unwrap()).collect();
        let newest = (API_DEFAULT_VERSION.major_version, API_DEFAULT_VERSION.minor_version);
        let spoken = engine.docker.client_version();
        assert_eq!((spoken.major_version, spoken.minor_version), (own[0], own[1]).min(newest));
    }

    #[tokio::test]
    async fn where_nobody_listens_the_error_says_what_to_do() {
        let nowhere = Path::new("/nowhere/docker.sock");
        let failure = Engine::open(nowhere, "/nowhere/docker.sock".to_owned()).await.unwrap_err();
        assert_eq!(
            failure.message,
            "no Docker engine at /nowhere/docker.sock: there is no socket /nowhere/docker.sock"
        );
        assert!(failure.hint.is_some_and(|hint| hint.contains("DOCKER_HOST")));
    }
}
