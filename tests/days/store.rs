//! The store on a bad day: full, read-only, from the future, damaged.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::machine::not_run;
use crate::support::project::{Project, RUN, entries};
use crate::support::running::{RunDirectory, Running};

/// What holds when the record can't be written any more.
fn assert_stopped_and_kept(project: &Project, running: Running<'_>) {
    let run = RunDirectory(running.end_with_directory(|ended| {
        ended.assert_code(1).assert_said("error: can't write the record in ").assert_said("is the disk full?)");
        // The first error, and not one that came of it.
        ended.assert_said("because: trials/0001/raw/load.stdout: ").assert_not_said("a write before this one failed");
    }));
    project.assert_clean();
    assert!(!run.0.join("complete.json").exists());
    // What was written before is whole: every event, every file but the output that grew too large.
    let types = run.types();
    assert_eq!(types.last().map(String::as_str), Some("load-started"), "{types:?}");
    assert!(fs::metadata(run.0.join("trials/0001/raw/load.stdout")).unwrap().len() > 0);
    let halves: Vec<_> = entries(&run.0).into_iter().filter(|path| path.to_string_lossy().ends_with(".half")).collect();
    assert!(halves.is_empty(), "{halves:?}");
}

#[test]
fn a_file_that_may_not_grow_stops_the_run_and_leaves_the_machine_clean() {
    let mut project = Project::new();
    project.wrk("flood");
    let limited = project.started_by(&["sh", "-c", "ulimit -f 1000; exec \"$@\"", "sh"], RUN);
    let running = Running::start(&project, limited);
    assert_stopped_and_kept(&project, running);
    let list = project.timetrial(&["list"]);
    assert!(list.assert_code(0).stdout.contains("cut off or still running: 0 of 1"), "{}", list.stdout);
}

/// A small file system of its own, until the end of the test.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// None where that is not allowed.
    fn at(path: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", &path.display().to_string()]);
        mounted.then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.display().to_string()]);
    }
}

#[expect(clippy::disallowed_methods, reason = "makes the machine's bad day")]
fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs root: it mounts small file systems"]
fn a_full_disk_stops_the_run_and_leaves_the_machine_clean() {
    let mut project = Project::new();
    project.wrk("flood");
    let store = project.path("reports");
    let Some(_disk) = SmallDisk::at(&store, "size=1m") else { return not_run("mounting a tmpfs is not allowed") };
    assert_stopped_and_kept(&project, project.begin());
    // Too full for the beginning of another: nothing half is left of it.
    while fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(store.join("ballast"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[0; 4096]))
        .is_ok()
    {}
    let ended = project.run();
    ended.assert_code(2).assert_said("error: can't make the run directory reports/").assert_said("because: ");
    ended.assert_said("No space left on device").assert_said("(hint: choose a store that can be written");
    assert_eq!(project.runs().len(), 1);
    project.assert_clean();
}

#[test]
#[ignore = "needs root: it mounts a read-only file system"]
fn a_read_only_file_system_is_told_at_once() {
    let project = Project::new();
    let (store, state) = (project.path("reports"), project.path("s"));
    let Some(disk) = SmallDisk::at(&store, "ro") else { return not_run("mounting a tmpfs is not allowed") };
    let ended = project.run();
    ended.assert_code(2).assert_said("Read-only file system").assert_said("--store DIR");
    drop(disk);
    let Some(_disk) = SmallDisk::at(&state, "ro,mode=755") else { return not_run("mounting a tmpfs is not allowed") };
    let ended = project.run();
    ended.assert_code(5).assert_said("Read-only file system").assert_said("`state_dir` of this machine in hosts.toml");
    project.assert_clean();
}

#[test]
fn a_store_or_a_cache_that_can_not_be_made_is_told_with_what_to_do() {
    let mut project = Project::new();
    project.write("file", "not a directory");
    project.look();
    let ended = project.timetrial(&["run", "scenarios/day.toml", "--store", "file/reports"]);
    ended
        .assert_code(2)
        .assert_said("error: can't make the run directory file/reports/")
        .assert_said("Not a directory");
    ended.assert_said("(hint: choose a store that can be written with --store DIR)");
    project.assert_clean();

    project.inventory(&project.path("file/state"));
    project.look();
    let ended = project.run();
    ended.assert_code(5).assert_said("here: can't make ").assert_said("Not a directory").assert_said("(hint: ");
    RunDirectory::only(&project).assert_complete();
    project.assert_clean();
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for path in entries(from) {
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

#[test]
fn runs_from_the_future_damaged_and_half_written_are_told_apart() {
    let project = Project::new();
    project.run().assert_code(0);
    let newer = RunDirectory::only(&project).0;
    let [changed, half, broken] = ["changed", "half", "broken"].map(|name| {
        let copy = project.path("reports").join(name);
        copy_folder(&newer, &copy);
        copy
    });
    let id = |run: &Path| run.file_name().unwrap().to_string_lossy().into_owned();
    let plan = fs::read_to_string(newer.join("plan.json")).unwrap();
    let at = plan.find("\"format\": ").unwrap();
    let end = at + plan[at..].find([',', '\n']).unwrap();
    fs::write(newer.join("plan.json"), format!("{}\"format\": 999{}", &plan[..at], &plan[end..])).unwrap();
    fs::write(changed.join("trials/0001/raw/load.stdout"), "changed").unwrap();
    let events = fs::read_to_string(half.join("events.jsonl")).unwrap();
    fs::write(half.join("events.jsonl"), &events[..events.len() - 40]).unwrap();
    fs::remove_file(half.join("complete.json")).unwrap();
    fs::write(broken.join("events.jsonl"), events.replacen("\"sequence\"", "sequence", 1)).unwrap();

    let shown = project.timetrial(&["show", &id(&newer)]);
    shown.assert_code(2).assert_said("has format 999, and this version of timetrial reads up to 1");
    shown
        .assert_said("(hint: read it with the version of timetrial that made it, or a later one; nothing was changed)");
    shown.assert_not_said("warning");
    let shown = project.timetrial(&["show", &id(&changed)]);
    shown.assert_code(0).assert_said("trials/0001/raw/load.stdout was changed since the run's end");
    let shown = project.timetrial(&["show", &id(&half)]);
    shown.assert_code(0);
    assert!(shown.stdout.contains("cut off"), "{}", shown.stdout);
    project.timetrial(&["show", &id(&broken)]).assert_code(2).assert_said("events.jsonl: line 1: ");

    let list = project.timetrial(&["list"]);
    let line = |run: &Path| list.stdout.lines().find(|line| line.starts_with(&id(run))).unwrap().to_owned();
    assert!(line(&newer).contains("unreadable: ") && line(&newer).contains("has format 999"));
    assert!(line(&changed).contains("complete: 1 of 1"));
    assert!(line(&half).contains("cut off or still running: 1 of 1"));
    assert!(line(&broken).contains("unreadable: "));
}
