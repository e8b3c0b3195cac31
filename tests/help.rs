//! What the command says of itself: help, completions, the manual page, exit codes; and that what is shipped as an
//! example is right.
#![expect(clippy::disallowed_methods, reason = "the command is run as a person would run it")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use timetrial::cli::exit;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The exit code, standard output and standard error.
fn timetrial(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_timetrial"))
        .args(arguments)
        .current_dir(project())
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn prints(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = timetrial(arguments);
    assert_eq!(code, i32::from(exit::FINE), "{arguments:?}: {stderr}");
    assert!(!stdout.trim().is_empty(), "{arguments:?} prints nothing");
    stdout
}

/// The commands, as the help lists them.
fn commands() -> BTreeSet<String> {
    let help = prints(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let names: BTreeSet<String> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.contains("run") && names.len() > 8, "{names:?}");
    names
}

#[test]
fn every_command_has_help_in_a_few_words_and_in_full() {
    for command in commands() {
        let help = prints(&[&command, "--help"]);
        let first = help.lines().next().unwrap_or_default();
        assert!(!first.is_empty() && first.len() <= 90 && !first.ends_with('.'), "{command}: {first}");
        assert!(help.contains(&format!("Usage: timetrial {command}")), "{command}: {help}");
        prints(&[&command, "-h"]);
        prints(&["help", &command]);
    }
    assert!(prints(&["--version"]).starts_with("timetrial "));
}

#[test]
fn the_agent_and_its_shim_are_not_for_people() {
    assert!(!commands().contains("agent") && !commands().contains("exec"));
    prints(&["agent", "--help"]);
}

#[test]
fn a_wrong_argument_is_the_users_and_says_what_is_right() {
    let (code, stdout, stderr) = timetrial(&["chek"]);
    assert_eq!((code, stdout.as_str()), (i32::from(exit::WRONG_INPUT), ""));
    assert!(stderr.contains("'check'"), "{stderr}");
    assert_eq!(timetrial(&[]).0, i32::from(exit::WRONG_INPUT));
}

#[test]
fn completions_are_made_for_each_shell() {
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef timetrial"), ("fish", "complete -c timetrial")] {
        let text = prints(&["completions", shell]);
        assert!(text.contains(sign), "{shell}: {text}");
        for command in commands() {
            assert!(text.contains(&command), "{shell} does not complete {command}");
        }
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash is there");
    let text = prints(&["completions", "bash"]);
    bash.stdin.take().expect("it was piped").write_all(text.as_bytes()).expect("bash reads it");
    assert!(bash.wait().expect("bash ends").success(), "bash can't read its completions");
}

#[test]
fn the_manual_page_has_its_parts() {
    let page = prints(&["man"]);
    for part in [".TH timetrial 1", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH SUBCOMMANDS"] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn the_readme_names_every_command_and_no_other() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("there is a README");
    let named = readme.lines().filter_map(|line| line.strip_prefix("| `timetrial ")?.split(['`', ' ']).next());
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    assert_eq!(named, commands());
}

#[test]
fn the_readme_tells_every_exit_code() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("there is a README");
    let told = readme.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok());
    let told: BTreeSet<u8> = told.collect();
    let all = [exit::FINE, exit::FAILED, exit::WRONG_INPUT, exit::INVALID, exit::NOT_FIT, exit::INTERRUPTED];
    assert_eq!(told, BTreeSet::from(all));
}

#[test]
fn shipped_scenarios_are_right() {
    let scenarios = std::fs::read_dir(project().join("scenarios")).expect("there are scenarios").flatten();
    let scenarios =
        scenarios.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let mut checked = 0;
    for scenario in scenarios {
        let (code, stdout, stderr) = timetrial(&["check", &scenario.display().to_string()]);
        if std::fs::read_to_string(&scenario).expect("it is there").contains("\n[tune.") {
            // The shipped inventory is somebody's own machine, which is tuned only with his word.
            assert_eq!(code, 2, "{}: {stdout}", scenario.display());
            assert!(
                stderr.starts_with("error[may-not-tune]") && stderr.contains("add the line `may_tune = true`"),
                "{stderr}"
            );
        } else {
            assert_eq!((code, stderr.as_str()), (0, ""), "{}: {stdout}", scenario.display());
        }
        checked += 1;
    }
    assert!(checked > 0, "there is no scenario");
}
