//! Column forms.

use super::{FormSetting, Kind, Setting, setting};

const MISSING: Kind = Kind::Word(&["reject", "null", "park"]);

const OTHER: &[Setting] = &[setting("const", Kind::Constant, "required", "a constant")];

const SUBJECT: &[Setting] = &[
    setting(
        "by",
        Kind::Text,
        "required",
        "the source column that names the entity",
    ),
    setting(
        "values",
        Kind::Named(&Kind::Text),
        "required",
        "its texts, and the entities that they mean",
    ),
];

/// The forms.
pub const FORMS: &[FormSetting] = &[
    FormSetting {
        key: "copy",
        kind: Kind::Text,
        needs: &[],
        beside: &["default", "required", "lossy"],
        written: "`{ copy = \"tel\" }`, `\"tel\"`",
        meaning: "the source column",
    },
    FormSetting {
        key: "id",
        kind: Kind::True,
        needs: &[],
        beside: &[],
        written: "`{ id = true }`",
        meaning: "this row's UUID",
    },
    FormSetting {
        key: "ref",
        kind: Kind::Either(&[Kind::Text, Kind::Table(SUBJECT)]),
        needs: &["from"],
        beside: &["missing", "unknown", "default", "required"],
        written: "`{ ref = \"offices\", from = \"office_id\" }`; `{ ref = { by = \"kind\", values = { Patient = \"patients\" } }, from = \"ref\" }`",
        meaning: "UUID of the row of `offices` with this key; `from = [\"a\", \"b\"]` for a key of two columns, in the parent's order. Or the same, where the column `kind` says which entity is meant",
    },
    FormSetting {
        key: "map",
        kind: Kind::Text,
        needs: &["values"],
        beside: &["unknown", "default", "required"],
        written: "`{ map = \"status_id\", values = { 1 = \"active\" } }`",
        meaning: "a value for a value",
    },
    FormSetting {
        key: "extract",
        kind: Kind::Text,
        needs: &["path"],
        beside: &["default", "required", "lossy"],
        written: "`{ extract = \"extra\", path = \"$.profile.nick\" }`",
        meaning: "text of the first match of an SQL/JSON path in a json, jsonb or text column; null if there is none",
    },
    FormSetting {
        key: "sql",
        kind: Kind::Text,
        needs: &[],
        beside: &["default", "required", "lossy"],
        written: "`{ sql = \"lower(email)\" }`",
        meaning: "an expression over the source row, evaluated by the target",
    },
    FormSetting {
        key: "const",
        kind: Kind::Constant,
        needs: &[],
        beside: &[],
        written: "`{ const = \"FR\" }`",
        meaning: "a constant, as PostgreSQL reads it",
    },
    FormSetting {
        key: "run",
        kind: Kind::Word(&["started_at", "id", "mode"]),
        needs: &[],
        beside: &[],
        written: "`{ run = \"started_at\" }`",
        meaning: "fact of the run: `started_at`, `id` (of the execution), `mode` (`load`)",
    },
    FormSetting {
        key: "json",
        kind: Kind::Either(&[Kind::Word(&["unmapped"]), Kind::Named(&Kind::Form)]),
        needs: &[],
        beside: &[],
        written: "`{ json = { sub = { id = true }, email = \"mail\" } }`; `{ json = \"unmapped\" }`",
        meaning: "an object for a json or jsonb column; members are forms again. Or an object of every source column that nothing else of the entity uses and `[ignore]` does not name",
    },
    FormSetting {
        key: "lookup",
        kind: Kind::Relation,
        needs: &["match", "take"],
        beside: &["missing", "default", "required"],
        written: "`{ lookup = \"public.countries\", match = { iso = \"country_code\" }, take = \"id\" }`",
        meaning: "the column `take` of the row of this table or view of the target whose columns equal these source columns",
    },
    FormSetting {
        key: "mask",
        kind: Kind::Text,
        needs: &["from"],
        beside: &["default", "required"],
        written: "`{ mask = …, from = … }`",
        meaning: "**not yet**; never copied in clear instead",
    },
];

/// What stands beside forms.
pub const BESIDE: &[Setting] = &[
    setting("default", Kind::Constant, "", "takes the place of null"),
    setting(
        "required",
        Kind::Boolean,
        "`false`",
        "null, after `default`, rejects the row ([DL0402](../errors/DL0402.md))",
    ),
    setting(
        "lossy",
        Kind::Boolean,
        "`false`",
        "the value may be cut, rounded or shifted to fit; without it such a value is a reject ([DL0403](../errors/DL0403.md))",
    ),
    setting(
        "from",
        Kind::Texts,
        "",
        "of `ref`: source columns that hold the parent's key",
    ),
    setting(
        "missing",
        MISSING,
        "`\"reject\"`",
        "of `ref` and `lookup`: the row is not there. `\"reject\"`, `\"null\"`, or `\"park\"`: on record as waiting, tried again by `rejects retry`",
    ),
    setting(
        "unknown",
        Kind::Either(&[Kind::Word(&["reject", "null"]), Kind::Table(OTHER)]),
        "`\"reject\"`",
        "a value of `map`, or a kind of `ref`, that `values` does not list: `\"reject\"`, `\"null\"`; of `map` also `{ const = \"other\" }`",
    ),
    setting(
        "values",
        Kind::Named(&Kind::Constant),
        "",
        "of `map`: texts of the source's value, and what they become",
    ),
    setting("path", Kind::Text, "", "of `extract`: the SQL/JSON path"),
    setting(
        "match",
        Kind::Named(&Kind::Text),
        "",
        "of `lookup`: columns there, and the source columns that they must equal",
    ),
    setting(
        "take",
        Kind::Text,
        "",
        "of `lookup`: the column that has the value",
    ),
];
