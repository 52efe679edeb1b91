//! Which references lead nowhere, told by the keys that passed by.

use proptest::prelude::*;
use uuid::Uuid;

use super::fixture::{Row, batch, entity, output, shape, shaper};
use crate::catalog::builtin;
use crate::identity::derive;
use crate::plan::{Canonical, EntityPlan, KeyText, Merge, Mint, Path, RefProgram, Resolution, Value};
use crate::spec::{Unknown, WhenMissing};
use crate::transform::{Answers, Census, Recorded};

const NAMESPACE: Uuid = Uuid::NAMESPACE_OID;

/// Patients whose second input refers to other patients.
fn friends() -> EntityPlan {
    let mut entity = entity(&[("id", builtin::INT8), ("friend", builtin::INT8)]);
    entity.program.refs = vec![RefProgram {
        parts: vec![KeyText::Input(1, Canonical::Integer)],
        discriminator: None,
        parents: vec![(
            Vec::new(),
            Resolution::Derive {
                name: "patients".into(),
            },
        )],
        unknown: Unknown::Reject,
        missing: WhenMissing::Reject,
    }];
    entity
}

/// What is counted of rows, batch by batch.
fn counted(entity: &EntityPlan, rows: &[(i64, Option<i64>)]) -> Census {
    let mut all = Census::of(entity);
    for rows in rows.chunks(1_000.min(1 + rows.len() / 2)) {
        let bytes = |(key, friend): &(i64, Option<i64>)| (key.to_be_bytes(), friend.map(i64::to_be_bytes));
        let bytes: Vec<_> = rows.iter().map(bytes).collect();
        let rows = bytes
            .iter()
            .map(|(key, friend)| vec![Some(&key[..]), friend.as_ref().map(|bytes| &bytes[..])]);
        let rows: Vec<_> = rows.collect();
        let mut some = Census::of(entity);
        let shaped = shape(&mut entity.clone(), &[], &rows);
        some.count(&shaped, &(0..rows.len()).collect::<Vec<_>>());
        all.add(&some);
    }
    all
}

fn dangling(entity: &EntityPlan, census: &Census, left: &[i64], most: usize) -> Option<Vec<Uuid>> {
    let mut found = census.dangling(NAMESPACE, (&entity.program.refs[0], 0), census, left, most)?;
    found.sort();
    Some(found)
}

fn uuids(keys: impl IntoIterator<Item = i64>) -> Vec<Uuid> {
    let uuid = |key: i64| derive(NAMESPACE, "patients", key.to_string().as_bytes());
    let mut uuids: Vec<Uuid> = keys.into_iter().map(uuid).collect();
    uuids.sort();
    uuids
}

#[test]
fn keys_that_are_referred_to_and_not_there_are_told() {
    let friends = friends();
    let rows = [
        (1, Some(2)),
        (2, None),
        (i64::MIN, Some(-1)),
        (i64::MAX, Some(i64::MIN)),
        (5, Some(1)),
    ];
    let census = counted(&friends, &rows);
    assert_eq!(dangling(&friends, &census, &[], 1), Some(uuids([-1])));
    // Rows that left again, of which only one is referred to.
    assert_eq!(dangling(&friends, &census, &[2, 5], 2), Some(uuids([-1, 2])));
    assert_eq!(dangling(&friends, &census, &[2, 5], 1), None);
}

#[test]
fn references_to_no_row_of_a_whole_parent_become_null() {
    let mut friends = friends();
    friends.program.outputs = vec![output("friend_id", Value::Ref(0))];
    let parent = counted(&friends, &[(1, None), (i64::MIN, None)]);
    let (one, two, least) = (1_i64.to_be_bytes(), 2_i64.to_be_bytes(), i64::MIN.to_be_bytes());
    let rows: [Row<'_>; 4] = [
        vec![Some(&one), Some(&least)],
        vec![Some(&two), Some(&two)],
        vec![Some(&least), None],
        // Without a key it will not be written.
        vec![None, Some(&two)],
    ];
    let mut plan = friends.clone();
    let shaper = shaper(&mut plan, &[]);
    let mut shaped = shaper.native(batch(2, &rows), Answers::default(), &Recorded::default());
    assert!(shaper.can_lose(0));
    shaper.null_dangling(&mut shaped, 0, &parent);
    let kept: Vec<bool> = (0..3).map(|row| shaped.output(row, 0).is_some()).collect();
    assert_eq!(kept, [true, false, false]);
    let nulled: Vec<bool> = (0..4).map(|row| shaped.is_nulled(row)).collect();
    assert_eq!(nulled, [false, true, false, false]);
    // What became null leads nowhere any more.
    let mut census = Census::of(&friends);
    census.count(&shaped, &[0, 1, 2]);
    assert_eq!(dangling(&friends, &census, &[], 9), Some(Vec::new()));
}

