//! Entities without a key: on both sides a row is known by where it lies, while the load goes on.
//!
//! Under one snapshot no two rows of a table lie in one place. Under a later one a place may hold another row; but then its
//! hash is another too, or it is a row of equal content, which without a key is the same. In the target the place is told
//! together with the transaction that wrote the row version: who touches a row gives it another one.

use super::columns::Columns;
use super::entity::{IdentityPlan, KeyPart, Mint};
use super::program::{Canonical, KeyText};
use crate::catalog::{Relation, RelationKind};
use crate::code;

/// What tells where a row of the source lies: the table (of partitions and inheriting tables) and the place in it.
const SOURCE: [&str; 2] = ["tableoid", "ctid"];

/// What tells a row version of the target, with its types.
const TARGET: [(&str, &str); 3] = [
    ("tableoid", "pg_catalog.oid"),
    ("ctid", "pg_catalog.tid"),
    ("xmin", "pg_catalog.xid"),
];

impl Columns<'_, '_> {
    /// The identity of an entity without a key.
    pub(super) fn place(&mut self, from: &Relation) -> Option<IdentityPlan> {
        let heap = matches!(
            from.kind,
            RelationKind::Table | RelationKind::Partitioned | RelationKind::MaterializedView
        );
        if !heap {
            let finding = self.finding(code::NO_KEY, "only the rows of a table can go without a key");
            let remedy = "say which columns identify a row: `key = [\"…\"]`, and choose another identity";
            self.findings
                .push(finding.remedy(remedy).at(self.entity.from.span));
            return None;
        }
        let key = SOURCE.iter().map(|column| {
            let input = self.draft.system(column);
            KeyPart {
                column: (*column).to_owned(),
                input,
                text: KeyText::Input(input, Canonical::Text),
                type_sql: "pg_catalog.text COLLATE pg_catalog.\"C\"".to_owned(),
            }
        });
        let key = key.collect();
        let target = TARGET.iter();
        Some(IdentityPlan {
            key,
            mint: Mint::Place,
            target: target
                .map(|(column, type_sql)| ((*column).to_owned(), (*type_sql).to_owned()))
                .collect(),
            adopt: None,
            prerecord: false,
            merge: None,
            natural_key: None,
            uuid_column: None,
            signature: format!(
                "{}|{}|none|",
                self.world.spec.pipeline.namespace, self.entity.name
            ),
        })
    }
}
