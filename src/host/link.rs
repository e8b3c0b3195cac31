//! The channel to one agent: requests and their replies, notices by process, heartbeats both ways.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::wire::{self, Failure, FromAgent, Notice, Reply, Request, ToAgent, frame};

/// Why an agent did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// It is not there any more.
    #[error("lost the agent on {machine}: {why}")]
    Lost {
        /// The machine.
        machine: String,
        /// How that showed.
        why: String,
    },
    /// It could not be started: the machine can't be reached, or can't run it.
    #[error("{machine}: {failure}")]
    Unreachable {
        /// The machine.
        machine: String,
        /// Why, and what to do.
        failure: Box<Failure>,
    },
    /// It is there and refuses, with its reason.
    #[error("{machine}: {failure}")]
    Refused {
        /// The machine.
        machine: String,
        /// The reason.
        failure: Failure,
    },
    /// It answered something else than was asked: two builds, or a bug.
    #[error("{machine}: the agent answered out of turn: {answer}")]
    OutOfTurn {
        /// The machine.
        machine: String,
        /// What came.
        answer: String,
    },
    /// What was to be asked fits into no message; it was not sent.
    #[error("{machine}: the agent can't be asked: {why}")]
    TooLong {
        /// The machine.
        machine: String,
        /// How long it is, and what is allowed.
        why: String,
    },
}

type Pending = Arc<Mutex<Shared>>;

#[derive(Default)]
struct Shared {
    replies: HashMap<u64, oneshot::Sender<Result<Reply, Failure>>>,
    /// Notices of processes, made by whichever side names the process first: output may overtake the reply that
    /// tells the process's number.
    notices: HashMap<u64, (mpsc::UnboundedSender<Notice>, Option<mpsc::UnboundedReceiver<Notice>>)>,
    next: u64,
}

impl Shared {
    fn channel(
        &mut self,
        process: u64,
    ) -> &mut (mpsc::UnboundedSender<Notice>, Option<mpsc::UnboundedReceiver<Notice>>) {
        self.notices.entry(process).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            (sender, Some(receiver))
        })
    }
}

type Progress = tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, String)>>;

/// What a process tells by itself, in order.
pub type ProcessNotices = mpsc::UnboundedReceiver<Notice>;

/// A channel to one agent. Clones share it.
#[derive(Clone)]
pub struct Link {
    machine: Arc<str>,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    shared: Pending,
    progress: Arc<Progress>,
    lost: watch::Receiver<Option<String>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.machine)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LinkError {
    /// A machine that can't be reached, or can't run an agent.
    pub fn unreachable(machine: &str, failure: Failure) -> Self {
        Self::Unreachable { machine: machine.to_owned(), failure: Box::new(failure) }
    }
}

impl Link {
    /// Speaks with an agent over these streams. Waits for its magic line.
    pub async fn open(
        machine: &str,
        from: impl AsyncRead + Unpin + Send + 'static,
        to: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, LinkError> {
        Self::open_watched(machine, from, to, std::future::ready(None)).await
    }

    /// The same, where the transport may know more of the end than the streams do: it is asked when they end, and must
    /// answer soon.
    pub async fn open_watched(
        machine: &str,
        mut from: impl AsyncRead + Unpin + Send + 'static,
        to: impl AsyncWrite + Unpin + Send + 'static,
        ending: impl Future<Output = Option<String>> + Send + 'static,
    ) -> Result<Self, LinkError> {
        let lost = |why: String| LinkError::Lost { machine: machine.to_owned(), why };
        timeout(wire::SILENCE, skip_to_magic(&mut from))
            .await
            .map_err(|_| lost(format!("it did not say `{}` within {} s", wire::MAGIC, wire::SILENCE.as_secs())))?
            .map_err(|error| lost(format!("it did not start: {error}")))?;
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (tell_lost, lost) = watch::channel(None);
        let (progress_in, progress) = mpsc::unbounded_channel();
        let shared = Pending::default();
        tokio::spawn(write_all(to, queue));
        tokio::spawn(read_all(from, Arc::clone(&shared), progress_in, tell_lost, ending));
        tokio::spawn(beat(outgoing.clone()));
        Ok(Self { machine: machine.into(), outgoing, shared, progress: Arc::new(Progress::new(progress)), lost })
    }

    /// Whether this is a clone of the other: one agent.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The machine's name.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// Asks, and waits for the answer as long as the agent lives.
    pub async fn ask(&self, request: Request) -> Result<Reply, LinkError> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut shared = locked(&self.shared);
            shared.next += 1;
            shared.next
        };
        let too_long =
            |error: std::io::Error| LinkError::TooLong { machine: self.machine.to_string(), why: error.to_string() };
        let bytes = frame::encode(&ToAgent::Request { id, request }).map_err(too_long)?;
        locked(&self.shared).replies.insert(id, sender);
        // A closed queue shows as a lost agent just below.
        let _ = self.outgoing.send(bytes);
        let mut lost = self.lost.clone();
        tokio::select! {
            biased;
            reply = receiver => match reply {
                Ok(reply) => reply.map_err(|failure| LinkError::Refused { machine: self.machine.to_string(), failure }),
                Err(_) => Err(self.lost_error("its channel closed".to_owned())),
            },
            why = wait_lost(&mut lost) => Err(self.lost_error(why)),
        }
    }

    /// What a process tells by itself; each process's notices can be taken once.
    pub fn notices(&self, process: u64) -> ProcessNotices {
        let taken = locked(&self.shared).channel(process).1.take();
        taken.unwrap_or_else(|| mpsc::unbounded_channel().1)
    }

    /// Progress lines of long requests, as `(name, line)`, for as long as the guard is held.
    pub async fn progress(&self) -> tokio::sync::OwnedMutexGuard<mpsc::UnboundedReceiver<(String, String)>> {
        Arc::clone(&self.progress).lock_owned().await
    }

    /// Waits until the agent is lost; why.
    pub async fn lost(&self) -> LinkError {
        let why = wait_lost(&mut self.lost.clone()).await;
        self.lost_error(why)
    }

    fn lost_error(&self, why: String) -> LinkError {
        LinkError::Lost { machine: self.machine.to_string(), why }
    }

    /// The error for an answer of another kind than was asked for.
    pub fn out_of_turn(&self, answer: &Reply) -> LinkError {
        let text: String = format!("{answer:?}").chars().take(200).collect();
        LinkError::OutOfTurn { machine: self.machine.to_string(), answer: text }
    }
}

