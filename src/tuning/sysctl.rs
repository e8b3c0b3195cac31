//! Reads `sysctl/NAME.conf`: the syntax of sysctl.d(5), less what depends on the machine that reads it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, Placed, SourceFile};
use crate::tuning::known::refused;

/// A setting as a profile has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSetting {
    /// Its name, with dots: `net.core.somaxconn`.
    pub name: Placed<String>,
    /// Its value, fields apart by one space.
    pub value: Placed<String>,
    /// Whether it may fail: its line begins with `-`.
    pub tolerant: bool,
}

/// Reads a profile of kernel settings. Lines that are wrong are reported, all of them, and left out.
pub fn parse_sysctl(file: &Arc<SourceFile>, diagnostics: &mut Diagnostics) -> Vec<WrittenSetting> {
    let mut found = Vec::new();
    let mut settings: Vec<WrittenSetting> = Vec::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(&file.text) {
        match setting(file, line) {
            Ok(Some(setting)) => match at.get(&setting.name.value).and_then(|at| settings.get(*at)) {
                Some(first) => found.push(twice(first, &setting)),
                None => {
                    at.insert(setting.name.value.clone(), settings.len());
                    settings.push(setting);
                }
            },
            Ok(None) => {}
            Err(problem) => found.push(*problem),
        }
    }
    diagnostics.push_all_of(&file.path, found);
    settings
}

/// A name with dots, as `sysctl` prints it. Where the first separator is a slash, dots and slashes have changed their
/// parts: `net/ipv4/conf/eth0.5/rp_filter` is `net.ipv4.conf.eth0/5.rp_filter`.
pub fn normal_name(name: &str) -> String {
    if name.find(['.', '/']).is_none_or(|at| name.as_bytes().get(at) == Some(&b'.')) {
        return name.to_owned();
    }
    let swapped = |character: char| match character {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    name.chars().map(swapped).collect()
}

/// The setting of a line, if it has one.
fn setting(file: &Arc<SourceFile>, line: Range<usize>) -> Result<Option<WrittenSetting>, Box<Diagnostic>> {
    let span = trimmed(file, line);
    let text = file.text.get(span.clone()).unwrap_or_default();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Ok(None);
    }
    let place = Place::new(file, span.clone());
    let Some(equals) = text.find('=') else {
        let hint = if text.starts_with('-') {
            "a profile has no patterns, and so nothing to take out of them: remove the line, or give it a value"
        } else {
            "write name = value, as net.core.somaxconn = 4096; comments begin with `#` or `;`"
        };
        return Err(bad(&place, format!("`{text}` is no setting"), "no `=`", hint));
    };
    let tolerant = text.starts_with('-');
    let name = trimmed(file, span.start + usize::from(tolerant)..span.start + equals);
    let value = trimmed(file, span.start + equals + 1..span.end);
    let name = Placed::new(normal_name(file.text.get(name.clone()).unwrap_or_default()), Place::new(file, name));
    let fields: Vec<&str> = file.text.get(value.clone()).unwrap_or_default().split_whitespace().collect();
    let value = Placed::new(fields.join(" "), Place::new(file, value));
    check_name(&name, &place)?;
    check_value(&name.value, &value, &place)?;
    Ok(Some(WrittenSetting { name, value, tolerant }))
}

fn check_name(name: &Placed<String>, line: &Place) -> Result<(), Box<Diagnostic>> {
    let written = name.place.text();
    if written.is_empty() {
        return Err(bad(line, "a setting has no name", "no name", "write name = value"));
    }
    if written.contains(['*', '?', '[', ']']) {
        let hint = "which settings it means differs from machine to machine: write each of them in full";
        return Err(bad(&name.place, format!("`{written}` is a pattern"), "not one setting", hint));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let parts: Vec<&str> = name.value.split(['.', '/']).collect();
    let fits = name.value.contains('.')
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(is_plain))
        && name.value.starts_with(|first: char| first.is_ascii_lowercase());
    if !fits {
        let hint = "settings are named as `sysctl -a` prints them: net.core.somaxconn";
        return Err(bad(&name.place, format!("`{written}` can't be the name of a setting"), "not a name", hint));
    }
    let Some(why) = refused(&name.value) else { return Ok(()) };
    let message = format!("no profile may set `{}`: {why}", name.value);
    let hint = "remove the line; if you need it, set it on the machine yourself";
    Err(Box::new(Diagnostic::at(Code::RefusedSetting, &name.place, message).label("never set here").hint(hint)))
}

fn check_value(name: &str, value: &Placed<String>, line: &Place) -> Result<(), Box<Diagnostic>> {
    if value.value.is_empty() {
        let hint = format!("write {name} = VALUE, or remove the line");
        return Err(bad(line, format!("`{name}` has no value"), "set to what?", hint));
    }
    if value.value.contains(['#', ';']) {
        let hint = "a comment stands on a line of its own: behind a value it would be part of it";
        return Err(bad(&value.place, format!("the value of `{name}` holds a comment"), "not a value", hint));
    }
    if !value.value.chars().all(|character| character.is_ascii_graphic() || character == ' ') {
        let message = format!("the value of `{name}` holds characters that no setting has");
        return Err(bad(&value.place, message, "not plain text", "write it in plain ASCII"));
    }
    if let Some((number, plain)) = value.value.split(|part: char| !part.is_ascii_alphanumeric()).find_map(odd_number) {
        let message = format!("`{number}` in the value of `{name}` is no decimal number");
        let hint = match plain {
            Some(plain) => format!("the kernel reads it as {plain}: write that"),
            None => "write it in decimal figures, without a zero in front".to_owned(),
        };
        return Err(bad(&value.place, message, "not decimal", hint));
    }
    Ok(())
}

