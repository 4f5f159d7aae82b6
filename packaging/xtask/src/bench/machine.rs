//! On which machine, and when: a figure without them says nothing.

use std::fs;
use std::time::SystemTime;

use super::figures::Figures;

pub(crate) fn describe(figures: &mut Figures) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let after_colon = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let memory = after_colon(&read("/proc/meminfo"), "MemTotal");
    let memory_kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    figures.text("machine_cpu", &after_colon(&read("/proc/cpuinfo"), "model name"));
    figures.number("machine_cores", cores as f64);
    figures.number("machine_memory_bytes", memory_kib * 1024.0);
    figures.text("machine_kernel", read("/proc/sys/kernel/osrelease").trim());
    figures.number(
        "machine_load_1_minute",
        read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
    );
    figures.text("measured_at", &humantime::format_rfc3339_seconds(SystemTime::now()).to_string());
    figures.text("version", env!("CARGO_PKG_VERSION"));
}
