//! The language of queries, pure.
//!
//! ```text
//! query      TYPE [where condition]                   AWS:Application where Name = "openssl" and Version < "3.0.15"
//! condition  condition or condition | condition and condition | not condition | ( condition )
//!            ATTRIBUTE = VALUE      also != < <= > >=
//!            ATTRIBUTE like VALUE   * for any letters, ? for one, in any case
//!            ATTRIBUTE begins VALUE
//!            ATTRIBUTE in ( VALUE, VALUE ... )
//!            ATTRIBUTE exists
//! VALUE      "text", 'text', or a word without spaces
//! ```
//!
//! Words of the language are in any case. A mistake is told with the place where it stands.

use crate::error::Refusal;
use crate::inventory::schema;

/// Longest query, characters.
const TEXT_MAX_CHARS: usize = 4_096;
/// Deepest nesting of a condition.
const DEPTH_MAX: usize = 32;

/// A question about items of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub type_name: String,
    /// None: any item.
    pub condition: Option<Condition>,
}

/// What an item must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { attribute: String, comparison: Comparison, value: String },
    Like { attribute: String, pattern: String },
    BeginsWith { attribute: String, value: String },
    In { attribute: String, values: Vec<String> },
    Exists { attribute: String },
}

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARISONS: [(&str, Comparison); 8] = [
    ("=", Comparison::Equal),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
];

/// Reads a query.
pub fn parse(text: &str) -> Result<Query, Refusal> {
    if text.chars().count() > TEXT_MAX_CHARS {
        return Err(Refusal::invalid(format!("the query is longer than {TEXT_MAX_CHARS} characters")));
    }
    let mut reader = Reader { text, tokens: tokens(text)?, at: 0 };
    let query = reader.query()?;
    schema::check_type_name(&query.type_name)?;
    if let (Some(known), Some(condition)) = (schema::of(&query.type_name), &query.condition) {
        check_attributes(known, condition)?;
    }
    Ok(query)
}

