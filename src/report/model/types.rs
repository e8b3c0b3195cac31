//! The types of what is shown. Whatever may come from outside is a [`Text`].

use jiff::Timestamp;

use crate::metric::{LoadFigures, NetworkFigures, count};
use crate::referee::{Summary, Verdict};
use crate::report::escape::Text;
use crate::report::model::tuned::Tuning;

/// A whole report.
#[derive(Debug)]
pub struct Model {
    /// What, when, where, and what a reader must know first.
    pub head: Head,
    /// How many trials have which verdict.
    pub summary: Summary,
    /// The results: one section for each round and document.
    pub sections: Vec<Section>,
    /// The network checks, if any was planned.
    pub network: Option<Network>,
    /// What was reckoned, set and put back.
    pub tuning: Tuning,
    /// Facts of each machine.
    pub machines: Vec<MachineFacts>,
    /// What was put into caches.
    pub software: Vec<Software>,
    /// The database.
    pub database: Option<DatabaseFacts>,
    /// The campaign's steps, in order.
    pub steps: Vec<Step>,
    /// Files that people wrote, with the beginning of each SHA-256.
    pub inputs: Vec<(Text, Text)>,
    /// The command that makes this report again.
    pub again: Text,
}

impl Model {
    /// Every row of every section.
    pub fn rows(&self) -> impl Iterator<Item = (&Section, &Row)> {
        self.sections.iter().flat_map(|section| section.rows().map(move |row| (section, row)))
    }
}

/// What, when, where, and what a reader must know first.
#[derive(Debug)]
pub struct Head {
    /// The run's id.
    pub run: Text,
    /// Its directory.
    pub directory: Text,
    /// The scenario's title.
    pub title: Text,
    /// The scenario's name.
    pub scenario: Text,
    /// The version that ran it.
    pub timetrial: Option<Text>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// How long it took, by its last event.
    pub took_ms: Option<u64>,
    /// One line for each machine.
    pub places: Vec<Text>,
    /// How it ended: one sentence.
    pub outcome: Text,
    /// Whether it ended by itself, with all its trials measured.
    pub whole: bool,
    /// What a reader must know first, the gravest first.
    pub notices: Vec<Notice>,
}

/// Something that a reader must know first.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    /// How grave it is.
    pub kind: NoticeKind,
    /// One or two sentences.
    pub text: Text,
}

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// Something is missing.
    Missing,
    /// Something is there, and worthless.
    Invalid,
    /// Something is doubtful.
    Doubt,
    /// Something limits what the numbers mean.
    Limit,
}

impl NoticeKind {
    /// The word and the sign before the notice.
    pub fn mark(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing => ("missing", "–"),
            Self::Invalid => ("invalid", "✕"),
            Self::Doubt => ("doubt", "▲"),
            Self::Limit => ("limit", "○"),
        }
    }
}

/// The trials of one round that must answer one document: what may be compared with one another.
#[derive(Debug)]
pub struct Section {
    /// The round.
    pub round: Text,
    /// The document.
    pub document: Text,
    /// The paths that answer it.
    pub endpoints: Vec<Text>,
    /// The load, in words.
    pub load: Text,
    /// Where it came from and went to.
    pub way: Text,
    /// The traits that all rows share, as `workers: 2`.
    pub alike: Vec<Text>,
    /// Rows that are alike in every trait, in the plan's order.
    pub groups: Vec<Group>,
    /// Which columns there are.
    pub shows: Shows,
}

impl Section {
    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }
}

/// Which of the columns that not every table needs are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shows {
    /// More than one endpoint.
    pub endpoint: bool,
    /// More than one sample.
    pub sample: bool,
    /// Answers that were no successes.
    pub all_answers: bool,
    /// Latencies that do not rest on all answers.
    pub timed: bool,
    /// A rate was asked for.
    pub rate_asked: bool,
    /// The load generator tells how late it was itself.
    pub lateness: bool,
}

