//! Files of requests, right and wrong.

use std::fs;

use super::*;
use crate::diagnostic::Site;

/// Reads a text as a file in a folder with a file of lines and one for a body.
fn read(text: &str, for_all: ForAll<'_>) -> (Option<Requests>, Vec<Diagnostic>) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ids.txt"), "7\n8\n").expect("lines");
    fs::write(folder.path().join("body.bin"), b"\xff${number}").expect("a body");
    let path = folder.path().join("requests.toml");
    fs::write(&path, text).expect("a file");
    let mut diagnostics = Diagnostics::new();
    let requests = read_requests(&path, for_all, &mut diagnostics);
    let found = diagnostics.in_order().into_iter().cloned().collect();
    (requests, found)
}

fn nothing() -> ForAll<'static> {
    static ANY: Expect = Expect { statuses: Vec::new(), bytes: None, sha256: None };
    ForAll { headers: &[], expect: &ANY, refused: &[("content-length", "is made from the body")] }
}

/// The first bytes of each request, by number.
fn sent(text: &str, for_all: ForAll<'_>, numbers: u64) -> Vec<String> {
    let (requests, found) = read(text, for_all);
    let requests = requests.unwrap_or_else(|| panic!("{text}: {found:?}"));
    let bytes = |number| {
        let mut scratch = Vec::new();
        let bytes = requests.bytes(requests.pick(number), number, &mut scratch);
        String::from_utf8_lossy(bytes).replace("\r\n", "|")
    };
    (0..numbers).map(bytes).collect()
}

#[test]
fn requests_are_sent_by_their_weight_with_what_changes_in_them() {
    let text = r#"
[[request]]
weight = 2
path = "/agents/${line:ids.txt}?n=${number}"

[[request]]
path = "/agents"
headers = { "X-Number" = "${number}", accept = "text/html" }
body = '{"n":${number}}'

[[request]]
method = "PUT"
path = "/file"
body_file = "body.bin"
"#;
    let headers = [("Host".to_owned(), "h".to_owned()), ("Accept".to_owned(), "*/*".to_owned())];
    let for_all = ForAll { headers: &headers, ..nothing() };
    assert_eq!(
        sent(text, for_all, 4),
        [
            "GET /agents/7?n=0 HTTP/1.1|Host: h|Accept: */*||",
            "POST /agents HTTP/1.1|Host: h|X-Number: 1|accept: text/html|Content-Length: 7||{\"n\":1}",
            "PUT /file HTTP/1.1|Host: h|Accept: */*|Content-Length: 10||\u{fffd}${number}",
            "GET /agents/8?n=3 HTTP/1.1|Host: h|Accept: */*||",
        ]
    );
    let host = "[[request]]\npath = '/'\nheaders.host = 'other'";
    assert_eq!(sent(host, for_all, 1), ["GET / HTTP/1.1|host: other|Accept: */*||"]);
}

#[test]
fn what_a_request_does_not_expect_is_expected_of_all() {
    let expect = Expect { statuses: vec![200], bytes: Some(9), sha256: None };
    let text = format!("[[request]]\npath = '/'\nexpect_status = [404, 410]\nexpect_sha256 = '{}'", "aB".repeat(32));
    let (requests, found) = read(&text, ForAll { expect: &expect, ..nothing() });
    assert_eq!(found, []);
    let own = requests.map(|requests| requests.spec(0).expect.clone());
    assert_eq!(own, Some(Expect { statuses: vec![404, 410], bytes: Some(9), sha256: Some([0xab; 32]) }));
}

