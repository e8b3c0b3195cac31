//! JSON: everything that the page shows, for programs. The types here are the format; [`FORMAT`] is its version.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metric::{LoadFigures, NetworkFigures};
use crate::report::escape::{self, Text};
use crate::report::json_tuning::{TuningOut, tuning};
use crate::report::model::{self, MachineFacts, Model, ReasonText, Row, Section};

/// The version of the format.
const FORMAT: u32 = 1;

/// The whole document.
pub fn document(model: &Model) -> String {
    let document = Document {
        format: FORMAT,
        run: run(model),
        summary: summary(model),
        notices: model.head.notices.iter().map(|n| Notice { kind: n.kind.mark().0, text: &n.text }).collect(),
        sections: model.sections.iter().map(section).collect(),
        trials: model.rows().map(|(section, row)| trial(section, row)).collect(),
        network: model.network.as_ref().map(network),
        tuning: tuning(&model.tuning),
        machines: model.machines.iter().map(machine).collect(),
        software: model.software.iter().map(software).collect(),
        database: model.database.as_ref().map(|database| Database {
            facts: database.facts.iter().map(pair).collect(),
            settings: database.settings.iter().map(pair).collect(),
        }),
        steps: model.steps.iter().map(|s| Step { at_ms: s.at_ms, what: &s.what, took_ms: s.took_ms }).collect(),
        inputs: model.inputs.iter().map(pair).collect(),
        again: &model.again,
    };
    let text = serde_json::to_string_pretty(&document).expect("every key is text, and memory takes every byte");
    escape::json(&text) + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    run: Run<'a>,
    summary: BTreeMap<&'static str, usize>,
    notices: Vec<Notice<'a>>,
    sections: Vec<SectionOut<'a>>,
    trials: Vec<Trial<'a>>,
    network: Option<NetworkOut<'a>>,
    tuning: TuningOut<'a>,
    machines: Vec<Machine<'a>>,
    software: Vec<Software<'a>>,
    database: Option<Database<'a>>,
    steps: Vec<Step<'a>>,
    inputs: Vec<Pair<'a>>,
    again: &'a Text,
}

#[derive(Serialize)]
struct Notice<'a> {
    kind: &'static str,
    text: &'a Text,
}

#[derive(Serialize)]
struct Run<'a> {
    id: &'a Text,
    directory: &'a Text,
    title: &'a Text,
    scenario: &'a Text,
    timetrial: Option<&'a Text>,
    started: Option<String>,
    took_ms: Option<u64>,
    whole: bool,
    outcome: &'a Text,
}

fn run(model: &Model) -> Run<'_> {
    let head = &model.head;
    Run {
        id: &head.run,
        directory: &head.directory,
        title: &head.title,
        scenario: &head.scenario,
        timetrial: head.timetrial.as_ref(),
        started: head.started.map(|time| time.to_string()),
        took_ms: head.took_ms,
        whole: head.whole,
        outcome: &head.outcome,
    }
}

fn summary(model: &Model) -> BTreeMap<&'static str, usize> {
    let summary = model.summary;
    BTreeMap::from([
        ("trials", summary.trials),
        ("valid", summary.valid),
        ("suspect", summary.suspect),
        ("invalid", summary.invalid),
        ("unjudged", summary.unjudged),
        ("not_measured", summary.not_measured),
        ("not_begun", summary.not_begun),
    ])
}

/// Trials that may be compared with one another.
#[derive(Serialize)]
struct SectionOut<'a> {
    round: &'a Text,
    document: &'a Text,
    load: &'a Text,
    way: &'a Text,
    alike: &'a [Text],
    groups: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    differs: &'a [Text],
    trials: Vec<&'a Text>,
}

fn section(section: &Section) -> SectionOut<'_> {
    SectionOut {
        round: &section.round,
        document: &section.document,
        load: &section.load,
        way: &section.way,
        alike: &section.alike,
        groups: section
            .groups
            .iter()
            .map(|group| Group { differs: &group.differs, trials: group.rows.iter().map(|row| &row.id).collect() })
            .collect(),
    }
}

#[derive(Serialize)]
struct Trial<'a> {
    id: &'a Text,
    round: &'a Text,
    daemon: &'a Text,
    title: &'a Text,
    endpoint: &'a Text,
    document: &'a Text,
    sample: u32,
    samples_planned: u32,
    outcome: &'static str,
    failure: Option<Failure<'a>>,
    verdict: &'static str,
    findings: Vec<Finding>,
    figures: Option<&'a LoadFigures>,
    derived: Option<Derived>,
    network_ceiling: Option<CeilingOut>,
    rate_asked: Option<u64>,
    body_bytes: Option<u64>,
    traits: Traits<'a>,
    times: Times,
    daemon_commands: &'a [Text],
    load_command: Option<&'a Text>,
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    more_load_commands: &'a [Text],
    raw: &'a Text,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a Text,
    message: &'a Text,
    detail: &'a [Text],
    hint: Option<&'a Text>,
}

#[derive(Serialize)]
struct Finding {
    rule: &'static str,
    message: Text,
}

/// What follows from the figures. A number that does not follow is null.
#[derive(Serialize)]
struct Derived {
    successes: u64,
    successes_per_s: f64,
    answers_per_s: f64,
    bytes_per_response: Option<f64>,
    connections_alive: u32,
}

#[derive(Serialize)]
struct Traits<'a> {
    keep_alive: Option<bool>,
    keep_alive_seen: bool,
    database_connections: &'a str,
    workers: Option<u32>,
    workers_seen: bool,
    protocol: &'a Text,
    protocol_seen: bool,
}

