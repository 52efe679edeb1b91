//! Faults, done to a program at work; each says whether it fired.

use std::fs;
use std::time::{Duration, Instant};

use driftless_core::code::{self, Exit};
use driftless_testkit::{Client, Direction, Fault as LineFault, Hoard, wait_until};
use tokio::time::sleep;

use super::choice::{Choice, Fault, Moment, Side};
use super::desk::{Desk, Ended};
use super::ending::{died_at, explained, undisturbed};
use super::ground::{FILLER, Ground, PASSWORD};

/// How often a fault is tried in one run: a load that was quicker than expected is started over, and met earlier; one whose fault nobody
/// noticed, later.
const TRIES: u64 = 4;

/// How long another one waits for a lease to expire: a holder counts as dead after 18 s of silence.
const TAKE_OVER: Duration = Duration::from_secs(60);

/// So much of what a quiet load sends must have been late, per mille: a load takes a way of its own.
const LATE: u64 = 500;

/// Sessions are at their log-in in so much of what a quiet load sends, per mille.
const EARLY: u64 = 100;

/// What became of the disturbed load.
pub(super) struct Struck {
    /// How the program ended.
    pub(super) ended: Ended,
    /// How often a load was met at a moment that did not do, and started over.
    pub(super) missed: u64,
}

/// Disturbs a load until the fault has fired.
pub(super) async fn strike(ground: &mut Ground, desk: &Desk, choice: &Choice) -> Result<Struck, String> {
    let mut last = String::new();
    for missed in 0..TRIES {
        let at = earlier(choice, missed);
        let (ended, fired) = once(ground, desk, choice.fault, at, missed).await?;
        explained(&ended, choice.fault)?;
        if fired && desk.motion.struck_in_motion() {
            ground.fired = true;
            return Ok(Struck { ended, missed });
        }
        last = ended.said;
        // Whatever came of it, the next one begins from there.
        let between = desk.run(&["migrate"]).await?;
        undisturbed(&between)?;
    }
    Err(format!(
        "the fault did not fire in {TRIES} loads; the last one said:\n{last}"
    ))
}

/// The same moment, each time so much earlier that at last nobody can miss it.
fn earlier(choice: &Choice, missed: u64) -> Moment {
    let at = choice.at;
    match missed {
        0 => at,
        1 => Moment {
            after: at.after / 4,
            ..at
        },
        _ if matches!(choice.fault, Fault::NoConnections(..)) => Moment { step: None, after: 0 },
        _ => Moment {
            step: Some("loading"),
            after: 0,
        },
    }
}

async fn once(
    ground: &mut Ground,
    desk: &Desk,
    fault: Fault,
    at: Moment,
    missed: u64,
) -> Result<(Ended, bool), String> {
    match fault {
        Fault::Crash(point) => crash(desk, point).await,
        Fault::Kill => signalled(desk, at, "KILL", |ended| ended.code().is_none()).await,
        Fault::Interrupt => signalled(desk, at, "INT", |ended| ended.code() == Some(130)).await,
        Fault::Terminate => signalled(desk, at, "TERM", |ended| ended.code() == Some(130)).await,
        Fault::Stop(side, rest) => stopped(ground, desk, at, (side, rest, false)).await,
        Fault::Timeline(side, rest) => stopped(ground, desk, at, (side, rest, true)).await,
        Fault::EndSessions(side, all) => sessions_ended(desk, at, side, all).await,
        Fault::Drop(..) | Fault::CutInCopy(..) | Fault::BlackHole(..) | Fault::Delay(..) => {
            on_the_line(ground, desk, fault, missed).await
        }
        Fault::DiskFull(room) => disk_full(ground, desk, at, room).await,
        Fault::NoConnections(side, rest) => no_connections(ground, desk, at, (side, rest)).await,
        Fault::Lock(table, rest) => locked(desk, at, table, rest).await,
        Fault::Pause => paused(desk, at).await,
    }
}

async fn crash(desk: &Desk, point: &'static str) -> Result<(Ended, bool), String> {
    // Mending needs something that an earlier run finished.
    if point.starts_with("mend") {
        let first = desk.load(Some("after-commit")).await?.end().await?;
        explained(&first, Fault::Crash("after-commit"))?;
        if first.code().is_some() {
            return Ok((first, false));
        }
        changed(desk).await;
    }
    let ended = desk.load(Some(point)).await?.end().await?;
    let fired = died_at(&ended, point) && desk.motion.is_struck();
    Ok((ended, fired))
}

