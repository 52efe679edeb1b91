use std::fs;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

/// Clock ticks a second in `/proc`: the kernel reports in this unit on every architecture that PostgreSQL is packaged for.
const TICKS: f64 = 100.0;

/// How often it is asked whether a process has ended.
const INTERVAL: Duration = Duration::from_millis(5);

/// How many times rarer its memory is looked at: the kernel takes long to tell of that, on a core that the process could use. What it
/// takes after the last look is not seen.
const RARER: usize = 8;

/// What a process cost that has ended.
pub(crate) struct Cost {
    pub(crate) status: ExitStatus,
    /// Seconds of CPU time, in user and kernel mode, with the processes that it started.
    pub(crate) cpu: f64,
    /// The most memory that was resident, in MB.
    pub(crate) peak_mb: f64,
}

/// Waits for a process, and says what it cost.
pub(crate) fn watch(mut child: Child) -> Result<Cost, String> {
    let mut peak_kb = 0;
    let mut looks = 0_usize;
    loop {
        if looks.is_multiple_of(RARER) {
            peak_kb = peak_kb.max(high_water(child.id()));
        }
        // A process that has ended keeps its figures until somebody asks for its status.
        let stat = Stat::of(child.id());
        if stat.as_ref().is_none_or(|stat| stat.ended) {
            let status = child
                .wait()
                .map_err(|error| format!("a process is lost: {error}"))?;
            return Ok(Cost {
                status,
                // Of those that it started and waited for too.
                cpu: stat.map_or(0.0, |stat| stat.own + stat.reaped),
                peak_mb: peak_kb as f64 / 1024.0,
            });
        }
        thread::sleep(INTERVAL);
        looks += 1;
    }
}

/// Seconds of CPU time that a server has used so far: its postmaster, its children, and the children that have ended.
pub(crate) fn server_cpu(postmaster: u32) -> f64 {
    let reaped = || Stat::of(postmaster).map_or(0.0, |stat| stat.reaped);
    loop {
        let before = reaped();
        let alive: f64 = family(postmaster).map(|stat| stat.own).sum();
        // A child that ended while we looked was counted twice or not at all.
        if before == reaped() {
            return before + alive;
        }
    }
}

/// A postmaster and its children.
fn family(postmaster: u32) -> impl Iterator<Item = Stat> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(move |pid: u32| {
        let stat = Stat::of(pid)?;
        (pid == postmaster || stat.parent == postmaster).then_some(stat)
    })
}

/// A line of `/proc/PID/stat`, as `proc(5)` describes it.
struct Stat {
    ended: bool,
    parent: u32,
    own: f64,
    reaped: f64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Stat> {
        // The program's name stands in parentheses and may hold anything.
        let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some(Stat {
            ended: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            own: (ticks(11)? + ticks(12)?) / TICKS,
            reaped: (ticks(13)? + ticks(14)?) / TICKS,
        })
    }
}

/// `VmHWM` in kB; 0 where the process has ended.
fn high_water(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_program_may_have_any_name() {
        let stat = Stat::parse("7 (a) b (c) S 42 7 7 0 -1 0 0 0 0 0 150 50 20 30 20 0 1 0").unwrap();
        assert!(!stat.ended);
        assert_eq!((stat.parent, stat.own, stat.reaped), (42, 2.0, 0.5));
    }

    #[test]
    fn what_a_process_used_is_known_after_its_end() {
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 3";
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let cost = watch(child).unwrap();
        assert_eq!(cost.status.code(), Some(3));
        assert!(
            cost.cpu > 0.0 && cost.peak_mb > 0.1,
            "{} {}",
            cost.cpu,
            cost.peak_mb
        );
    }
}
