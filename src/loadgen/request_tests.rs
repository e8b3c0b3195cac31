//! Requests in bytes, and what changes in them.

use super::*;

fn get(path: &str) -> Spec {
    Spec {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: vec![("Host".to_owned(), "h".to_owned())],
        body: Vec::new(),
        weight: 1,
        expect: Expect::default(),
    }
}

fn send(method: &str, body: &str) -> Spec {
    Spec { method: method.to_owned(), body: body.as_bytes().to_owned(), ..get("/") }
}

fn read_file(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "three" => Ok(b"\xef\xbb\xbfone\r\ntwo\n\nthree".to_vec()),
        "empty" => Ok(Vec::new()),
        "spaces" => Ok(b"a\nb c\nd\te".to_vec()),
        "control" => Ok(b"a\nb\x01".to_vec()),
        name => Err(format!("`{name}` does not exist")),
    }
}

fn parse(specs: Vec<Spec>) -> Result<Requests, Vec<PlaceholderError>> {
    Requests::parse(specs, &mut read_file)
}

/// What is wrong with them, which is one thing.
fn wrong(specs: Vec<Spec>) -> PlaceholderError {
    let errors = parse(specs).map(|_| ()).expect_err("something is wrong");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

fn text(requests: &Requests, number: u64) -> String {
    let mut scratch = b"left over".to_vec();
    let bytes = requests.bytes(requests.pick(number), number, &mut scratch);
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_request_is_its_line_its_headers_and_its_body() {
    let check = |spec: Spec, expected: &str| {
        let requests = Requests::of(vec![spec.clone()]);
        assert_eq!(text(&requests, 7), expected);
        assert!(!requests.varies(0));
        assert_eq!(text(&parse(vec![spec]).expect("no placeholders"), 7), expected);
    };
    check(get("/a?b=$c"), "GET /a?b=$c HTTP/1.1\r\nHost: h\r\n\r\n");
    check(send("POST", ""), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    check(send("GET", "abc"), "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    check(send("DELETE", ""), "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut framed = send("PUT", "3\r\nabc\r\n0\r\n\r\n");
    framed.headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    check(framed, "PUT / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
}

#[test]
fn what_changes_is_filled_in_and_the_length_of_the_body_is_right() {
    let requests = parse(vec![get("/${number}/$$${number}")]).expect("right");
    assert!(requests.varies(0));
    assert_eq!(text(&requests, 0), "GET /0/$${number} HTTP/1.1\r\nHost: h\r\n\r\n");
    let requests = parse(vec![send("POST", "<${number}:${line:three}>")]).expect("right");
    let check = |number: u64, expected: &str| {
        let expected = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{expected}", expected.len());
        assert_eq!(text(&requests, number), expected);
    };
    check(0, "<0:one>");
    check(1, "<1:two>");
    check(2, "<2:>");
    check(99, "<99:three>");
    check(u64::MAX, "<18446744073709551615:three>");
}

#[test]
fn literal_requests_keep_their_placeholders() {
    assert_eq!(text(&Requests::of(vec![get("/${number}")]), 3), "GET /${number} HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn parts_are_the_same_as_in_the_bytes() {
    let mut spec = send("POST", "${random:1..3}");
    spec.path = "/${random:1..1000000}".to_owned();
    spec.headers.push(("A".to_owned(), "${line:three}".to_owned()));
    let requests = parse(vec![spec]).expect("right");
    for number in 0..20 {
        let lossy = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        let headers: Vec<String> =
            requests.headers(0, number).map(|(name, value)| format!("{name}: {}\r\n", lossy(value))).collect();
        let (path, body) = (lossy(requests.path(0, number)), lossy(requests.body(0, number)));
        let expected = format!("POST {path} HTTP/1.1\r\n{}Content-Length: 1\r\n\r\n{body}", headers.concat());
        assert_eq!(text(&requests, number), expected);
    }
}

#[test]
fn random_numbers_are_the_same_each_time_and_spread_over_their_range() {
    let requests = parse(vec![get("/${random:10..19}/${random:10..19}")]).expect("right");
    let mut seen = [0; 100];
    for number in 0..10_000 {
        let path = String::from_utf8_lossy(&requests.path(0, number)).into_owned();
        assert_eq!(path.as_bytes(), &*requests.path(0, number));
        let values: Vec<usize> = path[1..].split('/').filter_map(|value| value.parse().ok()).collect();
        seen[(values[0] - 10) * 10 + values[1] - 10] += 1;
    }
    // Each pair about 100 times: the two know nothing of each other.
    assert!(seen.iter().all(|count| (50..160).contains(count)), "{seen:?}");
    let whole = parse(vec![get("/${random:0..18446744073709551615}${random:7..7}")]).expect("right");
    assert!((0..100).all(|number| whole.path(0, number).ends_with(b"7")));
}

#[test]
fn lines_come_in_turn_for_each_request_by_itself() {
    let requests = parse(vec![get("/a/${line:three}"), get("/b/${line:three}")]).expect("right");
    let mut paths: Vec<String> = (0..16)
        .map(|number| String::from_utf8_lossy(&requests.path(requests.pick(number), number)).into_owned())
        .collect();
    paths.sort_unstable();
    paths.dedup_by(|next, before| next == before);
    assert_eq!(paths, ["/a/", "/a/one", "/a/three", "/a/two", "/b/", "/b/one", "/b/three", "/b/two"]);
}

#[test]
fn a_file_is_read_once() {
    let mut reads = 0;
    let mut read = |_: &str| {
        reads += 1;
        Ok(b"a".to_vec())
    };
    let specs = vec![get("/${line:f}${line:f}"), get("/${line:f}")];
    assert!(Requests::parse(specs, &mut read).is_ok());
    assert_eq!(reads, 1);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_a_way_out() {
    let check = |path: &str, expected: &str| {
        let error = wrong(vec![get(path)]);
        assert_eq!(format!("{error} (hint: {})", error.hint), expected, "{path}");
    };
    let known = "there are `${number}`, `${random:1..1000}` and `${line:FILE}`; a plain `${` is written `$${`";
    check("/${numbr}", &format!("byte 2 of the path: `${{numbr}}` is no placeholder (hint: {known})"));
    check("/é/${}", &format!("byte 5 of the path: `${{}}` is no placeholder (hint: {known})"));
    check("/$${a}/${number:1}", &format!("byte 8 of the path: `${{number:1}}` is no placeholder (hint: {known})"));
    check("/${number", "byte 2 of the path: `${number` has no end (hint: close it with `}`, or write `$${`)");
    let range = "write two whole numbers below 2^64 with two dots between them: `${random:1..1000}`";
    for wrong in ["5", "", "1..", "..5", "a..b", "-1..5", "1..+5", "1..18446744073709551616", "1...5"] {
        let message = format!("byte 1 of the path: `${{random:{wrong}}}` names no range (hint: {range})");
        check(&format!("${{random:{wrong}}}"), &message);
    }
    check(
        "${random:6..1}",
        "byte 1 of the path: the range of `${random:6..1}` is empty \
         (hint: write the smaller number first: `${random:1..6}`)",
    );
    check("${line:}", "byte 1 of the path: `${line:}` names no file (hint: write the file's path: `${line:FILE}`)");
    check(
        "${line:gone}",
        "byte 1 of the path: `gone` does not exist (hint: name a file that can be read, with a line for each value)",
    );
    check("${line:empty}", "byte 1 of the path: `empty` has no lines (hint: write one line for each value)");
    check(
        "${line:spaces}",
        "byte 1 of the path: line 2 of `spaces` holds the byte 0x20 \
         (hint: write it as `%20`: a path is printable ASCII without spaces and `#`)",
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut spec = send("POST", "${x}");
    spec.path = "/${y}${z}".to_owned();
    let errors = parse(vec![spec.clone(), get("/"), spec]).map(|_| ()).expect_err("four placeholders are wrong");
    let told: Vec<_> = errors.iter().map(|error| (error.request, error.place.to_string(), error.column)).collect();
    let [path, body] = ["path", "body"].map(str::to_owned);
    assert_eq!(told, [(0, path.clone(), 2), (0, body.clone(), 1), (2, path, 2), (2, body, 1)]);
}

#[test]
fn lines_are_held_against_the_place_where_they_stand() {
    let mut spec = send("POST", "${line:control}");
    spec.headers.push(("A".to_owned(), "${line:spaces}".to_owned()));
    assert!(parse(vec![spec.clone()]).is_ok());
    spec.headers.push(("B".to_owned(), "b ${line:control}".to_owned()));
    let error = wrong(vec![get("/"), spec]);
    assert_eq!((error.request, error.column), (1, 3));
    assert_eq!(error.to_string(), "byte 3 of the header `B`: line 2 of `control` holds the byte 0x01");
}

#[test]
fn an_escaped_body_is_sent_as_it_was() {
    let check = |body: &[u8]| {
        let spec = Spec { body: crate::loadgen::template::escaped(body), ..get("/") };
        assert_eq!(&*parse(vec![spec]).expect("escaped").body(0, 5), body);
    };
    check(b"");
    check(b"${number}");
    check(b"$$${$${line:x}$");
    check(&(0..=255).collect::<Vec<u8>>());
}

#[test]
fn an_answer_is_held_against_what_is_expected() {
    let check = |expect: &Expect, status: u16, bytes: u64, digest: Option<u8>, expected: Option<&str>| {
        let fault = expect.judge(status, bytes, digest.map(|byte| [byte; 32]));
        assert_eq!(fault.map(|fault| fault.to_string()).as_deref(), expected, "{expect:?}, {status}");
    };
    let any = Expect::default();
    check(&any, 200, 5, None, None);
    check(&any, 399, 5, None, None);
    check(&any, 400, 5, None, Some("status: 400"));
    check(&any, 199, 5, None, Some("status: 199"));
    let missing = Expect { statuses: vec![404, 410], ..Expect::default() };
    check(&missing, 404, 5, None, None);
    check(&missing, 200, 5, None, Some("status: 200"));
    let document = Expect { bytes: Some(5), sha256: Some([1; 32]), ..Expect::default() };
    check(&document, 200, 5, Some(1), None);
    check(&document, 200, 4, Some(1), Some("document: another length than expected"));
    check(&document, 200, 5, Some(2), Some("document: another SHA-256 than expected"));
    check(&document, 200, 5, None, Some("document: another SHA-256 than expected"));
    check(&document, 500, 4, Some(2), Some("status: 500"));
}