/// Somebody changes a row of every entity: something is there to mend even where the source rests otherwise.
async fn changed(desk: &Desk) {
    desk.source
        .run(
            "UPDATE public.customer SET name = name || '!' WHERE id = 3; UPDATE public.agent SET name = name || '!' WHERE id = 3;
             UPDATE public.customer_order SET amount = '3.50' WHERE id = 3; UPDATE public.remark SET body = body || '!' WHERE code = 'r3'",
        )
        .await;
}

async fn signalled(
    desk: &Desk,
    at: Moment,
    signal: &str,
    shows: fn(&Ended) -> bool,
) -> Result<(Ended, bool), String> {
    let mut running = desk.load(None).await?;
    let there = running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    let sent = there && running.signal(signal);
    let ended = running.end().await?;
    let fired = sent && shows(&ended);
    Ok((ended, fired))
}

/// A server is stopped like a machine that fails, while it has connections of the program, and comes back.
async fn stopped(
    ground: &mut Ground,
    desk: &Desk,
    at: Moment,
    (side, rest, new_timeline): (Side, u64, bool),
) -> Result<(Ended, bool), String> {
    let before = timeline(desk, side).await;
    let mut running = desk.load(None).await?;
    let there = running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    let connected = desk.proxy(side).open() > 0;
    let cluster = ground.cluster(side);
    cluster.stop_immediate();
    sleep(Duration::from_millis(rest)).await;
    let started = if new_timeline {
        cluster.restart_on_a_new_timeline()
    } else {
        cluster.restart()
    };
    started.map_err(|error| error.to_string())?;
    if new_timeline && timeline(desk, side).await == before {
        return Err(format!("the timeline is still {before}"));
    }
    let ended = running.end().await?;
    // Connections that nobody uses any more can go without a word.
    let fired = there && connected && ended.noticed();
    Ok((ended, fired))
}

async fn timeline(desk: &Desk, side: Side) -> String {
    let sql = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
    desk.database(side).value(sql).await.unwrap_or_default()
}

async fn sessions_ended(desk: &Desk, at: Moment, side: Side, all: bool) -> Result<(Ended, bool), String> {
    let mut running = desk.load(None).await?;
    let there = running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    let limit = if all {
        ""
    } else {
        "ORDER BY md5(pid::text) LIMIT 1"
    };
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name LIKE 'driftless%' {limit}) AS its"
    );
    let ended_sessions = desk.database(side).value(&sql).await;
    let ended = running.end().await?;
    let some = ended_sessions.as_deref() != Some("0");
    // A single one may be one that nobody uses.
    let fired = there && some && (!all || ended.noticed());
    Ok((ended, fired))
}

/// The share, per mille, at which a fault is tried again: earlier, where a load may have sent less than a quiet one; later, where it may have
/// met a session at its log-in, opened ahead, that nobody waited for.
fn moved(share: u64, missed: u64) -> u64 {
    if share < EARLY {
        share + missed * 2 * EARLY
    } else {
        share / (1 + missed)
    }
}

/// What the proxies do, counted from the start of the program.
async fn on_the_line(
    ground: &Ground,
    desk: &Desk,
    fault: Fault,
    missed: u64,
) -> Result<(Ended, bool), String> {
    let share = |side: Side, whole: fn(&driftless_testkit::Traffic) -> u64, share: u64| {
        whole(&ground.traffic[side as usize]) * moved(share, missed) / 1000
    };
    let bytes = |side, way, of| match way {
        Direction::ToServer => share(side, |traffic| traffic.bytes[0], of),
        Direction::ToClient => share(side, |traffic| traffic.bytes[1], of),
    };
    let (side, line, rest) = match fault {
        Fault::Drop(side, way, of) => (side, LineFault::Cut(way, bytes(side, way, of)), 0),
        Fault::BlackHole(side, way, of, rest) => {
            (side, LineFault::BlackHole(way, bytes(side, way, of)), rest)
        }
        Fault::CutInCopy(Side::Source, of) => {
            let frames = share(Side::Source, |traffic| traffic.copy_frames[1], of);
            (Side::Source, LineFault::CutInCopy(Direction::ToClient, frames), 0)
        }
        Fault::CutInCopy(Side::Target, of) => {
            let frames = share(Side::Target, |traffic| traffic.copy_frames[0], of);
            (Side::Target, LineFault::CutInCopy(Direction::ToServer, frames), 0)
        }
        Fault::Delay(side, way, pause) => (side, LineFault::Delay(way, Duration::from_millis(pause)), 0),
        other => return Err(format!("{other:?} is none of the line's")),
    };
    let proxy = desk.proxy(side);
    let mut running = desk.load(None).await?;
    proxy.arm(line);
    running.until(async || proxy.fired()).await;
    desk.motion.is_struck();
    if matches!(fault, Fault::BlackHole(..)) {
        sleep(Duration::from_millis(rest)).await;
    }
    if let Fault::Delay(_, way, _) = fault {
        let ended = running.end().await?;
        let fired = proxy.late() >= bytes(side, way, LATE);
        proxy.disarm();
        return Ok((ended, fired));
    }
    let fired = proxy.disarm();
    let ended = running.end().await?;
    let fired = fired && ended.noticed();
    Ok((ended, fired))
}

