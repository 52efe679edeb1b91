use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::digest::NULL_FINGERPRINT;
use driftless_core::name::{quote_ident, quote_literal};
use driftless_core::plan::{EntityPlan, Mint, Plan};
use driftless_pg::{Session, Transaction};

use super::leave::{Leaving, literal_or_null};
use super::merged::merged;
use super::site::{ForeignSite, Missing, Site, sites_of};
use super::{Corrections, Tally, absent};
use crate::apply::aside::spread;
use crate::apply::guarded;
use crate::apply::referrer::{Along, referrers, refuse};
use crate::error::{InContext as _, Result};
use crate::store::aside::Scope;
use crate::store::{Store, identity};

/// Proves every foreign key of the plan's tables and every reference of the plan, and corrects what breaks them, to a
/// fixpoint. Everything is looked at once, over all sessions; after that only what may refer to rows that have left
/// meanwhile (semi-naive evaluation, as of recursive queries). One transaction per entity and step.
///
/// # Errors
/// A lost lease or connection, or what the server refuses: what is committed by then stands, and starting again goes on.
pub async fn references(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    plan: &Plan,
    target: &Catalog,
    foreign: &[ForeignSite],
) -> Result<Corrections> {
    let mut watched: Vec<(&EntityPlan, Vec<Watched>)> = plan
        .entities
        .iter()
        .filter(|entity| !entity.identity.key.is_empty())
        .map(|entity| {
            let sites = sites_of(plan, entity, target, foreign, scope.store);
            let watched = sites.into_iter().map(|site| Watched { site, seen: None });
            (entity, watched.collect())
        })
        .collect();
    look_at_all(sessions, &mut watched).await?;
    let parents: BTreeSet<&str> = watched
        .iter()
        .flat_map(|(_, sites)| sites)
        .flat_map(|watched| watched.site.parents.iter().map(String::as_str))
        .collect();
    let Some(session) = sessions.first_mut() else {
        return Ok(Corrections::default());
    };
    absent::fill(session, scope, plan, &parents).await?;
    let mut corrections = Corrections::default();
    let mut left = Left::default();
    loop {
        let mut whole = true;
        let mut nulled = Vec::new();
        for (entity, sites) in &mut watched {
            let mut due: Vec<&mut Watched> = sites.iter_mut().filter(|one| left.concerns(one)).collect();
            if due.is_empty() {
                continue;
            }
            whole = false;
            left.step += 1;
            let tally = correct(session, scope, plan, entity, &due, left.step)
                .await
                .context(format!("proof of references of entity {}", entity.name))?;
            if tally.rejected + tally.parked > 0 {
                left.last.insert(entity.name.clone(), left.step);
            }
            // Rows that left in this very step were not looked for everywhere.
            due.iter_mut().for_each(|one| one.seen = Some(left.step - 1));
            if tally.nulled > 0 {
                nulled.push(entity.name.clone());
            }
            corrections.add(&Corrections::of(&entity.name, tally));
        }
        for entity in nulled {
            look_again(&mut watched, &entity);
        }
        if whole {
            break;
        }
    }
    for entity in &plan.entities {
        merged(session, scope, entity).await?;
    }
    Ok(corrections)
}

/// A site, and how far it is known to be whole.
#[derive(Debug)]
struct Watched {
    site: Site,
    /// The last step of the proof whose leaving rows it was looked at for; none where it has orphans, or may have some.
    seen: Option<i32>,
}

impl Watched {
    /// What a statement begins with that looks only at the rows that refer to what has left since, as `suspect`; none where all
    /// rows may be orphans.
    fn suspects(&self, entity: &EntityPlan) -> Option<String> {
        let (seen, refers) = (self.seen?, self.site.refers.as_ref()?);
        // A row that is told by its place is told by columns that `*` leaves out.
        if entity.identity.mint == Mint::Place {
            return None;
        }
        let parents: Vec<String> = self
            .site
            .parents
            .iter()
            .map(|parent| quote_literal(parent))
            .collect();
        Some(format!(
            "departed AS MATERIALIZED (
                 SELECT g.target FROM pg_temp.driftless_left AS g
                  WHERE g.step > {seen} AND g.entity = ANY (ARRAY[{}]::text[])),
             suspect AS MATERIALIZED (
                 SELECT c.* FROM {} AS c WHERE EXISTS (SELECT FROM departed AS g WHERE {refers})),
             ",
            parents.join(", "),
            entity.into.sql(),
        ))
    }
}

