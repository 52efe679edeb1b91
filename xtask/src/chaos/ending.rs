//! How a program may end, whom a fault has met or nobody disturbed.

use std::os::unix::process::ExitStatusExt as _;

use driftless_core::code::{self, Exit};

use super::choice::Fault;
use super::desk::Ended;

/// What `kill -9` sends.
const KILLED: i32 = 9;

/// How a process ends at a crash point, which says its name before.
const ABORTED: i32 = 6;

/// An error unless a program that this fault may have met ended as that explains.
pub(super) fn explained(ended: &Ended, fault: Fault) -> Result<(), String> {
    let by_signal = match fault {
        Fault::Kill => ended.status.signal() == Some(KILLED),
        Fault::Crash(point) => ended.status.signal() == Some(ABORTED) && died_at(ended, point),
        _ => false,
    };
    judge(ended, by_signal || is_one_of(ended, failures(fault)))
}

/// An error unless it ended as somebody does who is disturbed by nothing but those who came before.
pub(super) fn undisturbed(ended: &Ended) -> Result<(), String> {
    judge(ended, is_one_of(ended, &[Exit::Held]))
}

/// Whether it died at this crash point.
pub(super) fn died_at(ended: &Ended, point: &str) -> bool {
    ended.code().is_none() && ended.said.lines().last() == Some(&format!("crash point {point}"))
}

/// Exit codes of failure that a fault can cause.
fn failures(fault: Fault) -> &'static [Exit] {
    match fault {
        Fault::Kill | Fault::Crash(_) | Fault::Delay(..) => &[],
        Fault::Interrupt | Fault::Terminate => &[Exit::Interrupted],
        Fault::Stop(..)
        | Fault::Timeline(..)
        | Fault::EndSessions(..)
        | Fault::Drop(..)
        | Fault::CutInCopy(..)
        | Fault::BlackHole(..)
        | Fault::DiskFull(_)
        | Fault::NoConnections(..)
        | Fault::Lock(..) => &[Exit::Server],
        Fault::Pause => &[Exit::Held],
    }
}

fn is_one_of(ended: &Ended, exits: &[Exit]) -> bool {
    exits.iter().any(|exit| ended.code() == Some(*exit as i32))
}

fn judge(ended: &Ended, explained: bool) -> Result<(), String> {
    let internal = code::INTERNAL.to_string();
    let mistaken = ["panicked", "thread '", &internal]
        .iter()
        .any(|word| ended.said.contains(word));
    if (ended.is_done() || explained) && !mistaken {
        return Ok(());
    }
    Err(format!(
        "it ended with {}, which nothing explains:\n{}",
        ended.status, ended.said
    ))
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use driftless_testkit::Direction;

    use super::super::choice::Side;
    use super::*;

    fn by_signal(signal: i32, said: &str) -> Ended {
        Ended {
            status: ExitStatus::from_raw(signal),
            said: said.to_owned(),
        }
    }

    fn with_code(code: Exit) -> Ended {
        by_signal((code as i32) << 8, "loading\n")
    }

    #[test]
    fn a_signal_is_only_explained_by_the_fault_that_sends_it() {
        let crash = Fault::Crash("done");
        assert!(explained(&by_signal(KILLED, ""), Fault::Kill).is_ok());
        assert!(explained(&by_signal(ABORTED, "x\ncrash point done\n"), crash).is_ok());
        for (ended, fault) in [
            (by_signal(ABORTED, ""), Fault::Kill),
            (by_signal(ABORTED, "crash point loaded\n"), crash),
            (by_signal(ABORTED, "x\n"), crash),
            (by_signal(KILLED, "crash point done\n"), crash),
            (by_signal(11, ""), Fault::Kill),
            (by_signal(15, ""), Fault::Terminate),
            (by_signal(KILLED, ""), Fault::Stop(Side::Target, 0)),
        ] {
            assert!(explained(&ended, fault).is_err(), "{} by {fault:?}", ended.status);
            assert!(undisturbed(&ended).is_err());
        }
    }

    #[test]
    fn a_failure_is_only_explained_by_a_fault_that_can_cause_it() {
        let delay = Fault::Delay(Side::Source, Direction::ToServer, 5);
        for (code, fault, fine) in [
            (Exit::Done, delay, true),
            (Exit::Remaining, delay, true),
            (Exit::Server, delay, false),
            (Exit::Server, Fault::DiskFull(0), true),
            (Exit::Interrupted, Fault::Interrupt, true),
            (Exit::Interrupted, Fault::Kill, false),
            (Exit::Held, Fault::Pause, true),
            (Exit::Held, delay, false),
            (Exit::Usage, Fault::Pause, false),
        ] {
            assert_eq!(
                explained(&with_code(code), fault).is_ok(),
                fine,
                "{code:?} by {fault:?}"
            );
        }
        assert!(undisturbed(&with_code(Exit::Held)).is_ok());
        assert!(undisturbed(&with_code(Exit::Server)).is_err());
        for said in ["thread 'main' panicked\n", "error DL0599\n"] {
            assert!(explained(&by_signal(0, said), delay).is_err());
        }
    }
}
