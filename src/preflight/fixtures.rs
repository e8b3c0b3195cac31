//! The campaign of 2015 as a plan, and a machine for it.

use serde_json::{Value, json};

use crate::plan::{ConfSetting, Plan, PostgresConf, TunedSetting, Tuning};
use crate::preflight::Seen;
use crate::preflight::machine::On;
use crate::wire::Standing;

fn daemon(name: &str, keep_alive: bool) -> Value {
    json!({"name": name, "title": name, "provisions": [], "processes": [], "keep_alive": keep_alive,
           "protocol": "HTTP/1.1", "workers": 16, "files": []})
}

fn trial(id: &str, daemon: &str, endpoint: &str, database_use: Value) -> Value {
    json!({"id": id, "round": "first", "daemon": daemon, "endpoint": endpoint, "repeat": 1, "document": "index",
           "database_use": database_use, "server": "pc", "client": "pc", "address": "127.0.0.1", "port": 8000,
           "load": {"tool": "wrk", "provision": null, "threads": 12, "connections": 400, "duration_s": 30.0,
                    "warm_up_s": null, "rate": null, "timeout_s": 2.0}})
}

/// Its first round: 16 workers, pools of 30, 400 connections of 12 threads for 30 seconds, all on one machine.
pub(in crate::preflight) fn plan_of_2015() -> Plan {
    let (none, own) = (json!({"use": "none"}), json!({"use": "connection-per-request"}));
    serde_json::from_value(json!({
        "format": 1, "scenario": "2015", "title": "the first round of 2015",
        "machines": [{"name": "pc", "transport": "local", "roles": ["server", "client", "database"],
                      "address": "127.0.0.1", "state_dir": null, "ca_bundle": null, "tools": {}}],
        "daemons": [daemon("django", false), daemon("flask", false), daemon("aiohttp", true)],
        "database": {"machine": "pc", "provision": "postgresql", "version": 15, "address": "127.0.0.1", "port": 5432,
                     "authentication": "md5", "sslmode": "disable", "max_connections": 1000, "clients": ["pc"],
                     "data": "agents", "tables": {}, "files": []},
        "documents": {}, "provisions": [],
        "trials": [trial("0001", "django", "/index", none.clone()), trial("0002", "django", "/agents", own.clone()),
                   trial("0003", "flask", "/index", none.clone()), trial("0004", "flask", "/agents", own),
                   trial("0005", "aiohttp", "/index", none),
                   trial("0006", "aiohttp", "/agents", json!({"use": "pool", "per_worker": 30}))],
        "wait": {"ready_s": 20.0, "calm_s": 5.0, "stop_s": 5.0}, "inputs": {}
    }))
    .unwrap()
}

/// The same with a profile of these settings.
pub(in crate::preflight) fn tuned_plan(settings: &[(&str, &str)]) -> Plan {
    let setting = |(line, (name, value)): (usize, &(&str, &str))| TunedSetting {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        from: format!("sysctl/network-booster.conf:{}", line + 1),
        optional: false,
        at_least: None,
        danger: None,
    };
    let mut plan = plan_of_2015();
    plan.tuning.push(Tuning {
        machine: "pc".to_owned(),
        profiles: vec!["network-booster".to_owned()],
        settings: settings.iter().enumerate().map(setting).collect(),
        nofile: None,
    });
    plan
}

/// Gives the plan's PostgreSQL a profile of these settings.
pub(in crate::preflight) fn with_conf(plan: &mut Plan, settings: &[(&str, &str)]) {
    let setting = |(name, value): &(&str, &str)| ConfSetting {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        from: "postgres-conf/2015.conf:1".to_owned(),
        danger: None,
    };
    let settings = settings.iter().map(setting).collect();
    plan.database.as_mut().unwrap().conf = Some(PostgresConf { name: "2015".to_owned(), settings });
}

/// A machine of 8 GB whose agent is root, with these settings.
pub(in crate::preflight) fn seen(settings: &[(&str, &str)]) -> Seen {
    let mut seen = Seen::default();
    seen.look.root = true;
    (seen.facts.memory_bytes, seen.facts.memory_available_bytes) = (Some(8_000_000_000), Some(6_000_000_000));
    for (name, value) in settings {
        let standing = Standing { value: Some((*value).to_owned()), refused: None };
        seen.look.settings.insert((*name).to_owned(), standing);
    }
    seen
}

/// That machine in that plan.
pub(in crate::preflight) fn on<'a>(plan: &'a Plan, seen: &'a Seen) -> On<'a> {
    On { plan, name: "pc", seen }
}
