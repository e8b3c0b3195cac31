//! The keys of a file of requests.

use serde_json::{Value, json};

use crate::cli::load::requests_file::{self, Written};
use crate::diagnostic::{Code, Key, Kind, ListOf, MapOf, Name, Node, Pattern, Place, Shape, Table, TableOf, Whole};

/// The keys of the whole file.
pub static REQUESTS: Shape = Shape { what: "a file of requests", keys: &[&REQUEST] };

pub(super) static REQUEST: Key<ListOf<TableOf<Written>>> = Key::required(
    "request",
    "What is requested, each a `[[request]]` with its `path`.",
    ListOf { item: TableOf { shape: &REQUEST_SHAPE, read: requests_file::request }, at_least: 1 },
);

static REQUEST_SHAPE: Shape = Shape {
    what: "a request",
    keys: &[&WEIGHT, &METHOD, &PATH, &HEADERS, &BODY, &BODY_FILE, &EXPECT_STATUS, &EXPECT_BYTES, &EXPECT_SHA256],
};

pub(super) static WEIGHT: Key<Whole<u32>> = Key::default(
    "weight",
    "How often it is sent, beside the others: one of weight 3 is sent three times as often as one of weight 1.",
    Whole { min: 1, max: 1_000_000 },
    || 1,
);

pub(super) static METHOD: Key<Pattern> = Key::optional(
    "method",
    "Its method; GET, or POST where it has a body, if it is not said.",
    Pattern {
        what: "a method",
        hint: "write \"GET\", \"POST\", \"PUT\" or the like; CONNECT opens a tunnel and is no request",
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        fits: |text| is_token(text) && !text.eq_ignore_ascii_case("connect"),
    },
);

pub(super) static PATH: Key<Pattern> = Key::required(
    "path",
    "The path and query of its URL. What changes with each request stands in it, in values of headers and in `body`: \
     `${number}` is its number over the whole load, `${random:1..1000}` a number from 1 to 1000 that is the same in each \
     run, `${line:ids.txt}` the lines of a file in turn, and `$${` a plain `${`.",
    Pattern {
        what: "the path of a URL",
        hint: "write a path like \"/agents\": it begins with `/` and has no spaces, no `#`, and only ASCII (encode others \
               as `%20`)",
        pattern: "^/[^#]*$",
        fits: is_path,
    },
);

pub(super) static HEADERS: Key<MapOf<Pattern>> = Key::optional(
    "headers",
    "Its headers, beside those of all; one of the same name replaces them. `Host` is made from the URL, and the length \
     from the body.",
    MapOf { item: HEADER_VALUE, keys: &HEADER_NAME, at_least: 0 },
);

static HEADER_NAME: Name = Name {
    rule: "names of headers hold only letters, digits and !#$%&'*+-.^_`|~",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    fits: is_token,
};

const HEADER_VALUE: Pattern =
    Pattern { what: "the value of a header", hint: "write one line of text", pattern: "", fits: |_| true };

pub(super) static BODY: Key<AnyText> = Key::optional("body", "Its body.", AnyText);

pub(super) static BODY_FILE: Key<AnyFile> = Key::optional(
    "body_file",
    "A file whose bytes are its body, as they are: `${` means nothing in it. It is named from the folder of this file.",
    AnyFile,
);

pub(super) static EXPECT_STATUS: Key<ListOf<Whole<u16>>> = Key::optional(
    "expect_status",
    "The status codes that are right; 200 to 399, if none are said.",
    ListOf { item: Whole { min: 100, max: 999 }, at_least: 1 },
);

pub(super) static EXPECT_BYTES: Key<Whole<u64>> =
    Key::optional("expect_bytes", "The number of bytes that a right body has.", Whole { min: 0, max: u64::MAX });

pub(super) static EXPECT_SHA256: Key<Pattern> = Key::optional(
    "expect_sha256",
    "The SHA-256 that a right body has, in hexadecimal.",
    Pattern {
        what: "a SHA-256",
        hint: "write its 64 hexadecimal digits, as `sha256sum` prints them",
        pattern: "^[0-9A-Fa-f]{64}$",
        fits: |text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
    },
);

/// A text that may hold anything.
pub(super) struct AnyText;

impl Kind for AnyText {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        node.string().map(str::to_owned)
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string" })
    }
}

/// A file anywhere.
pub(super) struct AnyFile;

impl Kind for AnyFile {
    type Value = String;

    fn read(&self, node: &Node<'_>) -> Option<String> {
        let text = node.string()?;
        if text.is_empty() || text.contains('\0') {
            let message = format!("{} must be a file", node.what());
            node.error(Code::BadPath, message, "no file name", "write its name, from the folder of this file");
            return None;
        }
        Some(text.to_owned())
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// What RFC 9110 lets names of methods and headers have.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// What follows `#` is never sent, and a request line has only printable ASCII; but placeholders may name any file.
fn is_path(text: &str) -> bool {
    let mut rest = text;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    while let Some((plain, behind)) = rest.split_once("${") {
        let Some((_, after)) = behind.split_once('}') else { break };
        if !is_plain(plain) {
            return false;
        }
        rest = after;
    }
    text.starts_with('/') && is_plain(rest)
}
