//! `auth.users` of Supabase: what its service expects of rows that it did not write itself.

use super::Ground;
use crate::catalog::{Relation, TriggerMode};
use crate::code;
use crate::error::Finding;
use crate::plan::{EntityPlan, Value};

/// Sign-in fails with "converting NULL to string" where one of these is null.
const TOKENS: [&str; 8] = [
    "confirmation_token",
    "recovery_token",
    "email_change",
    "email_change_token_new",
    "email_change_token_current",
    "phone_change",
    "phone_change_token",
    "reauthentication_token",
];

/// What the service looks for, and what it must find.
const CONSTANTS: [(&str, &str); 3] = [
    ("aud", "authenticated"),
    ("role", "authenticated"),
    ("instance_id", "00000000-0000-0000-0000-000000000000"),
];

pub(super) fn findings(ground: Ground<'_>, findings: &mut Vec<Finding>) {
    if !ground.target.server.supabase {
        return;
    }
    let mut accounts = ground
        .plan
        .entities
        .iter()
        .filter(|entity| writes(entity, "users"))
        .peekable();
    if accounts.peek().is_none() {
        return;
    }
    for entity in accounts {
        if let Some(users) = ground.target.relation(&entity.into) {
            let mut own = Vec::new();
            columns(entity, users, &mut own);
            triggers(users, &mut own);
            findings.extend(own.into_iter().map(|finding| ground.at_into(finding, entity)));
        }
    }
    if !ground
        .plan
        .entities
        .iter()
        .any(|entity| writes(entity, "identities"))
    {
        findings.push(
            Finding::warning(
                code::ACCOUNTS,
                "table auth.identities",
                "no entity writes it: users without an identity cannot sign in with their e-mail address",
            )
            .remedy(
                "add an entity with `identity = { same_as = \"…\" }`: provider = { const = \"email\" }, provider_id and user_id the \
                 user's UUID, identity_data = { json = { sub = { id = true }, email = \"…\" } }",
            ),
        );
    }
}

fn writes(entity: &EntityPlan, table: &str) -> bool {
    entity.into.schema == "auth" && entity.into.name == table
}

fn columns(entity: &EntityPlan, users: &Relation, findings: &mut Vec<Finding>) {
    let output = |column: &str| {
        entity
            .program
            .outputs
            .iter()
            .find(|output| output.column == column)
    };
    let place = format!("entity {}", entity.name);
    let empty: Vec<&str> = TOKENS
        .into_iter()
        .filter(|name| {
            let there = users.column(name).is_some_and(|column| !column.has_default);
            there && output(name).is_none()
        })
        .collect();
    if !empty.is_empty() {
        let remedy: Vec<String> = empty
            .iter()
            .map(|name| format!("{name} = {{ const = \"\" }}"))
            .collect();
        findings.push(
            Finding::warning(
                code::ACCOUNTS,
                &place,
                format!(
                    "{} of auth.users would be null, and sign-in fails then",
                    empty.join(", ")
                ),
            )
            .remedy(remedy.join(", ")),
        );
    }
    for (name, value) in CONSTANTS {
        let there = users.column(name).is_some_and(|column| !column.has_default);
        if there && output(name).is_none() {
            findings.push(
                Finding::warning(
                    code::ACCOUNTS,
                    &place,
                    format!(
                        "{name} of auth.users would be null, and the service does not find the user then"
                    ),
                )
                .remedy(format!("{name} = {{ const = \"{value}\" }}")),
            );
        }
    }
    if output("email").is_some_and(|output| matches!(output.value, Value::Input(_))) {
        findings.push(
            Finding::warning(
                code::ACCOUNTS,
                &place,
                "the e-mail address is copied as it is: the service looks for lower case, and its unique index takes addresses \
                 that differ in case only",
            )
            .remedy("email = { sql = \"lower(…)\" }"),
        );
    }
    if output("encrypted_password").is_some() {
        findings.push(
            Finding::note(
                code::ACCOUNTS,
                place,
                "encrypted_password takes bcrypt and argon2 hashes; users with another hash cannot sign in",
            )
            .remedy("leave it null for them, and let them set a new password"),
        );
    }
}

/// The usual trigger makes a profile for every new user.
fn triggers(users: &Relation, findings: &mut Vec<Finding>) {
    let own = users
        .triggers
        .iter()
        .filter(|trigger| trigger.on_insert && trigger.mode != TriggerMode::Disabled);
    for trigger in own {
        findings.push(
            Finding::note(
                code::ACCOUNTS,
                format!("table auth.users, trigger {}", trigger.name),
                format!(
                    "it is silent during the load: what {} makes of a new user is not made",
                    trigger.function
                ),
            )
            .remedy("write those rows by an entity of their own, such as the profiles"),
        );
    }
}
