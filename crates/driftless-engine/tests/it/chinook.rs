//! Chinook, which nobody here wrote, into a target with UUID keys: every row, key and reference in plain SQL.
//!
//! The load done, the same dump is loaded beside its result, so that both shapes stand in one database and PostgreSQL
//! compares them. The UUIDs come from a formula that shares no code with the engine.

use driftless_testkit::{TestDatabase, load_dump, pg_dump_schema_without, servers, shared_data};
use uuid::Uuid;

use crate::expected::{expect_ids, same_rows};
use crate::pair::{migrate_spec, read};

const NAMESPACE: &str = "0d8f1c1e-94a5-4d2b-9a76-0c7f6f1f2a55";

/// Entity, name in the derivation, legacy table, key column.
const KEYED: [(&str, &str, &str, &str); 9] = [
    ("artists", "artists", "artist", "artist_id"),
    ("releases", "releases", "album", "album_id"),
    ("genres", "style", "genre", "genre_id"),
    ("tracks", "tracks", "track", "track_id"),
    ("staff", "staff", "employee", "employee_id"),
    ("customers", "customers", "customer", "customer_id"),
    ("invoices", "invoices", "invoice", "invoice_id"),
    (
        "invoice_items",
        "invoice_items",
        "invoice_line",
        "invoice_line_id",
    ),
    ("playlists", "playlists", "playlist", "playlist_id"),
];

/// Target table, its rows without what differs from run to run, and the same rows out of the legacy tables.
const SHAPES: [(&str, &str, &str); 11] = [
    (
        "artists",
        "SELECT id, name, metadata - 'migrated_at' FROM music.artists",
        "SELECT i.id, coalesce(l.name, 'unknown'), jsonb_build_object('legacy_id', l.artist_id) \
         FROM public.artist AS l JOIN id AS i ON (i.entity, i.key) = ('artists', l.artist_id::text)",
    ),
    (
        "releases",
        "SELECT id, title, artist_id, legacy_id FROM music.releases",
        "SELECT i.id, l.title::text, a.id, l.album_id FROM public.album AS l \
         JOIN id AS i ON (i.entity, i.key) = ('releases', l.album_id::text) \
         JOIN id AS a ON (a.entity, a.key) = ('artists', l.artist_id::text)",
    ),
    (
        "genres",
        "SELECT id, label FROM music.genres",
        "SELECT i.id, l.name::text FROM public.genre AS l JOIN id AS i ON (i.entity, i.key) = ('style', l.genre_id::text)",
    ),
    (
        "media_formats",
        "SELECT id::int, name::text FROM music.media_formats",
        "SELECT media_type_id, name::text FROM public.media_type",
    ),
    (
        "tracks",
        "SELECT id, title, release_id, format::text, genre_id, composer, duration, size_bytes, price::text, price_cents, metadata \
         FROM music.tracks",
        "SELECT i.id, l.name::text, r.id, \
         (ARRAY['mpeg', 'protected_aac', 'protected_mpeg4', 'purchased_aac', 'aac'])[l.media_type_id], g.id, l.composer::text, \
         make_interval(secs => l.milliseconds / 1000.0), l.bytes::bigint, l.unit_price::numeric(12,4)::text, \
         (l.unit_price * 100)::int, \
         jsonb_build_object('legacy', '{}'::jsonb, 'key', l.track_id, 'id', i.id, 'seconds', l.milliseconds / 1000.0, 'album', r.id) \
         FROM public.track AS l JOIN id AS i ON (i.entity, i.key) = ('tracks', l.track_id::text) \
         LEFT JOIN id AS r ON (r.entity, r.key) = ('releases', l.album_id::text) \
         LEFT JOIN id AS g ON (g.entity, g.key) = ('style', l.genre_id::text)",
    ),
    (
        "staff",
        "SELECT id, full_name, title, manager_id, born, hired_at, contact, email FROM music.staff",
        "SELECT i.id, concat(l.first_name, ' ', l.last_name), l.title::text, m.id, l.birth_date::date, \
         l.hire_date AT TIME ZONE 'America/Edmonton', \
         jsonb_build_object('phone', l.phone, 'fax', l.fax, 'address', jsonb_build_object('street', l.address, 'city', l.city, \
         'state', l.state, 'country', l.country, 'postal_code', l.postal_code)), l.email::text \
         FROM public.employee AS l JOIN id AS i ON (i.entity, i.key) = ('staff', l.employee_id::text) \
         LEFT JOIN id AS m ON (m.entity, m.key) = ('staff', l.reports_to::text)",
    ),
    (
        "customers",
        "SELECT id, first_name, last_name, company, email, contact, support_rep_id, metadata FROM music.customers",
        "SELECT i.id, l.first_name::text, l.last_name::text, l.company::text, l.email::text, \
         jsonb_build_object('phone', l.phone, 'address', jsonb_build_object('street', l.address, 'city', l.city)), s.id, \
         to_jsonb(l) - ARRAY['customer_id', 'first_name', 'last_name', 'company', 'email', 'phone', 'address', 'city', 'support_rep_id'] \
         FROM public.customer AS l JOIN id AS i ON (i.entity, i.key) = ('customers', l.customer_id::text) \
         LEFT JOIN id AS s ON (s.entity, s.key) = ('staff', l.support_rep_id::text)",
    ),
    (
        "invoices",
        "SELECT id, number, customer_id, issued_at, total::text, billing, state FROM music.invoices",
        "SELECT i.id, l.invoice_id, c.id, l.invoice_date AT TIME ZONE 'America/Edmonton', l.total::text, \
         jsonb_strip_nulls(jsonb_build_object('address', l.billing_address, 'city', l.billing_city, 'state', l.billing_state, \
         'country', l.billing_country, 'postal_code', l.billing_postal_code)), 'paid' \
         FROM public.invoice AS l JOIN id AS i ON (i.entity, i.key) = ('invoices', l.invoice_id::text) \
         JOIN id AS c ON (c.entity, c.key) = ('customers', l.customer_id::text)",
    ),
    (
        "invoice_items",
        "SELECT id, invoice_id, track_id, unit_price::text, quantity::int, total::text FROM music.invoice_items",
        "SELECT i.id, o.id, t.id, l.unit_price::text, l.quantity, (l.unit_price * l.quantity)::text \
         FROM public.invoice_line AS l JOIN id AS i ON (i.entity, i.key) = ('invoice_items', l.invoice_line_id::text) \
         JOIN id AS o ON (o.entity, o.key) = ('invoices', l.invoice_id::text) \
         JOIN id AS t ON (t.entity, t.key) = ('tracks', l.track_id::text)",
    ),
    (
        "playlists",
        "SELECT id, name FROM music.playlists",
        "SELECT i.id, l.name::text FROM public.playlist AS l JOIN id AS i ON (i.entity, i.key) = ('playlists', l.playlist_id::text)",
    ),
    (
        "playlist_entries",
        "SELECT playlist_id, track_id FROM music.playlist_entries",
        "SELECT p.id, t.id FROM public.playlist_track AS l \
         JOIN id AS p ON (p.entity, p.key) = ('playlists', l.playlist_id::text) \
         JOIN id AS t ON (t.entity, t.key) = ('tracks', l.track_id::text)",
    ),
];

