//! One HTTP request to a daemon, as a browser would send it: to see that it is ready, what it answers, and whether it
//! keeps the connection open. HTTP/1 is spoken here, HTTP/2 in `probe_http2.rs`.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::agent::probe_http2::{self, HTTP2};
use crate::wire::Answer;

/// No document under test is longer.
pub(super) const LONGEST: usize = 16 << 20;

/// A connection that is to close right after its answer does so within this.
pub(super) const LINGER: Duration = Duration::from_millis(20);

/// In words, for both protocols.
pub(super) const TOO_LATE: &str = "no whole answer within the time limit";

/// Asks for `path` once, in the protocol that the daemon's file states.
pub fn probe(address: &str, port: u16, path: &str, protocol: &str, timeout: Duration) -> Answer {
    let answer = match address.parse::<IpAddr>() {
        Err(_) => Err(format!("`{address}` is not an IP address")),
        Ok(ip) if protocol == HTTP2 => http2_or_other(SocketAddr::new(ip, port), path, timeout),
        Ok(ip) => exchange(SocketAddr::new(ip, port), path, timeout),
    };
    answer.unwrap_or_else(|why| Answer::Nothing { why })
}

/// A server of HTTP/1 answers to HTTP/2 with an error page, or by closing the connection. Asked again in its own protocol
/// it shows what it speaks.
fn http2_or_other(target: SocketAddr, path: &str, timeout: Duration) -> Result<Answer, String> {
    let answer = probe_http2::exchange(target, path, timeout);
    if answer.is_ok() {
        return answer;
    }
    match exchange(target, path, timeout) {
        Ok(Answer::Http { protocol, .. }) => Ok(Answer::OtherProtocol { spoken: protocol }),
        _ => answer,
    }
}

fn exchange(target: SocketAddr, path: &str, timeout: Duration) -> Result<Answer, String> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&target, timeout).map_err(|error| format!("connect: {error}"))?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: timetrial-probe\r\nAccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| format!("send: {error}"))?;
    let mut received = Vec::new();
    loop {
        if is_http2(&received) {
            return Ok(Answer::OtherProtocol { spoken: HTTP2.to_owned() });
        }
        if let Some(answer) = parse(&received, false)? {
            return Ok(after_body(answer, &mut stream));
        }
        if !receive(&mut stream, &mut received, deadline)? {
            let cut = || format!("the connection was closed after {} bytes of an answer", received.len());
            return parse(&received, true)?.ok_or_else(cut);
        }
    }
}

/// Reads more; false at the end of the stream.
fn receive(stream: &mut TcpStream, received: &mut Vec<u8>, deadline: Instant) -> Result<bool, String> {
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    stream.set_read_timeout(Some(left.ok_or(TOO_LATE)?)).map_err(|error| error.to_string())?;
    let mut chunk = [0; 16 << 10];
    match stream.read(&mut chunk) {
        Ok(0) => Ok(false),
        Ok(length) if received.len() + length <= LONGEST => {
            received.extend_from_slice(&chunk[..length]);
            Ok(true)
        }
        Ok(_) => Err(format!("the answer is longer than {LONGEST} bytes")),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            Ok(true)
        }
        Err(error) => Err(format!("receive: {error}")),
    }
}

/// A server may promise to keep the connection and close it all the same: a moment shows which.
fn after_body(answer: Answer, stream: &mut TcpStream) -> Answer {
    let Answer::Http { status, keep_alive: true, protocol, body } = answer else { return answer };
    let _ = stream.set_read_timeout(Some(LINGER));
    let keep_alive = !matches!(stream.read(&mut [0; 1]), Ok(0));
    Answer::Http { status, keep_alive, protocol, body }
}

/// Whether these bytes are the beginning of HTTP/2: every server's first frame is one of settings, on stream 0.
fn is_http2(received: &[u8]) -> bool {
    const SETTINGS: u8 = 4;
    matches!(received, [0, 0, _, SETTINGS, _, 0, 0, 0, 0, ..])
}

/// A whole answer, if these bytes are one; `ended` when no more will come.
fn parse(received: &[u8], ended: bool) -> Result<Option<Answer>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("what came back is not HTTP: {error}")),
    };
    let minor = head.version.unwrap_or(1);
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    let connection = header("connection").unwrap_or_default();
    let keep_alive = if minor == 0 { connection == "keep-alive" } else { connection != "close" };
    let rest = &received[length..];
    let (body, framed) = if header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        (dechunk(rest)?, true)
    } else if let Some(text) = header("content-length") {
        let length: usize = text.parse().map_err(|_| format!("content-length is `{text}`"))?;
        (rest.get(..length).map(<[u8]>::to_vec), true)
    } else {
        (ended.then(|| rest.to_vec()), false)
    };
    let status = head.code.ok_or("an answer without a status")?;
    Ok(body.map(|body| Answer::Http {
        status,
        keep_alive: keep_alive && framed,
        protocol: format!("HTTP/1.{minor}"),
        body,
    }))
}

