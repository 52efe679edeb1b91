//! How rows are named.

use super::fixture::{Case, answer};
use super::notation::Side;
use crate::catalog::RelationKind;
use crate::code;
use crate::plan::{Canonical, EntityPlan, KeyText, Mint, Resolution};

fn users(identity: &str, source: &str, target: &str) -> Case {
    let own = if identity.contains("columns.") {
        ""
    } else {
        "[entities.users.columns]\nid = { id = true }\n"
    };
    let mapping = format!("[entities.users]\nfrom = \"old.user\"\ninto = \"new.users\"\n{identity}\n{own}");
    let side = Side::default().with_domain("public.cents", "numeric(9,2)", false);
    Case::new(
        &mapping,
        side.clone().with("old.user", source),
        side.with("new.users", target),
    )
}

fn derive(name: &str, recorded: Option<&str>) -> Mint {
    Mint::Derive {
        name: name.to_owned(),
        recorded: recorded.map(str::to_owned),
    }
}

fn key_texts(plan: &EntityPlan) -> Vec<String> {
    let parts = plan.identity.key.iter();
    parts
        .map(|part| match part.text {
            KeyText::Input(input, canonical) => format!("{canonical:?} of {}", plan.inputs[input].select),
            KeyText::Answer(number) => answer(&plan.key_evaluation, number),
        })
        .collect()
}

#[test]
fn uuids_are_derived_where_a_column_takes_them() {
    let plan = users("", "id int4 pk; name text", "id uuid pk; name text").entity("users");
    let identity = &plan.identity;
    assert_eq!(identity.mint, derive("users", None));
    assert_eq!(identity.target, [("id".to_owned(), "pg_catalog.uuid".to_owned())]);
    assert_eq!(
        (
            identity.adopt.clone(),
            identity.prerecord,
            identity.uuid_column.clone()
        ),
        (None, false, None)
    );
    let part = &identity.key[0];
    assert_eq!(
        (part.column.as_str(), part.type_sql.as_str()),
        ("id", "\"pg_catalog\".\"int4\"")
    );
    assert_eq!(part.text, KeyText::Input(part.input, Canonical::Integer));
}

#[test]
fn a_name_can_be_pinned() {
    let plan = users(
        "identity = { by = \"derive\", name = \"people\" }",
        "id int4 pk",
        "id uuid pk",
    )
    .entity("users");
    assert_eq!(plan.identity.mint, derive("people", None));
}

#[test]
fn adopted_mappings_come_first() {
    let plan = users(
        "identity = { by = \"derive\", adopt = { sql = \"SELECT a, b FROM c\" } }",
        "id int4 pk",
        "id uuid pk",
    )
    .entity("users");
    assert_eq!(plan.identity.mint, derive("users", Some("users")));
    assert_eq!(plan.identity.adopt.as_deref(), Some("SELECT a, b FROM c"));
}

#[test]
fn uuids_may_come_from_a_column() {
    let by_column = |more: &str| {
        users(
            &format!("identity = {{ by = \"column\", column = \"account\"{more} }}"),
            "id int4 pk; account uuid",
            "id uuid pk",
        )
        .entity("users")
        .identity
    };
    let identity = by_column("");
    assert_eq!(identity.mint, Mint::Column(1));
    assert_eq!(
        (identity.prerecord, identity.uuid_column.as_deref()),
        (true, Some("account"))
    );
    // With adopted mappings all are recorded first, and looked up.
    let adopting = by_column(", adopt = { sql = \"SELECT 1\" }");
    assert_eq!(
        adopting.mint,
        Mint::Recorded {
            entity: "users".into()
        }
    );
    assert_eq!(
        (adopting.prerecord, adopting.uuid_column.as_deref()),
        (true, Some("account"))
    );
}

#[test]
fn keys_are_kept_without_a_column_for_uuids() {
    let mapping = "[entities.lines]\nfrom = \"old.line\"\ninto = \"new.lines\"";
    let source = Side::default().with("old.line", "a int4 pk; b varchar(3) pk; x text");
    let target = Side::default().with("new.lines", "x text; b varchar(5) pk; a int8 pk");
    let plan = Case::new(mapping, source, target).entity("lines");
    assert_eq!(plan.identity.mint, Mint::Columns(vec![1, 2]));
    assert_eq!(
        plan.identity.target,
        [
            ("b".to_owned(), "pg_catalog.varchar(5)".to_owned()),
            ("a".to_owned(), "pg_catalog.int8".to_owned())
        ]
    );
    let types: Vec<&str> = plan
        .identity
        .key
        .iter()
        .map(|part| part.type_sql.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "\"pg_catalog\".\"int4\"",
            "pg_catalog.text COLLATE pg_catalog.\"C\""
        ]
    );
}

