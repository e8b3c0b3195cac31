//! Whether PostgreSQL runs with what was asked for: it tells its settings in units, spellings and cases of its own.

use crate::metric::amount;

/// Whether `setting`, as `pg_settings` has it in `unit`, is what `wanted` asks for. `vartype` is PostgreSQL's word for
/// the kind of setting.
pub(in crate::agent) fn same_value(wanted: &str, setting: &str, unit: Option<&str>, vartype: &str) -> bool {
    match vartype {
        "bool" => boolean(wanted).is_some_and(|wanted| boolean(setting) == Some(wanted)),
        "integer" => {
            numbers(wanted, setting, unit).is_some_and(|(wanted, setting)| wanted.round_ties_even() == setting)
        }
        // It prints six digits.
        "real" => numbers(wanted, setting, unit)
            .is_some_and(|(wanted, setting)| (wanted - setting).abs() <= 1e-5 * wanted.abs().max(setting.abs())),
        // Some take the spellings of a boolean beside their own words.
        "enum" => {
            let (wanted, setting) = (wanted.trim(), setting.trim());
            wanted.eq_ignore_ascii_case(setting)
                || boolean(wanted).is_some_and(|wanted| boolean(setting) == Some(wanted))
        }
        _ => wanted == setting || words(wanted) == words(setting),
    }
}

/// Both in the setting's own unit: what is asked for in finer steps is rounded to it.
fn numbers(wanted: &str, setting: &str, unit: Option<&str>) -> Option<(f64, f64)> {
    let step = amount("1", unit)?;
    Some((amount(wanted, unit)? / step, amount(setting, unit)? / step))
}

/// PostgreSQL takes any beginning of these words that is no beginning of another.
fn boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    if text == "1" || begins("true", 1) || begins("yes", 1) || text == "on" {
        return Some(true);
    }
    (text == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2)).then_some(false)
}

/// The elements of a list, as PostgreSQL tidies some of them: `iso,mdy` becomes `ISO, MDY`.
fn words(list: &str) -> Vec<String> {
    list.split(',').map(|element| element.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_the_same_in_any_unit() {
        let integer = |wanted, setting, unit| same_value(wanted, setting, Some(unit), "integer");
        assert!(integer("128MB", "16384", "8kB"));
        assert!(integer("16384", "16384", "8kB"));
        assert!(integer("32MB", "32768", "kB"));
        assert!(integer("0.5GB", "524288", "kB"));
        assert!(integer("5min", "300", "s"));
        assert!(integer("1500us", "2", "ms"), "rounded to its unit");
        assert!(!integer("128MB", "16385", "8kB"));
        assert!(!integer("128", "16384", "8kB"), "a bare number is in the setting's unit");
        assert!(!integer("128mb", "16384", "8kB"), "which PostgreSQL takes for nothing");
        assert!(same_value("1000", "1000", None, "integer"));
        assert!(same_value("0x10", "16", None, "integer"));
        assert!(!same_value("1001", "1000", None, "integer"));
        assert!(same_value("1.10", "1.1", None, "real"));
        assert!(same_value("0.333333333", "0.333333", None, "real"));
        assert!(!same_value("1.2", "1.1", None, "real"));
    }

    #[test]
    fn booleans_have_many_spellings() {
        for yes in ["on", "ON", "true", "t", "tr", "yes", "y", "1", " on "] {
            assert!(same_value(yes, "on", None, "bool") && !same_value(yes, "off", None, "bool"), "{yes}");
        }
        for no in ["off", "of", "false", "f", "no", "n", "0"] {
            assert!(same_value(no, "off", None, "bool") && !same_value(no, "on", None, "bool"), "{no}");
        }
        for neither in ["o", "", "2", "onn", "maybe"] {
            assert!(!same_value(neither, "on", None, "bool") && !same_value(neither, "off", None, "bool"), "{neither}");
        }
    }

    #[test]
    fn words_mind_no_case_and_texts_do() {
        assert!(same_value("Replica", "replica", None, "enum"));
        assert!(same_value("true", "on", None, "enum"), "synchronous_commit takes it");
        assert!(!same_value("minimal", "replica", None, "enum"));
        assert!(!same_value("local", "on", None, "enum"));
        assert!(same_value("iso,mdy", "ISO, MDY", None, "string"));
        assert!(same_value("pg_stat_statements", "pg_stat_statements", None, "string"));
        assert!(same_value("%m [%p] ", "%m [%p] ", None, "string"));
        assert!(!same_value("a, b", "a", None, "string"));
    }
}
