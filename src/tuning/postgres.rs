//! Reads `postgres-conf/NAME.conf`, in the syntax of `postgresql.conf`, and knows which of its settings a profile must
//! not hold, and which are dangerous.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, Placed, SourceFile};
use crate::tuning::WrittenSetting;
use crate::tuning::sysctl::{lines, trimmed};

/// Reads a profile of PostgreSQL settings. Lines that are wrong are reported, all of them, and left out. Of a setting that
/// stands twice the last one counts, as for PostgreSQL; that is a warning.
pub fn parse_conf(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Vec<WrittenSetting> {
    let mut found = Vec::new();
    let mut settings: Vec<Option<WrittenSetting>> = Vec::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(&file.text) {
        match setting(file, line) {
            Ok(Some(setting)) => {
                let before = at.insert(setting.name.value.clone(), settings.len());
                if let Some(first) = before.and_then(|at| settings.get_mut(at)).and_then(Option::take) {
                    found.push(twice(&first, &setting));
                }
                settings.push(Some(setting));
            }
            Ok(None) => {}
            Err(problem) => found.push(*problem),
        }
    }
    diagnostics.push_all_of(&file.path, found);
    settings.into_iter().flatten().collect()
}

/// The setting of a line, if it has one.
fn setting(file: &Arc<SourceFile>, line: Range<usize>) -> Result<Option<WrittenSetting>, Box<Diagnostic>> {
    let span = trimmed(file, line);
    let text = file.text.get(span.clone()).unwrap_or_default();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || "_$.".contains(character);
    let length = text.find(|character| !is_of_name(character)).unwrap_or(text.len());
    let place = Place::new(file, span.start..span.start + length);
    let name = Placed::new(text.get(..length).unwrap_or_default().to_ascii_lowercase(), place);
    if !is_conf_name(&name.value) {
        let hint = "write name = value, as work_mem = 32MB; comments begin with `#`";
        return Err(bad(&Place::new(file, span), "this is no setting of PostgreSQL", "not a setting", hint));
    }
    if let Some(why) = conf_refused(&name.value) {
        let message = format!("no profile may set `{}`: {why}", name.value);
        let diagnostic = Diagnostic::at(Code::RefusedSetting, &name.place, message).label("never set here");
        return Err(Box::new(diagnostic.hint("remove the line")));
    }
    let rest = trimmed(file, span.start + length..span.end);
    let rest = match file.text.get(rest.clone()).unwrap_or_default().starts_with('=') {
        true => trimmed(file, rest.start + 1..rest.end),
        false => rest,
    };
    let value = value(file, rest, &name)?;
    Ok(Some(WrittenSetting { name, value, tolerant: false }))
}

/// `work_mem`, `pg_stat_statements.max`
fn is_conf_name(name: &str) -> bool {
    let begins = |part: &str| part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    name.split('.').count() <= 2 && name.split('.').all(begins)
}

/// A value, with a comment behind it if there is one.
fn value(file: &Arc<SourceFile>, span: Range<usize>, name: &Placed<String>) -> Result<Placed<String>, Box<Diagnostic>> {
    let text = file.text.get(span.clone()).unwrap_or_default();
    let place = |length: usize| Place::new(file, span.start..span.start + length);
    let name_text = &name.value;
    if text.is_empty() || text.starts_with('#') {
        let hint = format!("write {name_text} = VALUE, or remove the line");
        return Err(bad(&name.place, format!("`{name_text}` has no value"), "set to what?", hint));
    }
    let (value, length) = match text.strip_prefix('\'') {
        Some(quoted) => match unquoted(quoted) {
            Some((value, length)) => (value, length + 1),
            None => {
                let message = format!("the quotes around the value of `{name_text}` do not end");
                return Err(bad(&place(text.len()), message, "no end", "write a `'` behind it"));
            }
        },
        None => {
            let length =
                text.find(|character: char| character.is_whitespace() || character == '#').unwrap_or(text.len());
            (text.get(..length).unwrap_or_default().to_owned(), length)
        }
    };
    let behind = text.get(length..).unwrap_or_default().trim_start();
    let is_plain =
        |character: char| !character.is_ascii() || character.is_ascii_alphanumeric() || "_.:/+-".contains(character);
    let is_bare = !text.starts_with('\'');
    if !behind.is_empty() && !behind.starts_with('#') || is_bare && !value.chars().all(is_plain) {
        let message = format!("the value of `{name_text}` needs quotes");
        let hint = format!("write {name_text} = '{}'; a `'` in it is written twice", text.replace('\'', "''"));
        return Err(bad(&place(text.len()), message, "more than one word", hint));
    }
    if value.chars().any(char::is_control) {
        let message = format!("the value of `{name_text}` holds a control character");
        return Err(bad(&place(length), message, "not plain text", "write one line of plain text"));
    }
    Ok(Placed::new(value, place(length)))
}

/// What stands in quotes, and how many bytes it takes with the one that ends it. A quote in it is written twice or behind
/// a backslash, as PostgreSQL reads it.
fn unquoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
                value.push('\'');
            }
            '\'' => return Some((value, at + 1)),
            '\\' => match characters.next()?.1 {
                'b' => value.push('\u{8}'),
                'f' => value.push('\u{c}'),
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                first @ '0'..='7' => {
                    let mut code = first.to_digit(8)?;
                    while let Some(digit) =
                        characters.peek().and_then(|(_, next)| next.to_digit(8)).filter(|_| code < 32)
                    {
                        code = code * 8 + digit;
                        characters.next();
                    }
                    value.push(char::from_u32(code)?);
                }
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

fn twice(first: &WrittenSetting, second: &WrittenSetting) -> Diagnostic {
    let message = format!("`{}` is set twice in one profile", second.name.value);
    Diagnostic::at(Code::Duplicate, &second.name.place, message)
        .warning()
        .label("this one counts")
        .also(&first.name.place, "and this one does not")
        .hint("remove one of the two")
}

fn bad(place: &Place, message: impl Into<String>, label: &str, hint: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::at(Code::BadSetting, place, message).label(label).hint(hint))
}

