//! Rules about the profile that PostgreSQL runs with.

use std::ops::RangeInclusive;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Placed, nearest_hint};
use crate::plan::check::{Profiles, Written};
use crate::scenario::Postgres;
use crate::tuning::{WrittenSetting, conf_danger, conf_number};

/// As in `[postgres]`.
const CONNECTIONS: RangeInclusive<u64> = 10..=10_000;

const MAX_CONNECTIONS: &str = "max_connections";

/// How many connections PostgreSQL allows: what its profile says counts where the scenario says nothing.
pub(in crate::plan) fn max_connections(postgres: &Postgres, profiles: &Profiles) -> Placed<u32> {
    let is_said = postgres.max_connections.place != postgres.place;
    let Some(setting) = of_profile(profiles).filter(|_| !is_said) else { return postgres.max_connections.clone() };
    let number = conf_number(&setting.value.value).and_then(|number| u32::try_from(number).ok());
    let place = setting.value.place.clone();
    number.map_or_else(|| postgres.max_connections.clone(), |number| Placed::new(number, place))
}

fn of_profile(profiles: &Profiles) -> Option<&WrittenSetting> {
    let settings = profiles.conf.iter().flat_map(|profile| &profile.settings);
    settings.into_iter().find(|setting| setting.name.value == MAX_CONNECTIONS)
}

/// Its dangers are accepted by name, and it does not contradict the scenario.
pub(super) fn check_conf(written: Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(postgres) = &written.scenario.postgres else { return };
    let Some(profile) = &written.profiles.conf else {
        // A profile that is named and could not be read is told already.
        if postgres.conf.is_none() {
            for name in &postgres.accept {
                let message = format!("`{}` is accepted, and PostgreSQL has no profile", name.value);
                let diagnostic = Diagnostic::at(Code::UnsetSetting, &name.place, message).label("set by nothing");
                let hint = "add conf = \"NAME\" for postgres-conf/NAME.conf, or remove `accept`";
                diagnostics.push_unless_consequence(diagnostic.hint(hint));
            }
        }
        return;
    };
    if !profile.is_sound {
        return;
    }
    for name in &postgres.accept {
        if !profile.settings.iter().any(|setting| setting.name.value.eq_ignore_ascii_case(&name.value)) {
            let message = format!("`{}` is accepted, and {} does not set it", name.value, profile.input);
            let known = profile.settings.iter().map(|setting| setting.name.value.as_str());
            let diagnostic = Diagnostic::at(Code::UnsetSetting, &name.place, message).label("set by nothing");
            diagnostics.push_unless_consequence(diagnostic.hint(nearest_hint(&name.value, "settings", known)));
        }
    }
    for setting in &profile.settings {
        let is_accepted = postgres.accept.iter().any(|name| name.value.eq_ignore_ascii_case(&setting.name.value));
        if let Some(danger) = conf_danger(&setting.name.value, &setting.value.value).filter(|_| !is_accepted) {
            diagnostics.push_unless_consequence(dangerous(postgres, setting, danger));
        }
    }
    check_connections(postgres, written.profiles, diagnostics);
}

fn dangerous(postgres: &Postgres, setting: &WrittenSetting, danger: &str) -> Diagnostic {
    let name = &setting.name.value;
    let message = format!("{name} = {} is dangerous: {danger}", setting.value.value);
    let diagnostic = Diagnostic::at(Code::DangerousSetting, &setting.name.place, message).label("dangerous");
    let asked = postgres.conf.as_ref().map_or(&postgres.place, |conf| &conf.place);
    let hint = format!("if it is meant, add \"{name}\" to `accept` in [postgres]; else change the profile");
    diagnostic.also(asked, "asked for here, and not accepted").hint(hint)
}

fn check_connections(postgres: &Postgres, profiles: &Profiles, diagnostics: &mut Diagnostics) {
    let Some(setting) = of_profile(profiles) else { return };
    let number = conf_number(&setting.value.value);
    let Some(number) = number.filter(|number| CONNECTIONS.contains(number)) else {
        let (first, last) = (CONNECTIONS.start(), CONNECTIONS.end());
        let message = format!("`{MAX_CONNECTIONS}` must be between {first} and {last}");
        let diagnostic = Diagnostic::at(Code::OutOfRange, &setting.value.place, message).label("out of range");
        diagnostics.push_unless_consequence(diagnostic.hint(format!("write a whole number from {first} to {last}")));
        return;
    };
    let said = &postgres.max_connections;
    if said.place != postgres.place && u64::from(said.value) != number {
        let message = format!("PostgreSQL is to allow {} connections, and {number} by its profile", said.value);
        let diagnostic = Diagnostic::at(Code::Contradiction, &said.place, message).label("one number");
        let diagnostic = diagnostic.also(&setting.value.place, "and another");
        diagnostics.push_unless_consequence(
            diagnostic.hint("remove one of them: the profile's counts where [postgres] says none"),
        );
    }
}
