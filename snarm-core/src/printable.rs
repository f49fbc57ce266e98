//! Text of unknown origin, made fit to be shown: what a file or a folder calls itself must not steer a terminal, nor
//! pretend to be a line of a log.

use std::borrow::Cow;
use std::fmt::Write;

/// A text with its control characters, and those that change the direction of writing, as JSON escapes (`\u001b`).
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, &[])
}

/// As [`printable`], of a text that may have several lines and tabs.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, &['\n', '\t'])
}

fn escaped<'a>(text: &'a str, allowed: &[char]) -> Cow<'a, str> {
    let steers = |c: char| (c.is_control() && !allowed.contains(&c)) || is_direction(c);
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Marks, embeddings, overrides and isolates of bidirectional text, and the separators of lines and paragraphs.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_steers_is_escaped() {
        let plain = "Prüfung 検査 'a\\b' \u{e9}";
        assert!(matches!(printable(plain), Cow::Borrowed(same) if same == plain));
        assert_eq!(printable("\u{1b}]0;x\u{7}\n\u{9b}2J\u{7f}"), r"\u001b]0;x\u0007\u000a\u009b2J\u007f");
        assert_eq!(printable("gpj.\u{202e}a"), r"gpj.\u202ea");
        assert_eq!(printable_lines("a\n\tb\r"), "a\n\tb\\u000d");
        let line = serde_json::json!({ "source": "\u{9b}\u{2028}" }).to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&printable_lines(&line)).unwrap()["source"],
            "\u{9b}\u{2028}"
        );
    }
}
