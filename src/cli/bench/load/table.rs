//! The bench's result, for people and for programs. Pure.

use crate::cli::bench::Spread;
use crate::cli::bench::load::goal::{Goal, Reached, Sense, Unit};
use crate::cli::bench::load::section::{Row, Section};

/// Aligned text: figures of each generator, then what was to be reached.
pub fn human(sections: &[Section], head: &str) -> String {
    let mut text = format!("{head}\n");
    for section in sections {
        text += &format!("\n{}\n\n", section.title);
        text += &aligned(figures(section));
        if !section.goals.is_empty() {
            text.push('\n');
            text += &aligned(goals(section));
        }
        for remark in &section.remarks {
            text += &format!("  ! {remark}\n");
        }
    }
    let all: Vec<Reached> = sections.iter().flat_map(|section| &section.goals).map(Goal::reached).collect();
    let count = |wanted: Reached| all.iter().filter(|reached| **reached == wanted).count();
    let (aim, unsure, unknown) = (count(Reached::Aim), count(Reached::Unsure), count(Reached::Unknown));
    text += &format!(
        "\n{} of {} targets are reached, {aim} of them with their aim; {} are not; {unsure} are unsure, {unknown} were \
         not measured.\n",
        aim + count(Reached::Target),
        all.len(),
        count(Reached::No),
    );
    text
}

fn figures(section: &Section) -> Vec<Vec<String>> {
    let mut lines = vec![vec![String::new()]];
    lines[0].extend(section.columns.iter().map(|(title, ..)| (*title).to_owned()));
    for Row { name, cells, .. } in &section.rows {
        let cells = cells.iter().zip(&section.columns).map(|(cell, (.., unit))| written(*unit, cell.as_ref()));
        lines.push(std::iter::once((*name).to_owned()).chain(cells).collect());
    }
    lines
}

fn written(unit: Unit, spread: Option<&Spread>) -> String {
    let Some(spread) = spread else { return "-".to_owned() };
    let median = unit.write(spread.median);
    // The unit was said.
    let bare = |value: f64| unit.write(value).trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned();
    match () {
        () if spread.least == spread.most => median,
        // A range over two units says both.
        () if unit.write(spread.least).split(' ').nth(1) != unit.write(spread.most).split(' ').nth(1) => {
            format!("{median} ({} to {})", unit.write(spread.least), unit.write(spread.most))
        }
        () => format!("{median} ({} to {})", bare(spread.least), bare(spread.most)),
    }
}

fn goals(section: &Section) -> Vec<Vec<String>> {
    let heads = ["", "must be", "aim", "is", "reached"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for goal in &section.goals {
        let side = match goal.sense {
            Sense::AtLeast => "≥",
            Sense::AtMost => "≤",
        };
        let is = match &goal.figures {
            Err(why) => why.clone(),
            Ok(_) => written(goal.unit, goal.spread().as_ref()),
        };
        lines.push(vec![
            goal.what.clone(),
            format!("{side} {}", goal.unit.write_bound(goal.target)),
            goal.aim.map_or_else(|| "-".to_owned(), |aim| format!("{side} {}", goal.unit.write_bound(aim))),
            is,
            goal.reached().word().to_owned(),
        ]);
    }
    lines
}

/// Columns as wide as their widest cell. The first one and the words are at the left.
fn aligned(lines: Vec<Vec<String>>) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += format!("  {}", cells.collect::<Vec<_>>().join("   ")).trim_end();
        text.push('\n');
    }
    text
}

/// A line for each generator's figures, then one for each goal.
pub fn json(sections: &[Section], rounds: u32) -> String {
    let mut text = String::new();
    for section in sections {
        for row in &section.rows {
            let mut line = serde_json::json!({"bench": "load", "type": "figures", "part": section.name,
                "title": section.title, "generator": row.name, "rounds": rounds, "rounds_measured": row.rounds,
                "rounds_clean": row.clean});
            for (cell, (_, key, unit)) in row.cells.iter().zip(&section.columns) {
                line[format!("{key}_{}", unit.key())] = spread_json(cell.as_ref());
            }
            text += &format!("{line}\n");
        }
        for goal in &section.goals {
            text += &format!("{}\n", goal_json(goal, section));
        }
        for remark in &section.remarks {
            text += &format!(
                "{}\n",
                serde_json::json!({"bench": "load", "type": "remark", "part": section.name, "text": remark})
            );
        }
    }
    text
}

