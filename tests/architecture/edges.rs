//! The edges between rooms.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{self, Source, project};
use crate::table::{MAY_USE, may_use};

/// Every edge that is really there, with its first place.
fn edges() -> BTreeMap<(String, String), String> {
    let mut edges = BTreeMap::new();
    for source in sources::all() {
        let Some(room) = source.room() else { continue };
        for mention in source.mentions() {
            let Some(other) = mention.room().filter(|other| *other != room) else { continue };
            // A module of the crate, not a macro or a function at its root: those don't exist, see below.
            edges
                .entry((room.to_owned(), other.to_owned()))
                .or_insert_with(|| format!("{}:{}", source.path, mention.line));
        }
    }
    edges
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let wrong: Vec<String> = edges()
        .into_iter()
        .filter(|((room, other), _)| !may_use(room).is_some_and(|allowed| allowed.contains(&other.as_str())))
        .map(|((room, other), place)| format!("{place}: `{room}` uses `{other}`"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{}\nA line that needs two rooms belongs to the higher one, or the lower room lacks a type. Where the edge is \
         right, add it to tests/architecture/table.rs and to docs/architecture.md, with its reason.",
        wrong.join("\n")
    );
}

#[test]
fn the_table_allows_nothing_that_nobody_needs() {
    let real = edges();
    for (room, others) in MAY_USE {
        for other in *others {
            let edge = ((*room).to_owned(), (*other).to_owned());
            assert!(real.contains_key(&edge), "`{room}` no longer uses `{other}`: take the edge out of the table");
        }
    }
}

#[test]
fn every_room_is_in_the_table() {
    let rooms: BTreeSet<String> = sources::all().iter().filter_map(Source::room).map(str::to_owned).collect();
    let known: BTreeSet<String> = MAY_USE.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, known);
}

/// The table is written from the lowest room to the highest: whoever uses only rooms above it in the table can't be
/// part of a circle.
#[test]
fn there_is_no_circle() {
    let mut before: Vec<&str> = Vec::new();
    for (room, others) in MAY_USE {
        for other in *others {
            assert!(before.contains(other), "`{room}` stands before `{other}`, which it uses");
        }
        before.push(room);
    }
}

#[test]
fn the_map_for_people_shows_the_same_table() {
    let text = std::fs::read_to_string(project().join("docs/architecture.md")).expect("there is a map");
    let mut shown = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _, others] = cells[..] else { continue };
        let room = room.trim_matches('`').to_owned();
        if may_use(&room).is_some() {
            let others: BTreeSet<&str> = others.split(", ").filter(|other| *other != "-").collect();
            shown.insert(room, others);
        }
    }
    for (room, others) in MAY_USE {
        let expected: BTreeSet<&str> = others.iter().copied().collect();
        let expected = if *room == "cli" { BTreeSet::from(["all"]) } else { expected };
        assert_eq!(shown.get(*room), Some(&expected), "docs/architecture.md, the row of `{room}`");
    }
}

#[test]
fn the_root_only_names_the_rooms() {
    let sources = sources::all();
    let root = sources.iter().find(|source| source.path == "src/lib.rs").expect("there is a root");
    for item in &root.file.items {
        let is_room = matches!(item, syn::Item::Mod(module) if module.content.is_none());
        assert!(is_room, "src/lib.rs holds something else than rooms: a re-export there hides edges");
    }
}

#[test]
fn globs_of_the_module_above_stand_only_in_tests() {
    for source in sources::all() {
        for mention in source.mentions() {
            let place = format!("{}:{}", source.path, mention.line);
            assert!(
                mention.in_tests || !mention.is_glob_of_super,
                "{place}: `use super::*` hides where names come from"
            );
        }
    }
}
