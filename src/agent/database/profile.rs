//! A server's profile: settings of the user's own, in a file of their own, held against what PostgreSQL says of
//! them before anything is restarted, and read back after it. A server that refuses a setting at its start would say so
//! in its log only, and a setting that something else overrules would be said by nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::agent::database::server::{Server, quoted};
use crate::agent::database::value::same_value;
use crate::agent::tail_lines;
use crate::wire::{DatabaseSetting, Failure, Tuned};

const CODE: &str = "postgres-setting";

/// Settings that make the cluster what the campaign needs: where it is, and who gets in.
const OURS: [&str; 10] = [
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "include",
    "include_if_exists",
    "listen_addresses",
    "port",
    "unix_socket_directories",
];

/// A setting as `pg_settings` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    setting: String,
    unit: Option<String>,
    vartype: String,
    context: String,
    source: String,
    source_file: String,
    pending_restart: bool,
    /// As a person would write it: `128MB`.
    shown: String,
}

/// Gives the running cluster its profile. It may have been started anew then.
pub(in crate::agent) fn apply(server: &mut dyn Server) -> Result<Vec<Tuned>, Failure> {
    let settings = server.request().settings.clone();
    let settings = last_of_each(&settings);
    if settings.is_empty() {
        return Ok(Vec::new());
    }
    settings.iter().try_for_each(|setting| may_be_set(setting))?;
    let before = rows(server, &settings)?;
    write(server, &settings)?;
    check(server, &settings)?;
    refuse_overruled(server, &settings)?;
    if server.must_restart() || needs_restart(&settings, &before) {
        restart(server, &settings)?;
    } else {
        reload(server)?;
    }
    let after = rows(server, &settings)?;
    let told = |setting: &&DatabaseSetting| {
        tuned(setting, server.drop_in(), before.get(&key(setting)), after.get(&key(setting)))
    };
    Ok(settings.iter().map(told).collect())
}

/// PostgreSQL minds no case in names, and takes the last of several.
fn last_of_each(settings: &[DatabaseSetting]) -> Vec<&DatabaseSetting> {
    let is_last = |place: usize| !settings[place + 1..].iter().any(|later| key(later) == key(&settings[place]));
    (0..settings.len()).filter(|place| is_last(*place)).map(|place| &settings[place]).collect()
}

fn key(setting: &DatabaseSetting) -> String {
    setting.name.to_ascii_lowercase()
}

fn may_be_set(setting: &DatabaseSetting) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if setting.name.is_empty() || !setting.name.chars().all(plain) {
        let message = format!("`{}` ({}) can't be the name of a PostgreSQL setting", setting.name, setting.from);
        return Err(Failure::new(CODE, message));
    }
    if OURS.contains(&key(setting).as_str()) {
        let message = format!(
            "`{}` ({}) can't be set by a profile: the campaign decides where its database is and who gets in",
            setting.name, setting.from
        );
        return Err(Failure::new(CODE, message).hint(format!("remove {}", setting.from)));
    }
    Ok(())
}

/// One line for each, in order: the number of a line names its setting.
fn write(server: &dyn Server, settings: &[&DatabaseSetting]) -> Result<(), Failure> {
    let lines: String =
        settings.iter().map(|setting| format!("{} = {}\n", setting.name, quoted(&setting.value))).collect();
    server.write_profile(&lines)
}

/// What the running server says of the file that it has not read yet. "Could not be applied" is what it says of a value
/// that is wrong, and also of a good one that needs a restart; only trying tells them apart.
fn check(server: &dyn Server, settings: &[&DatabaseSetting]) -> Result<(), Failure> {
    let sql = format!(
        "select sourceline, coalesce(error, '') from pg_file_settings \
         where sourcefile like '%/{}' and error is not null order by sourceline;",
        server.drop_in()
    );
    let text = server.psql("postgres", sql.into_bytes())?;
    let mut wrong = Vec::new();
    for line in text.lines() {
        let (number, error) = line.split_once('\t').unwrap_or((line, ""));
        let place = number.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        // Behind the profile stands what the server itself needs: that waits for its start.
        if place.is_some_and(|place| place >= settings.len()) && server.must_restart() {
            continue;
        }
        let Some(setting) = place.and_then(|place| settings.get(place)) else {
            return Err(Failure::new(CODE, format!("PostgreSQL can't read the profile: line {number}: {error}")));
        };
        if let Some(words) = tried(server, settings, setting)? {
            wrong.push((*setting, words));
        }
    }
    let Some((first, words)) = wrong.first() else { return Ok(()) };
    let message = format!("PostgreSQL refuses `{}` ({}): {words}", first.name, first.from);
    let others = wrong[1..].iter().map(|(setting, words)| format!("{} ({}): {words}", setting.name, setting.from));
    Err(Failure::new(CODE, message).detail(others).hint(format!("mend or remove {}", first.from)))
}