const OURS: &str = "the scenario and the inventory decide it, and each campaign sets it itself";
const PLACE: &str = "it names files of the machine that it was written for";
const RECORD: &str = "each campaign keeps what the server says, and finds it where it is by default";
const PROGRAM: &str = "the server runs or loads what it names";
const OTHERS: &str = "the campaign's cluster stands alone";

/// Why no profile may set this, if so.
pub fn conf_refused(name: &str) -> Option<&'static str> {
    let why = match name {
        "listen_addresses" | "port" | "password_encryption" | "timezone" | "log_timezone" => OURS,
        "data_directory" | "hba_file" | "ident_file" | "external_pid_file" | "config_file" => PLACE,
        "include" | "include_dir" | "include_if_exists" | "stats_temp_directory" | "krb_server_keyfile" => PLACE,
        "temp_tablespaces" | "default_tablespace" | "backtrace_functions" => PLACE,
        "log_destination" | "logging_collector" | "log_directory" | "log_filename" | "log_file_mode" => RECORD,
        "event_source" => RECORD,
        "archive_command" | "archive_library" | "archive_cleanup_command" | "restore_command" => PROGRAM,
        "recovery_end_command" | "dynamic_library_path" | "local_preload_libraries" | "jit_provider" => PROGRAM,
        "session_preload_libraries" => PROGRAM,
        "archive_mode" | "primary_conninfo" | "primary_slot_name" | "synchronous_standby_names" => OTHERS,
        "promote_trigger_file" => OTHERS,
        name if name.starts_with("unix_socket_") => OURS,
        name if name == "ssl" || name.starts_with("ssl_") => "the campaign's cluster has no certificate",
        name if name.starts_with("syslog_") => RECORD,
        name if name.starts_with("recovery_target") => OTHERS,
        _ => return None,
    };
    Some(why)
}

/// What is dangerous about this value, if anything.
pub fn conf_danger(name: &str, value: &str) -> Option<&'static str> {
    match name {
        "fsync" if is_off(value) => Some("a crash of the machine can destroy the whole cluster"),
        "full_page_writes" if is_off(value) => Some("a crash of the machine can leave half-written pages"),
        "synchronous_commit" if is_off(value) => Some("a crash may lose the last commits"),
        "zero_damaged_pages" if is_on(value) => Some("pages that are damaged are emptied without a word"),
        "ignore_checksum_failure" if is_on(value) => Some("rows of damaged pages are answered as if they were sound"),
        "ignore_invalid_pages" if is_on(value) => Some("pages that are missing are passed over at recovery"),
        "data_sync_retry" if is_on(value) => Some("what the kernel failed to write may be taken for written"),
        "allow_system_table_mods" if is_on(value) => Some("the system's own tables can be destroyed"),
        _ => None,
    }
}

