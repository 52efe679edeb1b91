//! Rows that refer to rows which are about to leave their table. Under replica role nothing objects and nothing cascades; without
//! it a cascade takes rows of others along. So they are asked for before anything is deleted, and nobody may refer to them anew
//! from then on.

use driftless_core::code;
use driftless_core::name::QualifiedName;
use driftless_core::plan::{EntityPlan, Plan};
use driftless_pg::{Param, Session};

use crate::error::{EngineError, Result};
use crate::store::{Store, identity};

/// What happens to rows of our own that a foreign key takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Along {
    /// They are missed, and read again.
    ReadAgain,
    /// Nobody would know.
    Lost,
}

/// A foreign key that is in place and refers to a table of ours.
#[derive(Debug)]
pub(super) struct Referrer {
    table: QualifiedName,
    child: QualifiedName,
    constraint: String,
    /// True where a row `c` of the child refers to a row `p` of the table.
    refers: String,
    /// True for rows `c` of our own that need not be asked about.
    ours: String,
    readable: bool,
    /// Whether this role may lock single rows of the table.
    lockable: bool,
}

/// The foreign keys that refer to a table, as the target has them now. `plan` is that of everything whose load has begun: its
/// rows are ours.
pub(super) async fn referrers(
    session: &Session,
    store: &Store,
    plan: &Plan,
    table: &QualifiedName,
    along: Along,
) -> Result<Vec<Referrer>> {
    let rows = session.query(REFERRERS, &[Param::text(table.sql())]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let (child, parent): (Vec<String>, Vec<String>) = (row.get(3)?, row.get(4)?);
        let pairs: Vec<String> = child
            .iter()
            .zip(&parent)
            .map(|(own, parent)| format!("c.{own} = p.{parent}"))
            .collect();
        let name = QualifiedName::new(row.get::<String>(0)?, row.get::<String>(1)?);
        let (cascades, readable, silent): (bool, bool, bool) = (row.get(5)?, row.get(6)?, row.get(7)?);
        let lockable = row.get(8)?;
        // Without a check our own rows are proven, or mended, by themselves; with one only a cascade lets them go.
        let ours = if silent || (cascades && along == Along::ReadAgain) {
            ours(session, store, plan, &name).await?
        } else {
            "false".to_owned()
        };
        found.push(Referrer {
            table: table.clone(),
            child: name,
            constraint: row.get(2)?,
            refers: pairs.join(" AND "),
            ours,
            readable,
            lockable,
        });
    }
    Ok(found)
}

/// SQL that is true for rows `c` of a table that the identities know as loaded.
async fn ours(session: &Session, store: &Store, plan: &Plan, child: &QualifiedName) -> Result<String> {
    let mut known = vec!["false".to_owned()];
    let writers = plan.entities.iter().filter(|entity| entity.into == *child);
    for entity in writers.filter(|entity| !entity.identity.key.is_empty()) {
        let table = store.identity_table(&entity.name).sql();
        let there = session
            .query_one(
                "SELECT pg_catalog.to_regclass($1) IS NOT NULL",
                &[Param::text(table.as_str())],
            )
            .await?;
        if there.get(0)? {
            known.push(loaded(entity, &table));
        }
    }
    Ok(known.join(" OR "))
}

fn loaded(entity: &EntityPlan, identities: &str) -> String {
    format!(
        "EXISTS (SELECT FROM {identities} AS own WHERE {} AND own.status = {})",
        identity::belongs(entity, "own", "c"),
        identity::LIVE
    )
}

impl Referrer {
    /// What stands behind FROM and in WHERE where rows `p` are those that are referred to by rows that would be left behind.
    /// What may not be read is taken to refer to everything.
    pub(super) fn left_behind(&self) -> (String, String) {
        if !self.readable {
            return (String::new(), "true".to_owned());
        }
        (
            format!(" JOIN {} AS c ON {}", self.child.sql(), self.refers),
            format!("NOT ({})", self.ours),
        )
    }

    /// The error of a row that would have to leave.
    pub(super) fn error(&self) -> EngineError {
        EngineError::new(
            code::INTEGRITY,
            format!("table {}", self.child),
            format!(
                "rows of it refer to rows of {} that have to leave it (constraint {})",
                self.table, self.constraint
            ),
        )
        .remedy("they would be left behind: remove or redirect them, or mend the rows that they refer to in the source; then start again")
    }
}

/// Holds the rows `p` of this FROM until the transaction ends, where anything may refer to them: the check of a foreign key waits for
/// who has locked its parent row, and finds it gone then. Whoever has written a reference and not committed it is waited for, so that
/// what is asked in the next statement sees it.
pub(super) async fn hold(session: &Session, referrers: &[Referrer], with: &str, from: &str) -> Result<()> {
    let Some(Referrer { table, lockable, .. }) = referrers.first() else {
        return Ok(());
    };
    let sql = if *lockable {
        format!("{with} SELECT pg_catalog.count(*) FROM (SELECT FROM {from} FOR UPDATE OF p) AS held")
    } else {
        // To delete is enough to lock the table: nobody locks single rows of it then.
        format!("LOCK TABLE {} IN EXCLUSIVE MODE", table.sql())
    };
    session.execute(&sql, &[]).await?;
    Ok(())
}

/// Refuses where rows that would be left behind refer to the rows `p` of this FROM, and holds them.
pub(super) async fn refuse(session: &Session, referrers: &[Referrer], with: &str, from: &str) -> Result<()> {
    hold(session, referrers, with, from).await?;
    for referrer in referrers {
        let (join, condition) = referrer.left_behind();
        let sql = format!("{with} SELECT EXISTS (SELECT FROM {from}{join} WHERE {condition})");
        if session.query_one(&sql, &[]).await?.get::<bool>(0)? {
            return Err(referrer.error());
        }
    }
    Ok(())
}

/// Foreign keys that refer to the table $1, those of partitions left out: the child, the constraint, the columns of both sides,
/// whether a deletion cascades, whether the child may be read, whether this session is silent about it all, and whether it may lock
/// rows of $1.
const REFERRERS: &str = "
    SELECT n.nspname::text, c.relname::text, k.conname::text,
           ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (number, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place),
           ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (number, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place),
           k.confdeltype = 'c',
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
           pg_catalog.current_setting('session_replication_role') = 'replica',
           pg_catalog.has_any_column_privilege(k.confrelid, 'UPDATE')
      FROM pg_catalog.pg_constraint AS k
      JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.confrelid = pg_catalog.to_regclass($1) AND k.conparentid = 0
     ORDER BY 1, 2, 3";