/// Rows that have left since the proof began, counted in steps.
#[derive(Debug, Default)]
struct Left {
    step: i32,
    /// The last step in which rows of an entity left.
    last: BTreeMap<String, i32>,
}

impl Left {
    fn concerns(&self, watched: &Watched) -> bool {
        let Some(seen) = watched.seen else { return true };
        let mut parents = watched.site.parents.iter();
        parents.any(|parent| self.last.get(parent).is_some_and(|last| *last > seen))
    }
}

/// A value that became null may have been referred to, and may be part of another reference of its own row.
fn look_again(watched: &mut [(&EntityPlan, Vec<Watched>)], nulled: &str) {
    for (entity, sites) in watched {
        let concerned = |site: &Site| entity.name == nulled || site.parents.iter().any(|one| one == nulled);
        for one in sites.iter_mut().filter(|one| concerned(&one.site)) {
            one.seen = None;
        }
    }
}

/// Looks for orphans everywhere where nothing is known yet. The statements that correct write, and PostgreSQL plans what writes
/// without parallel workers; these read, and are all that there is to do where the references are whole.
async fn look_at_all(sessions: &mut [Session], watched: &mut [(&EntityPlan, Vec<Watched>)]) -> Result<()> {
    let open = watched.iter_mut().flat_map(|(entity, sites)| {
        let open = sites.iter_mut().filter(|one| one.seen.is_none());
        open.map(|one| (*entity, one))
    });
    let mut open: Vec<(&EntityPlan, &mut Watched)> = open.collect();
    let questions: Vec<(usize, String)> = open
        .iter()
        .enumerate()
        .map(|(number, (entity, one))| (number, orphans_sql(entity, &one.site)))
        .collect();
    let whole = spread(sessions, &questions, async |session, (number, sql)| {
        let entity = &open[*number].0.name;
        let asked = session.query_one(sql, &[]).await;
        let counted = asked.context(format!("proof of references of entity {entity}"))?;
        Ok((*number, counted.get::<i64>(0)? == 0))
    })
    .await?;
    for (number, _) in whole.into_iter().filter(|(_, whole)| *whole) {
        open[number].1.seen = Some(0);
    }
    Ok(())
}

