//! Text that comes from hosts, made harmless for a terminal. Output of commands is the one thing that is never
//! escaped: it is passed on byte by byte.

use std::borrow::Cow;

/// Replaces control characters (escape sequences, line ends, right-to-left switches) by their `\u{..}` spelling, so
/// that a name cannot move the cursor, forge a line or hide another one.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    text.chars()
        .fold(String::with_capacity(text.len() + 8), |mut safe, character| {
            if is_harmful(character) {
                safe.extend(character.escape_default());
            } else {
                safe.push(character);
            }
            safe
        })
        .into()
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_steers_a_terminal_is_spelled_out() {
        let table = [
            ("web-1", "web-1"),
            ("Grüße", "Grüße"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("two\nlines\r", "two\\nlines\\r"),
            ("abc\u{202e}cba", "abc\\u{202e}cba"),
        ];
        for (text, want) in table {
            assert_eq!(escape(text), want);
        }
    }
}
