//! The servers of the bench: our own one that knows the truth, and nginx. Both end with the bench, whatever becomes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::cli::bench::failed;
use crate::cli::bench::load::cpus::Cpus;
use crate::cli::bench::load::peers::Peer;
use crate::cli::bench::load::schedule::Arrivals;
use crate::cli::bench::machines::program;
use crate::cli::error::Problem;

/// A server that does not begin or end within this hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// Which server a load meets.
#[derive(Debug, Clone)]
pub enum Kind {
    /// nginx with one worker and the smallest answer.
    Nginx(Peer),
    /// Ours, which does this.
    Truth(Vec<&'static str>),
}

/// What a server knows of a load.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Requests that it was sent.
    pub requests: u64,
    /// When each came, if it keeps that.
    pub arrivals: Arrivals,
    /// Answers that left more than 20 µs too late, of a server that is to wait.
    pub late: u64,
}

/// A server that runs.
#[derive(Debug)]
pub enum Server {
    /// nginx. It is asked what it counted.
    Nginx {
        /// Its process.
        child: Child,
        /// What it had counted at the start.
        before: u64,
        /// Where it listens.
        address: String,
    },
    /// Ours. It tells at its end.
    Truth {
        /// Its process.
        child: Child,
        /// Its end.
        stdin: ChildStdin,
        /// What it says.
        lines: Lines<BufReader<ChildStdout>>,
        /// Where it listens.
        address: String,
        /// Where it writes when requests came.
        record: PathBuf,
    },
}

impl Server {
    /// Starts one for a load of so many seconds, with a folder for its files.
    pub async fn start(kind: &Kind, cpus: &Cpus, folder: &Path, seconds: u64) -> Result<Self, Problem> {
        match kind {
            Kind::Nginx(nginx) => Self::nginx(nginx, cpus, folder).await,
            Kind::Truth(options) => Self::truth(options, cpus, folder, seconds).await,
        }
    }

    async fn truth(options: &[&str], cpus: &Cpus, folder: &Path, seconds: u64) -> Result<Self, Problem> {
        let record = folder.join("arrivals");
        let mut command = program("/proc/self/exe");
        command.args(["truth", "--listen", "127.0.0.1:0", "--cpu"]).arg(cpus.server.to_string()).args(options);
        command.arg("--record").arg(&record).arg("--seconds").arg((seconds + 60).to_string());
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::inherit());
        let mut child = command.spawn()?;
        let missing = || failed("a pipe to the truth server is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(missing)?).lines();
        let line = within(lines.next_line()).await?;
        let line = line.as_deref().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let address = line.as_ref().and_then(|line| line.get("address")?.as_str());
        let address = address.ok_or_else(|| failed("the truth server did not begin"))?.to_owned();
        Ok(Self::Truth { child, stdin, lines, address, record })
    }

    /// One process, which dies with us. Nothing of it is outside the folder.
    async fn nginx(nginx: &Peer, cpus: &Cpus, folder: &Path) -> Result<Self, Problem> {
        // Nobody else takes it in between, or nginx says so and the bench ends.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("nginx.conf");
        fs::write(&config, nginx_config(&address, folder))?;
        let mut command = program("/proc/self/exe");
        command.args(["exec", "--death-signal", "9", "--parent"]).arg(std::process::id().to_string()).arg("--");
        command.arg(&nginx.path).arg("-c").arg(&config).arg("-p").arg(folder).arg("-e").arg(folder.join("error.log"));
        nginx.surround(&mut command);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = cpus.on_server(|| command.spawn())??;
        let begun = Instant::now();
        let before = loop {
            match counted_by_nginx(&address).await {
                Ok(count) => break count,
                Err(_) if begun.elapsed() < LIMIT && child.try_wait()?.is_none() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(problem) => {
                    let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                    return Err(problem.hint(format!("nginx said: {}", log.trim())));
                }
            }
        };
        Ok(Self::Nginx { child, before, address })
    }

    /// What to load.
    pub fn url(&self) -> String {
        let (Self::Nginx { address, .. } | Self::Truth { address, .. }) = self;
        format!("http://{address}/")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        let (Self::Nginx { child, .. } | Self::Truth { child, .. }) = self;
        child.id().unwrap_or_default()
    }

    /// Ends it; what it knows.
    pub async fn end(self) -> Result<Known, Problem> {
        match self {
            Self::Nginx { mut child, before, address } => {
                let after = counted_by_nginx(&address).await?;
                child.kill().await?;
                // The question itself was counted, too.
                Ok(Known { requests: (after - before).saturating_sub(1), ..Known::default() })
            }
            Self::Truth { mut child, stdin, mut lines, record, .. } => {
                drop(stdin);
                let line = within(lines.next_line()).await?.unwrap_or_default();
                within(child.wait()).await?;
                let line: serde_json::Value = serde_json::from_str(&line)
                    .map_err(|error| failed(format!("the truth server's last line can't be read: {error}")))?;
                let number = |name: &str| line.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
                let arrivals = Arrivals::read(&fs::read(&record)?);
                Ok(Known { requests: number("requests"), arrivals, late: number("answers_late") })
            }
        }
    }
}

async fn within<T>(what: impl Future<Output = std::io::Result<T>>) -> Result<T, Problem> {
    let done = tokio::time::timeout(LIMIT, what).await;
    Ok(done.map_err(|_| failed(format!("a server did not answer within {} s", LIMIT.as_secs())))??)
}

fn nginx_config(address: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         access_log off;\nkeepalive_requests 1000000000;\nkeepalive_timeout 600s;\n\
         client_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/fastcgi;\n\
         uwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;\n\
         server {{\nlisten {address} backlog=4096;\n\
         location = /counted {{ stub_status; }}\n\
         location / {{ default_type application/json; return 200 '{{\"ok\":true}}'; }}\n\
         }}\n}}\n"
    )
}

/// Requests that nginx has counted, this one included.
async fn counted_by_nginx(address: &str) -> Result<u64, Problem> {
    let mut stream = within(TcpStream::connect(address)).await?;
    within(stream.write_all(b"GET /counted HTTP/1.0\r\n\r\n")).await?;
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await?;
    requests_of_status(&text).ok_or_else(|| failed(format!("nginx does not tell what it counted: {text}")))
}

/// The third number under `server accepts handled requests`.
fn requests_of_status(text: &str) -> Option<u64> {
    let mut lines = text.lines().skip_while(|line| line.trim() != "server accepts handled requests");
    lines.nth(1)?.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::requests_of_status;

    #[test]
    fn what_nginx_counted_is_read() {
        let text = "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n 65 65 484001 \n\
                    Reading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(requests_of_status(text), Some(484_001));
        assert_eq!(requests_of_status("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}
