//! Plans with values, without a server: mappings as text, catalogs in short notation.

mod fixture;
pub(super) mod notation;

mod advice;
mod columns;
mod coverage;
mod expression;
mod finding;
mod identity;
mod object;
mod path;
mod reference;
mod rule;
mod stable;
