//! The same where UUIDs are drawn, where rows are merged and where they are matched: what no key tells must be the same
//! before and after every end.

#![expect(clippy::unwrap_used, reason = "a test cannot go on either where these fail")]

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use driftless_testkit::{Random, pg_dump_schema_without};

use super::{died_at, kill_after};
use crate::desk::{Desk, end, program};

const SOURCE: &str = include_str!("source.sql");
const TARGET: &str = include_str!("target.sql");
const ENTITIES: &str = include_str!("entities.toml");

/// What becomes of the source's rows, told by SQL of its own.
const EXPECTED: &str = include_str!("expected.sql");

/// How many entities the mapping has.
const ENTITY_COUNT: i64 = 7;

/// So many chunks an entity, so that a load ends between them.
const CHUNKS: &str = "3";

/// So many loads share the points at which they die.
const LOADS: usize = 3;

/// Rows that were in the target before.
const THERE: &str = "SELECT 'city', id, code, name FROM public.cities WHERE name LIKE 'there%' \
    UNION ALL SELECT 'shop', id, code, name FROM public.shops WHERE name LIKE 'there%' ORDER BY 1, 2";

async fn desk(hint: &str) -> Desk {
    let desk = Desk::bare(hint).await;
    tokio::join!(desk.source.run(SOURCE), desk.target.run(TARGET));
    desk.write("entities/identities.toml", ENTITIES);
    desk
}

async fn is_done(desk: &Desk) -> bool {
    let there = "SELECT to_regclass('driftless.entity')::text";
    let done = "SELECT count(*) FROM driftless.entity WHERE phase = 'done'";
    desk.target.value(there).await.is_some() && desk.count(done).await == ENTITY_COUNT
}

/// What an application does in the source between two runs. Rows of the upper half are left alone: their keys must have
/// the same UUIDs throughout.
fn change(random: &mut Random) -> String {
    let (one, other, bits) = (1 + random.below(150), 1 + random.below(150), random.bits());
    let group = random.below(40);
    match random.below(12) {
        0 => format!(
            "INSERT INTO public.person VALUES ({}, 'new', {one}) ON CONFLICT (id) DO NOTHING",
            301 + bits % 30
        ),
        1 => format!("DELETE FROM public.person WHERE id = {one}"),
        2 => format!("UPDATE public.person SET name = name || '.', boss = {other} WHERE id = {one}"),
        // Who stands for others goes, comes, or leaves them.
        3 => format!(
            "DELETE FROM public.account WHERE id = {group}; DELETE FROM public.firm WHERE id = {group}"
        ),
        4 => format!(
            "UPDATE public.account SET email = 'A{group:02}@x.org' WHERE id = {one} AND lower(email) < 'a40'; \
             UPDATE public.firm SET vat = 'f{group:02}' WHERE id = {one} AND vat < 'f40'"
        ),
        5 => format!(
            "UPDATE public.account SET email = NULL WHERE id = {group}; UPDATE public.firm SET vat = NULL WHERE id = {group}"
        ),
        6 => format!(
            "INSERT INTO public.account VALUES ({}, 'a{group:02}@X.org', 'new') ON CONFLICT (id) DO NOTHING; \
             INSERT INTO public.firm VALUES (-{}, 'f{group:02}', 'new') ON CONFLICT (id) DO NOTHING",
            401 + bits % 30,
            bits % 30
        ),
        // A code goes from one row to another and back, also one that is there.
        7 | 8 => format!(
            "UPDATE public.city AS a SET code = b.code FROM public.city AS b \
             WHERE a.id IN ({one}, {other}) AND b.id IN ({one}, {other}) AND a.id <> b.id; \
             UPDATE public.shop AS a SET code = b.code FROM public.shop AS b \
             WHERE a.id IN ({one}, {other}) AND b.id IN ({one}, {other}) AND a.id <> b.id"
        ),
        9 => format!(
            "DELETE FROM public.city WHERE id = {one}; UPDATE public.shop SET code = 'own {bits}' WHERE id = {one}"
        ),
        10 => format!(
            "INSERT INTO public.city VALUES ({one}, 'new {bits}', 'new') ON CONFLICT (id) DO NOTHING; \
             UPDATE public.shop SET name = name || '.' WHERE id = {other}"
        ),
        _ => format!(
            "UPDATE public.deal SET person = {one}, account = {other}, firm = {group}, city = {one}, shop = {other} WHERE id = {}",
            1 + bits % 300
        ),
    }
}

/// The source goes on.
async fn meanwhile(desk: &Desk, random: &mut Random) {
    for _ in 0..6 {
        desk.source.run(&change(random)).await;
    }
}

