//! The probe for a daemon that speaks HTTP/2 without TLS, with prior knowledge. The only async code of the agent: the
//! library speaks it, so each probe has a small runtime of its own, on the thread that was asked, and ends it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Connection, SendRequest};
use tokio::net::TcpStream;

use crate::agent::probe::{LINGER, LONGEST, TOO_LATE};
use crate::wire::Answer;

/// The word for the protocol, as daemons' files have it.
pub const HTTP2: &str = "HTTP/2";

/// Asks for `path` once.
pub fn exchange(target: SocketAddr, path: &str, timeout: Duration) -> Result<Answer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime for HTTP/2: {error}"))?;
    runtime.block_on(async {
        let within = tokio::time::timeout(timeout, ask(target, path)).await;
        within.unwrap_or_else(|_| Err(TOO_LATE.to_owned()))
    })
}

async fn ask(target: SocketAddr, path: &str) -> Result<Answer, String> {
    let stream = TcpStream::connect(target).await.map_err(|error| format!("connect: {error}"))?;
    let (sender, mut connection) = h2::client::handshake(stream).await.map_err(|error| format!("send: {error}"))?;
    let request = request(target, path)?;
    let asked = answer(sender, request);
    tokio::pin!(asked);
    // A connection that ends may have brought the whole answer before.
    let (asked, ended) = tokio::select! {
        asked = &mut asked => (asked, false),
        _ = &mut connection => (asked.await, true),
    };
    let (status, body, sender) = asked?;
    let keep_alive = !ended && stays_open(connection, sender).await;
    Ok(Answer::Http { status, keep_alive, protocol: HTTP2.to_owned(), body })
}

fn request(target: SocketAddr, path: &str) -> Result<http::Request<()>, String> {
    let request = http::Request::get(format!("http://{target}{path}")).version(http::Version::HTTP_2);
    let request = request.header("user-agent", "timetrial-probe").header("accept", "*/*");
    request.body(()).map_err(|error| format!("the path `{path}` can't be asked for: {error}"))
}

/// The sender comes back, because without one the connection closes itself.
async fn answer(
    sender: SendRequest<Bytes>,
    request: http::Request<()>,
) -> Result<(u16, Vec<u8>, SendRequest<Bytes>), String> {
    let receive = |error: h2::Error| format!("receive: {error}");
    let mut sender = sender.ready().await.map_err(receive)?;
    let (answer, _) = sender.send_request(request, true).map_err(|error| format!("send: {error}"))?;
    let answer = answer.await.map_err(receive)?;
    let status = answer.status().as_u16();
    let body = body(answer.into_body()).await?;
    Ok((status, body, sender))
}

async fn body(mut stream: RecvStream) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(|error| format!("receive: {error}"))?;
        if body.len() + chunk.len() > LONGEST {
            return Err(format!("the answer is longer than {LONGEST} bytes"));
        }
        stream.flow_control().release_capacity(chunk.len()).map_err(|error| format!("receive: {error}"))?;
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A server may close the connection, or say that it will, right after the answer: a moment shows which.
async fn stays_open(mut connection: Connection<TcpStream, Bytes>, sender: SendRequest<Bytes>) -> bool {
    let closed = tokio::time::timeout(LINGER, &mut connection).await.is_ok();
    !closed && tokio::time::timeout(LINGER, sender.ready()).await.is_ok_and(|ready| ready.is_ok())
}
