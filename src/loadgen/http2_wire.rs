//! What HTTP/2 is carried by: a socket, perhaps TLS around it, and a count of the bytes that pass.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::loadgen::fault::Fault;
use crate::loadgen::settings::Address;
use crate::loadgen::tls;

/// Any of them.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Bytes that have passed, received and sent, over all connections of a thread.
#[derive(Debug, Default)]
pub struct Passed {
    received: Cell<u64>,
    sent: Cell<u64>,
}

impl Passed {
    /// Those since it was asked last.
    pub fn take(&self) -> (u64, u64) {
        (self.received.take(), self.sent.take())
    }
}

/// A stream that counts.
pub struct Counted {
    stream: Box<dyn Stream>,
    passed: Rc<Passed>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let more = buffer.filled().len() - before;
        self.passed.received.set(self.passed.received.get() + more as u64);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(sent)) = &polled {
            self.passed.sent.set(self.passed.sent.get() + *sent as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What TLS needs.
pub type TlsConfig = Option<(Arc<ClientConfig>, ServerName<'static>)>;

/// A connection to an address, within a time limit.
pub async fn connect(address: Address, tls: TlsConfig, limit: Duration, passed: Rc<Passed>) -> Result<Counted, Fault> {
    let connecting = async {
        let errno = |error: io::Error| Fault::Connect(error.raw_os_error().unwrap_or(libc::EIO));
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(to) => {
                let stream = TcpStream::connect(to).await.map_err(errno)?;
                stream.set_nodelay(true).map_err(errno)?;
                Box::new(stream)
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(errno)?),
        };
        let Some((config, name)) = tls else { return Ok(stream) };
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| handshake(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(Fault::Tls("the server does not speak HTTP/2"));
        }
        Ok(Box::new(stream) as Box<dyn Stream>)
    };
    let stream = tokio::time::timeout(limit, connecting).await.map_err(|_| Fault::ConnectTimeout)??;
    Ok(Counted { stream, passed })
}

fn handshake(error: &io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    Fault::Tls(match inner {
        Some(inner) => tls::reason(inner),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the server closed the connection in the handshake",
        None => "the connection broke in the handshake",
    })
}