/// The body of a chunked answer; `None` while it is not whole.
fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let (used, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk without a size".to_owned()),
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= LONGEST).ok_or("a chunk that is too long")?;
        let Some(chunk) = rest.get(used..used + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(end) = rest.get(used + size..used + size + 2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err("a chunk of another length than it says".to_owned());
        }
        if size == 0 {
            return Ok(Some(body));
        }
        rest = &rest[used + size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn body_of(text: &str, ended: bool) -> Option<(u16, bool, String)> {
        match parse(text.as_bytes(), ended).unwrap()? {
            Answer::Http { status, keep_alive, body, .. } => {
                Some((status, keep_alive, String::from_utf8(body).unwrap()))
            }
            Answer::Nothing { .. } | Answer::OtherProtocol { .. } => None,
        }
    }

    #[test]
    fn each_framing_of_a_body_is_read_and_none_too_early() {
        let check = |text: &str, keep_alive: bool| {
            let whole = Some((200, keep_alive, "{\"a\":1}".to_owned()));
            assert_eq!(body_of(text, true), whole);
            for end in 0..text.len() {
                assert_eq!(body_of(&text[..end], false), None, "cut at {end}");
            }
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}", true);
        check("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\n{\"a\":1}", false);
        check(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
            false,
        );
        check("HTTP/1.0 200 OK\r\n\r\n{\"a\":1}", false);
    }

    #[test]
    fn what_is_not_http_is_said() {
        assert!(parse(b"SSH-2.0-OpenSSH_9.2\r\n", false).unwrap_err().contains("not HTTP"));
        for protocol in ["HTTP/1.1", HTTP2] {
            let nobody = probe("127.0.0.1", 1, "/", protocol, Duration::from_millis(500));
            assert!(matches!(nobody, Answer::Nothing { why } if why.contains("connect")), "{protocol}");
        }
    }

    /// What a server of one protocol says to a client of the other one; it never answers in its own.
    #[test]
    fn another_protocol_is_named_and_does_not_hang() {
        let check = |answers: &'static [&'static [u8]], asked: &str, expected: Answer| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = std::thread::spawn(move || {
                for answer in answers {
                    let (mut stream, _) = listener.accept().unwrap();
                    let _ = stream.read(&mut [0; 512]);
                    stream.write_all(answer).unwrap();
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            });
            assert_eq!(probe("127.0.0.1", port, "/", asked, Duration::from_secs(5)), expected, "{asked}");
            server.join().unwrap();
        };
        let other = |spoken: &str| Answer::OtherProtocol { spoken: spoken.to_owned() };
        // The first answer is to HTTP/2, the second to HTTP/1.1: an error page, or nothing at all.
        check(&[b"HTTP/1.0 400 No\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], HTTP2, other("HTTP/1.1"));
        check(&[b"", b"HTTP/1.0 404 No\r\n\r\n"], HTTP2, other("HTTP/1.0"));
        check(&[b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"], "HTTP/1.1", other(HTTP2));
    }

    /// A small HTTP/2 server of the same library: it answers in two frames, and keeps or closes the connection.
    #[test]
    fn http2_is_spoken_and_its_connection_watched() {
        let check = |closes: bool| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = std::thread::spawn(move || serve_http2_once(&listener, closes));
            let body = b"{\"a\":1}".to_vec();
            let expected = Answer::Http { status: 200, keep_alive: !closes, protocol: HTTP2.to_owned(), body };
            assert_eq!(probe("127.0.0.1", port, "/x?y=1", HTTP2, Duration::from_secs(5)), expected);
            server.join().unwrap();
        };
        check(false);
        check(true);
    }

    fn serve_http2_once(listener: &TcpListener, closes: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let mut connection = h2::server::handshake(tokio::net::TcpStream::from_std(stream).unwrap()).await.unwrap();
            let (request, mut answer) = connection.accept().await.unwrap().unwrap();
            assert_eq!(request.uri().path_and_query().unwrap(), "/x?y=1");
            let mut body = answer.send_response(http::Response::new(()), false).unwrap();
            body.send_data(bytes::Bytes::from_static(b"{\"a\""), false).unwrap();
            body.send_data(bytes::Bytes::from_static(b":1}"), true).unwrap();
            if closes {
                connection.graceful_shutdown();
            }
            while connection.accept().await.is_some() {}
        });
    }
}
