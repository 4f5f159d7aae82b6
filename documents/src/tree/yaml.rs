//! YAML into a tree, with scalars typed as SSM types them: YAML 1.2, so that `yes`, `on` and dates stay text.
//!
//! The parser's events drive an explicit stack: nesting costs no call stack. Aliases copy their target, against a
//! budget of nodes and bytes for the whole document, so a bomb of aliases is refused at the alias that exceeds it.
//! What uses little of the language is read without the parser: [`everyday`].

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use super::{Entry, MAX_DEPTH, Node, ReadError, Value};

mod everyday;

/// What all aliases of a document may add together.
const ALIAS_BUDGET_BYTES: usize = 256 * 1024;

pub(super) fn read(text: &str) -> Result<Node, ReadError> {
    match everyday::read(text) {
        Some(node) => Ok(node),
        None => read_any(text),
    }
}

fn read_any(text: &str) -> Result<Node, ReadError> {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options.emit_comments = false;
    let mut builder = Builder { alias_budget: ALIAS_BUDGET_BYTES, ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => builder.event(&event, &span)?,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
                return Err(noticed(text, at, &error.info()));
            }
        }
    }
    builder.root.ok_or_else(|| malformed(0..0, "the text is empty".to_owned()))
}

#[derive(Debug, Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    alias_budget: usize,
    root: Option<Node>,
}

/// A list or map whose end has not been seen.
#[derive(Debug)]
struct Open {
    anchor: usize,
    start: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, merges: Vec<Node> },
}

/// A key whose value has not been seen.
#[derive(Debug)]
struct Key {
    text: String,
    span: Range<usize>,
    merges: bool,
}

impl Builder {
    fn event(&mut self, event: &Event<'_>, span: &Span) -> Result<(), ReadError> {
        let at = span.byte_range().unwrap_or_default();
        if let Some(tag) = event.tag()
            && !tag.is_yaml_core_schema()
            && tag.is_custom()
        {
            return Err(ReadError {
                code: "unknown-tag",
                span: at,
                message: format!(
                    "tag `{}` means nothing in a document",
                    crate::problems::shown(&tag.original())
                ),
                help: "write the value itself; templates are filled in before a document is used".to_owned(),
            });
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => Err(ReadError {
                code: "several-documents",
                span: at,
                message: "a second YAML document begins".to_owned(),
                help: "keep one document in a file".to_owned(),
            }),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, *style, tag.as_deref());
                self.complete(Node { span: at, value }, *anchor)?;
                // In quotes it is a key like any other.
                if text == "<<" && *style == ScalarStyle::Plain {
                    self.key_merges();
                }
                Ok(())
            }
            Event::SequenceStart(_, anchor, _) => self.begin(*anchor, at.start, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Map { entries: Vec::new(), key: None, merges: Vec::new() };
                self.begin(*anchor, at.start, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at.end),
            Event::Alias(target) => self.alias(*target, at),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, start: usize, content: Content) -> Result<(), ReadError> {
        if let Some(Open { content: Content::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(malformed(start..start, "a list or map cannot be a key".to_owned()));
        }
        self.open.push(Open { anchor, start, content });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), ReadError> {
        let Some(Open { anchor, start, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, merges, .. } => Value::Map(merged(entries, merges)),
        };
        self.complete(Node { span: start..end.max(start), value }, anchor)
    }

    fn alias(&mut self, target: usize, span: Range<usize>) -> Result<(), ReadError> {
        let Some(node) = self.anchors.get(&target) else {
            return Err(malformed(span, "an alias refers to the value that contains it".to_owned()));
        };
        let depth = self.open.len();
        let weight = weigh(node, MAX_DEPTH.saturating_sub(depth), self.alias_budget);
        let Some(left) = weight.and_then(|weight| self.alias_budget.checked_sub(weight)) else {
            return Err(ReadError {
                code: "alias-bomb",
                span,
                message: format!("aliases add more than {} KiB or nest too deep", ALIAS_BUDGET_BYTES / 1024),
                help: "write the repeated values out, or repeat less".to_owned(),
            });
        };
        self.alias_budget = left;
        // The copy stands where the alias stands, so that a finding points at its use.
        let mut copy = node.clone();
        copy.span = span;
        self.complete(copy, 0)
    }

    fn key_merges(&mut self) {
        if let Some(Open { content: Content::Map { key: Some(key), .. }, .. }) = self.open.last_mut() {
            key.merges = true;
        }
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), ReadError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { content: Content::List(items), .. }) => items.push(node),
            Some(Open { content: Content::Map { entries, key, merges }, .. }) => match key.take() {
                Some(Key { merges: true, .. }) => merges.push(node),
                Some(Key { text: key, span: key_span, .. }) => {
                    entries.push(Entry { key, key_span, value: node });
                }
                None => match node.scalar() {
                    Some(text) => *key = Some(Key { text: text.to_owned(), span: node.span, merges: false }),
                    None if node.is_null() => {
                        *key = Some(Key { text: String::new(), span: node.span, merges: false });
                    }
                    None => return Err(malformed(node.span, "a list or map cannot be a key".to_owned())),
                },
            },
        }
        Ok(())
    }
}

