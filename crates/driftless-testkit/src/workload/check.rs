use std::collections::BTreeMap;

use crate::database::TestDatabase;

/// The source's rows under a snapshot, and what becomes of them: told from the history alone.
const LIVE: &str = include_str!("live.sql");

/// How many rows of a difference are named.
const NAMED: usize = 5;

/// What is compared: its name, what the source's history says, what the target holds.
const PAIRS: [(&str, &str, &str); 7] = [
    (
        "agents",
        "SELECT id::text, adopted, body ->> 'name' FROM agents",
        "SELECT a.legacy_id::text, (l.id = a.id)::text, a.name FROM public.agents AS a \
         LEFT JOIN public.legacy_agent AS l ON l.legacy_id = a.legacy_id",
    ),
    (
        "customers",
        "SELECT c.id::text, c.body ->> 'name', c.body ->> 'mail', c.badge, r.id::text, f.id::text, a.id::text \
         FROM customers AS c LEFT JOIN customers AS r ON r.id = (c.body ->> 'referrer_id')::integer \
         LEFT JOIN orders AS f ON f.id = (c.body ->> 'favourite_id')::integer \
         LEFT JOIN agents AS a ON a.id = (c.body ->> 'agent_id')::integer",
        "SELECT c.legacy_id::text, c.name, c.email, c.badge, r.legacy_id::text, f.legacy_id::text, a.legacy_id::text \
         FROM public.customers AS c LEFT JOIN public.customers AS r ON r.id = c.referrer_id \
         LEFT JOIN public.orders AS f ON f.id = c.favourite_id LEFT JOIN public.agents AS a ON a.id = c.agent_id",
    ),
    (
        "devices",
        "SELECT id::text, body ->> 'device_uuid', customer::text FROM devices",
        "SELECT d.legacy_id::text, d.id::text, c.legacy_id::text FROM public.devices AS d \
         LEFT JOIN public.customers AS c ON c.id = d.customer_id",
    ),
    (
        "orders",
        "SELECT o.id::text, o.customer::text, d.id::text, (o.body ->> 'amount')::numeric(12,2)::text \
         FROM orders AS o LEFT JOIN devices AS d ON d.id = (o.body ->> 'device_id')::integer",
        "SELECT o.legacy_id::text, c.legacy_id::text, d.legacy_id::text, o.amount::text FROM public.orders AS o \
         LEFT JOIN public.customers AS c ON c.id = o.customer_id LEFT JOIN public.devices AS d ON d.id = o.device_id",
    ),
    (
        "remarks",
        "SELECT key, order_id::text, body ->> 'body' FROM remarks",
        "SELECT r.code, o.legacy_id::text, r.body FROM public.remarks AS r LEFT JOIN public.orders AS o ON o.id = r.order_id",
    ),
    (
        "rejects",
        "SELECT 'customers', key, 'rejected', code FROM all_customers WHERE code IS NOT NULL \
         UNION ALL SELECT 'devices', key, 'rejected', code FROM all_devices WHERE code IS NOT NULL \
         UNION ALL SELECT 'orders', key, 'rejected', code FROM all_orders WHERE code IS NOT NULL \
         UNION ALL SELECT 'remarks', key, 'parked', code FROM all_remarks WHERE code IS NOT NULL",
        "SELECT entity, key, state, code FROM driftless.rejects",
    ),
    (
        // What the identity says is the row's key, and what the row says: swapped UUIDs are two rows that differ.
        "identities",
        "SELECT 'agents', key, key FROM agents UNION ALL SELECT 'customers', key, key FROM customers \
         UNION ALL SELECT 'devices', key, key FROM devices UNION ALL SELECT 'orders', key, key FROM orders \
         UNION ALL SELECT 'remarks', key, key FROM remarks",
        "SELECT 'agents', i.k1::text, t.legacy_id::text FROM driftless.identity_agents AS i LEFT JOIN public.agents AS t ON t.id = i.t1 \
         UNION ALL SELECT 'customers', i.k1::text, t.legacy_id::text FROM driftless.identity_customers AS i LEFT JOIN public.customers AS t ON t.id = i.t1 \
         UNION ALL SELECT 'devices', i.k1::text, t.legacy_id::text FROM driftless.identity_devices AS i LEFT JOIN public.devices AS t ON t.id = i.t1 \
         UNION ALL SELECT 'orders', i.k1::text, t.legacy_id::text FROM driftless.identity_orders AS i LEFT JOIN public.orders AS t ON t.id = i.t1 \
         UNION ALL SELECT 'remarks', i.k1::text, t.code FROM driftless.identity_remarks AS i LEFT JOIN public.remarks AS t ON t.id = i.t1",
    ),
];