/// Rows that are alike in every trait.
#[derive(Debug)]
pub struct Group {
    /// The traits in which this group differs from another one, as `keep-alive: no`. None when there is one group only.
    pub differs: Vec<Text>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One trial.
#[derive(Debug)]
pub struct Row {
    /// Its id.
    pub id: Text,
    /// The daemon's name.
    pub daemon: Text,
    /// The daemon's title.
    pub title: Text,
    /// The path.
    pub endpoint: Text,
    /// Which sample it is.
    pub repeat: u32,
    /// Of how many.
    pub repeats: u32,
    /// What the referee says.
    pub verdict: Verdict,
    /// How the trial ended: a stable word.
    pub outcome: &'static str,
    /// Why it failed.
    pub reason: Option<ReasonText>,
    /// What was measured.
    pub figures: Option<LoadFigures>,
    /// The rate that the plan asked for.
    pub rate_asked: Option<u64>,
    /// What must be alike, or said.
    pub traits: Traits,
    /// What the network allows at this size of answers, where it was checked.
    pub ceiling: Option<Ceiling>,
    /// Size of the answered document.
    pub body_bytes: Option<u64>,
    /// How long each step took.
    pub times: TrialTimes,
    /// The daemon's commands, with what was added to their environment.
    pub daemon_commands: Vec<Text>,
    /// The load generator's command; that of each machine, where the load came from several.
    pub load_commands: Vec<Text>,
    /// Whether these commands were really run, or only planned.
    pub begun: bool,
    /// Where its raw outputs are, from the run directory.
    pub raw: Text,
}

impl Row {
    /// What the referee found, with the rule's word.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, Text)> {
        self.verdict.findings().iter().map(|finding| (finding.rule, Text::from(&finding.message)))
    }

    /// `180 of 1,052`, where the latency does not rest on all answers.
    pub fn timed(&self) -> Option<String> {
        let figures = self.figures.as_ref()?;
        Some(format!("{} of {}", count(figures.answers_timed()?), count(figures.requests)))
    }

    /// Title, endpoint, and sample, as far as they tell rows of this section apart.
    pub fn label(&self, shows: Shows) -> Text {
        self.label_after(&self.title, shows)
    }

    /// The same with the daemon's short name, for narrow places.
    pub fn short_label(&self, shows: Shows) -> Text {
        self.label_after(&self.daemon, shows)
    }

    fn label_after(&self, name: &Text, shows: Shows) -> Text {
        let mut label = name.clone();
        if shows.endpoint {
            label = Text::joined([&label, &self.endpoint], " ");
        }
        if shows.sample {
            label = label.within("", &format!(", {}", self.sample()));
        }
        label
    }

    /// `sample 1 of 3`
    pub fn sample(&self) -> String {
        format!("sample {} of {}", self.repeat, self.repeats)
    }
}

/// What a network allows.
#[derive(Debug, Clone, Copy)]
pub struct Ceiling {
    /// Bits of answers that it was seen to carry in a second, at least.
    pub bits_per_second: f64,
    /// How many answers of this size that makes.
    pub answers_per_second: f64,
    /// The share of it that was reached.
    pub share: f64,
}

/// The network checks of a run.
#[derive(Debug)]
pub struct Network {
    /// Each check that has figures, in order.
    pub checks: Vec<CheckRow>,
    /// Checks that were planned and have none, in words.
    pub missing: Vec<Text>,
    /// Whether all of them went over the loopback of one machine.
    pub loopback: bool,
    /// Each measured trial of an endpoint that has a ceiling: its name, bytes of an answer, what was reached.
    pub ceilings: Vec<CeilingRow>,
}

/// One network check.
#[derive(Debug)]
pub struct CheckRow {
    /// The machine that asks.
    pub client: Text,
    /// The machine that answers.
    pub server: Text,
    /// When: `before` or `after`.
    pub when: &'static str,
    /// The tool and its version.
    pub tool: Text,
    /// What was measured.
    pub figures: NetworkFigures,
    /// The client's command and the server's.
    pub commands: [Text; 2],
}

/// An endpoint's ceiling beside what was reached.
#[derive(Debug)]
pub struct CeilingRow {
    /// The trial's id.
    pub trial: Text,
    /// Round, daemon, endpoint.
    pub name: Text,
    /// Mean bytes of an answer.
    pub bytes_per_response: f64,
    /// Answers per second, of any status.
    pub reached: f64,
    /// What the network allows.
    pub ceiling: Ceiling,
}

