//! Reads a file of weighted requests: what `--requests` names.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::cli::load::request_keys::{self as keys, REQUESTS};
use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, Place, Placed, SourceFile, Table, TableOf, read_bytes, read_document, read_source,
};
use crate::loadgen::request::{Expect, Requests, Spec};
use crate::loadgen::template::{self, PlaceholderError, escaped};

/// The largest body, and the largest file of lines.
const MOST_BYTES: u64 = 64 << 20;

/// What the arguments say for all requests.
#[derive(Debug, Clone, Copy)]
pub struct ForAll<'a> {
    /// Headers, `Host` among them. A request's own replace those of the same name.
    pub headers: &'a [(String, String)],
    /// What an answer must be, as far as a request does not say it.
    pub expect: &'a Expect,
    /// Headers that can't be sent, in lower case, and why.
    pub refused: &'a [(&'a str, &'a str)],
}

/// A request as it is written.
pub struct Written {
    weight: u32,
    method: Option<String>,
    path: Placed<String>,
    headers: Vec<(Placed<String>, Placed<String>)>,
    body: Option<Placed<String>>,
    body_file: Option<Placed<String>>,
    expect: Expect,
}

/// Reads the file and all that it names. What is wrong goes to the diagnostics; there are requests only if nothing is.
pub fn read_requests(path: &Path, for_all: ForAll<'_>, diagnostics: &mut Diagnostics) -> Option<Requests> {
    match read_source(path) {
        Ok(file) => parse_requests(&file, for_all, diagnostics),
        Err(problem) => {
            diagnostics.push(problem.at_the_file());
            None
        }
    }
}

/// The same of its text. Files are named from its folder.
fn parse_requests(file: &Arc<SourceFile>, for_all: ForAll<'_>, diagnostics: &mut Diagnostics) -> Option<Requests> {
    let kind = TableOf { shape: &REQUESTS, read: |table| table.value(&keys::REQUEST).value };
    let written = read_document(file, &kind, diagnostics);
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for request in &written {
        refuse_headers(&request.value, for_all, &mut found);
    }
    let specs: Vec<Spec> = written.iter().map(|request| request.value.spec(for_all, folder, &mut found)).collect();
    let requests = Requests::parse(specs, &mut |name| read_lines(&folder.join(name)));
    if let Err(errors) = &requests {
        found.extend(errors.iter().map(|error| written[error.request].value.diagnostic(error, file)));
    }
    // Nothing follows from stand-ins.
    if diagnostics.has_errors() {
        return None;
    }
    diagnostics.push_all_of(&file.path, found);
    requests.ok().filter(|_| !diagnostics.has_errors())
}

/// Reads a file whose lines a placeholder stands for, or says why it can't be read.
pub fn read_lines(path: &Path) -> Result<Vec<u8>, String> {
    read_bytes(path, MOST_BYTES).map_err(|problem| problem.at_the_file().message)
}

/// The file's name and its JSON Schema, for editors.
pub fn schema() -> (&'static str, Value) {
    let about = "What `timetrial load --requests` requests: each by its weight.";
    ("requests.schema.json", REQUESTS.document_schema("timetrial requests", about))
}

/// Reads a `[[request]]`.
pub(super) fn request(table: &Table<'_>) -> Written {
    let method = table.optional(&keys::METHOD);
    if let Some(method) = &method {
        warn_of_case(table, method);
    }
    let headers = table.optional(&keys::HEADERS).map(|headers| headers.value).unwrap_or_default();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.clone().map(|name| name.to_ascii_lowercase())).collect();
    table.report_duplicates(&names, "header");
    let (body, body_file) = (table.optional(&keys::BODY), table.optional(&keys::BODY_FILE));
    if let (Some(body), Some(file)) = (&body, &body_file) {
        let diagnostic = Diagnostic::at(Code::Contradiction, &file.place, "a request has one body").label("the second");
        table.report(diagnostic.also(&body.place, "the first").hint("leave one of the two out"));
    }
    Written {
        weight: table.value(&keys::WEIGHT).value,
        method: method.map(|method| method.value),
        path: table.value(&keys::PATH),
        headers,
        body,
        body_file,
        expect: expect(table),
    }
}

fn warn_of_case(table: &Table<'_>, method: &Placed<String>) {
    let upper = method.value.to_ascii_uppercase();
    if upper != method.value {
        let message = format!("methods mind case: `{}` is sent as it is", method.value);
        let diagnostic = Diagnostic::at(Code::UnknownWord, &method.place, message).warning();
        table.report(diagnostic.label(format!("not `{upper}`")).hint(format!("write \"{upper}\" if that is meant")));
    }
}

