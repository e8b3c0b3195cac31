//! Bytes from outside that want to be obeyed: a terminal, a browser and a spreadsheet see them, and nothing happens.

use crate::support::project::{Project, Scenario};
use crate::support::running::RunDirectory;

const LOG: &str = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J<script>alert(1)</script>\u{202e}\u{9b}31m=cmd|' /C calc'!A0\r\n";

/// What a terminal would obey: control characters but the end of a line, and marks that turn the direction of text.
fn obeyed(text: &str) -> Option<char> {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().find(|c| (c.is_control() && *c != '\n') || turns(*c))
}

/// Every place where outside bytes are shown.
fn assert_harmless(project: &Project, run: &RunDirectory, printed: [&str; 2]) {
    let shown = project.timetrial(&["show"]);
    let as_json = project.timetrial(&["show", "--message-format", "json"]);
    let pages = ["index.html", "report.md", "trials.csv", "report.json"]
        .map(|page| String::from_utf8(run.bytes(&format!("report/{page}"))).unwrap());
    for text in
        [printed[0], printed[1], &shown.stdout, &shown.stderr].into_iter().chain(pages.iter().map(String::as_str))
    {
        assert_eq!(obeyed(text), None, "{text}");
    }
    assert!(!as_json.stdout.contains('\u{1b}'));
    assert!(!pages[0].to_lowercase().contains("<script"), "{}", pages[0]);
    assert!(
        pages[1].lines().all(|line| line.starts_with("    ") || !line.contains("<script")) || pages[1].contains("```")
    );
    for record in csv::ReaderBuilder::new().flexible(true).from_reader(pages[2].as_bytes()).records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
}

#[test]
fn a_hostile_log_line_is_kept_as_it_is_and_shown_harmless() {
    let scenario = Scenario { daemons: &["bad"], ..Scenario::default() };
    let mut project = Project::with(&[("bad", &["--log-file", "log.txt", "--die-at-start"])], &scenario);
    project.write("daemons/bad/log.txt", LOG);
    project.look();
    let ended = project.run();
    ended.assert_code(1).assert_said("<script>alert(1)</script>");
    let run = RunDirectory::only(&project);
    assert!(run.bytes("trials/0001/raw/daemon-1.stdout").starts_with(LOG.as_bytes()));
    assert_harmless(&project, &run, [&ended.stdout, &ended.stderr]);
    let json = project.timetrial(&["run", "scenarios/day.toml", "--message-format", "json"]);
    json.assert_code(1);
    assert!(!json.stdout.contains('\u{1b}') && json.stdout.contains("alert(1)"));
    assert!(json.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{}", json.stdout);
    project.assert_clean();
}

#[test]
fn a_hostile_raw_output_is_kept_as_it_is_and_shown_harmless() {
    let shows = |mode, begin: &str| {
        let mut project = Project::new();
        project.wrk(mode);
        let ended = project.run();
        ended.assert_code(1);
        let run = RunDirectory::only(&project);
        assert!(run.bytes("trials/0001/raw/load.stdout").starts_with(begin.as_bytes()), "{mode}");
        assert_harmless(&project, &run, [&ended.stdout, &ended.stderr]);
        project.assert_clean();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| shows("garbage", "\u{1b}]52;c;ZXZpbA==\u{7}<script>"));
        scope.spawn(|| shows("formula", "=cmd|' /C calc'!A0\n"));
    });
}