async fn disk_full(ground: &Ground, desk: &Desk, at: Moment, room: u64) -> Result<(Ended, bool), String> {
    let disk = ground.disk.as_ref().ok_or("there is no small disk")?;
    let before = seen(desk, Side::Target, "53100");
    let mut running = desk.load(None).await?;
    running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    disk.fill(room)?;
    let ended = running.end().await;
    disk.clear()?;
    Ok((ended?, seen(desk, Side::Target, "53100") > before))
}

async fn no_connections(
    ground: &mut Ground,
    desk: &Desk,
    at: Moment,
    (side, rest): (Side, u64),
) -> Result<(Ended, bool), String> {
    let url = ground.cluster(side).url_as(FILLER, PASSWORD, "postgres");
    let before = seen(desk, side, "53300");
    let mut running = desk.load(None).await?;
    running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    let hoard = Hoard::take_all(&url).await;
    let fired = running.until(async || seen(desk, side, "53300") > before).await;
    if fired {
        sleep(Duration::from_millis(rest)).await;
    }
    hoard.give_back(&url).await;
    Ok((running.end().await?, fired))
}

fn seen(desk: &Desk, side: Side, sqlstate: &str) -> u64 {
    let traffic = desk.proxy(side).traffic();
    traffic.states.get(sqlstate).copied().unwrap_or(0)
}

async fn locked(desk: &Desk, at: Moment, table: &str, rest: u64) -> Result<(Ended, bool), String> {
    let locker: Client = desk.target.client().await;
    let mut running = desk.load(None).await?;
    running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    let lock = format!("BEGIN; LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE");
    let taken = locker.batch_execute(&lock).await;
    taken.map_err(|error| format!("the lock: {error}"))?;
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.{table}'::regclass \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let waits = async || desk.target.value(&waiting).await.as_deref() != Some("0");
    let fired = running.until(waits).await;
    if fired {
        sleep(Duration::from_millis(rest)).await;
    }
    let released = locker.batch_execute("ROLLBACK").await;
    released.map_err(|error| format!("the lock: {error}"))?;
    Ok((running.end().await?, fired))
}

/// The program is stopped in its tracks; when its lease has expired another one takes over and loads to the end; then it wakes,
/// and must be told. Where nothing was left to take over, the pause came too late.
async fn paused(desk: &Desk, at: Moment) -> Result<(Ended, bool), String> {
    let mut running = desk.load(None).await?;
    let there = running.reaches(at).await;
    desk.motion.before_the_strike(&mut running).await;
    let pid = running.pid().unwrap_or_default();
    if !(there && running.signal("STOP")) {
        return Ok((running.end().await?, false));
    }
    wait_until("a process that is stopped", async || state_of(pid) == Some('T')).await;
    let before = epoch(desk).await;
    taken_over(desk).await?;
    let taken = epoch(desk).await != before;
    if state_of(pid) != Some('T') || !running.signal("CONT") {
        return Err("the paused process is not there any more as it was".to_owned());
    }
    let ended = running.end().await?;
    let told = ended.code() == Some(Exit::Held as i32) && ended.said.contains(&code::LEASE_LOST.to_string());
    if taken && !told {
        return Err(format!(
            "another one took over, and it ended with {}:\n{}",
            ended.status, ended.said
        ));
    }
    Ok((ended, taken))
}

/// Another one waits until the lease has expired, and goes on to the end.
async fn taken_over(desk: &Desk) -> Result<(), String> {
    let since = Instant::now();
    loop {
        let other = desk.run(&["migrate"]).await?;
        undisturbed(&other)?;
        if other.is_done() {
            return Ok(());
        }
        if since.elapsed() > TAKE_OVER {
            return Err(format!("nobody could take over:\n{}", other.said));
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// How often the lease was taken.
async fn epoch(desk: &Desk) -> Option<String> {
    desk.target.value("SELECT epoch::text FROM driftless.lease").await
}

/// The state of a process, as the system tells it: `T` is stopped.
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