/// `<<` takes the entries of another map in, as Go's reader does; what the map says itself counts more.
fn merged(mut own: Vec<Entry>, merges: Vec<Node>) -> Vec<Entry> {
    let sources = merges.into_iter().flat_map(|merge| match merge.value {
        Value::List(items) => items,
        _ => vec![merge],
    });
    for source in sources {
        let Value::Map(inherited) = source.value else { continue };
        for entry in inherited {
            if !own.iter().any(|known| known.key == entry.key) {
                own.push(entry);
            }
        }
    }
    own
}

/// Bytes that a copy of the node costs, or none when it exceeds the budget or the depth.
fn weigh(node: &Node, depth: usize, budget: usize) -> Option<usize> {
    let own = size_of::<Node>();
    let weight = match &node.value {
        Value::Null | Value::Bool(_) => own,
        Value::Number(text) | Value::Text(text) => own + text.len(),
        Value::List(items) => {
            let depth = depth.checked_sub(1)?;
            items.iter().try_fold(own, |sum, item| Some(sum + weigh(item, depth, budget)?))?
        }
        Value::Map(entries) => {
            let depth = depth.checked_sub(1)?;
            entries.iter().try_fold(own, |sum, entry| {
                Some(sum + size_of::<Entry>() + entry.key.len() + weigh(&entry.value, depth, budget)?)
            })?
        }
    };
    (weight <= budget).then_some(weight)
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag.and_then(Tag::core_suffix) {
        Some("str") => Value::Text(text.to_owned()),
        Some(_) => plain(text),
        // `!` alone says: text, as quotes do.
        None if tag.is_some() || style != ScalarStyle::Plain => Value::Text(text.to_owned()),
        None => plain(text),
    }
}

/// The core schema of YAML 1.2.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || "-+.".contains(first))
            && is_number(text) =>
        {
            Value::Number(text.to_owned())
        }
        _ => Value::Text(text.to_owned()),
    }
}

/// `[-+]? ( digits [ . digits ] | . digits ) ( e digits )?`. Hexadecimal and octal stay text: nothing in a document
/// wants them as numbers, and account ids with a leading zero must keep it.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.len() > 1 && unsigned.starts_with('0') && !unsigned.starts_with("0.") {
        return false;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// The reader notices a tab at the end of the line before it, and a text in quotes that is not closed where another one
/// begins. A person looks for the tab, and for the line that the first quote stands in.
fn noticed(text: &str, at: usize, info: &str) -> ReadError {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let line = after.lines().next().unwrap_or_default();
    let below = after[line.len()..].trim_start_matches(['\r', '\n']);
    let indent = &below[..below.len() - below.trim_start_matches([' ', '\t']).len()];
    if info.contains("tab")
        && !line.contains('\t')
        && let Some(tab) = indent.find('\t')
    {
        let tab = text.len() - below.len() + tab;
        return malformed(tab..tab + 1, format!("{info}; indent with spaces"));
    }
    let quote = if info.contains("after double-quoted") { '"' } else { '\'' };
    if info.contains("-quoted scalar")
        && let Some(opening) = opening_quote(before, quote)
    {
        let line = before.matches('\n').count() + 1;
        let message = format!("the text in quotes that begins here ends in line {line}, and more follows it");
        return malformed(opening..opening + 1, message);
    }
    malformed(at..at, info.to_owned())
}

/// Where the text in quotes began that ends with `text`, if that was on an earlier line.
fn opening_quote(text: &str, quote: char) -> Option<usize> {
    let is_odd = |line: &str| line.matches(quote).count() % 2 == 1;
    let mut end = text.rfind('\n')?;
    if !is_odd(&text[end..]) {
        return None;
    }
    loop {
        let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        let line = &text[start..end];
        if is_odd(line) {
            let at = line.rfind(quote)?;
            let before = line[..at].trim_end();
            let begins = before.is_empty() || before.ends_with([':', '-', ',', '[', '{', '?']);
            return begins.then_some(start + at);
        }
        end = start.checked_sub(1)?;
    }
}

fn malformed(span: Range<usize>, message: String) -> ReadError {
    ReadError {
        code: "malformed-yaml",
        span,
        message,
        help: "the document must be well-formed YAML or JSON".to_owned(),
    }
}
