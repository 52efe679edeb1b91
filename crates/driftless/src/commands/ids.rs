use clap::{Args, Subcommand};
use driftless_core::code::{self, Exit};
use driftless_engine::run::{ids, rejects};
use serde_json::json;
use uuid::Uuid;

use super::{Format, Work, canonical_key, entity};
use crate::failure::Failure;
use crate::render;

/// Look up which source row became which target row
///
/// The identities are recorded with the rows, in the same transaction. In SQL on the target,
/// driftless.uuid_for('patients', '17') gives the same answer.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless ids get patients 17
  driftless ids find 6ba7b812-9dad-51d1-80b4-00c04fd430c8")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Get(Get),
    Find(Find),
}

/// Show what a source row became
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless ids get patients 17          the row of dispatch_patient with id 17
  driftless ids get offers 3 120         a key of two columns, in the mapping's order
  driftless ids get patients 17 --json")]
pub(crate) struct Get {
    /// The entity.
    #[arg(value_name = "ENTITY")]
    pub(crate) entity: String,
    /// The row's key in the source; one value per column of the key.
    #[arg(value_name = "KEY", required = true, allow_negative_numbers = true)]
    pub(crate) key: Vec<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// Show which source row became the target row with this UUID
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless ids find 6ba7b812-9dad-51d1-80b4-00c04fd430c8
  driftless ids find 6ba7b812-9dad-51d1-80b4-00c04fd430c8 --json")]
pub(crate) struct Find {
    /// The UUID in the target.
    #[arg(value_name = "UUID")]
    pub(crate) uuid: Uuid,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// # Errors
/// The state cannot be read, or has nothing of the kind.
pub(crate) async fn run(arguments: &Arguments, work: &Work) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Get(arguments) => get(arguments, work).await,
        Command::Find(arguments) => find(arguments, work).await,
    }
}

/// # Errors
/// As [`run`].
pub(crate) async fn get(arguments: &Get, work: &Work) -> Result<Exit, Failure> {
    entity(work.spec(), &arguments.entity)?;
    let key = canonical_key(&arguments.key);
    let Some(record) = ids::get(work.spec(), &arguments.entity, &key).await? else {
        return Err(absent(&arguments.entity, &key, work).await?);
    };
    work.report(&arguments.format, "identity", record, |record, _| {
        render::identity(record)
    })?;
    Ok(Exit::Done)
}

/// What there is to say of a key without an identity.
async fn absent(entity: &str, key: &str, work: &Work) -> Result<Failure, Failure> {
    let shown = render::clean(key);
    let mut message = format!("no identity of {entity} is recorded under the key {shown}");
    let remedy = match rejects::show(work.spec(), entity, key).await? {
        Some(record) => {
            message.push_str(&format!(
                ": the row is on record as {}, {}",
                record.state, record.code
            ));
            "driftless rejects show ENTITY KEY tells why"
        }
        None => "look whether the source has the row, and whether the entity is loaded: driftless status",
    };
    Ok(Failure::new(code::NOT_ON_RECORD, "ids get", message).remedy(remedy))
}

/// # Errors
/// As [`run`].
pub(crate) async fn find(arguments: &Find, work: &Work) -> Result<Exit, Failure> {
    let records = ids::find(work.spec(), arguments.uuid).await?;
    if records.is_empty() {
        let message = format!("no row of this pipeline has the UUID {}", arguments.uuid);
        return Err(Failure::new(code::NOT_ON_RECORD, "ids find", message)
            .remedy("look whether the row was there before the migration, or belongs to another pipeline"));
    }
    let width = work.terminal.width();
    if arguments.format.json {
        work.report(
            &arguments.format,
            "identities",
            json!({ "identities": records }),
            |_, _| String::new(),
        )?;
    } else {
        work.terminal.print(&render::identities(&records, width))?;
    }
    Ok(Exit::Done)
}
