use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use driftless_core::catalog::Catalog;
use driftless_core::code;
use driftless_core::name::{QualifiedName, quote_literal};
use driftless_core::plan::{EntityPlan, Mint, Plan};
use driftless_core::transform::Census;
use driftless_pg::{Session, Transaction};
use tokio::sync::Notify;
use uuid::Uuid;

use super::gather::{self, Allowance, Among, Look, WITH_ORPHAN, look, suspected, with_suspects};
use super::known::{Censuses, Known};
use super::leave::{Leaving, literal_or_null};
use super::merged::merged;
use super::null::Nulling;
use super::site::{ForeignSite, Missing, Site, sites_of};
use super::{Corrections, Tally, absent};
use crate::apply::aside::{Later, Recorded, spread};
use crate::apply::finish::gathered;
use crate::apply::guarded;
use crate::apply::referrer::{Along, referrers, refuse};
use crate::error::{InContext as _, Result};
use crate::store::Store;
use crate::store::aside::Scope;

/// What references are proven of, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Proving<'a> {
    /// The plan of everything that is in the target.
    pub plan: &'a Plan,
    /// The target's catalog, as it was before anything was set aside.
    pub target: &'a Catalog,
    /// The foreign keys that hold.
    pub foreign: &'a [ForeignSite],
    /// The keys of entities that were loaded from the first row to the last, as far as they were counted.
    pub censuses: &'a Censuses,
    /// What other proofs have corrected since.
    pub corrected: &'a Corrections,
    /// Statements that gather statistics, which are due when it is done: sessions run them that would wait.
    pub meanwhile: &'a [String],
    /// What is set aside: they build indexes of it then that no proof needs.
    pub aside: Option<&'a Recorded>,
}

/// Proves every foreign key of the plan's tables and every reference of the plan, and corrects what breaks them, to a
/// fixpoint. Everything is looked at once, over all sessions; after that only what may refer to rows that have left
/// meanwhile (semi-naive evaluation, as of recursive queries). One transaction per entity and step.
///
/// Where the keys of a reference were counted while rows were loaded, only those are looked at that lead nowhere. A foreign key for
/// which that went wrong is found when it is validated: then the proof has to be repeated without censuses.
///
/// # Errors
/// A lost lease or connection, or what the server refuses: what is committed by then stands, and starting again goes on.
pub async fn references(
    sessions: &mut [Session],
    scope: &Scope<'_>,
    proving: &Proving<'_>,
) -> Result<Corrections> {
    let Proving { plan, meanwhile, .. } = *proving;
    let mut watched = watched(scope.store, proving);
    let Some(session) = sessions.first_mut() else {
        return Ok(Corrections::default());
    };
    // What a proof that was interrupted has taken out takes its others along.
    for entity in &plan.entities {
        merged(session, scope, entity).await?;
    }
    let all = watched.iter().flat_map(|(_, sites)| sites).map(|one| &one.site);
    let known = Known::of(session, scope.store, proving.censuses, proving.corrected, all).await?;
    look_at_all(sessions, plan, &mut watched, &known).await?;
    let mut sites = watched.iter().flat_map(|(_, sites)| sites);
    if sites.all(|watched| watched.seen.is_some()) {
        // Nobody leaves, so that nobody has to name an absent parent.
        sample(sessions, meanwhile).await?;
        return Ok(Corrections::default());
    }
    let all = sessions.len();
    let Some((session, idle)) = sessions.split_first_mut() else {
        return Ok(Corrections::default());
    };
    let later = match (proving.aside, idle.first_mut()) {
        (Some(aside), Some(idle)) => Later::of(idle, scope, aside, all).await?,
        _ => Later::default(),
    };
    if idle.is_empty() {
        let corrections = to_fixpoint(session, scope, proving, &later, &mut watched).await?;
        sample(sessions, meanwhile).await?;
        return Ok(corrections);
    }
    // One behind the other: a table that is sampled and one that is indexed keep each other waiting.
    let sampled = Notify::new();
    let correcting = async {
        let corrections = to_fixpoint(session, scope, proving, &later, &mut watched).await;
        if corrections.is_err() {
            // Of what is built from now on nothing would stay.
            later.stop();
        }
        sampled.notified().await;
        later.build(std::slice::from_mut(session), scope).await?;
        corrections
    };
    let others = async {
        let done = sample(idle, meanwhile).await;
        if done.is_err() {
            later.stop();
        }
        sampled.notify_one();
        done?;
        later.build(idle, scope).await
    };
    // Each ends what it has begun: the locks of what is left behind would stand in the way of what comes next.
    let (corrections, others) = tokio::join!(correcting, others);
    let corrections = corrections?;
    others?;
    Ok(corrections)
}

