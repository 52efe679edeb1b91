//! Where references stand in the target, to be proven after the load.

use super::Columns;
use crate::plan::entity::{RefSite, RefTarget};
use crate::plan::keys::id_column;
use crate::spec::{RefForm, RefSource};

impl Columns<'_, '_> {
    /// Notes where a reference stands, and whom it may mean.
    pub(super) fn site(&mut self, form: &RefForm, reference: usize, column: &str, path: Vec<String>) {
        let names: Vec<&str> = match &form.to {
            RefSource::Entity(entity) => vec![entity.value.as_str()],
            RefSource::Polymorphic { values, .. } => {
                values.iter().map(|(_, entity)| entity.value.as_str()).collect()
            }
        };
        let parents = names
            .into_iter()
            .filter_map(|name| {
                let parent = self.world.spec.entity(name)?;
                let id = id_column(parent, self.world.target)?;
                Some(RefTarget {
                    entity: name.to_owned(),
                    table: parent.into.value.clone(),
                    column: id.to_owned(),
                })
            })
            .collect();
        self.sites.push(RefSite {
            column: column.to_owned(),
            path,
            parents,
            missing: form.missing,
            reference,
        });
    }
}
