//! Binary values of two servers, made comparable: a number of a type of one's own, which is another on every server, becomes
//! its name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use driftless_testkit::TestDatabase;

/// The first number of a type that is not built in.
const FIRST_OWN: u32 = 10_000;

/// What a value is made of.
#[derive(Debug)]
enum Parts {
    Whole,
    Elements,
    Fields,
    /// The type of both bounds.
    Bounds(u32),
    /// The type of its ranges.
    Ranges(u32),
    /// A domain, and what it is over.
    Same(u32),
}

/// The types of one's own of a database.
#[derive(Debug)]
pub(super) struct Own(BTreeMap<u32, (String, Parts)>);

impl Own {
    pub(super) async fn of(database: &TestDatabase) -> Own {
        let sql = "SELECT t.oid, t.typname, CASE WHEN t.typoutput = 'array_out'::regproc THEN 'a' ELSE t.typtype END, \
                   coalesce(r.rngsubtype, m.rngtypid, t.typbasetype) FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid \
                   LEFT JOIN pg_range m ON m.rngmultitypid = t.oid WHERE t.oid >= 10000";
        let rows = database.rows(sql).await.into_iter();
        let named = rows.map(|row| {
            let text = |column: usize| row[column].as_deref().expect("no null");
            let number = |column: usize| text(column).parse::<u32>().expect("an oid");
            let parts = match text(2) {
                "a" => Parts::Elements,
                "c" => Parts::Fields,
                "r" => Parts::Bounds(number(3)),
                "m" => Parts::Ranges(number(3)),
                "d" => Parts::Same(number(3)),
                _ => Parts::Whole,
            };
            (number(0), (text(1).to_owned(), parts))
        });
        Own(named.collect())
    }

    /// The fields of a row, as its `record_send` has them in hexadecimal digits: null, or the value with names for numbers.
    pub(super) fn fields(&self, row: &str) -> Vec<Option<String>> {
        let mut wire = Wire(row);
        let fields = (0..wire.number()).map(|_| {
            let data_type = wire.number();
            wire.value().map(|value| {
                let mut told = String::new();
                self.tell(data_type, value, &mut told);
                told
            })
        });
        let fields = fields.collect();
        assert_eq!(wire.0, "", "all of the row is read");
        fields
    }

    fn name(&self, data_type: u32, told: &mut String) {
        match self.0.get(&data_type) {
            Some((name, _)) => told.push_str(name),
            None => {
                assert!(data_type < FIRST_OWN, "type {data_type} is known");
                write!(told, "{data_type}").expect("a string");
            }
        }
        told.push(' ');
    }

    fn tell(&self, data_type: u32, value: &str, told: &mut String) {
        let mut wire = Wire(value);
        match self.0.get(&data_type).map(|one| &one.1) {
            None | Some(Parts::Whole) => told.push_str(wire.take(value.len())),
            Some(Parts::Same(base)) => self.tell(*base, wire.take(value.len()), told),
            Some(Parts::Elements) => {
                let dimensions = wire.number();
                // Whether there are nulls.
                told.push_str(wire.take(8));
                let element = wire.number();
                self.name(element, told);
                told.push_str(wire.take(16 * dimensions as usize));
                while !wire.0.is_empty() {
                    self.part(element, wire.value(), told);
                }
            }
            Some(Parts::Fields) => {
                for _ in 0..wire.number() {
                    let field = wire.number();
                    self.name(field, told);
                    self.part(field, wire.value(), told);
                }
            }
            Some(Parts::Bounds(bound)) => {
                told.push_str(wire.take(2));
                while !wire.0.is_empty() {
                    self.part(*bound, wire.value(), told);
                }
            }
            Some(Parts::Ranges(range)) => {
                for _ in 0..wire.number() {
                    self.part(*range, wire.value(), told);
                }
            }
        }
        assert_eq!(wire.0, "", "all of the value is read");
    }

    fn part(&self, data_type: u32, value: Option<&str>, told: &mut String) {
        told.push('(');
        match value {
            Some(value) => self.tell(data_type, value, told),
            None => told.push_str("null"),
        }
        told.push(')');
    }
}

/// What is left to read.
struct Wire<'a>(&'a str);

impl<'a> Wire<'a> {
    fn take(&mut self, digits: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(digits);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> u32 {
        u32::from_str_radix(self.take(8), 16).expect("hexadecimal digits")
    }

    /// A length and as many bytes, or null.
    fn value(&mut self) -> Option<&'a str> {
        match self.number() {
            u32::MAX => None,
            length => Some(self.take(2 * length as usize)),
        }
    }
}