/// The sites of each entity, before they are looked at.
fn watched<'p>(store: &Store, proving: &Proving<'p>) -> Vec<(&'p EntityPlan, Vec<Watched>)> {
    let entities = proving.plan.entities.iter();
    let keyed = entities.filter(|entity| !entity.identity.key.is_empty());
    keyed
        .map(|entity| {
            let sites = sites_of(proving.plan, entity, proving.target, proving.foreign, store);
            let watched = sites.into_iter().map(|site| Watched {
                site,
                seen: None,
                broken: Among::All,
            });
            (entity, watched.collect())
        })
        .collect()
}

async fn sample(sessions: &mut [Session], statements: &[String]) -> Result<()> {
    let run = async |session: &mut Session, statement: &String| {
        Ok(gathered(statement, session.batch(statement).await)?)
    };
    spread(sessions, statements, run).await?;
    Ok(())
}

/// Corrects what is broken, until nothing is.
async fn to_fixpoint(
    session: &mut Session,
    scope: &Scope<'_>,
    proving: &Proving<'_>,
    later: &Later,
    watched: &mut [(&EntityPlan, Vec<Watched>)],
) -> Result<Corrections> {
    let Proving { plan, target, .. } = *proving;
    let sites = watched.iter().flat_map(|(_, sites)| sites);
    let parents: BTreeSet<String> = sites.flat_map(|one| one.site.parents.iter().cloned()).collect();
    absent::fill(
        session,
        scope,
        plan,
        &parents.iter().map(String::as_str).collect(),
    )
    .await?;
    let mut corrections = Corrections::default();
    let mut left = Left::default();
    loop {
        let mut whole = true;
        let due = watched
            .iter()
            .filter(|(_, sites)| sites.iter().any(|one| left.concerns(one)));
        later.want(due.map(|(entity, _)| &entity.into));
        let mut nulled: BTreeSet<Nulled<'_>> = BTreeSet::new();
        for (entity, sites) in watched.iter_mut() {
            // Rows that refer to rows of their own table leave to the last before others are looked at.
            loop {
                let mut due: Vec<&mut Watched> = sites.iter_mut().filter(|one| left.concerns(one)).collect();
                if due.is_empty() {
                    break;
                }
                whole = false;
                left.step += 1;
                let held = later.hold(&entity.into, target).await;
                let tally = correct(session, scope, plan, entity, &due, left.step)
                    .await
                    .context(proof_of(entity))?;
                drop(held);
                due.iter_mut().for_each(|one| one.corrected(left.step));
                if tally.rejected + tally.parked > 0 {
                    left.last.insert(entity.name.clone(), left.step);
                    merged(session, scope, entity).await?;
                }
                if tally.nulled > 0 {
                    let table = &entity.into;
                    let columns = due.iter().flat_map(|one| one.site.missing.nulled());
                    nulled.extend(columns.map(|column| Nulled { table, column }));
                }
                corrections.add(&Corrections::of(&entity.name, tally));
            }
        }
        for one in nulled {
            look_again(watched, &one);
        }
        if whole {
            return Ok(corrections);
        }
    }
}

/// A site, and how far it is known to be whole.
#[derive(Debug)]
struct Watched {
    site: Site,
    /// The last step of the proof whose leaving rows it was looked at for; none where it has orphans, or may have some.
    seen: Option<i32>,
    /// Which rows those are among.
    broken: Among,
}

impl Watched {
    /// Which rows may be orphans.
    fn among(&self, entity: &EntityPlan) -> Among {
        // A row that is told by its place is told by columns that `*` leaves out.
        let told = entity.identity.mint != Mint::Place;
        match (self.seen, &self.site.refers) {
            (None, _) => self.broken.clone(),
            (Some(seen), Some(refers)) if told => Among::Suspects(suspected(&self.site, refers, seen)),
            _ => Among::All,
        }
    }

    /// It was looked at in a step of the proof. Rows that left in that very step were not looked for everywhere; where it was known
    /// by their keys which rows are orphans, what has left since the first look was not looked for at all.
    fn corrected(&mut self, step: i32) {
        self.seen = match (self.seen, &self.broken) {
            (None, Among::Keys(_)) => Some(0),
            _ => Some(step - 1),
        };
    }
}

/// Rows that have left since the proof began, counted in steps.
#[derive(Debug, Default)]
struct Left {
    step: i32,
    /// The last step in which rows of an entity left.
    last: BTreeMap<String, i32>,
}

impl Left {
    fn concerns(&self, watched: &Watched) -> bool {
        let Some(seen) = watched.seen else { return true };
        let mut parents = watched.site.parents.iter();
        parents.any(|parent| self.last.get(parent).is_some_and(|last| *last > seen))
    }
}

