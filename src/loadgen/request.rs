//! What is requested: requests built once, byte for byte, but for values that change with each.

use crate::loadgen::fault::Fault;

/// The requests of a load, each with its weight.
#[derive(Debug, Clone)]
pub struct Requests {
    specs: Vec<Spec>,
    built: Vec<Vec<u8>>,
}

/// One request, as it is sent again and again.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers, `Host` among them, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// How often it is sent, beside the others.
    pub weight: u32,
    /// What its answer must be.
    pub expect: Expect,
}

/// What an answer must be, beyond being one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// These status codes; if none is said, 200 to 399.
    pub statuses: Vec<u16>,
    /// This many bytes of body.
    pub bytes: Option<u64>,
    /// A body with this SHA-256.
    pub sha256: Option<[u8; 32]>,
}

impl Requests {
    /// These requests.
    pub fn of(specs: Vec<Spec>) -> Self {
        let built = specs.iter().map(build).collect();
        Self { specs, built }
    }

    /// One of them.
    pub fn spec(&self, index: usize) -> &Spec {
        &self.specs[index]
    }

    /// Which of them the request with this number is: decided by the number alone, so that a load is the same each time.
    pub fn pick(&self, number: u64) -> usize {
        if self.specs.len() < 2 { 0 } else { (number % self.specs.len() as u64) as usize }
    }

    /// The request with this number, for HTTP/1.1: built beforehand, or into `scratch` where something in it changes.
    pub fn bytes<'a>(&'a self, index: usize, number: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let _ = (number, scratch);
        &self.built[index]
    }
}

fn build(spec: &Spec) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", spec.method, spec.path).into_bytes();
    for (name, value) in &spec.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !spec.body.is_empty() || ["POST", "PUT", "PATCH"].contains(&spec.method.as_str()) {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", spec.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&spec.body);
    bytes
}

impl Expect {
    /// What is wrong with an answer, if something is.
    pub fn judge(&self, status: u16, body_bytes: u64, digest: Option<[u8; 32]>) -> Option<Fault> {
        let is_expected = match self.statuses.as_slice() {
            [] => (200..400).contains(&status),
            statuses => statuses.contains(&status),
        };
        if !is_expected {
            return Some(Fault::Status(status));
        }
        if self.bytes.is_some_and(|bytes| bytes != body_bytes) {
            return Some(Fault::Document("another length than expected"));
        }
        if self.sha256.is_some() && self.sha256 != digest {
            return Some(Fault::Document("another SHA-256 than expected"));
        }
        None
    }
}
