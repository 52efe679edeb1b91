//! A filter as SQL. The conditions hold their values, not parameters: COPY takes none.

use driftless_core::name::quote_literal;

use crate::run::report::{RejectFilter, Since};
use crate::store::Store;

/// True for the rejects that are meant, as rows `r`.
pub(super) fn condition(store: &Store, filter: &RejectFilter) -> String {
    let mut terms = shared(store, filter, "last_seen");
    terms.extend(among("state", &filter.states));
    terms.extend(among("code", &filter.codes));
    terms.extend(filter.category.as_deref().map(|text| is("category", text)));
    terms.extend(
        filter
            .parent_entity
            .as_deref()
            .map(|text| is("parent_entity", text)),
    );
    terms.extend(filter.parent_key.as_deref().map(|text| is("parent_key", text)));
    terms.join(" AND ")
}

/// True for the rejects that a retry with this filter is about: what was dismissed only where it was named.
pub(super) fn to_retry(store: &Store, filter: &RejectFilter) -> String {
    let named = !filter.keys.is_empty() || !filter.states.is_empty();
    let term = if named { "" } else { " AND r.state <> 'discarded'" };
    condition(store, filter) + term
}

/// True for the warnings that are meant, as rows `r`.
pub(super) fn of_warnings(store: &Store, filter: &RejectFilter) -> String {
    shared(store, filter, "seen_at").join(" AND ")
}

/// What rejects and warnings have in common.
fn shared(store: &Store, filter: &RejectFilter, seen: &str) -> Vec<String> {
    let mut terms = vec![is("pipeline", store.pipeline())];
    terms.extend(among("entity", &filter.entities));
    terms.extend(among("key", &filter.keys));
    terms.extend(among("rule", &filter.rules));
    terms.extend(
        filter
            .since
            .as_ref()
            .map(|since| format!("r.{seen} >= {}", moment(since))),
    );
    terms
}

fn is(column: &str, text: &str) -> String {
    format!("r.{column} = {}", quote_literal(text))
}

fn among(column: &str, texts: &[String]) -> Option<String> {
    let literals: Vec<String> = texts.iter().map(|text| quote_literal(text)).collect();
    (!literals.is_empty()).then(|| format!("r.{column} = ANY (ARRAY[{}]::text[])", literals.join(", ")))
}

fn moment(since: &Since) -> String {
    match since {
        Since::At(text) => format!("{}::timestamptz", quote_literal(text)),
        // The statement's own time, so that all of its rows are asked the same.
        Since::Ago(seconds) => {
            format!("pg_catalog.statement_timestamp() - pg_catalog.make_interval(secs => {seconds})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_given_must_hold_and_texts_are_quoted() {
        let store = Store::new("driftless", "shop");
        let all = RejectFilter::default();
        assert_eq!(condition(&store, &all), "r.pipeline = 'shop'");
        assert_eq!(
            to_retry(&store, &all),
            "r.pipeline = 'shop' AND r.state <> 'discarded'"
        );
        let some = RejectFilter {
            keys: vec!["1".to_owned(), "o'clock".to_owned()],
            parent_entity: Some("people".to_owned()),
            since: Some(Since::Ago(60)),
            ..all
        };
        assert_eq!(
            to_retry(&store, &some),
            "r.pipeline = 'shop' AND r.key = ANY (ARRAY['1', 'o''clock']::text[]) \
             AND r.last_seen >= pg_catalog.statement_timestamp() - pg_catalog.make_interval(secs => 60) \
             AND r.parent_entity = 'people'"
        );
    }
}
