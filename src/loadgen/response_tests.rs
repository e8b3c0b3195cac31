//! Single answers, right and wrong.

use super::*;

/// What becomes of one answer in one piece, in words: `200, 5 bytes, stays open, 0 left`.
fn read(answer: &[u8], no_body: bool) -> String {
    let mut reader = Reader::default();
    reader.begin(no_body, false);
    let fed = reader.feed(answer);
    let left = match fed {
        Err(why) => return why.to_owned(),
        Ok(Fed::Whole { used }) => format!("{} left", answer.len() - used),
        Ok(Fed::More) if reader.end() => "at its end".to_owned(),
        Ok(Fed::More) => return "more".to_owned(),
    };
    let open = if reader.keeps_open() { "stays open" } else { "closes" };
    format!("{}, {} bytes, {open}, {left}", reader.status(), reader.body_bytes())
}

fn check(answer: &str, expected: &str) {
    assert_eq!(read(answer.as_bytes(), false), expected, "{answer:?}");
    // The same byte by byte, but that what is wrong in a head may be known only at its end.
    let mut reader = Reader::default();
    let mut fed = Ok(Fed::More);
    for byte in answer.as_bytes() {
        if fed == Ok(Fed::More) {
            fed = reader.feed(std::slice::from_ref(byte));
        }
    }
    match fed {
        Ok(Fed::Whole { .. }) => assert!(expected.contains(" left"), "{answer:?} byte by byte is whole"),
        Ok(Fed::More) => assert!(!expected.contains(" left"), "{answer:?} byte by byte goes on"),
        Err(why) => assert_eq!(why, expected, "{answer:?} byte by byte"),
    }
}

