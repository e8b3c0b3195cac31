//! "Did you mean": the known word that is nearest to a mistyped one.

/// The nearest of the known words, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A comparison costs the product of the lengths; nobody mistypes a word of a thousand letters.
    if word.chars().count() > 100 {
        return None;
    }
    let written = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&written, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed(&written, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Wrong letters. The beginning of a word is nearly the word: `scram` means `scram-sha-256`.
fn distance(written: &str, candidate: &str) -> usize {
    let is_beginning = written.chars().count() >= 3 && candidate.starts_with(written);
    if is_beginning { 1 } else { strsim::damerau_levenshtein(written, candidate) }
}

/// A third of the longer word may be wrong, and one character always.
fn allowed(written: &str, candidate: &str) -> usize {
    (written.chars().count().max(candidate.chars().count()) / 3).max(1)
}

/// A hint that names the nearest known word, and all of them.
pub fn nearest_hint<'a>(word: &str, what: &str, all: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.into_iter().collect();
    if all.is_empty() {
        return format!("there are no {what} at all");
    }
    let list = all.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    match nearest(word, all.iter().copied()) {
        Some(near) if all.len() > 1 => format!("did you mean `{near}`? The known {what} are {list}"),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known {what}: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["title", "daemons", "workers", "port"];
        let check = |word: &str, expected: Option<&str>| assert_eq!(nearest(word, keys), expected, "{word}");
        check("worker", Some("workers"));
        check("wrokers", Some("workers"));
        check("Port", Some("port"));
        check("work", Some("workers"));
        check("tool", None);
        check("", None);
        check(&"w".repeat(100_000), None);
    }
}