#[test]
fn everything_that_is_wrong_is_told_at_its_place() {
    let check = |text: &str, expected: &[(Code, usize, usize)]| {
        let (requests, found) = read(text, nothing());
        let place = |found: &Diagnostic| match &found.site {
            Site::Place(place) => (found.code, place.start().line, place.start().column),
            Site::File(_) => (found.code, 0, 0),
        };
        assert_eq!(found.iter().map(place).collect::<Vec<_>>(), expected, "{text}");
        assert!(requests.is_none(), "{text}");
        assert!(found.iter().all(|found| found.hint.is_some()), "{found:?}");
    };
    check("", &[(Code::MissingKey, 1, 1)]);
    check("request = []", &[(Code::EmptyList, 1, 11)]);
    check("[request]\npath = '/'", &[(Code::WrongType, 1, 1)]);
    check("[[request]]\nweight = 0", &[(Code::MissingKey, 1, 1), (Code::OutOfRange, 2, 10)]);
    check("[[request]]\npath = '/'\nwieght = 2", &[(Code::UnknownKey, 3, 1)]);
    check(
        "[[request]]\npath = '/'\nexpect_status = [99, '200']",
        &[(Code::OutOfRange, 3, 18), (Code::WrongType, 3, 22)],
    );
    check("[[request]]\npath = '/'\nexpect_sha256 = 'ab'", &[(Code::BadText, 3, 17)]);
    check("[[request]]\npath = '/'\nmethod = 'CONNECT'", &[(Code::BadText, 3, 10)]);
    check("[[request]]\npath = '/'\nmethod = 'GET /'", &[(Code::BadText, 3, 10)]);
    for path in ["agents", "/a b", "/a#b", "/é", "", "/${number} x"] {
        check(&format!("[[request]]\npath = '{path}'"), &[(Code::BadText, 2, 8)]);
    }
    check(
        "[[request]]\npath = '/'\nheaders = { 'a b' = 'c', d = \"e\\n\" }",
        &[(Code::BadName, 3, 13), (Code::BadText, 3, 30)],
    );
    check("[[request]]\npath = '/'\nheaders = { a = 'b', A = 'b' }", &[(Code::Duplicate, 3, 22)]);
    check("[[request]]\npath = '/'\nheaders = { Content-Length = '5' }", &[(Code::BadName, 3, 13)]);
    check("[[request]]\npath = '/'\nbody = 'a'\nbody_file = 'body.bin'", &[(Code::Contradiction, 4, 13)]);
    check("[[request]]\npath = '/'\nbody_file = 'gone'", &[(Code::NoSuchFile, 3, 13)]);
    check("[[request]]\npath = '/'\nbody_file = ''", &[(Code::BadPath, 3, 13)]);
}

#[test]
fn placeholders_are_pointed_at() {
    let check = |text: &str, expected: &[(&str, usize, usize)]| {
        let (_, found) = read(text, nothing());
        let place = |found: &Diagnostic| match &found.site {
            Site::Place(place) => (place.text().to_owned(), place.start().line, place.start().column),
            Site::File(_) => (found.message.clone(), 0, 0),
        };
        let expected: Vec<_> =
            expected.iter().map(|(text, line, column)| ((*text).to_owned(), *line, *column)).collect();
        assert_eq!(found.iter().map(place).collect::<Vec<_>>(), expected, "{text}");
    };
    check("[[request]]\npath = '/a/${numbr}/b'", &[("${numbr}", 2, 12)]);
    check("[[request]]\npath = '/${line:gone file}'", &[("${line:gone file}", 2, 10)]);
    check("[[request]]\npath = '/'\nbody = '''\né${x} ${y}'''", &[("${x}", 4, 2)]);
    check("[[request]]\npath = '/'\nbody = \"\\n${x}\"", &[("\"\\n${x}\"", 3, 8)]);
    check(
        "[[request]]\npath = '/${x}'\n[[request]]\npath = '/'\nheaders.a = '${random:2..1}'",
        &[("${x}", 2, 10), ("${random:2..1}", 5, 14)],
    );
    let headers = [("A".to_owned(), "${x}".to_owned())];
    let (_, found) =
        read("[[request]]\npath = '/'\n[[request]]\npath = '/'", ForAll { headers: &headers, ..nothing() });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "of the arguments, byte 1 of the header `A`: `${x}` is no placeholder");
}

#[test]
fn a_method_in_small_letters_is_sent_with_a_warning() {
    let (requests, found) = read("[[request]]\npath = '/'\nmethod = 'get'", nothing());
    assert_eq!(requests.map(|requests| requests.spec(0).method.clone()).as_deref(), Some("get"));
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), [Code::UnknownWord]);
}