/// A value that stands in a later file, as one of `ALTER SYSTEM` does, would win: that is known before anything is restarted.
fn refuse_overruled(server: &dyn Server, settings: &[&DatabaseSetting]) -> Result<(), Failure> {
    let drop_in = server.drop_in();
    let sql = format!(
        "select distinct on (ours.seqno) ours.sourceline, later.sourcefile || ':' || later.sourceline, later.setting \
         from pg_file_settings ours join pg_file_settings later on lower(later.name) = lower(ours.name) and later.seqno > ours.seqno \
         where ours.sourcefile like '%/{drop_in}' and later.sourcefile not like '%/{drop_in}' \
         and later.setting is distinct from ours.setting order by ours.seqno, later.seqno desc;"
    );
    let text = server.psql("postgres", sql.into_bytes())?;
    let overruled = text.lines().filter_map(|line| {
        let [number, place, value] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        let setting = settings.get(number.trim().parse::<usize>().ok()?.checked_sub(1)?)?;
        Some((*setting, place.to_owned(), value.to_owned()))
    });
    let overruled: Vec<(&DatabaseSetting, String, String)> = overruled.collect();
    let Some((first, place, value)) = overruled.first() else { return Ok(()) };
    let words = |name: &str, from: &str, place: &str, value: &str| {
        let by = if place.contains("/postgresql.auto.conf:") { " (ALTER SYSTEM)" } else { "" };
        format!("`{name}` ({from}) would not take: {place}{by} sets it to {value} and wins")
    };
    let line = |(setting, place, value): &(&DatabaseSetting, String, String)| {
        words(&setting.name, &setting.from, place, value)
    };
    let hint = if place.contains("/postgresql.auto.conf:") {
        format!("ALTER SYSTEM RESET {}, if nobody needs it; or remove {}", first.name, first.from)
    } else {
        format!("remove {}, or the line that wins", first.from)
    };
    let failure = Failure::new(CODE, words(&first.name, &first.from, place, value)).hint(hint);
    Err(failure.detail(overruled[1..].iter().map(line)))
}

/// Has a server that never starts read this one setting: its words, where it refuses it.
fn tried(
    server: &dyn Server,
    settings: &[&DatabaseSetting],
    setting: &DatabaseSetting,
) -> Result<Option<String>, Failure> {
    // Other lines of the file may be wrong too, and it would speak of those.
    server.write_profile("")?;
    let output = server.dry_start(&setting.name, &setting.value)?;
    write(server, settings)?;
    if output.exit.is_success() {
        return Ok(None);
    }
    Ok(Some(words(&output.stderr).unwrap_or_else(|| format!("it ended with {} and said nothing", output.exit))))
}

/// The reason in a server's messages: its last error, with the hint after it, without time and process.
fn words(log: &[u8]) -> Option<String> {
    let lines = tail_lines(log, 50);
    let after = |line: &str, word: &str| line.split_once(word).map(|(_, rest)| rest.trim().to_owned());
    let place = lines.iter().rposition(|line| line.contains("FATAL:") || line.contains("PANIC:"))?;
    let mut words = after(&lines[place], "FATAL:").or_else(|| after(&lines[place], "PANIC:"))?;
    for line in &lines[place + 1..] {
        if let Some(hint) = after(line, "HINT:") {
            words.push_str(&format!("; {hint}"));
        }
    }
    Some(words)
}

/// One that PostgreSQL does not know yet belongs to a library, which only a start loads.
fn needs_restart(settings: &[&DatabaseSetting], before: &BTreeMap<String, Row>) -> bool {
    settings.iter().any(|setting| match before.get(&key(setting)) {
        Some(row) => row.context == "postmaster" && !is_same(setting, row),
        None => false,
    })
}

fn restart(server: &mut dyn Server, settings: &[&DatabaseSetting]) -> Result<(), Failure> {
    server.restart().map_err(|failure| {
        if failure.code == "database-died" { not_started(server, settings, failure) } else { failure }
    })
}

