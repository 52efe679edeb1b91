//! What the values of one column come to: their exact sum, their extremes, and apart from these how many are null
//! or nothing that a sum can hold.

use std::cmp::Ordering;

use super::decimal::{Decimal, DecimalSum};
use super::moment;
use crate::catalog::{Oid, builtin};
use crate::value::{self, Numeric};

/// What can be told of a column's values, by the oid of its type below domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whether they are null.
    Nulls,
    /// Integers of any width.
    Integer,
    /// Exact numbers.
    Numeric,
    /// Floats of 4 bytes: no sum, because it depends on the order.
    Float4,
    /// Floats of 8 bytes: no sum either.
    Float8,
    /// Days since 2000-01-01.
    Date,
    /// Microseconds since 2000-01-01.
    Timestamp,
    /// Microseconds since 2000-01-01 00:00 UTC.
    TimestampTz,
    /// Microseconds since midnight.
    Time,
}

impl Kind {
    /// The kind of a type.
    pub fn of(oid: Oid) -> Kind {
        match oid {
            builtin::INT2 | builtin::INT4 | builtin::INT8 => Kind::Integer,
            builtin::NUMERIC => Kind::Numeric,
            builtin::FLOAT4 => Kind::Float4,
            builtin::FLOAT8 => Kind::Float8,
            builtin::DATE => Kind::Date,
            builtin::TIMESTAMP => Kind::Timestamp,
            builtin::TIMESTAMPTZ => Kind::TimestampTz,
            builtin::TIME => Kind::Time,
            _ => Kind::Nulls,
        }
    }

    /// Why of a type that has an order or a sum only nulls are counted; `None` where nobody would expect more.
    pub fn without_figures(oid: Oid) -> Option<&'static str> {
        match oid {
            builtin::INTERVAL => Some("months and days have no fixed length: only its nulls are counted"),
            builtin::TIMETZ => Some("its order mixes times and zones: only its nulls are counted"),
            builtin::MONEY => {
                Some("money reads differently from server to server: only its nulls are counted")
            }
            _ => None,
        }
    }

    /// Whether its values have an exact sum.
    pub fn has_sum(self) -> bool {
        !matches!(self, Kind::Nulls | Kind::Float4 | Kind::Float8)
    }

    /// What a sum of its values counts, where that is not plain.
    fn unit(self) -> Option<&'static str> {
        match self {
            Kind::Date => Some("days since 2000-01-01"),
            Kind::Timestamp | Kind::TimestampTz => Some("microseconds since 2000-01-01"),
            Kind::Time => Some("microseconds"),
            _ => None,
        }
    }

    fn text(self, extreme: &Extreme) -> String {
        match (self, extreme) {
            (Kind::Date, Extreme::Whole(days)) => moment::date(*days),
            (Kind::Timestamp, Extreme::Whole(micros)) => moment::timestamp(*micros),
            (Kind::TimestampTz, Extreme::Whole(micros)) => format!("{}+00", moment::timestamp(*micros)),
            (Kind::Time, Extreme::Whole(micros)) => moment::time(*micros),
            (Kind::Float4, Extreme::Float(number)) => (*number as f32).to_string(),
            (_, Extreme::Whole(number)) => number.to_string(),
            (_, Extreme::Float(number)) => number.to_string(),
            (_, Extreme::Decimal(number)) => number.to_string(),
        }
    }
}

/// A smallest or largest value.
#[derive(Debug, Clone, PartialEq)]
pub enum Extreme {
    /// An integer, or days or microseconds.
    Whole(i64),
    /// An exact number.
    Decimal(Decimal),
    /// A float.
    Float(f64),
}

