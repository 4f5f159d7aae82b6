//! YAML as documents are mostly written, read in one pass: block maps and lists, texts on one line, literal blocks, lists
//! in brackets.
//!
//! It knows no errors. What it does not understand, a mistake included, is left to the reader of the whole language, so
//! that whatever it answers is what that one would answer; a test compares the two. It is several times as fast.

use std::ops::Range;

use super::super::{Entry, MAX_DEPTH, Node, Value};
use super::plain;

/// A longer key is none in the whole language.
const KEY_MAX_BYTES: usize = 200;

/// The tree of a text that has nothing else in it.
pub(super) fn read(text: &str) -> Option<Node> {
    if !text.chars().all(is_ordinary) {
        return None;
    }
    let mut reader = Reader { text, next: 0, ahead: None };
    let mut line = reader.line()?;
    if line.indent == 0 && line.rest(text) == "---" {
        line = reader.line()?;
    }
    let root = if line.indent == 0 { reader.block(&line, 0, 0)? } else { return None };
    reader.line().is_none().then_some(root)
}

/// No control character, no line break but one, no byte order mark.
fn is_ordinary(character: char) -> bool {
    match character {
        '\n' | '\t' | ' '..='~' => true,
        _ => {
            !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{fe00}'..='\u{ffff}')
        }
    }
}

/// A line that says something.
#[derive(Debug, Clone)]
struct Line {
    indent: usize,
    /// Where its first character behind the spaces is.
    start: usize,
    /// Behind its last character that is no space.
    end: usize,
}

impl Line {
    fn rest<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start..self.end]
    }
}

#[derive(Debug)]
struct Reader<'t> {
    text: &'t str,
    /// Where the first line begins that has not been read.
    next: usize,
    /// The line that says something at or behind `next`, once it was looked for.
    ahead: Option<Line>,
}

impl<'t> Reader<'t> {
    /// The line at an offset, whatever is in it, and where the next one begins.
    fn raw(&self, start: usize) -> (&'t str, usize) {
        let rest = &self.text[start..];
        match rest.find('\n') {
            Some(length) => (&rest[..length], start + length + 1),
            None => (rest, self.text.len()),
        }
    }

    /// The next line that says something, which stays the next. None at the end.
    fn peek(&mut self) -> Option<Line> {
        if self.ahead.is_some() {
            return self.ahead.clone();
        }
        while self.next < self.text.len() {
            let (raw, after) = self.raw(self.next);
            let said = raw.trim_start_matches(' ');
            if !said.is_empty() && !said.starts_with('#') {
                let indent = raw.len() - said.len();
                let start = self.next + indent;
                let line = Line { indent, start, end: start + said.trim_end_matches(' ').len() };
                self.ahead = Some(line.clone());
                return Some(line);
            }
            self.next = after;
        }
        None
    }

    fn line(&mut self) -> Option<Line> {
        let line = self.peek()?;
        self.next = self.raw(line.end).1;
        self.ahead = None;
        Some(line)
    }

    /// Whether what was begun at this indent has ended: a line that is further in would go on with it.
    fn ends(&mut self, indent: usize) -> Option<()> {
        self.peek().is_none_or(|line| line.indent <= indent).then_some(())
    }

    /// A map, a list or a text that begins in a column of a line. Of a text, what is further in than `outer` belongs to it.
    fn block(&mut self, line: &Line, outer: usize, depth: usize) -> Option<Node> {
        let said = line.rest(self.text);
        if depth > MAX_DEPTH - 2 || said.contains('\t') {
            return None;
        }
        if is_item(said) {
            return self.list(line.clone(), depth);
        }
        match key(said) {
            Some(_) => self.map(line.clone(), depth),
            None if depth > 0 => self.inline(line, outer, depth),
            None => None,
        }
    }

    fn list(&mut self, mut line: Line, depth: usize) -> Option<Node> {
        let (start, column) = (line.start, line.indent);
        let mut items = Vec::new();
        loop {
            let said = line.rest(self.text);
            if said.contains('\t') {
                return None;
            }
            let behind = said[1..].trim_start_matches(' ');
            let item = if behind.is_empty() || behind.starts_with('#') {
                // Where an item begins that stands below its dash, only the other reader knows for every list.
                if items.is_empty() {
                    return None;
                }
                let below = self.peek().filter(|below| below.indent > column)?;
                self.line();
                self.block(&below, column, depth + 1)?
            } else {
                let skipped = said.len() - behind.len();
                let inside = Line { indent: column + skipped, start: line.start + skipped, end: line.end };
                self.block(&inside, column, depth + 1)?
            };
            items.push(item);
            match self.peek() {
                Some(next) if next.indent == column && is_item(next.rest(self.text)) => line = self.line()?,
                Some(next) if next.indent > column => return None,
                _ => break,
            }
        }
        let end = items.last().map_or(start, |item| item.span.end);
        Some(Node { span: start..end, value: Value::List(items) })
    }