/// What is compared: its name, what the source says, what the target holds.
const PAIRS: [(&str, &str, &str); 9] = [
    (
        "people",
        "SELECT p.id, p.name, b.id FROM public.person AS p LEFT JOIN public.person AS b ON b.id = p.boss",
        "SELECT p.legacy_id, p.name, b.legacy_id FROM public.people AS p LEFT JOIN public.people AS b ON b.id = p.boss",
    ),
    (
        "profiles",
        "SELECT id, name FROM public.person",
        "SELECT p.legacy_id, f.name FROM public.profiles AS f LEFT JOIN public.people AS p ON p.id = f.id",
    ),
    (
        "accounts",
        "SELECT id, email, name FROM accounts WHERE id = winner",
        "SELECT legacy_id, email, name FROM public.accounts",
    ),
    (
        "firms",
        "SELECT id, vat, name FROM firms WHERE id = winner",
        "SELECT legacy_id, vat, name FROM public.firms",
    ),
    (
        "cities and shops",
        "SELECT 'city', id, code, name FROM cities WHERE there IS NULL \
         UNION ALL SELECT 'shop', id, code, name FROM shops WHERE there IS NULL",
        "SELECT 'city', legacy_id, code, name FROM public.cities WHERE name NOT LIKE 'there%' \
         UNION ALL SELECT 'shop', legacy_id, code, name FROM public.shops WHERE name NOT LIKE 'there%'",
    ),
    (
        "merged keys",
        "SELECT 'account', id, winner FROM accounts UNION ALL SELECT 'firm', id, winner FROM firms",
        "SELECT 'account', i.k1, t.legacy_id FROM driftless.identity_accounts AS i LEFT JOIN public.accounts AS t ON t.id = i.t1 \
         UNION ALL SELECT 'firm', i.k1, t.legacy_id FROM driftless.identity_firms AS i LEFT JOIN public.firms AS t ON t.id = i.t1",
    ),
    (
        "matched keys",
        "SELECT 'city', id, there, there IS NULL FROM cities UNION ALL SELECT 'shop', id, there, there IS NULL FROM shops",
        "SELECT 'city', i.k1, CASE WHEN t.name LIKE 'there%' THEN i.t1 END, t.legacy_id = i.k1 IS TRUE FROM driftless.identity_cities AS i \
         LEFT JOIN public.cities AS t ON t.id = i.t1 \
         UNION ALL SELECT 'shop', i.k1, CASE WHEN t.name LIKE 'there%' THEN i.t1 END, t.legacy_id = i.k1 IS TRUE FROM driftless.identity_shops AS i \
         LEFT JOIN public.shops AS t ON t.id = i.t1",
    ),
    (
        "deals",
        "SELECT d.id, p.id, a.winner, f.winner, c.id, s.id FROM public.deal AS d LEFT JOIN public.person AS p ON p.id = d.person \
         LEFT JOIN accounts AS a ON a.id = d.account LEFT JOIN firms AS f ON f.id = d.firm \
         JOIN cities AS c ON c.id = d.city LEFT JOIN shops AS s ON s.id = d.shop",
        "SELECT d.legacy_id, p.legacy_id, a.legacy_id, f.legacy_id, c.k1, s.k1 FROM public.deals AS d \
         LEFT JOIN public.people AS p ON p.id = d.person LEFT JOIN public.accounts AS a ON a.id = d.account \
         LEFT JOIN public.firms AS f ON f.id = d.firm LEFT JOIN driftless.identity_cities AS c ON c.t1 = d.city \
         LEFT JOIN driftless.identity_shops AS s ON s.t1 = d.shop",
    ),
    (
        "rejects",
        "SELECT 'deals', d.id, 'DL0400' FROM public.deal AS d WHERE NOT EXISTS (SELECT FROM cities AS c WHERE c.id = d.city)",
        "SELECT entity, key, code FROM driftless.rejects",
    ),
];

/// The target is what the source is: rows, keys, references, rejects; and a key is looked up as it was written.
async fn as_the_source_is(desk: &Desk, when: &str) {
    for (name, expected, actual) in PAIRS {
        let mut expected = desk.source.rows(&format!("{EXPECTED} {expected}")).await;
        let mut actual = desk.target.rows(actual).await;
        expected.sort();
        actual.sort();
        let missing: Vec<_> = expected.iter().filter(|row| !actual.contains(row)).collect();
        let too_many: Vec<_> = actual.iter().filter(|row| !expected.contains(row)).collect();
        assert!(
            expected == actual,
            "{name} {when}: missing {missing:?}, too many {too_many:?}"
        );
    }
    for entity in [
        "people", "profiles", "accounts", "firms", "cities", "shops", "deals",
    ] {
        let other = format!(
            "SELECT count(*) FROM driftless.identity_{entity} WHERE driftless.uuid_for('{entity}', k1::text) IS DISTINCT FROM t1"
        );
        assert_eq!(desk.count(&other).await, 0, "{entity} {when}");
    }
}

/// UUIDs of keys that were committed, and what must not happen to them.
#[derive(Default)]
struct Committed {
    uuids: BTreeMap<(String, String), String>,
}

