//! Settings that stand in [defaults], in an entity, or in both: the entity's wins.

use super::scalar::{limit, size, within};
use super::section::Section;
use super::tree::Value;
use super::{conflict, detection};
use crate::spec::{Limit, TriggerPolicy};

/// The settings of an entity that are not its own business alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) copy_same_name: bool,
    pub(super) skip: Vec<String>,
    pub(super) batch_rows: usize,
    pub(super) batch_bytes: usize,
    pub(super) max_rejects: Limit,
    pub(super) max_deletes: Limit,
    pub(super) triggers: TriggerPolicy,
    /// Whether changes are found in the source's log.
    pub(super) detects_by_log: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            copy_same_name: true,
            skip: Vec::new(),
            batch_rows: 5_000,
            batch_bytes: 2 << 20,
            max_rejects: Limit::Percent(1.0),
            max_deletes: Limit::Percent(1.0),
            triggers: TriggerPolicy::Fire,
            detects_by_log: false,
        }
    }
}

/// Reads the settings of a section; what it does not say is as in `base`.
pub(super) fn settings(section: &mut Section<'_>, base: &Settings) -> Settings {
    conflict::conflicts(section);
    Settings {
        copy_same_name: section
            .choice("copy", &[("same-name", true), ("none", false)])
            .unwrap_or(base.copy_same_name),
        skip: match section.texts("skip", "skip = [\"x\"]") {
            Some(columns) => columns.into_iter().map(|column| column.value).collect(),
            None => base.skip.clone(),
        },
        batch_rows: section
            .count("batch_rows", 1..=1_000_000, "batch_rows = 5000")
            .and_then(|rows| usize::try_from(rows).ok())
            .unwrap_or(base.batch_rows),
        batch_bytes: section
            .parsed("batch_bytes", "batch_bytes = \"2MB\"", batch_bytes)
            .unwrap_or(base.batch_bytes),
        max_rejects: section
            .parsed("max_rejects", "max_rejects = \"1%\"", limit)
            .unwrap_or(base.max_rejects),
        max_deletes: section
            .parsed("max_deletes", "max_deletes = \"1%\"", limit)
            .unwrap_or(base.max_deletes),
        triggers: section
            .choice(
                "triggers",
                &[("fire", TriggerPolicy::Fire), ("silence", TriggerPolicy::Silence)],
            )
            .unwrap_or(base.triggers),
        detects_by_log: detection::detect(section).unwrap_or(base.detects_by_log),
    }
}

fn batch_bytes(value: &Value) -> Result<usize, String> {
    let bytes = within(size(value), 64 << 10..=1 << 30, "from \"64kB\" to \"1GB\"")?;
    usize::try_from(bytes).map_err(|_| "is too large".to_owned())
}