async fn correct(
    session: &mut Session,
    scope: &Scope<'_>,
    plan: &Plan,
    entity: &EntityPlan,
    sites: &[&mut Watched],
    step: i32,
) -> Result<Tally> {
    let tx = guarded::rows(session, scope).await?;
    let mut tally = Tally::default();
    for watched in sites {
        let site = &watched.site;
        let proof = Proof {
            scope,
            plan,
            entity,
            step,
            suspects: watched.suspects(entity),
        };
        if watched.seen.is_some() && !proof.finds(&tx, site).await? {
            continue;
        }
        match &site.missing {
            Missing::Leave { parked } => proof.leave(&tx, site, *parked, &mut tally).await?,
            Missing::Null { assignments, outputs } => {
                let nulling = Nulling {
                    proof: &proof,
                    scope,
                    entity,
                    site,
                    assignments,
                    outputs,
                };
                nulling.run(&tx, &mut tally).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(tally)
}

/// Counts the orphans of a site.
fn orphans_sql(entity: &EntityPlan, site: &Site) -> String {
    // Counted rather than asked for one: for one row PostgreSQL would hope to find it soon, and probe row by row.
    format!(
        "SELECT count(*) FROM {} AS c WHERE {}",
        entity.into.sql(),
        site.orphaned
    )
}

/// The statements that ask whether an entity's references are whole: what is referred to, and how it is asked.
pub fn questions(
    store: &Store,
    plan: &Plan,
    entity: &EntityPlan,
    target: &Catalog,
    foreign: &[ForeignSite],
) -> Vec<(String, String)> {
    if entity.identity.key.is_empty() {
        return Vec::new();
    }
    let sites = sites_of(plan, entity, target, foreign, store);
    let question = |site: &Site| (site.parent_label.clone(), orphans_sql(entity, site));
    sites.iter().map(question).collect()
}

/// The proof of one entity's references.
struct Proof<'a> {
    scope: &'a Scope<'a>,
    plan: &'a Plan,
    entity: &'a EntityPlan,
    step: i32,
    /// As `Watched::suspects` has it.
    suspects: Option<String>,
}

impl Proof<'_> {
    /// Whether there is an orphan.
    async fn finds(&self, tx: &Transaction<'_>, site: &Site) -> Result<bool> {
        let sql = format!("WITH {} SELECT count(*) FROM orphan", self.orphans(site));
        Ok(tx.query_one(&sql, &[]).await?.get::<i64>(0)? > 0)
    }

    async fn leave(&self, tx: &Transaction<'_>, site: &Site, parked: bool, tally: &mut Tally) -> Result<()> {
        self.ask(tx, site).await?;
        let sql = self.leave_sql(site, parked);
        let rows = tx.execute(&sql, &[]).await?;
        if parked {
            tally.parked += rows;
        } else {
            tally.rejected += rows;
        }
        Ok(())
    }

    /// The orphans of a site that the identities know as loaded: first those of the table, which are few, then their identities.
    fn orphans(&self, site: &Site) -> String {
        let (scope, entity) = (self.scope, self.entity);
        let (suspects, table) = match &self.suspects {
            Some(suspects) => (suspects.as_str(), "suspect".to_owned()),
            None => ("", entity.into.sql()),
        };
        let own: Vec<String> = entity
            .identity
            .target
            .iter()
            .zip(identity::target_columns(entity))
            .map(|((column, _), name)| format!("c.{} AS {name}", quote_ident(column)))
            .collect();
        let targets = identity::target_columns(entity);
        let same: Vec<String> = targets
            .iter()
            .map(|name| format!("i.{name} = l.{name}"))
            .collect();
        let columns: Vec<String> = identity::key_columns(entity)
            .into_iter()
            .chain(targets)
            .map(|name| format!("i.{name}"))
            .collect();
        format!(
        "{suspects}loose AS MATERIALIZED (
             SELECT {own}, {value} AS value FROM {table} AS c WHERE {orphaned}),
         orphan AS MATERIALIZED (
             SELECT {columns}, l.value FROM loose AS l JOIN {identities} AS i ON {same} WHERE i.status = {live})",
        own = own.join(", "),
        value = site.value,
        orphaned = site.orphaned,
        columns = columns.join(", "),
        identities = scope.store.identity_table(&entity.name).sql(),
        same = same.join(" AND "),
        live = identity::LIVE,
    )
    }

    fn leave_sql(&self, site: &Site, parked: bool) -> String {
        let (scope, entity) = (self.scope, self.entity);
        let leaving = Leaving {
            scope,
            plan: entity,
            rows: "orphan",
            prefix: "",
        };
        let parents: Vec<String> = site.parents.iter().map(|parent| quote_literal(parent)).collect();
        let what = match &site.column {
            Some(column) => format!("column {column}"),
            None => "it".to_owned(),
        };
        let select = format!(
        "SELECT {key}, '{state}'::text, 'reference'::text, CASE WHEN a.key IS NULL THEN '{missing}' ELSE '{rejected}' END,
                {sqlstate},
                CASE WHEN a.key IS NULL THEN {is_missing} ELSE {is_rejected} END,
                {column}, {constraint}, a.entity, a.key
           FROM orphan
           LEFT JOIN pg_temp.driftless_absent AS a
                  ON a.target = orphan.value COLLATE pg_catalog.\"C\" AND a.entity = ANY (ARRAY[{parents}]::text[])",
        key = leaving.key_text(),
        state = if parked { "parked" } else { "rejected" },
        missing = code::ROW_REFERENCE_MISSING,
        rejected = code::ROW_PARENT_REJECTED,
        sqlstate = literal_or_null(site.constraint.as_ref().map(|_| "23503")),
        is_missing = quote_literal(&format!("{what} refers to a row that is not in {}", site.parent_label)),
        is_rejected = quote_literal(&format!("{what} refers to a row of {} that was left out", site.parent_label)),
        column = literal_or_null(site.column.as_deref()),
        constraint = literal_or_null(site.constraint.as_deref()),
        parents = parents.join(", "),
    );
        format!(
            "WITH {orphans},
              gone AS ({rows}),
              forgotten AS ({identities}),
              remembered AS ({remembered}),
              noted AS ({noted})
         {record}",
            orphans = self.orphans(site),
            rows = leaving.delete_rows(),
            identities = leaving.delete_identities(),
            remembered = leaving.remember("true"),
            noted = leaving.note_left(self.step),
            record = leaving.record(&select),
        )
    }

    /// Refuses where rows of others refer to rows that would leave.
    async fn ask(&self, tx: &Transaction<'_>, site: &Site) -> Result<()> {
        let (store, entity) = (self.scope.store, self.entity);
        let referrers = referrers(tx, store, self.plan, &entity.into, Along::Lost).await?;
        let leaving = Leaving {
            scope: self.scope,
            plan: entity,
            rows: "orphan",
            prefix: "",
        };
        let with = format!("WITH {}", self.orphans(site));
        let from = format!(
            "orphan JOIN {} AS p ON {}",
            entity.into.sql(),
            leaving.same_row("p")
        );
        refuse(tx, &referrers, &with, &from).await
    }
}

