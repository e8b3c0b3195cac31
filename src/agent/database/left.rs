//! What a campaign makes in the machine's own PostgreSQL, written down and synced before the first of it is made, and taken
//! away again by that: at the end, by an agent whose controller is silent, at the next contact, or by hand; also after a
//! boot, which files outlive.
//!
//! The record lies beside the journal of kernel settings. Each file that is made ends with a seal, so that one that
//! somebody else has changed since is left alone.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::agent::database::server::Names;
use crate::agent::database::system::{Cluster, Talk};
use crate::agent::own;
use crate::agent::state::cannot;
use crate::agent::tuning::{Maker, make_place, sync_directory};
use crate::wire::digest::sha256;
use crate::wire::{Change, Compared, Failure, Outcome, PutBack};

/// The version of the file.
const FORMAT: u32 = 1;

/// The campaign's settings: last in its folder, so that it wins over the others there.
pub(in crate::agent) const DROP_IN: &str = "zz-timetrial.conf";

/// Who may come in, beside the cluster's own `pg_hba.conf`, which it holds as well.
const ADMISSION: &str = "timetrial-pg_hba.conf";

const OPEN_FILES: &str = "open files of its server";

/// What is made in the machine's own server has names that nobody else has.
pub(in crate::agent) const NAMES: Names = Names { database: "timetrial_benchmarks", owner: "timetrial_bench" };

/// What is made, and how it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// Who, and when.
    #[serde(flatten)]
    pub maker: Maker,
    /// `15/main`
    pub cluster: String,
    pub(in crate::agent) drop_in: PathBuf,
    pub(in crate::agent) admission: PathBuf,
    /// The cluster, value by value.
    before: BTreeMap<String, String>,
}

fn path(place: &Path) -> PathBuf {
    place.join("undo-postgresql.json")
}

/// Whether something is recorded; also for who may not read it.
pub fn is_recorded(place: &Path) -> bool {
    fs::symlink_metadata(path(place)).is_ok()
}

/// What is recorded.
pub fn recorded(place: &Path) -> Result<Option<Record>, Failure> {
    let path = path(place);
    if !own::is_there(&path)? {
        return Ok(None);
    }
    own::check(place)?;
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new("journal", format!("the record of what was changed {} can't be read: {why}", path.display()))
            .hint("use the build of timetrial that wrote it; or put back by hand what stands in it, and remove it")
    };
    let bytes = fs::read(&path).map_err(|error| cannot("read", &path, &error))?;
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
    if record.format != FORMAT {
        return Err(unreadable(&format!("it has format {}, and this build knows {FORMAT}", record.format)));
    }
    Ok(Some(record))
}

impl Record {
    /// What will be made in a cluster, with how it is before.
    pub(in crate::agent) fn new(talk: Talk<'_>, cluster: &Cluster, maker: Maker) -> Result<Self, Failure> {
        let configuration = cluster.configuration();
        Ok(Self {
            format: FORMAT,
            maker,
            cluster: cluster.label(),
            drop_in: configuration.join("conf.d").join(DROP_IN),
            admission: configuration.join(ADMISSION),
            before: snapshot(talk, cluster)?,
        })
    }

    /// The limit of open files that its server had, soft and hard.
    pub(in crate::agent) fn files(&self) -> Option<(&str, &str)> {
        self.before.get(&self.name(&OPEN_FILES))?.split_once(' ')
    }

