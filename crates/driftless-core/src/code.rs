//! Stable codes. A code never changes its meaning; each has a page `docs/errors/<code>.md`.

use std::fmt;

/// How the process ends. The numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, nothing wrong.
    Done = 0,
    /// Done, but rejects, differences or open conflicts remain.
    Remaining = 1,
    /// Usage or mapping error.
    Usage = 2,
    /// A server cannot be reached or refuses.
    Server = 3,
    /// Halted: drift, threshold, integrity.
    Halted = 4,
    /// Another instance holds the pipeline.
    Held = 5,
    /// Interrupted, resumable.
    Interrupted = 130,
}

/// A stable code such as `DL0001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    number: u16,
    exit: ExitClass,
    title: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum ExitClass {
    Usage,
    Server,
    Halted,
    Held,
    Remaining,
    Interrupted,
}

impl Code {
    /// The number behind `DL`.
    pub fn number(self) -> u16 {
        self.number
    }

    /// One line that names the matter, as the heading of its page does.
    pub fn title(self) -> &'static str {
        self.title
    }

    /// How a command ends that stops for this code.
    pub fn exit(self) -> Exit {
        match self.exit {
            ExitClass::Usage => Exit::Usage,
            ExitClass::Server => Exit::Server,
            ExitClass::Halted => Exit::Halted,
            ExitClass::Held => Exit::Held,
            ExitClass::Remaining => Exit::Remaining,
            ExitClass::Interrupted => Exit::Interrupted,
        }
    }

    /// The code with this text (`DL0001`), if there is one.
    pub fn parse(text: &str) -> Option<Code> {
        let number: u16 = text.strip_prefix("DL")?.parse().ok()?;
        ALL.iter()
            .copied()
            .find(|code| code.number == number && code.to_string() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DL{:04}", self.number)
    }
}

/// Declares the codes and the list of all of them from one table.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $exit:ident, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code { number: $number, exit: ExitClass::$exit, title: $title };
        )*
        /// Every code, in the order of the table.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

