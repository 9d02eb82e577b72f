//! CPU time and memory of this process, as Linux accounts for them.

use std::time::Duration;

/// The kernel tells CPU time of processes in hundredths of a second, on every platform that we know of.
const TICKS_PER_SECOND: u64 = 100;

/// The CPU time that the calling thread has used.
pub fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}

/// The CPU time, of users and of the kernel, that all threads of this process have used, ended ones included.
pub fn process_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold blanks; utime and stime are the 12th and 13th fields after it.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

/// The memory that this process holds, in bytes.
pub fn resident_bytes() -> u64 {
    status("VmRSS:").split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The cores on which this process may run, as `0-3`.
pub fn allowed_cores() -> String {
    status("Cpus_allowed_list:")
}

fn status(name: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_used_what_its_thread_has() {
        let (process, thread) = (process_cpu(), thread_cpu());
        while thread_cpu() - thread < Duration::from_millis(60) {}
        assert!(process_cpu() - process >= Duration::from_millis(40));
        assert!(resident_bytes() > 1_000_000);
        assert!(!allowed_cores().is_empty());
    }
}
