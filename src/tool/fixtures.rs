//! Captured outputs, and what is done to all of them: cutting and changing.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::{Exit, Output};
use crate::tool::error::ParseError;
use crate::tool::load::LoadRequest;

/// A folder under `tests/fixtures`.
pub(in crate::tool) fn folder(tool: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(tool)
}

/// The bytes of one fixture.
pub(in crate::tool) fn bytes(tool: &str, name: &str) -> Vec<u8> {
    std::fs::read(folder(tool).join(name)).unwrap()
}

/// A captured run: `NAME.out`, and `NAME.err` where anything was said.
pub(in crate::tool) fn output(tool: &str, name: &str, code: i32) -> Output {
    let stderr = std::fs::read(folder(tool).join(format!("{name}.err"))).unwrap_or_default();
    Output { exit: Exit::Code { code }, stdout: bytes(tool, &format!("{name}.out")), stderr }
}

/// All texts of 2015, by name.
pub(in crate::tool) fn texts_of_2015(tool: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(tool)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("2015-")).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), bytes(tool, &name))).collect()
}

/// The request of a captured run.
pub(in crate::tool) fn request(path: &str, threads: u32, connections: u32, seconds: u64) -> LoadRequest {
    LoadRequest {
        url: format!("http://127.0.0.1:18471{path}"),
        threads,
        connections,
        duration: Duration::from_secs(seconds),
        timeout: Duration::from_secs(2),
        rate: None,
        start_at_us: None,
        protocol: "HTTP/1.1".to_owned(),
        streams: 1,
    }
}

/// Cuts a good output after every byte: each piece must be an error, never figures.
pub(in crate::tool) fn refuses_every_cut<T: std::fmt::Debug>(
    whole: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, ParseError>,
) {
    parse(whole).unwrap();
    for end in 0..whole.len() {
        let result = parse(&whole[..end]);
        assert!(result.is_err(), "cut after {end} bytes: {result:?}");
    }
}

/// Changes, doubles and drops bytes.
pub(in crate::tool) fn mutate(bytes: &mut Vec<u8>, changes: &[(usize, u8, u8)]) {
    for &(place, how, byte) in changes {
        if bytes.is_empty() {
            return;
        }
        let place = place % bytes.len();
        match how % 4 {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => drop(bytes.remove(place)),
            _ => {
                let line = bytes[place..].split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
                bytes.splice(place..place, line);
            }
        }
    }
}
