//! Unix sockets, TLS, HTTP/2: against servers of this very test, as small as may be.

use crate::support::{Truth, load, number};

#[test]
fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let path = path.to_str().unwrap();
    let truth = Truth::start(&["--listen", &format!("unix:{path}")]);
    let (code, result) = load("http://localhost/", &["--unix", path, "-d", "1s", "-c", "8", "-t", "1"]);
    assert_eq!(code, 0, "{result}");
    assert_eq!(number(&result["requests"]["sent_count"]), number(&truth.counts()["requests"]));
}

#[test]
fn http2_with_several_streams_and_a_rate() {
    let server = http2::Server::start();
    let url = format!("http://{}/", server.address);
    let (code, result) = load(
        &url,
        &["--http2", "--streams", "4", "-d", "1s", "-c", "3", "-t", "1", "-R", "300", "--lateness-bound", "1s"],
    );
    assert_eq!(code, 0, "{result}");
    assert_eq!(result["protocol"], "HTTP/2");
    assert_eq!(number(&result["requests"]["succeeded_count"]), 300);
    assert_eq!(number(&result["connections"]["opened_count"]), 3);
    assert_eq!(server.requests(), 300);
    let (code, result) = load(&url, &["--http2", "--streams", "4", "-d", "1s", "-c", "2", "-t", "2"]);
    assert_eq!(code, 0, "{result}");
    assert_eq!(server.requests(), 300 + number(&result["requests"]["sent_count"]));
    let own = [
        "--http2",
        "-H",
        "Host: example.org:81",
        "-d",
        "1s",
        "-c",
        "1",
        "-t",
        "1",
        "-R",
        "10",
        "--lateness-bound",
        "1s",
    ];
    load(&url, &own);
    assert_eq!(server.authorities(), ["example.org:81".to_owned(), server.address.clone()].into());
}

#[test]
fn http2_whose_server_ends_connections_again_and_again() {
    let server = http2::Server::start_with(Some(20));
    let url = format!("http://{}/", server.address);
    for streams in ["1", "3"] {
        let options = ["--http2", "--streams", streams, "-d", "1s", "-c", "2", "-t", "1", "-R", "300"];
        let (_, result) = load(&url, &[&options[..], &["--lateness-bound", "1s"]].concat());
        let count = |key: &str| number(&result["requests"][key]);
        assert_eq!((count("due_count"), count("sent_count") + count("never_sent_count")), (300, 300), "{result}");
        assert!(number(&result["connections"]["replaced_count"]) > 5, "{result}");
    }
}

mod http2 {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    /// A server of HTTP/2 that answers everything, and counts.
    pub struct Server {
        pub address: String,
        requests: Arc<AtomicU64>,
        authorities: Arc<Mutex<BTreeSet<String>>>,
    }

    impl Server {
        pub fn start() -> Self {
            Self::start_with(None)
        }

        /// One that sends each connection away after so many requests.
        pub fn start_with(most: Option<u64>) -> Self {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let requests = Arc::new(AtomicU64::new(0));
            let authorities = Arc::new(Mutex::new(BTreeSet::new()));
            let (counted, asked) = (Arc::clone(&requests), Arc::clone(&authorities));
            listener.set_nonblocking(true).unwrap();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(serve(listener, most, counted, asked));
            });
            Self { address, requests, authorities }
        }

        pub fn requests(&self) -> u64 {
            self.requests.load(Ordering::Relaxed)
        }

        pub fn authorities(&self) -> BTreeSet<String> {
            self.authorities.lock().unwrap().clone()
        }
    }

    async fn serve(
        listener: std::net::TcpListener,
        most: Option<u64>,
        counted: Arc<AtomicU64>,
        asked: Arc<Mutex<BTreeSet<String>>>,
    ) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let (counted, asked) = (Arc::clone(&counted), Arc::clone(&asked));
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                let mut carried = 0;
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    carried += 1;
                    if most == Some(carried) {
                        connection.graceful_shutdown();
                    }
                    let authority = request.uri().authority().map(ToString::to_string);
                    asked.lock().unwrap().extend(authority);
                    if let Ok(mut body) = respond.send_response(http::Response::new(()), false) {
                        let _ = body.send_data(bytes::Bytes::from_static(b"hello"), true);
                    }
                }
            });
        }
    }
}