/// References that become null.
struct Nulling<'a> {
    proof: &'a Proof<'a>,
    scope: &'a Scope<'a>,
    entity: &'a EntityPlan,
    site: &'a Site,
    assignments: &'a str,
    outputs: &'a [(usize, bool)],
}

impl Nulling<'_> {
    async fn run(&self, tx: &Transaction<'_>, tally: &mut Tally) -> Result<()> {
        let orphans = self.proof.orphans(self.site);
        tx.batch("SAVEPOINT site").await?;
        if self.entity.identity.mint == Mint::Place {
            return self.one_by_one(tx, tally).await;
        }
        let together = format!(
            "WITH {orphans}, offered AS ({} FROM orphan WHERE {}) {} FROM orphan WHERE {}",
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
                self.one_by_one(tx, tally).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where a constraint does not bear the null in some row, that row has to go.
    async fn one_by_one(&self, tx: &Transaction<'_>, tally: &mut Tally) -> Result<()> {
        let orphans = self.proof.orphans(self.site);
        let before = tx
            .query_one(&format!("WITH {orphans} SELECT count(*) FROM orphan"), &[])
            .await?;
        let (placed, moved) = self.moved();
        let body = format!(
            "DECLARE orphan record; own_table oid; own_place tid;
             BEGIN
                 FOR orphan IN WITH {orphans} SELECT * FROM orphan LOOP
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
        self.proof.leave(tx, self.site, false, tally).await?;
        let left = tally.rejected - rejected;
        tally.nulled += before.get::<i64>(0)?.unsigned_abs().saturating_sub(left);
        Ok(())
    }

    /// Of a row without a key: how its new place is learnt, and recorded.
    fn moved(&self) -> (&'static str, String) {
        if self.entity.identity.mint != Mint::Place {
            return ("", String::new());
        }
        let version = format!(
            "(SELECT t.xmin FROM {} AS t WHERE t.tableoid = own_table AND t.ctid = own_place)",
            self.entity.into.sql()
        );
        (
            " RETURNING c.tableoid, c.ctid INTO own_table, own_place",
            format!(", t1 = own_table, t2 = own_place, t3 = {version}"),
        )
    }

    fn set_null(&self) -> String {
        format!("UPDATE {} AS c SET {}", self.entity.into.sql(), self.assignments)
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
        let identities = self.scope.store.identity_table(&self.entity.name).sql();
        format!("UPDATE {identities} AS i SET offered = {offered}, nulled = true")
    }

    fn leaving(&self) -> Leaving<'_> {
        Leaving {
            scope: self.scope,
            plan: self.entity,
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
