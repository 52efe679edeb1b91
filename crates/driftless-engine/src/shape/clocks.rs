//! What the target says of local times: the instants at both ends of days that batches bring for the first time.

use driftless_core::catalog::builtin;
use driftless_core::plan::Evaluation;
use driftless_core::transform::recall::{Clock, Day, Subject};
use driftless_pg::{Param, Session};

use super::evaluate::Experience;
use crate::error::Result;

/// Local times of a zone: their instants, and whether they come back from there.
pub const TOLD: &str =
    "SELECT t AT TIME ZONE $2::text, ((t AT TIME ZONE $2::text) AT TIME ZONE $2::text) IS NOT DISTINCT FROM t
  FROM pg_catalog.unnest($1) WITH ORDINALITY AS u (t, ord) ORDER BY ord";

/// Asks for the days of these rows that are not known yet.
pub(super) async fn learn(
    session: &Session,
    evaluation: &Evaluation,
    experience: &Experience,
    subject: &impl Subject,
    rows: &[usize],
) -> Result<()> {
    let unknown = experience.recall().unknown_days(evaluation, subject, rows);
    for (zone, days) in unknown {
        let days: Vec<Day> = days.into_iter().collect();
        let times: Vec<i64> = days.iter().flat_map(|day| Clock::ends(*day)).collect();
        let params = [
            Param::raw(builtin::of(builtin::TIMESTAMP).array_oid, timestamps(&times)),
            Param::text(&zone),
        ];
        let mut told = Vec::with_capacity(times.len());
        for row in session.query(TOLD, &params).await? {
            let instant = row.raw(0).and_then(|bytes| bytes.try_into().ok());
            told.push((
                instant.map_or(0, i64::from_be_bytes),
                instant.is_some() && row.get(1)?,
            ));
        }
        if let Some(clock) = experience.recall().clock(&zone) {
            for (day, ends) in days.iter().zip(told.chunks_exact(2)) {
                clock.learn(*day, [ends[0], ends[1]]);
            }
        }
    }
    Ok(())
}

/// An array of timestamps in binary form.
fn timestamps(times: &[i64]) -> Vec<u8> {
    let header = [1, 0, builtin::TIMESTAMP, times.len() as u32, 1];
    let mut bytes: Vec<u8> = header.iter().flat_map(|field| field.to_be_bytes()).collect();
    for time in times {
        bytes.extend_from_slice(&8_u32.to_be_bytes());
        bytes.extend_from_slice(&time.to_be_bytes());
    }
    bytes
}