    fn map(&mut self, mut line: Line, depth: usize) -> Option<Node> {
        let (start, column) = (line.start, line.indent);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let said = line.rest(self.text);
            if said.contains('\t') {
                return None;
            }
            let (key, length) = key(said)?;
            let key_span = line.start..line.start + length;
            let behind = said[length..].trim_start_matches(' ')[1..].trim_start_matches(' ');
            let value = if behind.is_empty() || behind.starts_with('#') {
                self.below(column, depth)?
            } else {
                let inside = Line { indent: column, start: line.end - behind.len(), end: line.end };
                self.inline(&inside, column, depth + 1)?
            };
            entries.push(Entry { key, key_span, value });
            match self.peek() {
                Some(next) if next.indent == column => line = self.line()?,
                Some(next) if next.indent > column => return None,
                _ => break,
            }
        }
        let end = entries.last().map_or(start, |entry| entry.value.span.end);
        Some(Node { span: start..end, value: Value::Map(entries) })
    }

    /// The value of a key that stands in the lines below it. A list may begin in the column of the key.
    fn below(&mut self, column: usize, depth: usize) -> Option<Node> {
        let below = self.peek()?;
        let is_list = is_item(below.rest(self.text));
        if below.indent > column || (below.indent == column && is_list) {
            self.line();
            let mut node = self.block(&below, column, depth + 1)?;
            if below.indent == column {
                // The whole language's reader has such a list begin behind its first dash.
                let said = &below.rest(self.text)[1..];
                node.span.start = below.end - said.trim_start_matches(' ').len();
            }
            return Some(node);
        }
        None
    }

    /// A text or a list that ends on its line, or a literal block, which `outer` is around.
    fn inline(&mut self, line: &Line, outer: usize, depth: usize) -> Option<Node> {
        let said = line.rest(self.text);
        if let Some(header) = said.strip_prefix('|') {
            return self.literal(header, outer);
        }
        let (value, length) = match said.as_bytes().first()? {
            b'"' | b'\'' => quoted(said).map(|(text, length)| (Value::Text(text), length))?,
            b'{' => said.starts_with("{}").then(|| (Value::Map(Vec::new()), 2))?,
            b'[' if depth < MAX_DEPTH - 2 => bracketed(said, line.start)?,
            _ => bare(said).map(|text| (plain(text), text.len()))?,
        };
        let behind = &said[length..];
        let is_over = behind.is_empty() || (behind.starts_with(' ') && behind.trim_start().starts_with('#'));
        if !is_over {
            return None;
        }
        self.ends(outer)?;
        Some(Node { span: line.start..line.start + length, value })
    }

    fn literal(&mut self, header: &str, outer: usize) -> Option<Node> {
        let (mark, comment) = match header.as_bytes().first() {
            Some(b'-' | b'+') => header.split_at(1),
            _ => ("", header),
        };
        if !comment.is_empty() && !comment.starts_with(" #") {
            return None;
        }
        let mut indent = None;
        let mut text = String::new();
        let mut blank = 0;
        let (mut start, mut end) = (self.next, self.next);
        while self.next < self.text.len() {
            let (raw, after) = self.raw(self.next);
            let said = raw.trim_start_matches(' ');
            let spaces = raw.len() - said.len();
            match indent {
                _ if said.is_empty() && indent.is_none_or(|indent| spaces <= indent) => {
                    // More spaces than the first line that says something would be a mistake.
                    if indent.is_none() && spaces > outer + 1 {
                        return None;
                    }
                    blank += 1;
                    self.next = after;
                    continue;
                }
                None if spaces > outer && !said.starts_with('\t') => {
                    indent = Some(spaces);
                    start = self.next + spaces;
                }
                None => return None,
                Some(indent) if spaces >= indent => {}
                Some(_) if spaces > outer || said.starts_with('\t') => return None,
                Some(_) => break,
            }
            if after == self.text.len() && !self.text.ends_with('\n') {
                return None;
            }
            text.extend(std::iter::repeat_n('\n', blank));
            blank = 0;
            text.push_str(&raw[indent?..]);
            text.push('\n');
            end = after;
            self.next = after;
        }
        indent?;
        if mark == "+" && !self.text.ends_with('\n') {
            return None;
        }
        match mark {
            "-" => text.truncate(text.trim_end_matches('\n').len()),
            "+" => text.extend(std::iter::repeat_n('\n', blank)),
            // What is only spaces is a line, and its end the last one.
            _ => text.truncate(text.trim_end_matches('\n').len() + 1),
        }
        Some(Node { span: start..end, value: Value::Text(text) })
    }
}