/// Whether this value can lose data: such a one needs more than a campaign's own consent outside its own cluster.
pub fn loses_data(name: &str, value: &str) -> bool {
    conf_danger(name, value).is_some()
}

/// A value as PostgreSQL reads whole numbers, where it is one without a unit.
pub fn conf_number(value: &str) -> Option<u64> {
    let value = value.trim();
    let hexadecimal = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if value.len() > 1 && value.starts_with('0') => u64::from_str_radix(value, 8).ok(),
        None => value.parse().ok(),
    }
}

/// PostgreSQL takes each beginning of a word that can only be this one.
fn is_off(value: &str) -> bool {
    is_word(value, "0", &["false", "no"], "off")
}

fn is_on(value: &str) -> bool {
    is_word(value, "1", &["true", "yes"], "on")
}

fn is_word(value: &str, digit: &str, words: &[&str], short: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let begins = |word: &&str| !value.is_empty() && word.starts_with(&value);
    value == digit || words.iter().any(begins) || value.len() >= 2 && short.starts_with(&value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::sysctl::tests::read;

    fn check(text: &str, settings: &[(&str, &str)], problems: &[(Code, usize, usize)]) {
        let (found, told) = read(text, parse_conf);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value, _)| (&**name, &**value)).collect();
        assert_eq!((found.as_slice(), told.as_slice()), (settings, problems), "{text:?}");
    }

    #[test]
    fn settings_are_read_as_postgresql_reads_them() {
        check("# a\n\nWork_Mem = 32MB  # b\r\n", &[("work_mem", "32MB")], &[]);
        check("fsync off", &[("fsync", "off")], &[]);
        check("fsync=off#x", &[("fsync", "off")], &[]);
        check("a.b = 'it''s \\'x\\' \\\\ \\101' # '", &[("a.b", "it's 'x' \\ A")], &[]);
        check("random_page_cost = 1.1\ncost = -1", &[("random_page_cost", "1.1"), ("cost", "-1")], &[]);
        check("search = ''", &[("search", "")], &[]);
        check("a = 1\nb = 2\nA = 3", &[("b", "2"), ("a", "3")], &[(Code::Duplicate, 3, 1)]);
    }

    #[test]
    fn every_wrong_line_is_told_at_its_place() {
        let bad = |line, column| (Code::BadSetting, line, column);
        check("= 1\n1a = 2\n-x = 1\na.b.c = 1", &[], &[bad(1, 1), bad(2, 1), bad(3, 1), bad(4, 1)]);
        check("a =\nb\nc = # x", &[], &[bad(1, 1), bad(2, 1), bad(3, 1)]);
        check(
            "a = b c\nb = 'x\nc = 'x' y\nd = a,b\ne = 'a\\nb'",
            &[],
            &[bad(1, 5), bad(2, 5), bad(3, 5), bad(4, 5), bad(5, 5)],
        );
        let refused = |line| (Code::RefusedSetting, line, 1);
        check(
            "PORT = 1\ninclude 'x'\nssl_cert_file = 'x'\nunix_socket_group = x",
            &[],
            &[refused(1), refused(2), refused(3), refused(4)],
        );
    }

    #[test]
    fn off_is_off_in_all_its_spellings() {
        for off in ["off", "OFF", "of", "false", "f", "Fal", "no", "n", "0"] {
            assert!(conf_danger("fsync", off).is_some() && loses_data("fsync", off), "{off}");
        }
        for on in ["on", "true", "t", "yes", "y", "1", "o", ""] {
            assert_eq!(conf_danger("fsync", on), None, "{on}");
        }
        assert!(
            conf_danger("zero_damaged_pages", "ON").is_some() && conf_danger("zero_damaged_pages", "off").is_none()
        );
        assert_eq!(conf_danger("synchronous_commit", "local"), None);
        assert_eq!(conf_danger("work_mem", "0"), None);
    }

    #[test]
    fn numbers_are_read_as_postgresql_reads_them() {
        let found = ["1000", "0x10", "010", "0", "1kB", "-1", ""].map(conf_number);
        assert_eq!(found, [Some(1000), Some(16), Some(8), Some(0), None, None, None]);
    }
}
