//! How long the next occurrence takes to find: `cargo run --release --example pace`.

use std::hint::black_box;
use std::time::Instant as Stopwatch;

use chrono::{TimeDelta, TimeZone, Utc};
use fleetwright_schedule::{Expression, Schedule, Zone};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const TIMES: u32 = 20_000;
    let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().ok_or("no such moment")?;
    for (text, zone) in [
        ("cron(0 2 ? * SUN *)", "UTC"),
        ("cron(0 2 ? * TUE#2 *)", "Europe/Berlin"),
        ("cron(0/30 * * * ? *)", "Europe/Berlin"),
        ("cron(0 0 29 2 ? *)", "America/New_York"),
        ("cron(0 0 ? 2 SUN#5 *)", "UTC"),
        ("rate(7 days)", "UTC"),
        ("at(2028-03-26T02:30:00)", "Europe/Berlin"),
    ] {
        let schedule = Schedule::new(text.parse::<Expression>()?, start).in_zone(zone.parse::<Zone>()?);
        let watch = Stopwatch::now();
        for minute in 0..TIMES {
            black_box(schedule.next_after(start + TimeDelta::minutes(i64::from(minute) * 37)));
        }
        let each = watch.elapsed() / TIMES;
        let watch = Stopwatch::now();
        for _ in 0..1_000 {
            black_box(text.parse::<Expression>()?);
        }
        let read = watch.elapsed() / 1_000;
        #[expect(clippy::print_stdout, reason = "this is what it is for")]
        {
            println!("{text:26} {zone:18} next {each:>10.2?}   read {read:>10.2?}");
        }
    }
    Ok(())
}
