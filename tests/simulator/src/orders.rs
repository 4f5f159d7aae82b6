//! What a running simulator is told, one order a line, and what it says, one JSON object a line.

use std::str::FromStr;

use serde::Serialize;

use crate::fleet::{Connected, Enrolled, FleetStatus};

/// A line of standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Cut all links, and tell when the agents are back.
    Cut,
    /// Tell how the fleet is.
    Status,
    /// So many hosts read slowly from now on.
    Slow(u32),
    /// Every host has the next version of the package with this number.
    Upgrade(u32),
    /// Every host reads the parameter with this name, and holds it.
    Read(String),
    /// Tell when every host holds this version of the parameter, or a later one.
    Await(String, u64),
    Quit,
}

/// A line that is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an order: cut, status, slow N, upgrade N, read NAME, await NAME VERSION, quit")]
pub struct OrderError(String);

impl FromStr for Order {
    type Err = OrderError;

    fn from_str(line: &str) -> Result<Self, OrderError> {
        let error = || OrderError(line.chars().take(80).collect());
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["cut"] => Ok(Self::Cut),
            ["status"] => Ok(Self::Status),
            ["slow", agents] => agents.parse().map(Self::Slow).map_err(|_| error()),
            ["upgrade", package] => package.parse().map(Self::Upgrade).map_err(|_| error()),
            ["read", name] => Ok(Self::Read(name.to_owned())),
            ["await", name, version] => {
                version.parse().map(|version| Self::Await(name.to_owned(), version)).map_err(|_| error())
            }
            ["quit"] => Ok(Self::Quit),
            _ => Err(error()),
        }
    }
}

/// A line of standard output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Enrolled(Enrolled),
    Connected(Connected),
    /// After a cut.
    Back(Connected),
    Status(FleetStatus),
    Slowed {
        agents: u32,
    },
    Upgraded {
        package: u32,
    },
    /// Those that have read it.
    Read(Connected),
    /// Those that hold it, and when they did.
    Holds(Connected),
    Error {
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_line() {
        let table = [
            ("cut", Some(Order::Cut)),
            ("  status ", Some(Order::Status)),
            ("slow 20", Some(Order::Slow(20))),
            ("upgrade 7", Some(Order::Upgrade(7))),
            ("read /a/b", Some(Order::Read("/a/b".to_owned()))),
            ("await /a/b 7", Some(Order::Await("/a/b".to_owned(), 7))),
            ("await /a/b", None),
            ("quit", Some(Order::Quit)),
            ("slow", None),
            ("slow -1", None),
            ("cut all", None),
            ("", None),
        ];
        for (line, wanted) in table {
            assert_eq!(line.parse::<Order>().ok(), wanted, "{line}");
        }
        let error = "jump".parse::<Order>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`jump` is not an order: cut, status, slow N, upgrade N, read NAME, await NAME VERSION, quit"
        );
    }

    #[test]
    fn an_event_is_flat_json() {
        let line = |event| serde_json::to_string(&event).unwrap();
        let back = Connected { agents: 3, missing: 0, seconds: 0.5, p99_seconds: 0.25 };
        assert_eq!(
            line(Event::Back(back)),
            r#"{"event":"back","agents":3,"missing":0,"seconds":0.5,"p99_seconds":0.25}"#
        );
        assert_eq!(line(Event::Slowed { agents: 2 }), r#"{"event":"slowed","agents":2}"#);
    }
}
