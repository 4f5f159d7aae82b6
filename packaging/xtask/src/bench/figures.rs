//! Figures with their limits: a table for people, flat JSON for programs. A key says the unit of its value.

use serde_json::{Map, Value, json};

/// What figures are to be at most, on the machine with two cores that also runs the simulated agents. Those of the fleet
/// are for 10,000 agents; what is counted for each agent or invocation holds for any number.
const AT_MOST: &[(&str, f64)] = &[
    ("idle_bytes_per_agent", 40.0 * 1024.0),
    ("noop_p99_ms", 3_000.0),
    ("noop_controller_cpu_us", 150.0),
    ("enroll_seconds", 60.0),
    ("reconnect_seconds", 30.0),
    ("reconnect_peak_ratio", 2.0),
    ("agent_rss_bytes", 10e6),
    ("agent_cpu_seconds_per_hour", 1.5),
    ("run_true_ms", 40.0),
    ("rest_controller_cpu_seconds_per_minute", 0.6),
    ("start_execution_ms", 1_000.0),
    ("start_first_node_ms", 1_000.0),
    ("agent_read_p99_us", 200.0),
    ("changed_value_visible_on_1000_ms", 1_000.0),
    ("get_parameter_p99_ms_at_half_load", 5.0),
];

/// What figures are to be at least, on the same machine.
const AT_LEAST: &[(&str, f64)] = &[
    ("get_parameter_per_second", 15_000.0),
    ("get_secure_parameter_per_second", 12_000.0),
    ("get_by_path_page_per_second", 5_000.0),
    ("put_parameter_per_second", 5_000.0),
];

/// Costs of one agent or one invocation: flat is good when the fleet grows.
const COSTS: [&str; 7] = [
    "enroll_controller_cpu_us",
    "idle_bytes_per_agent",
    "idle_controller_cpu_us_per_agent_minute",
    "disk_bytes_per_node",
    "noop_controller_cpu_us",
    "noop_written_bytes",
    "reconnect_controller_cpu_us",
];

/// In the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<(String, Value)>,
}

impl Figures {
    /// Keeps what the value says: three digits after the point for small ones, none for large ones.
    pub(crate) fn number(&mut self, key: &str, value: f64) {
        let value = if value.abs() < 1_000.0 { (value * 1_000.0).round() / 1_000.0 } else { value.round() };
        self.rows.push((key.to_owned(), json!(value)));
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.rows.push((key.to_owned(), json!(value)));
    }

    fn get(&self, key: &str) -> Option<f64> {
        self.rows.iter().find(|(known, _)| known == key).and_then(|(_, value)| value.as_f64())
    }

    pub(crate) fn to_json(&self) -> Value {
        Value::Object(self.rows.iter().cloned().collect::<Map<_, _>>())
    }

    pub(crate) fn table(&self) -> String {
        let width = self.rows.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (key, value) in &self.rows {
            let shown = value.as_f64().map_or_else(|| value.as_str().unwrap_or_default().to_owned(), grouped);
            text.push_str(&format!("{key:<width$}  {shown:>16}{}\n", verdict(key, value)));
        }
        text
    }
}

/// The largest fleet's figures bear the plain keys, those of a smaller one begin with its size. How the costs grew
/// from the smallest to the largest is a ratio.
pub(crate) fn of_sizes(measured: Vec<(u32, Figures)>) -> Figures {
    let mut all = Figures::default();
    let (Some((smallest, first)), Some((largest, last))) = (measured.first(), measured.last()) else {
        return all;
    };
    if smallest != largest {
        for key in COSTS {
            if let (Some(before), Some(after)) = (first.get(key), last.get(key))
                && before > 0.0
            {
                all.number(&format!("growth_{smallest}_to_{largest}_{key}_ratio"), after / before);
            }
        }
    }
    for (agents, figures) in measured.into_iter().rev() {
        let is_largest = all.get("agents").is_none();
        for (key, value) in figures.rows {
            let key = if is_largest { key } else { format!("at_{agents}_{key}") };
            all.rows.push((key, value));
        }
    }
    all
}

fn verdict(key: &str, value: &Value) -> String {
    // What holds without TLS holds with it.
    let key = key.strip_prefix("tls_").unwrap_or(key);
    let goal = |goals: &[(&str, f64)]| goals.iter().find(|(known, _)| *known == key).map(|(_, goal)| *goal);
    let Some(value) = value.as_f64() else { return String::new() };
    match (goal(AT_MOST), goal(AT_LEAST)) {
        (Some(most), _) if value <= most => format!("   good: at most {}", grouped(most)),
        (Some(most), _) => format!("   OVER the goal of {}", grouped(most)),
        (_, Some(least)) if value >= least => format!("   good: at least {}", grouped(least)),
        (_, Some(least)) => format!("   UNDER the goal of {}", grouped(least)),
        (None, None) => String::new(),
    }
}

/// 1234567.5 as 1,234,568; small numbers with their digits.
fn grouped(value: f64) -> String {
    if value.abs() < 1_000.0 {
        return format!("{value}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(agents: f64, bytes: f64) -> Figures {
        let mut figures = Figures::default();
        figures.number("agents", agents);
        figures.number("idle_bytes_per_agent", bytes);
        figures
    }

    #[test]
    fn one_size_has_plain_keys() {
        let all = of_sizes(vec![(1_000, fleet(1_000.0, 20_000.4))]);
        assert_eq!(all.to_json(), json!({ "agents": 1000.0, "idle_bytes_per_agent": 20000.0 }));
    }

    #[test]
    fn several_sizes_are_compared() {
        let all = of_sizes(vec![(1_000, fleet(1_000.0, 20_000.0)), (10_000, fleet(10_000.0, 25_000.0))]);
        assert_eq!(
            all.to_json(),
            json!({
                "growth_1000_to_10000_idle_bytes_per_agent_ratio": 1.25,
                "agents": 10000.0,
                "idle_bytes_per_agent": 25000.0,
                "at_1000_agents": 1000.0,
                "at_1000_idle_bytes_per_agent": 20000.0,
            })
        );
    }

    #[test]
    fn a_table_says_what_misses_its_goal() {
        let table = fleet(10_000.0, 50_000.0).table();
        assert!(
            table.contains("idle_bytes_per_agent            50,000   OVER the goal of 40,960\n"),
            "{table}"
        );
        let table = fleet(10_000.0, 950.25).table();
        assert!(table.contains("950.25   good: at most 40,960\n"), "{table}");
        let mut rates = Figures::default();
        rates.number("get_parameter_per_second", 15_000.0);
        rates.number("tls_get_parameter_per_second", 14_999.0);
        let table = rates.table();
        assert!(table.contains("15,000   good: at least 15,000\n"), "{table}");
        assert!(table.contains("14,999   UNDER the goal of 15,000\n"), "{table}");
    }
}
