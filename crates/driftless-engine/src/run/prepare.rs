//! From a mapping to a plan: connects, looks at both sides, asks PostgreSQL about every expression, compiles.

use std::collections::BTreeSet;
use std::time::Duration;

use driftless_core::catalog::{Catalog, ExpressionRequest, Relation, RelationKind};
use driftless_core::code;
use driftless_core::error::{Finding, blocks};
use driftless_core::plan::aside::{AsideItem, Silencing, with_autovacuum_back, with_keys_back};
use driftless_core::plan::{self, EntityPlan, Facts, Plan};
use driftless_core::spec::{EntitySpec, From, ServerSpec, Spec};
use driftless_core::survey::{self, Ground};
use driftless_pg::{ConnectConfig, Param, Pool, PoolLimits, Session, Surroundings};
use futures_util::future::try_join_all;

use crate::apply::fence::Fence;
use crate::error::{EngineError, InContext as _, Result};
use crate::introspect::{Wanted, describe_expressions, describe_query, introspect};
use crate::preflight::privileges::{self, Side};
use crate::preflight::{encoding, replica_role, trial};
use crate::shape::constants::{self, RunFacts};
use crate::shape::evaluate;
use crate::store::Store;
use crate::store::aside::{self, AsideState};
use crate::store::entity::{self, Begun, Phase};
use crate::store::lease;
use crate::store::schema::{self, Place, Presence};

/// A plan with everything it was made from.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The state that it belongs to.
    pub store: Store,
    /// How to reach the source.
    pub source: Pool,
    /// How to reach the target.
    pub target: Pool,
    /// The source.
    pub source_catalog: Catalog,
    /// The target.
    pub target_catalog: Catalog,
    /// How triggers are kept silent in the target.
    pub silencing: Silencing,
    /// Whether the target has state of this pipeline.
    pub presence: Presence,
    /// Where it would be made.
    pub place: Place,
    /// How often the lease had been taken before anything was looked at: a later one means that it may be otherwise now.
    pub epoch: i64,
    /// Entities whose load has begun.
    pub begun: Vec<Begun>,
    /// What earlier runs have set aside for entities that are under way, whether it is back or not.
    pub recorded: Vec<AsideItem>,
    /// Findings that do not block.
    pub findings: Vec<Finding>,
}

impl Prepared {
    /// The relation that an entity's rows come from, if it is one.
    pub fn origin(&self, entity: &EntityPlan) -> Option<&Relation> {
        self.source_catalog.relation(entity.origin.relation.as_ref()?)
    }

    /// What an entity's tables were when the plan was made.
    pub fn fence(&self, entity: &EntityPlan) -> Fence {
        Fence::around(
            entity,
            self.origin(entity),
            self.target_catalog.relation(&entity.into),
        )
    }
}

/// Sessions of a run beyond those of its streams: two that hold the pipeline, one of the snapshot or of a check, one that
/// puts things back.
const BESIDE_STREAMS: usize = 4;

/// The two ends of a mapping, each with a pool of its own. Nothing is connected yet.
pub fn endpoints(spec: &Spec) -> Result<(Pool, Pool)> {
    Ok((
        pool(spec, &spec.source).context("[source] url")?,
        pool(spec, &spec.target).context("[target] url")?,
    ))
}

fn pool(spec: &Spec, server: &ServerSpec) -> Result<Pool> {
    let variables = spec.variables.iter();
    let surroundings =
        Surroundings::of(variables.map(|(name, value)| (name.clone(), value.expose().to_owned())));
    let config = ConnectConfig::parse_within(server.url.expose(), &surroundings)?;
    let limits = PoolLimits {
        // Each stream of a load writes with two sessions of the target in turn, and evaluates with a third.
        sessions: server.max_connections + server.max_connections / 2 + BESIDE_STREAMS,
        acquire: Duration::from_millis(server.acquire_timeout_ms),
        idle: Duration::from_millis(server.idle_timeout_ms),
    };
    Ok(Pool::new(config, limits))
}

/// What to do about an expression where PostgreSQL says nothing more.
const EXPRESSION_REMEDY: &str =
    "write one expression over the source's columns as PostgreSQL of the target reads it";

/// Prepares a plan. Everything that forbids it comes at once.
pub async fn prepare(spec: &Spec) -> Result<Prepared> {
    prepare_to_run(spec, [&[], &[]]).await
}

