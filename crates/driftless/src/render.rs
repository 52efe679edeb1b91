mod coverage;
mod document;
mod figure;
mod identities;
mod migration;
mod planned;
mod rejects;
mod states;
mod table;
mod teardown;
mod validation;

pub(crate) use coverage::coverage;
pub(crate) use document::{Document, findings_value};
pub(crate) use figure::{bytes, clock, count, duration, percent, rows};
pub(crate) use identities::{identities, identity};
pub(crate) use migration::{abandoned, deletions, migrated};
pub(crate) use planned::{checked, detail, planned};
pub(crate) use rejects::{
    discarded, reject, reject_groups, reject_rows, retried, warning_groups, warning_rows,
};
pub(crate) use states::status;
pub(crate) use table::clean;
pub(crate) use teardown::{teardown, torn_down};
pub(crate) use validation::validated;
