//! TLS: whose certificate is taken, and that what comes through it is counted like everything else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{load, number, timetrial};

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/tls", name].iter().collect()
}

/// A server of HTTP/1.1 within TLS: a thread for each connection, and a count of requests.
struct Server {
    port: u16,
    requests: Arc<AtomicU64>,
}

impl Server {
    fn start() -> Self {
        Self::start_with(serve)
    }

    fn start_with(serve: fn(&mut Stream, &AtomicU64) -> std::io::Result<()>) -> Self {
        let certificate = CertificateDer::from_pem_file(fixture("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, counted) = (Arc::clone(&config), Arc::clone(&counted));
                std::thread::spawn(move || {
                    let session = ServerConnection::new(config).unwrap();
                    let _ = serve(&mut StreamOwned::new(session, stream), &counted);
                });
            }
        });
        Self { port, requests }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.port)
    }
}

type Stream = StreamOwned<ServerConnection, std::net::TcpStream>;

/// Answers one request by a body that lasts until the end.
fn serve_until_the_end(stream: &mut Stream, counted: &AtomicU64) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    if stream.read(&mut buffer)? > 0 {
        counted.fetch_add(1, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello")?;
    }
    stream.flush()
}

/// The same, and says that it is the end.
fn serve_and_say_goodbye(stream: &mut Stream, counted: &AtomicU64) -> std::io::Result<()> {
    serve_until_the_end(stream, counted)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    // It is the word that ends the answer, and not the connection.
    std::thread::sleep(std::time::Duration::from_secs(3));
    Ok(())
}

/// Answers each request. They come one after the other, and each ends in an empty line.
fn serve(stream: &mut Stream, counted: &AtomicU64) -> std::io::Result<()> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let bytes = stream.read(&mut buffer)?;
        if bytes == 0 {
            return Ok(());
        }
        seen.extend_from_slice(&buffer[..bytes]);
        if seen.ends_with(b"\r\n\r\n") {
            seen.clear();
            counted.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?;
        }
    }
}

#[test]
fn a_certificate_that_the_user_names_is_taken() {
    let server = Server::start();
    let authority = fixture("certificate.pem");
    let options = ["-d", "1s", "-c", "4", "-t", "2", "--cacert", authority.to_str().unwrap(), "--expect-bytes", "5"];
    let (code, result) = load(&server.url(), &options);
    assert_eq!(code, 0, "{result}");
    assert_eq!(number(&result["requests"]["sent_count"]), server.requests.load(Ordering::Relaxed));
    assert_eq!(number(&result["requests"]["succeeded_count"]), server.requests.load(Ordering::Relaxed));
    assert_eq!(number(&result["connect_time"]["samples_count"]), 4);
}

#[test]
fn an_end_that_tls_tells_is_the_answers_and_one_that_it_does_not_has_cut_it_off() {
    let options = ["-d", "1s", "-c", "4", "-t", "1", "--insecure", "-R", "20", "--lateness-bound", "1s"];
    let server = Server::start_with(serve_and_say_goodbye);
    let (code, result) = load(&server.url(), &options);
    assert_eq!(code, 0, "{result}");
    assert_eq!(number(&result["requests"]["succeeded_count"]), 20);
    let server = Server::start_with(serve_until_the_end);
    let (code, result) = load(&server.url(), &options);
    assert_eq!(code, 1, "{result}");
    assert_eq!(result["errors"][0]["reason"], "in the middle of an answer", "{result}");
}

#[test]
fn any_certificate_is_taken_where_the_user_says_so() {
    let server = Server::start();
    let (code, result) =
        load(&server.url(), &["-d", "1s", "-c", "4", "-t", "1", "--insecure", "-R", "200", "--lateness-bound", "1s"]);
    assert_eq!(code, 0, "{result}");
    assert_eq!(server.requests.load(Ordering::Relaxed), 200);
}

#[test]
fn a_stranger_is_not_trusted_and_the_hint_says_how_he_could_be() {
    let server = Server::start();
    let ended = timetrial(&["load", &server.url(), "-d", "1s", "-c", "2"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    for word in ["certificate", "--cacert", "--insecure"] {
        assert!(ended.stderr.contains(word), "no {word:?} in: {}", ended.stderr);
    }
    assert_eq!(server.requests.load(Ordering::Relaxed), 0);
}
