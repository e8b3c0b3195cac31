//! What a part of the bench found: figures of each generator, goals, and what does not fit.

use crate::cli::bench::Spread;
use crate::cli::bench::load::goal::{Goal, Unit};
use crate::cli::bench::load::rounds::{Figure, Series};

/// A figure that each generator has.
pub struct Column {
    /// Its name for people.
    pub title: &'static str,
    /// Its name in JSON, without its unit.
    pub key: &'static str,
    /// Of what it is.
    pub unit: Unit,
    /// How it is had of a load.
    pub of: Box<Figure>,
}

impl Column {
    /// A new one.
    pub fn new(
        title: &'static str,
        key: &'static str,
        unit: Unit,
        of: impl Fn(&super::generator::Outcome) -> Option<f64> + 'static,
    ) -> Self {
        Self { title, key, unit, of: Box::new(of) }
    }
}

/// A generator's figures.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// One for each column.
    pub cells: Vec<Option<Spread>>,
    /// Rounds that were not disturbed.
    pub clean: usize,
    /// All.
    pub rounds: usize,
}

/// What a part found.
pub struct Section {
    /// Its name, as `--only` takes it.
    pub name: &'static str,
    /// What was measured.
    pub title: String,
    /// The figures' names and units.
    pub columns: Vec<(&'static str, &'static str, Unit)>,
    /// The figures.
    pub rows: Vec<Row>,
    /// What was to be reached.
    pub goals: Vec<Goal>,
    /// What does not fit.
    pub remarks: Vec<String>,
}

impl Section {
    /// Of these series.
    pub fn new(
        name: &'static str,
        title: impl Into<String>,
        columns: &[Column],
        series: &[Series],
        goals: Vec<Goal>,
    ) -> Self {
        let row = |series: &Series| {
            let (clean, rounds) = series.clean_of_all();
            Row {
                name: series.name,
                cells: columns.iter().map(|column| series.spread(&column.of)).collect(),
                clean,
                rounds,
            }
        };
        Self {
            name,
            title: title.into(),
            columns: columns.iter().map(|column| (column.title, column.key, column.unit)).collect(),
            rows: series.iter().map(row).collect(),
            goals,
            remarks: series.iter().flat_map(Series::remarks).collect(),
        }
    }
}