fn is_item(said: &str) -> bool {
    said == "-" || said.starts_with("- ")
}

/// The key that a line begins with, and its length with quotes. Keys that are no texts are not understood.
fn key(said: &str) -> Option<(String, usize)> {
    let is_key = |length: usize| {
        let behind = said[length..].trim_start_matches(' ').strip_prefix(':');
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(' '))
    };
    if said.starts_with(['"', '\'']) {
        let (text, length) = quoted(said)?;
        return (is_key(length) && length <= KEY_MAX_BYTES).then_some((text, length));
    }
    let bytes = said.as_bytes();
    if !bytes.first()?.is_ascii_alphanumeric() {
        return None;
    }
    let ends = |at: usize| bytes[at] == b':' && bytes.get(at + 1).is_none_or(|next| *next == b' ');
    let length = (0..bytes.len()).find(|at| ends(*at) || !is_key_byte(bytes[*at]))?;
    let text = &said[..length];
    let is_text = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && !["null", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
    (ends(length) && is_text && length <= KEY_MAX_BYTES).then(|| (text.to_owned(), length))
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'$' | b':')
}

/// A text in quotes that ends on its line, and its length with them.
fn quoted(said: &str) -> Option<(String, usize)> {
    let quote = said.chars().next()?;
    let inner = &said[1..];
    let mut text = String::with_capacity(inner.len());
    let mut from = 0;
    loop {
        let at = from + inner[from..].find([quote, '\\'])?;
        text.push_str(&inner[from..at]);
        let next = inner.as_bytes().get(at + 1).copied();
        from = at + 2;
        match (inner.as_bytes()[at], next) {
            (b'\\', _) if quote == '\'' => {
                text.push('\\');
                from = at + 1;
            }
            (b'\\', Some(b'n')) => text.push('\n'),
            (b'\\', Some(b't')) => text.push('\t'),
            (b'\\', Some(escaped @ (b'"' | b'\\' | b'/'))) => text.push(char::from(escaped)),
            (b'\\', _) => return None,
            (_, Some(b'\'')) if quote == '\'' => text.push('\''),
            _ => return Some((text, at + 2)),
        }
    }
}

/// A text without quotes, up to a comment or the end of the line. One that could be anything else is not understood.
fn bare(said: &str) -> Option<&str> {
    let text = said.find(" #").map_or(said, |comment| &said[..comment]).trim_end_matches(' ');
    let first = text.chars().next()?;
    let begins = match first {
        '-' => text.as_bytes().get(1).is_some_and(|second| *second != b' '),
        '?' | ':' | ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
        | '@' | '`' => false,
        _ => true,
    };
    let is_marker = text.starts_with("---") || text.starts_with("...");
    (begins && !is_marker && !text.contains(": ") && !text.ends_with(':')).then_some(text)
}

/// A list of texts in brackets that ends on its line, and its length.
fn bracketed(said: &str, start: usize) -> Option<(Value, usize)> {
    let mut items = Vec::new();
    let mut at = 1;
    let skip = |at: usize| at + said[at..].len() - said[at..].trim_start_matches(' ').len();
    at = skip(at);
    if said[at..].starts_with(']') {
        return Some((Value::List(items), at + 1));
    }
    loop {
        at = skip(at);
        let rest = &said[at..];
        let (value, length) = if rest.starts_with(['"', '\'']) {
            let (text, length) = quoted(rest)?;
            (Value::Text(text), length)
        } else {
            let length = rest.find([',', ']'])?;
            let text = rest[..length].trim_end_matches(' ');
            let plain_bytes =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b' ');
            if !text.as_bytes().first()?.is_ascii_alphanumeric() || !text.bytes().all(plain_bytes) {
                return None;
            }
            (plain(text), text.len())
        };
        let span: Range<usize> = start + at..start + at + length;
        items.push(Node { span, value });
        at = skip(at + length);
        match said.as_bytes().get(at)? {
            b',' => at += 1,
            b']' => return Some((Value::List(items), at + 1)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