impl Committed {
    /// Looks at what is committed now: drawn UUIDs stay for ever, those of rows that nobody changed as well.
    async fn look(&mut self, desk: &Desk, when: &str) {
        for (what, table, sql) in [
            (
                "drawn",
                "recorded_people",
                "SELECT key, id FROM driftless.recorded_people",
            ),
            (
                "drawn",
                "recorded_deals",
                "SELECT key, id FROM driftless.recorded_deals",
            ),
            (
                "profiles",
                "identity_profiles",
                "SELECT k1, t1 FROM driftless.identity_profiles WHERE k1 > 150 AND k1 <= 300",
            ),
            (
                "accounts",
                "identity_accounts",
                "SELECT k1, t1 FROM driftless.identity_accounts AS i WHERE k1 <= 400 AND k1 % 100 >= 40",
            ),
            (
                "firms",
                "identity_firms",
                "SELECT k1, t1 FROM driftless.identity_firms WHERE k1 > 0 AND k1 % 100 >= 40",
            ),
            (
                "cities",
                "identity_cities",
                "SELECT k1, t1 FROM driftless.identity_cities WHERE k1 > 150",
            ),
            (
                "shops",
                "identity_shops",
                "SELECT k1, t1 FROM driftless.identity_shops WHERE k1 > 150",
            ),
        ] {
            let there = format!("SELECT to_regclass('driftless.{table}')::text");
            if desk.target.value(&there).await.is_none() {
                continue;
            }
            for row in desk.target.rows(sql).await {
                let (key, id) = (row[0].clone().unwrap(), row[1].clone().unwrap());
                let before = self
                    .uuids
                    .entry((format!("{what} {table}"), key))
                    .or_insert(id.clone());
                assert_eq!(*before, id, "{table} {:?} {when}", row[0]);
            }
        }
    }
}

/// Continues to the end, and compares.
async fn whole(desk: &Desk, committed: &mut Committed, there: &[Vec<Option<String>>], when: &str) {
    let outcome = end(desk.start(&["migrate"]));
    assert!(is_done(desk).await, "{when}: {}", outcome.err);
    committed.look(desk, when).await;
    as_the_source_is(desk, when).await;
    assert_eq!(desk.target.rows(THERE).await, there, "{when}");
}

fn start(desk: &Desk, arguments: &[&str], crash: Option<&str>) -> Child {
    let mut command = program(desk.dir(), arguments);
    command.env("DRIFTLESS_CHUNKS", CHUNKS);
    if let Some(point) = crash {
        command.env("DRIFTLESS_CRASH", point);
    }
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_uuids_stay() {
    let mut random = Random::from_env();
    let desk = desk("cli_killed_identities").await;
    let before = pg_dump_schema_without(&desk.target.url(), "driftless");
    let there = desk.target.rows(THERE).await;
    let mut committed = Committed::default();
    let mut killed = 0;
    while killed < 8 {
        if is_done(&desk).await {
            as_the_source_is(&desk, "done").await;
            desk.run(&["migrate", "--restart", "--yes", "--quiet"]);
            committed = Committed::default();
        }
        let child = start(&desk, &["migrate"], None);
        if kill_after(child, Duration::from_millis(random.below(1200))).await {
            killed += 1;
        }
        committed.look(&desk, &format!("after kill {killed}")).await;
        if !is_done(&desk).await {
            meanwhile(&desk, &mut random).await;
        }
    }
    whole(&desk, &mut committed, &there, "at the end").await;
    desk.run(&["validate"]).expect(0);
    assert_eq!(pg_dump_schema_without(&desk.target.url(), "driftless"), before);
}

/// Wherever the process dies, and the source is another afterwards: three loads, each of which dies at every third point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashed_at_every_named_point_uuids_stay() {
    let mut random = Random::from_seed(11);
    let desk = desk("cli_crashed_identities").await;
    let before = pg_dump_schema_without(&desk.target.url(), "driftless");
    let there = desk.target.rows(THERE).await;
    for load in 0..LOADS {
        let mut committed = Committed::default();
        let mut again: &[&str] = if load == 0 {
            &["migrate"]
        } else {
            &["migrate", "--restart", "--yes"]
        };
        for point in driftless_engine::crash::POINTS.iter().skip(load).step_by(LOADS) {
            let times = match *point {
                // In the middle of the chunks.
                "before-checkpoint" | "before-commit" | "after-commit" => ":9",
                "mend-before-commit" | "mended" => ":2",
                // Taking back passes them before.
                "state-made" | "lease-taken" if again.len() > 1 => ":2",
                _ => "",
            };
            died_at(start(&desk, again, Some(&format!("{point}{times}"))), point);
            committed.look(&desk, point).await;
            if *point != "done" {
                meanwhile(&desk, &mut random).await;
            }
            again = &["migrate"];
        }
        whole(&desk, &mut committed, &there, &format!("load {load}")).await;
    }
    desk.run(&["validate"]).expect(0);
    assert_eq!(pg_dump_schema_without(&desk.target.url(), "driftless"), before);
}
