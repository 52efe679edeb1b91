//! What is wrong with single rows, as values.

use crate::code::{self, Code};

/// Whose matter a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Bytes, sizes, servers.
    Technical,
    /// The source's data.
    DataQuality,
    /// A rule of the mapping.
    BusinessRule,
}

impl Category {
    /// As reject records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Technical => "technical",
            Category::DataQuality => "data_quality",
            Category::BusinessRule => "business_rule",
        }
    }

    /// The category of faults with this code.
    pub fn of(code: Code) -> Category {
        match code {
            code::ROW_UNREADABLE | code::ROW_TOO_LARGE | code::ROW_NOT_GIVEN => Category::Technical,
            code::ROW_RULE_FAILED => Category::BusinessRule,
            _ => Category::DataQuality,
        }
    }
}

/// Why a row cannot be written as the mapping says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// The row's number in its batch.
    pub row: u32,
    /// The stable code.
    pub code: Code,
    /// The target column, if it is about one.
    pub column: Option<String>,
    /// What PostgreSQL said, if it was PostgreSQL.
    pub sqlstate: Option<String>,
    /// What is wrong. It may hold values (never of sensitive columns where this crate wrote it), so it goes to the
    /// reject table only, never to a log.
    pub message: String,
    /// Whether the row waits for its parent instead of being rejected.
    pub parked: bool,
    /// The rule that refused it, if one did.
    pub rule: Option<String>,
    /// Whose matter it is.
    pub category: Category,
}

impl RowFault {
    /// A fault without column, SQLSTATE and rule.
    pub fn new(row: usize, code: Code, message: impl Into<String>) -> RowFault {
        RowFault {
            row: row as u32,
            code,
            column: None,
            sqlstate: None,
            message: message.into(),
            parked: false,
            rule: None,
            category: Category::of(code),
        }
    }
}

/// Why a value could not be produced. Small, because every produced value is a `Result` with it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The row's fault is already on record: the value depends on something that failed.
    Known,
    /// A code and what is wrong.
    New(Box<(Code, String)>),
}

impl Trouble {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Trouble {
        Trouble::New(Box::new((code, message.into())))
    }

    /// Bytes that are no value of their type.
    pub(super) fn unreadable(what: &str) -> Trouble {
        Trouble::new(code::ROW_UNREADABLE, format!("the bytes are no {what}"))
    }
}

/// A fault in the chain of its row.
#[derive(Debug)]
struct Link {
    fault: RowFault,
    rank: u32,
    halts: bool,
    next: u32,
}

/// The faults of a batch: per row a chain in the order of columns, so that asking for a row costs nothing.
#[derive(Debug, Default)]
pub(super) struct Faults {
    links: Vec<Link>,
    /// Per row the first link of its chain, or [`END`].
    first: Vec<u32>,
    faulty: usize,
}

/// End of a chain.
const END: u32 = u32::MAX;

impl Faults {
    pub(super) fn none(rows: usize) -> Faults {
        Faults {
            links: Vec::new(),
            first: vec![END; rows],
            faulty: 0,
        }
    }

    /// Adds a fault behind those of its row with the same or a smaller rank. A fault of a row that the batch does
    /// not have is nobody's and dropped.
    pub(super) fn add(&mut self, rank: u32, halts: bool, fault: RowFault) {
        let row = fault.row as usize;
        let Some(&head) = self.first.get(row) else { return };
        self.faulty += usize::from(head == END);
        let link = self.links.len() as u32;
        let (mut before, mut after) = (END, head);
        while after != END && self.links[after as usize].rank <= rank {
            before = after;
            after = self.links[after as usize].next;
        }
        match before {
            END => self.first[row] = link,
            _ => self.links[before as usize].next = link,
        }
        self.links.push(Link {
            fault,
            rank,
            halts,
            next: after,
        });
    }

    pub(super) fn is_faulty(&self, row: usize) -> bool {
        self.first[row] != END
    }

    /// Rows with a fault.
    pub(super) fn faulty_rows(&self) -> usize {
        self.faulty
    }

    /// The faults of a row in the order of columns, each with whether it halts.
    pub(super) fn of(&self, row: usize) -> impl Iterator<Item = (&RowFault, bool)> {
        let mut at = self.first[row];
        std::iter::from_fn(move || {
            let link = self.links.get(at as usize)?;
            at = link.next;
            Some((&link.fault, link.halts))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_faults_in_order_of_rank() {
        let mut faults = Faults::none(3);
        for (rank, row, message) in [
            (5, 1, "e"),
            (2, 1, "b"),
            (2, 1, "c"),
            (9, 2, "x"),
            (1, 1, "a"),
            (3, 1, "d"),
        ] {
            faults.add(rank, false, RowFault::new(row, code::ROW_REFUSED, message));
        }
        faults.add(0, false, RowFault::new(7, code::ROW_REFUSED, "no such row"));
        let of = |row| -> String { faults.of(row).map(|(fault, _)| fault.message.as_str()).collect() };
        assert_eq!((of(0), of(1), of(2)), (String::new(), "abcde".into(), "x".into()));
        assert_eq!(faults.faulty_rows(), 2);
        assert!(!faults.is_faulty(0) && faults.is_faulty(1) && faults.is_faulty(2));
    }
}
