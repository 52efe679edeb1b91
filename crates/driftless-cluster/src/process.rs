use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::ClusterError;

/// How often a state that only polling shows is looked at.
const POLL: Duration = Duration::from_millis(10);

/// How much of a program's output goes into an error.
const TAIL_BYTES: usize = 2000;

/// How a server is told to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    /// SIGINT to a postmaster: roll back, checkpoint, end.
    Fast,
    /// SIGQUIT to a postmaster: end as if the power had failed.
    Immediate,
    /// SIGKILL, for what does not listen any more.
    Kill,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
            Self::Kill => "KILL",
        }
    }

    /// Sends the signal. A process that is gone already is no error: gone is what the caller wants.
    pub(crate) fn send(self, pid: u32) {
        // The shell's own `kill` exists everywhere; a program of that name does not.
        let _ = Command::new("sh")
            .args([
                "-c",
                "kill -\"$0\" \"$1\" 2>/dev/null",
                self.name(),
                &pid.to_string(),
            ])
            .stdin(Stdio::null())
            .status();
    }
}

/// Whether `pid` runs a server on `data`, as far as the system tells.
pub(crate) fn serves(pid: u32, data: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.to_string());
    if Path::new("/proc/self").exists() {
        let arguments = fs::read(proc.join("cmdline")).unwrap_or_default();
        return arguments
            .split(|byte| *byte == 0)
            .any(|argument| Path::new(&*String::from_utf8_lossy(argument)) == data);
    }
    let check = ["-c", "kill -0 \"$0\" 2>/dev/null", &pid.to_string()];
    Command::new("sh")
        .args(check)
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Looks at a state again and again until it is `done`; `false` once `limit` has passed in vain.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// Ends a server that is our child: as told, then harder, and reaps it.
pub(crate) fn end(child: &mut Child, first: Signal) {
    let mut gone = |limit| wait_until(limit, || !matches!(child.try_wait(), Ok(None)));
    if gone(Duration::ZERO) {
        return;
    }
    let pid = child.id();
    for (signal, patience) in [(first, 30), (Signal::Immediate, 10), (Signal::Kill, 10)] {
        signal.send(pid);
        let mut gone = |limit| wait_until(limit, || !matches!(child.try_wait(), Ok(None)));
        if gone(Duration::from_secs(patience)) {
            return;
        }
    }
}

/// Runs a program to its end; its output is returned only in the error.
pub(crate) fn run(command: &mut Command) -> Result<(), ClusterError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |output: String| ClusterError::Program {
        program: program.clone(),
        output,
    };
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(failed(format!(
        "{}: {}",
        output.status,
        tail(&String::from_utf8_lossy(&text))
    )))
}

/// The end of a text, at a character's border.
pub(crate) fn tail(text: &str) -> &str {
    let text = text.trim();
    let mut start = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// `bytes` random bytes from the system, as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> Result<String, ClusterError> {
    let mut random = vec![0_u8; bytes];
    let fill = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    fill.map_err(ClusterError::file("read", "/dev/urandom"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_the_end_of_its_output() {
        let error = run(Command::new("sh").args(["-c", "echo first; echo last >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("sh failed") && text.contains("last"), "{text}");
        let error = run(&mut Command::new("/nonexistent/program")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/program"), "{error}");
    }

    #[test]
    fn a_tail_is_cut_between_characters() {
        let text = "é".repeat(3000);
        assert!(tail(&text).len() <= TAIL_BYTES && tail(&text).chars().all(|c| c == 'é'));
    }

    #[test]
    fn a_deaf_process_is_ended_all_the_same() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' INT QUIT; exec sleep 1000"])
            .spawn()
            .unwrap();
        Signal::Kill.send(child.id());
        end(&mut child, Signal::Fast);
        assert!(child.try_wait().unwrap().is_some());
    }

    #[test]
    fn a_foreign_process_serves_no_data_of_ours() {
        assert!(!serves(std::process::id(), Path::new("/nonexistent/data")));
    }
}