#[test]
fn several_entities_share_one_identity() {
    let mapping = r#"
        [entities.users]
        from = "old.user"
        into = "new.users"
        identity = { by = "derive", name = "people", adopt = { sql = "SELECT 1" } }
        columns.id = { id = true }
        [entities.profiles]
        from = "old.profile"
        into = "new.profiles"
        identity = { same_as = "users" }
        columns.id = { id = true }
        [entities.avatars]
        from = "old.avatar"
        into = "new.avatars"
        identity = { same_as = "profiles" }
        columns.id = { id = true }
    "#;
    let source = Side::default()
        .with("old.user", "id int4 pk")
        .with("old.profile", "user_no text pk")
        .with("old.avatar", "id int2 pk");
    let target = Side::default()
        .with("new.users", "id uuid pk")
        .with("new.profiles", "id uuid pk")
        .with("new.avatars", "id uuid pk");
    let plan = Case::new(mapping, source, target).plan();
    let entity = |name: &str| plan.entity(name).expect("the entity");
    for name in ["users", "profiles", "avatars"] {
        assert_eq!(
            entity(name).identity.mint,
            derive("people", Some("users")),
            "{name}"
        );
    }
    // Recorded once, by the one that owns them.
    assert!(entity("users").identity.adopt.is_some());
    assert!(entity("profiles").identity.adopt.is_none() && entity("avatars").identity.adopt.is_none());
    // '007' is the key that prints 7 there.
    assert_eq!(
        key_texts(entity("profiles")),
        [
            "CASE WHEN (\"user_no\")::text ~ '^\\s*[-+]?[0-9]+\\s*$' THEN (((\"user_no\")::text)::numeric)::text \
          ELSE (\"user_no\")::text END"
        ]
    );
    assert_eq!(key_texts(entity("avatars")), ["Integer of \"id\""]);
}

#[test]
fn a_column_is_shared_by_looking_it_up() {
    let mapping = r#"
        [entities.users]
        from = "old.user"
        into = "new.users"
        identity = { by = "column", column = "account" }
        columns.id = { id = true }
        [entities.profiles]
        from = "old.user"
        into = "new.profiles"
        identity = { same_as = "users" }
        columns.id = { id = true }
    "#;
    let source = Side::default().with("old.user", "id int4 pk; account uuid");
    let target = Side::default()
        .with("new.users", "id uuid pk")
        .with("new.profiles", "id uuid pk");
    let plan = Case::new(mapping, source, target).entity("profiles");
    assert_eq!(
        plan.identity.mint,
        Mint::Recorded {
            entity: "users".into()
        }
    );
    assert_eq!(
        (plan.identity.prerecord, plan.identity.uuid_column),
        (false, None)
    );
}

#[test]
fn keys_are_the_text_that_postgresql_prints() {
    let texts = |source: &str| key_texts(&users("", source, "id uuid pk").entity("users"));
    assert_eq!(texts("k int8 pk"), ["Integer of \"k\""]);
    assert_eq!(texts("k varchar(9) pk"), ["Text of \"k\""]);
    assert_eq!(texts("k uuid pk"), ["Uuid of \"k\""]);
    assert_eq!(texts("k bpchar(3) pk"), ["rtrim((\"k\")::text, ' ')"]);
    assert_eq!(texts("k date pk"), ["(\"k\")::text"]);
    assert_eq!(texts("k bool pk; l inet pk"), ["(\"k\")::text", "(\"l\")::text"]);
    let numeric = "(CASE WHEN (\"k\")::numeric = round((\"k\")::numeric, 2) THEN round((\"k\")::numeric, 2) \
                   ELSE (\"k\")::numeric END)::text";
    assert_eq!(texts("k numeric(9,2) pk"), [numeric]);
    assert_eq!(texts("k public.cents pk"), [numeric]);
}

