//! Which keys a load has written, and which its rows refer to: what tells references that lead nowhere without a join.
//!
//! Integer keys alone, as compressed bitmaps (Lemire et al., "Roaring Bitmaps: Implementation of an Optimized Software Library",
//! 2018): a dense key takes a bit. What a census says is where to look first, and never the last word: rows come by
//! other ways, too. Orphans that it names are looked at in the target, and a foreign key that it calls whole is
//! validated by PostgreSQL.

use roaring::RoaringTreemap;
use uuid::Uuid;

use super::shaped::Shaped;
use crate::batch::Batch;
use crate::identity::Deriver;
use crate::plan::{Canonical, EntityPlan, KeyText, Mint, Path, RefProgram, Resolution};
use crate::value;

/// The keys of some rows of one entity, and those that they refer to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Census {
    own: Option<Counted>,
    references: Vec<Option<Counted>>,
}

/// An input, and the integers that were seen in it.
#[derive(Debug, Clone, PartialEq)]
struct Counted {
    input: usize,
    keys: RoaringTreemap,
}

impl Census {
    /// Before the first row of an entity that a load fills.
    pub fn of(entity: &EntityPlan) -> Census {
        if entity.path != Path::Load {
            return Census::default();
        }
        let references = entity.program.refs.iter();
        Census {
            own: own_input(entity).map(Counted::new),
            references: references
                .map(|program| referring_input(program).map(Counted::new))
                .collect(),
        }
    }

    /// Whether nothing can be known of the entity by its keys.
    pub fn is_blind(&self) -> bool {
        self.own.is_none() && self.references.iter().all(Option::is_none)
    }

    /// Counts rows of a batch that were written. A reference that became null leads nowhere.
    pub fn count(&mut self, shaped: &Shaped, rows: &[usize]) {
        let batch = &shaped.batch;
        if let Some(own) = &mut self.own {
            own.count(batch, rows.iter().copied());
        }
        for (reference, counted) in self.references.iter_mut().enumerate() {
            if let Some(counted) = counted {
                let rows = rows.iter().copied();
                counted.count(batch, rows.filter(|row| shaped.refers(*row, reference)));
            }
        }
    }

    /// Whether no row that was counted has this key; nothing where own keys are not counted.
    pub(super) fn lacks(&self, key: i64) -> Option<bool> {
        Some(!self.own.as_ref()?.keys.contains(unsigned(key)))
    }

    /// Adds what was counted of other rows of the entity.
    pub fn add(&mut self, other: &Census) {
        let own = self.own.iter_mut().zip(&other.own);
        let references = self.references.iter_mut().zip(&other.references);
        let references = references.filter_map(|(mine, theirs)| mine.as_mut().zip(theirs.as_ref()));
        for (mine, theirs) in own.chain(references) {
            mine.keys |= &theirs.keys;
        }
    }

    /// What it takes of memory, in bytes: an estimate from above.
    pub fn bytes(&self) -> usize {
        let all = self.own.iter().chain(self.references.iter().flatten());
        all.map(Counted::bytes).sum()
    }

    /// Whether it tells the UUIDs of missing keys of a parent to which a reference leads.
    pub fn tells(&self, (program, reference): (&RefProgram, usize), parent: &Census) -> bool {
        let counted = self.references.get(reference).is_some_and(Option::is_some);
        counted && parent.own.is_some() && derived_by(program).is_some()
    }

    /// The UUIDs of keys to which a reference of this entity leads and which are not among the parent's, in no order; those that
    /// `left` the parent again included. Nothing where that cannot be told, or where they are more than `most`. That there are none
    /// is told of keys, too, whose UUIDs are not derived from them.
    pub fn dangling(
        &self,
        namespace: Uuid,
        (program, reference): (&RefProgram, usize),
        parent: &Census,
        left: &[i64],
        most: usize,
    ) -> Option<Vec<Uuid>> {
        let referred = &self.references.get(reference)?.as_ref()?.keys;
        let mut gone = referred - &parent.own.as_ref()?.keys;
        gone.extend(
            left.iter()
                .map(|key| unsigned(*key))
                .filter(|key| referred.contains(*key)),
        );
        if gone.is_empty() {
            return Some(Vec::new());
        }
        let few = usize::try_from(gone.len()).is_ok_and(|gone| gone <= most);
        let deriver = Deriver::new(namespace, derived_by(program)?);
        let uuid = |key| deriver.derive(signed(key).to_string().as_bytes());
        few.then(|| gone.iter().map(uuid).collect())
    }
}

/// What a bitmap takes beside the bytes of its containers, each of which holds the keys of one range of 65,536: for itself, and for
/// each container, with what allocators and growing vectors leave empty.
const BITMAP: usize = 256;
const CONTAINER: usize = 128;

impl Counted {
    fn bytes(&self) -> usize {
        let bitmaps = self.keys.bitmaps().map(|(_, bitmap)| {
            let told = bitmap.statistics();
            // An array grows by doubling; a dense container has one bit for each key of its range.
            let arrays =
                4 * told.n_values_array_containers as usize + 8 * told.n_values_run_containers as usize;
            let dense = told.n_bitset_containers as usize * (1 << 16) / 8;
            BITMAP + told.n_containers as usize * CONTAINER + arrays + dense
        });
        bitmaps.sum()
    }

    fn count(&mut self, batch: &Batch, rows: impl Iterator<Item = usize>) {
        let keys = rows.filter_map(|row| batch.get(row, self.input));
        self.keys.extend(keys.filter_map(value::integer).map(unsigned));
    }

    fn new(input: usize) -> Counted {
        Counted {
            input,
            keys: RoaringTreemap::new(),
        }
    }
}

/// The input of an entity's key, where it is an integer, and each row is one of the target.
fn own_input(entity: &EntityPlan) -> Option<usize> {
    let identity = &entity.identity;
    let plain = identity.merge.is_none() && identity.natural_key.is_none() && identity.mint != Mint::Place;
    match identity.key.as_slice() {
        [part] if plain => integer_input(part.text),
        _ => None,
    }
}

/// The input of a reference by an integer to one parent.
pub(super) fn referring_input(program: &RefProgram) -> Option<usize> {
    match (program.parts.as_slice(), program.parents.as_slice()) {
        ([part], [_]) if program.discriminator.is_none() => integer_input(*part),
        _ => None,
    }
}

/// The name by which the UUIDs of a reference's only parent are derived from its keys, and from nothing else.
fn derived_by(program: &RefProgram) -> Option<&str> {
    match program.parents.as_slice() {
        [(_, Resolution::Derive { name })] => Some(name),
        _ => None,
    }
}

fn integer_input(text: KeyText) -> Option<usize> {
    match text {
        KeyText::Input(input, Canonical::Integer) => Some(input),
        _ => None,
    }
}

/// Keys in their order, as a bitmap counts.
fn unsigned(key: i64) -> u64 {
    key.cast_unsigned() ^ (1 << 63)
}

fn signed(key: u64) -> i64 {
    (key ^ (1 << 63)).cast_signed()
}
