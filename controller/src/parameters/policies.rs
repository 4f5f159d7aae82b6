//! Policies of parameters (reference, section 10.5): when one expires, and when somebody is to hear of it. Pure.
//!
//! ```text
//! Pending ──due, and done──► Finished          a new version starts every policy anew
//! ```

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, ParameterError};
use super::names::shown;

const TEXT_MAX_CHARS: usize = 4096;
const COUNT_MAX: usize = 10;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest notice before, or silence after: about a hundred years.
const SPAN_MAX: u64 = 36_500;

/// One policy of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub rule: Rule,
    /// As its author wrote it.
    pub text: String,
    pub status: PolicyStatus,
}

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    Expiration {
        at: Timestamp,
    },
    /// Before the expiration.
    ExpirationNotification {
        before_ms: u64,
    },
    /// After the value was last written.
    NoChangeNotification {
        after_ms: u64,
    },
}

impl Rule {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expiration { .. } => "Expiration",
            Self::ExpirationNotification { .. } => "ExpirationNotification",
            Self::NoChangeNotification { .. } => "NoChangeNotification",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyStatus {
    Pending,
    Finished,
}

impl PolicyStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Finished => "Finished",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Written {
    #[serde(rename = "Type")]
    kind: String,
    version: String,
    attributes: serde_json::Map<String, serde_json::Value>,
}

/// Reads the policies of a request; `[{}]` is none.
pub fn parse(text: &str, now: Timestamp) -> Result<Vec<Policy>, ParameterError> {
    if text.chars().count() > TEXT_MAX_CHARS {
        return Err(Fault::Validation.because(format!(
            "the policies have {} characters: {TEXT_MAX_CHARS} at most",
            text.chars().count()
        )));
    }
    let malformed = |why: &str| {
        Fault::InvalidPolicyAttribute.because(format!(
            "the policies are not a JSON array of objects with Type, Version and Attributes: {why}"
        ))
    };
    let items: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
    if items.len() == 1 && items[0].as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(Vec::new());
    }
    if items.len() > COUNT_MAX {
        return Err(Fault::PoliciesLimitExceeded
            .because(format!("{} policies are too many: {COUNT_MAX} at most", items.len())));
    }
    let mut policies = Vec::with_capacity(items.len());
    for item in items {
        let text = item.to_string();
        let written: Written = serde_json::from_value(item).map_err(|error| malformed(&error.to_string()))?;
        policies.push(Policy { rule: rule(&written)?, text, status: PolicyStatus::Pending });
    }
    check_together(&policies, now)?;
    Ok(policies)
}

fn rule(written: &Written) -> Result<Rule, ParameterError> {
    let Written { kind, version, attributes } = written;
    let known = ["Expiration", "ExpirationNotification", "NoChangeNotification"];
    if !known.contains(&kind.as_str()) || version != "1.0" {
        return Err(Fault::InvalidPolicyType.because(format!(
            "there is no policy {} of version {}: Expiration, ExpirationNotification or NoChangeNotification of \
             version 1.0",
            shown(kind),
            shown(version)
        )));
    }
    let wanted: &[&str] = match kind.as_str() {
        "Expiration" => &["Timestamp"],
        "ExpirationNotification" => &["Before", "Unit"],
        _ => &["After", "Unit"],
    };
    let wrong = |why: &str| Fault::InvalidPolicyAttribute.because(format!("in the policy {kind} {why}"));
    if attributes.len() != wanted.len() || !wanted.iter().all(|name| attributes.contains_key(*name)) {
        return Err(wrong(&format!("the attributes are {}", wanted.join(" and "))));
    }
    let said = |name: &str| match &attributes[name] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if kind == "Expiration" {
        let at = moment(&said("Timestamp"))
            .ok_or_else(|| wrong("Timestamp is a moment, as 2030-01-31T12:00:00.000Z"))?;
        return Ok(Rule::Expiration { at });
    }
    let unit = match said("Unit").as_str() {
        "Days" => DAY,
        "Hours" => HOUR,
        _ => return Err(wrong("Unit is Days or Hours")),
    };
    let count = said(wanted[0]).parse::<u64>().ok().filter(|count| (1..=SPAN_MAX).contains(count));
    let count = count.ok_or_else(|| wrong(&format!("{} is a whole number, 1 to {SPAN_MAX}", wanted[0])))?;
    let span_ms = u64::try_from(unit.as_millis()).unwrap_or(u64::MAX) * count;
    Ok(match kind.as_str() {
        "ExpirationNotification" => Rule::ExpirationNotification { before_ms: span_ms },
        _ => Rule::NoChangeNotification { after_ms: span_ms },
    })
}

fn moment(text: &str) -> Option<Timestamp> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    let moment = parsed.or_else(|_| {
        chrono::NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f")
            .map(|moment| moment.and_utc())
    });
    moment.ok().map(|moment| Timestamp::from_millis(moment.timestamp_millis()))
}

fn check_together(policies: &[Policy], now: Timestamp) -> Result<(), ParameterError> {
    let expirations = policies.iter().filter_map(|policy| match policy.rule {
        Rule::Expiration { at } => Some(at),
        _ => None,
    });
    let expirations: Vec<_> = expirations.collect();
    let clash = |why: &str| Err(Fault::IncompatiblePolicy.because(why));
    match expirations.as_slice() {
        [] if policies.iter().any(|policy| matches!(policy.rule, Rule::ExpirationNotification { .. })) => {
            clash("an ExpirationNotification tells of an Expiration: add one")
        }
        [_, _, ..] => clash("two policies say when the parameter expires: one Expiration at most"),
        [at] if *at <= now => Err(Fault::InvalidPolicyAttribute
            .because("in the policy Expiration Timestamp is in the past: it must be in the future")),
        _ => Ok(()),
    }
}

