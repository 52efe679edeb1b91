use proptest::prelude::{any, prop, proptest};

use super::*;

fn summary<V: AsRef<[u8]>>(kind: Kind, values: &[Option<V>]) -> Summary {
    let mut measure = Measure::new(kind);
    for value in values {
        assert!(measure.add(value.as_ref().map(AsRef::as_ref)));
    }
    measure.summary()
}

fn floats(values: &[f64]) -> Summary {
    let bytes: Vec<_> = values.iter().map(|value| Some(value.to_be_bytes())).collect();
    summary(Kind::Float8, &bytes)
}

fn differing(kind: Kind, source: &Summary, target: &Summary) -> Vec<&'static str> {
    let compared = source.compare(kind, target).into_iter();
    compared.filter(|one| !one.equal).map(|one| one.figure).collect()
}

#[test]
fn infinities_and_nan_are_counted_apart() {
    let odd = floats(&[1.5, f64::NAN, f64::INFINITY, -2.0, f64::NEG_INFINITY, f64::NAN]);
    assert_eq!(
        (odd.nulls, odd.nan, odd.infinity, odd.minus_infinity),
        (0, 2, 1, 1)
    );
    assert_eq!(odd.extremes, Some((Extreme::Float(-2.0), Extreme::Float(1.5))));
    assert_eq!(odd.sum, None);
    let plain = floats(&[1.5, -2.0]);
    assert_eq!(
        differing(Kind::Float8, &odd, &plain),
        ["NaN", "infinity", "-infinity"]
    );
    let days = [0, i32::MAX, -1, i32::MIN].map(|days: i32| Some(days.to_be_bytes()));
    let dates = summary(Kind::Date, &days);
    assert_eq!((dates.infinity, dates.minus_infinity), (1, 1));
    assert_eq!(dates.sum, Some(Decimal::from(-1)));
    let shown: Vec<_> = dates
        .compare(Kind::Date, &dates)
        .into_iter()
        .map(|one| (one.figure, one.source.unwrap_or_default()))
        .collect();
    let expected = [
        ("nulls", "0"),
        ("sum", "-1"),
        ("min", "1999-12-31"),
        ("max", "2000-01-01"),
        ("infinity", "1"),
        ("-infinity", "1"),
    ];
    assert_eq!(shown, expected.map(|(figure, text)| (figure, text.to_owned())));
}

#[test]
fn nulls_are_no_values() {
    let some = summary(Kind::Integer, &[Some(5i32.to_be_bytes()), None]);
    let all = summary(
        Kind::Integer,
        &[Some(5i32.to_be_bytes()), Some(0i32.to_be_bytes())],
    );
    assert_eq!(differing(Kind::Integer, &some, &all), ["nulls", "min"]);
    let none = summary::<&[u8]>(Kind::Integer, &[None]);
    assert_eq!((none.nulls, none.sum.as_ref()), (1, None));
    assert_eq!(differing(Kind::Integer, &none, &Summary::default()), ["nulls"]);
}

#[test]
fn bytes_of_another_type_are_told() {
    for kind in [
        Kind::Integer,
        Kind::Numeric,
        Kind::Float4,
        Kind::Date,
        Kind::Timestamp,
        Kind::Time,
    ] {
        let mut measure = Measure::new(kind);
        assert!(!measure.add(Some(b"abc")), "{kind:?}");
        assert_eq!(measure.summary(), Summary::default());
    }
}

#[test]
fn kinds_follow_types() {
    assert_eq!(Kind::of(builtin::INT2), Kind::Integer);
    assert_eq!(Kind::of(builtin::TEXT), Kind::Nulls);
    assert!(Kind::without_figures(builtin::INTERVAL).is_some());
    assert!(Kind::without_figures(builtin::TEXT).is_none());
}

proptest! {
    #[test]
    fn integers_sum_exactly(values in prop::collection::vec(any::<i64>(), 0..50)) {
        let bytes: Vec<_> = values.iter().map(|value| Some(value.to_be_bytes())).collect();
        let found = summary(Kind::Integer, &bytes);
        let sum: i128 = values.iter().copied().map(i128::from).sum();
        assert_eq!(found.sum, (!values.is_empty()).then(|| Decimal::from(sum)));
        let extremes = values.iter().min().zip(values.iter().max());
        assert_eq!(found.extremes, extremes.map(|(min, max)| (Extreme::Whole(*min), Extreme::Whole(*max))));
    }

    #[test]
    fn numerics_agree_with_integers(values in prop::collection::vec(any::<u16>(), 1..50)) {
        let whole: Vec<_> = values.iter().map(|value| Some((i32::from(*value) % 10_000 - 5_000).to_be_bytes())).collect();
        let numeric: Vec<_> = values.iter().map(|value| Some(sent(i32::from(*value) % 10_000 - 5_000))).collect();
        let (whole, numeric) = (summary(Kind::Integer, &whole), summary(Kind::Numeric, &numeric));
        assert_eq!(whole.sum, numeric.sum);
        let text = |found: &Summary, kind: Kind| {
            found.compare(kind, found).into_iter().map(|one| one.source).collect::<Vec<_>>()
        };
        assert_eq!(text(&whole, Kind::Integer), text(&numeric, Kind::Numeric));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for kind in [
            Kind::Nulls, Kind::Integer, Kind::Numeric, Kind::Float4, Kind::Float8, Kind::Date, Kind::Timestamp,
            Kind::TimestampTz, Kind::Time,
        ] {
            let mut measure = Measure::new(kind);
            measure.add(Some(&bytes));
            let found = measure.summary();
            assert!(found.compare(kind, &found).iter().all(|one| one.equal));
        }
    }
}

/// An integer of one group as numeric's binary form.
fn sent(number: i32) -> Vec<u8> {
    let groups = u16::from(number != 0);
    let sign = if number < 0 { 0x4000 } else { 0u16 };
    let mut fields = vec![groups, 0, sign, 0];
    if number != 0 {
        fields.push(number.unsigned_abs() as u16);
    }
    fields
        .iter()
        .flat_map(|field: &u16| field.to_be_bytes())
        .collect()
}

proptest! {
    /// Whatever the bytes: a figure or nothing, and what is compared with itself is equal.
    #[test]
    fn any_bytes_are_values_or_none(values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0..8)) {
        for kind in [
            Kind::Nulls,
            Kind::Integer,
            Kind::Numeric,
            Kind::Float4,
            Kind::Float8,
            Kind::Date,
            Kind::Timestamp,
            Kind::TimestampTz,
            Kind::Time,
        ] {
            let mut measure = Measure::new(kind);
            for value in &values {
                measure.add(value.as_deref());
            }
            let summary = measure.summary();
            assert_eq!(differing(kind, &summary, &summary), Vec::<&str>::new());
        }
    }
}
