//! Which chunk comes next. Entities wait for those that `after` names; one that writes beside rows of others goes in key
//! order, one chunk at a time; among the others the one with most chunks left goes first, so that lanes end together.

use std::collections::VecDeque;

use crate::store::chunk::Chunk;

/// The chunks of one entity.
#[derive(Debug)]
pub struct Waiting {
    /// The entity's name.
    pub entity: String,
    /// Entities to finish before.
    pub after: Vec<String>,
    /// Whether its chunks go one after the other.
    pub one_by_one: bool,
    /// Chunks not yet begun.
    pub chunks: VecDeque<Chunk>,
    /// Chunks being worked on.
    pub running: usize,
}

impl Waiting {
    fn finished(&self) -> bool {
        self.chunks.is_empty() && self.running == 0
    }
}

/// What a lane is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
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
            !one.chunks.is_empty()
                && (!one.one_by_one || one.running == 0)
                && one
                    .after
                    .iter()
                    .all(|name| finished.contains(&name.as_str()) || !known.contains(&name.as_str()))
        };
        let best = (0..self.entities.len())
            .filter(|number| ready(&self.entities[*number]))
            .max_by_key(|number| (self.entities[*number].chunks.len(), std::cmp::Reverse(*number)));
        match best {
            Some(number) => {
                let one = &mut self.entities[number];
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

    /// A chunk of an entity ended. Says whether the entity is finished now.
    pub fn ended(&mut self, entity: usize) -> bool {
        self.entities[entity].running -= 1;
        self.entities[entity].finished()
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
            after: Vec::new(),
            one_by_one: false,
            chunks: (0..chunks).map(chunk).collect(),
            running: 0,
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
}