    /// Writes it, whole or not at all.
    pub(in crate::agent) fn write(&self, place: &Path) -> Result<(), Failure> {
        make_place(place)?;
        let (path, new) = (path(place), place.join("undo-postgresql.new"));
        let unfit = |error: std::io::Error| cannot("write", &new, &error);
        let bytes = serde_json::to_vec(self).map_err(|error| unfit(error.into()))?;
        // What is left of a death in the middle of this was never in force.
        let _ = fs::remove_file(&new);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&new).map_err(unfit)?;
        (&file).write_all(&bytes).and_then(|()| file.sync_all()).map_err(unfit)?;
        fs::rename(&new, &path).map_err(unfit)?;
        sync_directory(place)
    }

    /// Removes it: the last step of undoing.
    pub(in crate::agent) fn remove(&self, place: &Path) -> Result<(), Failure> {
        let path = path(place);
        fs::remove_file(&path).map_err(|error| cannot("remove", &path, &error))?;
        sync_directory(place)
    }

    /// A file of the campaign's, in place of what stood there; the cluster's owner reads it.
    pub(in crate::agent) fn put(&self, path: &Path, text: &str, cluster: &Cluster) -> Result<(), Failure> {
        let new = unfinished(path);
        let unfit = |error: std::io::Error| cannot("write", path, &error);
        let _ = fs::remove_file(&new);
        // The folder belongs to the cluster's owner, who is not root: no link of his is followed.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let file = options.open(&new).map_err(unfit)?;
        let written = (&file).write_all(sealed(text, &self.maker.run).as_bytes());
        let owned = written
            .and_then(|()| fchown(&file, Some(cluster.owner.uid.as_raw()), Some(cluster.owner.gid.as_raw())))
            .and_then(|()| file.set_permissions(Permissions::from_mode(0o640)));
        owned.and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path)).map_err(unfit)
    }

    /// What nobody has undone yet: as it is now, and as it would be.
    pub fn changes(&self) -> Vec<Change> {
        let there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        let files = [&self.drop_in, &self.admission].into_iter().filter(|path| there(path));
        let file =
            |path: &PathBuf| Change { name: self.name(&path.display()), from: Some("there".to_owned()), to: None };
        files
            .map(file)
            .chain([self.change("its server", "with the campaign's settings", Some("with its own"))])
            .collect()
    }

    fn change(&self, what: &str, from: &str, to: Option<&str>) -> Change {
        Change { name: self.name(&what), from: Some(from.to_owned()), to: to.map(str::to_owned) }
    }

    fn name(&self, what: &dyn std::fmt::Display) -> String {
        format!("PostgreSQL {}: {what}", self.cluster)
    }

    fn told(
        &self,
        what: &dyn std::fmt::Display,
        found: Option<&str>,
        before: Option<&str>,
        outcome: Outcome,
    ) -> PutBack {
        let [found, before] = [found, before].map(|value| value.map(str::to_owned));
        PutBack { name: self.name(what), found, before, outcome }
    }
}

/// Where a file is while it is being written: no name that a cluster would read.
fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.new"))
}

const SEAL: &str = "# timetrial: made for a campaign and removed after it; run ";

fn sealed(text: &str, run: &str) -> String {
    format!("{text}{SEAL}{run}, sha256 {}\n", sha256(text.as_bytes()))
}

/// Whether a file is as we made it.
fn is_sealed(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.rfind(SEAL).is_some_and(|end| {
        let seal = text[end..].trim_end();
        text[end..].ends_with('\n') && seal.ends_with(&format!("sha256 {}", sha256(&bytes[..end.min(bytes.len())])))
    })
}

/// Takes away all that a record tells of, the files first, and holds the cluster against how it was.
pub fn undo(talk: Talk<'_>, record: &Record) -> (Vec<PutBack>, Option<Compared>) {
    let drop_in = take_away(record, &record.drop_in);
    let admission = match kept_along(drop_in.as_ref()) {
        Some(outcome) => {
            Some(record.told(&record.admission.display(), Some("there, and named by the drop-in"), None, outcome))
        }
        None => take_away(record, &record.admission),
    };
    let mut entries: Vec<PutBack> = drop_in.into_iter().chain(admission).collect();
    let is_gone = !record.admission.parent().is_some_and(Path::is_dir);
    if is_gone {
        // Somebody has removed the whole cluster, and all that was in it.
        entries.push(record.told(&"the cluster", None, None, Outcome::AlreadySo));
        return (entries, None);
    }
    // Started anew with a file of ours it would run with that once more.
    let is_ours = entries.iter().all(|entry| entry.outcome == Outcome::Restored);
    let found = talk.find(&record.cluster).and_then(|cluster| {
        if is_ours {
            entries.push(give_back(talk, record, &cluster)?);
        }
        entries.extend(drop_ours(talk, record, &cluster)?);
        Ok((snapshot(talk, &cluster)?, cluster))
    });
    match found {
        Ok((after, _)) => (entries, Some(compare(&record.before, &after))),
        Err(failure) => {
            let detail = failure.detail.last().map(|line| format!(": {}", line.trim())).unwrap_or_default();
            let why = format!("{}{detail}", failure.message);
            entries.push(record.told(&"its server", Some("changed"), Some("its own"), Outcome::Failed { why }));
            (entries, None)
        }
    }
}

