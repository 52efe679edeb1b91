use std::str::FromStr as _;

use clap::Args;
use driftless_core::code::Code;
use driftless_core::spec::Spec;
use driftless_engine::run::report::{RejectFilter, Since};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::{Scope, canonical_key, entity};
use crate::failure::Failure;

/// Which rejects are meant; everything given must hold.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only this entity; with a key behind it, only that row.
    #[arg(value_name = "ENTITY", conflicts_with = "entities")]
    pub(crate) entity: Option<String>,
    /// The row's key in the source; one value per column of the key.
    #[arg(value_name = "KEY", conflicts_with = "keys", allow_negative_numbers = true)]
    pub(crate) key: Vec<String>,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Only the row with this key; may be repeated. Of a key of several columns, a JSON array of texts.
    #[arg(long = "key", value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) keys: Vec<String>,
    /// Only this code, such as DL0404; may be repeated.
    #[arg(long = "code", value_name = "CODE", value_parser = parse_code)]
    pub(crate) codes: Vec<String>,
    /// Only this category.
    #[arg(long, value_name = "CATEGORY", value_parser = ["technical", "data_quality", "business_rule"])]
    pub(crate) category: Option<String>,
    /// Only rows in this state; may be repeated.
    #[arg(long = "state", value_name = "STATE", value_parser = ["rejected", "parked", "discarded"])]
    pub(crate) states: Vec<String>,
    /// Only what this rule of the mapping said; may be repeated.
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<String>,
    /// Only rows that were left out because a row of this entity was.
    #[arg(long, value_name = "ENTITY")]
    pub(crate) parent: Option<String>,
    /// Only rows that were left out because the row with this key was. Of a key of several columns, a JSON array of
    /// texts.
    #[arg(long, value_name = "KEY", requires = "parent", allow_negative_numbers = true)]
    pub(crate) parent_key: Option<String>,
    /// Only what was seen since then: an age (90s, 15m, 2h, 7d) or a time such as 2026-11-20T14:00, in UTC unless it
    /// says otherwise.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub(crate) since: Option<Since>,
}

impl Selection {
    /// What the engine is asked for.
    ///
    /// # Errors
    /// An entity is not in the mapping.
    pub(super) fn filter(&self, spec: &Spec) -> Result<RejectFilter, Failure> {
        let mut entities = self.scope.of(spec)?.to_vec();
        if let Some(name) = &self.entity {
            entity(spec, name)?;
            entities.push(name.clone());
        }
        if let Some(name) = &self.parent {
            entity(spec, name)?;
        }
        let mut keys = self.keys.clone();
        if !self.key.is_empty() {
            keys.push(canonical_key(&self.key));
        }
        Ok(RejectFilter {
            entities,
            keys,
            states: self.states.clone(),
            codes: self.codes.clone(),
            category: self.category.clone(),
            rules: self.rules.clone(),
            parent_entity: self.parent.clone(),
            parent_key: self.parent_key.clone(),
            since: self.since.clone(),
        })
    }
}

fn parse_code(text: &str) -> Result<String, String> {
    let upper = text.to_uppercase();
    match Code::parse(&upper) {
        Some(_) => Ok(upper),
        None => Err("codes look like DL0404".to_owned()),
    }
}

fn parse_since(text: &str) -> Result<Since, String> {
    age(text)
        .map(Since::Ago)
        .or_else(|| time(text).map(|at| Since::At(at.to_string())))
        .ok_or_else(|| {
            "times look like 2026-11-20, 2026-11-20T14:00 or 2026-11-20T14:00:00+01:00, ages like 90s, 15m, 2h or 7d"
                .to_owned()
        })
}

/// A number and its unit, in seconds.
fn age(text: &str) -> Option<u32> {
    let unit = text.chars().last()?;
    let seconds: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let number: u32 = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
    number.checked_mul(seconds)
}

/// A moment, with an offset or in UTC. Years before ours have other names in PostgreSQL, and no rejects.
fn time(text: &str) -> Option<Timestamp> {
    let at = Timestamp::from_str(text).ok().or_else(|| {
        let local = DateTime::from_str(text).ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    (at >= Timestamp::UNIX_EPOCH && at.duration_since(Timestamp::UNIX_EPOCH) < LIMIT).then_some(at)
}

/// Behind this a year has more than four digits: seconds from 1970 to 10000.
const LIMIT: SignedDuration = SignedDuration::from_secs(253_402_300_800);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_in_any_case_and_must_exist() {
        assert_eq!(parse_code("dl0404").as_deref(), Ok("DL0404"));
        assert!(parse_code("DL404").is_err());
        assert!(parse_code("DL9999").is_err());
    }

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        let at = |text: &str| Ok(Since::At(text.to_owned()));
        assert_eq!(parse_since("2h"), Ok(Since::Ago(7200)));
        assert_eq!(parse_since("7d"), Ok(Since::Ago(604_800)));
        assert_eq!(parse_since("2026-11-20"), at("2026-11-20T00:00:00Z"));
        assert_eq!(parse_since("2026-11-20 14:00"), at("2026-11-20T14:00:00Z"));
        assert_eq!(parse_since("2026-11-20T14:00+01:00"), at("2026-11-20T13:00:00Z"));
        assert_eq!(
            parse_since("2026-11-20T14:00:00.25Z"),
            at("2026-11-20T14:00:00.25Z")
        );
        for wrong in [
            "",
            "h",
            "+2h",
            "-2h",
            "2y",
            "99999999999w",
            "yesterday",
            "20.11.2026",
            "2026-02-30",
            "-000044-03-15",
            "14:00",
            "2ü",
        ] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }
}
