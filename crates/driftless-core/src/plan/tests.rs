//! Plans with values, without a server: mappings as text, catalogs in short notation.

mod fixture;
pub(super) mod notation;