/// An answer with these headers, and a body of five bytes.
fn check_headers(headers: &str, expected: &str) {
    check(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n12345"), expected);
}

#[test]
fn bodies_end_by_their_length_their_chunks_or_their_connection() {
    check_headers("Content-Length: 5\r\n", "200, 5 bytes, stays open, 0 left");
    check_headers("content-length:5\r\n", "200, 5 bytes, stays open, 0 left");
    check_headers("CONTENT-LENGTH: \t5 \r\n", "200, 5 bytes, stays open, 0 left");
    check_headers("Content-Length: 0\r\n", "200, 0 bytes, stays open, 5 left");
    check_headers("Content-Length: 4\r\n", "200, 4 bytes, stays open, 1 left");
    check_headers("Content-Length: 6\r\n", "more");
    check_headers("", "200, 5 bytes, closes, at its end");
    check_headers("Transfer-Encoding: gzip\r\n", "200, 5 bytes, closes, at its end");
    check_headers("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "200, 5 bytes, closes, at its end");
    check_headers("Transfer-Encoding: chunked\r\n", "more");
}

#[test]
fn chunks_are_read_to_the_empty_line_after_the_last() {
    let check = |chunks: &str, expected: &str| {
        check(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"), expected);
    };
    check("5\r\nhello\r\n0\r\n\r\n", "200, 5 bytes, stays open, 0 left");
    check("0\r\n\r\nHTTP", "200, 0 bytes, stays open, 4 left");
    check(
        "5\r\nhello\r\n0000000000000000000000000A  \r\n0123456789\r\n0;last\r\n\r\n",
        "200, 15 bytes, stays open, 0 left",
    );
    check("5;name=\"va;lue\"\t;x\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n", "200, 5 bytes, stays open, 0 left");
    check("5\r\nhello\r\n0\r\n", "more");
    check("5\r\nhello", "more");
    check("5\r\nhello!\r\n0\r\n\r\n", "chunk is longer than its size");
    check("5\r\nhello\n0\r\n\r\n", "chunk is longer than its size");
    check("5\r\nhello\r\r", "chunk is longer than its size");
    check("\r\nhello", "chunk size is no number");
    check("-1\r\n", "chunk size is no number");
    check("0x5\r\n", "chunk size is no number");
    check("5 5\r\n", "chunk size is no number");
    check("g\r\n", "chunk size is no number");
    check("5\nhello", "line of a chunk's size ends wrongly");
    check("5\rhello", "line of a chunk's size ends wrongly");
    check("5;a\nhello", "line of a chunk's size ends wrongly");
    check("ffffffffffffffff\r\n", "more");
    check("10000000000000000\r\n", "chunk size is too large");
    check(&"0".repeat(4097), "line of a chunk's size is longer than 4 KiB");
    check(&format!("5;{}", "a".repeat(4096)), "line of a chunk's size is longer than 4 KiB");
    check("0\r\nno header\r\n\r\n", "trailer is no header");
    check("0\r\n: a\r\n\r\n", "trailer is no header");
    check("0\r\nA: \u{1}\r\n\r\n", "trailer is no header");
    check("0\r\nA: b\n\r\n", "trailer is no header");
    check("0\r\nA: b\r\r", "trailer is no header");
    check("0\r\n\rX", "chunks end in no empty line");
    check(&format!("0\r\n{}", "A: b\r\n".repeat(20_000)), "trailers are longer than 64 KiB");
}

#[test]
fn lengths_that_can_not_be_trusted_are_refused() {
    check_headers("Content-Length: 5\r\nContent-Length: 5\r\n", "200, 5 bytes, stays open, 0 left");
    check_headers("Content-Length: 5, 5\r\n", "200, 5 bytes, stays open, 0 left");
    check_headers("Content-Length: 5\r\nContent-Length: 6\r\n", "content lengths contradict one another");
    check_headers("Content-Length: 5, 4\r\n", "content lengths contradict one another");
    for wrong in ["-5", "+5", "5.0", "0x5", "5 5", "", "5,", "five", "5\u{e9}"] {
        check_headers(&format!("Content-Length: {wrong}\r\n"), "content length is no number");
    }
    check_headers("Content-Length: 18446744073709551615\r\n", "more");
    check_headers("Content-Length: 18446744073709551616\r\n", "content length is too large");
    check_headers(&format!("Content-Length: {}\r\n", "9".repeat(1_000)), "content length is too large");
    check_headers("Transfer-Encoding: chunked, chunked\r\n", "chunked encoding is applied twice");
    check_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", "chunked encoding is not the last one");
}

#[test]
fn a_connection_is_kept_where_both_sides_know_where_the_answer_ends() {
    let whole = check;
    let check = |version: &str, headers: &str, expected: &str| {
        let answer = format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{headers}\r\n");
        check(&answer, &format!("200, 0 bytes, {expected}, 0 left"));
    };
    check("1.1", "", "stays open");
    check("1.1", "Connection: keep-alive\r\n", "stays open");
    check("1.1", "Connection: close\r\n", "closes");
    check("1.1", "connection: x, CLOSE\r\n", "closes");
    check("1.1", "Connection: keep-alive\r\nConnection: close\r\n", "closes");
    check("1.1", "X-Connection: close\r\nDisconnect: close\r\n", "stays open");
    check("1.0", "", "closes");
    check("1.0", "Connection: Keep-Alive\r\n", "stays open");
    check("1.0", "Connection: keep-alive, close\r\n", "closes");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    whole(&format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{chunked}"), "200, 0 bytes, closes, 0 left");
    whole(&format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n{chunked}"), "200, 0 bytes, closes, 0 left");
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    for status in ["204 No Content", "304 Not Modified"] {
        let code = &status[..3];
        check(&format!("HTTP/1.1 {status}\r\n\r\n"), &format!("{code}, 0 bytes, stays open, 0 left"));
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n");
        check(&answer, &format!("{code}, 0 bytes, stays open, 0 left"));
    }
    let head = |headers: &str| read(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), true);
    assert_eq!(head("Content-Length: 5\r\n"), "200, 0 bytes, stays open, 0 left");
    assert_eq!(head("Transfer-Encoding: chunked\r\n"), "200, 0 bytes, stays open, 0 left");
    assert_eq!(head(""), "200, 0 bytes, stays open, 0 left");
}

#[test]
fn interim_answers_are_passed_over() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n";
    check(&format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{last}"), "200, 0 bytes, stays open, 0 left");
    check("HTTP/1.1 100 Continue\r\n\r\n", "more");
    check(&format!("{}{last}", hints.repeat(16)), "200, 0 bytes, stays open, 0 left");
    check(&format!("{}{last}", hints.repeat(17)), "more than 16 interim answers");
    check("HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol was switched (101), which nobody asked for");
}

#[test]
fn what_is_no_head_is_said_in_words() {
    check("", "more");
    check("HTTP/1.1 200\r\n\r\n", "200, 0 bytes, closes, at its end");
    check("HTTP/1.1 200 \r\n\r\n", "200, 0 bytes, closes, at its end");
    check("HTTP/1.1 999 \u{e9}\nA: b\n\n", "999, 0 bytes, closes, at its end");
    for foreign in ["SSH-2.0-OpenSSH_9.2\r\n", "\r\nHTTP/1.1 200 OK\r\n", "HTTP/2 200\r\n", "ICY 200 OK\r\n", "<html>"]
    {
        check(foreign, "status line is no HTTP/1 status line");
    }
    assert_eq!(read(&[0x15, 3, 1, 0, 2, 2, 0x16], false), "TLS instead of a status line: the server wants https");
    let settings = [0, 0, 0x12, 4, 0, 0, 0, 0, 0];
    assert_eq!(read(&settings, false), "HTTP/2 frame instead of a status line");
    let code = "status line has no code of three digits, or bytes that may not stand there";
    check("HTTP/1.1 20 OK\r\n\r\n", code);
    check("HTTP/1.1 2000 OK\r\n\r\n", code);
    check("HTTP/1.1 200 \u{1}\r\n\r\n", code);
    check("HTTP/1.1 099 \r\n\r\n", "status code is below 100");
    let name = "header name is empty, or has bytes that may not stand there";
    check_headers(": a\r\n", name);
    check_headers("A b: c\r\n", name);
    check_headers("A : c\r\n", name);
    check_headers("A: b\r\n folded\r\n", name);
    check_headers("no colon\r\n", name);
    check_headers("A: b\u{0}\r\n", "header value has bytes that may not stand there");
    check_headers("A: b\rc\r\n", "header value has bytes that may not stand there");
    check_headers(&"A: b\r\n".repeat(129), "more than 128 headers");
    check_headers(&format!("{}Content-Length: 5\r\n", "A: b\r\n".repeat(127)), "200, 5 bytes, stays open, 0 left");
}

#[test]
fn endless_heads_end() {
    let fits = format!("HTTP/1.1 204 {}\r\n\r\n", "a".repeat(64 * 1024 - 17));
    check(&fits, "204, 0 bytes, stays open, 0 left");
    let too_long = format!("HTTP/1.1 204 {}\r\n\r\n", "a".repeat(64 * 1024 - 16));
    check(&too_long, "head is longer than 64 KiB");
    check(&format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(70_000)), "head is longer than 64 KiB");
    // What such a head took is given back.
    let mut reader = Reader::default();
    for piece in fits.as_bytes().chunks(100) {
        assert!(reader.feed(piece).is_ok());
    }
    assert!(reader.partial.capacity() <= 2 * LONGEST_KNOWN);
}

#[test]
fn an_answer_is_hashed_where_that_is_asked_for() {
    let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let mut reader = Reader::default();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ] {
        reader.begin(false, true);
        assert!(reader.feed(answer.as_bytes()).is_ok());
        assert_eq!(reader.digest().map(hex).as_deref(), Some(hello));
        reader.begin(false, false);
        assert_eq!(reader.digest(), None);
    }
}

#[test]
fn a_body_of_ten_gigabytes_is_counted_and_nothing_is_kept() {
    let mut reader = Reader::default();
    assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"), Ok(Fed::More));
    let piece = vec![b'a'; 1_000_000];
    for _ in 1..10_000 {
        assert_eq!(reader.feed(&piece), Ok(Fed::More));
    }
    assert_eq!(reader.feed(&piece), Ok(Fed::Whole { used: 1_000_000 }));
    assert_eq!(reader.body_bytes(), 10_000_000_000);
}

#[test]
fn an_end_is_right_only_after_a_whole_answer_or_for_one_that_ends_with_its_connection() {
    let check = |answer: &str, begun: bool, right: bool| {
        let mut reader = Reader::default();
        let _ = reader.feed(answer.as_bytes());
        assert_eq!((reader.has_begun(), reader.end()), (begun, right), "{answer:?}");
    };
    check("", false, false);
    check("H", true, false);
    check("HTTP/1.1 100 \r\n\r\n", true, false);
    check("HTTP/1.1 200 \r\n\r\n", true, true);
    check("HTTP/1.1 200 \r\n\r\nabc", true, true);
    check("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", true, false);
    check("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", true, false);
    check("nonsense", true, false);
}

#[test]
fn an_error_stays_until_the_next_answer_is_begun() {
    let mut reader = Reader::default();
    let error = Err("status line is no HTTP/1 status line");
    assert_eq!(reader.feed(b"nonsense"), error);
    assert_eq!(reader.feed(b"HTTP/1.1 204 \r\n\r\n"), error);
    reader.begin(false, false);
    assert_eq!(reader.feed(b"HTTP/1.1 204 \r\n\r\n"), Ok(Fed::Whole { used: 17 }));
    assert_eq!((reader.status(), reader.version()), (204, "HTTP/1.1"));
}
