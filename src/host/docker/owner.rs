//! What is ours on an engine: the labels that say so, and whether the controller that made a thing still lives.

use std::collections::HashMap;

/// The run that a thing was made for.
pub(super) const RUN: &str = "timetrial.run";
/// The machine that a thing stands for.
pub(super) const MACHINE: &str = "timetrial.machine";
/// The controller that made it.
const CONTROLLER: &str = "timetrial.controller";
/// What outlives its run, and what it is: `cache`, `image`.
pub(super) const KEPT: &str = "timetrial.kept";

/// The labels of something that goes with its run.
pub(super) fn labels(run: &str) -> HashMap<String, String> {
    HashMap::from([(RUN.to_owned(), run.to_owned()), (CONTROLLER.to_owned(), controller())])
}

/// The filter for everything with a label.
pub(super) fn with_label(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}

/// Whether the controller of a thing is gone; none where that can't be seen from here.
pub(super) fn is_gone(labels: &HashMap<String, String>) -> Option<bool> {
    let mut words = labels.get(CONTROLLER)?.split(' ');
    let (place, pid, start) = (words.next()?, words.next()?, words.next()?);
    if place != here()? {
        return None;
    }
    Some(started(pid).is_none_or(|found| found != start))
}

/// Whether this process made a thing.
pub(super) fn is_mine(labels: &HashMap<String, String>) -> bool {
    labels.get(CONTROLLER).is_some_and(|found| *found == controller())
}

fn controller() -> String {
    myself().unwrap_or_else(|| "unknown".to_owned())
}

/// This process, as nobody else is called: where it runs, its pid, and when it was started.
fn myself() -> Option<String> {
    let pid = std::process::id().to_string();
    Some(format!("{} {pid} {}", here()?, started(&pid)?))
}

/// The boot, and the processes that can be seen.
fn here() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// When a process was started, in ticks since the boot: the 22nd field, counted behind the name, which may hold anything.
fn started(pid: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    // One that only waits for its parent to notice does nothing any more.
    let state = fields.next()?;
    let ticks = fields.nth(18)?;
    (state != "Z" && state != "X").then(|| ticks.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_known_by_more_than_its_pid() {
        let mine = labels("run");
        assert_eq!(mine[RUN], "run");
        assert_eq!(is_gone(&mine), Some(false));
        assert!(is_mine(&mine) && !is_mine(&HashMap::new()));
        let other = |controller: String| HashMap::from([(CONTROLLER.to_owned(), controller)]);
        let (here, pid) = (here().unwrap(), std::process::id());
        assert_eq!(is_gone(&other(format!("{here} {pid} 1"))), Some(true));
        assert!(!is_mine(&other(format!("{here} {pid} 1"))));
        assert_eq!(is_gone(&other(format!("{here} 4294967295 1"))), Some(true));
        assert_eq!(is_gone(&other(format!("elsewhere/pid:[1] {pid} 1"))), None);
        assert_eq!(is_gone(&other("unknown".to_owned())), None);
        assert_eq!(is_gone(&HashMap::new()), None);
    }
}
