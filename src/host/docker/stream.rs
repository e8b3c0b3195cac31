//! A container's attached streams as the two ends of a link, and what became of the container when they end.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::query_parameters::EventsOptions;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::host::docker::engine::{Engine, words};

/// How much of what an agent complains of is kept.
const MOST_COMPLAINT: usize = 8 << 10;

/// How long the engine is asked what became of a container.
const INQUEST: Duration = Duration::from_secs(3);

/// The last that the agent said on its standard error.
pub(super) type Complaint = Arc<Mutex<Vec<u8>>>;

/// Its lines.
pub(super) fn lines(complaint: &Complaint) -> Vec<String> {
    let bytes = complaint.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes)
        .lines()
        .rev()
        .take(10)
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect()
}

/// What the agent says, without what it complains of.
pub(super) struct Output {
    chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    rest: Bytes,
}

impl AsyncRead for Output {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(this.chunks.poll_recv(context)) {
                Some(chunk) => this.rest = chunk?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = this.rest.len().min(into.remaining());
        into.put_slice(&this.rest[..length]);
        this.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// Takes the two outputs apart. When they end, the last word is what became of the container: an engine that is stopped
/// ends its streams as if all were well.
pub(super) fn take_apart(
    engine: Arc<Engine>,
    container: String,
    attached: AttachContainerResults,
) -> (Output, Pin<Box<dyn tokio::io::AsyncWrite + Send>>, Complaint) {
    let complaint = Complaint::default();
    let (sender, chunks) = mpsc::channel(16);
    let AttachContainerResults { mut output, input } = attached;
    let kept = Arc::clone(&complaint);
    tokio::spawn(async move {
        let cut = loop {
            match output.next().await {
                Some(Ok(LogOutput::StdOut { message })) => {
                    if sender.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
                Some(Ok(LogOutput::StdErr { message })) => keep(&kept, &message),
                // Not from an agent: the end of a message that was cut off.
                Some(Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. })) => break Some("in a message".to_owned()),
                Some(Err(error)) => break Some(words(&error)),
                None => break None,
            }
        };
        let mut why = fate(&engine, &container).await;
        if let Some(cut) = cut {
            why = format!("{why}; its stream ended early: {cut}");
        }
        let said = lines(&kept);
        if !said.is_empty() {
            why = format!("{why}; it said: {}", said.join(" | "));
        }
        let _ = sender.send(Err(std::io::Error::other(why))).await;
    });
    (Output { chunks, rest: Bytes::new() }, input, complaint)
}

fn keep(complaint: &Complaint, message: &[u8]) {
    let mut kept = complaint.lock().unwrap_or_else(PoisonError::into_inner);
    kept.extend_from_slice(message);
    let surplus = kept.len().saturating_sub(MOST_COMPLAINT);
    kept.drain(..surplus);
}

/// What became of a container, in words. The engine removes it at its end, so its events are asked: they are there for
/// a while.
async fn fate(engine: &Engine, container: &str) -> String {
    let mut seen = Seen::default();
    let end = Instant::now() + INQUEST;
    let options = EventsOptions {
        since: Some("1".to_owned()),
        until: None,
        filters: Some(HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), vec![container.to_owned()]),
        ])),
    };
    let mut events = Box::pin(engine.docker.events(Some(options)));
    while seen.code.is_none() {
        match timeout_at(end, events.next()).await {
            Ok(Some(Ok(event))) => seen.event(&event),
            Ok(Some(Err(error))) => return format!("the Docker engine at {} is gone: {}", engine.place, words(&error)),
            Ok(None) => return format!("the Docker engine at {} was stopped", engine.place),
            Err(_) => break,
        }
    }
    seen.words()
}

/// What the engine saw of a container.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    out_of_memory: bool,
    signal: Option<String>,
    code: Option<String>,
}

impl Seen {
    fn event(&mut self, event: &bollard::models::EventMessage) {
        let attribute = |name: &str| event.actor.as_ref()?.attributes.as_ref()?.get(name).cloned();
        match event.action.as_deref() {
            Some("oom") => self.out_of_memory = true,
            Some("kill") => self.signal = attribute("signal"),
            Some("die") => self.code = Some(attribute("exitCode").unwrap_or_else(|| "unknown".to_owned())),
            _ => {}
        }
    }

    fn words(&self) -> String {
        let mut text = match &self.code {
            Some(code) => format!("its container ended with code {code}"),
            None => "its container still runs, but the engine closed the way to it".to_owned(),
        };
        if self.out_of_memory {
            text += ", after the kernel had killed a process in it: no memory was left within its limit (`memory` in \
                     hosts.toml)";
        }
        if let Some(signal) = &self.signal {
            text += &format!(", after somebody had the engine send it signal {signal}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{EventActor, EventMessage};
    use tokio::io::AsyncReadExt;

    use super::*;

    fn event(action: &str, attributes: &[(&str, &str)]) -> EventMessage {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let actor = EventActor { id: None, attributes: Some(attributes) };
        EventMessage { action: Some(action.to_owned()), actor: Some(actor), ..EventMessage::default() }
    }

    #[test]
    fn what_became_of_a_container_is_told() {
        let mut seen = Seen::default();
        assert!(seen.words().contains("still runs"));
        for one in [event("start", &[]), event("oom", &[]), event("die", &[("exitCode", "137")])] {
            seen.event(&one);
        }
        assert!(seen.words().starts_with("its container ended with code 137, after the kernel"), "{}", seen.words());
        let mut killed = Seen::default();
        killed.event(&event("kill", &[("signal", "9")]));
        killed.event(&event("die", &[("exitCode", "137")]));
        assert!(killed.words().ends_with("signal 9"), "{}", killed.words());
    }

    #[tokio::test]
    async fn chunks_are_read_whole_and_in_order_and_their_end_has_a_reason() {
        let (sender, chunks) = mpsc::channel(4);
        let mut output = Output { chunks, rest: Bytes::new() };
        for chunk in ["ab", "", "cde"] {
            sender.send(Ok(Bytes::from(chunk))).await.unwrap();
        }
        sender.send(Err(std::io::Error::other("it fell over"))).await.unwrap();
        let mut read = [0; 4];
        output.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"abcd");
        assert_eq!(output.read_u8().await.unwrap(), b'e');
        assert_eq!(output.read_u8().await.unwrap_err().to_string(), "it fell over");
    }

    #[test]
    fn the_last_of_a_complaint_is_kept() {
        let complaint = Complaint::default();
        keep(&complaint, &vec![b'x'; MOST_COMPLAINT]);
        keep(&complaint, b"\nlast words\n");
        assert_eq!(lines(&complaint).last().map(String::as_str), Some("last words"));
        assert_eq!(complaint.lock().unwrap().len(), MOST_COMPLAINT);
    }
}
