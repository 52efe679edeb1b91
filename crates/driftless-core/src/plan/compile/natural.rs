//! `match = […]`: rows that are in the target already are found by the values that a source row would get.

use super::Compiler;
use crate::catalog::{Generated, Relation};
use crate::code;
use crate::error::{Finding, blocks};
use crate::name::QualifiedName;
use crate::plan::columns::written_columns;
use crate::plan::entity::{EntityPlan, Mint, NaturalKey, Path};
use crate::plan::key_text::is_comparable;
use crate::plan::keys::identity_of;
use crate::plan::natural::recording_order;
use crate::plan::request::{applicable, leaves};
use crate::plan::suggest::suggestion;
use crate::spec::{EntitySpec, Form, IdentitySpec, Spanned, Spec, placeholder};

impl Compiler<'_> {
    /// What finds an entity's rows that are there already. Findings say why there is nothing.
    pub(super) fn natural_key(
        &self,
        from: &Relation,
        into: &Relation,
        findings: &mut Vec<Finding>,
    ) -> Option<NaturalKey> {
        if self.entity.natural_key.is_empty() {
            return None;
        }
        let before = findings.len();
        if !has_uuid(&identity_of(self.entity, self.world.target)) {
            let message = "rows without UUIDs cannot take one over";
            let finding = self.finding(code::INVALID_VALUE, message);
            let remedy = "let a column hold the row's UUID, `{ id = true }`, or remove `match`";
            findings.push(finding.remedy(remedy));
            return None;
        }
        for named in &self.entity.natural_key {
            findings.extend(self.unusable(named, from, into));
        }
        if blocks(&findings[before..]) {
            return None;
        }
        let reduced = reduced(self.entity, into);
        let probe = Compiler {
            world: self.world,
            entity: &reduced,
        };
        // What is wrong with the columns is told with the whole entity.
        let parts = probe.parts(from, into, &mut Vec::new())?;
        let mut plan = probe.assemble(from, into, parts);
        // All of it is read at once, in any order.
        plan.path = Path::Load;
        plan.identity.mint = Mint::Derive {
            name: self.entity.name.clone(),
            recorded: None,
        };
        let names = self.entity.natural_key.iter();
        Some(NaturalKey {
            columns: names.map(|named| named.value.clone()).collect(),
            probe: Box::new(plan),
        })
    }

    /// Why rows cannot be found by a column.
    fn unusable(&self, named: &Spanned<String>, from: &Relation, into: &Relation) -> Option<Finding> {
        let name = named.value.as_str();
        let finding = |code, message: String| {
            Finding::error(code, format!("entity {}, match", self.entity.name), message).at(named.span)
        };
        let written = written_columns(self.entity, from, into);
        let Some(column) = written.iter().find(|column| column.name == name) else {
            let names: Vec<&str> = written.iter().map(|column| column.name.as_str()).collect();
            let message = if into.column(name).is_some() {
                format!("the entity gives the column {name} no value")
            } else {
                format!("{} has no column {name}", into.name)
            };
            return Some(finding(code::UNKNOWN_TARGET_COLUMN, message).remedy(suggestion(name, &names)));
        };
        if column.generated == Generated::Expression || !is_comparable(&column.data_type) {
            let message = format!("values of column {name} ({}) cannot be compared", column.type_sql);
            return Some(finding(code::UNUSABLE_KEY, message).remedy("match by another column"));
        }
        let said = applicable(self.entity, into);
        let said = said.iter().find(|said| said.name == name)?;
        let why = self.later(&said.form)?;
        Some(
            finding(
                code::INVALID_VALUE,
                format!("the value of column {name} {why}, and rows are matched before the load"),
            )
            .remedy("match by a column that is made of the source row alone"),
        )
    }

    /// What a value is made of that is not there before the load.
    fn later(&self, form: &Form) -> Option<String> {
        let mut why = None;
        leaves(form, "", &mut |_, leaf| match leaf {
            Form::Id => why = Some("is made of the row's UUID".to_owned()),
            Form::Json(_) => why = Some("depends on all other columns".to_owned()),
            Form::Run(_) => why = Some("is another in each run".to_owned()),
            Form::Sql(sql) if placeholder::scan(&sql.value).iter().any(|one| one.name == "id") => {
                why = Some("is made of the row's UUID".to_owned());
            }
            Form::Lookup(lookup) if writes(self.world.spec, &lookup.table.value) => {
                why = Some(format!(
                    "is looked up in {}, which this mapping fills",
                    lookup.table.value
                ));
            }
            _ => {}
        });
        why
    }
}

fn has_uuid(identity: &IdentitySpec) -> bool {
    !matches!(identity, IdentitySpec::Columns | IdentitySpec::None)
}

fn writes(spec: &Spec, table: &QualifiedName) -> bool {
    spec.entities.iter().any(|entity| entity.into.value == *table)
}

/// The entity with the columns that are compared, and what these are made of.
fn reduced(entity: &EntitySpec, into: &Relation) -> EntitySpec {
    let mut wanted: Vec<&str> = entity
        .natural_key
        .iter()
        .map(|named| named.value.as_str())
        .collect();
    let mut lent = Vec::new();
    let said = applicable(entity, into);
    for column in said
        .iter()
        .filter(|column| wanted.contains(&column.name.as_str()))
    {
        leaves(&column.form, "", &mut |_, form| {
            if let Form::Sql(sql) = form {
                lent.extend(placeholder::scan(&sql.value).into_iter().map(|one| one.name));
            }
        });
    }
    wanted.extend(lent.iter().map(String::as_str));
    let is_wanted = |name: &str| wanted.contains(&name);
    let others = into.columns.iter().filter(|column| !is_wanted(&column.name));
    EntitySpec {
        adopt: None,
        merge: None,
        natural_key: Vec::new(),
        rules: Vec::new(),
        columns: said
            .iter()
            .filter(|column| is_wanted(&column.name) || column.form == Form::Id)
            .map(|column| (*column).clone())
            .collect(),
        skip: others.map(|column| column.name.clone()).collect(),
        ..entity.clone()
    }
}

/// Natural keys that are made of each other's UUIDs: none of them could be looked at first.
pub(super) fn circle(spec: &Spec, entities: &[EntityPlan]) -> Option<Finding> {
    let all: Vec<&EntityPlan> = entities.iter().collect();
    let ordered = recording_order(&all);
    let stuck: Vec<&str> = all
        .iter()
        .filter(|entity| ordered.iter().all(|one| one.name != entity.name))
        .map(|entity| entity.name.as_str())
        .collect();
    let first = *stuck.first()?;
    let span = spec.entity(first).and_then(|entity| entity.natural_key.first());
    let finding = Finding::error(
        code::ORDER_CYCLE,
        format!("entities {}", stuck.join(", ")),
        "the columns that they `match` by refer to each other's rows, or to their own, in a circle",
    );
    let finding = match span {
        Some(named) => finding.at(named.span),
        None => finding,
    };
    Some(finding.remedy("match by columns that are no references"))
}