/// A value that became null may have been referred to, and may be part of another reference of its own row.
fn look_again(watched: &mut [(&EntityPlan, Vec<Watched>)], nulled: &Nulled<'_>) {
    for (entity, sites) in watched {
        for one in sites.iter_mut().filter(|one| nulled.concerns(entity, &one.site)) {
            one.seen = None;
            one.broken = Among::All;
        }
    }
}

/// A column of a table in which references became null.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Nulled<'p> {
    table: &'p QualifiedName,
    column: String,
}

impl Nulled<'_> {
    /// Whether a reference may be broken by it. One of a single column is whole where that is null.
    fn concerns(&self, entity: &EntityPlan, site: &Site) -> bool {
        let part =
            entity.into == *self.table && site.columns.len() > 1 && site.columns.contains(&self.column);
        let referred = site
            .parent_columns
            .contains(&(self.table.clone(), self.column.clone()));
        part || referred
    }
}

fn proof_of(entity: &EntityPlan) -> String {
    format!("proof of references of entity {}", entity.name)
}

/// Looks for orphans everywhere.
async fn look_at_all(
    sessions: &mut [Session],
    plan: &Plan,
    watched: &mut [(&EntityPlan, Vec<Watched>)],
    known: &Known<'_>,
) -> Result<()> {
    let sites = watched
        .iter_mut()
        .flat_map(|(entity, sites)| sites.iter_mut().map(|one| (*entity, one)));
    let mut sites: Vec<(&EntityPlan, &mut Watched)> = sites.collect();
    let dangling = |(entity, one): &(&EntityPlan, &mut Watched)| known.dangling(plan, entity, &one.site);
    let mut questions: Vec<(usize, Option<Vec<Uuid>>)> = sites.iter().map(dangling).enumerate().collect();
    // What joins whole tables first, with the most of them first, so that no session ends long after the others.
    questions
        .sort_by_key(|(number, dangling)| (dangling.is_some(), Reverse(sites[*number].1.site.parents.len())));
    let allowance = Allowance::new();
    let looks = spread(sessions, &questions, async |session, (number, dangling)| {
        let (entity, one) = &sites[*number];
        let found = look(session, entity, &one.site, dangling.as_deref(), &allowance).await;
        Ok((*number, found.context(proof_of(entity))?))
    })
    .await?;
    for (number, found) in looks {
        match found {
            Look::Whole => sites[number].1.seen = Some(0),
            Look::Broken(among) => sites[number].1.broken = among,
        }
    }
    Ok(())
}

async fn correct(
    session: &mut Session,
    scope: &Scope<'_>,
    plan: &Plan,
    entity: &EntityPlan,
    sites: &[&mut Watched],
    step: i32,
) -> Result<Tally> {
    let tx = guarded::rows(session, scope, &entity.into).await?;
    let mut tally = Tally::default();
    let among: Vec<Among> = sites.iter().map(|watched| watched.among(entity)).collect();
    let suspected = with_suspects(&tx, entity, &among).await?;
    let sites = sites.iter().zip(among).zip(suspected).enumerate();
    for (number, ((watched, among), _)) in sites.filter(|(_, (_, suspected))| *suspected) {
        let proof = Proof {
            scope,
            plan,
            entity,
            site: &watched.site,
            number,
            among,
            step,
        };
        let orphans = proof.gather(&tx).await?;
        match &watched.site.missing {
            _ if orphans == 0 => {}
            Missing::Leave { parked } => proof.leave(&tx, *parked, &mut tally).await?,
            Missing::Null {
                assignments, outputs, ..
            } => {
                let nulling = Nulling {
                    proof: &proof,
                    assignments,
                    outputs,
                };
                nulling.run(&tx, orphans, &mut tally).await?;
            }
        }
        proof.forget(&tx).await?;
    }
    tx.commit(scope, Corrections::of(&entity.name, tally).counts())
        .await?;
    Ok(tally)
}

/// The statements that ask whether an entity's references are whole: what they are for, and how it is asked. Where keys were `counted`
/// those that lead nowhere are asked about, if there are any; `counted` says of which entities one run loads every row.
pub fn questions(
    store: &Store,
    plan: &Plan,
    entity: &EntityPlan,
    target: &Catalog,
    foreign: &[ForeignSite],
    counted: impl Fn(&str) -> bool,
) -> Vec<(String, String)> {
    if entity.identity.key.is_empty() {
        return Vec::new();
    }
    let sites = sites_of(plan, entity, target, foreign, store);
    let question = |site: &Site| {
        let parent = &site.parent_label;
        let parent_counted = site.counted.as_ref().is_some_and(|one| counted(&one.parent));
        if parent_counted && counted(&entity.name) && is_counted(plan, entity, site) {
            let step = format!("find references to missing {parent}");
            (step, gather::question_of_dangling(entity, site))
        } else {
            (
                format!("prove references to {parent}"),
                gather::question(entity, site),
            )
        }
    };
    sites.iter().map(question).collect()
}