// The table. Ranges: 1-99 mapping, 100-199 plan and check, 200-299 connections and servers, 300-399 preflight,
// 400-499 rows, 500-599 run, state and lease, 600-699 command line and demo.
codes! {
    // ---- mapping (1-99)
    MAPPING_UNREADABLE = 1, Usage, "the mapping cannot be read";
    MAPPING_SYNTAX = 2, Usage, "the mapping is not valid TOML";
    UNKNOWN_KEY = 3, Usage, "unknown key in the mapping";
    WRONG_TYPE = 4, Usage, "a setting has the wrong type";
    MISSING_KEY = 5, Usage, "a required setting is missing";
    INVALID_VALUE = 6, Usage, "a setting has a value that is not possible";
    DUPLICATE_SETTING = 7, Usage, "a setting is made twice";
    MISSING_VARIABLE = 8, Usage, "an environment variable is missing";
    UNKNOWN_ENTITY = 9, Usage, "an entity that is not in the mapping";
    NOT_YET = 10, Usage, "a form that cannot act yet";
    AMBIGUOUS_FORM = 11, Usage, "a column form that says two things or nothing";
    // ---- plan and check (100-199)
    UNKNOWN_SOURCE = 100, Usage, "a source relation that does not exist";
    UNKNOWN_TARGET = 101, Usage, "a target table that does not exist";
    UNKNOWN_SOURCE_COLUMN = 102, Usage, "a source column that does not exist";
    UNKNOWN_TARGET_COLUMN = 103, Usage, "a target column that does not exist";
    NO_KEY = 104, Usage, "an entity has no key";
    UNUSABLE_KEY = 105, Usage, "a key that an identity cannot be derived from";
    UNWRITABLE_COLUMN = 106, Usage, "a target column that cannot be written";
    UNFILLED_COLUMN = 107, Usage, "a NOT NULL target column without a value";
    TYPES_DO_NOT_FIT = 108, Usage, "a source type that does not fit the target column";
    ZONE_UNDECLARED = 109, Usage, "a timestamp without zone whose zone nobody declared";
    NOT_A_UUID = 110, Usage, "an identity that needs a uuid column";
    REF_SHAPE = 111, Usage, "a reference that does not fit its parent's key";
    ORDER_CYCLE = 112, Usage, "entities that wait for each other";
    BAD_EXPRESSION = 114, Usage, "an expression that PostgreSQL does not accept";
    VOLATILE_EXPRESSION = 115, Usage, "an expression that is not one row in, one value out";
    TARGET_CLAIMED_TWICE = 116, Usage, "two entities that could write the same row";
    BAD_CONSTANT = 117, Usage, "a constant that is no value of its column's type";
    BAD_QUERY = 119, Usage, "a query that cannot be a source";
    BESIDE_THE_KEY = 120, Usage, "a reference by a column that is not the key";
    LOOKUP_NOT_UNIQUE = 130, Usage, "a lookup that may find several rows";
    // ---- connections and servers (200-299)
    CONNECTION_STRING = 200, Usage, "a connection string that cannot be used";
    SERVER_UNREACHABLE = 201, Server, "a server does not answer";
    AUTHENTICATION_REFUSED = 202, Server, "a server refuses the user";
    TLS_FAILED = 203, Server, "no encrypted connection as demanded";
    STATEMENT_REFUSED = 204, Server, "a server refused a statement";
    CONNECTION_LOST = 205, Server, "a connection ended";
    COMMIT_UNKNOWN = 206, Server, "a commit whose outcome is not known";
    PROTOCOL = 207, Server, "an answer that is not PostgreSQL's";
    SETTING_NOT_KEPT = 208, Server, "a session setting did not stay";
    SESSION_MISUSED = 209, Halted, "a session was used in a way that it does not offer";
    SERVER_FULL = 210, Server, "a server has no connection left";
    NO_DATABASE = 211, Server, "a server has no database of this name";
    OTHER_STATE = 212, Server, "a server is not in the state that is needed";
    TRANSACTION_POOLER = 213, Server, "a pooler in transaction mode";
    POOL_EXHAUSTED = 214, Server, "no session became free in time";
    SERVER_RESTING = 215, Server, "a server that keeps failing is left alone for a while";
    // ---- preflight (300-399)
    TRIGGERS_NOT_SILENCED = 300, Usage, "triggers that cannot be silenced";
    PRIVILEGE_MISSING = 301, Server, "a privilege is missing";
    ROW_SECURITY = 302, Server, "row-level security would hide rows";
    TARGET_OCCUPIED = 303, Usage, "a target table with rows of others";
    TARGET_BUSY = 304, Server, "a table is locked by somebody else";
    KEYS_IN_CIRCLE = 305, Usage, "tables that wait for each other's rows";
    SOURCE_UNREADABLE = 306, Server, "a source that cannot be read as it stands";
    REACHES_OUT = 307, Usage, "a trigger that reaches beyond the database";
    PUBLISHED = 308, Usage, "a target that is published";
    PLATFORM_TABLE = 309, Usage, "a table of the platform or of an extension";
    ENCODING = 310, Usage, "characters that an encoding does not name";
    SERVER_SETTING = 311, Usage, "a setting of the server that is good to know";
    STANDBY_SOURCE = 312, Usage, "a standby as the source";
    DISK = 313, Usage, "what the state takes on disk";
    INHERITANCE = 314, Usage, "a source that other tables inherit from";
    ACCOUNTS = 315, Usage, "what the platform expects of its accounts";
    NOT_DURABLE = 316, Usage, "a table that a crash empties";
    REWRITTEN = 317, Usage, "a rule that rewrites what is written";
    // ---- rows (400-499): codes of rejects
    ROW_REFERENCE_MISSING = 400, Remaining, "a row refers to a row that is not there";
    ROW_UNKNOWN_VALUE = 401, Remaining, "a value that the map or the enum does not list";
    ROW_REQUIRED_NULL = 402, Remaining, "a required value is null";
    ROW_WOULD_LOSE = 403, Remaining, "a value that does not fit without loss";
    ROW_EXPRESSION_FAILED = 404, Remaining, "an expression failed for a row";
    ROW_RULE_FAILED = 405, Remaining, "a rule refused a row";
    ROW_DUPLICATE = 406, Remaining, "a row repeats a unique value";
    ROW_REFUSED = 407, Remaining, "the target refused a row";
    ROW_TOO_LARGE = 408, Remaining, "a row is larger than allowed";
    ROW_KEY_NULL = 409, Remaining, "a row without a key";
    ROW_UNKNOWN_SUBJECT = 410, Remaining, "a polymorphic reference of an unknown kind";
    ROW_UNREADABLE = 411, Remaining, "bytes that are no value of their type";
    ROW_PARENT_REJECTED = 412, Remaining, "a row refers to a rejected row";
    ROW_NOT_GIVEN = 413, Remaining, "a row that the source cannot give";
    ROW_SEVERAL_FOUND = 420, Remaining, "a lookup found several rows";
    // ---- run, state and lease (500-599)
    PIPELINE_HELD = 500, Held, "another instance holds the pipeline";
    LEASE_LOST = 501, Held, "another instance took the pipeline over";
    TOO_MANY_REJECTS = 502, Halted, "more rejects than allowed";
    STATE_NEWER = 503, Halted, "the state schema is of a newer version";
    IDENTITY_CHANGED = 504, Halted, "namespace, name or derivation of an identity changed";
    PLAN_CHANGED = 505, Halted, "the mapping changed between interruption and resume";
    UUID_CONFLICT = 506, Halted, "adopted identities contradict each other";
    INTERRUPTED = 507, Interrupted, "interrupted, resumable";
    INTEGRITY = 508, Halted, "what was written is not what was read";
    RESTORE_FAILED = 509, Halted, "set-aside DDL could not be put back";
    NOTHING_TO_DO = 510, Usage, "there is nothing of this pipeline in the target";
    RULE_HALTED = 511, Halted, "a rule with on_fail = halt refused a row";
    STATE_OLDER = 512, Halted, "the state schema is of an older version";
    SCHEMA_CHANGED = 513, Halted, "a table changed while it was loaded";
    INTERNAL = 599, Halted, "an assumption of Driftless does not hold";
    // ---- command line and demo (600-699)
    USAGE = 600, Usage, "the command line cannot be understood";
    NEEDS_YES = 601, Usage, "a command that changes something needs a yes";
    NOT_WRITTEN = 602, Usage, "a file or the output cannot be written";
    NOT_ON_RECORD = 603, Usage, "nothing on record under this key";
    DEMO_SERVERS = 604, Server, "the demonstration's servers cannot be started or stopped";
    DEMO_RUNNING = 605, Usage, "a demonstration was left running";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_ascend() {
        let numbers: Vec<u16> = ALL.iter().map(|code| code.number()).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted);
    }

    #[test]
    fn text_goes_there_and_back() {
        for code in ALL {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
        assert_eq!(Code::parse("DL1"), None);
        assert_eq!(Code::parse("DL9999"), None);
    }
}
