//! Pagila, which nobody here wrote, into a target with UUID keys: partitions on both sides, a view as a source, an enum, domains,
//! arrays, tsvector, ranges, bytea, generated columns, and stores and staff that need each other; checked in plain SQL.

use driftless_engine::run::validate;
use driftless_testkit::{TestDatabase, load_dump, pg_dump_schema_without, servers, shared_data};
use uuid::Uuid;

use crate::expected::{expect_ids, same_rows};
use crate::pair::{migrate_spec, read};
use crate::verify::differing;

const NAMESPACE: &str = "1f7a0d22-05c1-4c3f-a5f3-3b7c1c2f9d10";

/// Entity, legacy table, key column.
const KEYED: [(&str, &str, &str); 12] = [
    ("countries", "country", "country_id"),
    ("cities", "city", "city_id"),
    ("addresses", "address", "address_id"),
    ("genres", "category", "category_id"),
    ("actors", "actor", "actor_id"),
    ("films", "film", "film_id"),
    ("stores", "store", "store_id"),
    ("staff", "staff", "staff_id"),
    ("customers", "customer", "customer_id"),
    ("copies", "inventory", "inventory_id"),
    ("rentals", "rental", "rental_id"),
    ("payments", "payment", "payment_id"),
];

/// Target table, its rows, and the same rows out of the legacy tables.
const SHAPES: [(&str, &str, &str); 16] = [
    (
        "countries",
        "SELECT id, name FROM video.countries",
        "SELECT i.id, l.country::text FROM public.country AS l JOIN id AS i ON (i.entity, i.key) = ('countries', l.country_id::text)",
    ),
    (
        "cities",
        "SELECT id, name, country_id FROM video.cities",
        "SELECT i.id, l.city::text, c.id FROM public.city AS l \
         JOIN id AS i ON (i.entity, i.key) = ('cities', l.city_id::text) \
         JOIN id AS c ON (c.entity, c.key) = ('countries', l.country_id::text)",
    ),
    (
        "addresses",
        "SELECT id, street, city_id, details, updated_at FROM video.addresses",
        "SELECT i.id, l.address::text, c.id, jsonb_build_object('address2', l.address2, 'district', l.district, \
         'postal_code', l.postal_code, 'phone', l.phone), l.last_update AT TIME ZONE 'UTC' FROM public.address AS l \
         JOIN id AS i ON (i.entity, i.key) = ('addresses', l.address_id::text) \
         JOIN id AS c ON (c.entity, c.key) = ('cities', l.city_id::text)",
    ),
    (
        "languages",
        "SELECT id::int, name FROM video.languages",
        "SELECT language_id, name::text FROM public.language",
    ),
    (
        "genres",
        "SELECT id, name::text FROM video.genres",
        "SELECT i.id, l.name::text FROM public.category AS l JOIN id AS i ON (i.entity, i.key) = ('genres', l.category_id::text)",
    ),
    (
        "actors",
        "SELECT id, first_name, last_name, updated_at FROM video.actors",
        "SELECT i.id, l.first_name::text, l.last_name::text, l.last_update AT TIME ZONE 'UTC' FROM public.actor AS l \
         JOIN id AS i ON (i.entity, i.key) = ('actors', l.actor_id::text)",
    ),
    (
        "films",
        "SELECT id, legacy_id, title, description, release_year::int, language_id::int, original_language_id::int, rental_days, \
         rate::text, projection, running_time, replacement_cost::text, audience::text, features, search FROM video.films",
        "SELECT i.id, l.film_id, l.title::text, l.description, l.release_year::int, l.language_id, l.original_language_id, \
         l.rental_duration, l.rental_rate::text, l.revenue_projection, make_interval(mins => l.length), l.replacement_cost::text, \
         CASE l.rating::text WHEN 'G' THEN 'general' WHEN 'PG' THEN 'guidance' WHEN 'PG-13' THEN 'teen' WHEN 'R' THEN 'restricted' \
         ELSE 'adult' END, coalesce(l.special_features, ARRAY[]::text[]), l.fulltext \
         FROM public.film AS l JOIN id AS i ON (i.entity, i.key) = ('films', l.film_id::text)",
    ),
    (
        "castings",
        "SELECT film_id, actor_id FROM video.castings",
        "SELECT f.id, a.id FROM public.film_actor AS l \
         JOIN id AS f ON (f.entity, f.key) = ('films', l.film_id::text) \
         JOIN id AS a ON (a.entity, a.key) = ('actors', l.actor_id::text)",
    ),
    (
        "film_genres",
        "SELECT film_id, genre_id FROM video.film_genres",
        "SELECT f.id, g.id FROM public.film_category AS l \
         JOIN id AS f ON (f.entity, f.key) = ('films', l.film_id::text) \
         JOIN id AS g ON (g.entity, g.key) = ('genres', l.category_id::text)",
    ),
    (
        "stores",
        "SELECT id, manager_id, address_id FROM video.stores",
        "SELECT i.id, m.id, a.id FROM public.store AS l \
         JOIN id AS i ON (i.entity, i.key) = ('stores', l.store_id::text) \
         JOIN id AS m ON (m.entity, m.key) = ('staff', l.manager_staff_id::text) \
         JOIN id AS a ON (a.entity, a.key) = ('addresses', l.address_id::text)",
    ),
    (
        "staff",
        "SELECT id, full_name, address_id, email, store_id, active, username, picture FROM video.staff",
        "SELECT i.id, concat(l.first_name, ' ', l.last_name), a.id, l.email::text, s.id, l.active, l.username::text, l.picture \
         FROM public.staff AS l JOIN id AS i ON (i.entity, i.key) = ('staff', l.staff_id::text) \
         JOIN id AS s ON (s.entity, s.key) = ('stores', l.store_id::text) \
         JOIN id AS a ON (a.entity, a.key) = ('addresses', l.address_id::text)",
    ),
    (
        "customers",
        "SELECT id, legacy_id, store_id, first_name, last_name, email, address_id, active, since, metadata FROM video.customers",
        "SELECT i.id, l.customer_id, s.id, l.first_name::text, l.last_name::text, l.email::text, a.id, l.active = 1, l.create_date, \
         jsonb_build_object('legacy', jsonb_build_object('last_update', l.last_update, 'active', l.active)) \
         FROM public.customer AS l JOIN id AS i ON (i.entity, i.key) = ('customers', l.customer_id::text) \
         JOIN id AS s ON (s.entity, s.key) = ('stores', l.store_id::text) \
         JOIN id AS a ON (a.entity, a.key) = ('addresses', l.address_id::text)",
    ),
    (
        "copies",
        "SELECT id, film_id, store_id FROM video.copies",
        "SELECT i.id, f.id, s.id FROM public.inventory AS l \
         JOIN id AS i ON (i.entity, i.key) = ('copies', l.inventory_id::text) \
         JOIN id AS f ON (f.entity, f.key) = ('films', l.film_id::text) \
         JOIN id AS s ON (s.entity, s.key) = ('stores', l.store_id::text)",
    ),
    (
        "rentals",
        "SELECT id, copy_id, customer_id, staff_id, period, returned FROM video.rentals",
        "SELECT i.id, p.id, c.id, s.id, l.rental_period, upper(l.rental_period) IS NOT NULL FROM public.rental AS l \
         JOIN id AS i ON (i.entity, i.key) = ('rentals', l.rental_id::text) \
         JOIN id AS p ON (p.entity, p.key) = ('copies', l.inventory_id::text) \
         JOIN id AS c ON (c.entity, c.key) = ('customers', l.customer_id::text) \
         JOIN id AS s ON (s.entity, s.key) = ('staff', l.staff_id::text)",
    ),
    (
        "rental_dates",
        "SELECT rental_id, rented_at, returned_at FROM video.rental_dates",
        "SELECT rental_id, lower(rental_period) AT TIME ZONE 'UTC', upper(rental_period) AT TIME ZONE 'UTC' FROM public.rental",
    ),
    (
        "payments",
        "SELECT id, legacy_id, customer_id, staff_id, rental_id, amount::text, paid_at, \
         (SELECT left(relname::text, 13) FROM pg_class WHERE oid = p.tableoid) FROM video.payments AS p",
        "SELECT i.id, l.payment_id, c.id, s.id, r.id, l.amount::text, l.payment_date AT TIME ZONE 'UTC', \
         CASE WHEN l.payment_date < '2007-01-01' THEN 'payments_2006' ELSE 'payments_2007' END \
         FROM public.payment AS l JOIN id AS i ON (i.entity, i.key) = ('payments', l.payment_id::text) \
         JOIN id AS c ON (c.entity, c.key) = ('customers', l.customer_id::text) \
         JOIN id AS s ON (s.entity, s.key) = ('staff', l.staff_id::text) \
         JOIN id AS r ON (r.entity, r.key) = ('rentals', l.rental_id::text)",
    ),
];

