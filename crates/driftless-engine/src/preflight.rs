//! Can this plan run here? Things are tried in transactions that are always rolled back.

/// Who holds a lock that we wait for.
pub mod busy;
/// Whether what would be set aside can be dropped and put back by this role.
pub mod rehearsal;
/// Whether this role may silence triggers with the replica role.
pub mod replica_role;
/// What the two roles may not do, as the catalogs say.
pub mod privileges;
/// What a load will do, asked of PostgreSQL without doing it.
pub mod trial;
/// Bytes that an encoding does not mean.
pub mod encoding;
/// Whether the parents of foreign keys may be read.
pub mod parents;
