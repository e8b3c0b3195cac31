//! pip's requirements files: each requirement has an exact version and hashes, so that the same files come again.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, SourceFile};

/// Options that change nothing about where packages come from.
const HARMLESS: [&str; 3] = ["--require-hashes", "--only-binary", "--no-binary"];

/// Reports requirements that could be another file tomorrow, and options that belong to the machine.
pub fn check_requirements(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) {
    let mut found = Vec::new();
    for (line, span) in logical_lines(&file.text) {
        let place = Place::new(file, span);
        if let Some(option) = line.strip_prefix('-').and_then(|_| line.split([' ', '=']).next()) {
            if !HARMLESS.contains(&option) {
                found.push(refused_option(&place, option));
            }
            continue;
        }
        let requirement = line.split([' ', ';']).next().unwrap_or_default();
        if !line.contains("--hash=") {
            found.push(without_hash(&place, requirement));
        } else if !requirement.contains("==") {
            let message = format!("`{requirement}` has no exact version");
            let hint = "pin it with `==`, as `pip-compile --generate-hashes` does";
            found.push(Diagnostic::at(Code::UnpinnedRequirement, &place, message).label("not pinned").hint(hint));
        }
    }
    diagnostics.push_all_of(&file.path, found);
}

/// The distributions that a requirements file names, as pip compares them.
pub fn names_of(text: &str) -> Vec<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let lines = logical_lines(text).into_iter().filter(|(line, _)| !line.starts_with('-'));
    lines.map(|(line, _)| normal_name(line.split(|character| !is_name(character)).next().unwrap_or_default())).collect()
}

/// `Flask_SQLAlchemy` and `flask-sqlalchemy` are one distribution.
pub fn normal_name(name: &str) -> String {
    name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn without_hash(place: &Place, requirement: &str) -> Diagnostic {
    let message = format!("`{requirement}` has no hash");
    let hint = "add --hash=sha256:..., as `pip-compile --generate-hashes` does; `pip hash FILE` prints one";
    Diagnostic::at(Code::UnpinnedRequirement, place, message).label("could be another file tomorrow").hint(hint)
}

fn refused_option(place: &Place, option: &str) -> Diagnostic {
    let message = format!("`{option}` may not stand in a requirements file");
    let hint =
        "where packages come from is the machine's own pip configuration; write all requirements in this one file";
    Diagnostic::at(Code::RequirementOption, place, message).label("not here").hint(hint)
}

/// The lines as pip sees them: a backslash at the end goes on, `#` begins a comment. With the span of their first line.
fn logical_lines(text: &str) -> Vec<(String, Range<usize>)> {
    let mut lines: Vec<(String, Range<usize>)> = Vec::new();
    let mut goes_on = false;
    let mut offset = 0;
    for raw in text.split_inclusive('\n') {
        let start = offset;
        offset += raw.len();
        let visible = raw.trim_start_matches('\u{feff}');
        let content = without_comment(visible.trim_end());
        let indent = raw.len() - visible.trim_start().len();
        let (content, continues) = match content.strip_suffix('\\') {
            Some(before) => (before, true),
            None => (content, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some((line, _)) => {
                line.push(' ');
                line.push_str(content.trim());
            }
            None => {
                let end = (start + indent + content.trim().len()).min(text.len());
                lines.push((content.trim().to_owned(), (start + indent).min(end)..end));
            }
        }
        goes_on = continues;
    }
    lines.retain(|(line, _)| !line.is_empty());
    lines
}

/// pip takes `#` for a comment at the start of a line or after a space.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.find(" #").and_then(|at| line.get(..at)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn check(text: &str, expected: &[(Code, usize)]) {
        let file = Arc::new(SourceFile { path: PathBuf::from("requirements.txt"), text: text.to_owned() });
        let mut diagnostics = Diagnostics::new();
        check_requirements(&file, &mut diagnostics);
        let line = |found: &Diagnostic| match &found.site {
            crate::diagnostic::Site::Place(place) => place.start().line,
            crate::diagnostic::Site::File(_) => 0,
        };
        let found: Vec<_> = diagnostics.in_order().into_iter().map(|found| (found.code, line(found))).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn requirements_need_a_version_and_hashes() {
        check("", &[]);
        check("# only a comment\n", &[]);
        check("flask==3.0 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\n    # via x\n", &[]);
        check("flask==3.0 --hash=sha256:abc\r\njinja2==3.1\r\n", &[(Code::UnpinnedRequirement, 2)]);
        check("flask>=3 --hash=sha256:abc", &[(Code::UnpinnedRequirement, 1)]);
        check("--require-hashes\n--only-binary=:all:\n", &[]);
        check("--index-url https://example.org/\n", &[(Code::RequirementOption, 1)]);
        check("-r other.txt\n", &[(Code::RequirementOption, 1)]);
        check("\u{feff}flask", &[(Code::UnpinnedRequirement, 1)]);
        check("\\", &[]);
    }

    #[test]
    fn names_are_compared_as_pip_does() {
        let text = "--require-hashes\nFlask_SQLAlchemy==3.0 \\\n  --hash=sha256:a\n# x==1\napi.hour[extra]==0.8 ; python_version < '4'\n";
        assert_eq!(names_of(text), ["flask-sqlalchemy", "api-hour"]);
    }
}
