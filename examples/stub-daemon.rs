//! A daemon for tests: it answers the documents beside it over HTTP/1.1, and has bad days when it is told to.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a daemon logs to its standard streams")]
#![expect(clippy::disallowed_methods, reason = "not part of the product: it starts its own workers, and dies as told")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use nix::sys::signal::{SigSet, Signal};

#[derive(Debug, Parser)]
struct Flags {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8016")]
    bind: String,
    /// Children that live as long as their parent
    #[arg(long, default_value_t = 0)]
    workers: u32,
    /// Answered at every path; else PATH.json of the current directory
    #[arg(long)]
    document: Option<PathBuf>,
    /// The status of every answer
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Answers something else than it should
    #[arg(long)]
    wrong_document: bool,
    /// Closes the connection after each answer
    #[arg(long)]
    close: bool,
    /// Printed at the start, byte for byte
    #[arg(long)]
    log_file: Option<PathBuf>,
    /// Complains and ends at once
    #[arg(long)]
    die_at_start: bool,
    /// Never listens
    #[arg(long)]
    never_ready: bool,
    /// Listens, and never answers
    #[arg(long)]
    mute: bool,
    /// TERM does nothing
    #[arg(long)]
    ignore_term: bool,
    /// Leaves a process in another session, without a parent
    #[arg(long)]
    double_fork_orphan: bool,
    /// The same, and its environment does not tell where it comes from
    #[arg(long)]
    hidden_orphan: bool,
    /// Ends after so many milliseconds
    #[arg(long)]
    die_after: Option<u64>,
    /// The exit code of that end
    #[arg(long, default_value_t = 3)]
    die_code: i32,
    /// That end is a KILL, as by a kernel that is short of memory
    #[arg(long)]
    die_killed: bool,
    /// Answers with status 500 after so many milliseconds
    #[arg(long)]
    fail_after: Option<u64>,
    /// Listens on this address in place of that of `--bind`
    #[arg(long)]
    only: Option<String>,
    /// Uses a whole CPU
    #[arg(long)]
    busy: bool,
    /// What a child of this program is: `worker`, `fork` or `orphan`
    #[arg(long, hide = true)]
    role: Option<String>,
}

/// Whether it answers with errors from now on.
static FAILING: AtomicBool = AtomicBool::new(false);

fn main() -> std::io::Result<()> {
    let flags = Flags::parse();
    match flags.role.as_deref() {
        None => serve(flags),
        Some("worker") => std::io::stdin().read_to_end(&mut Vec::new()).map(|_| ()),
        Some("fork") => {
            nix::unistd::setsid()?;
            child("orphan", Stdio::null()).map(|_| ())
        }
        Some(_) => {
            block_term()?;
            thread::sleep(Duration::from_secs(600));
            Ok(())
        }
    }
}

fn serve(flags: Flags) -> std::io::Result<()> {
    if flags.ignore_term {
        block_term()?;
    }
    if let Some(path) = &flags.log_file {
        std::io::stdout().write_all(&std::fs::read(path)?)?;
        std::io::stdout().flush()?;
    }
    if flags.die_at_start {
        println!("stub: reading the configuration");
        eprintln!("stub: cannot open the configuration: no such file");
        eprintln!("stub: giving up");
        std::process::exit(7);
    }
    // A worker's standard input ends with its parent, however that ends.
    let _workers: Vec<Child> =
        (0..flags.workers).map(|_| child("worker", Stdio::piped())).collect::<std::io::Result<_>>()?;
    if flags.double_fork_orphan || flags.hidden_orphan {
        let mut fork = myself("fork", Stdio::null())?;
        if flags.hidden_orphan {
            fork.env_clear();
        }
        fork.spawn()?.wait()?;
    }
    misbehave(&flags);
    if flags.never_ready {
        println!("stub: still thinking");
        loop {
            thread::sleep(Duration::from_secs(600));
        }
    }
    let port = flags.bind.rsplit(':').next().unwrap_or_default();
    let bind = flags.only.as_ref().map_or_else(|| flags.bind.clone(), |only| format!("{only}:{port}"));
    let listener = TcpListener::bind(&bind)?;
    println!("stub: listening on {bind}");
    let flags: &'static Flags = Box::leak(Box::new(flags));
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || converse(stream, flags));
    }
    Ok(())
}

/// What goes on beside the answering.
fn misbehave(flags: &Flags) {
    if let Some(after) = flags.die_after {
        let (code, killed) = (flags.die_code, flags.die_killed);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(after));
            eprintln!("stub: out of luck");
            if killed {
                let _ = nix::sys::signal::raise(Signal::SIGKILL);
            }
            std::process::exit(code);
        });
    }
    if let Some(after) = flags.fail_after {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(after));
            FAILING.store(true, Ordering::Release);
        });
    }
    if flags.busy {
        thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
}

/// The parent's mask is inherited, and Rust takes it off for a child: so each blocks for itself.
fn block_term() -> std::io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    Ok(signals.thread_block()?)
}

fn myself(role: &str, input: Stdio) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--role").arg(role).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn child(role: &str, input: Stdio) -> std::io::Result<Child> {
    myself(role, input)?.spawn()
}

fn converse(stream: TcpStream, flags: &Flags) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(first) = lines.next().transpose()? {
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        if flags.mute {
            continue;
        }
        let status = if FAILING.load(Ordering::Acquire) { 500 } else { flags.status };
        let body = body(&path, status, flags);
        let connection = if flags.close { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 {status} Stub\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), &body].concat())?;
        if flags.close {
            return writer.shutdown(std::net::Shutdown::Both);
        }
    }
    Ok(())
}

fn body(path: &str, status: u16, flags: &Flags) -> Vec<u8> {
    if flags.wrong_document {
        return br#"{"hello": "moon", "extra": 1}"#.to_vec();
    }
    if status != 200 {
        return b"the stub is out of order\n".to_vec();
    }
    let beside = Path::new(path.trim_start_matches('/')).with_extension("json");
    std::fs::read(flags.document.as_deref().unwrap_or(&beside)).unwrap_or_default()
}