/// The same for a run, which will want sessions of source and target for these purposes: they are opened meanwhile.
pub async fn prepare_to_run(spec: &Spec, ahead: [&[&'static str]; 2]) -> Result<Prepared> {
    let (source, target) = endpoints(spec)?;
    let store = Store::new(spec.pipeline.state_schema.clone(), spec.pipeline.name.clone());
    let (mut source_session, mut target_session) = opened([&source, &target], ahead).await?;
    let (from, into) = (wanted_source(spec), wanted_target(spec));
    let (standing, place, silencing, catalogs) = tokio::join!(
        standing(&target_session, &store),
        schema::place(&target_session, &store),
        silencing(&target_session),
        async {
            tokio::try_join!(
                introspect(&source_session, &from),
                introspect(&target_session, &into)
            )
        }
    );
    // State that is not ours is told first: nothing else matters then.
    let Standing {
        presence,
        epoch,
        begun,
        recorded,
        aside,
    } = standing?;
    let (source_catalog, target_catalog) = catalogs?;
    let (place, silencing) = (place?, silencing?);
    // What this pipeline has set aside is still so: autovacuum looks after these tables, and keys are keys.
    let target_catalog = with_autovacuum_back(target_catalog, &aside);
    let keyed_catalog = with_keys_back(target_catalog.clone(), &aside);
    if !target_catalog.may_create_temp {
        // Nothing can be tried without them, and what was tried would be told as wrong.
        let finding = privileges::no_temporary_tables(&target_catalog.role, target.database());
        return Err(EngineError::findings(vec![finding]));
    }
    let mut findings = Vec::new();
    let mut facts = facts_of(&begun);
    said(
        spec,
        (&source_session, &target_session),
        &mut facts,
        &mut findings,
    )
    .await?;
    expressions(
        spec,
        &source_catalog,
        &keyed_catalog,
        &mut target_session,
        &mut facts,
        &mut findings,
    )
    .await?;
    let plan = compiled(spec, &source_catalog, &keyed_catalog, &facts, &mut findings);
    if presence == Presence::Absent && place == Place::Forbidden {
        findings.push(privileges::no_place_for_state(
            store.schema(),
            &target_catalog.role,
        ));
    }
    if let Some(plan) = &plan {
        adoptions(spec, plan, &target_session, &mut findings).await?;
        let source = Side::of(&source_catalog, &source_session);
        let target = Side::of(&target_catalog, &target_session);
        let (of_rights, of_evaluations) = tokio::try_join!(
            privileges::findings(plan, source, target),
            evaluations(plan, &target_session)
        )?;
        findings.extend(of_rights.into_iter().chain(of_evaluations));
        if !blocks(&findings) {
            findings.extend(occupied(plan, &target_catalog, &begun));
        }
        let ground = Ground {
            spec,
            plan,
            source: &source_catalog,
            target: &target_catalog,
            silencing,
        };
        surveyed(ground, (&mut source_session, &mut target_session), &mut findings).await?;
    }
    match plan {
        Some(plan) if !blocks(&findings) => Ok(Prepared {
            plan,
            store,
            source,
            target,
            source_catalog,
            target_catalog,
            silencing,
            presence,
            place,
            epoch,
            begun,
            recorded,
            findings,
        }),
        _ => Err(EngineError::findings(findings)),
    }
}

/// A session with each, behind which others are opened.
async fn opened([source, target]: [&Pool; 2], ahead: [&[&'static str]; 2]) -> Result<(Session, Session)> {
    let sessions = tokio::try_join!(
        async { source.session("check").await.context("[source]") },
        async { target.session("check").await.context("[target]") }
    )?;
    source.open_ahead(ahead[0].iter().copied());
    target.open_ahead(ahead[1].iter().copied());
    Ok(sessions)
}

/// What is known before anything is asked.
fn facts_of(begun: &[Begun]) -> Facts {
    let loads = begun.iter().filter(|one| one.path == plan::Path::Load);
    Facts {
        begun: loads.map(|one| one.table.clone()).collect(),
        ..Facts::default()
    }
}

/// The plan, or why there is none.
fn compiled(
    spec: &Spec,
    source: &Catalog,
    target: &Catalog,
    facts: &Facts,
    findings: &mut Vec<Finding>,
) -> Option<Plan> {
    match plan::compile(spec, source, target, facts) {
        Ok((plan, more)) => {
            findings.extend(more);
            Some(plan)
        }
        Err(more) => {
            let told: Vec<Finding> = more
                .into_iter()
                .filter(|finding| !is_told(finding, findings))
                .collect();
            findings.extend(told);
            None
        }
    }
}

/// What this pipeline has done already.
struct Standing {
    presence: Presence,
    epoch: i64,
    begun: Vec<Begun>,
    /// What was set aside for entities that are under way.
    recorded: Vec<AsideItem>,
    /// What of it is not back.
    aside: Vec<AsideItem>,
}

async fn standing(session: &Session, store: &Store) -> Result<Standing> {
    let presence = schema::presence(session, store).await?;
    if presence == Presence::Absent {
        return Ok(Standing {
            presence,
            epoch: 0,
            begun: Vec::new(),
            recorded: Vec::new(),
            aside: Vec::new(),
        });
    }
    let records = aside::all(session, store).await?;
    let begun = entity::begun(session, store).await?;
    // What a load that has ended silenced is others' business again.
    let under_way = |item: &AsideItem| {
        let mut open = begun
            .iter()
            .filter(|one| matches!(one.phase, Phase::Loading | Phase::Loaded));
        open.any(|one| item.is_for(&one.entity))
    };
    let outstanding = records
        .iter()
        .filter(|record| record.state != AsideState::Restored);
    Ok(Standing {
        presence,
        epoch: lease::epoch(session, store).await?,
        aside: outstanding.map(|record| record.item.clone()).collect(),
        recorded: records
            .into_iter()
            .map(|record| record.item)
            .filter(under_way)
            .collect(),
        begun,
    })
}

/// Tables that are named in a note; more are counted.
const NAMED_TABLES: usize = 5;

/// Tables that hold rows of which this pipeline knows nothing, and whose entities take none of them over.
fn occupied(plan: &Plan, target: &Catalog, begun: &[Begun]) -> Option<Finding> {
    let ours = |entity: &EntityPlan| begun.iter().any(|one| one.table == entity.into);
    let takes_over =
        |entity: &EntityPlan| entity.identity.adopt.is_some() || entity.identity.natural_key.is_some();
    let occupied = |entity: &EntityPlan| {
        // Views and foreign tables count as filled: nobody has looked.
        target.relation(&entity.into).is_some_and(|into| {
            into.has_rows && matches!(into.kind, RelationKind::Table | RelationKind::Partitioned)
        })
    };
    let found: BTreeSet<String> = plan
        .entities
        .iter()
        .filter(|entity| occupied(entity) && !takes_over(entity) && !ours(entity))
        .map(|entity| entity.into.to_string())
        .collect();
    let mut names: Vec<&str> = found.iter().map(String::as_str).take(NAMED_TABLES).collect();
    let more = format!("{} more", found.len() - names.len());
    if found.len() > names.len() {
        names.push(&more);
    }
    let has = match found.len() {
        0 => return None,
        1 => "has",
        _ => "have",
    };
    let message = format!(
        "{} {has} rows that this pipeline did not write; they stay as they are, and a row that repeats one of their unique \
         values is rejected",
        names.join(", ")
    );
    Some(
        Finding::note(code::TARGET_OCCUPIED, "the target", message).remedy(
            "if an earlier migration wrote them, take their keys over with `adopt` beside the identity; `match` finds them by a value",
        ),
    )
}

/// What surrounds the tables, and what only trying tells.
async fn surveyed(
    ground: Ground<'_>,
    (source_session, target_session): (&mut Session, &mut Session),
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (plan, source) = (ground.plan, ground.source);
    // A right that is known to be missing would be told twice.
    let rights = !blocks(findings);
    findings.extend(survey::findings(ground));
    if rights {
        let (of_source, of_target) = tokio::try_join!(
            trial::source(plan, source_session, findings),
            trial::target(plan, target_session, findings)
        )?;
        findings.extend(of_source);
        findings.extend(of_target);
    }
    if !blocks(findings) {
        encoding::findings(plan, source, source_session, findings).await?;
    }
    Ok(())
}

/// How triggers are kept silent: by trying.
async fn silencing(target: &Session) -> Result<Silencing> {
    Ok(if replica_role::probe(target).await? {
        Silencing::ReplicaRole
    } else {
        Silencing::EachTrigger
    })
}

/// An expression that PostgreSQL refused is told once, with PostgreSQL's reason.
fn is_told(finding: &Finding, told: &[Finding]) -> bool {
    finding.code == code::BAD_EXPRESSION && told.iter().any(|other| other.span == finding.span)
}

fn wanted_source(spec: &Spec) -> Wanted {
    let named = spec
        .entities
        .iter()
        .filter_map(|entity| match &entity.from.value {
            From::Relation(name) => Some(name.clone()),
            From::Query(_) => None,
        });
    Wanted {
        all: true,
        ..Wanted::only(named)
    }
}

fn wanted_target(spec: &Spec) -> Wanted {
    Wanted {
        all: true,
        ..Wanted::only(spec.entities.iter().map(|entity| entity.into.value.clone()))
    }
}

/// What the servers say to the queries, zones and conditions of a mapping, which do not depend on each other.
async fn said(
    spec: &Spec,
    (source, target): (&Session, &Session),
    facts: &mut Facts,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (described, of_zones, of_conditions) = tokio::try_join!(
        queries(spec, source),
        zones(spec, target),
        conditions(spec, source)
    )?;
    for described in described {
        match described {
            Ok((entity, relation)) => {
                facts.queries.insert(entity, relation);
            }
            Err(found) => findings.extend(found),
        }
    }
    findings.extend(of_zones);
    findings.extend(of_conditions);
    Ok(())
}

/// What each query gives, or what is wrong with it.
type Queried = std::result::Result<(String, Relation), Vec<Finding>>;

async fn queries(spec: &Spec, source: &Session) -> Result<Vec<Queried>> {
    let queries = spec
        .entities
        .iter()
        .filter_map(|entity| match &entity.from.value {
            From::Relation(_) => None,
            From::Query(sql) => Some((entity, sql)),
        });
    let described = queries.map(async |(entity, sql)| match describe_query(source, sql).await {
        Ok(relation) => Ok(Ok((entity.name.clone(), relation))),
        Err(error) if error.pg().is_none() || error.exit() == driftless_core::code::Exit::Usage => {
            let found = error.context(format!("entity {}", entity.name)).into_findings();
            let found = found.into_iter().map(|finding| finding.at(entity.from.span));
            Ok(Err(found.collect()))
        }
        Err(error) => Err(error),
    });
    try_join_all(described).await
}

/// Filters, and what rows are merged on, run on the source: PostgreSQL there is the judge, and asked for all of them at once.
async fn conditions(spec: &Spec, source: &Session) -> Result<Vec<Finding>> {
    let filters = spec.entities.iter().filter_map(|entity| {
        let filter = entity.filter.as_ref()?;
        let sql = format!("SELECT FROM {} WHERE ({}\n)", read_from(entity), filter.value);
        let remedy = "write a condition over the source's columns, as PostgreSQL there reads it";
        Some((entity, "where", filter.span, sql, remedy))
    });
    let merges = spec.entities.iter().filter_map(|entity| {
        let on = &entity.merge.as_ref()?.on;
        let sql = format!(
            "SELECT pg_catalog.count(*) OVER (PARTITION BY ({}\n)) FROM {}",
            on.value,
            read_from(entity)
        );
        let remedy = "write an expression over the source's columns, as PostgreSQL there reads it";
        Some((entity, "merge_on", on.span, sql, remedy))
    });
    let asked = filters
        .chain(merges)
        .map(async |(entity, what, span, sql, remedy)| {
            let Err(error) = source.describe(&sql, &[]).await else {
                return Ok(None);
            };
            let Some(server) = error.server() else {
                return Err(EngineError::from(error));
            };
            // A relation that is not there is a finding of its own.
            let finding = (server.sqlstate != "42P01").then(|| {
                let place = format!("entity {}, {what}", entity.name);
                Finding::error(code::BAD_EXPRESSION, place, server.message.clone())
                    .at(span)
                    .remedy(remedy)
            });
            Ok(finding)
        });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

/// What an entity is read from, as it stands in FROM.
fn read_from(entity: &EntitySpec) -> String {
    match &entity.from.value {
        From::Relation(name) => name.sql(),
        From::Query(sql) => format!("({sql}\n) AS \"driftless query\""),
    }
}

/// A zone must be one that the target knows: it is the target that converts.
async fn zones(spec: &Spec, target: &Session) -> Result<Vec<Finding>> {
    let said = [("[source]", &spec.source.zone), ("[target]", &spec.target.zone)];
    let said = said
        .into_iter()
        .filter_map(|(section, zone)| Some((section, zone.as_ref()?)));
    let asked = said.map(async |(section, zone)| {
        let sql = "SELECT pg_catalog.timezone($1::text, '2000-01-01 00:00:00'::timestamp)";
        let Err(error) = target.query(sql, &[Param::text(zone.value.as_str())]).await else {
            return Ok(None);
        };
        let Some(server) = error.server() else {
            return Err(EngineError::from(error));
        };
        let place = format!("{section} zone");
        let finding = Finding::error(code::INVALID_VALUE, place, server.message.clone())
            .at(zone.span)
            .remedy("name a zone of pg_timezone_names, such as Europe/Paris");
        Ok(Some(finding))
    });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

/// What `adopt` yields must be a legacy key and a UUID.
async fn adoptions(spec: &Spec, plan: &Plan, target: &Session, findings: &mut Vec<Finding>) -> Result<()> {
    for entity in &plan.entities {
        let Some(sql) = &entity.identity.adopt else {
            continue;
        };
        let keys: Vec<String> = (1..=entity.identity.key.len())
            .map(|number| format!("k{number}"))
            .collect();
        let names = keys.join(", ");
        let sql = format!("SELECT {names}, (id)::pg_catalog.uuid FROM ({sql}\n) AS q ({names}, id)");
        if let Err(error) = target.describe(&sql, &[]).await {
            let Some(server) = error.server() else {
                return Err(error.into());
            };
            let finding = Finding::error(
                code::BAD_EXPRESSION,
                format!("entity {}, adopt", entity.name),
                server.message.clone(),
            )
            .remedy("write a query of the target that yields the legacy key's columns and the uuid, in this order");
            let span = spec
                .entity(&entity.name)
                .and_then(|said| said.adopt.as_ref())
                .map(|adopt| adopt.span);
            findings.push(match span {
                Some(span) => finding.at(span),
                None => finding,
            });
        }
    }
    Ok(())
}

async fn expressions(
    spec: &Spec,
    source: &Catalog,
    target: &Catalog,
    session: &mut Session,
    facts: &mut Facts,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let asked = plan::expressions(spec, source, target, facts);
    if asked.is_empty() {
        return Ok(());
    }
    session
        .batch(&format!("SET search_path = {}", evaluate::SEARCH_PATH))
        .await?;
    let requests: Vec<ExpressionRequest> = asked.iter().map(|one| one.request.clone()).collect();
    let described = describe_expressions(session, &requests).await?;
    for (one, described) in asked.into_iter().zip(described) {
        match described {
            Ok(found) => {
                facts.expressions.insert(one.key, found);
            }
            Err(problem) => findings.push(
                Finding::error(
                    problem.code(),
                    format!("entity {}, {}", one.key.entity, one.key.place),
                    problem.message.clone(),
                )
                .at(one.span)
                .remedy(if problem.remedy.is_empty() {
                    EXPRESSION_REMEDY
                } else {
                    &problem.remedy
                }),
            ),
        }
    }
    session.batch("SET search_path = pg_catalog").await?;
    Ok(())
}

/// What the compiler built must be accepted by the target as it stands: casts that do not exist show here.
async fn evaluations(plan: &Plan, session: &Session) -> Result<Vec<Finding>> {
    let path = format!("SET search_path = {}", evaluate::SEARCH_PATH);
    let set = async { Ok(session.batch(&path).await?) };
    let entities = plan.entities.iter().map(|entity| evaluated(entity, session));
    let ((), found) = tokio::try_join!(set, try_join_all(entities))?;
    Ok(found.into_iter().flatten().collect())
}

/// What the target says to the statements of one entity.
async fn evaluated(entity: &EntityPlan, session: &Session) -> Result<Vec<Finding>> {
    let run = RunFacts {
        execution: 0,
        started_at: 0,
        mode: "load",
    };
    let statements = [
        &entity.key_evaluation,
        &entity.evaluation,
        &entity.target_evaluation,
    ];
    let statements = statements
        .into_iter()
        .filter(|evaluation| !evaluation.is_empty() && !evaluation.inputs.is_empty())
        .map(|evaluation| prepared(entity, evaluation, session));
    let (prepared, constants) = tokio::join!(
        try_join_all(statements),
        constants::resolve(session, entity, &run)
    );
    let mut findings: Vec<Finding> = prepared?.into_iter().flatten().collect();
    match constants {
        Ok(_) => {}
        Err(error) if error.pg().is_none() => findings.extend(error.into_findings()),
        Err(error) => return Err(error),
    }
    Ok(findings)
}

async fn prepared(
    entity: &EntityPlan,
    evaluation: &plan::Evaluation,
    session: &Session,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let types: Vec<u32> = evaluation.inputs.iter().map(|input| input.array).collect();
    let Err(error) = session.describe(&evaluation.sql(), &types).await else {
        return Ok(findings);
    };
    if error.server().is_none() {
        return Err(error.into());
    }
    // Which of them it is: each alone.
    for output in &evaluation.outputs {
        let alone = plan::Evaluation {
            inputs: evaluation.inputs.clone(),
            outputs: vec![output.clone()],
        };
        if let Err(error) = session.describe(&alone.sql(), &types).await {
            let Some(server) = error.server() else {
                return Err(error.into());
            };
            findings.push(
                Finding::error(
                    code::TYPES_DO_NOT_FIT,
                    format!("entity {}, {}", entity.name, output.place),
                    server.message.clone(),
                )
                .remedy("write the conversion as sql"),
            );
        }
    }
    Ok(findings)
}
