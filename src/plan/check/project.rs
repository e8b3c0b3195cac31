//! What a campaign is made from, once all its files are read and found right.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::inventory::Inventory;
use crate::plan::check::Profiles;
use crate::scenario::{Daemon, Scenario};

/// All that was written for a campaign, and the bytes of every file concerned.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder in which names resolve.
    pub folder: PathBuf,
    /// The scenario.
    pub scenario: Scenario,
    /// Its file in the project folder: `scenarios/quickstart.toml`.
    pub scenario_input: String,
    /// The machines.
    pub inventory: Inventory,
    /// The scenario's daemons, in its order.
    pub daemons: Vec<Daemon>,
    /// The data set.
    pub data: Option<DataSet>,
    /// The profiles of settings.
    pub profiles: Profiles,
    /// Every file that was read, and every file in the daemons' folders: for byte copies in the run directory.
    pub inputs: Vec<InputFile>,
}

/// The bytes of a file that the campaign depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Its path in the project folder, with `/`: `daemons/flask-gunicorn/application.py`. Never leaves the folder.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A data set: what endpoints must answer, and what the database holds.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The documents by name.
    pub documents: BTreeMap<String, ExpectedDocument>,
    /// `schema.sql`, if there is one.
    pub schema: Option<Vec<u8>>,
    /// The rows of each table, by the tables' names.
    pub tables: Vec<TableRows>,
}

/// A document that an endpoint must answer.
#[derive(Debug, Clone)]
pub struct ExpectedDocument {
    /// The file, as shown.
    pub path: PathBuf,
    /// What it says.
    pub content: serde_json::Value,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRows {
    /// The table.
    pub table: String,
    /// How many rows there are.
    pub rows: u64,
    /// The CSV file's bytes, header included.
    pub bytes: Vec<u8>,
}