/// What the values of a column come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// How many are null.
    pub nulls: i64,
    /// How many are NaN.
    pub nan: i64,
    /// How many are infinity.
    pub infinity: i64,
    /// How many are minus infinity.
    pub minus_infinity: i64,
    /// The sum of all others; `None` where there are none, or the kind has no sum.
    pub sum: Option<Decimal>,
    /// The smallest and the largest of all others.
    pub extremes: Option<(Extreme, Extreme)>,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which figure: `nulls`, `sum`, `min`, `max`, `NaN`, `infinity`, `-infinity`.
    pub figure: &'static str,
    /// What a sum counts, where that is not plain: `days since 2000-01-01`.
    pub unit: Option<&'static str>,
    /// What the source's rows come to through the plan; `None` where there is nothing.
    pub source: Option<String>,
    /// What the target holds.
    pub target: Option<String>,
    /// Whether they are equal as values.
    pub equal: bool,
}

impl Summary {
    /// Compares what should be there with what is, figure by figure. Figures that are zero on both sides and seldom are
    /// anything else (NaN and infinities) are left out.
    pub fn compare(&self, kind: Kind, target: &Summary) -> Vec<Compared> {
        let count = |figure, source: i64, target: i64| Compared {
            figure,
            unit: None,
            source: Some(source.to_string()),
            target: Some(target.to_string()),
            equal: source == target,
        };
        let mut compared = vec![count("nulls", self.nulls, target.nulls)];
        if kind.has_sum() {
            compared.push(Compared {
                figure: "sum",
                unit: kind.unit(),
                source: self.sum.as_ref().map(Decimal::to_string),
                target: target.sum.as_ref().map(Decimal::to_string),
                equal: self.sum == target.sum,
            });
        }
        if kind != Kind::Nulls {
            let (min, max) = (|(min, _)| min, |(_, max)| max);
            compared.push(extreme("min", kind, self.extreme(min), target.extreme(min)));
            compared.push(extreme("max", kind, self.extreme(max), target.extreme(max)));
        }
        let seldom = [
            ("NaN", self.nan, target.nan),
            ("infinity", self.infinity, target.infinity),
            ("-infinity", self.minus_infinity, target.minus_infinity),
        ];
        let seldom = seldom
            .into_iter()
            .filter(|(_, source, target)| (*source, *target) != (0, 0));
        compared.extend(seldom.map(|(figure, source, target)| count(figure, source, target)));
        compared
    }

    fn extreme<'s>(&'s self, which: fn((&'s Extreme, &'s Extreme)) -> &'s Extreme) -> Option<&'s Extreme> {
        self.extremes.as_ref().map(|(min, max)| which((min, max)))
    }
}

fn extreme(figure: &'static str, kind: Kind, source: Option<&Extreme>, target: Option<&Extreme>) -> Compared {
    Compared {
        figure,
        unit: None,
        source: source.map(|extreme| kind.text(extreme)),
        target: target.map(|extreme| kind.text(extreme)),
        equal: source == target,
    }
}

/// Gathers the values of one column.
#[derive(Debug, Clone)]
pub struct Measure {
    kind: Kind,
    summary: Summary,
    /// Sums of integers, dates and times: 2^63 values of 64 bits fit.
    whole: i128,
    decimals: DecimalSum,
}

