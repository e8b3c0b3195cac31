//! A report in all its formats.

use crate::referee::Summary;
use crate::report::model::Model;
use crate::report::{csv, html, json, markdown, terminal};
use crate::store::StoredRun;

/// A run, judged and ready to be rendered. All formats show the same numbers, because they share one model.
#[derive(Debug)]
pub struct Report {
    model: Model,
}

impl Report {
    /// Judges a run and lays its tables out.
    pub fn new(run: &StoredRun) -> Self {
        Self { model: Model::new(run) }
    }

    /// How many trials have which verdict.
    pub fn summary(&self) -> Summary {
        self.model.summary
    }

    /// One self-contained page: no script, nothing loaded from anywhere.
    pub fn html(&self) -> String {
        html::page(&self.model)
    }

    /// The results for a terminal.
    pub fn terminal(&self) -> String {
        terminal::text(&self.model)
    }

    /// The same tables for a text editor, a repository, or a comment.
    pub fn markdown(&self) -> String {
        markdown::document(&self.model)
    }

    /// One line for each trial, every figure in plain units; an empty cell is a figure that is not known.
    pub fn csv(&self) -> String {
        csv::table(&self.model)
    }

    /// Everything above for programs, versioned.
    pub fn json(&self) -> String {
        json::document(&self.model)
    }
}
