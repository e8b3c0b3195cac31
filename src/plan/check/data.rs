//! Reads a data set: `scenarios/data/NAME/` with `documents/*.json`, `schema.sql` and `rows/TABLE.csv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{
    Code, Diagnostic, Diagnostics, Name, Place, Placed, SIZE_LIMIT, SourceFile, folder_entries, is_name, nearest_hint,
    read_bytes, read_source,
};
use crate::plan::check::{DataSet, ExpectedDocument, TableRows};

/// A larger file of rows is not even read.
const ROWS_LIMIT: u64 = 64 << 20;

/// The rows of all tables may be this large together: they go to the database's machine in one message of at most
/// 64 MiB, in which line breaks and quotes take two bytes.
const ALL_ROWS_LIMIT: u64 = 30 << 20;

/// Reads the data set that a scenario names; nothing if there is none of this name.
pub(super) fn read_data(
    project: &Path,
    name: &Placed<String>,
    schema_is_needed: bool,
    diagnostics: &mut Diagnostics,
) -> Option<DataSet> {
    let all = project.join("scenarios").join("data");
    let folder = all.join(&name.value);
    if !folder.is_dir() {
        let message = format!("there is no data set `{}`", name.value);
        let hint = nearest_hint(&name.value, "data sets", folder_names(&all).iter().map(String::as_str));
        let label = format!("no folder `{}`", folder.display());
        diagnostics.push(Diagnostic::at(Code::UnknownData, &name.place, message).label(label).hint(hint));
        return None;
    }
    let schema = schema(&folder, name, schema_is_needed, diagnostics);
    let documents = documents(&folder.join("documents"), diagnostics);
    let tables = tables(&folder.join("rows"), diagnostics);
    Some(DataSet { name: name.value.clone(), folder, documents, schema, tables })
}

/// The names of the folders in a folder.
pub(super) fn folder_names(folder: &Path) -> Vec<String> {
    let is_folder = |path: &PathBuf| path.is_dir();
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    folder_entries(folder).into_iter().filter(is_folder).filter_map(name).filter(|name| is_name(name)).collect()
}

fn schema(folder: &Path, name: &Placed<String>, is_needed: bool, diagnostics: &mut Diagnostics) -> Option<Vec<u8>> {
    let problem = match read_bytes(&folder.join("schema.sql"), SIZE_LIMIT) {
        Ok(bytes) => return Some(bytes),
        Err(problem) if problem.code() == Code::NoSuchFile && !is_needed => return None,
        Err(problem) => problem,
    };
    let problem = problem.if_missing("a data set for a database needs a schema.sql that creates its tables");
    diagnostics.push(problem.named_at(&name.place, "the database is made from this data set"));
    None
}

fn files_with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let has_extension = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    folder_entries(folder).into_iter().filter(has_extension).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn documents(folder: &Path, diagnostics: &mut Diagnostics) -> BTreeMap<String, ExpectedDocument> {
    let mut documents = BTreeMap::new();
    for path in files_with_extension(folder, "json") {
        match document(&path) {
            Ok(document) => {
                documents.insert(stem(&path), document);
            }
            Err(problem) => diagnostics.push(*problem),
        }
    }
    documents
}

fn document(path: &Path) -> Result<ExpectedDocument, Box<Diagnostic>> {
    if !is_name(&stem(path)) {
        let message = format!("`{}` can't be the name of a document", stem(path));
        return Err(Box::new(Diagnostic::in_file(Code::BadName, path, message).hint(Name::PLAIN.rule)));
    }
    let file = read_source(path).map_err(|problem| Box::new(problem.at_the_file()))?;
    let content = serde_json::from_str(&file.text).map_err(|error| Box::new(not_json(&file, &error)))?;
    Ok(ExpectedDocument { path: path.to_owned(), content, bytes: file.text.clone().into_bytes() })
}

/// The parser counts lines from 1 and columns in bytes, 0 before the first.
fn not_json(file: &Arc<SourceFile>, error: &serde_json::Error) -> Diagnostic {
    let offset = file.line_start(error.line()) + error.column().saturating_sub(1);
    let start = file.text.floor_char_boundary(offset.min(file.text.trim_end().len()));
    let end = file.text.ceil_char_boundary((start + 1).min(file.text.len()));
    // It ends with " at line 3 column 4", which the place says already.
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    Diagnostic::at(Code::InvalidDocument, &Place::new(file, start..end), format!("the document is not JSON: {reason}"))
        .label("not JSON from here")
        .hint("write the document exactly as an endpoint must answer it; the order of keys and spaces do not count")
}

fn tables(folder: &Path, diagnostics: &mut Diagnostics) -> Vec<TableRows> {
    let mut tables = Vec::new();
    for path in files_with_extension(folder, "csv") {
        match table(&path) {
            Ok(table) => tables.push(table),
            Err(problem) => diagnostics.push(*problem),
        }
    }
    let all: u64 = tables.iter().map(|table| table.bytes.len() as u64).sum();
    if all > ALL_ROWS_LIMIT {
        let (limit, all) = (ALL_ROWS_LIMIT >> 20, all.div_ceil(1 << 20));
        let message = format!("the rows of the data set hold {all} MiB in all, and {limit} MiB are allowed");
        let hint = "they are copied into each run and sent to the database in one message: keep fewer rows";
        diagnostics.push(Diagnostic::in_file(Code::TooLarge, folder, message).hint(hint));
    }
    tables
}

fn table(path: &Path) -> Result<TableRows, Box<Diagnostic>> {
    let table = stem(path);
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if table.is_empty() || !table.bytes().all(is_plain) || table.len() > 63 {
        let message = format!("`{table}` can't be the name of a table");
        let hint = "rows are named after their table: a-z, 0-9 and `_`, at most 63 characters";
        return Err(Box::new(Diagnostic::in_file(Code::BadName, path, message).hint(hint)));
    }
    let bytes = read_bytes(path, ROWS_LIMIT).map_err(|problem| Box::new(problem.at_the_file()))?;
    let rows = count_rows(path, &bytes)?;
    Ok(TableRows { table, rows, bytes })
}

/// Counts the rows behind the header, each of which must have as many fields.
fn count_rows(path: &Path, bytes: &[u8]) -> Result<u64, Box<Diagnostic>> {
    let invalid = |message: String| {
        let hint = "write CSV: a line with the columns' names, then a line for each row";
        Box::new(Diagnostic::in_file(Code::InvalidRows, path, message).hint(hint))
    };
    let mut reader = csv::Reader::from_reader(bytes);
    match reader.headers() {
        Ok(header) if header.is_empty() => return Err(invalid("the rows have no line with columns' names".to_owned())),
        Ok(_) => {}
        Err(error) => return Err(invalid(csv_reason(&error))),
    }
    let mut rows = 0;
    for record in reader.records() {
        record.map_err(|error| invalid(csv_reason(&error)))?;
        rows += 1;
    }
    Ok(rows)
}

fn csv_reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("the row on line {line} has {len} fields, and the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("the row on line {line} is not UTF-8")
        }
        _ => format!("the rows are not CSV: {error}"),
    }
}