/// Why the file of who may come in stays: a drop-in that is still there names it, and without it the server would not
/// start again.
fn kept_along(drop_in: Option<&PutBack>) -> Option<Outcome> {
    match &drop_in?.outcome {
        Outcome::LeftAlone => Some(Outcome::LeftAlone),
        Outcome::Failed { .. } => {
            Some(Outcome::Failed { why: "the drop-in, which names it, could not be removed".to_owned() })
        }
        Outcome::Restored | Outcome::AlreadySo | Outcome::UndoneByBoot => None,
    }
}

/// Removes a file of ours; nothing where there is none.
fn take_away(record: &Record, path: &Path) -> Option<PutBack> {
    let _ = fs::remove_file(unfinished(path));
    let told = |found: &str, outcome| Some(record.told(&path.display(), Some(found), None, outcome));
    let failed = |error: std::io::Error| told("there", Outcome::Failed { why: error.to_string() });
    let bytes = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => fs::read(path),
        Ok(_) => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => Err(error),
    };
    // What can't be read now may well be ours: it is tried again at the next contact.
    match bytes {
        Err(error) => failed(error),
        Ok(bytes) if !is_sealed(&bytes) => told("no longer as it was made", Outcome::LeftAlone),
        Ok(_) => fs::remove_file(path).map_or_else(failed, |()| told("there", Outcome::Restored)),
    }
}

/// Has the server run with its own settings again.
fn give_back(talk: Talk<'_>, record: &Record, cluster: &Cluster) -> Result<PutBack, Failure> {
    let own = Some("with its own settings");
    if !cluster.online {
        talk.control(cluster, "start", record.files())?;
        return Ok(record.told(&"its server", Some("not running"), own, Outcome::Restored));
    }
    let sql = format!(
        "select count(*) from pg_settings where sourcefile = '{}' or name = 'hba_file' and setting = '{}' \
         or pending_restart;",
        record.drop_in.display(),
        record.admission.display()
    );
    // A server that does not answer may well run with them.
    let runs_with_ours = talk.ask(cluster, &sql).map_or(true, |rows| rows.first().is_none_or(|count| count != "0"));
    if !runs_with_ours {
        talk.control(cluster, "reload", None)?;
        return Ok(record.told(&"its server", own, own, Outcome::AlreadySo));
    }
    talk.control(cluster, "restart", record.files())?;
    Ok(record.told(&"its server", Some("with the campaign's settings"), own, Outcome::Restored))
}

/// Drops the campaign's database and role, where they are there.
fn drop_ours(talk: Talk<'_>, record: &Record, cluster: &Cluster) -> Result<Vec<PutBack>, Failure> {
    let Names { database, owner } = NAMES;
    let mut entries = Vec::new();
    for (there, drop, what) in [
        (
            format!("select 1 from pg_database where datname = '{database}';"),
            format!("drop database {database} with (force);"),
            format!("database {database}"),
        ),
        (
            format!("select 1 from pg_roles where rolname = '{owner}';"),
            format!("drop role {owner};"),
            format!("role {owner}"),
        ),
    ] {
        if !talk.ask(cluster, &there)?.is_empty() {
            talk.ask(cluster, &drop)?;
            entries.push(record.told(&what, Some("there"), None, Outcome::Restored));
        }
    }
    Ok(entries)
}

/// A cluster, value by value: its settings with where each comes from, its databases and roles, its files, and what its
/// server was given by whoever started it.
fn snapshot(talk: Talk<'_>, cluster: &Cluster) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "select 'setting ' || name, replace(setting, E'\\n', ' ') || ' (' || source || coalesce(', ' || sourcefile, '') || ')' \
               from pg_settings where source not in ('client', 'session');\n\
               select 'databases', string_agg(datname, ', ' order by datname) from pg_database;\n\
               select 'roles', string_agg(rolname, ', ' order by rolname) from pg_roles;\n";
    let mut values = BTreeMap::new();
    let mut add = |name: &str, value: String| values.insert(format!("PostgreSQL {}: {name}", cluster.label()), value);
    for line in talk.ask(cluster, sql)? {
        if let Some((name, value)) = line.split_once('\t') {
            add(name, value.to_owned());
        }
    }
    let configuration = cluster.configuration();
    for folder in [configuration.clone(), configuration.join("conf.d")] {
        let files = fs::read_dir(&folder).map_err(|error| cannot("read", &folder, &error))?;
        for path in files.filter_map(|file| Some(file.ok()?.path())).filter(|path| path.is_file()) {
            add(&path.display().to_string(), digest(&path)?);
        }
    }
    let automatic = cluster.data.join("postgresql.auto.conf");
    add("postgresql.auto.conf", digest(&automatic)?);
    let process = PathBuf::from(format!("/proc/{}", cluster.pid()?));
    let limits = fs::read_to_string(process.join("limits")).unwrap_or_default();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    add(OPEN_FILES, files.split_ascii_whitespace().skip(3).take(2).collect::<Vec<_>>().join(" "));
    add("oom_score_adj of its server", fs::read_to_string(process.join("oom_score_adj")).unwrap_or_default());
    Ok(values)
}

