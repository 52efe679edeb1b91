//! What is true of a relation or a server beside its shape. No row becomes another for it, but whoever loads must know.

use std::collections::BTreeMap;

use super::relation::TriggerMode;
use crate::name::QualifiedName;

/// What else is true of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// Whether it is UNLOGGED: a crash of its server empties it.
    pub unlogged: bool,
    /// Whether it is a materialised view that was never filled, which nobody can read.
    pub unpopulated: bool,
    /// Whether autovacuum is on for it, and so gathers its statistics when many of its rows have changed. No partitioned table's.
    pub autovacuum: bool,
    /// Whether the table itself says whether autovacuum looks after it.
    pub autovacuum_said: bool,
    /// The extension that it belongs to.
    pub extension: Option<String>,
    /// Tables that inherit from it, partitions left out: a query of it reads their rows too.
    pub heirs: Vec<QualifiedName>,
    /// Relations that share rows with it: its partitions, and those whose partition it is, at any depth.
    pub shares_rows_with: Vec<QualifiedName>,
    /// Its rules, that of a view left out.
    pub rules: Vec<Rule>,
    /// Publications that send what is inserted into it, or into a partition of it.
    pub publications: Vec<String>,
}

/// What a rule rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleEvent {
    /// INSERT, but never COPY.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

impl RuleEvent {
    /// The statement's first word.
    pub fn word(self) -> &'static str {
        match self {
            RuleEvent::Insert => "INSERT",
            RuleEvent::Update => "UPDATE",
            RuleEvent::Delete => "DELETE",
        }
    }
}

/// A rule (CREATE RULE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it rewrites.
    pub event: RuleEvent,
    /// When it does, as for triggers.
    pub mode: TriggerMode,
}

/// An event trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTrigger {
    /// Its name.
    pub name: String,
    /// When it fires: `ddl_command_end`, `sql_drop`, `table_rewrite`, `ddl_command_start`.
    pub event: String,
    /// Whether it fires, as for triggers.
    pub mode: TriggerMode,
    /// The function it calls.
    pub function: QualifiedName,
    /// Whether that function notifies listeners.
    pub notifies: bool,
}

/// What else is true of a database and its server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// Whether it is a standby.
    pub standby: bool,
    /// Whether it is a Supabase project: its roles are there.
    pub supabase: bool,
    /// Settings as a session of this role has them before it changes any: name and text.
    pub settings: BTreeMap<String, String>,
    /// Event triggers that are not disabled.
    pub event_triggers: Vec<EventTrigger>,
    /// Publications of all tables, those included that are made later.
    pub publications_of_all: Vec<String>,
}

impl ServerFacts {
    /// A setting of this session's role and database.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}
