//! What is requested: requests built once, byte for byte, but for values that change with each.

use std::borrow::Cow;

use crate::loadgen::fault::Fault;
use crate::loadgen::request_wheel::Wheel;
use crate::loadgen::template::{Parser, Place, PlaceholderError, Template, Turn, write_number};

/// Methods whose requests say the length of their body even where it is empty (RFC 9110, 8.6).
const METHODS_WITH_BODY: [&str; 3] = ["POST", "PUT", "PATCH"];

/// The requests of a load, each with its weight.
#[derive(Debug, Clone)]
pub struct Requests {
    specs: Vec<Spec>,
    built: Vec<Built>,
    wheel: Wheel,
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

/// A request in parts, and in bytes for HTTP/1.1.
#[derive(Debug, Clone)]
struct Built {
    path: Template,
    /// Their values, in the order of the names.
    headers: Vec<Template>,
    body: Template,
    http1: Http1,
}

#[derive(Debug, Clone)]
enum Http1 {
    /// Nothing in it changes.
    Fixed(Vec<u8>),
    /// Something does, but not in its body.
    Changing(Template),
    /// Its body does: here is all before the length of the body.
    Measured(Template),
}

impl Requests {
    /// These requests, as they are: `${` in them means nothing.
    pub fn of(specs: Vec<Spec>) -> Self {
        let built = specs.iter().map(Built::literal).collect();
        Self::with(specs, built)
    }

    /// These requests, with what their placeholders stand for, in path, values of headers, and body: `${number}` for the
    /// number of the request, `${random:1..6}` for a number from 1 to 6 that is the same in each run, `${line:FILE}` for
    /// the lines of a file in turn, `$${` for a plain `${`. Each file is read once, by `read_file`, which says why it
    /// can't where it can't. All that is wrong is told at once: the first wrong placeholder of each text.
    pub fn parse(
        specs: Vec<Spec>,
        read_file: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Vec<PlaceholderError>> {
        let mut parser = Parser::new(read_file);
        let built = specs.iter().enumerate().map(|(index, spec)| Built::parse(spec, index, &mut parser)).collect();
        if parser.wrong.is_empty() { Ok(Self::with(specs, built)) } else { Err(parser.wrong) }
    }

    fn with(specs: Vec<Spec>, built: Vec<Built>) -> Self {
        let weights: Vec<u32> = specs.iter().map(|spec| spec.weight).collect();
        Self { wheel: Wheel::of(&weights), specs, built }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.specs.len()
    }

    /// One of them, as it was given: with its placeholders.
    pub fn spec(&self, index: usize) -> &Spec {
        &self.specs[index]
    }

    /// Which of them the request with this number is: decided by the number alone, so that a load is the same each time.
    /// A part of the numbers, such as every second one, has the same mix as all.
    pub fn pick(&self, number: u64) -> usize {
        self.wheel.request(number)
    }

    /// Whether something in it changes.
    pub fn varies(&self, index: usize) -> bool {
        !matches!(self.built[index].http1, Http1::Fixed(_))
    }

    /// Whether any of them changes.
    pub fn any_varies(&self) -> bool {
        (0..self.count()).any(|index| self.varies(index))
    }

    /// All bytes of a request in which nothing changes, for HTTP/1.1. Of one in which something does there are none.
    pub fn fixed(&self, index: usize) -> &[u8] {
        match &self.built[index].http1 {
            Http1::Fixed(bytes) => bytes,
            Http1::Changing(_) | Http1::Measured(_) => &[],
        }
    }

    /// The request with this number, for HTTP/1.1: built beforehand, or into `scratch` where something in it changes.
    pub fn bytes<'a>(&'a self, index: usize, number: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let built = &self.built[index];
        let (head, measured) = match &built.http1 {
            Http1::Fixed(bytes) => return bytes,
            Http1::Changing(all) => (all, None),
            Http1::Measured(head) => (head, Some(&built.body)),
        };
        let turn = self.turn(number);
        scratch.clear();
        head.write(turn, scratch);
        if let Some(body) = measured {
            write_number(body.length(turn) as u64, scratch);
            scratch.extend_from_slice(b"\r\n\r\n");
            body.write(turn, scratch);
        }
        scratch
    }

    /// The path and query of the request with this number.
    pub fn path(&self, index: usize, number: u64) -> Cow<'_, [u8]> {
        self.rendered(&self.built[index].path, number)
    }

    /// The headers of the request with this number, in order: those of its spec, without one for the length of the body.
    pub fn headers(&self, index: usize, number: u64) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
        let names = self.specs[index].headers.iter().map(|(name, _)| name.as_str());
        names.zip(self.built[index].headers.iter().map(move |value| self.rendered(value, number)))
    }

    /// The body of the request with this number.
    pub fn body(&self, index: usize, number: u64) -> Cow<'_, [u8]> {
        self.rendered(&self.built[index].body, number)
    }

    fn rendered<'a>(&'a self, template: &'a Template, number: u64) -> Cow<'a, [u8]> {
        let render = || {
            let mut bytes = Vec::new();
            template.write(self.turn(number), &mut bytes);
            Cow::Owned(bytes)
        };
        template.as_fixed().map_or_else(render, Cow::Borrowed)
    }

    fn turn(&self, number: u64) -> Turn {
        Turn { number, occurrence: self.wheel.occurrence(number) }
    }
}

impl Built {
    fn literal(spec: &Spec) -> Self {
        let headers = spec.headers.iter().map(|(_, value)| Template::fixed(value.as_bytes())).collect();
        Self::of(spec, Template::fixed(spec.path.as_bytes()), headers, Template::fixed(&spec.body))
    }

    fn parse(spec: &Spec, index: usize, parser: &mut Parser<'_>) -> Self {
        let path = parser.parse(spec.path.as_bytes(), index, Place::Path);
        let header =
            |(name, value): &(String, String)| parser.parse(value.as_bytes(), index, Place::Header(name.clone()));
        let headers = spec.headers.iter().map(header).collect();
        let body = parser.parse(&spec.body, index, Place::Body);
        Self::of(spec, path, headers, body)
    }

    fn of(spec: &Spec, path: Template, headers: Vec<Template>, body: Template) -> Self {
        let http1 = Http1::of(spec, &path, &headers, &body);
        Self { path, headers, body, http1 }
    }
}

impl Http1 {
    fn of(spec: &Spec, path: &Template, headers: &[Template], body: &Template) -> Self {
        let mut all = Template::fixed(spec.method.as_bytes());
        all.push_fixed(b" ");
        all.push(path);
        all.push_fixed(b" HTTP/1.1\r\n");
        for ((name, _), value) in spec.headers.iter().zip(headers) {
            all.push_fixed(name.as_bytes());
            all.push_fixed(b": ");
            all.push(value);
            all.push_fixed(b"\r\n");
        }
        // Who frames the body by hand gets what was asked for.
        let is_framed = ["content-length", "transfer-encoding"]
            .iter()
            .any(|framing| spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(framing)));
        let has_body = body.as_fixed() != Some(b"") || METHODS_WITH_BODY.contains(&spec.method.as_str());
        if has_body && !is_framed {
            all.push_fixed(b"Content-Length: ");
            let Some(body) = body.as_fixed() else { return Self::Measured(all) };
            all.push_fixed(body.len().to_string().as_bytes());
            all.push_fixed(b"\r\n");
        }
        all.push_fixed(b"\r\n");
        all.push(body);
        match all.as_fixed() {
            Some(bytes) => Self::Fixed(bytes.to_owned()),
            None => Self::Changing(all),
        }
    }
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

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
