//! The machine's own package sources, for another suite than its own: the same mirrors and keys, the other name.
//! Pure text.

/// Stanzas of a `.sources` file (deb822) that have the machine's own suite, rewritten.
pub fn stanzas(text: &str, own: &str, suite: &str) -> String {
    let rewritten = text.split("\n\n").filter_map(|stanza| {
        let mut any = false;
        let line = |line: &str| match line.strip_prefix("Suites:") {
            None => Some(line.to_owned()),
            Some(suites) => {
                let renamed: Vec<String> =
                    suites.split_ascii_whitespace().filter_map(|name| rename(name, own, suite)).collect();
                any |= !renamed.is_empty();
                Some(format!("Suites: {}", renamed.join(" ")))
            }
        };
        let lines: Vec<String> = stanza.lines().filter_map(line).collect();
        any.then(|| lines.join("\n"))
    });
    rewritten.map(|stanza| stanza + "\n\n").collect()
}

/// Lines of a `.list` file (`deb [options] URI suite components`) that have the machine's own suite, rewritten.
pub fn lines(text: &str, own: &str, suite: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split_ascii_whitespace().collect();
        if words.first() != Some(&"deb") {
            return None;
        }
        let options =
            if words.get(1)?.starts_with('[') { words.iter().position(|word| word.ends_with(']'))? } else { 0 };
        let renamed = rename(words.get(options + 2)?, own, suite)?;
        words[options + 2] = &renamed;
        Some(words.join(" ") + "\n")
    };
    text.lines().filter_map(line).collect()
}

/// `bookworm-security` becomes `bullseye-security`; another suite's name becomes nothing.
fn rename(name: &str, own: &str, suite: &str) -> Option<String> {
    match name.strip_prefix(own)? {
        rest @ ("" | "-updates" | "-security") => Some(format!("{suite}{rest}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machines_own_suite_is_renamed() {
        let text = "Types: deb\nURIs: mirror://a\nSuites: bookworm bookworm-updates bookworm-backports\nComponents: main\n\n\
                    Types: deb\nURIs: mirror://b\nSuites: nodistro\nComponents: main\n";
        let expected = "Types: deb\nURIs: mirror://a\nSuites: bullseye bullseye-updates\nComponents: main\n\n";
        assert_eq!(stanzas(text, "bookworm", "bullseye"), expected);
        let text = "# deb mirror://a bookworm main\ndeb [signed-by=/k arch=amd64] mirror://a bookworm-security main\n\
                    deb mirror://c cloud-sdk-bookworm main\ndeb-src mirror://a bookworm main\n";
        assert_eq!(
            lines(text, "bookworm", "bullseye"),
            "deb [signed-by=/k arch=amd64] mirror://a bullseye-security main\n"
        );
    }
}
