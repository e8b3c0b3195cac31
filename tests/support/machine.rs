//! What is on the machine, read from `/proc` and not asked of the product.

use std::fs;
use std::path::Path;

/// Processes that belong to a project: its folder is in their environment or on their command line.
pub fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.display().to_string();
    let contains = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let line = read("cmdline");
        if pid != std::process::id() && (contains(&line) || contains(&read("environ"))) {
            found.push(format!("process {pid}: {}", String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// The pids of processes of a project whose command line has this word.
pub fn pids(folder: &Path, word: &str) -> Vec<i32> {
    let matching = processes_of(folder).into_iter().filter(|line| line.contains(word));
    matching.filter_map(|line| line.strip_prefix("process ")?.split(':').next()?.parse().ok()).collect()
}

/// Who listens on a TCP port.
pub fn listeners(port: u16) -> Vec<String> {
    let end = format!(":{port:04X}");
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if fields[1].ends_with(&end) && fields[3] == "0A" {
                found.push(format!("a listener on port {port}: {line}"));
            }
        }
    }
    found
}

/// Says that a test could not show what it is for: never silently.
#[expect(clippy::print_stderr, reason = "a test speaks to the tester")]
pub fn not_run(why: &str) {
    eprintln!("not run: {why}");
}