fn is_counted(plan: &Plan, entity: &EntityPlan, site: &Site) -> bool {
    let told = site.counted.as_ref().and_then(|counted| {
        let parent = Census::of(plan.entity(&counted.parent)?);
        let program = entity.program.refs.get(counted.reference)?;
        Some(Census::of(entity).tells((program, counted.reference), &parent))
    });
    told == Some(true)
}

/// The proof of one reference of an entity.
pub(super) struct Proof<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) plan: &'a Plan,
    pub(super) entity: &'a EntityPlan,
    pub(super) site: &'a Site,
    /// Among those of the entity that are looked at together.
    pub(super) number: usize,
    pub(super) among: Among,
    pub(super) step: i32,
}

impl Proof<'_> {
    /// Finds the orphans, for what follows; how many there are.
    pub(super) async fn gather(&self, tx: &Transaction<'_>) -> Result<u64> {
        gather::gather(tx, self.scope, self.entity, (self.site, self.number), &self.among).await
    }

    /// Forgets them.
    pub(super) async fn forget(&self, tx: &Transaction<'_>) -> Result<()> {
        gather::forget(tx).await
    }

    /// The orphans leave.
    pub(super) async fn leave(&self, tx: &Transaction<'_>, parked: bool, tally: &mut Tally) -> Result<()> {
        self.ask(tx).await?;
        let rows = tx.execute(&self.leave_sql(parked), &[]).await?;
        if parked {
            tally.parked += rows;
        } else {
            tally.rejected += rows;
        }
        Ok(())
    }

    fn leaving(&self) -> Leaving<'_> {
        Leaving {
            scope: self.scope,
            plan: self.entity,
            rows: "orphan",
            prefix: "",
        }
    }

    fn leave_sql(&self, parked: bool) -> String {
        let leaving = self.leaving();
        format!(
            "{WITH_ORPHAN},
                  gone AS ({rows}),
                  forgotten AS ({identities}),
                  remembered AS ({remembered}),
                  noted AS ({noted})
             {record}",
            rows = leaving.delete_rows(),
            identities = leaving.delete_identities(),
            remembered = leaving.remember("true"),
            noted = leaving.note_left(self.step),
            record = leaving.record(&self.rejects(parked)),
        )
    }

    /// What is recorded of the orphans: that their parent was left out, where its key is known, else that it is missing.
    fn rejects(&self, parked: bool) -> String {
        let site = self.site;
        let parents: Vec<String> = site.parents.iter().map(|parent| quote_literal(parent)).collect();
        let what = match &site.column {
            Some(column) => format!("column {column}"),
            None => "it".to_owned(),
        };
        format!(
            "SELECT {key}, '{state}'::text, 'reference'::text,
                    CASE WHEN a.key IS NULL THEN '{missing}' ELSE '{rejected}' END,
                    {sqlstate},
                    CASE WHEN a.key IS NULL THEN {is_missing} ELSE {is_rejected} END,
                    {column}, {constraint}, a.entity, a.key
               FROM orphan
               LEFT JOIN pg_temp.driftless_absent AS a
                      ON a.target = orphan.value COLLATE pg_catalog.\"C\" AND a.entity = ANY (ARRAY[{parents}]::text[])",
            key = self.leaving().key_text(),
            state = if parked { "parked" } else { "rejected" },
            missing = code::ROW_REFERENCE_MISSING,
            rejected = code::ROW_PARENT_REJECTED,
            sqlstate = literal_or_null(site.constraint.as_ref().map(|_| "23503")),
            is_missing = quote_literal(&format!("{what} refers to a row that is not in {}", site.parent_label)),
            is_rejected = quote_literal(&format!("{what} refers to a row of {} that was left out", site.parent_label)),
            column = literal_or_null(site.column.as_deref()),
            constraint = literal_or_null(site.constraint.as_deref()),
            parents = parents.join(", "),
        )
    }

    /// Refuses where rows of others refer to rows that would leave.
    async fn ask(&self, tx: &Transaction<'_>) -> Result<()> {
        let (store, table) = (self.scope.store, &self.entity.into);
        let referrers = referrers(tx, store, self.plan, table, Along::Lost).await?;
        let from = format!(
            "orphan JOIN {} AS p ON {}",
            table.sql(),
            self.leaving().same_row("p")
        );
        refuse(tx, &referrers, WITH_ORPHAN, &from).await
    }
}
