//! Tuning in sentences and tables, laid out once for every format that people read.

use crate::event::SumVerdict;
use crate::metric::{count, counted, duration_ms};
use crate::report::escape::Text;
use crate::report::model::{
    ChangeRow, ClusterRows, MachineTuning, PutBackRow, SettingRow, SumRow, Tuning, UNKNOWN, UndoneRows,
};

/// A piece of the section.
#[derive(Debug)]
pub enum Block {
    /// What follows is about this.
    Heading(Text),
    /// A paragraph.
    Line(Text),
    /// A table.
    Table {
        /// What it holds, for those who hear it.
        label: &'static str,
        /// The names of its columns.
        head: Vec<&'static str>,
        /// Its rows, each with a cell for each column.
        rows: Vec<Vec<Text>>,
    },
}

/// The section, in order.
pub fn blocks(tuning: &Tuning) -> Vec<Block> {
    let mut blocks = Vec::new();
    let no_machine = tuning.machines.iter().all(|one| one.tuned.is_none() && one.planned == 0);
    if no_machine && tuning.database.is_empty() {
        blocks.push(line("Nothing was tuned for this run."));
    }
    if !tuning.sums.is_empty() {
        blocks
            .push(line("Reckoned before anything was changed: what the plan asks for, beside what each machine has."));
        let rows = tuning.sums.iter().map(sum).collect();
        blocks.push(Block::Table { label: "Sums", head: vec!["Machine", "Sum", "Verdict"], rows });
    }
    for one in &tuning.machines {
        machine(&mut blocks, one);
    }
    for ClusterRows { title, cluster, settings, .. } in &tuning.database {
        blocks.push(Block::Heading(title.clone()));
        let took = settings.iter().filter(|setting| setting.took).count();
        blocks.push(line(format!("{took} of {} of the profile took, read back.", counted(settings.len(), "setting"))));
        // A private cluster is made anew with its profile: there is no value before.
        let is_own = cluster.is_some();
        let was = is_own.then_some("Was");
        let head = ["Setting"]
            .into_iter()
            .chain(was)
            .chain(["Asked for", "Read back", "Took", "In force from", "Stands in"])
            .collect();
        let with_source = |setting: &SettingRow| {
            let mut cells = setting_cells(setting, is_own);
            cells.insert(cells.len() - 1, known(setting.source.as_ref()));
            cells
        };
        let rows = settings.iter().map(with_source).collect();
        blocks.push(Block::Table { label: "Settings of PostgreSQL", head, rows });
        dangers(&mut blocks, settings);
    }
    blocks
}

fn line(text: impl Into<String>) -> Block {
    Block::Line(Text::from(text.into()))
}

fn known(text: Option<&Text>) -> Text {
    text.cloned().unwrap_or_else(|| Text::from(UNKNOWN))
}

fn sum(sum: &SumRow) -> Vec<Text> {
    let verdict = match sum.verdict {
        SumVerdict::Fits => "✓ fits",
        SumVerdict::Doubtful => "▲ may not fit",
        SumVerdict::Refused => "✕ can't work",
    };
    let verdict = match &sum.hint {
        Some(hint) => hint.within(&format!("{verdict}: "), ""),
        None => Text::from(verdict),
    };
    vec![sum.machine.clone(), sum.text.clone(), verdict]
}

fn machine(blocks: &mut Vec<Block>, one: &MachineTuning) {
    let profiles = Text::joined(&one.profiles, ", ");
    let name = match one.profiles.len() {
        0 => one.machine.clone(),
        1 => Text::joined([&one.machine, &profiles.within("profile ", "")], ", "),
        _ => Text::joined([&one.machine, &profiles.within("profiles ", "")], ", "),
    };
    blocks.push(Block::Heading(name));
    for left in &one.left {
        blocks.push(Block::Line(left.run.within("Run ", " had left this machine changed; before this run:")));
        put_back(blocks, left);
    }
    tuned(blocks, one);
    if let Some(verified) = &one.verified {
        let settings = counted(verified.settings, "setting");
        if verified.changed.is_empty() {
            blocks.push(line(format!("After the last trial, all of {settings} still stood as set.")));
        } else {
            let changed = verified.changed.len();
            blocks.push(line(format!("▲ After the last trial, {changed} of {settings} no longer stood as set:")));
            let rows = verified.changed.iter().map(|change| change_cells(change).to_vec()).collect();
            blocks.push(Block::Table { label: "Changed meanwhile", head: vec!["Setting", "Set to", "Was"], rows });
        }
    }
    if let Some(undone) = &one.undone {
        put_back(blocks, undone);
    } else if one.tuned.is_some() {
        blocks.push(line("▲ Nothing tells that it was put back: `timetrial restore` does it where it was not."));
    }
    if let Some(compared) = &one.compared {
        let values = counted(compared.values, "value");
        if compared.differences.is_empty() {
            blocks.push(line(format!("It is as it was found: {values} compared.")));
        } else {
            let differ = compared.differences.len();
            blocks.push(line(format!("▲ It is not as it was found: {differ} of {values} compared differ.")));
            let rows = compared.differences.iter().map(|change| {
                let whose = if change.ours { "tuned by this run" } else { "not tuned by this run" };
                change_cells(change).into_iter().chain([Text::from(whose)]).collect()
            });
            let rows = rows.collect();
            blocks.push(Block::Table { label: "Differences", head: vec!["Value", "Was", "Is", "Whose"], rows });
        }
    }
}

