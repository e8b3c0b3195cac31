//! What is requested, and what is a right answer.

use std::path::Path;

use crate::cli::load::arguments::LoadArguments;
use crate::cli::load::read::keep_alive;
use crate::cli::load::requests_file::{ForAll, read_lines, read_requests};
use crate::cli::load::url::Url;
use crate::cli::load::words::{Bounds, list, whole};
use crate::cli::load::wrong::Found;
use crate::loadgen::request::{Expect, Requests, Spec};
use crate::loadgen::template::escaped;

/// Headers of HTTP/1.1 that HTTP/2 has no place for.
const OF_CONNECTIONS: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Headers that are made from the body.
const OF_BODIES: [&str; 2] = ["content-length", "transfer-encoding"];

/// Reads them; nothing where something is wrong.
pub fn read(arguments: &LoadArguments, url: &Url, found: &mut Found) -> Option<Requests> {
    let headers = headers(arguments, url, found);
    let expect = expect(arguments, found);
    if let Some(path) = &arguments.requests {
        return of_file(path, &headers, &expect.unwrap_or_default(), arguments.http2, url, found);
    }
    let body = body(arguments, found);
    let method = method(arguments, body.as_ref().is_some_and(|body| !body.is_empty()), found);
    let spec = Spec { method: method?, path: url.path.clone(), headers, body: body?, weight: 1, expect: expect? };
    let requests = Requests::parse(vec![spec], &mut |name| read_lines(Path::new(name)));
    match requests {
        Ok(requests) => Some(requests),
        Err(errors) => {
            for error in errors {
                found.wrong(error.to_string(), error.hint);
            }
            None
        }
    }
}

fn of_file(
    path: &Path,
    headers: &[(String, String)],
    expect: &Expect,
    http2: bool,
    url: &Url,
    found: &mut Found,
) -> Option<Requests> {
    if url.path != "/" {
        found.warn(format!("the path {} of the URL is not requested: the file says what is", url.path));
    }
    let of_bodies = OF_BODIES.map(|name| (name, "is made from the body"));
    let of_connections = OF_CONNECTIONS.map(|name| (name, "is no header of HTTP/2"));
    let refused = [&of_bodies[..], if http2 { &of_connections } else { &[] }].concat();
    let requests = read_requests(path, ForAll { headers, expect, refused: &refused }, &mut found.files);
    // With errors, they are drawn beside them.
    for warning in found.files.in_order().into_iter().filter(|_| requests.is_some()) {
        found.warnings.push(format!("{}: {}", warning.site.path().display(), warning.message));
    }
    requests
}

fn headers(arguments: &LoadArguments, url: &Url, found: &mut Found) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> =
        arguments.header.iter().filter_map(|text| header(text, arguments, found)).collect();
    let has =
        |headers: &[(String, String)], name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() > 1 {
        found.wrong("-H/--header: Host is said twice", "a request has one");
    }
    if !has(&headers, "host") {
        headers.insert(0, ("Host".to_owned(), url.authority.clone()));
    }
    if keep_alive(arguments) == "no" && !arguments.http2 && !has(&headers, "connection") {
        headers.push(("Connection".to_owned(), "close".to_owned()));
    }
    headers
}

fn body(arguments: &LoadArguments, found: &mut Found) -> Option<Vec<u8>> {
    match (&arguments.body, &arguments.body_file) {
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(path)) => match std::fs::read(path) {
            Ok(bytes) => Some(escaped(&bytes)),
            Err(error) => {
                found.wrong(format!("--body-file: {} can't be read: {error}", path.display()), "name a file to send");
                None
            }
        },
        (None, None) => Some(Vec::new()),
    }
}

/// What RFC 9110 lets names of methods and headers have.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn method(arguments: &LoadArguments, has_body: bool, found: &mut Found) -> Option<String> {
    let Some(method) = &arguments.method else { return Some(if has_body { "POST" } else { "GET" }.to_owned()) };
    if !is_token(method) {
        found.wrong(format!("-X/--method: `{method}` is no method"), "write GET, POST, PUT or the like");
        return None;
    }
    if method.eq_ignore_ascii_case("CONNECT") {
        found.wrong("-X/--method: CONNECT opens a tunnel and is no request", "write GET, POST, PUT or the like");
        return None;
    }
    if let Some(upper) = Some(method.to_ascii_uppercase()).filter(|upper| upper != method) {
        found.warn(format!("methods mind case: `{method}` is sent as it is, which is not `{upper}`"));
    }
    Some(method.clone())
}

fn header(text: &str, arguments: &LoadArguments, found: &mut Found) -> Option<(String, String)> {
    let Some((name, value)) = text.split_once(':') else {
        found.wrong(format!("-H/--header: `{text}` is no header"), "write 'Name: value'");
        return None;
    };
    let value = value.trim_matches([' ', '\t']);
    if !is_token(name) {
        found.wrong(
            format!("-H/--header: `{name}` can't be the name of a header"),
            "write 'Name: value', without a space before the colon",
        );
        return None;
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        found
            .wrong(format!("-H/--header: the value of {name} has a control character"), "a header is one line of text");
        return None;
    }
    let lower = name.to_ascii_lowercase();
    if OF_BODIES.contains(&lower.as_str()) {
        found.wrong(format!("-H/--header: {name} is made from the body"), "leave it out");
        return None;
    }
    if arguments.http2 && OF_CONNECTIONS.contains(&lower.as_str()) {
        found.wrong(format!("-H/--header: HTTP/2 has no {name}"), "leave it out");
        return None;
    }
    Some((name.to_owned(), value.to_owned()))
}

fn expect(arguments: &LoadArguments, found: &mut Found) -> Option<Expect> {
    let statuses = match arguments.expect_status.as_deref() {
        None => Some(Vec::new()),
        Some(text) => found.take(list("--expect-status", text, 999)),
    };
    let statuses = statuses.filter(|all| {
        let wrong = all.iter().find(|status| **status < 100);
        wrong.inspect(|status| {
            found.wrong(format!("--expect-status: {status} is no status"), "write three digits: 200,304 or 200-299");
        });
        wrong.is_none()
    });
    let hint = "write how many bytes a right body has";
    let bounds = Bounds { name: "--expect-bytes", least: 0, most: u64::MAX, hint };
    let bytes = match arguments.expect_bytes.as_deref() {
        None => Some(None),
        Some(text) => found.take(whole(&bounds, text)).map(Some),
    };
    let sha256 = match arguments.expect_sha256.as_deref() {
        None => Some(None),
        Some(text) => match digest(text) {
            Some(digest) => Some(Some(digest)),
            None => {
                let hint = "write its 64 hexadecimal digits, as sha256sum prints them";
                found.wrong(format!("--expect-sha256: `{text}` is no SHA-256"), hint);
                None
            }
        },
    };
    let statuses = statuses?.into_iter().filter_map(|status| u16::try_from(status).ok()).collect();
    Some(Expect { statuses, bytes: bytes?, sha256: sha256? })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}