#[test]
fn nothing_is_derived_from_keys_that_print_in_many_ways() {
    for (key, data_type) in [
        ("k numeric pk", "numeric"),
        ("k float8 pk", "float8"),
        ("k jsonb pk", "jsonb"),
        ("k interval pk", "interval"),
        ("k timetz pk", "timetz"),
        ("k money pk", "money"),
        ("k numrange pk", "numrange"),
        ("k float8[] pk", "float8[]"),
        ("k text pk ci", "text"),
    ] {
        let (code, text, message) = users("", key, "id uuid pk").finding();
        assert_eq!(
            (code, text.as_str()),
            (code::UNUSABLE_KEY, "\"old.user\""),
            "{key}"
        );
        assert!(message.contains(data_type), "{message}");
        // Looked up as it is, it will do.
        let source = format!("{key}; account uuid");
        users(
            "identity = { by = \"column\", column = \"account\" }",
            &source,
            "id uuid pk",
        )
        .entity("users");
    }
}

#[test]
fn some_keys_cannot_be_told_apart() {
    for key in ["k json pk", "k xml pk", "k point pk", "k json[] pk"] {
        let source = format!("{key}; account uuid");
        let (code, _, _) = users(
            "identity = { by = \"column\", column = \"account\" }",
            &source,
            "id uuid pk",
        )
        .finding();
        assert_eq!(code, code::UNUSABLE_KEY, "{key}");
    }
}

#[test]
fn the_key_may_be_named() {
    let mapping =
        "[entities.u]\nfrom = \"old.v\"\ninto = \"new.u\"\nkey = [\"b\", \"a\"]\ncolumns.id = { id = true }";
    let source = Side::default().with_relation("old.v", RelationKind::View, "a int4; b text");
    let target = Side::default().with("new.u", "id uuid pk");
    let plan = Case::new(mapping, source, target).entity("u");
    let names: Vec<&str> = plan
        .identity
        .key
        .iter()
        .map(|part| part.column.as_str())
        .collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn the_signature_tells_identities_apart_in_plain_words() {
    let signature = |identity: &str, source: &str| {
        let plan = users(identity, source, "id uuid pk").entity("users");
        let (namespace, rest) = plan.identity.signature.split_once('|').expect("a namespace");
        assert_eq!(namespace.len(), 36);
        rest.to_owned()
    };
    assert_eq!(signature("", "id int4 pk"), "users|derive|id");
    assert_eq!(signature("", "a int4 pk; b int4 pk"), "users|derive|a,b");
    assert_eq!(
        signature("identity = { by = \"derive\", name = \"x\" }", "id int4 pk"),
        "x|derive|id"
    );
    let account = "identity = { by = \"column\", column = \"account\" }";
    assert_eq!(
        signature(account, "id int4 pk; account uuid"),
        "users|column account|id"
    );
}

#[test]
fn drawn_uuids_are_looked_up() {
    let mapping = r#"
        [entities.users]
        from = "old.user"
        into = "new.users"
        identity = { by = "random" }
        columns = { id = { id = true }, boss = { ref = "users", from = "boss" } }
        [entities.logins]
        from = "old.user"
        into = "new.logins"
        identity = { same_as = "users" }
        columns = { id = { id = true } }
    "#;
    let source = Side::default().with("old.user", "id float8 pk; boss float8");
    let target = Side::default()
        .with("new.users", "id uuid pk; boss uuid")
        .with("new.logins", "id uuid pk");
    let plan = Case::new(mapping, source, target).plan();
    let drawn = Mint::Recorded {
        entity: "users".to_owned(),
    };
    let [users, logins] = &plan.entities[..] else {
        panic!("two entities")
    };
    assert_eq!((&users.identity.mint, &logins.identity.mint), (&drawn, &drawn));
    assert_eq!(
        (users.identity.prerecord, logins.identity.prerecord),
        (true, false)
    );
    assert_eq!(users.identity.uuid_column, None);
    assert!(
        users.identity.signature.contains("|random|"),
        "{}",
        users.identity.signature
    );
    assert_eq!(
        users.program.refs[0].parents[0].1,
        Resolution::Recorded {
            entity: "users".to_owned(),
            name: None
        }
    );
}

#[test]
fn a_natural_key_reads_what_its_columns_need() {
    let case = users(
        "identity = { by = \"random\", match = [\"email\", \"code\"] }\nmax_rejects = 5",
        "id int4 pk; email text; note text; code int4",
        "id uuid pk; email text; note text; code int4",
    );
    let plan = case.entity("users");
    let natural = plan.identity.natural_key.as_ref().expect("a natural key");
    assert_eq!(natural.columns, ["email", "code"]);
    let mut read: Vec<&str> = natural
        .probe
        .inputs
        .iter()
        .map(|input| input.column.as_str())
        .collect();
    read.sort_unstable();
    assert_eq!(read, ["code", "email", "id"]);
    // Neither drawn UUIDs nor adopted ones are asked about.
    assert_eq!(natural.probe.identity.mint, derive("users", None));
    assert_eq!(natural.probe.identity.natural_key, None);
    assert_eq!(
        plan.identity.mint,
        Mint::Recorded {
            entity: "users".to_owned()
        }
    );
    let other = users(
        "identity = { by = \"random\", match = [\"email\"] }",
        "id int4 pk; email text; note text; code int4",
        "id uuid pk; email text; note text; code int4",
    );
    assert_ne!(other.entity("users").digest, plan.digest);
}

#[test]
fn what_is_referred_to_is_matched_first() {
    let mapping = |offices: &str| {
        format!(
            "[entities.rooms]\nfrom = \"old.room\"\ninto = \"new.rooms\"\nidentity = {{ match = [\"office\"] }}\n\
             columns = {{ id = {{ id = true }}, office = {{ ref = \"offices\", from = \"office\" }} }}\n\
             [entities.offices]\nfrom = \"old.office\"\ninto = \"new.offices\"\nidentity = {{ match = [\"{offices}\"] }}\n\
             columns = {{ id = {{ id = true }}, room = {{ ref = \"rooms\", from = \"room\" }} }}\n"
        )
    };
    let case = |offices: &str| {
        let side = Side::default();
        Case::new(
            &mapping(offices),
            side.clone()
                .with("old.room", "id int4 pk; office int4")
                .with("old.office", "id int4 pk; room int4; code text"),
            side.with("new.rooms", "id uuid pk; office uuid")
                .with("new.offices", "id uuid pk; room uuid; code text"),
        )
    };
    let plan = case("code").plan();
    let entities: Vec<&EntityPlan> = plan.entities.iter().collect();
    let order = crate::plan::natural::recording_order(&entities);
    let names: Vec<&str> = order.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["offices", "rooms"]);
    let (found, _, said) = case("room").finding();
    assert_eq!(found, code::ORDER_CYCLE, "{said}");
    assert!(said.contains("in a circle"), "{said}");
}