/// What is to be done now about a parameter's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Expire,
    /// The policy at this place in the list is to be told of.
    Notify(usize),
}

/// Everything that is due. An expired parameter is only deleted: nobody needs notice of what has happened.
#[must_use]
pub fn due(policies: &[Policy], modified: Timestamp, now: Timestamp) -> Vec<Due> {
    let expires = policies.iter().find_map(|policy| match policy.rule {
        Rule::Expiration { at } => Some(at),
        _ => None,
    });
    if expires.is_some_and(|at| at <= now) {
        return vec![Due::Expire];
    }
    let is_due = |policy: &Policy| match policy.rule {
        Rule::Expiration { .. } => false,
        Rule::ExpirationNotification { before_ms } => {
            expires.is_some_and(|at| at <= now.plus(Duration::from_millis(before_ms)))
        }
        Rule::NoChangeNotification { after_ms } => modified.plus(Duration::from_millis(after_ms)) <= now,
    };
    let pending = policies.iter().enumerate();
    let pending = pending.filter(|(_, policy)| policy.status == PolicyStatus::Pending && is_due(policy));
    pending.map(|(at, _)| Due::Notify(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn expiration(at: &str) -> String {
        format!(r#"{{"Type":"Expiration","Version":"1.0","Attributes":{{"Timestamp":"{at}"}}}}"#)
    }

    fn notice(kind: &str, word: &str, count: &str, unit: &str) -> String {
        format!(r#"{{"Type":"{kind}","Version":"1.0","Attributes":{{"{word}":"{count}","Unit":"{unit}"}}}}"#)
    }

    fn list(items: &[String]) -> String {
        format!("[{}]", items.join(","))
    }

    #[test]
    fn good_policies() {
        let text = list(&[
            expiration("2030-01-01T00:00:00.000Z"),
            notice("ExpirationNotification", "Before", "3", "Days"),
            notice("NoChangeNotification", "After", "12", "Hours"),
        ]);
        let rules: Vec<_> = parse(&text, now()).unwrap().into_iter().map(|policy| policy.rule).collect();
        let wanted = [
            Rule::Expiration { at: Timestamp::from_millis(1_893_456_000_000) },
            Rule::ExpirationNotification { before_ms: 3 * 24 * 3_600_000 },
            Rule::NoChangeNotification { after_ms: 12 * 3_600_000 },
        ];
        assert_eq!(rules, wanted);
        assert_eq!(parse("[{}]", now()).unwrap(), []);
        assert_eq!(parse("[]", now()).unwrap(), []);
        assert!(parse(&list(&[expiration("2030-01-01T01:00:00+01:00")]), now()).is_ok());
    }

    #[test]
    fn bad_policies() {
        let later = expiration("2030-01-01T00:00:00Z");
        let eleven: Vec<_> = (0..11).map(|_| notice("NoChangeNotification", "After", "1", "Days")).collect();
        for (text, fault, part) in [
            ("{".to_owned(), Fault::InvalidPolicyAttribute, "not a JSON array"),
            ("[\"Expiration\"]".to_owned(), Fault::InvalidPolicyAttribute, "not a JSON array"),
            (format!("[{}]", " ".repeat(5000)), Fault::Validation, "4096 at most"),
            (list(&eleven), Fault::PoliciesLimitExceeded, "11 policies"),
            (list(&[later.replace("Expiration", "Melt")]), Fault::InvalidPolicyType, "no policy Melt"),
            (list(&[later.replace("1.0", "2.0")]), Fault::InvalidPolicyType, "version 2.0"),
            (list(&[later.replace("Timestamp", "When")]), Fault::InvalidPolicyAttribute, "are Timestamp"),
            (list(&[expiration("soon")]), Fault::InvalidPolicyAttribute, "2030-01-31"),
            (list(&[expiration("2001-01-01T00:00:00Z")]), Fault::InvalidPolicyAttribute, "in the past"),
            (list(&[later.clone(), later.clone()]), Fault::IncompatiblePolicy, "one Expiration"),
            (
                list(&[notice("ExpirationNotification", "Before", "3", "Days")]),
                Fault::IncompatiblePolicy,
                "add one",
            ),
            (
                list(&[notice("NoChangeNotification", "After", "0", "Days")]),
                Fault::InvalidPolicyAttribute,
                "1 to",
            ),
            (
                list(&[notice("NoChangeNotification", "After", "1", "Weeks")]),
                Fault::InvalidPolicyAttribute,
                "Days or Hours",
            ),
        ] {
            let error = parse(&text, now()).unwrap_err();
            assert!(error.fault == fault && error.message.contains(part), "{text}: {error:?}");
        }
    }

    #[test]
    fn what_is_due() {
        let policies = parse(
            &list(&[
                expiration("2030-01-01T00:00:00Z"),
                notice("ExpirationNotification", "Before", "1", "Days"),
                notice("NoChangeNotification", "After", "2", "Days"),
            ]),
            now(),
        )
        .unwrap();
        let expires = Timestamp::from_millis(1_893_456_000_000);
        let at = |ms: i64| Timestamp::from_millis(expires.millis() + ms);
        let day = 24 * 3_600_000;
        for (modified, now, wanted) in [
            (at(-3 * day), at(-2 * day), vec![]),
            (at(-3 * day), at(-day), vec![Due::Notify(1), Due::Notify(2)]),
            (at(-day), at(-day - 1), vec![]),
            (at(-day), at(-1), vec![Due::Notify(1)]),
            (at(-9 * day), at(0), vec![Due::Expire]),
        ] {
            assert_eq!(due(&policies, modified, now), wanted);
        }
        let mut told = policies;
        told[1].status = PolicyStatus::Finished;
        assert_eq!(due(&told, at(-day), at(-1)), []);
    }
}
