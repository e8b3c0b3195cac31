//! What is said of an event, in a line or several. Where nothing needs saying, nothing is said.

use crate::diagnostic::printable;
use crate::display::tuning;
use crate::event::{Happening, Outcome, Reason};
use crate::metric::{LoadFigures, bit_rate, count, counted, duration_us, rate, short_bytes};

/// The lines of an event. What ended the last trial (`told`) and the campaign with it is said once.
pub fn of(event: &Happening, told: Option<&Outcome>) -> Vec<String> {
    match event {
        Happening::CampaignStarted { run, trials, .. } => vec![format!("run {run}: {}", counted(*trials, "trial"))],
        Happening::CampaignResumed { finished, left, .. } => {
            vec![format!("resumed: {} finished before, {left} to run", counted(*finished, "trial"))]
        }
        Happening::MachineConnected { .. }
        | Happening::MachineShared { .. }
        | Happening::MachineReleased { .. }
        | Happening::ProvisionFinished { .. }
        | Happening::DatabaseStarted { .. }
        | Happening::DatabaseStopped { .. }
        | Happening::NetworkChecked { .. } => machine(event),
        Happening::Reckoned { .. }
        | Happening::LeftUndone { .. }
        | Happening::MachineTuned { .. }
        | Happening::TuningVerified { .. }
        | Happening::TuningUndone { .. }
        | Happening::MachineCompared { .. } => tuning::of(event),
        Happening::ProvisionProgress { name, line, .. } => vec![format!("  {}: {}", printable(name), printable(line))],
        Happening::DaemonStopped { process, killed, took_ms, leftovers, .. } => {
            let killed =
                killed.then(|| format!("    its process {process} had to be killed, after {}", seconds(*took_ms)));
            let leftovers = (!leftovers.is_empty())
                .then(|| format!("    outlived its daemon and was killed: {}", printable(&leftovers.join(", "))));
            killed.into_iter().chain(leftovers).collect()
        }
        Happening::DaemonCalm { calm: false, cpu_percent, .. } => {
            vec![format!("    not calm before the load: {cpu_percent:.0} % of a CPU")]
        }
        Happening::TrialMeasured { figures, .. } => {
            vec![format!("    {}", figures_line(&LoadFigures::clone(figures).founded()))]
        }
        Happening::DocumentChecked { right: false, detail, .. } => {
            vec![format!("    wrong answer after the load: {}", printable(detail.as_deref().unwrap_or("no detail")))]
        }
        Happening::TrialFinished { outcome, .. } => outcome_lines(outcome, "    "),
        Happening::Warning { message } => vec![format!("warning: {}", printable(message))],
        Happening::CampaignFinished { outcome, measured, failed, not_run } => {
            finished(outcome, *measured, *failed, *not_run, told == Some(outcome))
        }
        _ => Vec::new(),
    }
}

fn machine(event: &Happening) -> Vec<String> {
    match event {
        Happening::MachineConnected { machine, swept, sent_bytes, .. } => {
            let sent = match sent_bytes {
                None => String::new(),
                Some(0) => ": our program was there already".to_owned(),
                Some(bytes) => format!(": our program was sent, {}", short_bytes(*bytes)),
            };
            let swept = swept.iter().map(|left| format!("  left by a dead agent, removed: {}", printable(left)));
            std::iter::once(format!("  {} is ready{sent}", printable(machine))).chain(swept).collect()
        }
        Happening::MachineShared { machine, other } => {
            vec![format!("  {} is the same machine as {}: one agent for both", printable(machine), printable(other))]
        }
        Happening::MachineReleased { machine, stopped, removed_work_dir } => {
            let mut lines: Vec<String> =
                stopped.iter().map(|what| format!("  {}: stopped {}", printable(machine), printable(what))).collect();
            if !removed_work_dir {
                lines.push(format!(
                    "warning: {}: the work directory could not be removed; the next run sweeps it",
                    printable(machine)
                ));
            }
            lines
        }
        Happening::ProvisionFinished { name, reused, bytes, took_ms, .. } => {
            let how = if *reused { "reused".to_owned() } else { format!("made in {}", seconds(*took_ms)) };
            vec![format!("  {}: {how} ({})", printable(name), short_bytes(*bytes))]
        }
        Happening::DatabaseStarted { version, port, took_ms, rows, .. } => {
            let rows: Vec<String> =
                rows.iter().map(|(table, rows)| format!("{} {}", printable(table), count(*rows))).collect();
            vec![format!(
                "  PostgreSQL {} on port {port} in {}: {}",
                printable(version),
                seconds(*took_ms),
                rows.join(", ")
            )]
        }
        Happening::NetworkChecked { client, server, tool, figures, loopback, .. } => {
            let (client, server) = (printable(client), printable(server));
            let way = if *loopback || client == server {
                format!("loopback of {server}")
            } else {
                format!("network {client} - {server}")
            };
            let [there, back] = [&figures.to_server, &figures.to_client].map(|flow| bit_rate(flow.bits_per_second()));
            vec![format!("  {way}, both ways at once by {}: requests {there}, answers {back}", printable(tool))]
        }
        Happening::DatabaseStopped { cluster: Some(cluster), took_ms, .. } => {
            vec![format!("  PostgreSQL {} left to itself again, in {}", printable(cluster), seconds(*took_ms))]
        }
        Happening::DatabaseStopped { took_ms, .. } => {
            vec![format!("  PostgreSQL stopped, its data removed, in {}", seconds(*took_ms))]
        }
        _ => Vec::new(),
    }
}

fn figures_line(figures: &LoadFigures) -> String {
    let latency = figures.waiting().map_or("no latency".to_owned(), |waiting| {
        let p99 = waiting.percentile(99.0).map_or_else(String::new, |us| format!(", p99 {}", duration_us(us)));
        format!("mean {}{p99}", duration_us(waiting.mean_us))
    });
    let errors: Vec<String> = figures
        .errors
        .by_kind()
        .iter()
        .filter(|(_, many)| *many > 0)
        .map(|(kind, many)| format!("{} {kind}", count(*many)))
        .collect();
    let errors = if errors.is_empty() { "no errors".to_owned() } else { format!("errors: {}", errors.join(", ")) };
    format!("{} requests/s, {latency}, {errors}", rate(figures.successes_per_second()))
}

fn outcome_lines(outcome: &Outcome, indent: &str) -> Vec<String> {
    match outcome {
        Outcome::Measured => Vec::new(),
        Outcome::Interrupted => vec![format!("{indent}interrupted")],
        Outcome::Failed { reason } => reason_lines(reason, indent),
    }
}

fn reason_lines(reason: &Reason, indent: &str) -> Vec<String> {
    let detail = reason.detail.iter().map(|line| format!("{indent}  | {}", printable(line)));
    let hint = reason.hint.iter().map(|hint| format!("{indent}  (hint: {})", printable(hint)));
    std::iter::once(format!("{indent}failed: {}", printable(&reason.message))).chain(detail).chain(hint).collect()
}

fn finished(outcome: &Outcome, measured: usize, failed: usize, not_run: usize, told: bool) -> Vec<String> {
    let mut line = format!("{measured} measured");
    if failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    if not_run > 0 {
        line.push_str(&format!(", {not_run} not run"));
    }
    let mut lines = if told { Vec::new() } else { outcome_lines(outcome, "") };
    lines.push(line);
    lines
}

fn seconds(ms: u64) -> String {
    duration_us(ms as f64 * 1e3)
}
