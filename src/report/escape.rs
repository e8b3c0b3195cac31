//! Outside bytes on their way out: one escaping function for each medium, and a type that reaches no medium without it.
//!
//! Titles, commands, facts, log lines and error messages come from files, processes and machines; any of them may hold
//! markup, a spreadsheet formula, or sequences that a terminal obeys. [`Text`] holds them. It has no `Display`, so that
//! none gets into a page by a forgotten brace.

use crate::diagnostic::is_hidden;

/// Text that may come from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Text(String);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self(text.clone())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// For HTML: control characters made visible, markup escaped by maud.
impl maud::Render for Text {
    fn render_to(&self, page: &mut String) {
        visible(&self.0).render_to(page);
    }
}

/// For JSON: as it is; [`json`] escapes the finished document.
impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Text {
    /// Several texts with something of ours between them.
    pub fn joined<'a>(texts: impl IntoIterator<Item = &'a Self>, between: &str) -> Self {
        Self(texts.into_iter().map(|text| text.0.as_str()).collect::<Vec<_>>().join(between))
    }

    /// With something of ours before it and after it.
    pub fn within(&self, before: &str, after: &str) -> Self {
        Self(format!("{before}{}{after}", self.0))
    }

    /// For places of a fixed width: at most this many characters as they are shown, the last one an ellipsis.
    pub fn shortened(&self, characters: usize) -> Self {
        let shown = visible(&self.0);
        if shown.chars().count() <= characters {
            return Self(shown);
        }
        let kept: String = shown.chars().take(characters.saturating_sub(1)).collect();
        Self(format!("{}…", kept.trim_end()))
    }

    /// How many characters it has as it is shown.
    pub fn width(&self) -> usize {
        visible(&self.0).chars().count()
    }

    /// For running text and table cells of Markdown.
    pub fn markdown(&self) -> String {
        let shown = visible(&self.0);
        let mut text = String::with_capacity(shown.len() + 8);
        let mut before = None;
        let mut characters = shown.chars().peekable();
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            escape_markdown(character, before, next, &mut text);
            before = Some(character);
        }
        text
    }

    /// For a block of Markdown that is shown as it stands: the line between fences, which [`fence`] makes long enough.
    pub fn markdown_code(&self) -> String {
        visible(&self.0)
    }

    /// For a terminal: nothing in it that one obeys.
    pub fn terminal(&self) -> String {
        visible(&self.0)
    }

    /// For a cell of CSV: what a spreadsheet would take for a formula begins with an apostrophe instead.
    pub fn csv(&self) -> String {
        let shown = visible(&self.0);
        let mut cell = String::with_capacity(shown.len() + 1);
        // Where a semicolon parts cells, which is so in many countries, a formula may also begin after one.
        for (place, part) in shown.split(';').enumerate() {
            if place > 0 {
                cell.push(';');
            }
            if part.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
                cell.push('\'');
            }
            cell.push_str(part);
        }
        cell
    }
}

/// A fence for a block of Markdown code, longer than any run of backticks in it.
pub fn fence(lines: &[Text]) -> String {
    let longest = |line: &Text| line.0.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(lines.iter().map(longest).max().unwrap_or(0).max(2) + 1)
}

/// For JSON: the finished document, with what a terminal might obey written as `\u....`. Outside of strings JSON has
/// no such characters, so that nothing but strings changes, and no string changes its meaning.
pub fn json(document: &str) -> String {
    let mut escaped = String::with_capacity(document.len());
    for character in document.chars() {
        if character != '\n' && is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Characters that are obeyed instead of shown, written out: `⟨U+001B⟩`. A tab becomes spaces.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push_str("    "),
            hidden if is_hidden(hidden) => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(hidden))),
            plain => shown.push(plain),
        }
    }
    shown
}

fn escape_markdown(character: char, before: Option<char>, next: Option<char>, text: &mut String) {
    let inside_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let escaped = match character {
        '<' => return text.push_str("&lt;"),
        '>' => return text.push_str("&gt;"),
        '&' => return text.push_str("&amp;"),
        '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '$' | '#' => true,
        // Within a word it is no emphasis, and names are full of it.
        '_' => !(inside_word(before) && inside_word(next)),
        // At its beginning a text would become a list.
        '+' | '-' => before.is_none(),
        '.' | ')' => next.is_none_or(|c| c == ' ') && text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty(),
        _ => false,
    };
    if escaped {
        text.push('\\');
    }
    text.push(character);
}

#[cfg(test)]
mod tests {
    use maud::Render;

    use super::*;

    #[test]
    fn html_shows_what_would_be_obeyed() {
        let check = |text: &str, expected: &str| assert_eq!(Text::from(text).render().into_string(), expected);
        check("plain – Ünïcode 漢字", "plain – Ünïcode 漢字");
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check("\" onload=\"x & y", "&quot; onload=&quot;x &amp; y");
        check("\u{1b}]52;c;eA==\u{7}", "⟨U+001B⟩]52;c;eA==⟨U+0007⟩");
        check("a\u{202e}b\0c\nd\te\u{9b}31m", "a⟨U+202E⟩b⟨U+0000⟩c⟨U+000A⟩d    e⟨U+009B⟩31m");
    }

    #[test]
    fn markdown_is_text() {
        let check = |text: &str, expected: &str| assert_eq!(Text::from(text).markdown(), expected);
        check("/agents_with_pool", "/agents_with_pool");
        check("_all_ *of* `it`", "\\_all\\_ \\*of\\* \\`it\\`");
        check("| pipe", "\\| pipe");
        check("<b>&amp;", "&lt;b&gt;&amp;amp;");
        check("[x](http://y)", "\\[x\\](http://y)");
        check("# no heading", "\\# no heading");
        check("- no list", "\\- no list");
        check("1. no list", "1\\. no list");
        check("2.5 ms", "2.5 ms");
        check("a\nb", "a⟨U+000A⟩b");
        assert_eq!(fence(&[Text::from("a ```` b"), Text::from("c")]), "`````");
        assert_eq!(fence(&[]), "```");
    }

    #[test]
    fn csv_has_no_formula() {
        let check = |text: &str, expected: &str| assert_eq!(Text::from(text).csv(), expected);
        check("Flask", "Flask");
        check("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'    =1");
        check("\r=1", "⟨U+000D⟩=1");
        check("a;=1;b", "a;'=1;b");
        check("a=b", "a=b");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let hostile = "\u{1b}]52;\u{202e}\u{9b}\u{7f}\u{e0001}\n😀";
        let document = json(&serde_json::to_string_pretty(&[hostile]).unwrap());
        assert!(document.chars().all(|c| c == '\n' || !is_hidden(c)), "{document}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&document).unwrap(), [hostile]);
    }

    #[test]
    fn texts_are_shortened_as_shown() {
        assert_eq!(Text::from("aiohttp on Gunicorn").shortened(10), Text::from("aiohttp o…"));
        assert_eq!(Text::from("aiohttp").shortened(10), Text::from("aiohttp"));
    }
}
