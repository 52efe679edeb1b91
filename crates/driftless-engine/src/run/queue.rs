//! Which chunk comes next. Entities wait for those that `after` names; what earlier runs loaded is mended before anything
//! else of its entity, because a value that moved to a new row would look like a duplicate; a table whose keys are checked as
//! rows go in is written by one lane at a time, which goes in key order and cannot deadlock with another; parents go before those whose references they decide, as far as
//! no lane has to wait for it; among the others the one with most chunks left goes first, so that lanes end together.

use std::cmp::Reverse;
use std::collections::VecDeque;

use driftless_core::name::QualifiedName;

use crate::store::chunk::Chunk;

/// Finished ranges that stand under an older snapshot; `None` is the whole entity.
pub type Stale = Option<Vec<Chunk>>;

/// The work on one entity.
#[derive(Debug)]
pub struct Waiting {
    /// The entity's name.
    pub entity: String,
    /// The table that it writes.
    pub table: QualifiedName,
    /// Entities to finish before.
    pub after: Vec<String>,
    /// Entities that should rather be finished before: their rows decide references of this one's.
    pub rather_after: Vec<String>,
    /// Whether nothing else may write its table beside it.
    pub one_by_one: bool,
    /// What is to be mended first.
    pub stale: Option<Stale>,
    /// Chunks not yet begun.
    pub chunks: VecDeque<Chunk>,
    /// Chunks being worked on, or the mending.
    pub running: usize,
    /// Whether what runs is the mending.
    pub mending: bool,
}

impl Waiting {
    fn finished(&self) -> bool {
        self.left() == 0 && self.running == 0
    }

    /// How much is not yet begun.
    fn left(&self) -> usize {
        self.chunks.len() + usize::from(self.stale.is_some())
    }

    /// Whether something of it can begin, if others are not in the way.
    fn can_begin(&self) -> bool {
        self.left() > 0 && !self.mending
    }

    /// Whether another, or itself, is at work on the same table and one of them has to be alone there.
    fn is_held_up_by(&self, other: &Waiting) -> bool {
        other.running > 0 && (self.one_by_one || other.one_by_one) && self.table == other.table
    }
}

/// What a lane is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Mend this of the entity with this number.
    Mend(usize, Stale),
    /// Work on this chunk of the entity with this number.
    Chunk(usize, Chunk),
    /// Nothing can begin before something else ends.
    Wait,
    /// Nothing is left.
    End,
}

/// All chunks of a run.
#[derive(Debug, Default)]
pub struct Queue {
    /// Entities by number.
    pub entities: Vec<Waiting>,
}

impl Queue {
    /// Takes the next chunk.
    pub fn take(&mut self) -> Next {
        let finished: Vec<&str> = self
            .entities
            .iter()
            .filter(|one| one.finished())
            .map(|one| one.entity.as_str())
            .collect();
        let known: Vec<&str> = self.entities.iter().map(|one| one.entity.as_str()).collect();
        let ready = |one: &Waiting| {
            one.can_begin()
                && !self.entities.iter().any(|other| one.is_held_up_by(other))
                && one
                    .after
                    .iter()
                    .all(|name| finished.contains(&name.as_str()) || !known.contains(&name.as_str()))
        };
        let best = (0..self.entities.len())
            .filter(|number| ready(&self.entities[*number]))
            .min_by_key(|number| {
                let one = &self.entities[*number];
                let too_early = one
                    .rather_after
                    .iter()
                    .filter(|name| !finished.contains(&name.as_str()));
                (too_early.count(), Reverse(one.left()), *number)
            });
        match best {
            Some(number) => {
                let one = &mut self.entities[number];
                if let Some(stale) = one.stale.take() {
                    one.running += 1;
                    one.mending = true;
                    return Next::Mend(number, stale);
                }
                let Some(chunk) = one.chunks.pop_front() else {
                    return Next::Wait;
                };
                one.running += 1;
                Next::Chunk(number, chunk)
            }
            None if self.entities.iter().all(Waiting::finished) => Next::End,
            None => Next::Wait,
        }
    }

    /// An entity takes no more work, and neither do those that would wait for its end. Says which.
    pub fn halt(&mut self, entity: usize) -> Vec<String> {
        let mut halted = vec![self.entities[entity].entity.clone()];
        let mut at = 0;
        while let Some(name) = halted.get(at).cloned() {
            at += 1;
            for one in &mut self.entities {
                if one.entity == name {
                    one.chunks.clear();
                    one.stale = None;
                } else if one.after.contains(&name) && !halted.contains(&one.entity) {
                    halted.push(one.entity.clone());
                }
            }
        }
        halted
    }

