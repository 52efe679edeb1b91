//! Tables of every odd shape, from end to end. Both sides are asked the same question in plain SQL, and the answers must
//! be the same: references are followed back to legacy keys, so that no UUID has to be known.

use crate::pair::Pair;

const SOURCE: &str = include_str!("odd/source.sql");
const TARGET: &str = include_str!("odd/target.sql");
const MAPPING: &str = include_str!("odd/mapping.toml");

/// What the source has, and the same of the target.
const SAME: [(&str, &str); 12] = [
    (
        "SELECT id, felt, moods, rank, ranks, spot, spots, span, spans, during, word, words, pairs, path, paths, shifted, \
         array_lower(shifted, 1), raw, found, doc, net, bits, amount, money, twice, amount::text FROM public.value ORDER BY id",
        "SELECT id, felt, moods, rank, ranks, spot, spots, span, spans, during, word, words, pairs, path, paths, shifted, \
         array_lower(shifted, 1), raw, found, doc, net, bits, amount, money, twice, upper FROM public.values ORDER BY id",
    ),
    (
        "SELECT id, at, kind, note, 'events_' || kind || CASE WHEN kind <> 'mail' THEN '' WHEN at < '2024-01-01' THEN '_old' ELSE '_new' END \
         FROM public.event WHERE kind <> 'fax' ORDER BY id",
        "SELECT legacy_id, at, kind, note, tableoid::regclass FROM public.events ORDER BY legacy_id",
    ),
    (
        "SELECT id, name FROM public.animal ORDER BY id",
        "SELECT legacy_id, name FROM ONLY public.animals ORDER BY legacy_id",
    ),
    (
        "SELECT 'x', 1, 'not ours'",
        "SELECT chip, legacy_id, name FROM public.animals_of_others",
    ),
    (
        r#"SELECT "Id", "Ärger ""q"" $x$.y", "select", " ", "camelCase", "größe;größe;größe;größe;größe;größe;größe;größe"
           FROM "Odd Schema"."we.ird ""na$1me" ORDER BY 1"#,
        r#"SELECT "legacy.Id", "Ärger ""q"" $x$.y", "select", " ", "camelCase", "größe;größe;größe;größe;größe;größe;größe;größe"
           FROM "New Schema"."Tab""le.$$1" ORDER BY 1"#,
    ),
    (
        r#"SELECT "owner.id", count(*) FROM "a.b"."ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß!" GROUP BY 1 ORDER BY 1"#,
        r#"SELECT w."legacy.Id", count(DISTINCT "ääääääääääääääääääääääääääääääÄ!") FROM "New Schema"."ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß!" AS l
           JOIN "New Schema"."Tab""le.$$1" AS w ON w."Id" = l."owner.id" GROUP BY 1 ORDER BY 1"#,
    ),
    (
        r#"SELECT country, "name, official", people, dial FROM public.city ORDER BY people"#,
        "SELECT country, name, people, dial FROM public.cities ORDER BY people",
    ),
    (
        "SELECT country, city, label FROM public.street ORDER BY label",
        "SELECT country, city, label FROM public.streets ORDER BY label",
    ),
    (
        "SELECT sensor, at, value FROM public.reading ORDER BY at",
        "SELECT sensor, at, value FROM public.readings ORDER BY at",
    ),
    (
        "SELECT id, room, during, guest, place FROM public.booking WHERE id <> 100 AND (guest IS NOT NULL OR id = 5) ORDER BY id",
        "SELECT id, room, during, guest, place FROM public.bookings ORDER BY id",
    ),
    (
        "SELECT id, guest FROM public.guest ORDER BY id",
        "SELECT id, guest FROM public.guests ORDER BY id",
    ),
    (
        "SELECT id, bookings FROM public.room ORDER BY id",
        "SELECT id, bookings FROM public.rooms ORDER BY id",
    ),
];

/// What a target is made of, as its catalog tells: all of it must be back.
const SHAPE: &str = "
    SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
     WHERE connamespace::regnamespace::text IN ('public', '\"New Schema\"')
     UNION ALL
    SELECT indrelid::regclass, indexrelid::regclass::name, pg_get_indexdef(indexrelid), indisvalid FROM pg_index
      JOIN pg_class ON pg_class.oid = indrelid AND relnamespace::regnamespace::text IN ('public', '\"New Schema\"')
     UNION ALL
    SELECT tgrelid::regclass, tgname, pg_get_triggerdef(pg_trigger.oid), tgenabled = 'O' FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL
    SELECT ev_class::regclass, rulename, pg_get_ruledef(oid), ev_enabled = 'O' FROM pg_rewrite WHERE rulename <> '_RETURN'
     ORDER BY 1, 2, 3";

#[tokio::test]
async fn tables_of_every_odd_shape_arrive_whole() {
    let pair = Pair::create("odd", SOURCE, TARGET).await;
    let search_path = format!(
        "ALTER DATABASE {} SET search_path = public, extensions",
        pair.target.name()
    );
    pair.target.run(&search_path).await;
    let before = pair.target.rows(SHAPE).await;
    let report = pair.migrate(MAPPING).await.expect("a load");
    assert_eq!(report.entities.len(), 12);
    for (there, here) in SAME {
        let (there, here) = (pair.source.rows(there).await, pair.target.rows(here).await);
        assert!(!there.is_empty());
        assert_eq!(there, here);
    }
    assert_eq!(pair.target.rows(SHAPE).await, before);
    // No trigger fired, and no rule.
    assert_eq!(pair.count("SELECT count(*) FROM public.fired").await, 0);
    // Where a partition for a kind is missing, the rows are on record.
    assert_eq!(pair.rejects("events").await.len(), 75);
    let refused = pair.rejects("bookings").await;
    assert_eq!(refused.len(), 12, "{refused:?}");
    for entity in [
        "values",
        "animals",
        "weird",
        "long_names",
        "countries",
        "cities",
        "streets",
        "readings",
    ] {
        assert_eq!(pair.rejects(entity).await, []);
    }
}
