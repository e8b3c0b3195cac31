//! The data set in a server that runs: a role with a password of its own, a database, the tables, their rows counted.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use crate::agent::database::server::{Names, Server, succeeded};
use crate::agent::state::cannot;
use crate::wire::Failure;

/// What is in a server once it is filled, as read back.
pub(in crate::agent) struct Filled {
    /// Rows by table.
    pub(in crate::agent) rows: BTreeMap<String, u64>,
    /// What differs from PostgreSQL's own defaults.
    pub(in crate::agent) settings: BTreeMap<String, String>,
    /// The server's version.
    pub(in crate::agent) version: String,
    /// The owner's password.
    pub(in crate::agent) password: String,
}

/// Fills a server.
pub(in crate::agent) fn fill(server: &dyn Server) -> Result<Filled, Failure> {
    let Names { database, owner } = server.names();
    let request = server.request();
    let password = random_password()?;
    let encryption = if request.authentication == "md5" { "md5" } else { "scram-sha-256" };
    let role = format!("set password_encryption = '{encryption}';\ncreate role {owner} login password '{password}';\n");
    server.psql("postgres", role.into_bytes())?;
    // CREATE DATABASE can't run in a transaction, so not by `psql`. Encoding and locale are the same on all machines.
    let alike = ["--owner", owner, "--template", "template0", "--encoding", "UTF8", "--locale", "C.UTF-8", database];
    succeeded(&server.client("createdb", &alike, Vec::new())?, "PostgreSQL could not make the database")?;
    let mut sql = format!("set role {owner};\n").into_bytes();
    sql.extend_from_slice(&request.schema);
    for table in &request.rows {
        let name = identifier(&table.path)?;
        sql.extend_from_slice(format!("\ncopy {name} from stdin (format csv, header true);\n").as_bytes());
        sql.extend_from_slice(&table.bytes);
        sql.extend_from_slice(if table.bytes.ends_with(b"\n") { b"\\.\n" } else { b"\n\\.\n" });
    }
    // Statistics now, so that plans do not change when autovacuum comes by in the middle of a trial.
    for table in &request.rows {
        sql.extend_from_slice(format!("\nanalyze {};\n", identifier(&table.path)?).as_bytes());
    }
    server.psql(database, sql)?;
    let version = server.psql(database, b"show server_version;".to_vec())?.trim().to_owned();
    Ok(Filled { rows: count_rows(server)?, settings: settings(server)?, version, password })
}

fn count_rows(server: &dyn Server) -> Result<BTreeMap<String, u64>, Failure> {
    let mut rows = BTreeMap::new();
    for table in &server.request().rows {
        let name = identifier(&table.path)?;
        let text = server.psql(server.names().database, format!("select count(*) from {name};").into_bytes())?;
        let count = text
            .trim()
            .parse()
            .map_err(|_| Failure::new("database", format!("a count of `{name}` that is no number: {text}")))?;
        rows.insert(name.to_owned(), count);
    }
    Ok(rows)
}

/// Read back, not assumed: what the server says it runs with.
fn settings(server: &dyn Server) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "select name, setting || coalesce(' ' || unit, '') from pg_settings where source not in ('default', 'override', 'client') order by name;";
    let text = server.psql(server.names().database, sql.into())?;
    let own = server.own_path();
    let plain = |value: &str| own.as_ref().map_or_else(|| value.to_owned(), |own| value.replace(own, "{work}"));
    let row = |line: &str| line.split_once('\t').map(|(name, value)| (name.to_owned(), plain(value)));
    Ok(text.lines().filter_map(row).collect())
}

/// A table's name out of a file's: nothing that would have to be quoted.
fn identifier(name: &str) -> Result<&str, Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fine = !name.is_empty() && name.chars().all(plain);
    fine.then_some(name).ok_or_else(|| Failure::new("table-name", format!("`{name}` can't be a table's name")))
}

fn random_password() -> Result<String, Failure> {
    let mut bytes = [0; 24];
    let source = Path::new("/dev/urandom");
    let read = fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| cannot("read", source, &error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
