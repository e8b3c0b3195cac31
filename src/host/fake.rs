//! A machine for tests: a script answers the requests, nothing is started.

use std::sync::{Arc, Mutex, PoisonError};

use crate::host::{Link, LinkError};
use crate::wire::{self, Failure, FromAgent, Notice, Reply, Request, ToAgent, frame};

/// A refusal with this code closes the connection in place of answering: the agent died.
pub const HANG_UP: &str = "hang-up";

/// Answers a request, and may send notices.
pub type Script = Box<dyn FnMut(&Request, &mut Vec<Notice>) -> Result<Reply, Failure> + Send>;

/// A link whose far end is a script; and the requests it has seen, in order, as they arrive.
pub async fn fake(machine: &str, mut script: Script) -> Result<(Link, Arc<Mutex<Vec<Request>>>), LinkError> {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (near_read, near_write) = tokio::io::split(near);
    let (mut far_read, mut far_write) = tokio::io::split(far);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut hello = wire::MAGIC.as_bytes().to_vec();
        hello.push(b'\n');
        far_write.write_all(&hello).await?;
        loop {
            let mut header = [0; 4];
            far_read.read_exact(&mut header).await?;
            let mut body = vec![0; frame::length(header)?];
            far_read.read_exact(&mut body).await?;
            let ToAgent::Request { id, request } = frame::decode(&body)? else {
                far_write.write_all(&frame::encode(&FromAgent::Heartbeat)?).await?;
                continue;
            };
            let mut notices = Vec::new();
            let reply = script(&request, &mut notices);
            record.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            if reply.as_ref().is_err_and(|failure| failure.code == HANG_UP) {
                return Ok::<(), std::io::Error>(());
            }
            far_write.write_all(&frame::encode(&FromAgent::Reply { id, reply })?).await?;
            for notice in notices {
                far_write.write_all(&frame::encode(&FromAgent::Notice(notice))?).await?;
            }
        }
    });
    Ok((Link::open(machine, near_read, near_write).await?, seen))
}
