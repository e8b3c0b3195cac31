//! Where the lines go: above a bar on a terminal, plain elsewhere, or as JSON.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::diagnostic::printable;
use crate::display::progress::Progress;
use crate::display::{json, lines};
use crate::event::{Event, Happening, Outcome};

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Lines above a bar, on a terminal's standard error.
    Bar,
    /// Lines on standard error.
    Plain,
    /// JSON lines on standard output.
    Json,
}

/// Shows events.
pub struct Display {
    style: Style,
    progress: Progress,
    /// How the last trial ended.
    told: Option<Outcome>,
    bar: ProgressBar,
}

impl Display {
    /// A display of this style.
    pub fn new(style: Style) -> Self {
        let target =
            if style == Style::Bar { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        // A template of ours can't be wrong at run time; the default bar would do as well.
        if let Ok(template) = ProgressStyle::with_template("{prefix} [{bar:30}] {wide_msg}") {
            bar.set_style(template.progress_chars("=> "));
        }
        Self { style, progress: Progress::default(), told: None, bar }
    }

    /// Shows an event. A display that can't be written to is no reason to stop.
    pub fn show(&mut self, event: &Event) {
        if self.style == Style::Json {
            let _ = writeln!(std::io::stdout().lock(), "{}", json::line(event));
            return;
        }
        self.progress.take(&event.event);
        if let Happening::TrialStarted { daemon, endpoint, round, repeat, .. } = &event.event {
            let repeat = if *repeat > 1 { format!(" (repeat {repeat})") } else { String::new() };
            self.say(&format!(
                "{}: {} {} in {}{repeat}",
                self.progress.position(),
                printable(daemon),
                printable(endpoint),
                printable(round)
            ));
        }
        for line in lines::of(&event.event, self.told.as_ref()) {
            self.say(&line);
        }
        if let Happening::TrialFinished { outcome, .. } = &event.event {
            self.told = Some(outcome.clone());
        }
        self.draw(&event.event);
    }

    /// Says a line.
    pub fn say(&self, line: &str) {
        match self.style {
            Style::Bar => self.bar.suspend(|| to_stderr(line)),
            Style::Plain | Style::Json => to_stderr(line),
        }
    }

    fn draw(&self, event: &Happening) {
        if self.style != Style::Bar {
            return;
        }
        let (done, all) = self.progress.thousandths();
        self.bar.set_length(all);
        self.bar.set_position(done);
        self.bar.set_prefix(self.progress.position());
        let left = self.progress.left().map_or_else(String::new, |left| format!("{} left, ", clock(left.as_secs())));
        self.bar.set_message(format!("{left}{}", printable(&self.progress.now())));
        if matches!(event, Happening::CampaignFinished { .. }) {
            self.bar.finish_and_clear();
        }
    }
}

fn to_stderr(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn clock(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
