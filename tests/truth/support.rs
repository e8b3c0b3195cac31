//! A truth server, a load, and what both said.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// How a command ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs our own command to its end.
pub fn timetrial(arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_timetrial")).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A server that counts. It ends by itself, and at the latest when it is let go of.
pub struct Truth {
    process: Child,
    stdout: BufReader<ChildStdout>,
    pub address: String,
}

impl Truth {
    pub fn start(options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_timetrial"))
            .args(["truth", "--seconds", "60"])
            .args(if options.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = said["address"].as_str().unwrap().to_owned();
        Self { process, stdout, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it: what it has counted.
    pub fn counts(mut self) -> Value {
        let pid = nix::unistd::Pid::from_raw(self.process.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        self.process.wait().unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A load as JSON: its exit code and its last line.
pub fn load(url: &str, options: &[&str]) -> (i32, Value) {
    let mut arguments = vec!["load", url, "--message-format", "json"];
    arguments.extend(options);
    let ended = timetrial(&arguments);
    let last = ended.stdout.lines().last().unwrap_or_else(|| panic!("nothing was printed: {}", ended.stderr));
    let result: Value = serde_json::from_str(last).unwrap();
    assert_eq!(result["type"], "result", "{last}");
    (ended.code, result)
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// How often a load failed in this phase, for a reason that begins so.
pub fn errors(result: &Value, phase: &str, reason: &str) -> u64 {
    let lines = result["errors"].as_array().unwrap().iter();
    let lines = lines.filter(|line| line["phase"] == phase && line["reason"].as_str().unwrap().starts_with(reason));
    lines.map(|line| number(&line["errors_count"])).sum()
}
