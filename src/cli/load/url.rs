//! What a URL says.

use std::net::{IpAddr, Ipv6Addr};

use crate::cli::load::words::Wrong;

/// A URL taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub is_https: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Its port, stated or not.
    pub port: u16,
    /// What `Host` says: the authority as it was written.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Without what never reaches a server.
    pub text: String,
    /// The fragment that was dropped.
    pub fragment: Option<String>,
}

impl Url {
    /// Stands in for one that is wrong, so that reading can go on to the next problem. Nothing is said of certificates then.
    pub fn stand_in() -> Self {
        Self {
            is_https: true,
            host: "localhost".to_owned(),
            port: 443,
            authority: "localhost".to_owned(),
            path: "/".to_owned(),
            text: "https://localhost/".to_owned(),
            fragment: None,
        }
    }

    /// The address that the host is, if it is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

const EXAMPLE: &str = "write http://HOST:PORT/PATH or https://HOST/PATH";

/// Takes a URL apart.
pub fn parse(text: &str) -> Result<Url, Wrong> {
    let wrong = |what: &str, hint: &str| Err((format!("`{text}`: {what}"), hint.to_owned()));
    if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        let code = format!("{:02X}", u32::from(bad));
        return wrong("a URL has no spaces or control characters", &format!("write %{code} in its place"));
    }
    if text.contains('\\') || !text.is_ascii() {
        return wrong(
            "a URL is plain ASCII without backslashes",
            "percent-encode the path, and write a name in punycode",
        );
    }
    let Some((scheme, rest)) = text.split_once("://") else { return wrong("this is no URL", EXAMPLE) };
    let is_https = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        "http+unix" | "unix" => return wrong("a socket is no part of a URL", "pass --unix PATH http://localhost/PATH"),
        _ => return wrong("only http and https are spoken", EXAMPLE),
    };
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
        None => (rest, None),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Some((user, _)) = authority.rsplit_once('@') {
        let _ = user;
        let hint = "pass -H 'Authorization: Basic ...' with the Base64 of user:password";
        return Err((format!("`{}`: a user in a URL is not sent", without_user(text)), hint.to_owned()));
    }
    let (host, port) = match host_and_port(authority) {
        Ok(found) => found,
        Err(what) => return wrong(what, EXAMPLE),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Url {
        is_https,
        host: host.to_owned(),
        port: port.unwrap_or(if is_https { 443 } else { 80 }),
        authority: authority.to_owned(),
        path,
        text: text.split('#').next().unwrap_or(text).to_owned(),
        fragment,
    })
}

/// A password is not repeated in a message.
fn without_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://...@{rest}"),
        _ => "...".to_owned(),
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else { return Err("its bracket is not closed") };
        if inside.parse::<Ipv6Addr>().is_err() {
            return Err("what stands in brackets is no IPv6 address");
        }
        match after.strip_prefix(':') {
            Some(port) => (inside, Some(port)),
            None if after.is_empty() => (inside, None),
            None => return Err("only a port may follow the bracket"),
        }
    } else {
        match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address stands in brackets: http://[::1]:80/");
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() {
        return Err("it names no host");
    }
    if !host.chars().all(is_name) {
        return Err("its host is neither a name nor an address");
    }
    // An empty port is the default one, as in every URL.
    match port.filter(|port| !port.is_empty()) {
        None => Ok((host, None)),
        Some(port) => match port.parse::<u16>().ok().filter(|number| *number > 0 && !port.starts_with('+')) {
            Some(number) => Ok((host, Some(number))),
            None => Err("its port is no number from 1 to 65535"),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_url_says() {
        let check = |text: &str, https: bool, host: &str, port: u16, path: &str| {
            let url = parse(text).unwrap();
            assert_eq!(
                (url.is_https, url.host.as_str(), url.port, url.path.as_str()),
                (https, host, port, path),
                "{text}"
            );
        };
        check("http://127.0.0.1:8080/a?b=c", false, "127.0.0.1", 8080, "/a?b=c");
        check("http://example.org", false, "example.org", 80, "/");
        check("http://example.org?q", false, "example.org", 80, "/?q");
        check("HTTPS://[::1]:8443/x", true, "::1", 8443, "/x");
        check("https://[fe80::1]", true, "fe80::1", 443, "/");
        check("http://localhost:/", false, "localhost", 80, "/");
        let url = parse("http://h:1/a#b").unwrap();
        assert_eq!((url.text.as_str(), url.fragment.as_deref()), ("http://h:1/a", Some("b")));
        assert_eq!((url.path.as_str(), url.authority.as_str()), ("/a", "h:1"));
    }

    #[test]
    fn what_is_no_url_is_told() {
        let check = |text: &str, expected: &str| {
            let (message, hint) = parse(text).unwrap_err();
            assert!(message.contains(expected) && !hint.is_empty(), "{text}: {message}");
        };
        check("", "this is no URL");
        check("localhost:80", "this is no URL");
        check("ftp://x/", "only http and https");
        check("http+unix://%2Fs/x", "a socket is no part");
        check("http:///x", "names no host");
        check("http://:80/", "names no host");
        check("http://h:0/", "its port");
        check("http://h:65536/", "its port");
        check("http://h:+80/", "its port");
        check("http://::1/", "stands in brackets");
        check("http://[::1/", "not closed");
        check("http://[x]/", "no IPv6 address");
        check("http://[::1]x/", "may follow the bracket");
        check("http://a b/", "no spaces");
        check("http://h/\u{7f}", "no spaces");
        check("http://h/é", "plain ASCII");
        check("http://a|b/", "neither a name");
        let (message, hint) = parse("http://me:secret@h/").unwrap_err();
        assert!(!message.contains("secret") && hint.contains("Authorization"), "{message}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(https?://)?[\\x00-\\x7f]{0,40}") {
            if let Ok(url) = parse(&text) {
                prop_assert!(url.path.starts_with('/') && !url.host.is_empty());
            }
        }
    }
}
