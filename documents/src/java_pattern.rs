//! `allowedPattern`: Java's dialect, matched against the whole value.
//!
//! The engine is `fancy-regex`: it has the look-around that authors use, and hands everything without it to automata
//! that run in linear time. What remains is bounded by a count of steps, so that no pattern costs more than that.
//! Java's spellings that the engine reads otherwise are rewritten first.

/// Why a pattern gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[cfg(feature = "patterns")]
    #[error("the pattern is not valid: {0}")]
    Invalid(String),
    #[cfg(feature = "patterns")]
    #[error("the match takes too long")]
    TooSlow,
    #[cfg(not(feature = "patterns"))]
    #[error("this program does not match patterns")]
    NotBuilt,
}

#[cfg(not(feature = "patterns"))]
pub fn matches(_pattern: &str, _text: &str) -> Result<bool, PatternError> {
    Err(PatternError::NotBuilt)
}

#[cfg(not(feature = "patterns"))]
pub fn check(_pattern: &str) -> Result<(), PatternError> {
    Ok(())
}

#[cfg(feature = "patterns")]
pub use engine::{check, matches};

#[cfg(feature = "patterns")]
mod engine {
    use std::iter::Peekable;
    use std::str::Chars;

    use super::PatternError;

    /// Steps of back-tracking before a match is given up: a few milliseconds.
    const BACKTRACK_LIMIT: usize = 100_000;

    /// Memory that one pattern may compile to. Counted repetitions of real documents need some megabytes.
    const SIZE_LIMIT: usize = 8 * 1024 * 1024;

    /// Whether the whole text matches.
    pub fn matches(pattern: &str, text: &str) -> Result<bool, PatternError> {
        compile(pattern)?.is_match(text).map_err(|_| PatternError::TooSlow)
    }

    /// Whether the pattern is one. Reads it without compiling, which costs a hundred times more, unless it has what
    /// only the engine can read.
    pub fn check(pattern: &str) -> Result<(), PatternError> {
        let translated = translated(pattern);
        let Err(error) = regex_syntax::ast::parse::Parser::new().parse(&translated) else { return Ok(()) };
        match fancy_regex::Expr::parse_tree(&translated) {
            Ok(_) if needs_engine(&translated) => Ok(()),
            _ => Err(PatternError::Invalid(innermost(&error))),
        }
    }

    /// Look-around, back-references, atomic groups and possessive repetition.
    fn needs_engine(translated: &str) -> bool {
        ["(?=", "(?!", "(?<=", "(?<!", "(?>", "*+", "++", "?+", "}+", r"\k<", r"\G", r"\Z"]
            .iter()
            .any(|mark| translated.contains(mark))
            || ('1'..='9').any(|digit| translated.contains(&format!("\\{digit}")))
    }