fn check_attributes(schema: &schema::Schema, condition: &Condition) -> Result<(), Refusal> {
    match condition {
        Condition::All(inner) | Condition::Any(inner) => {
            inner.iter().try_for_each(|inner| check_attributes(schema, inner))
        }
        Condition::Not(inner) => check_attributes(schema, inner),
        Condition::Compare { attribute, .. }
        | Condition::Like { attribute, .. }
        | Condition::BeginsWith { attribute, .. }
        | Condition::In { attribute, .. }
        | Condition::Exists { attribute } => {
            if schema.attributes.contains(&attribute.as_str()) {
                return Ok(());
            }
            Err(Refusal::invalid(format!(
                "{} has no attribute `{attribute}`: it has {}",
                schema.type_name,
                schema.attributes.join(", ")
            )))
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// In quotes, which are never a word of the language.
    Text(String),
    Sign(String),
}

/// A token and where it begins, characters from 1.
#[derive(Debug, Clone)]
struct Placed {
    token: Token,
    at: usize,
}

fn tokens(text: &str) -> Result<Vec<Placed>, Refusal> {
    let letters: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&letter) = letters.get(at) {
        let start = at;
        let token = match letter {
            letter if letter.is_whitespace() => {
                at += 1;
                continue;
            }
            '"' | '\'' => {
                let (text, after) = quoted(&letters, at)?;
                at = after;
                Token::Text(text)
            }
            '(' | ')' | ',' => {
                at += 1;
                Token::Sign(letter.to_string())
            }
            '=' | '!' | '<' | '>' => {
                while letters.get(at).is_some_and(|letter| "=!<>".contains(*letter)) {
                    at += 1;
                }
                Token::Sign(letters[start..at].iter().collect())
            }
            _ => {
                let ends = |letter: &char| letter.is_whitespace() || "\"'(),=!<>".contains(*letter);
                while letters.get(at).is_some_and(|letter| !ends(letter)) {
                    at += 1;
                }
                Token::Word(letters[start..at].iter().collect())
            }
        };
        tokens.push(Placed { token, at: start + 1 });
    }
    Ok(tokens)
}

/// A text in quotes and where it ends. A backslash takes the next letter as it is.
fn quoted(letters: &[char], start: usize) -> Result<(String, usize), Refusal> {
    let (quote, mut text, mut at) = (letters[start], String::new(), start + 1);
    loop {
        match letters.get(at) {
            None => {
                return Err(Refusal::invalid(format!(
                    "the query has a {quote} at character {} that is not closed",
                    start + 1
                )));
            }
            Some(letter) if *letter == quote => return Ok((text, at + 1)),
            Some('\\') if letters.get(at + 1).is_some() => {
                text.push(letters[at + 1]);
                at += 2;
            }
            Some(letter) => {
                text.push(*letter);
                at += 1;
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
}

impl Reader<'_> {
    fn query(&mut self) -> Result<Query, Refusal> {
        let type_name = match self.next() {
            Some(Token::Word(name)) => name,
            _ => return Err(self.expected("an inventory type, as AWS:Application", 1)),
        };
        let condition = if self.peek().is_none() {
            None
        } else if self.takes_word("where") {
            Some(self.condition(0)?)
        } else {
            return Err(self.expected("`where`", 0));
        };
        match self.peek() {
            None => Ok(Query { type_name, condition }),
            Some(_) => Err(self.expected("`and`, `or` or the end", 0)),
        }
    }

    fn condition(&mut self, depth: usize) -> Result<Condition, Refusal> {
        let mut parts = vec![self.conjunction(depth)?];
        while self.takes_word("or") {
            parts.push(self.conjunction(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn conjunction(&mut self, depth: usize) -> Result<Condition, Refusal> {
        let mut parts = vec![self.term(depth)?];
        while self.takes_word("and") {
            parts.push(self.term(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn term(&mut self, depth: usize) -> Result<Condition, Refusal> {
        if depth >= DEPTH_MAX {
            return Err(Refusal::invalid(format!("the query is nested deeper than {DEPTH_MAX} levels")));
        }
        if self.takes_word("not") {
            return Ok(Condition::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.takes_sign("(") {
            let inner = self.condition(depth + 1)?;
            return if self.takes_sign(")") { Ok(inner) } else { Err(self.expected("`)`", 0)) };
        }
        let attribute = match self.next() {
            Some(Token::Word(name) | Token::Text(name)) => name,
            _ => return Err(self.expected("an attribute, `not` or `(`", 1)),
        };
        self.comparison(attribute)
    }

    fn comparison(&mut self, attribute: String) -> Result<Condition, Refusal> {
        if self.takes_word("exists") {
            return Ok(Condition::Exists { attribute });
        }
        if self.takes_word("like") {
            return Ok(Condition::Like { attribute, pattern: self.value()? });
        }
        if self.takes_word("begins") {
            return Ok(Condition::BeginsWith { attribute, value: self.value()? });
        }
        if self.takes_word("in") {
            return Ok(Condition::In { attribute, values: self.values()? });
        }
        let sign = match self.next() {
            Some(Token::Sign(sign)) => sign,
            _ => return Err(self.expected("=, !=, <, <=, >, >=, like, begins, in or exists", 1)),
        };
        let known = COMPARISONS.iter().find(|(known, _)| *known == sign);
        let Some((_, comparison)) = known else {
            return Err(self.expected("=, !=, <, <=, >, >=, like, begins, in or exists", 1));
        };
        Ok(Condition::Compare { attribute, comparison: *comparison, value: self.value()? })
    }

    fn values(&mut self) -> Result<Vec<String>, Refusal> {
        if !self.takes_sign("(") {
            return Err(self.expected("`(` and values", 0));
        }
        let mut values = vec![self.value()?];
        while self.takes_sign(",") {
            values.push(self.value()?);
        }
        if self.takes_sign(")") { Ok(values) } else { Err(self.expected("`,` or `)`", 0)) }
    }

    fn value(&mut self) -> Result<String, Refusal> {
        match self.next() {
            Some(Token::Word(value) | Token::Text(value)) => Ok(value),
            _ => Err(self.expected("a value", 1)),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(is_there);
        is_there
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Sign(found)) if found == sign);
        self.at += usize::from(is_there);
        is_there
    }

    /// What should stand where something else does, so many tokens back.
    fn expected(&self, wanted: &str, back: usize) -> Refusal {
        let found = self.tokens.get(self.at.saturating_sub(back));
        let (found, at) = match found {
            None => ("the end".to_owned(), self.text.chars().count() + 1),
            Some(Placed { token: Token::Word(text) | Token::Text(text) | Token::Sign(text), at }) => {
                (format!("`{}`", text.chars().take(60).collect::<String>().escape_debug()), *at)
            }
        };
        Refusal::invalid(format!("the query has {found} at character {at}, where {wanted} should stand"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(attribute: &str, comparison: Comparison, value: &str) -> Condition {
        Condition::Compare { attribute: attribute.to_owned(), comparison, value: value.to_owned() }
    }

    #[test]
    fn conditions_bind_as_people_expect() {
        let name = || compare("Name", Comparison::Equal, "openssl");
        let version = || compare("Version", Comparison::Less, "3.0.15");
        for (text, condition) in [
            ("AWS:Application", None),
            (r#"AWS:Application where Name = "openssl""#, Some(name())),
            (
                r#"AWS:Application WHERE Name="openssl" AND Version<'3.0.15'"#,
                Some(Condition::All(vec![name(), version()])),
            ),
            (
                "AWS:Application where Name = openssl or Name = openssl and Version < 3.0.15",
                Some(Condition::Any(vec![name(), Condition::All(vec![name(), version()])])),
            ),
            (
                "AWS:Application where not (Name = openssl or Version < 3.0.15)",
                Some(Condition::Not(Box::new(Condition::Any(vec![name(), version()])))),
            ),
            (
                r#"AWS:Application where Name in ("a", b) "#,
                Some(Condition::In { attribute: "Name".into(), values: vec!["a".into(), "b".into()] }),
            ),
            (
                "AWS:Application where Name like lib*ssl* and URL exists",
                Some(Condition::All(vec![
                    Condition::Like { attribute: "Name".into(), pattern: "lib*ssl*".into() },
                    Condition::Exists { attribute: "URL".into() },
                ])),
            ),
            (r#"AWS:Application where Name = "a\"b""#, Some(compare("Name", Comparison::Equal, "a\"b"))),
        ] {
            let query = parse(text).unwrap();
            assert_eq!((query.type_name.as_str(), query.condition), ("AWS:Application", condition), "{text}");
        }
        assert_eq!(parse("Custom:Rack where Row != 4").unwrap().type_name, "Custom:Rack");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, words) in [
            ("", "the end at character 1, where an inventory type"),
            ("AWS:Applications", "`AWS:Applications` is not an inventory type"),
            ("AWS:Application when Name = x", "`when` at character 17, where `where`"),
            ("AWS:Application where", "the end at character 22, where an attribute"),
            ("AWS:Application where Name", "the end at character 27, where =, !="),
            ("AWS:Application where Name = ", "the end at character 30, where a value"),
            ("AWS:Application where Name =< x", "`=<` at character 28"),
            ("AWS:Application where Name = x y", "`y` at character 32, where `and`, `or` or the end"),
            ("AWS:Application where (Name = x", "the end at character 32, where `)`"),
            ("AWS:Application where Name in x", "`x` at character 31, where `(`"),
            ("AWS:Application where Name = \"x", "a \" at character 30 that is not closed"),
            ("AWS:Application where Nam = x", "has no attribute `Nam`: it has Name"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(words), "`{words}` is not in: {error}");
        }
        let deep = format!("AWS:Application where {}Name = x{}", "(".repeat(40), ")".repeat(40));
        assert!(parse(&deep).unwrap_err().message.contains("deeper than 32"));
        assert!(parse(&"x".repeat(5_000)).unwrap_err().message.contains("longer than 4096"));
    }
}
