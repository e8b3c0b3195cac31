//! What a scenario wants a machine's settings to be, and all that it says of each.

use crate::diagnostic::{Place, Placed};
use crate::plan::check::{Profile, Profiles};
use crate::scenario::Tune;
use crate::tuning::{GOVERNOR, TURBO, normal_name};

/// A setting that a machine is to have.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    /// `net.core.somaxconn`, [`GOVERNOR`], [`TURBO`]
    pub(super) name: &'a str,
    /// What it shall be.
    pub(super) value: String,
    /// Where that is written.
    pub(super) place: &'a Place,
    /// The same for people, where a profile says it: `sysctl/today.conf:7`.
    pub(super) profile: Option<String>,
    /// Where the scenario asks for it: the profile's name, or the key itself.
    pub(super) asked: &'a Place,
    /// Whether the campaign goes on without it.
    pub(super) optional: bool,
    /// Whether less is enough, and how much.
    pub(super) at_least: Option<u64>,
    /// Whether its danger is accepted.
    pub(super) accepted: bool,
}

/// All that a `[tune.ROLE]` wants, in its order. Two profiles of one may want the same.
pub(super) fn wanted<'a>(tune: &'a Tune, profiles: &'a Profiles) -> Vec<Wanted<'a>> {
    let mut all = Vec::new();
    for (asked, profile) in profiles_of(tune, profiles) {
        for setting in &profile.settings {
            let (name, place) = (setting.name.value.as_str(), &setting.name.place);
            let wanted = one(tune, name, setting.value.value.clone(), place, &asked.place);
            let optional = wanted.optional || setting.tolerant;
            all.push(Wanted { profile: Some(profile.place_of(setting)), optional, ..wanted });
        }
    }
    if let Some(governor) = &tune.governor {
        all.push(one(tune, GOVERNOR, governor.value.clone(), &governor.place, &governor.place));
    }
    if let Some(turbo) = &tune.turbo {
        let word = if turbo.value { "on" } else { "off" };
        all.push(one(tune, TURBO, word.to_owned(), &turbo.place, &turbo.place));
    }
    all
}

/// What several `[tune.ROLE]` of one machine want, each setting once. Where one of them can't do without a setting, the
/// machine can't; where less is enough for all, the largest of these is.
pub(super) fn merged<'a>(tunes: &[&'a Tune], profiles: &'a Profiles) -> Vec<Wanted<'a>> {
    let mut all: Vec<Wanted<'a>> = Vec::new();
    for wanted in tunes.iter().flat_map(|tune| wanted(tune, profiles)) {
        match all.iter_mut().find(|known| known.name == wanted.name) {
            Some(known) => {
                known.optional &= wanted.optional;
                known.at_least = known.at_least.zip(wanted.at_least).map(|(left, right)| left.max(right));
            }
            None => all.push(wanted),
        }
    }
    all
}

/// The profiles that a `[tune.ROLE]` names, as far as they could be read.
pub(super) fn profiles_of<'a>(
    tune: &'a Tune,
    profiles: &'a Profiles,
) -> impl Iterator<Item = (&'a Placed<String>, &'a Profile)> {
    tune.sysctl.iter().filter_map(|name| Some((name, profiles.sysctl(&name.value)?)))
}

/// A setting as scenarios name it.
pub(super) fn setting_name(written: &str) -> String {
    match written {
        "governor" => GOVERNOR.to_owned(),
        "turbo" => TURBO.to_owned(),
        name => normal_name(name),
    }
}

fn one<'a>(tune: &Tune, name: &'a str, value: String, place: &'a Place, asked: &'a Place) -> Wanted<'a> {
    let is_it = |written: &Placed<String>| setting_name(&written.value) == name;
    Wanted {
        name,
        value,
        place,
        profile: None,
        asked,
        optional: tune.optional.iter().any(is_it),
        at_least: tune.at_least.iter().find(|(written, _)| is_it(written)).map(|(_, enough)| enough.value),
        accepted: tune.accept.iter().any(is_it),
    }
}