fn digest(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| cannot("read", path, &error))?;
    Ok(format!("sha256 {}", sha256(&bytes)))
}

fn compare(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Compared {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = names.iter().filter(|name| before.get(**name) != after.get(**name));
    let change = |name: &&String| Change {
        name: (*name).clone(),
        from: before.get(*name).cloned(),
        to: after.get(*name).cloned(),
    };
    Compared { values: names.len(), differences: differs.map(change).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(place: &Path) -> Record {
        Record {
            format: FORMAT,
            maker: Maker { run: "run-1".to_owned(), ..Maker::default() },
            cluster: "15/main".to_owned(),
            drop_in: place.join("conf.d").join(DROP_IN),
            admission: place.join(ADMISSION),
            before: BTreeMap::from([("x".to_owned(), "1".to_owned())]),
        }
    }

    #[test]
    fn a_file_that_somebody_changed_is_no_longer_ours() {
        let text = "work_mem = '32MB'\n";
        let ours = sealed(text, "run-1");
        assert!(ours.starts_with(text) && is_sealed(ours.as_bytes()));
        assert!(is_sealed(sealed("", "r").as_bytes()));
        for changed in [ours.replace("32", "64"), format!("{ours}fsync = off\n"), text.to_owned(), String::new()] {
            assert!(!is_sealed(changed.as_bytes()), "{changed}");
        }
        assert!(!is_sealed(&ours.as_bytes()[..ours.len() - 5]), "cut");
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let above = tempfile::tempdir().unwrap();
        let place = above.path().join("timetrial");
        assert!(recorded(&place).unwrap().is_none() && !is_recorded(&place));
        let record = record(above.path());
        record.write(&place).unwrap();
        assert_eq!(recorded(&place).unwrap().unwrap(), record);
        fs::write(path(&place), "{\"format\":9").unwrap();
        assert_eq!(recorded(&place).unwrap_err().code, "journal");
        record.remove(&place).unwrap();
        assert!(!is_recorded(&place));
    }

    #[test]
    fn files_are_taken_away_unless_they_are_somebody_elses_now() {
        let place = tempfile::tempdir().unwrap();
        let record = record(place.path());
        assert_eq!(take_away(&record, &record.admission), None);
        fs::write(&record.admission, sealed("host all\n", "run-1")).unwrap();
        fs::write(unfinished(&record.admission), "half").unwrap();
        let told = take_away(&record, &record.admission).unwrap();
        assert_eq!((told.outcome, told.before), (Outcome::Restored, None));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        // Where a folder should be there is a file: it is not known what is there.
        fs::write(place.path().join("conf.d"), "").unwrap();
        assert!(matches!(take_away(&record, &record.drop_in).unwrap().outcome, Outcome::Failed { .. }));
        fs::write(&record.admission, sealed("host all\n", "run-1") + "# mine\n").unwrap();
        assert_eq!(take_away(&record, &record.admission).unwrap().outcome, Outcome::LeftAlone);
        assert!(record.admission.exists());
    }

    #[test]
    fn what_a_drop_in_that_stays_names_stays_too() {
        let place = tempfile::tempdir().unwrap();
        let record = record(place.path());
        let drop_in = |outcome| Some(record.told(&record.drop_in.display(), Some("there"), None, outcome));
        let kept = |outcome| kept_along(drop_in(outcome).as_ref());
        assert_eq!((kept_along(None), kept(Outcome::Restored)), (None, None));
        assert_eq!(kept(Outcome::LeftAlone), Some(Outcome::LeftAlone));
        let failed = Outcome::Failed { why: "read-only".to_owned() };
        assert!(matches!(kept(failed), Some(Outcome::Failed { .. })), "it is tried again with the drop-in");
    }

    #[test]
    fn what_differs_is_told_by_its_name() {
        let values = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let compared = compare(&values(&[("a", "1"), ("b", "2")]), &values(&[("a", "1"), ("b", "3"), ("c", "4")]));
        assert_eq!(compared.values, 3);
        let names: Vec<&str> = compared.differences.iter().map(|change| change.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
    }
}