    fn compile(pattern: &str) -> Result<fancy_regex::Regex, PatternError> {
        fancy_regex::RegexBuilder::new(&format!(r"\A(?:{})\z", translated(pattern)))
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .delegate_dfa_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| PatternError::Invalid(innermost(&error)))
    }

    /// The sentence of the deepest error: those around it only say that there is one.
    fn innermost(error: &dyn std::error::Error) -> String {
        let mut error = error;
        while let Some(source) = error.source() {
            error = source;
        }
        let text = error.to_string();
        let line = text.lines().last().unwrap_or_default();
        line.strip_prefix("error: ").unwrap_or(line).to_lowercase()
    }

    /// Java's spelling into the engine's.
    pub(super) fn translated(pattern: &str) -> String {
        let mut output = String::with_capacity(pattern.len() + 16);
        let mut rest = pattern.chars().peekable();
        let mut class_depth = 0_usize;
        while let Some(character) = rest.next() {
            match character {
                '\\' => escape(&mut rest, class_depth > 0, &mut output),
                '[' => {
                    class_depth += 1;
                    output.push('[');
                }
                ']' => {
                    class_depth = class_depth.saturating_sub(1);
                    output.push(']');
                }
                // Two of them are an operator to the engine and plain characters to Java.
                '-' | '~' if class_depth > 0 && rest.peek() == Some(&character) => {
                    rest.next();
                    output.extend([character, '\\', character]);
                }
                _ => output.push(character),
            }
        }
        output
    }

    fn escape(rest: &mut Peekable<Chars<'_>>, in_class: bool, output: &mut String) {
        let Some(character) = rest.next() else {
            output.push('\\');
            return;
        };
        match character {
            'd' | 'w' | 's' | 'D' | 'W' | 'S' | 'h' => shorthand(character, rest, in_class, output),
            'R' if !in_class => output.push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])"),
            'u' => code_point(rest, output),
            'Q' => quoted(rest, output),
            'p' | 'P' => property(character, rest, in_class, output),
            '<' | '>' => output.push(character),
            _ if character.is_ascii() => output.extend(['\\', character]),
            _ => output.push(character),
        }
    }

    /// ASCII only, as in Java.
    fn shorthand(character: char, rest: &mut Peekable<Chars<'_>>, in_class: bool, output: &mut String) {
        let members = match character.to_ascii_lowercase() {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            'h' => r"\t\x20\x{A0}",
            _ => r"\t\n\x0B\f\r\x20",
        };
        match (character.is_ascii_uppercase(), in_class) {
            (true, _) => output.extend(["[^", members, "]"]),
            (false, false) => output.extend(["[", members, "]"]),
            (false, true) => output.push_str(members),
        }
        // After a shorthand a dash cannot make a range; Java takes it as itself.
        if in_class && rest.peek() == Some(&'-') {
            rest.next();
            output.push_str(r"\-");
        }
    }

    /// `\uXXXX`, two of them for a character beyond the first plane. Half a pair matches nothing in a text.
    fn code_point(rest: &mut Peekable<Chars<'_>>, output: &mut String) {
        let Some(first) = hex4(rest) else {
            output.push_str(r"\u");
            return;
        };
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) {
            let mut ahead = rest.clone();
            if (ahead.next(), ahead.next()) == (Some('\\'), Some('u'))
                && let Some(second) = hex4(&mut ahead).filter(|second| (0xdc00..0xe000).contains(second))
            {
                *rest = ahead;
                code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            }
        }
        let code = if (0xd800..0xe000).contains(&code) { 0xfffd } else { code };
        output.push_str(&format!(r"\x{{{code:X}}}"));
    }

    fn hex4(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
        let mut ahead = rest.clone();
        let mut code = 0;
        for _ in 0..4 {
            code = code * 16 + ahead.next()?.to_digit(16)?;
        }
        *rest = ahead;
        Some(code)
    }

    /// `\Q…\E`: everything between stands for itself.
    fn quoted(rest: &mut Peekable<Chars<'_>>, output: &mut String) {
        while let Some(character) = rest.next() {
            if character == '\\' && rest.peek() == Some(&'E') {
                rest.next();
                return;
            }
            if character.is_ascii_punctuation() && !matches!(character, '<' | '>') {
                output.push('\\');
            }
            output.push(character);
        }
    }

    /// `\p{Alpha}` and its kin mean ASCII in Java; `\p{IsLatin}` is Unicode's `Latin`.
    fn property(letter: char, rest: &mut Peekable<Chars<'_>>, in_class: bool, output: &mut String) {
        if rest.peek() != Some(&'{') {
            output.extend(['\\', letter]);
            return;
        }
        let name: String = rest.by_ref().skip(1).take_while(|character| *character != '}').collect();
        let posix = match name.as_str() {
            "Lower" | "Upper" | "ASCII" | "Alpha" | "Digit" | "Alnum" | "Punct" | "Graph" | "Print"
            | "Blank" | "Cntrl" | "Space" => Some(name.to_ascii_lowercase()),
            "XDigit" => Some("xdigit".to_owned()),
            _ => None,
        };
        match posix {
            Some(posix) => {
                let not = if letter == 'P' { "^" } else { "" };
                let class = format!("[:{not}{posix}:]");
                output.push_str(&if in_class { class } else { format!("[{class}]") });
            }
            None => {
                let name = name.strip_prefix("Is").unwrap_or(&name);
                output.push_str(&format!(r"\{letter}{{{name}}}"));
            }
        }
    }
}

#[cfg(all(test, feature = "patterns"))]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        for text in matching {
            assert_eq!(matches(pattern, text), Ok(true), "{pattern} should match {text:?}");
        }
        for text in other {
            assert_eq!(matches(pattern, text), Ok(false), "{pattern} should not match {text:?}");
        }
    }

    #[test]
    fn the_whole_value_must_match() {
        check("[a-z]+", &["abc"], &["", "abc1", "1abc", "abc\n"]);
        check("^$|^i-[0-9a-f]{8,17}$", &["", "i-0123456789abcdef0"], &["i-0", "xi-01234567"]);
        check("a|b", &["a", "b"], &["ab", "ba"]);
    }

    #[test]
    fn look_around_works() {
        check("^(?!app-)[a-z-]+$", &["web-1".trim_end_matches("-1")], &["app-web"]);
        check(r"(?=^.{3,63}$)(?!^(\d+\.)+\d+$)[a-z0-9.]+", &["bucket.name"], &["10.0.0.1", "ab"]);
    }

    #[test]
    fn java_spellings_mean_what_they_mean_in_java() {
        check(r"\d+", &["123"], &["١٢"]);
        check(r"[\w+=,.@-]+", &["a_b@c-d"], &["é", "a b"]);
        check(r"[\w-.]+", &["a-b.c"], &["a b"]);
        check(r"\p{L}+", &["Grüße"], &["1"]);
        check(r"\p{Alpha}+", &["abc"], &["é"]);
        check(r"[\p{Punct}x]+", &["x!?"], &["y"]);
        check(r"\p{IsGreek}", &["λ"], &["l"]);
        check(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", &["a b\nλ😀"], &["\u{1}"]);
        check(r"\Qa.b\E+", &["a.b", "a.bb"], &["axb"]);
        check(r"a\/b\:c\_d\-e", &["a/b:c_d-e"], &[]);
        check(r"[a-z--~~]+", &["a-b~"], &["C"]);
        check(r"\S+\s\D", &["ab c"], &["ab 1"]);
    }

    #[test]
    fn a_pattern_that_never_ends_is_given_up() {
        let text = "a".repeat(400);
        assert_eq!(matches(r"(?:(a|aa)+\1)+b", &text), Err(PatternError::TooSlow));
    }

    #[test]
    fn a_pattern_that_is_none_is_told() {
        for pattern in ["[a-z", "(a", "a{1000000}{1000000}", r"\p{Nothing}", "*"] {
            assert!(matches!(matches(pattern, "a"), Err(PatternError::Invalid(_))), "{pattern}");
        }
    }
}