/// Why a trial failed.
#[derive(Debug)]
pub struct ReasonText {
    /// A stable word.
    pub code: Text,
    /// One sentence.
    pub message: Text,
    /// Log lines, differences, ...
    pub detail: Vec<Text>,
    /// What to do.
    pub hint: Option<Text>,
}

/// What must be alike between daemons, or said in words.
#[derive(Debug, Clone)]
pub struct Traits {
    /// Whether it keeps connections open: as seen, else as declared.
    pub keep_alive: Option<bool>,
    /// Whether that was seen.
    pub keep_alive_seen: bool,
    /// How it uses database connections.
    pub database: String,
    /// Worker processes: as counted, else as asked for.
    pub workers: Option<u32>,
    /// Whether they were counted.
    pub workers_seen: bool,
    /// The protocol that it speaks: as seen, else as declared.
    pub protocol: Text,
    /// Whether that was seen.
    pub protocol_seen: bool,
}

impl Traits {
    /// Each trait in words.
    pub fn words(&self) -> [Text; 4] {
        let keep_alive = self.keep_alive.map_or("not known", |keeps| if keeps { "yes" } else { "no" });
        let workers = self.workers.map_or("not known".to_owned(), |workers| workers.to_string());
        [
            Text::from(format!("keep-alive: {keep_alive}")),
            Text::from(format!("database connections: {}", self.database)),
            Text::from(format!("workers: {workers}")),
            self.protocol.within("protocol: ", ""),
        ]
    }
}

/// How long the steps of a trial took.
#[derive(Debug, Clone, Default)]
pub struct TrialTimes {
    /// When it began, since the campaign's start.
    pub at_ms: Option<u64>,
    /// Until it answered the right document.
    pub ready_ms: Option<u64>,
    /// Until its processes were calm.
    pub calm_ms: Option<u64>,
    /// The unmeasured load.
    pub warm_up_ms: Option<u64>,
    /// The load.
    pub load_ms: Option<u64>,
    /// Until all its processes were gone.
    pub stop_ms: Option<u64>,
    /// All together.
    pub whole_ms: Option<u64>,
    /// Process id and start time of each process of the daemon: the proof that it was fresh.
    pub started: Vec<(u32, Option<u64>)>,
}

/// Facts of a machine.
#[derive(Debug)]
pub struct MachineFacts {
    /// Its name in the inventory.
    pub name: Text,
    /// How it was reached, and what it did.
    pub part: Text,
    /// Its facts.
    pub facts: Vec<Fact>,
}

/// One fact, before and after.
#[derive(Debug)]
pub struct Fact {
    /// What it is.
    pub name: Text,
    /// Before the first trial.
    pub before: Option<Text>,
    /// After the last one.
    pub after: Option<Text>,
    /// Whether it changed and should not have: load and free memory move by themselves.
    pub changed: bool,
}

/// Something put into a machine's cache.
#[derive(Debug)]
pub struct Software {
    /// Its name in the plan.
    pub name: Text,
    /// The machine.
    pub machine: Text,
    /// What it is, in words.
    pub what: Text,
    /// Its digest, where it was put.
    pub digest: Option<Text>,
    /// Whether it was there already.
    pub reused: Option<bool>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Package or distribution and its version.
    pub versions: Vec<(Text, Text)>,
}

/// The database.
#[derive(Debug)]
pub struct DatabaseFacts {
    /// What it was told, and what it was asked for.
    pub facts: Vec<(Text, Text)>,
    /// Settings that differ from the server's defaults, as read back.
    pub settings: Vec<(Text, Text)>,
}

/// A step of the campaign.
#[derive(Debug)]
pub struct Step {
    /// Since the campaign's start.
    pub at_ms: u64,
    /// What was done.
    pub what: Text,
    /// How long it took.
    pub took_ms: Option<u64>,
}

/// What stands where nothing is known.
pub const UNKNOWN: &str = "–";

/// What is known, as it is said; else a dash, never 0. What is no number is not known.
pub fn said(number: Option<f64>, words: impl FnOnce(f64) -> String) -> Text {
    match number.filter(|number| number.is_finite()) {
        Some(number) => Text::from(words(number)),
        None => Text::from(UNKNOWN),
    }
}