#[tokio::test]
async fn every_row_key_and_reference_of_pagila() {
    let dump = match shared_data("pagila.sql.gz") {
        Ok(dump) => dump,
        Err(absent) => return println!("{absent}"),
    };
    let pair = servers();
    let source = TestDatabase::create(&pair.source, "pagila").await;
    let target = TestDatabase::create(&pair.target, "pagila").await;
    load_dump(&source.url(), &dump);
    target.run(include_str!("pagila/target.sql")).await;
    let before = pg_dump_schema_without(&target.url(), "driftless");
    let spec = read(&format!(
        "[pipeline]\nname = \"pagila\"\nnamespace = \"{NAMESPACE}\"\n[source]\nurl = \"{}\"\nzone = \"UTC\"\n\
         [target]\nurl = \"{}\"\n{}",
        source.url(),
        target.url(),
        include_str!("pagila/mapping.toml")
    ));
    let report = migrate_spec(&spec).await.expect("a load");
    assert_eq!(pg_dump_schema_without(&target.url(), "driftless"), before);
    assert_eq!(report.entities.iter().map(|one| one.rejected).sum::<i64>(), 0);
    assert_eq!(
        report.entities.iter().map(|one| one.read).sum::<i64>(),
        46_268 + 16_044,
        "the dump's rows, and those of the view"
    );
    for (what, sql) in [
        ("no trigger fired", "SELECT count(*) FROM video.journal"),
        (
            "every constraint is proven",
            "SELECT count(*) FROM pg_constraint WHERE connamespace = 'video'::regnamespace AND NOT convalidated",
        ),
        (
            "every index is valid",
            "SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indisready",
        ),
    ] {
        assert_eq!(target.value(sql).await.as_deref(), Some("0"), "{what}");
    }

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