#[tokio::test]
async fn every_row_key_and_reference_of_chinook() {
    let dump = match shared_data("chinook.sql.gz") {
        Ok(dump) => dump,
        Err(absent) => return println!("{absent}"),
    };
    let pair = servers();
    let source = TestDatabase::create(&pair.source, "chinook").await;
    let target = TestDatabase::create(&pair.target, "chinook").await;
    load_dump(&source.url(), &dump);
    source.run("ANALYZE").await;
    target.run(include_str!("chinook/target.sql")).await;
    let before = pg_dump_schema_without(&target.url(), "driftless");
    let spec = read(&format!(
        "[pipeline]\nname = \"chinook\"\nnamespace = \"{NAMESPACE}\"\n[source]\nurl = \"{}\"\nzone = \"America/Edmonton\"\n\
         [target]\nurl = \"{}\"\n{}",
        source.url(),
        target.url(),
        include_str!("chinook/mapping.toml")
    ));
    let report = migrate_spec(&spec).await.expect("a load");
    assert_eq!(pg_dump_schema_without(&target.url(), "driftless"), before);
    assert_eq!(report.entities.iter().map(|one| one.rejected).sum::<i64>(), 0);
    assert_eq!(
        report.entities.iter().map(|one| one.read).sum::<i64>(),
        15_607,
        "the dump has so many rows"
    );
    assert_eq!(
        target
            .value("SELECT count(*) FROM music.journal")
            .await
            .as_deref(),
        Some("0")
    );

    load_dump(&target.url(), &dump);
    shapes(&target).await;
    identities(&target).await;
    // What the application writes next.
    target
        .run("INSERT INTO music.media_formats (name) VALUES ('ogg')")
        .await;
    assert_eq!(
        target
            .value("SELECT id FROM music.media_formats WHERE name = 'ogg'")
            .await
            .as_deref(),
        Some("6")
    );
}

async fn shapes(target: &TestDatabase) {
    let namespace = Uuid::parse_str(NAMESPACE).expect("a UUID");
    for (_, name, table, key) in KEYED {
        expect_ids(
            target,
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
        same_rows(target, table, expected, actual).await;
    }
    let unproven =
        "SELECT count(*) FROM pg_constraint WHERE connamespace = 'music'::regnamespace AND NOT convalidated";
    assert_eq!(target.value(unproven).await.as_deref(), Some("0"));
}

async fn identities(target: &TestDatabase) {
    for (entity, name, _, _) in KEYED {
        same_rows(
            target,
            &format!("identities of {entity}"),
            &format!("SELECT key, id FROM id WHERE entity = '{name}'"),
            &format!(
                "SELECT k1::text, t1 FROM driftless.identity_{entity} WHERE status = 0 AND row_hash IS NOT NULL AND offered IS NOT NULL"
            ),
        )
        .await;
        let wrong = format!(
            "SELECT count(*) FROM id WHERE entity = '{name}' AND driftless.uuid_for('{entity}', key) IS DISTINCT FROM id"
        );
        assert_eq!(
            target.value(&wrong).await.as_deref(),
            Some("0"),
            "uuid_for {entity}"
        );
    }
    same_rows(
        target,
        "identities of playlist_entries",
        "SELECT l.playlist_id, l.track_id, p.id, t.id FROM public.playlist_track AS l \
         JOIN id AS p ON (p.entity, p.key) = ('playlists', l.playlist_id::text) \
         JOIN id AS t ON (t.entity, t.key) = ('tracks', l.track_id::text)",
        "SELECT k1, k2, t1, t2 FROM driftless.identity_playlist_entries",
    )
    .await;
}
