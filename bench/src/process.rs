//! Processes of the bench: started on a core of their own, watched through /proc, ended with their children.
//!
//! Linux only. Processor time has the kernel's resolution of a hundredth of a second, so a window of a second is
//! right to one in a hundred on a busy core and says little on an idle one.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Upstream and load generator.
    pub(crate) harness: usize,
    /// The target alone, unless there is one core only.
    pub(crate) target: usize,
}

impl Cores {
    /// The first two cores this process may use.
    pub(crate) fn find() -> io::Result<Self> {
        let set = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
        let harness = usable.next().ok_or_else(|| io::Error::other("no core"))?;
        Ok(Self { harness, target: usable.next().unwrap_or(harness) })
    }

    /// Whether both sides must share one.
    pub(crate) fn shared(self) -> bool {
        self.harness == self.target
    }
}

/// Binds the calling thread, and what it starts from now on, to a core.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Raises the soft limit of open files to the hard one and says what it is.
pub(crate) fn raise_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// An address on loopback that nobody listens on.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command on `core`, its output in `log`; the calling thread returns to the core `back`.
    pub(crate) fn start(command: &mut Command, core: usize, back: usize, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        pin(core)?;
        let started = command.spawn();
        pin(back)?;
        let named = |error| io::Error::other(format!("{}: {error}", command.get_program().display()));
        Ok(Self(started.map_err(named)?))
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// The process and its children.
    fn tree(&self) -> Vec<u32> {
        let own = self.0.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        [own].into_iter().chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }

    /// Processor time so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        let stats =
            self.tree().into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        let ticks: u64 = stats.map(|stat| ticks(&stat)).sum();
        ticks as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Memory in use, in megabytes.
    pub(crate) fn rss_mb(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most memory that was in use since the start, in megabytes.
    pub(crate) fn peak_mb(&self) -> f64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> f64 {
        let texts =
            self.tree().into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        texts.map(|text| kilobytes(&text, field)).sum::<u64>() as f64 / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for pid in self.tree() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.0.wait();
    }
}

/// User and system time in a line of /proc/PID/stat. The name may hold spaces and brackets, so it is skipped from behind.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn kilobytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_spaces_and_brackets() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(ticks(stat), 300);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn memory_is_read_from_the_right_line() {
        let status = "VmPeak:\t  9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!((kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:")), (1024, 2048));
    }

    #[test]
    fn a_process_uses_memory_and_is_gone_after_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let cores = Cores::find().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        let held = "held=$(head -c 8000000 /dev/zero | tr '\\0' x); echo held; sleep 600";
        let mut process =
            Process::start(command.args(["-c", held]), cores.target, cores.harness, &log).unwrap();
        let start = Instant::now();
        while !fs::read_to_string(&log).unwrap().contains("held") {
            assert!(!process.ended() && start.elapsed() < Duration::from_mins(1));
            thread::yield_now();
        }
        let used = process.rss_mb();
        assert!(used > 7.0 && process.peak_mb() > 7.0, "{used} MB of at least 8 million bytes");
        let own = process.0.id();
        drop(process);
        assert!(!Path::new(&format!("/proc/{own}")).exists());
    }
}
