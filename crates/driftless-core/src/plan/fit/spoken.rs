//! A fit as SQL over a value.

use super::{Clock, End, Fit, unwrap};
use crate::catalog::builtin;
use crate::plan::program::Check;
use crate::plan::sql_type::type_with_modifier;

/// What the target is asked for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plan) struct Spoken {
    /// The value; its binary form, or its text where the column takes the bytes of text.
    pub(in crate::plan) value: String,
    /// True where nothing is lost.
    pub(in crate::plan) lossless: Option<String>,
    /// True where no change of the clocks is in the way.
    pub(in crate::plan) clock: Option<Clock>,
    /// What the answer must satisfy.
    pub(in crate::plan) check: Option<Check>,
}

impl Fit {
    /// The question for the expression `x`, which gives a value of `from`, into a column of `to`.
    pub(in crate::plan) fn spoken(self, x: &str, from: End<'_>, to: End<'_>) -> Spoken {
        let value = |value: String| Spoken {
            value,
            lossless: None,
            clock: None,
            check: None,
        };
        match self {
            Fit::Same => value(as_is(x, from, to)),
            Fit::Integer(_) => value(format!("({x})::{}", type_with_modifier(to.data_type, to.typmod))),
            Fit::Checked(check) => Spoken {
                check: Some(check.clone()),
                ..value(unchecked(x, &check, from, to))
            },
            Fit::IntegerText(check) => Spoken {
                check,
                ..value(format!("({x})::pg_catalog.text"))
            },
            Fit::Cast {
                value,
                lossless,
                clock,
                check,
            } => Spoken {
                value: value.replace("{x}", x),
                lossless: lossless.map(|text| text.replace("{x}", x)),
                clock: clock.map(|clock| Clock {
                    sql: clock.sql.replace("{x}", x),
                    ..clock
                }),
                check,
            },
        }
    }
}

/// Bytes that are right already are given the column's name.
fn as_is(x: &str, from: End<'_>, to: End<'_>) -> String {
    let exact = type_with_modifier(to.data_type, to.typmod);
    let (own, wanted) = (unwrap(from).data_type, unwrap(to).data_type);
    if own.labels().is_some() && own.name != wanted.name {
        return format!("(({x})::pg_catalog.text)::{exact}");
    }
    match (own.oid, wanted.oid) {
        // Equal bytes only because local time is universal time: say so, whatever the session's zone is.
        (builtin::TIMESTAMP, builtin::TIMESTAMPTZ) | (builtin::TIMESTAMPTZ, builtin::TIMESTAMP) => {
            format!("(({x}) AT TIME ZONE 'UTC')::{exact}")
        }
        _ => format!("({x})::{exact}"),
    }
}

/// The value before the check: a cast to the exact type would cut or round it.
fn unchecked(x: &str, check: &Check, from: End<'_>, to: End<'_>) -> String {
    match check {
        Check::Numeric { .. } => format!("({x})::pg_catalog.numeric"),
        Check::Microseconds(_) | Check::SameInterval => {
            let wide = End {
                data_type: unwrap(to).data_type,
                typmod: -1,
            };
            as_is(x, from, wide)
        }
        Check::Characters(_) | Check::Label(_) | Check::Lossless(_) | Check::Clock { .. } => {
            format!("({x})::pg_catalog.text")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fit::fit;
    use crate::plan::fit::tests::PLAIN;
    use crate::plan::sql_type::type_name;

    #[test]
    fn equal_bytes_of_two_times_say_their_zone() {
        let (local, instant) = (builtin::of(builtin::TIMESTAMP), builtin::of(builtin::TIMESTAMPTZ));
        let (from, to) = (
            End {
                data_type: &local,
                typmod: -1,
            },
            End {
                data_type: &instant,
                typmod: 3,
            },
        );
        let terms = crate::plan::fit::Terms {
            source_zone: Some("UTC"),
            ..PLAIN
        };
        let spoken = fit(from, to, terms).expect("a fit").spoken("t", from, to);
        assert_eq!(
            (spoken.value.as_str(), spoken.check),
            (
                format!("((t) AT TIME ZONE 'UTC')::{}", type_name(&instant)).as_str(),
                Some(Check::Microseconds(1000))
            )
        );
    }
}