#[test]
fn a_natural_key_is_made_of_the_source_row() {
    let case = |column: &str, form: &str| {
        users(
            &format!(
                "identity = {{ match = [\"{column}\"] }}\ncolumns.made = {form}\ncolumns.id = {{ id = true }}"
            ),
            "id int4 pk; email text; doc json",
            "id uuid pk; made text; email text; doc json; other text",
        )
    };
    let told = |column: &str, form: &str| {
        let mapping = case(column, form);
        let (found, _, said) = mapping.finding();
        format!("{found} {said}")
    };
    for (column, form, expected) in [
        ("nmail", "\"email\"", "new.users has no column nmail"),
        ("other", "\"email\"", "the entity gives the column other no value"),
        ("doc", "\"email\"", "DL0105"),
        ("id", "\"email\"", "is made of the row's UUID"),
        ("made", "{ run = \"mode\" }", "is another in each run"),
    ] {
        let said = told(column, form);
        assert!(said.contains(expected), "{column}: {said}");
    }
}

#[test]
fn who_has_no_uuid_takes_none_over() {
    let mapping = "[entities.t]\nfrom = \"old.t\"\ninto = \"new.t\"\nidentity = { match = [\"email\"] }\n";
    let columns = "id int4 pk; email text";
    let side = Side::default();
    let case = Case::new(
        mapping,
        side.clone().with("old.t", columns),
        side.with("new.t", columns),
    );
    let (found, _, said) = case.finding();
    assert_eq!(found, code::INVALID_VALUE, "{said}");
    assert!(said.contains("rows without UUIDs"), "{said}");
}
