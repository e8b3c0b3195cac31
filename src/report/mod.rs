//! A stored run, rendered: one page, one document, one table, one data file. Reads a [`crate::store::StoredRun`] and
//! nothing else, so that a report can be made again at any time. One file per format; what they show is in `model`.

mod csv;
mod escape;
mod html;
mod json;
mod json_tuning;
mod markdown;
mod model;
mod page;
mod svg;
mod terminal;
mod tuning;
mod words;

pub use page::Report;
