//! Sections of a mapping and what stands in them.

use super::{Kind, Setting, setting};

/// `[pipeline]`.
pub const PIPELINE: &[Setting] = &[
    setting(
        "name",
        Kind::Text,
        "required",
        "1 to 40 of `a-z 0-9 _ -`. Stored with the state; another name is refused",
    ),
    setting(
        "state_schema",
        Kind::Text,
        "`\"driftless\"`",
        "schema of the state in the target; of this pipeline alone, and no schema of PostgreSQL or the platform",
    ),
    setting(
        "namespace",
        Kind::Text,
        "UUIDv5 of `driftless:NAME` among URLs",
        "namespace of [derived UUIDs](identity.md); changing it is refused",
    ),
    setting(
        "max_row_bytes",
        Kind::Size,
        "`\"64MB\"`",
        "1 kB to 1 GB; a larger row is rejected",
    ),
    setting("undo_retention", Kind::Duration, "`\"30d\"`", "*kept for later*"),
];

/// `[source]` and `[target]`.
pub const SERVER: &[Setting] = &[
    setting(
        "url",
        Kind::Text,
        "required",
        "`postgres://…` or `host=… user=…`, as [connections](connections.md) describes; `postgres://` alone leaves everything to libpq's variables. `sslmode` is `require` unless every host is loopback or the string says otherwise",
    ),
    setting(
        "max_connections",
        Kind::Count(1, 1000),
        "4",
        "1 to 1000. A stream of work takes one session of the source and three of the target, two of which write in turn; four more serve the run itself. One and a half times this number and four is never exceeded",
    ),
    setting(
        "zone",
        Kind::Text,
        "none",
        "IANA name or `\"UTC\"`: what `timestamp` without zone means there. Needed to copy one into `timestamptz`",
    ),
    setting(
        "acquire_timeout",
        Kind::Duration,
        "`\"30s\"`",
        "how long to wait for a session of ours to become free, and for a server that starts up or is full",
    ),
    setting(
        "idle_timeout",
        Kind::Duration,
        "`\"10m\"`",
        "how long a session that nobody uses stays open",
    ),
];

/// `detect = { … }`.
pub const DETECT: &[Setting] = &[
    setting(
        "by",
        Kind::Word(&["log", "timestamp", "hash"]),
        "required",
        "how changes are found",
    ),
    setting(
        "column",
        Kind::Text,
        "",
        "of `timestamp`: the column that tells when a row changed",
    ),
    setting(
        "overlap",
        Kind::Duration,
        "",
        "of `timestamp`: how far a pass looks back",
    ),
    setting(
        "deletes",
        Kind::Word(&["log", "sweep", "soft", "ignore"]),
        "",
        "how rows that are gone are found",
    ),
    setting(
        "soft_column",
        Kind::Text,
        "",
        "of `soft`: the column that says so",
    ),
    setting("soft_value", Kind::Constant, "", "of `soft`: its value"),
    setting(
        "truncate",
        Kind::Word(&["halt", "apply", "ignore"]),
        "",
        "of `log`: what a TRUNCATE means",
    ),
];

const POLICY: Kind = Kind::Word(&["source", "merge", "target", "review", "newest"]);

const SIDES: &[Setting] = &[
    setting("source", Kind::Text, "required", "column of the source"),
    setting("target", Kind::Text, "required", "column of the target"),
];

/// `conflicts = { … }`.
pub const CONFLICTS: &[Setting] = &[
    setting(
        "policy",
        POLICY,
        "`\"source\"`",
        "who wins where both sides changed a column",
    ),
    setting(
        "fallback",
        Kind::Word(&["source", "target", "review", "newest"]),
        "`\"source\"`",
        "of `merge`: where both changed",
    ),
    setting(
        "newest",
        Kind::Table(SIDES),
        "",
        "the columns that tell when a row changed",
    ),
    setting(
        "columns",
        Kind::Named(&Kind::Word(&[
            "source", "merge", "target", "review", "newest", "owned",
        ])),
        "",
        "the policy of single columns",
    ),
    setting(
        "deleted_in_target",
        Kind::Word(&["recreate", "leave", "review"]),
        "",
        "a row that the target deleted",
    ),
    setting(
        "deleted_in_source",
        Kind::Word(&["delete", "keep", "review"]),
        "",
        "a row that the source deleted and the target edited",
    ),
];

/// Settings that stand in `[defaults]`, in an entity, or in both.
pub const SHARED: &[Setting] = &[
    setting(
        "copy",
        Kind::Word(&["same-name", "none"]),
        "`\"same-name\"`",
        "columns with equal names are copied without a line of their own; or `\"none\"`",
    ),
    setting(
        "skip",
        Kind::Texts,
        "`[]`",
        "target columns that `same-name` and `[defaults.columns]` leave out",
    ),
    setting(
        "batch_rows",
        Kind::Count(1, 1_000_000),
        "5000",
        "upper bound of one batch in memory; 1 to 1,000,000",
    ),
    setting(
        "batch_bytes",
        Kind::Size,
        "`\"2MB\"`",
        "the same in bytes; 64 kB to 1 GB",
    ),
    setting(
        "max_rejects",
        Kind::Limit,
        "`\"1%\"`",
        "more rejects (parked rows included) of an entity halt the run: judged from 100 rejects on, and at the entity's end whatever their number; rows that a foreign key refused for a parent that may come later are judged at the end of the load",
    ),
    setting("max_deletes", Kind::Limit, "`\"1%\"`", "*kept for later*"),
    setting(
        "triggers",
        Kind::Word(&["fire", "silence"]),
        "`\"fire\"`",
        "or `\"silence\"`; *kept for later* (a load always silences them)",
    ),
    setting(
        "detect",
        Kind::Table(DETECT),
        "",
        "*kept for later*; its keys and values are checked",
    ),
    setting(
        "conflicts",
        Kind::Table(CONFLICTS),
        "",
        "*kept for later*; its keys and values are checked",
    ),
];