async fn wait_lost(lost: &mut watch::Receiver<Option<String>>) -> String {
    match lost.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        Err(_) => "its channel closed".to_owned(),
    }
}

/// A login shell may print before the agent does: everything up to the magic line is skipped.
async fn skip_to_magic(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    const MOST_NOISE: usize = 64 << 10;
    let mut line = Vec::new();
    for _ in 0..MOST_NOISE {
        let byte = from.read_u8().await?;
        if byte != b'\n' {
            line.push(byte);
        } else if line == wire::MAGIC.as_bytes() {
            return Ok(());
        } else {
            line.clear();
        }
    }
    Err(std::io::Error::other("it printed something else"))
}

async fn write_all(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

async fn beat(outgoing: mpsc::UnboundedSender<Vec<u8>>) {
    let Ok(heartbeat) = frame::encode(&ToAgent::Heartbeat) else { return };
    while outgoing.send(heartbeat.clone()).is_ok() {
        tokio::time::sleep(wire::HEARTBEAT).await;
    }
}

async fn read_all(
    mut from: impl AsyncRead + Unpin,
    shared: Pending,
    progress: mpsc::UnboundedSender<(String, String)>,
    tell_lost: watch::Sender<Option<String>>,
    ending: impl Future<Output = Option<String>>,
) {
    let seen = loop {
        match timeout(wire::SILENCE, read_frame(&mut from)).await {
            Err(_) => break format!("not a word from it for {} s", wire::SILENCE.as_secs()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => break "it ended".to_owned(),
            Ok(Err(error)) => break error.to_string(),
            Ok(Ok(message)) => deliver(message, &shared, &progress),
        }
    };
    let why = ending.await.unwrap_or(seen);
    let _ = tell_lost.send(Some(why));
    // Whoever waits for a process's notices sees their end.
    locked(&shared).notices.clear();
}

async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<FromAgent> {
    let mut header = [0; 4];
    from.read_exact(&mut header).await?;
    let mut body = vec![0; frame::length(header)?];
    from.read_exact(&mut body).await?;
    frame::decode(&body)
}

fn deliver(message: FromAgent, shared: &Pending, progress: &mpsc::UnboundedSender<(String, String)>) {
    match message {
        FromAgent::Heartbeat => {}
        FromAgent::Reply { id, reply } => {
            if let Some(waiting) = locked(shared).replies.remove(&id) {
                // Nobody waits any more after an interruption.
                let _ = waiting.send(reply);
            }
        }
        FromAgent::Notice(Notice::Progress { name, line }) => {
            let _ = progress.send((name, line));
        }
        FromAgent::Notice(notice) => {
            let process = match &notice {
                Notice::Output { process, .. } | Notice::Exited { process, .. } => *process,
                Notice::Progress { .. } => return,
            };
            let _ = locked(shared).channel(process).0.send(notice);
        }
    }
}

/// How long an agent gets to end after its goodbye, before it is killed.
pub const GOODBYE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_banner_before_the_magic_line_is_skipped() {
        let mut stream: &[u8] = b"Welcome to Debian\nno mail\ntimetrial-agent/1\nrest";
        skip_to_magic(&mut stream).await.unwrap();
        assert_eq!(stream, b"rest");
        assert!(skip_to_magic(&mut &b"command not found\n"[..]).await.is_err());
    }

    #[tokio::test]
    async fn what_fits_into_no_message_is_told_and_the_agent_is_not_lost() {
        let script = |_: &Request, _: &mut Vec<Notice>| Ok(Reply::Done);
        let (link, seen) = crate::host::fake("bench", Box::new(script)).await.unwrap();
        let file = wire::WorkFile { path: "large".to_owned(), bytes: vec![b'x'; frame::LONGEST] };
        let request = Request::PutFiles { directory: "d".to_owned(), files: vec![file] };
        let error = link.ask(request).await.unwrap_err().to_string();
        assert!(error.starts_with("bench: the agent can't be asked: a message of 671"), "{error}");
        assert!(error.ends_with("is longer than the 67108864 allowed"), "{error}");
        assert!(matches!(link.ask(Request::ReadFacts).await, Ok(Reply::Done)));
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}