fn expect(table: &Table<'_>) -> Expect {
    let statuses = table.optional(&keys::EXPECT_STATUS).map(|statuses| statuses.value).unwrap_or_default();
    let sha256 = table.optional(&keys::EXPECT_SHA256);
    Expect {
        statuses: statuses.into_iter().map(|status| status.value).collect(),
        bytes: table.optional(&keys::EXPECT_BYTES).map(|bytes| bytes.value),
        sha256: sha256.and_then(|hex| digest(&hex.value)),
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn refuse_headers(request: &Written, for_all: ForAll<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _) in &request.headers {
        let lower = name.value.to_ascii_lowercase();
        if let Some((_, why)) = for_all.refused.iter().find(|(refused, _)| *refused == lower) {
            let diagnostic = Diagnostic::at(Code::BadName, &name.place, format!("`{}` {why}", name.value));
            found.push(diagnostic.label("not sent").hint("leave it out"));
        }
    }
}

impl Written {
    fn spec(&self, for_all: ForAll<'_>, folder: &Path, found: &mut Vec<Diagnostic>) -> Spec {
        let body = match (&self.body, &self.body_file) {
            (Some(text), _) => text.value.clone().into_bytes(),
            (None, Some(file)) => match read_bytes(&folder.join(&file.value), MOST_BYTES) {
                Ok(bytes) => escaped(&bytes),
                Err(problem) => {
                    found.push(problem.named_at(&file.place, "named here"));
                    Vec::new()
                }
            },
            (None, None) => Vec::new(),
        };
        let usual = if body.is_empty() { "GET" } else { "POST" };
        Spec {
            method: self.method.clone().unwrap_or_else(|| usual.to_owned()),
            path: self.path.value.clone(),
            headers: self.headers_beside(for_all.headers),
            body,
            weight: self.weight,
            expect: self.expect_beside(for_all.expect),
        }
    }

    /// Its headers in order: those of all, each replaced in its place, then the others.
    fn headers_beside(&self, for_all: &[(String, String)]) -> Vec<(String, String)> {
        let own = |name: &str| self.headers.iter().any(|(own, _)| own.value.eq_ignore_ascii_case(name));
        let is_host = |name: &str| name.eq_ignore_ascii_case("host");
        let written = self.headers.iter().map(|(name, value)| (name.value.clone(), value.value.clone()));
        let mut headers: Vec<_> = for_all.iter().filter(|(name, _)| !own(name)).cloned().chain(written).collect();
        // `Host` comes first (RFC 9110, 7.2).
        headers.sort_by_key(|(name, _)| !is_host(name));
        headers
    }

    fn expect_beside(&self, for_all: &Expect) -> Expect {
        let own = &self.expect;
        let statuses = if own.statuses.is_empty() { &for_all.statuses } else { &own.statuses };
        Expect { statuses: statuses.clone(), bytes: own.bytes.or(for_all.bytes), sha256: own.sha256.or(for_all.sha256) }
    }

    /// What is wrong with a placeholder, where it stands.
    fn diagnostic(&self, error: &PlaceholderError, file: &Arc<SourceFile>) -> Diagnostic {
        let text = match &error.place {
            template::Place::Path => Some(&self.path),
            template::Place::Header(name) => {
                self.headers.iter().find(|(own, _)| own.value == *name).map(|(_, value)| value)
            }
            template::Place::Body => self.body.as_ref(),
        };
        let diagnostic = match text {
            Some(text) => {
                let place = within(text, error.column);
                Diagnostic::at(Code::UnknownPlaceholder, &place, error.message.clone()).label("can't be filled in")
            }
            // A header that the arguments say for all.
            None => Diagnostic::in_file(Code::UnknownPlaceholder, &file.path, format!("of the arguments, {error}")),
        };
        diagnostic.hint(error.hint.clone())
    }
}

/// The placeholder that begins at a byte of a text; the whole text where it is written with escapes.
fn within(text: &Placed<String>, column: usize) -> Place {
    let Some(at) = text.place.text().find(&text.value) else { return text.place.clone() };
    let start = column - 1;
    let rest = text.value.get(start..).unwrap_or_default();
    let length = rest.find('}').map_or(rest.len(), |end| end + 1);
    let from = text.place.span.start + at + start;
    Place::new(&text.place.file, from..from + length)
}

#[cfg(test)]
#[path = "requests_file_tests.rs"]
mod tests;