/// A number that the kernel takes for another than it looks like to whoever judges it: hexadecimal, or octal because it
/// begins with a zero; with what it is in decimal figures.
fn odd_number(part: &str) -> Option<(&str, Option<u64>)> {
    let figures = part.strip_prefix('0').filter(|figures| !figures.is_empty())?;
    if let Some(hexadecimal) = figures.strip_prefix(['x', 'X']) {
        return Some((part, u64::from_str_radix(hexadecimal, 16).ok()));
    }
    figures.bytes().all(|byte| byte.is_ascii_digit()).then(|| (part, u64::from_str_radix(figures, 8).ok()))
}

fn twice(first: &WrittenSetting, second: &WrittenSetting) -> Diagnostic {
    let message = format!("`{}` is set twice in one profile", second.name.value);
    Diagnostic::at(Code::Duplicate, &second.name.place, message)
        .label("the second")
        .also(&first.name.place, "the first")
        .hint("remove one of the two")
}

fn bad(place: &Place, message: impl Into<String>, label: &str, hint: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::at(Code::BadSetting, place, message).label(label).hint(hint))
}

/// The spans of a file's lines, without a byte order mark.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let mark = if start == 0 && line.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let span = start + mark..start + line.len();
        start += line.len();
        span
    })
}

/// A span without the white space around its text.
pub(super) fn trimmed(file: &SourceFile, span: Range<usize>) -> Range<usize> {
    let text = file.text.get(span.clone()).unwrap_or_default();
    let start = span.start + (text.len() - text.trim_start().len());
    start..start + text.trim().len()
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::diagnostic::Site;

    /// Names and values, and the codes with their lines and columns.
    pub(in crate::tuning) type Read = (Vec<(String, String, bool)>, Vec<(Code, usize, usize)>);

    pub(in crate::tuning) fn read(
        text: &str,
        parse: fn(&Arc<SourceFile>, &mut Diagnostics) -> Vec<WrittenSetting>,
    ) -> Read {
        let file = Arc::new(SourceFile { path: PathBuf::from("x.conf"), text: text.to_owned() });
        let mut diagnostics = Diagnostics::new();
        let settings = parse(&file, &mut diagnostics);
        let place = |found: &&Diagnostic| match &found.site {
            Site::Place(place) => (found.code, place.start().line, place.start().column),
            Site::File(_) => (found.code, 0, 0),
        };
        let settings = settings.into_iter().map(|known| (known.name.value, known.value.value, known.tolerant));
        (settings.collect(), diagnostics.in_order().iter().map(place).collect())
    }

    fn check(text: &str, settings: &[(&str, &str, bool)], problems: &[(Code, usize, usize)]) {
        let (found, told) = read(text, parse_sysctl);
        let found: Vec<(&str, &str, bool)> = found.iter().map(|(name, value, t)| (&**name, &**value, *t)).collect();
        assert_eq!((found.as_slice(), told.as_slice()), (settings, problems), "{text:?}");
    }

    #[test]
    fn settings_are_read_as_sysctl_d_has_them() {
        check("", &[], &[]);
        check("# a\n; b\n\n  # c\n", &[], &[]);
        check("net.core.somaxconn=4096", &[("net.core.somaxconn", "4096", false)], &[]);
        check("  net/core/somaxconn\t=  4096  \r\n", &[("net.core.somaxconn", "4096", false)], &[]);
        check("-vm.swappiness = 1\n", &[("vm.swappiness", "1", true)], &[]);
        check("net.ipv4.tcp_rmem = 1\t2   3", &[("net.ipv4.tcp_rmem", "1 2 3", false)], &[]);
        check("net/ipv4/conf/eth0.5/rp_filter=1", &[("net.ipv4.conf.eth0/5.rp_filter", "1", false)], &[]);
        check("net.ipv4.conf.eth0/5.rp_filter=1", &[("net.ipv4.conf.eth0/5.rp_filter", "1", false)], &[]);
        check("\u{feff}vm.swappiness = 1", &[("vm.swappiness", "1", false)], &[]);
    }

    #[test]
    fn every_wrong_line_is_told_at_its_place() {
        let bad = |line, column| (Code::BadSetting, line, column);
        check("net.core.somaxconn\n= 3\n-vm.swappiness", &[], &[bad(1, 1), bad(2, 1), bad(3, 1)]);
        check("a.b =\nnet.ipv4.conf.*.rp_filter = 1", &[], &[bad(1, 1), bad(2, 1)]);
        check(
            "somaxconn = 1\n net..core = 1\n../../etc/x = 1\nnet./.x = 1",
            &[],
            &[bad(1, 1), bad(2, 2), bad(3, 1), bad(4, 1)],
        );
        check("vm.swappiness = 1 # little\nvm.dirty_ratio = é", &[], &[bad(1, 17), bad(2, 18)]);
        check(
            "net.ipv4.tcp_tw_reuse = 0x1\nnet.ipv4.tcp_rmem = 4096 0X2000000 010\nnet.ipv4.ip_local_reserved_ports = 80,0x50-90\n",
            &[],
            &[bad(1, 25), bad(2, 21), bad(3, 36)],
        );
        check("vm.swappiness = 0\nx.y = -10", &[("vm.swappiness", "0", false), ("x.y", "-10", false)], &[]);
        check("vm.swappiness = 1\nvm/swappiness = 1", &[("vm.swappiness", "1", false)], &[(Code::Duplicate, 2, 1)]);
        check(
            "vm.drop_caches = 3\nkernel/core_pattern = |/bin/sh",
            &[],
            &[(Code::RefusedSetting, 1, 1), (Code::RefusedSetting, 2, 1)],
        );
    }
}
