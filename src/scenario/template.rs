//! Templates: files of a daemon whose placeholders are filled in when they are put on a machine. They stand between at
//! signs (`@port@`), because configuration files have braces of their own. An at sign that begins no such word is itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, SourceFile, nearest_hint};
use crate::scenario::PLACEHOLDERS;

/// The placeholders of a template: where each stands, at signs included, and its name.
pub fn placeholders_of(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text[from..].find('@')?;
            let word = text[start + 1..].bytes().take_while(u8::is_ascii_lowercase).count();
            let end = start + 1 + word;
            if word > 0 && text[end..].starts_with('@') {
                from = end + 1;
                return Some((start..from, &text[start + 1..end]));
            }
            from = end;
        }
    })
}

/// The text with its placeholders replaced. One that is not known stays; the check has refused it.
pub fn fill_template(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut done = 0;
    for (place, name) in placeholders_of(text) {
        let Some(value) = values.get(name) else { continue };
        filled.push_str(&text[done..place.start]);
        filled.push_str(value);
        done = place.end;
    }
    filled + &text[done..]
}

/// Reports placeholders that do not exist.
pub fn check_template(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) {
    let is_unknown = |(_, name): &(Range<usize>, &str)| !PLACEHOLDERS.contains(name);
    let unknown = placeholders_of(&file.text).filter(is_unknown).map(|(span, name)| {
        let hint = nearest_hint(name, "placeholders", PLACEHOLDERS.iter().copied());
        Diagnostic::at(Code::UnknownPlaceholder, &Place::new(file, span), format!("`@{name}@` is not a placeholder"))
            .label("would stay as it is")
            .hint(hint)
    });
    diagnostics.push_all_of(&file.path, unknown.collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_signs_that_begin_no_placeholder_are_themselves() {
        let values = BTreeMap::from([("port".to_owned(), "8016".to_owned()), ("address".to_owned(), "::1".to_owned())]);
        let check = |text: &str, expected: &str| assert_eq!(fill_template(text, &values), expected);
        check("listen [@address@]:@port@;", "listen [::1]:8016;");
        check("try_files $uri @app; location @app { }", "try_files $uri @app; location @app { }");
        check("me@example.org, you@example.org", "me@example.org, you@example.org");
        check("@@port@@", "@8016@");
        check("@port @ @Port@ @@ @other@ é@port@é@", "@port @ @Port@ @@ @other@ é8016é@");
        check("@", "@");
        check("", "");
    }
}