/// Names the setting that the server's last words are about, as far as they name one.
fn not_started(server: &dyn Server, settings: &[&DatabaseSetting], failure: Failure) -> Failure {
    let log = server.last_words();
    let why = words(&log).unwrap_or_else(|| failure.message.clone());
    let (who, hint) = match blamed(&String::from_utf8_lossy(&log), settings) {
        Some(setting) => {
            let who = format!("with `{} = {}` ({})", setting.name, setting.value, setting.from);
            (who, format!("make {} smaller, or mend or remove it", setting.from))
        }
        None => ("with this profile".to_owned(), "remove settings from the profile until it starts".to_owned()),
    };
    Failure::new(CODE, format!("PostgreSQL does not start {who}: {why}")).detail(failure.detail).hint(hint)
}

/// The setting that a log names; failing that, the one whose value it names.
fn blamed<'a>(log: &str, settings: &[&'a DatabaseSetting]) -> Option<&'a DatabaseSetting> {
    let log = log.to_ascii_lowercase();
    // Where several are named, the first one is what PostgreSQL advises to look at.
    let named = settings.iter().filter_map(|setting| Some((log.find(&key(setting))?, *setting)));
    let by_name = named.min_by_key(|(place, _)| *place).map(|(_, setting)| setting);
    let is_telling = |value: &str| value.len() > 3 && value.chars().any(|c| c.is_ascii_alphabetic());
    let mut valued = settings.iter().filter(|setting| is_telling(&setting.value));
    by_name.or_else(|| valued.find(|setting| log.contains(&setting.value.to_ascii_lowercase())).copied())
}