/// The state's own figures that must be nothing: things still aside, what triggers wrote.
const NOTHING: [(&str, &str); 2] = [
    (
        "definitions still set aside",
        "SELECT count(*) FROM driftless.set_aside WHERE state <> 'restored'",
    ),
    (
        "rows that silent triggers wrote",
        "SELECT count(*) FROM public.journal",
    ),
];

/// A row as text.
type Row = Vec<Option<String>>;

/// How the target differs from what the source was under the snapshot of the last execution: rows, keys, references,
/// rejects, identities. Nothing where all is well.
///
/// # Panics
///
/// One of the databases cannot be asked.
pub async fn differences(source: &TestDatabase, target: &TestDatabase) -> Vec<String> {
    let last = "SELECT split_part(snapshot, ' ', 1) FROM driftless.execution WHERE snapshot IS NOT NULL ORDER BY id DESC LIMIT 1";
    let Some(snapshot) = target.value(last).await else {
        return vec!["no execution ever had a snapshot".to_owned()];
    };
    let live = LIVE.replace("{snapshot}", &snapshot);
    let mut found = Vec::new();
    for (name, expected, actual) in PAIRS {
        let expected = source.rows(&format!("{live} {expected}")).await;
        assert!(!expected.is_empty(), "no {name} to compare: this proves nothing");
        found.extend(compared(name, &expected, &target.rows(actual).await));
    }
    for (name, sql) in NOTHING {
        let count = target.value(sql).await.unwrap_or_default();
        if count != "0" {
            found.push(format!("{name}: {count}"));
        }
    }
    found
}

/// Rows that are missing and rows that are too many, each as often as that is so.
fn compared(name: &str, expected: &[Row], actual: &[Row]) -> Vec<String> {
    let mut balance: BTreeMap<&Row, i64> = BTreeMap::new();
    expected
        .iter()
        .for_each(|row| *balance.entry(row).or_default() += 1);
    actual
        .iter()
        .for_each(|row| *balance.entry(row).or_default() -= 1);
    let side = |what: &str, wanted: fn(i64) -> bool| {
        let rows: Vec<String> = balance
            .iter()
            .filter(|(_, count)| wanted(**count))
            .map(|(row, count)| format!("{} times {row:?}", count.abs()))
            .collect();
        let named = rows.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        (!rows.is_empty()).then(|| format!("{name}: {} {what}: {named}", rows.len()))
    };
    let missing = side("missing", |count| count > 0);
    missing
        .into_iter()
        .chain(side("too many", |count| count < 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_twice_a_row_missing_and_another_value_are_differences() {
        let row = |text: &str| vec![Some(text.to_owned()), None];
        let (a, b) = (row("a"), row("b"));
        assert!(compared("t", &[a.clone(), b.clone()], &[b.clone(), a.clone()]).is_empty());
        let twice = compared("t", std::slice::from_ref(&a), &[a.clone(), a.clone()]);
        assert_eq!(twice, [r#"t: 1 too many: 1 times [Some("a"), None]"#]);
        assert_eq!(
            compared("t", &[a.clone(), b.clone()], std::slice::from_ref(&a)).len(),
            1
        );
        assert_eq!(compared("t", &[a], &[b]).len(), 2);
    }
}