#[test]
fn only_a_column_that_bears_null_is_lost() {
    let lost = |change: &dyn Fn(&mut EntityPlan)| {
        let mut plan = friends();
        plan.program.outputs = vec![output("friend_id", Value::Ref(0)), output("id", Value::Id)];
        change(&mut plan);
        shaper(&mut plan, &[]).can_lose(0)
    };
    assert!(lost(&|_| {}));
    assert!(!lost(&|plan| plan.program.outputs[0].required = true));
    assert!(!lost(&|plan| plan.program.outputs[0].default = Some(0)));
    assert!(!lost(&|plan| plan.identity.mint = Mint::Columns(vec![0])));
}

#[test]
fn what_keys_do_not_tell_is_not_told() {
    let blind = |change: &dyn Fn(&mut EntityPlan)| {
        let mut entity = friends();
        change(&mut entity);
        let census = counted(&entity, &[(1, Some(2))]);
        let told = dangling(&entity, &census, &[], 9).is_some();
        assert_eq!(census.tells((&entity.program.refs[0], 0), &census), told);
        !told
    };
    assert!(!blind(&|_| {}));
    assert!(blind(&|entity| entity.path = Path::Beside));
    assert!(blind(&|entity| entity.identity.mint = Mint::Place));
    assert!(blind(&|entity| {
        entity.identity.key[0].text = KeyText::Input(0, Canonical::Text);
    }));
    assert!(blind(&|entity| {
        let (on, order) = (String::new(), String::new());
        entity.identity.merge = Some(Merge { on, order });
    }));
    assert!(blind(&|entity| {
        entity.program.refs[0].discriminator = Some((1, Canonical::Integer));
    }));
    assert!(blind(&|entity| entity.program.refs[0]
        .parts
        .push(KeyText::Input(0, Canonical::Integer))));
    assert!(blind(&|entity| {
        let (entity_name, name) = ("patients".to_owned(), None);
        entity.program.refs[0].parents[0].1 = Resolution::Recorded {
            entity: entity_name,
            name,
        };
    }));
}

#[test]
fn that_none_is_missing_is_told_whatever_uuids_are_made_of() {
    let mut friends = friends();
    friends.identity.mint = Mint::Column(0);
    let (entity, name) = ("patients".to_owned(), None);
    friends.program.refs[0].parents[0].1 = Resolution::Recorded { entity, name };
    let census = counted(&friends, &[(1, Some(2)), (2, None)]);
    assert_eq!(dangling(&friends, &census, &[], 9), Some(Vec::new()));
    assert_eq!(dangling(&friends, &census, &[2], 9), None);
}

#[test]
fn a_dense_key_takes_a_bit() {
    let friends = friends();
    let rows: Vec<(i64, Option<i64>)> = (0..20_000).map(|key| (key, Some(7))).collect();
    let bytes = counted(&friends, &rows).bytes();
    assert!((2_500..16_000).contains(&bytes), "{bytes}");
}

#[test]
fn keys_that_lie_far_apart_are_not_taken_for_cheap() {
    let friends = friends();
    let far = |key: i64| (key << 40, None);
    let bytes = counted(&friends, &(0..1_000).map(far).collect::<Vec<_>>()).bytes();
    assert!(bytes >= 250 * 1_000, "{bytes}");
}

proptest! {
    #[test]
    fn as_sets_have_it(rows in proptest::collection::vec((-9i64..9, proptest::option::of(-9i64..9)), 0..20), left in proptest::collection::vec(-9i64..9, 0..4)) {
        let friends = friends();
        let census = counted(&friends, &rows);
        let is_there = |key: &i64| rows.iter().any(|(own, _)| own == key) && !left.contains(key);
        let expected: std::collections::BTreeSet<i64> =
            rows.iter().filter_map(|(_, friend)| *friend).filter(|friend| !is_there(friend)).collect();
        prop_assert_eq!(dangling(&friends, &census, &left, 40), Some(uuids(expected)));
    }
}
