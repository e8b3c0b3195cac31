//! Reads requests of HTTP/1 as their bytes come.

/// A head longer than this is no request.
const LONGEST_HEAD: usize = 65_536;

/// What a head says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The answer has no body.
    pub is_head: bool,
    /// The client wants the connection closed after the answer.
    pub wants_close: bool,
    /// Bytes of body that follow.
    pub body_bytes: u64,
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The beginning of a head.
    More,
    /// A head, and how many of the bytes it has.
    Head(Head, usize),
    /// Nothing that is understood here.
    Nonsense,
}

/// The head at the beginning of these bytes.
pub fn head(bytes: &[u8]) -> Found {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > LONGEST_HEAD { Found::Nonsense } else { Found::More };
    };
    let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.next().unwrap_or_default();
    let is_old = first.ends_with(b" HTTP/1.0");
    if !is_old && !first.ends_with(b" HTTP/1.1") {
        return Found::Nonsense;
    }
    let mut head = Head { is_head: first.starts_with(b"HEAD "), wants_close: is_old, body_bytes: 0 };
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Found::Nonsense };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"connection") {
            let says =
                |word: &[u8]| value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(word));
            head.wants_close = if is_old { !says(b"keep-alive") } else { says(b"close") };
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let Some(bytes) = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) else {
                return Found::Nonsense;
            };
            head.body_bytes = bytes;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Found::Nonsense;
        }
    }
    Found::Head(head, end + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let check = |text: &str, expected: Option<(bool, bool, u64)>| match (head(text.as_bytes()), expected) {
            (Found::Head(head, used), Some(expected)) => {
                assert_eq!((head.is_head, head.wants_close, head.body_bytes), expected, "{text:?}");
                assert_eq!(used, text.len());
            }
            (Found::Nonsense, None) => {}
            (found, _) => panic!("{text:?}: {found:?}"),
        };
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some((false, false, 0)));
        check("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", Some((true, false, 0)));
        check("POST / HTTP/1.1\r\ncontent-LENGTH: 12\r\n\r\n", Some((false, false, 12)));
        check("GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n", Some((false, true, 0)));
        check("GET / HTTP/1.0\r\n\r\n", Some((false, true, 0)));
        check("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Some((false, false, 0)));
        check("GET / HTTP/2.0\r\n\r\n", None);
        check("GET / HTTP/1.1\r\nno colon\r\n\r\n", None);
        check("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", None);
        check("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", None);
    }

    #[test]
    fn half_a_head_waits_and_an_endless_one_does_not() {
        assert_eq!(head(b"GET / HTTP/1.1\r\nHost: a\r\n"), Found::More);
        assert_eq!(head(&[b'a'; LONGEST_HEAD + 1]), Found::Nonsense);
    }
}
