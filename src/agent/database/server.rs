//! What the two kinds of PostgreSQL have in common: the campaign's private cluster, and the machine's own one. All that is
//! done to a server that runs goes through here, so that both get the same data, the same profile and the same checks.

use crate::agent::tail_lines;
use crate::command::Output;
use crate::wire::{DatabaseRequest, Failure};

/// A PostgreSQL server.
pub(in crate::agent) trait Server {
    /// What the campaign asks of it.
    fn request(&self) -> &DatabaseRequest;

    /// The campaign's database and its owner.
    fn names(&self) -> Names;

    /// Runs one of PostgreSQL's own client programs as the superuser, over the socket.
    fn client(&self, program: &str, arguments: &[&str], input: Vec<u8>) -> Result<Output, Failure>;

    /// The name of the profile's file, which this server's configuration includes.
    fn drop_in(&self) -> &'static str;

    /// Writes the profile's file: these lines first.
    fn write_profile(&self, lines: &str) -> Result<(), Failure>;

    /// Has a server that never starts read its files and this one setting.
    fn dry_start(&self, setting: &str, value: &str) -> Result<Output, Failure>;

    /// Whether only a start makes it what the campaign needs, whatever the profile asks for.
    fn must_restart(&self) -> bool {
        false
    }

    /// Starts it again; a server that ends at its start is the failure `database-died`.
    fn restart(&mut self) -> Result<(), Failure>;

    /// The last it said.
    fn last_words(&self) -> Vec<u8>;

    /// What of a setting stands for this one server, and shall be told as `{work}`.
    fn own_path(&self) -> Option<String>;

    /// Runs SQL from standard input (never from argv: it may hold the password) and gives tab-separated rows.
    fn psql(&self, database: &str, sql: Vec<u8>) -> Result<String, Failure> {
        let arguments = [
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
            "--single-transaction",
            "--file=-",
            "--dbname",
            database,
        ];
        let output = self.client("psql", &arguments, sql)?;
        succeeded(&output, "PostgreSQL refused what it was asked")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What the campaign makes in a server.
#[derive(Debug, Clone, Copy)]
pub(in crate::agent) struct Names {
    /// The database.
    pub(in crate::agent) database: &'static str,
    /// The role that owns it.
    pub(in crate::agent) owner: &'static str,
}

/// Whether a program ended well.
pub(in crate::agent) fn succeeded(output: &Output, what: &str) -> Result<(), Failure> {
    if output.exit.is_success() {
        return Ok(());
    }
    Err(Failure::new("database", format!("{what}: {}", output.exit)).detail(tail_lines(&output.stderr, 12)))
}

/// A string of `postgresql.conf`. A line break in it would end the line.
pub(in crate::agent) fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r");
    format!("'{escaped}'")
}

/// An element of a setting that is a list: without quotes a comma would end it.
pub(in crate::agent) fn in_list(element: &str) -> String {
    format!("\"{}\"", element.replace('"', "\"\""))
}

/// The lines of `pg_hba.conf` by which the campaign's daemons get in.
pub(in crate::agent) fn admission(request: &DatabaseRequest, names: Names) -> String {
    let Names { database, owner } = names;
    let mut lines = String::new();
    for address in &request.client_addresses {
        let bits = if address.contains(':') { 128 } else { 32 };
        lines.push_str(&format!("hostnossl {database} {owner} {address}/{bits} {}\n", request.authentication));
        // Whoever goes to any address of the loopback comes from this one.
        if address.starts_with("127.") && address != "127.0.0.1" {
            lines.push_str(&format!("hostnossl {database} {owner} 127.0.0.1/32 {}\n", request.authentication));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_in_a_setting_whatever_is_in_it() {
        let setting = |path: &str| quoted(&in_list(path));
        assert_eq!(setting("/tmp/plain/s"), r#"'"/tmp/plain/s"'"#);
        assert_eq!(setting("/tmp/a,b's dir/s"), r#"'"/tmp/a,b''s dir/s"'"#);
        assert_eq!(setting(r#"/a\n"b"#), r#"'"/a\\n""b"'"#);
        assert_eq!(quoted("two\nlines"), r"'two\nlines'");
    }
}