impl Measure {
    /// No values yet.
    pub fn new(kind: Kind) -> Measure {
        Measure {
            kind,
            summary: Summary::default(),
            whole: 0,
            decimals: DecimalSum::default(),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Adds a value in binary form, or null. `false` if the bytes are no value of the kind: then it counts as
    /// nothing.
    pub fn add(&mut self, bytes: Option<&[u8]>) -> bool {
        let Some(bytes) = bytes else {
            self.summary.nulls += 1;
            return true;
        };
        match self.kind {
            Kind::Nulls => Some(()),
            Kind::Numeric => Numeric::read(bytes).map(|number| self.add_numeric(number)),
            Kind::Float4 => <[u8; 4]>::try_from(bytes)
                .ok()
                .map(|bytes| self.add_float(f64::from(f32::from_be_bytes(bytes)))),
            Kind::Float8 => <[u8; 8]>::try_from(bytes)
                .ok()
                .map(|bytes| self.add_float(f64::from_be_bytes(bytes))),
            Kind::Integer => value::integer(bytes).map(|number| self.add_whole(number)),
            Kind::Time => eight(bytes).map(|micros| self.add_whole(micros)),
            Kind::Date => <[u8; 4]>::try_from(bytes).ok().map(|bytes| {
                let days = i32::from_be_bytes(bytes);
                self.add_moment(i64::from(days), i64::from(i32::MIN), i64::from(i32::MAX));
            }),
            Kind::Timestamp | Kind::TimestampTz => {
                eight(bytes).map(|micros| self.add_moment(micros, i64::MIN, i64::MAX))
            }
        }
        .is_some()
    }

    /// Counts so many values that were added as nulls too: of a reference whose parent is missing, the target holds null.
    /// Of kinds that only count nulls.
    pub fn count_as_null(&mut self, values: i64) {
        self.summary.nulls += values;
    }

    /// What they come to.
    pub fn summary(&self) -> Summary {
        let mut summary = self.summary.clone();
        if summary.extremes.is_some() && self.kind.has_sum() {
            summary.sum = Some(match self.kind {
                Kind::Numeric => self.decimals.finish(),
                _ => Decimal::from(self.whole),
            });
        }
        summary
    }

    /// Dates and timestamps keep their infinities in the outermost numbers.
    fn add_moment(&mut self, number: i64, minus_infinity: i64, infinity: i64) {
        if number == minus_infinity {
            self.summary.minus_infinity += 1;
        } else if number == infinity {
            self.summary.infinity += 1;
        } else {
            self.add_whole(number);
        }
    }

    fn add_whole(&mut self, number: i64) {
        self.whole += i128::from(number);
        match &mut self.summary.extremes {
            Some((Extreme::Whole(min), Extreme::Whole(max))) => {
                *min = number.min(*min);
                *max = number.max(*max);
            }
            extremes => *extremes = Some((Extreme::Whole(number), Extreme::Whole(number))),
        }
    }

    fn add_float(&mut self, number: f64) {
        match number {
            _ if number.is_nan() => self.summary.nan += 1,
            f64::INFINITY => self.summary.infinity += 1,
            f64::NEG_INFINITY => self.summary.minus_infinity += 1,
            _ => match &mut self.summary.extremes {
                Some((Extreme::Float(min), Extreme::Float(max))) => {
                    *min = number.min(*min);
                    *max = number.max(*max);
                }
                extremes => *extremes = Some((Extreme::Float(number), Extreme::Float(number))),
            },
        }
    }

    fn add_numeric(&mut self, number: Numeric<'_>) {
        match number {
            Numeric::NaN => self.summary.nan += 1,
            Numeric::Infinity(false) => self.summary.infinity += 1,
            Numeric::Infinity(true) => self.summary.minus_infinity += 1,
            Numeric::Finite { .. } => {
                self.decimals.add(number);
                self.widen(number);
            }
        }
    }

    /// Copies a number only where it is a new extreme.
    fn widen(&mut self, number: Numeric<'_>) {
        match &mut self.summary.extremes {
            Some((Extreme::Decimal(min), Extreme::Decimal(max))) => {
                let replace = |place: &mut Decimal, order: Ordering| {
                    if place.compared_to(number) == Some(order)
                        && let Some(found) = Decimal::of(number)
                    {
                        *place = found;
                    }
                };
                replace(min, Ordering::Greater);
                replace(max, Ordering::Less);
            }
            extremes => {
                *extremes = Decimal::of(number)
                    .map(|number| (Extreme::Decimal(number.clone()), Extreme::Decimal(number)));
            }
        }
    }
}

fn eight(bytes: &[u8]) -> Option<i64> {
    <[u8; 8]>::try_from(bytes).ok().map(i64::from_be_bytes)
}

#[cfg(test)]
mod tests;