fn tuned(blocks: &mut Vec<Block>, one: &MachineTuning) {
    let Some(tuned) = &one.tuned else {
        if one.planned > 0 {
            let planned = counted(one.planned, "setting");
            blocks.push(line(format!("{planned} planned; the run ended before any was made.")));
        }
        return;
    };
    let took = tuned.settings.iter().filter(|setting| setting.took).count();
    let (settings, time) = (counted(tuned.settings.len(), "setting"), duration_ms(tuned.took_ms));
    blocks.push(line(format!("{took} of {settings} took, read back, in {time}.")));
    if let Some((soft, hard)) = tuned.nofile {
        let asked = tuned.nofile_asked.map_or_else(String::new, |(want, enough)| match enough {
            enough if enough < want => format!(", of {} asked for ({} is enough)", count(want), count(enough)),
            _ => format!(", of {} asked for", count(want)),
        });
        let got = format!("Open files of each process: {} (hard limit {}){asked}.", count(soft), count(hard));
        blocks.push(line(got));
    }
    if !tuned.settings.is_empty() {
        let head = vec!["Setting", "Before", "Asked for", "Read back", "Took", "Stands in"];
        let rows = tuned.settings.iter().map(|setting| setting_cells(setting, true)).collect();
        blocks.push(Block::Table { label: "Settings", head, rows });
    }
    dangers(blocks, &tuned.settings);
}

fn setting_cells(setting: &SettingRow, with_before: bool) -> Vec<Text> {
    let took = match (&setting.why, setting.took) {
        (None, true) => Text::from("yes"),
        // Less was enough, or it was so already: it took, and there is something to say.
        (Some(why), true) => why.within("yes: ", ""),
        (Some(why), false) => why.within("▲ no: ", ""),
        (None, false) => Text::from("▲ no"),
    };
    let before = with_before.then(|| known(setting.before.as_ref()));
    let rest = [setting.asked.clone(), known(setting.read_back.as_ref()), took, known(setting.from.as_ref())];
    std::iter::once(setting.name.clone()).chain(before).chain(rest).collect()
}

fn dangers(blocks: &mut Vec<Block>, settings: &[SettingRow]) {
    let rows = settings.iter().filter_map(|setting| Some(vec![setting.name.clone(), setting.danger.clone()?]));
    let rows: Vec<Vec<Text>> = rows.collect();
    if !rows.is_empty() {
        blocks.push(line("▲ Dangerous, and accepted by the scenario:"));
        blocks.push(Block::Table { label: "Dangers", head: vec!["Setting", "Danger"], rows });
    }
}

fn put_back(blocks: &mut Vec<Block>, undone: &UndoneRows) {
    let back = undone.entries.iter().filter(|entry| !matches!(entry.outcome, "left-alone" | "failed")).count();
    let (settings, time) = (counted(undone.entries.len(), "change"), duration_ms(undone.took_ms));
    let sign = if back == undone.entries.len() { "" } else { "▲ " };
    blocks.push(line(format!("{sign}Put back: {back} of {settings}, in {time}.")));
    if !undone.entries.is_empty() {
        let rows = undone.entries.iter().map(put_back_cells).collect();
        let head = vec!["Setting", "Found", "Was before", "What was done"];
        blocks.push(Block::Table { label: "Put back", head, rows });
    }
}

fn put_back_cells(entry: &PutBackRow) -> Vec<Text> {
    let done = match entry.outcome {
        "restored" => "put back, read back",
        "already-so" => "was so already",
        "left-alone" => "▲ left alone: somebody else set it meanwhile",
        "undone-by-boot" => "undone by a start of the machine",
        _ => "▲ not put back",
    };
    let done = match &entry.why {
        Some(why) => why.within(&format!("{done}: "), ""),
        None => Text::from(done),
    };
    vec![entry.name.clone(), known(entry.found.as_ref()), known(entry.before.as_ref()), done]
}

fn change_cells(change: &ChangeRow) -> [Text; 3] {
    [change.name.clone(), known(change.from.as_ref()), known(change.to.as_ref())]
}