#[derive(Serialize)]
struct Times {
    at_ms: Option<u64>,
    ready_ms: Option<u64>,
    calm_ms: Option<u64>,
    warm_up_ms: Option<u64>,
    load_ms: Option<u64>,
    stop_ms: Option<u64>,
    whole_ms: Option<u64>,
}

fn trial<'a>(section: &'a Section, row: &'a Row) -> Trial<'a> {
    Trial {
        id: &row.id,
        round: &section.round,
        daemon: &row.daemon,
        title: &row.title,
        endpoint: &row.endpoint,
        document: &section.document,
        sample: row.repeat,
        samples_planned: row.repeats,
        outcome: row.outcome,
        failure: row.reason.as_ref().map(failure),
        verdict: row.verdict.word(),
        findings: row.findings().map(|(rule, message)| Finding { rule, message }).collect(),
        figures: row.figures.as_ref(),
        derived: row.figures.as_ref().map(derived),
        network_ceiling: row.ceiling.as_ref().map(|ceiling| CeilingOut {
            bits_per_s: ceiling.bits_per_second,
            answers_per_s: ceiling.answers_per_second,
            share: ceiling.share,
        }),
        rate_asked: row.rate_asked,
        body_bytes: row.body_bytes,
        traits: traits(row),
        times: times(row),
        daemon_commands: &row.daemon_commands,
        load_command: row.load_commands.first(),
        more_load_commands: row.load_commands.get(1..).unwrap_or_default(),
        raw: &row.raw,
    }
}

fn failure(reason: &ReasonText) -> Failure<'_> {
    Failure { code: &reason.code, message: &reason.message, detail: &reason.detail, hint: reason.hint.as_ref() }
}

fn derived(figures: &LoadFigures) -> Derived {
    Derived {
        successes: figures.successes(),
        successes_per_s: figures.successes_per_second(),
        answers_per_s: figures.requests_per_second(),
        bytes_per_response: figures.bytes_per_response(),
        connections_alive: figures.connections_alive(),
    }
}

fn traits(row: &Row) -> Traits<'_> {
    Traits {
        keep_alive: row.traits.keep_alive,
        keep_alive_seen: row.traits.keep_alive_seen,
        database_connections: &row.traits.database,
        workers: row.traits.workers,
        workers_seen: row.traits.workers_seen,
        protocol: &row.traits.protocol,
        protocol_seen: row.traits.protocol_seen,
    }
}

fn times(row: &Row) -> Times {
    let times = &row.times;
    Times {
        at_ms: times.at_ms,
        ready_ms: times.ready_ms,
        calm_ms: times.calm_ms,
        warm_up_ms: times.warm_up_ms,
        load_ms: times.load_ms,
        stop_ms: times.stop_ms,
        whole_ms: times.whole_ms,
    }
}

/// What the network allows at the size of a trial's answers.
#[derive(Serialize)]
struct CeilingOut {
    bits_per_s: f64,
    answers_per_s: f64,
    share: f64,
}

#[derive(Serialize)]
struct NetworkOut<'a> {
    loopback: bool,
    checks: Vec<CheckOut<'a>>,
    missing: &'a [Text],
}

#[derive(Serialize)]
struct CheckOut<'a> {
    client: &'a Text,
    server: &'a Text,
    when: &'static str,
    requests_bits_per_s: f64,
    answers_bits_per_s: f64,
    figures: &'a NetworkFigures,
    client_command: &'a Text,
    server_command: &'a Text,
}

fn network(network: &model::Network) -> NetworkOut<'_> {
    let checks = network.checks.iter().map(|check| CheckOut {
        client: &check.client,
        server: &check.server,
        when: check.when,
        requests_bits_per_s: check.figures.to_server.bits_per_second(),
        answers_bits_per_s: check.figures.to_client.bits_per_second(),
        figures: &check.figures,
        client_command: &check.commands[0],
        server_command: &check.commands[1],
    });
    NetworkOut { loopback: network.loopback, checks: checks.collect(), missing: &network.missing }
}

#[derive(Serialize)]
struct Machine<'a> {
    name: &'a Text,
    part: &'a Text,
    facts: Vec<Fact<'a>>,
}

#[derive(Serialize)]
struct Fact<'a> {
    name: &'a Text,
    before: Option<&'a Text>,
    after: Option<&'a Text>,
    changed: bool,
}

fn machine(machine: &MachineFacts) -> Machine<'_> {
    let facts = machine.facts.iter().map(|fact| Fact {
        name: &fact.name,
        before: fact.before.as_ref(),
        after: fact.after.as_ref(),
        changed: fact.changed,
    });
    Machine { name: &machine.name, part: &machine.part, facts: facts.collect() }
}

#[derive(Serialize)]
struct Software<'a> {
    name: &'a Text,
    machine: &'a Text,
    what: &'a Text,
    digest: Option<&'a Text>,
    reused: Option<bool>,
    bytes: Option<u64>,
    versions: Vec<Pair<'a>>,
}

fn software(software: &model::Software) -> Software<'_> {
    Software {
        name: &software.name,
        machine: &software.machine,
        what: &software.what,
        digest: software.digest.as_ref(),
        reused: software.reused,
        bytes: software.bytes,
        versions: software.versions.iter().map(pair).collect(),
    }
}

#[derive(Serialize)]
struct Database<'a> {
    facts: Vec<Pair<'a>>,
    settings: Vec<Pair<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    at_ms: u64,
    what: &'a Text,
    took_ms: Option<u64>,
}

/// A name and its value: a list of them, because two names from outside may be alike.
#[derive(Serialize)]
struct Pair<'a> {
    name: &'a Text,
    value: &'a Text,
}

fn pair((name, value): &(Text, Text)) -> Pair<'_> {
    Pair { name, value }
}
