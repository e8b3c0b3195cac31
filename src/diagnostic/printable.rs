//! The one way for outside text to reach a terminal: whatever would move the cursor, change colours, write to the
//! clipboard, turn the reading direction, or stay invisible, is spelt out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes a one-line text harmless: newlines and tabs are spelt out as well, as `\n` and `\t`.
pub fn printable(text: &str) -> Cow<'_, str> {
    spelt_out(text, is_hidden)
}

/// Makes a text of several lines harmless: newlines and tabs stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    spelt_out(text, |character| !matches!(character, '\n' | '\t') && is_hidden(character))
}

fn spelt_out(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hidden(character) {
            spell(character, &mut shown);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Writes a character as its escape.
fn spell(character: char, shown: &mut String) {
    // Writing to a `String` can't fail.
    let _ = match character {
        '\n' => shown.write_str("\\n"),
        '\r' => shown.write_str("\\r"),
        '\t' => shown.write_str("\\t"),
        '\0'..='\x7f' => write!(shown, "\\x{:02x}", u32::from(character)),
        _ => write!(shown, "\\u{{{:x}}}", u32::from(character)),
    };
}

/// Whether a character controls the terminal, turns the reading direction, or can't be seen.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Marks that turn or isolate the reading direction (the "Trojan Source" characters).
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Characters without width, and fillers that look like nothing.
            | '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            // Separators that some terminals take for a line's end, annotations, and tags.
            | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_harm_is_spelt_out() {
        let check = |text: &str, expected: &str| assert_eq!(printable(text), expected);
        check("plain, é, 日本, 🚲", "plain, é, 日本, 🚲");
        check("\x1b]52;c;ZWNobw==\x07", "\\x1b]52;c;ZWNobw==\\x07");
        check("\u{9b}31m", "\\u{9b}31m");
        check("a\u{202e}b\u{200b}c\u{feff}", "a\\u{202e}b\\u{200b}c\\u{feff}");
        check("a\r\nb\tc\0\x7f", "a\\r\\nb\\tc\\x00\\x7f");
        check("a\u{2028}b", "a\\u{2028}b");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("a\n\tb\r\n\x1b[2J"), "a\n\tb\\r\n\\x1b[2J");
        assert!(matches!(printable_lines("a\nb"), Cow::Borrowed(_)));
    }
}
