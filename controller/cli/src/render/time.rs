//! Moments, durations and sizes for people.

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;

use crate::data::Moment;

/// `12s ago`, `in 3h`; empty for no moment.
pub(crate) fn relative(now: Timestamp, moment: Option<Moment>) -> String {
    let Some(moment) = moment else { return String::new() };
    let distance_ms = moment.millis() - now.millis();
    let distance = rounded(Duration::from_millis(distance_ms.unsigned_abs()));
    if distance_ms > 0 { format!("in {distance}") } else { format!("{distance} ago") }
}

/// The moment, and how far it is from now.
pub(crate) fn absolute(now: Timestamp, moment: Option<Moment>) -> String {
    moment.map_or_else(String::new, |known| format!("{known} ({})", relative(now, moment)))
}

/// One unit is enough for a glance: `12s`, `3m`, `5h`, `8d`.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took: `31 ms`, `1.2 s`, `3m 20s`.
pub(crate) fn took(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string(),
    }
}

/// `512 B`, `1.5 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_one_unit() {
        let now = Timestamp::from_millis(1_000_000_000);
        let table = [
            (-59_999, "59s ago"),
            (0, "0s ago"),
            (-60_000, "1m ago"),
            (-7_200_000, "2h ago"),
            (-172_800_000, "2d ago"),
            (90_000, "in 1m"),
        ];
        for (offset, want) in table {
            assert_eq!(relative(now, Moment::of_wire(now.millis() + offset)), want);
        }
        assert_eq!(relative(now, None), "");
    }

    #[test]
    fn durations_and_sizes_are_short() {
        let table = [(31, "31 ms"), (1_240, "1.2 s"), (200_000, "3m 20s"), (3_600_000, "1h")];
        for (millis, want) in table {
            assert_eq!(took(Duration::from_millis(millis)), want);
        }
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (count, want) in table {
            assert_eq!(bytes(count), want);
        }
    }
}
