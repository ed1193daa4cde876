//! The metrics that every well-behaved process has, under the names that every dashboard knows, read from `/proc/self`.
//! What cannot be read has no sample.

use std::fs;

use super::{Metric, counter, gauge};

pub(super) const PROCESS: &[Metric] = &[
    gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        |source, family| family.sample(&[], source.view.state.started.as_secs_f64()),
    ),
    counter("process_cpu_seconds_total", "CPU time used, user and system.", |_, family| {
        if let Some(seconds) = cpu_seconds() {
            family.sample(&[], seconds);
        }
    }),
    gauge("process_resident_memory_bytes", "Memory in use.", |_, family| {
        if let Some(bytes) = resident_bytes() {
            family.sample(&[], bytes);
        }
    }),
    gauge("process_open_fds", "File descriptors open now.", |_, family| {
        if let Some(open) = open_files() {
            family.sample(&[], open);
        }
    }),
    gauge("process_max_fds", "File descriptors that may be open.", |_, family| {
        if let Some(most) = most_files() {
            family.sample(&[], most);
        }
    }),
    gauge("process_threads", "Threads of the process.", |_, family| {
        if let Some(threads) = status("Threads:").and_then(|value| value.parse::<u64>().ok()) {
            family.sample(&[], threads);
        }
    }),
];

/// Of user space, in a second: fixed at 100 on Linux (`USER_HZ`).
const CLOCK_TICKS: f64 = 100.0;

fn cpu_seconds() -> Option<f64> {
    cpu_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Fields 14 and 15 (proc(5)); the name in field 2 may hold spaces and parentheses.
fn cpu_of(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / CLOCK_TICKS)
}

fn resident_bytes() -> Option<u64> {
    let kilobytes: u64 = status("VmRSS:")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The first word of a line of `/proc/self/status`.
fn status(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Less the one that looks.
fn open_files() -> Option<u64> {
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

pub(in crate::admin) fn most_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_shift_the_fields() {
        let stat = "42 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_of(stat), Some(2.0));
        assert_eq!(cpu_of("nonsense"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(cpu_seconds().is_some());
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(open_files().unwrap() >= 3);
        assert!(most_files().unwrap() >= 3);
        assert!(status("Threads:").is_some());
    }
}
