//! identities
