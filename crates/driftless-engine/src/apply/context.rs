//! Rejects that a proof found get their source rows: read again by key, under the run's snapshot.

use driftless_core::transform::Answers;
use driftless_pg::{BeginMode, Param};

use super::chunk::ChunkWork;
use super::lane::Lane;
use crate::error::Result;
use crate::extract::select::Rows;
use crate::extract::withheld::Withheld;

/// Keys that are read in one go.
const KEYS_AT_ONCE: i32 = 1000;

impl ChunkWork<'_, '_> {
    /// Fills in the source rows of this entity's rejects that have none.
    pub async fn describe_rejects(&self, lane: &mut Lane) -> Result<()> {
        let plan = self.shaping.plan;
        let mut last = String::new();
        loop {
            let rows = lane
                .writer
                .query(
                    &self.store.sql(
                        "SELECT key FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND source_row IS NULL AND key > $3 \
                         ORDER BY key LIMIT $4",
                    ),
                    &[
                        Param::text(self.store.pipeline()),
                        Param::text(plan.name.as_str()),
                        Param::text(last.as_str()),
                        Param::int4(KEYS_AT_ONCE),
                    ],
                )
                .await?;
            let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
            let Some(end) = keys.last() else { return Ok(()) };
            last.clone_from(end);
            let withheld = Withheld::default();
            let found = loop {
                match self.source_rows(lane, &keys, &withheld).await {
                    Err(_) if withheld.grew() => {}
                    other => break other?,
                }
            };
            let (keys, texts): (Vec<&str>, Vec<&str>) = found
                .iter()
                .map(|(key, text)| (key.as_str(), text.as_str()))
                .unzip();
            let tx = lane.writer.begin(BeginMode::ReadWrite).await?;
            tx.batch(&self.lease.guard()).await?;
            // Each record by its key, as OFFSET 0 has it, however many others the entity has.
            tx.execute(
                &self.store.sql(
                    "UPDATE {state}.rejects AS r SET source_row = f.source_row::jsonb \
                     FROM (SELECT n.source_row, o.place \
                             FROM ROWS FROM (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])) AS n (key, source_row), \
                                  LATERAL (SELECT ctid AS place FROM {state}.rejects \
                                            WHERE pipeline = $1 AND entity = $2 AND key = n.key OFFSET 0) AS o) AS f \
                     WHERE r.ctid = f.place",
                ),
                &[
                    Param::text(self.store.pipeline()),
                    Param::text(plan.name.as_str()),
                    Param::text_array(&keys),
                    Param::text_array(&texts),
                ],
            )
            .await?;
            tx.commit().await?;
        }
    }

    /// The rows with these keys, as records show them.
    async fn source_rows(
        &self,
        lane: &mut Lane,
        keys: &[String],
        withheld: &Withheld,
    ) -> Result<Vec<(String, String)>> {
        let shaper = &self.shaping.shaper;
        let mut found = Vec::new();
        let mut rows = self.reading(&lane.source, Rows::Keys(keys), withheld);
        while let Some(mut extracted) = rows.next().await? {
            let answers: Answers = self
                .shaping
                .keys(&mut lane.evaluator, &mut extracted.batch)
                .await?;
            for row in 0..extracted.batch.rows() {
                let key = shaper.key_text_of_source(&extracted.batch, &answers, row);
                let text = shaper.source_row_json(&extracted.batch, row).to_string();
                found.push((key, text.replace("\\u0000", "\\u2400")));
            }
        }
        Ok(found)
    }
}
