//! Northwind, which nobody here wrote, into a target with UUID keys: smallint, varchar and composite keys, bytea, reals that
//! become exact money, empty tables; every row, key and reference in plain SQL.

use driftless_engine::run::validate;
use driftless_testkit::{TestDatabase, load_dump, pg_dump_schema_without, servers, shared_data};
use uuid::Uuid;

use crate::expected::{expect_ids, same_rows};
use crate::pair::{migrate_spec, read};
use crate::verify::differing;

const NAMESPACE: &str = "7f0c5f0e-6d53-4f2e-8d5f-51e1c4b0a5a9";

/// Entity, legacy table, key column.
const KEYED: [(&str, &str, &str); 8] = [
    ("territories", "territories", "territory_id"),
    ("us_states", "us_states", "state_id"),
    ("categories", "categories", "category_id"),
    ("suppliers", "suppliers", "supplier_id"),
    ("products", "products", "product_id"),
    ("customers", "customers", "customer_id"),
    ("employees", "employees", "employee_id"),
    ("orders", "orders", "order_id"),
];

/// Target table, its rows, and the same rows out of the legacy tables.
const SHAPES: [(&str, &str, &str); 12] = [
    (
        "regions",
        "SELECT id::int, name FROM trade.regions",
        "SELECT region_id, region_description::text FROM public.region",
    ),
    (
        "territories",
        "SELECT id, code::text, name, region_id::int FROM trade.territories",
        "SELECT i.id, l.territory_id::text, l.territory_description::text, l.region_id FROM public.territories AS l \
         JOIN id AS i ON (i.entity, i.key) = ('territories', l.territory_id)",
    ),
    (
        "us_states",
        "SELECT id, name, abbreviation::text, part FROM trade.us_states",
        "SELECT i.id, l.state_name::text, l.state_abbr::text, l.state_region::text FROM public.us_states AS l \
         JOIN id AS i ON (i.entity, i.key) = ('us_states', l.state_id::text)",
    ),
    (
        "categories",
        "SELECT id, name::text, description, picture FROM trade.categories",
        "SELECT i.id, l.category_name::text, l.description, l.picture FROM public.categories AS l \
         JOIN id AS i ON (i.entity, i.key) = ('categories', l.category_id::text)",
    ),
    (
        "suppliers",
        "SELECT id, company, contact, homepage FROM trade.suppliers",
        "SELECT i.id, l.company_name::text, to_jsonb(l) - ARRAY['supplier_id', 'company_name', 'homepage'], l.homepage \
         FROM public.suppliers AS l JOIN id AS i ON (i.entity, i.key) = ('suppliers', l.supplier_id::text)",
    ),
    (
        "products",
        "SELECT id, legacy_id, name, supplier_id, category_id, packaging, unit_price::text, stock, discontinued, levels \
         FROM trade.products",
        "SELECT i.id, l.product_id, l.product_name::text, s.id, c.id, l.quantity_per_unit::text, l.unit_price::numeric(10,2)::text, \
         l.units_in_stock, l.discontinued = 1, jsonb_build_object('on_order', l.units_on_order, 'reorder', l.reorder_level) \
         FROM public.products AS l JOIN id AS i ON (i.entity, i.key) = ('products', l.product_id::text) \
         LEFT JOIN id AS s ON (s.entity, s.key) = ('suppliers', l.supplier_id::text) \
         LEFT JOIN id AS c ON (c.entity, c.key) = ('categories', l.category_id::text)",
    ),
    (
        "customers",
        "SELECT id, code::text, company, address, metadata FROM trade.customers",
        "SELECT i.id, l.customer_id::text, l.company_name::text, jsonb_build_object('street', l.address, 'city', l.city, \
         'region', l.region, 'postal_code', l.postal_code, 'country', l.country), \
         jsonb_build_object('legacy', jsonb_build_object('contact_name', l.contact_name, 'contact_title', l.contact_title, \
         'phone', l.phone, 'fax', l.fax)) \
         FROM public.customers AS l JOIN id AS i ON (i.entity, i.key) = ('customers', l.customer_id)",
    ),
    (
        "employees",
        "SELECT id, full_name, manager_id, birth_date, hire_date, photo, notes, address, metadata FROM trade.employees",
        "SELECT i.id, concat(l.first_name, ' ', l.last_name), m.id, l.birth_date, l.hire_date, l.photo, l.notes, \
         jsonb_build_object('street', l.address, 'city', l.city, 'region', l.region, 'postal_code', l.postal_code, \
         'country', l.country), \
         to_jsonb(l) - ARRAY['employee_id', 'first_name', 'last_name', 'birth_date', 'hire_date', 'photo', 'notes', 'address', \
         'city', 'region', 'postal_code', 'country', 'reports_to'] \
         FROM public.employees AS l JOIN id AS i ON (i.entity, i.key) = ('employees', l.employee_id::text) \
         LEFT JOIN id AS m ON (m.entity, m.key) = ('employees', l.reports_to::text)",
    ),
    (
        "employee_territories",
        "SELECT employee_id, territory_id FROM trade.employee_territories",
        "SELECT e.id, t.id FROM public.employee_territories AS l \
         JOIN id AS e ON (e.entity, e.key) = ('employees', l.employee_id::text) \
         JOIN id AS t ON (t.entity, t.key) = ('territories', l.territory_id)",
    ),
    (
        "shippers",
        "SELECT id::int, company, phone FROM trade.shippers",
        "SELECT shipper_id, company_name::text, phone::text FROM public.shippers",
    ),
    (
        "orders",
        "SELECT id, number, customer_id, employee_id, order_date, required_date, shipped_date, shipper_id::int, freight::text, \
         ship_to, state FROM trade.orders",
        "SELECT i.id, l.order_id, c.id, e.id, l.order_date, l.required_date, l.shipped_date, l.ship_via, \
         l.freight::numeric(10,2)::text, jsonb_build_object('name', l.ship_name, 'street', l.ship_address, 'city', l.ship_city, \
         'region', l.ship_region, 'postal_code', l.ship_postal_code, 'country', l.ship_country), \
         coalesce(left('shipped' || l.shipped_date, 7), 'open') \
         FROM public.orders AS l JOIN id AS i ON (i.entity, i.key) = ('orders', l.order_id::text) \
         LEFT JOIN id AS c ON (c.entity, c.key) = ('customers', l.customer_id) \
         LEFT JOIN id AS e ON (e.entity, e.key) = ('employees', l.employee_id::text)",
    ),
    (
        "order_lines",
        "SELECT order_id, product_id, unit_price::text, quantity, discount FROM trade.order_lines",
        "SELECT o.id, p.id, l.unit_price::numeric(10,2)::text, l.quantity, l.discount FROM public.order_details AS l \
         JOIN id AS o ON (o.entity, o.key) = ('orders', l.order_id::text) \
         JOIN id AS p ON (p.entity, p.key) = ('products', l.product_id::text)",
    ),
];

