//! Tables of the platform or of an extension, which change under their owners' hands.

use super::Ground;
use crate::catalog::Relation;
use crate::code;
use crate::error::Finding;

/// Schemas of Supabase that hold nothing of a project's own.
const CLOSED: [&str; 25] = [
    "_analytics",
    "_realtime",
    "_supavisor",
    "cron",
    "dbdev",
    "etl",
    "extensions",
    "graphql",
    "graphql_public",
    "net",
    "pgbouncer",
    "pgmq",
    "pgsodium",
    "pgsodium_masks",
    "pgtle",
    "realtime",
    "repack",
    "supabase_functions",
    "supabase_migrations",
    "supabase_subscription_mgmt",
    "tiger",
    "tiger_data",
    "topology",
    "vault",
    "timescaledb_internal",
];

/// Where the services keep which migrations they ran.
const MIGRATIONS: [&str; 2] = ["schema_migrations", "migrations"];

/// Tables that sign-in is made of; accounts have findings of their own.
const ACCOUNTS: [&str; 2] = ["users", "identities"];

pub(super) fn findings(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    for (entity, table) in ground.written() {
        let finding = if ground.target.server.supabase {
            supabase(table)
        } else {
            None
        };
        if let Some(finding) = finding.or_else(|| extension(table)) {
            findings.push(ground.at_into(finding, entity));
        }
    }
}

fn supabase(table: &Relation) -> Option<Finding> {
    let (schema, name) = (table.name.schema.as_str(), table.name.name.as_str());
    let place = format!("table {}", table.name);
    let managed = matches!(schema, "auth" | "storage" | "realtime");
    if managed && MIGRATIONS.contains(&name) || CLOSED.contains(&schema) || schema.starts_with("_timescaledb")
    {
        return Some(
            Finding::error(
                code::PLATFORM_TABLE,
                place,
                "it belongs to a service of Supabase, which breaks when somebody else writes there",
            )
            .remedy("write into tables of your own, or use the service's API"),
        );
    }
    if schema == "storage" {
        return Some(
            Finding::warning(
                code::PLATFORM_TABLE,
                place,
                "a row here makes no file: the files lie in the object store, and the row would name nothing",
            )
            .remedy("upload files through the Storage API, which writes these rows"),
        );
    }
    (schema == "auth" && !ACCOUNTS.contains(&name)).then(|| {
        Finding::warning(
            code::PLATFORM_TABLE,
            place,
            "it belongs to Supabase Auth, which may change its columns at any time",
        )
        .remedy("load auth.users and auth.identities only: sessions and tokens come with the first sign-in")
    })
}

fn extension(table: &Relation) -> Option<Finding> {
    let extension = table.around.extension.as_ref()?;
    Some(
        Finding::warning(
            code::PLATFORM_TABLE,
            format!("table {}", table.name),
            format!("it belongs to the extension {extension}: a dump leaves its rows out, an update may replace them"),
        )
        .remedy("write into a table of your own"),
    )
}
