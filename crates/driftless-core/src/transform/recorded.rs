//! How the UUID of a key is found: derived, recorded, or both.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use crate::identity::Deriver;
use crate::plan::{Mint, Resolution};

/// Keys whose recorded mappings are needed, as canonical key texts: per entity, each key once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lookups(pub BTreeMap<String, HashSet<Vec<u8>>>);

impl Lookups {
    /// Whether nothing has to be looked up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, entity: &str, key: &[u8]) {
        if !self.0.contains_key(entity) {
            self.0.insert(entity.to_owned(), HashSet::new());
        }
        if let Some(keys) = self.0.get_mut(entity)
            && !keys.contains(key)
        {
            keys.insert(key.to_vec());
        }
    }
}

/// The answer: recorded mappings by entity and canonical key text. A key that is not in it has none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recorded(pub BTreeMap<String, HashMap<Vec<u8>, Uuid>>);

/// How one entity's keys become UUIDs.
#[derive(Debug)]
pub(super) struct Resolver<'p> {
    /// The entity whose recorded mappings come first.
    pub(super) entity: Option<&'p str>,
    deriver: Option<Deriver>,
}

impl<'p> Resolver<'p> {
    /// For an entity's own rows; `None` where its target keys are not found by key.
    pub(super) fn of_mint(namespace: Uuid, mint: &'p Mint) -> Option<Resolver<'p>> {
        match mint {
            Mint::Derive { name, recorded } => Some(Resolver {
                entity: recorded.as_deref(),
                deriver: Some(Deriver::new(namespace, name)),
            }),
            Mint::Recorded { entity } => Some(Resolver {
                entity: Some(entity),
                deriver: None,
            }),
            Mint::Column(_) | Mint::Columns(_) | Mint::Place => None,
        }
    }

    /// For references.
    pub(super) fn of_resolution(namespace: Uuid, resolution: &'p Resolution) -> Resolver<'p> {
        match resolution {
            Resolution::Derive { name } => Resolver {
                entity: None,
                deriver: Some(Deriver::new(namespace, name)),
            },
            Resolution::Recorded { entity, name } => Resolver {
                entity: Some(entity),
                deriver: name.as_deref().map(|name| Deriver::new(namespace, name)),
            },
        }
    }

    /// The same with the mappings that were recorded for a batch.
    pub(super) fn with<'a>(&'a self, recorded: &'a Recorded) -> Finder<'a> {
        Finder {
            deriver: self.deriver.as_ref(),
            recorded: self.entity.and_then(|entity| recorded.0.get(entity)),
        }
    }
}

/// Finds UUIDs within one batch.
pub(super) struct Finder<'a> {
    deriver: Option<&'a Deriver>,
    recorded: Option<&'a HashMap<Vec<u8>, Uuid>>,
}

impl Finder<'_> {
    /// A recorded mapping always wins.
    pub(super) fn find(&self, key: &[u8]) -> Option<Uuid> {
        self.recorded
            .and_then(|recorded| recorded.get(key).copied())
            .or_else(|| self.deriver.map(|deriver| deriver.derive(key)))
    }
}
