//! References whose rows are not there, where their `missing` is null.

use driftless_core::digest::NULL_FINGERPRINT;
use driftless_core::name::quote_literal;
use driftless_core::plan::Mint;
use driftless_pg::Transaction;

use super::Tally;
use super::gather::WITH_ORPHAN;
use super::leave::Leaving;
use super::reference::Proof;
use crate::error::Result;

/// References that become null: those of the orphans that were gathered.
pub(super) struct Nulling<'a> {
    pub(super) proof: &'a Proof<'a>,
    pub(super) assignments: &'a str,
    pub(super) outputs: &'a [(usize, bool)],
}

impl Nulling<'_> {
    pub(super) async fn run(&self, tx: &Transaction<'_>, orphans: u64, tally: &mut Tally) -> Result<()> {
        tx.batch("SAVEPOINT site").await?;
        if self.proof.entity.identity.mint == Mint::Place {
            return self.one_by_one(tx, orphans, tally).await;
        }
        let together = format!(
            "{WITH_ORPHAN}, offered AS ({} FROM orphan WHERE {}) {} FROM orphan WHERE {}",
            self.offer_null(),
            self.same_key(),
            self.set_null(),
            self.same_row(),
        );
        match tx.execute(&together, &[]).await {
            Ok(rows) => {
                tally.nulled += rows;
                Ok(())
            }
            Err(error) if error.sqlstate().is_some_and(|state| state.starts_with("23")) => {
                tx.batch("ROLLBACK TO SAVEPOINT site").await?;
                self.one_by_one(tx, orphans, tally).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where a constraint does not bear the null in some row, that row has to go.
    async fn one_by_one(&self, tx: &Transaction<'_>, orphans: u64, tally: &mut Tally) -> Result<()> {
        let (placed, moved) = self.moved();
        let body = format!(
            "DECLARE orphan record; own_table oid; own_place tid;
             BEGIN
                 FOR orphan IN SELECT * FROM pg_temp.driftless_orphan LOOP
                     BEGIN
                         {} WHERE {}{placed};
                         {}{moved} WHERE {};
                     EXCEPTION WHEN integrity_constraint_violation THEN NULL;
                     END;
                 END LOOP;
             END",
            self.set_null(),
            self.same_row(),
            self.offer_null(),
            self.same_key(),
        );
        tx.batch(&format!("DO {}", quote_literal(&body))).await?;
        let rejected = tally.rejected;
        self.proof.forget(tx).await?;
        if self.proof.gather(tx).await? > 0 {
            self.proof.leave(tx, false, tally).await?;
        }
        let left = tally.rejected - rejected;
        tally.nulled += orphans.saturating_sub(left);
        Ok(())
    }

    /// Of a row without a key: how its new place is learnt, and recorded.
    fn moved(&self) -> (&'static str, String) {
        if self.proof.entity.identity.mint != Mint::Place {
            return ("", String::new());
        }
        let version = format!(
            "(SELECT t.xmin FROM {} AS t WHERE t.tableoid = own_table AND t.ctid = own_place)",
            self.proof.entity.into.sql()
        );
        (
            " RETURNING c.tableoid, c.ctid INTO own_table, own_place",
            format!(", t1 = own_table, t2 = own_place, t3 = {version}"),
        )
    }

    fn set_null(&self) -> String {
        format!(
            "UPDATE {} AS c SET {}",
            self.proof.entity.into.sql(),
            self.assignments
        )
    }

    /// Sets the fingerprints of what the plan is from now on taken to have offered, and notes that the row was corrected.
    fn offer_null(&self) -> String {
        let offered = self
            .outputs
            .iter()
            .fold("i.offered".to_owned(), |offered, (output, null)| {
                // Of a json column only the whole has a fingerprint, and it cannot be computed here: zero, not known.
                let fingerprint = if *null { NULL_FINGERPRINT } else { 0 };
                let first = output * 8 + 1;
                format!("overlay({offered} PLACING decode('{fingerprint:016x}', 'hex') FROM {first} FOR 8)")
            });
        let identities = self
            .proof
            .scope
            .store
            .identity_table(&self.proof.entity.name)
            .sql();
        format!("UPDATE {identities} AS i SET offered = {offered}, nulled = true")
    }

    fn leaving(&self) -> Leaving<'_> {
        Leaving {
            scope: self.proof.scope,
            plan: self.proof.entity,
            rows: "orphan",
            prefix: "",
        }
    }

    fn same_key(&self) -> String {
        self.leaving().same_key("i")
    }

    fn same_row(&self) -> String {
        self.leaving().same_row("c")
    }
}
