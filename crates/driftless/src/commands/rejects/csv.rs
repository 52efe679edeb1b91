//! CSV as PostgreSQL's COPY writes it, and reads it back: null is nothing, an empty text is two quotes.

use driftless_engine::run::report::{RejectRecord, WarningRecord};

/// A line's fields.
pub(super) trait Line {
    /// The names of the fields; those of the JSON form.
    const NAMES: &'static [&'static str];

    /// The fields.
    fn fields(&self) -> Vec<Option<String>>;
}

impl Line for RejectRecord {
    const NAMES: &'static [&'static str] = &[
        "entity",
        "key",
        "state",
        "stage",
        "code",
        "sqlstate",
        "category",
        "message",
        "column",
        "constraint",
        "rule",
        "parent_entity",
        "parent_key",
        "source_row",
        "execution",
        "first_seen",
        "last_seen",
    ];

    fn fields(&self) -> Vec<Option<String>> {
        vec![
            Some(self.entity.clone()),
            Some(self.key.clone()),
            Some(self.state.clone()),
            Some(self.stage.clone()),
            Some(self.code.clone()),
            self.sqlstate.clone(),
            Some(self.category.clone()),
            Some(self.message.clone()),
            self.column.clone(),
            self.constraint.clone(),
            self.rule.clone(),
            self.parent_entity.clone(),
            self.parent_key.clone(),
            self.source_row.as_ref().map(ToString::to_string),
            Some(self.execution.to_string()),
            Some(self.first_seen.clone()),
            Some(self.last_seen.clone()),
        ]
    }
}

impl Line for WarningRecord {
    const NAMES: &'static [&'static str] = &["entity", "key", "rule", "execution", "seen_at"];

    fn fields(&self) -> Vec<Option<String>> {
        vec![
            Some(self.entity.clone()),
            Some(self.key.clone()),
            Some(self.rule.clone()),
            Some(self.execution.to_string()),
            Some(self.seen_at.clone()),
        ]
    }
}

/// The line of names.
pub(super) fn heading<L: Line>() -> String {
    L::NAMES.join(",") + "\n"
}

/// A record's line.
pub(super) fn line(record: &impl Line) -> String {
    let fields: Vec<String> = record
        .fields()
        .iter()
        .map(|field| field.as_deref().map_or_else(String::new, quoted))
        .collect();
    fields.join(",") + "\n"
}

/// A text, in quotes where it could be taken for something else.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text != "\\." && !text.contains([',', '"', '\n', '\r']);
    if plain {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_is_quoted() {
        let texts = ["a b", "", "a,b", "say \"no\"", "two\nlines", "\\.", "ü"];
        let quoted: Vec<String> = texts.into_iter().map(quoted).collect();
        assert_eq!(
            quoted,
            [
                "a b",
                "\"\"",
                "\"a,b\"",
                "\"say \"\"no\"\"\"",
                "\"two\nlines\"",
                "\"\\.\"",
                "ü"
            ]
        );
    }

    #[test]
    fn nothing_is_null() {
        let warning = WarningRecord {
            entity: "orders".to_owned(),
            key: r#"["1","2"]"#.to_owned(),
            rule: "late".to_owned(),
            execution: 3,
            seen_at: "2026-11-20T10:00:00Z".to_owned(),
        };
        assert_eq!(
            heading::<WarningRecord>() + &line(&warning),
            "entity,key,rule,execution,seen_at\norders,\"[\"\"1\"\",\"\"2\"\"]\",late,3,2026-11-20T10:00:00Z\n"
        );
        assert_eq!(RejectRecord::NAMES.len(), 17);
    }
}
