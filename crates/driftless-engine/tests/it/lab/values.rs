//! Values of the laboratory, row by row: the target's rows against the same rows made out of the legacy tables in SQL.

use driftless_testkit::TestDatabase;

use crate::expected::same_rows;

/// Entity, name in the derivation, canonical keys out of the legacy tables.
pub(super) const DERIVED: [(&str, &str, &str); 20] = [
    ("users", "users", "SELECT id FROM public.dispatch_user"),
    ("doctors", "doctors", "SELECT id FROM public.dispatch_doctor"),
    ("patients", "patients", "SELECT id FROM public.dispatch_patient"),
    (
        "technician_roles",
        "technician_roles",
        "SELECT '[' || to_json(user_id::text) || ',' || to_json(role) || ']' FROM public.dispatch_technician_role",
    ),
    ("orders", "orders", "SELECT id FROM public.dispatch_instruction"),
    ("cases", "cases", "SELECT id FROM public.dispatch_case"),
    ("tasks", "tasks", "SELECT id FROM public.dispatch_task"),
    (
        "measurements",
        "measurements",
        "SELECT id FROM public.dispatch_measurement",
    ),
    ("projects", "projects", "SELECT id FROM public.dispatch_project"),
    (
        "treatment_plans",
        "treatment_plans",
        "SELECT id FROM public.dispatch_treatment_plan",
    ),
    ("products", "products", "SELECT id FROM public.dispatch_product"),
    (
        "inventory_items",
        "inventory_items",
        "SELECT id FROM public.dispatch_inventory",
    ),
    (
        "discounts",
        "discounts",
        "SELECT id FROM public.dispatch_discount",
    ),
    ("payments", "payments", "SELECT id FROM public.dispatch_operation"),
    ("messages", "messages", "SELECT id FROM public.dispatch_message"),
    (
        "system_messages",
        "system_messages",
        "SELECT id FROM public.dispatch_system_message",
    ),
    ("comments", "comments", "SELECT id FROM public.dispatch_comment"),
    (
        "notifications",
        "notifications",
        "SELECT id FROM public.dispatch_notification",
    ),
    ("feedback", "feedback", "SELECT id FROM public.dispatch_feedback"),
    (
        "offices",
        "offices",
        "SELECT id FROM public.dispatch_office WHERE id NOT IN (1, 2, 3, 7, 41)",
    ),
];

/// Every identity recorded for an entity is the derived one, whatever became of its row.
pub(super) async fn identities(target: &TestDatabase, entity: &str, derivation: &str) {
    let table = format!("driftless.identity_{entity}");
    let key = if entity == "technician_roles" {
        "'[' || to_json(i.k1::text) || ',' || to_json(i.k2) || ']'"
    } else {
        "i.k1::text"
    };
    let sql = format!(
        "SELECT count(*) FILTER (WHERE e.id IS DISTINCT FROM i.t1) || ' of ' || count(*) FROM {table} AS i \
         LEFT JOIN expected.id AS e ON e.entity = '{derivation}' AND e.key = {key} \
         WHERE NOT ('{entity}' = 'offices' AND i.k1::text IN ('1', '2', '3', '7', '41'))"
    );
    let wrong = target.value(&sql).await.expect("a count");
    assert!(
        wrong.starts_with("0 of ") && wrong != "0 of 0",
        "{entity}: {wrong} identities are not as derived"
    );
}

/// UUIDs whose rows are in the target, by entity and key: what references may point to.
const LIVE: &str = "
    INSERT INTO expected.id SELECT 'offices', legacy_id::text, id FROM public.legacy_office_map;
    INSERT INTO expected.id SELECT 'files', id::text, uuid FROM public.dispatch_file;
    CREATE TABLE expected.live AS
        SELECT * FROM expected.id WHERE entity = 'users' AND id IN (SELECT id FROM public.profiles)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'offices' AND id IN (SELECT id FROM public.offices)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'doctors' AND id IN (SELECT id FROM public.doctors)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'patients' AND id IN (SELECT id FROM public.patients)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'technician_roles' AND id IN (SELECT id FROM public.technician_roles)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'orders' AND id IN (SELECT id FROM public.orders)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'cases' AND id IN (SELECT id FROM public.cases)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'tasks' AND id IN (SELECT id FROM public.tasks)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'projects' AND id IN (SELECT id FROM public.projects)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'products' AND id IN (SELECT id FROM public.products)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'discounts' AND id IN (SELECT id FROM public.discounts)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'messages' AND id IN (SELECT id FROM public.messages)
        UNION ALL SELECT * FROM expected.id WHERE entity = 'files' AND id IN (SELECT id FROM public.files);
    CREATE INDEX ON expected.live (entity, key);
    ANALYZE expected.live;";

/// Compares table by table, value by value.
pub(super) async fn compare(target: &TestDatabase) {
    target.run(LIVE).await;
    let queries: Vec<&str> = include_str!("shapes.sql")
        .split_terminator(";\n")
        .map(|query| &query[query.find("SELECT").expect("a query")..])
        .collect();
    assert_eq!(queries.len(), 34);
    for pair in queries.chunks(2) {
        let table = pair[0].rsplit("FROM ").next().expect("a table").trim();
        let expected = format!(
            "SELECT * FROM ({}) AS r (row_id) WHERE r.row_id IN (SELECT id FROM {table})",
            pair[1]
        );
        same_rows(target, table, &expected, pair[0]).await;
    }
    keyed_otherwise(target).await;
    one_start(target).await;
}

/// Tables whose keys are no UUIDs of their own.
async fn keyed_otherwise(target: &TestDatabase) {
    same_rows(
        target,
        "offers",
        "SELECT o.id, p.id, l.price::numeric(12,2)::text, l.valid, l.min_qty FROM public.dispatch_offer AS l \
         JOIN expected.live AS o ON (o.entity, o.key) = ('offices', l.office_id::text) \
         JOIN expected.live AS p ON (p.entity, p.key) = ('products', l.product_id::text) WHERE l.price ~ '^[0-9.]+$'",
        "SELECT office_id, product_id, price::text, valid, min_quantity FROM public.offers",
    )
    .await;
    same_rows(
        target,
        "settings",
        "SELECT name::text, value::jsonb, description FROM public.dispatch_setting WHERE value <> 'yes, please'",
        "SELECT name, value, description FROM public.settings",
    )
    .await;
    same_rows(
        target,
        "jaws",
        "SELECT id, code::text, label::text FROM public.dispatch_jaw",
        "SELECT id, code, label FROM public.jaws",
    )
    .await;
    let next = target
        .rows("INSERT INTO public.jaws (code) VALUES ('new') RETURNING id")
        .await;
    assert_eq!(
        next[0][0].as_deref(),
        Some("6"),
        "the sequence goes on behind the kept keys"
    );
}

/// `migrated_at` is the run's start, in every row alike.
async fn one_start(target: &TestDatabase) {
    let starts = "SELECT string_agg(DISTINCT (metadata ->> 'migrated_at')::timestamptz::text, ' ') = \
                  (SELECT min(started_at)::text FROM driftless.execution) FROM public.patients";
    assert_eq!(target.value(starts).await.as_deref(), Some("true"));
}