/// Has the server read its files again, and waits until it has.
fn reload(server: &dyn Server) -> Result<(), Failure> {
    let loaded = || server.psql("postgres", b"select pg_conf_load_time();".to_vec());
    let before = loaded()?;
    server.psql("postgres", b"select pg_reload_conf();".to_vec())?;
    let deadline = Instant::now() + Duration::from_secs(10);
    // Each of our sessions is new, and has what the server has.
    while loaded()? == before {
        if Instant::now() > deadline {
            return Err(Failure::new("database", "PostgreSQL did not read its settings again within 10 s"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn rows(server: &dyn Server, settings: &[&DatabaseSetting]) -> Result<BTreeMap<String, Row>, Failure> {
    let names: Vec<String> = settings.iter().map(|setting| format!("'{}'", key(setting))).collect();
    let sql = format!(
        "select lower(name), replace(setting, E'\\n', ' '), coalesce(unit, ''), vartype, context, \
         source, coalesce(sourcefile, ''), pending_restart, replace(current_setting(name), E'\\n', ' ') \
         from pg_settings where lower(name) in ({});",
        names.join(", ")
    );
    let text = server.psql("postgres", sql.into_bytes())?;
    Ok(text.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<(String, Row)> {
    let [name, setting, unit, vartype, context, source, source_file, pending, shown] =
        line.split('\t').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let row = Row {
        setting: setting.to_owned(),
        unit: Some(unit.to_owned()).filter(|unit| !unit.is_empty()),
        vartype: vartype.to_owned(),
        context: context.to_owned(),
        source: source.to_owned(),
        source_file: source_file.to_owned(),
        pending_restart: pending == "t",
        shown: shown.to_owned(),
    };
    Some((name.to_owned(), row))
}

fn is_same(setting: &DatabaseSetting, row: &Row) -> bool {
    same_value(&setting.value, &row.setting, row.unit.as_deref(), &row.vartype)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// What became of a setting, by what was read back.
fn tuned(setting: &DatabaseSetting, drop_in: &str, before: Option<&Row>, after: Option<&Row>) -> Tuned {
    let shown = |row: Option<&Row>| row.map(|row| row.shown.clone());
    let mut tuned = Tuned {
        name: setting.name.clone(),
        wanted: setting.value.clone(),
        before: shown(before),
        after: shown(after),
        took: false,
        why: None,
        source: after.map(|row| format!("{} {}", row.source, file_name(&row.source_file)).trim_end().to_owned()),
    };
    let Some(row) = after else {
        tuned.why = Some("no library that is loaded knows it".to_owned());
        return tuned;
    };
    let file = file_name(&row.source_file);
    // PostgreSQL reckons some values itself where it is told -1, and then tells what it came to.
    let by_itself = setting.value.trim() == "-1" && file.is_empty();
    tuned.took = (is_same(setting, row) || by_itself) && !row.pending_restart;
    tuned.why = if row.pending_restart {
        Some("it waits for a restart".to_owned())
    } else if file == "postgresql.auto.conf" {
        Some("postgresql.auto.conf (ALTER SYSTEM) wins over the profile".to_owned())
    } else if file != drop_in && !file.is_empty() {
        Some(format!("{file} wins over the profile"))
    } else if !tuned.took {
        Some(format!("PostgreSQL reads it back as {}", row.shown))
    } else {
        None
    };
    tuned
}

#[cfg(test)]
mod tests {
    use super::*;

    const DROP_IN: &str = "timetrial.conf";

    fn setting(name: &str, value: &str) -> DatabaseSetting {
        DatabaseSetting { name: name.to_owned(), value: value.to_owned(), from: format!("today.conf:{}", name.len()) }
    }

    fn read(setting: &str, file: &str) -> Row {
        let source_file = if file.is_empty() { String::new() } else { format!("/w/db/data/{file}") };
        let (unit, vartype, shown) = (Some("kB".to_owned()), "integer".to_owned(), format!("{setting} kB"));
        Row { setting: setting.to_owned(), unit, vartype, source_file, shown, ..Row::default() }
    }

    #[test]
    fn what_was_read_back_decides() {
        let asked = setting("work_mem", "32MB");
        let outcome = |row: Option<&Row>| {
            let tuned = tuned(&asked, DROP_IN, None, row);
            (tuned.took, tuned.why.unwrap_or_default())
        };
        assert_eq!(outcome(Some(&read("32768", DROP_IN))), (true, String::new()));
        assert_eq!(outcome(Some(&read("4096", DROP_IN))), (false, "PostgreSQL reads it back as 4096 kB".to_owned()));
        let wins = "postgresql.auto.conf (ALTER SYSTEM) wins over the profile".to_owned();
        assert_eq!(outcome(Some(&read("4096", "postgresql.auto.conf"))), (false, wins.clone()));
        assert_eq!(outcome(Some(&read("32768", "postgresql.auto.conf"))), (true, wins));
        let waits = Row { pending_restart: true, ..read("32768", DROP_IN) };
        assert_eq!(outcome(Some(&waits)), (false, "it waits for a restart".to_owned()));
        assert_eq!(outcome(None), (false, "no library that is loaded knows it".to_owned()));
        let own = tuned(&setting("wal_buffers", "-1"), DROP_IN, None, Some(&read("512", "")));
        assert_eq!((own.took, own.why), (true, None));
    }

    #[test]
    fn a_log_names_the_setting_or_its_value() {
        let (buffers, connections) = (setting("shared_buffers", "7TB"), setting("max_connections", "400"));
        let library = setting("shared_preload_libraries", "nothing_like_it");
        let settings = [&connections, &buffers, &library];
        let log = "LOG:  starting\n1 FATAL:  could not map anonymous shared memory: Cannot allocate memory\n\
                   1 HINT:  reduce it, perhaps by reducing shared_buffers or max_connections.\n1 LOG:  shut down\n";
        assert_eq!(blamed(log, &settings), Some(&buffers));
        assert_eq!(
            words(log.as_bytes()).as_deref(),
            Some(
                "could not map anonymous shared memory: Cannot allocate memory; reduce it, perhaps by reducing \
                 shared_buffers or max_connections."
            )
        );
        assert_eq!(blamed("FATAL:  could not access file \"nothing_like_it\"", &settings), Some(&library));
        assert_eq!(blamed("FATAL:  something at 400", &settings), None);
        assert_eq!(words(b"LOG:  all is well\n"), None);
    }

    #[test]
    fn names_that_are_none_or_ours_are_refused_with_their_place() {
        assert_eq!(may_be_set(&setting("pg_stat_statements.max", "1000")), Ok(()));
        for name in ["", "a b", "a\nfsync", "Port", "hba_file"] {
            let failure = may_be_set(&setting(name, "1")).unwrap_err();
            assert_eq!(failure.code, CODE);
            assert!(failure.message.contains("today.conf:"), "{}", failure.message);
        }
    }

    #[test]
    fn the_last_of_each_name_counts() {
        let settings = [setting("work_mem", "1MB"), setting("fsync", "on"), setting("Work_Mem", "2MB")];
        let last: Vec<&str> = last_of_each(&settings).iter().map(|setting| setting.value.as_str()).collect();
        assert_eq!(last, ["on", "2MB"]);
    }
}