fn spread_json(spread: Option<&Spread>) -> serde_json::Value {
    spread.map_or(
        serde_json::Value::Null,
        |spread| serde_json::json!({"median": spread.median, "min": spread.least, "max": spread.most}),
    )
}

fn goal_json(goal: &Goal, section: &Section) -> serde_json::Value {
    let sense = match goal.sense {
        Sense::AtLeast => "at-least",
        Sense::AtMost => "at-most",
    };
    let reached = goal.reached();
    let known = |is: bool| (!matches!(reached, Reached::Unsure | Reached::Unknown)).then_some(is);
    serde_json::json!({"bench": "load", "type": "goal", "part": section.name, "what": goal.what,
        "unit": goal.unit.key(), "sense": sense, "target": goal.target, "aim": goal.aim,
        "figure": spread_json(goal.spread().as_ref()), "figures": goal.figures.as_ref().ok().map(|figures| &figures.values),
        "disturbed": goal.figures.as_ref().is_ok_and(|figures| figures.are_disturbed),
        "not_measured_because": goal.figures.as_ref().err(),
        "reached": known(reached != Reached::No), "aim_reached": known(reached == Reached::Aim)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::load::goal::Figures;

    fn section() -> Section {
        let spread = |median, least, most| Some(Spread { median, least, most });
        let goal = |what: &str, figures| Goal {
            what: what.to_owned(),
            unit: Unit::Times,
            sense: Sense::AtLeast,
            target: 1.05,
            aim: Some(1.1),
            figures,
        };
        Section {
            name: "closed",
            title: "as fast as answers come".to_owned(),
            columns: vec![("requests/CPU-s", "requests", Unit::PerCpuSecond), ("p99", "p99", Unit::Us)],
            rows: vec![
                Row {
                    name: "timetrial, epoll",
                    cells: vec![spread(141_934.2, 139_000.0, 142_000.0), spread(980.0, 90.0, 12_000.0)],
                    clean: 4,
                    rounds: 5,
                },
                Row { name: "wrk", cells: vec![spread(124_800.0, 124_800.0, 124_800.0), None], clean: 5, rounds: 5 },
            ],
            goals: vec![
                goal("epoll over wrk", Ok(Figures { values: vec![1.12, 1.14, 1.0], are_disturbed: false })),
                goal("epoll over oha", Err("not here: oha".to_owned())),
            ],
            remarks: vec!["timetrial, epoll: 1 of 5 rounds do not count".to_owned()],
        }
    }

    #[test]
    fn people_see_a_table() {
        let expected = "head\n\nas fast as answers come\n\n\
            \x20                    requests/CPU-s               p99\n\
            \x20 timetrial, epoll   141,934 (139,000 to 142,000)   980 µs (90.0 µs to 12.0 ms)\n\
            \x20 wrk                124,800                      -\n\n\
            \x20                  must be    aim       is                     reached\n\
            \x20 epoll over wrk   ≥ 1.05 ×   ≥ 1.1 ×   1.12 × (1.00 to 1.14)   yes, the aim too\n\
            \x20 epoll over oha   ≥ 1.05 ×   ≥ 1.1 ×   not here: oha          not measured\n\
            \x20 ! timetrial, epoll: 1 of 5 rounds do not count\n\n\
            1 of 2 targets are reached, 1 of them with their aim; 0 are not; 0 are unsure, 1 were not measured.\n";
        let squeezed = |text: &str| {
            text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let text = human(&[section()], "head");
        assert_eq!(squeezed(&text), squeezed(expected), "{text}");
        // Cells of a column begin at one place.
        let places: Vec<usize> =
            text.lines().filter(|line| line.contains("epoll over")).filter_map(|line| line.find('≥')).collect();
        assert_eq!(places[0], places[1]);
    }

    #[test]
    fn programs_see_a_line_for_each_thing() {
        let text = json(&[section()], 5);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["requests_per_cpu_s"]["median"], 141_934.2);
        assert_eq!(lines[1]["p99_us"], serde_json::Value::Null);
        assert_eq!((&lines[2]["reached"], &lines[2]["aim_reached"]), (&true.into(), &true.into()));
        assert_eq!(lines[3]["reached"], serde_json::Value::Null);
        assert_eq!(lines[3]["not_measured_because"], "not here: oha");
    }
}
