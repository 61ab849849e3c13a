//! What the system says of this process. Linux tells it in `/proc`; elsewhere the numbers are 0.

use std::fs;

/// Ticks per second of the processor times in `/proc`; fixed in the interface of the kernel.
const TICKS: f64 = 100.0;

/// Numbers of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    pub(crate) fds: u64,
    /// In bytes.
    pub(crate) memory: u64,
    /// Seconds since 1970.
    pub(crate) started: f64,
}

impl Process {
    /// The numbers of now.
    pub(crate) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in brackets may hold anything.
        let fields: Vec<&str> =
            stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
        let number = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        Self {
            cpu_seconds: (number(11) + number(12)) / TICKS,
            // The one that reads the folder is counted and gone.
            fds: fs::read_dir("/proc/self/fd")
                .map_or(0, |entries| (entries.count() as u64).saturating_sub(1)),
            memory: kilobytes.unwrap_or_default() * 1024,
            started: boot.map_or(0.0, |boot| boot + number(19) / TICKS),
        }
    }
}
