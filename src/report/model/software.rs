//! What ran: packages, distributions, the database.

use crate::event::Happening;
use crate::plan::{Database, Provision, ProvisionKind};
use crate::report::escape::Text;
use crate::report::model::build::short_digest;
use crate::report::model::types::{DatabaseFacts, Software};
use crate::store::StoredRun;

/// Everything that the plan puts into caches, with the versions that were found there.
pub fn software(run: &StoredRun) -> Vec<Software> {
    run.plan.provisions.iter().map(|provision| with_versions(run, provision)).collect()
}

fn with_versions(run: &StoredRun, provision: &Provision) -> Software {
    let mut software = Software {
        name: Text::from(&provision.name),
        machine: Text::from(&provision.machine),
        what: Text::from(what(&provision.what)),
        digest: None,
        reused: None,
        bytes: None,
        versions: Vec::new(),
    };
    for event in &run.events {
        let Happening::ProvisionFinished { machine, name, digest, reused, bytes, versions, .. } = &event.event else {
            continue;
        };
        if (machine, name) == (&provision.machine, &provision.name) {
            software.digest = Some(short_digest(digest));
            software.reused = Some(*reused);
            software.bytes = Some(*bytes);
            software.versions = pairs(versions);
        }
    }
    software
}

fn what(kind: &ProvisionKind) -> String {
    match kind {
        ProvisionKind::PackageRoot { suite, packages } => {
            format!("Debian packages of {suite}: {} and what they need", packages.join(", "))
        }
        ProvisionKind::BuildRoot { suite, packages } => {
            format!("Debian packages of {suite}, for building only: {} and what they need", packages.join(", "))
        }
        ProvisionKind::Venv { interpreter, requirements, build, .. } => {
            let built = build.as_ref().map(|build| format!("; built from sources: {}", build.sources.join(", ")));
            format!("Python environment of {interpreter} by {requirements}{}", built.unwrap_or_default())
        }
    }
}

/// The database as planned, and its settings as read back.
pub fn database(run: &StoredRun) -> Option<DatabaseFacts> {
    let planned = run.plan.database.as_ref()?;
    let started = run.events.iter().rev().find_map(|event| match &event.event {
        Happening::DatabaseStarted { version, rows, settings, .. } => Some((version, rows, settings)),
        _ => None,
    });
    let mut facts = planned_facts(planned);
    match started {
        Some((version, rows, _)) => {
            facts.insert(0, (Text::from("version"), Text::from(format!("PostgreSQL {version}"))));
            facts.extend(
                rows.iter().map(|(table, rows)| (Text::from(format!("rows of {table}")), Text::from(rows.to_string()))),
            );
        }
        None => {
            let version = format!("PostgreSQL {} asked for; it was not started", planned.version);
            facts.insert(0, (Text::from("version"), Text::from(version)));
        }
    }
    Some(DatabaseFacts { facts, settings: started.map(|(_, _, settings)| pairs(settings)).unwrap_or_default() })
}

fn planned_facts(planned: &Database) -> Vec<(Text, Text)> {
    let pair = |name: &str, value: String| (Text::from(name), Text::from(value));
    let cluster =
        planned.cluster.as_ref().map(|cluster| pair("cluster", format!("{cluster}, which is the machine's own")));
    let mut facts = vec![
        pair("machine", planned.machine.clone()),
        pair("address", format!("{}:{}", planned.address, planned.port)),
        pair("authentication", planned.authentication.clone()),
        pair("sslmode", planned.sslmode.clone()),
        pair("max_connections", planned.max_connections.to_string()),
        pair("data set", planned.data.clone()),
    ];
    facts.extend(cluster);
    facts
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> Vec<(Text, Text)> {
    map.iter().map(|(name, value)| (Text::from(name), Text::from(value))).collect()
}
