//! JSON documents. Each names its schema, which `docs/reference/json.md` describes.

use driftless_core::error::Finding;
use serde::Serialize;
use serde_json::{Value, json};

/// A report as a JSON document: what it says, and the schema by which it says it.
#[derive(Serialize)]
pub(crate) struct Document<T> {
    schema: String,
    #[serde(flatten)]
    report: T,
}

impl<T: Serialize> Document<T> {
    /// A document of `driftless/NAME/1`.
    pub(crate) fn new(name: &str, report: T) -> Document<T> {
        Document {
            schema: format!("driftless/{name}/1"),
            report,
        }
    }

    /// The document as it is printed.
    pub(crate) fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("reports are made of texts, numbers and lists");
        text + "\n"
    }
}

/// Findings as they stand in documents.
pub(crate) fn findings_value(findings: &[Finding], locate: impl Fn(&Finding) -> Option<String>) -> Value {
    let value = |finding: &Finding| {
        json!({
            "code": finding.code.to_string(),
            "severity": finding.severity.to_string(),
            "at": locate(finding),
            "place": finding.place,
            "message": finding.message,
            "remedy": finding.remedy,
        })
    };
    findings.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_core::code;

    #[test]
    fn a_document_names_its_schema_first() {
        let finding =
            Finding::warning(code::TYPES_DO_NOT_FIT, "entity a", "could cut").remedy("say lossy = true");
        let findings = findings_value(&[finding], |_| Some("driftless.toml:3:1".to_owned()));
        insta::assert_snapshot!(Document::new("check", json!({ "findings": findings })).text());
    }
}