/// What `[defaults]` has beside [`SHARED`].
pub const DEFAULTS: &[Setting] = &[setting(
    "columns",
    Kind::Named(&Kind::Form),
    "",
    "column forms for every entity whose target table has the column and lets it be written; an entity's own form for it wins, and `skip` leaves it out",
)];

const ADOPT: &[Setting] = &[setting(
    "sql",
    Kind::Text,
    "required",
    "a query on the target of the legacy key's columns and the UUID",
)];

const WINNER: &[Setting] = &[
    setting(
        "oldest",
        Kind::Text,
        "",
        "the row with the smallest value of this source column",
    ),
    setting("newest", Kind::Text, "", "the row with the largest one"),
];

/// `identity = { … }`.
pub const IDENTITY: &[Setting] = &[
    setting(
        "by",
        Kind::Word(&["derive", "column", "columns", "random", "none"]),
        "",
        "where target keys come from: see below",
    ),
    setting(
        "name",
        Kind::Text,
        "the entity's",
        "of `derive`: the name in the derivation, pinned when the entity is renamed",
    ),
    setting("column", Kind::Text, "", "of `column`: the source's uuid column"),
    setting(
        "same_as",
        Kind::Text,
        "",
        "the entity whose UUIDs this one shares, over the same key",
    ),
    setting(
        "adopt",
        Kind::Table(ADOPT),
        "",
        "UUIDs that an earlier migration left in the target",
    ),
    setting(
        "merge_on",
        Kind::Text,
        "",
        "rows with equal values of this SQL expression over source columns are one row of the target",
    ),
    setting(
        "winner",
        Kind::Either(&[Kind::Word(&["oldest", "newest"]), Kind::Table(WINNER)]),
        "`\"oldest\"`",
        "of `merge_on`: which row is written; by key, or by a source column: `{ newest = \"updated_at\" }`",
    ),
    setting(
        "match",
        Kind::Texts,
        "",
        "target columns: a row that is there already with the values that a source row gets in them is adopted",
    ),
];

/// `[[entities.NAME.rules]]`.
pub const RULE: &[Setting] = &[
    setting(
        "name",
        Kind::Text,
        "required",
        "its name, of its own within the entity",
    ),
    setting(
        "check",
        Kind::Text,
        "required",
        "a condition, in SQL of the target; null passes",
    ),
    setting(
        "on",
        Kind::Word(&["source", "target"]),
        "`\"source\"`",
        "what it looks at: the source's columns, or the shaped values",
    ),
    setting(
        "on_fail",
        Kind::Word(&["reject", "warn", "halt"]),
        "`\"reject\"`",
        "what happens to a row that it refuses",
    ),
];

/// `[[entities.NAME.totals]]`.
pub const TOTAL: &[Setting] = &[
    setting("sum", Kind::Text, "required", "**not yet**"),
    setting("by", Kind::Texts, "", "**not yet**"),
];

/// What `[entities.NAME]` has beside [`SHARED`].
pub const ENTITY: &[Setting] = &[
    setting(
        "from",
        Kind::Relation,
        "",
        "table, partition root, view or materialised view of the source; or",
    ),
    setting(
        "sql",
        Kind::Text,
        "",
        "a query on the source instead, with every column named; `key` is required then",
    ),
    setting(
        "into",
        Kind::Relation,
        "required",
        "table of the target; Driftless creates none",
    ),
    setting(
        "key",
        Kind::Texts,
        "the source's primary key",
        "source columns that identify a row: a name or a list",
    ),
    setting(
        "where",
        Kind::Text,
        "",
        "SQL condition on the source; other rows are not read",
    ),
    setting(
        "after",
        Kind::Texts,
        "",
        "entities whose rows must be loaded before this one starts; references need no such line",
    ),
    setting(
        "domain",
        Kind::Text,
        "",
        "label that stands beside the entity in reports",
    ),
    setting(
        "sensitive",
        Kind::Texts,
        "",
        "columns of either side: their values are masked in rejects and reports, and messages of the entity's rejects are reduced to the code's title",
    ),
    setting(
        "identity",
        Kind::Table(IDENTITY),
        "",
        "where target keys come from",
    ),
    setting(
        "columns",
        Kind::Named(&Kind::Form),
        "",
        "target columns and where their values come from",
    ),
    setting(
        "rules",
        Kind::Tables(RULE),
        "",
        "conditions that rows must satisfy",
    ),
    setting("totals", Kind::Tables(TOTAL), "", "**not yet**"),
];
