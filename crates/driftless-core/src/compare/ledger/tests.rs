use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop, proptest};

use super::*;

fn bytes(key: &str) -> Option<Vec<u8>> {
    (key != "null").then(|| key.as_bytes().to_vec())
}

/// Keys on record, with what stands there: `(key, standing, has a row, hash)`.
type Records<'a> = &'a [(&'a str, Standing, bool, i64)];

fn entries(records: Records<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (key, standing, row, hash) in records {
        if entries.last().is_none_or(|last| last.key != bytes(key)) {
            entries.push(Entry::new(bytes(key)));
        }
        let hash = (*standing == Standing::Live).then_some(*hash);
        entries.last_mut().unwrap().absorb(*standing, *row, hash);
    }
    entries
}

fn merged(source: &[(&str, i64)], records: Records<'_>) -> (Ledger, Vec<Fate>) {
    let mut ledger = Ledger::new(KeyOrder::Text);
    let mut entries = entries(records).into_iter();
    let mut fates = Vec::new();
    for (key, hash) in source {
        let key = bytes(key);
        while ledger.wants_entry(key.as_deref()) {
            ledger.entry(entries.next()).unwrap();
        }
        fates.push(ledger.source(key.as_deref(), *hash).unwrap());
    }
    while !ledger.has_ended() {
        ledger.entry(entries.next()).unwrap();
    }
    (ledger, fates)
}

use Fate::{Aside, Expected};
use Standing::{Kept, Live, Parked, Rejected};

#[test]
fn equal_sides_show_nothing() {
    let (ledger, fates) = merged(
        &[("a", 1), ("b", 2), ("c", 3), ("d", 4)],
        &[
            ("a", Live, true, 1),
            ("b", Rejected, false, 0),
            ("c", Kept, true, 0),
            ("d", Parked, false, 0),
        ],
    );
    assert_eq!(fates, [Expected, Aside, Aside, Aside]);
    assert_eq!((ledger.rows, ledger.accounted(), ledger.repeated), (4, 4, 0));
    assert_eq!(
        (
            ledger.live,
            ledger.kept,
            ledger.rejected,
            ledger.parked,
            ledger.target_rows
        ),
        (1, 1, 1, 1, 1)
    );
    for tally in all(&ledger) {
        assert_eq!(tally.count, 0);
    }
}

fn all(ledger: &Ledger) -> [&Tally; 6] {
    [
        &ledger.missing,
        &ledger.unexpected,
        &ledger.stale,
        &ledger.gone,
        &ledger.contradictory,
        &ledger.changed,
    ]
}

#[test]
fn each_kind_of_difference_is_its_own() {
    let (ledger, fates) = merged(
        &[("b", 2), ("c", 3), ("d", 4), ("e", 5)],
        &[
            ("a", Live, true, 1),
            ("b", Live, false, 2),
            ("c", Live, true, 9),
            ("d", Live, true, 4),
            ("d", Rejected, false, 0),
            ("f", Rejected, false, 0),
            ("g", Kept, true, 0),
        ],
    );
    assert_eq!(fates, [Expected, Expected, Expected, Expected]);
    let examples: Vec<&[String]> = all(&ledger).map(|tally| tally.examples.as_slice()).to_vec();
    assert_eq!(examples, [["e"], ["a"], ["f"], ["b"], ["d"], ["c"]]);
    assert!(all(&ledger).iter().all(|tally| tally.count == 1));
    assert_eq!((ledger.rows, ledger.accounted()), (4, 3));
}

#[test]
fn rows_that_share_a_key_are_told_apart_by_what_was_written() {
    // Three rows, the second was written, the key is on record as rejected for the others.
    let (ledger, fates) = merged(
        &[("a", 1), ("a", 2), ("a", 2), ("b", 7)],
        &[
            ("a", Live, true, 2),
            ("a", Rejected, false, 0),
            ("b", Live, true, 7),
        ],
    );
    assert_eq!(fates, [Aside, Expected, Aside, Expected]);
    assert_eq!((ledger.rows, ledger.repeated, ledger.accounted()), (4, 2, 4));
    assert!(all(&ledger).iter().all(|tally| tally.count == 0));
    // Nothing on record says what became of the second one.
    let (ledger, _) = merged(&[("a", 1), ("a", 2)], &[("a", Live, true, 1)]);
    assert_eq!((ledger.missing.count, ledger.changed.count), (1, 0));
}

#[test]
fn what_was_written_may_be_forgotten() {
    let forgotten = |standing: Standing| {
        let mut entry = Entry::new(bytes("a"));
        entry.absorb(Live, true, None);
        entry.absorb(standing, false, None);
        entry
    };
    let run = |entry: Entry| {
        let mut ledger = Ledger::new(KeyOrder::Text);
        ledger.entry(Some(entry)).unwrap();
        let fates = [1, 2].map(|hash| ledger.source(Some(b"a"), hash).unwrap());
        ledger.entry(None).unwrap();
        (fates, ledger)
    };
    let (fates, ledger) = run(forgotten(Rejected));
    assert_eq!(fates, [Aside, Aside]);
    assert_eq!((ledger.undecided.count, ledger.accounted()), (1, 2));
    assert!(all(&ledger).iter().all(|tally| tally.count == 0));
    let (fates, ledger) = run(forgotten(Live));
    assert_eq!(fates, [Aside, Aside]);
    assert_eq!((ledger.undecided.count, ledger.missing.count), (1, 1));
}

#[test]
fn null_keys_come_last_and_share_one_record() {
    let (ledger, fates) = merged(
        &[("a", 1), ("null", 2), ("null", 3)],
        &[("a", Live, true, 1), ("null", Rejected, false, 0)],
    );
    assert_eq!(fates, [Expected, Aside, Aside]);
    assert_eq!(ledger.accounted(), 3);
    assert!(all(&ledger).iter().all(|tally| tally.count == 0));
}

#[test]
fn two_target_rows_of_one_key_are_counted() {
    let (ledger, _) = merged(&[("a", 1)], &[("a", Live, true, 1), ("a", Live, true, 1)]);
    assert_eq!((ledger.live, ledger.target_rows), (1, 2));
}

#[test]
fn examples_are_bounded() {
    let keys: Vec<String> = (0..30).map(|number| format!("{number:02}")).collect();
    let source: Vec<(&str, i64)> = keys.iter().map(|key| (key.as_str(), 0)).collect();
    let (ledger, _) = merged(&source, &[]);
    assert_eq!(ledger.missing.count, 30);
    assert_eq!(ledger.missing.examples, keys[..EXAMPLES]);
}

#[test]
fn streams_out_of_order_are_refused() {
    let mut ledger = Ledger::new(KeyOrder::Text);
    assert!(ledger.entry(Some(Entry::new(bytes("b")))).is_ok());
    assert_eq!(
        ledger.entry(Some(Entry::new(bytes("a")))),
        Err(OutOfOrder { side: "target" })
    );
    let mut ledger = Ledger::new(KeyOrder::Text);
    assert!(ledger.entry(None).is_ok());
    assert!(ledger.source(None, 0).is_ok());
    assert_eq!(ledger.source(Some(b"a"), 0), Err(OutOfOrder { side: "source" }));
}

/// Source rows by key with their hash, and records by key: standing, whether there is a row, hash.
type Sides = (BTreeMap<u8, i64>, BTreeMap<u8, (u8, bool, i64)>);

fn sides() -> impl Strategy<Value = Sides> {
    (
        prop::collection::btree_map(any::<u8>(), 0i64..3, 0..40),
        prop::collection::btree_map(any::<u8>(), (0u8..4, any::<bool>(), 0i64..3), 0..40),
    )
}

proptest! {
    /// Sets are the judge.
    #[test]
    fn the_merge_is_set_arithmetic((source, records) in sides()) {
        let name = |key: &u8| format!("{key:03}");
        let standing = |number: u8| [Live, Kept, Rejected, Parked][usize::from(number)];
        let names: Vec<String> = (0..=u8::MAX).map(|key| name(&key)).collect();
        let rows: Vec<(&str, i64)> =
            source.iter().map(|(key, hash)| (names[usize::from(*key)].as_str(), *hash)).collect();
        let stored: Vec<(&str, Standing, bool, i64)> = records
            .iter()
            .map(|(key, (number, row, hash))| (names[usize::from(*key)].as_str(), standing(*number), *row, *hash))
            .collect();
        let (ledger, fates) = merged(&rows, &stored);
        let with = |wanted: &[Standing]| -> BTreeSet<u8> {
            records.iter().filter(|(_, it)| wanted.contains(&standing(it.0))).map(|(key, _)| *key).collect()
        };
        let keys: BTreeSet<u8> = source.keys().copied().collect();
        let recorded: BTreeSet<u8> = records.keys().copied().collect();
        let count = |set: BTreeSet<u8>| set.len() as i64;
        assert_eq!(ledger.missing.count, count(&keys - &recorded));
        assert_eq!(ledger.unexpected.count, count(&with(&[Live]) - &keys));
        assert_eq!(ledger.stale.count, count(&with(&[Rejected, Parked]) - &keys));
        let changed = keys.iter().filter(|key| {
            records.get(key).is_some_and(|it| standing(it.0) == Live && it.2 != source[key])
        });
        assert_eq!(ledger.changed.count, changed.count() as i64);
        assert_eq!(ledger.contradictory.count, 0);
        let aside = count(&keys & &with(&[Kept, Rejected, Parked]));
        assert_eq!(fates.iter().filter(|fate| **fate == Aside).count() as i64, aside);
    }
}