    /// A chunk of an entity, or its mending, ended. Says whether the entity is finished now.
    pub fn ended(&mut self, entity: usize) -> bool {
        let one = &mut self.entities[entity];
        one.running -= 1;
        one.mending = false;
        one.finished()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(number: i32) -> Chunk {
        Chunk {
            number,
            low: None,
            high: None,
        }
    }

    fn waiting(entity: &str, chunks: i32) -> Waiting {
        Waiting {
            entity: entity.into(),
            table: QualifiedName::new("public", entity),
            after: Vec::new(),
            rather_after: Vec::new(),
            one_by_one: false,
            stale: None,
            chunks: (0..chunks).map(chunk).collect(),
            running: 0,
            mending: false,
        }
    }

    #[test]
    fn the_largest_goes_first_and_after_waits() {
        let mut queue = Queue {
            entities: vec![
                waiting("small", 1),
                waiting("large", 2),
                Waiting {
                    after: vec!["small".into()],
                    ..waiting("late", 5)
                },
            ],
        };
        assert_eq!(queue.take(), Next::Chunk(1, chunk(0)));
        assert_eq!(queue.take(), Next::Chunk(0, chunk(0)));
        assert_eq!(queue.take(), Next::Chunk(1, chunk(1)));
        assert_eq!(queue.take(), Next::Wait);
        assert!(queue.ended(0));
        assert_eq!(queue.take(), Next::Chunk(2, chunk(0)));
    }

    #[test]
    fn parents_go_first_where_nobody_waits_for_it() {
        let rather = |entity: &str, chunks: i32, parents: &[&str]| Waiting {
            rather_after: parents.iter().map(ToString::to_string).collect(),
            ..waiting(entity, chunks)
        };
        let mut queue = Queue {
            entities: vec![
                rather("children", 3, &["parents", "others"]),
                rather("cousins", 1, &["others"]),
                rather("parents", 1, &[]),
                rather("others", 1, &["unknown"]),
            ],
        };
        assert_eq!(queue.take(), Next::Chunk(2, chunk(0)));
        assert_eq!(
            queue.take(),
            Next::Chunk(1, chunk(0)),
            "one parent is not finished"
        );
        assert_eq!(queue.take(), Next::Chunk(3, chunk(0)));
        assert_eq!(queue.take(), Next::Chunk(0, chunk(0)), "rather than wait");
        assert!(queue.ended(2) && queue.ended(3));
        assert_eq!(queue.take(), Next::Chunk(0, chunk(1)));
    }

    #[test]
    fn mending_goes_before_chunks_and_before_whoever_waits() {
        let mut queue = Queue {
            entities: vec![
                Waiting {
                    stale: Some(Some(vec![chunk(0)])),
                    ..waiting("parents", 1)
                },
                Waiting {
                    after: vec!["parents".into()],
                    ..waiting("children", 1)
                },
            ],
        };
        assert_eq!(queue.take(), Next::Mend(0, Some(vec![chunk(0)])));
        assert_eq!(queue.take(), Next::Wait);
        assert!(!queue.ended(0));
        assert_eq!(queue.take(), Next::Chunk(0, chunk(0)));
        assert_eq!(queue.take(), Next::Wait);
        assert!(queue.ended(0));
        assert_eq!(queue.take(), Next::Chunk(1, chunk(0)));
    }

    #[test]
    fn beside_goes_one_by_one() {
        let mut queue = Queue {
            entities: vec![Waiting {
                one_by_one: true,
                ..waiting("users", 2)
            }],
        };
        assert_eq!(queue.take(), Next::Chunk(0, chunk(0)));
        assert_eq!(queue.take(), Next::Wait);
        assert!(!queue.ended(0));
        assert_eq!(queue.take(), Next::Chunk(0, chunk(1)));
        assert!(queue.ended(0));
        assert_eq!(queue.take(), Next::End);
    }

    #[test]
    fn two_entities_of_one_table_take_turns() {
        let users = |entity: &str, one_by_one: bool| Waiting {
            table: QualifiedName::new("auth", "users"),
            one_by_one,
            ..waiting(entity, 1)
        };
        let mut queue = Queue {
            entities: vec![users("staff", true), users("guests", true), waiting("other", 1)],
        };
        assert_eq!(queue.take(), Next::Chunk(0, chunk(0)));
        assert_eq!(queue.take(), Next::Chunk(2, chunk(0)));
        assert_eq!(queue.take(), Next::Wait);
        assert!(queue.ended(0));
        assert_eq!(queue.take(), Next::Chunk(1, chunk(0)));
        // Where no key is checked as rows go in they work side by side.
        let mut queue = Queue {
            entities: vec![users("staff", false), users("guests", false)],
        };
        assert_eq!(queue.take(), Next::Chunk(0, chunk(0)));
        assert_eq!(queue.take(), Next::Chunk(1, chunk(0)));
    }
}