#[tokio::test]
async fn every_row_key_and_reference_of_northwind() {
    let dump = match shared_data("northwind.sql.gz") {
        Ok(dump) => dump,
        Err(absent) => return println!("{absent}"),
    };
    let pair = servers();
    let source = TestDatabase::create(&pair.source, "northwind").await;
    let target = TestDatabase::create(&pair.target, "northwind").await;
    load_dump(&source.url(), &dump);
    target.run(include_str!("northwind/target.sql")).await;
    let before = pg_dump_schema_without(&target.url(), "driftless");
    let spec = read(&format!(
        "[pipeline]\nname = \"northwind\"\nnamespace = \"{NAMESPACE}\"\n[source]\nurl = \"{}\"\n[target]\nurl = \"{}\"\n{}",
        source.url(),
        target.url(),
        include_str!("northwind/mapping.toml")
    ));
    let report = migrate_spec(&spec).await.expect("a load");
    assert_eq!(pg_dump_schema_without(&target.url(), "driftless"), before);
    assert_eq!(report.entities.iter().map(|one| one.rejected).sum::<i64>(), 0);
    assert_eq!(
        report.entities.iter().map(|one| one.read).sum::<i64>(),
        3_362,
        "the dump has so many rows"
    );
    nothing_but_the_rows(&target).await;

    let validation = validate(&spec, &[]).await.expect("a validation");
    assert_eq!(differing(&validation), [""; 0]);

    load_dump(&target.url(), &dump);
    let namespace = Uuid::parse_str(NAMESPACE).expect("a UUID");
    for (name, table, key) in KEYED {
        expect_ids(
            &target,
            namespace,
            name,
            &format!("SELECT {key} FROM public.{table}"),
        )
        .await;
    }
    target
        .run(&format!(
            "ALTER DATABASE {} SET search_path = expected, public",
            target.name()
        ))
        .await;
    for (table, actual, expected) in SHAPES {
        same_rows(&target, table, expected, actual).await;
    }
}

/// No trigger fired, what was empty is empty, every constraint is proven, and the application's next row gets the next key.
async fn nothing_but_the_rows(target: &TestDatabase) {
    for (what, sql, expected) in [
        ("no trigger fired", "SELECT count(*) FROM trade.journal", "0"),
        ("empty", "SELECT count(*) FROM trade.demographics", "0"),
        ("empty", "SELECT count(*) FROM trade.customer_demographics", "0"),
        (
            "every constraint is proven",
            "SELECT count(*) FROM pg_constraint WHERE connamespace = 'trade'::regnamespace AND NOT convalidated",
            "0",
        ),
    ] {
        assert_eq!(target.value(sql).await.as_deref(), Some(expected), "{what}");
    }
    target
        .run("INSERT INTO trade.shippers (company) VALUES ('Next')")
        .await;
    let next = target
        .value("SELECT id FROM trade.shippers WHERE company = 'Next'")
        .await;
    assert_eq!(next.as_deref(), Some("7"), "the next key");
    target
        .run("DELETE FROM trade.shippers WHERE company = 'Next'")
        .await;
}
