//! Reads PostgreSQL's own tree of an expression (`pg_node_tree` as text) for what the expression calls.
//!
//! Only names of fields and numbers are looked at: `outfuncs.c` escapes blanks, brackets and backslashes within names and
//! texts, and writes constants as numbers, so that nothing a user can write looks like a field.

use std::collections::BTreeSet;

use driftless_core::catalog::{Oid, builtin};

/// What an expression calls.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Oids of functions.
    pub(super) functions: BTreeSet<Oid>,
    /// Oids of operators, whose functions are in the catalog.
    pub(super) operators: BTreeSet<Oid>,
    /// `SQLValueFunctionOp` of every CURRENT_DATE, CURRENT_USER and the like.
    pub(super) session_values: BTreeSet<u32>,
    /// Whether text becomes a date or time while it runs.
    pub(super) reads_time_from_text: bool,
}

/// Collects the calls in a tree.
pub(super) fn calls(tree: &str) -> Calls {
    let mut calls = Calls::default();
    let mut tokens = Tokens { rest: tree }.peekable();
    let mut node = "";
    while let Some(token) = tokens.next() {
        match token {
            "{" => node = tokens.next().unwrap_or(""),
            ":funcid" | ":opfuncid" => calls.functions.extend(tokens.peek().and_then(oid)),
            ":opno" => calls.operators.extend(tokens.peek().and_then(oid)),
            // A list of oids, as row comparisons have: (o 97 98)
            ":opnos" => {
                let list = tokens.by_ref().take_while(|token| *token != ")");
                calls.operators.extend(list.filter_map(|token| oid(&token)));
            }
            ":op" if node == "SQLVALUEFUNCTION" => {
                let number = tokens.peek().and_then(|token| token.parse().ok());
                // One that cannot be read must not pass for none.
                calls.session_values.insert(number.unwrap_or(u32::MAX));
            }
            // The argument stands between a coercion's label and its type, so the label is no longer at hand; RelabelType
            // has a result type too, but never one of these.
            ":resulttype" => calls.reads_time_from_text |= tokens.peek().and_then(oid).is_some_and(is_time),
            _ => {}
        }
    }
    calls
}

fn oid(token: &&str) -> Option<Oid> {
    token.parse().ok().filter(|oid| *oid != 0)
}

fn is_time(oid: Oid) -> bool {
    matches!(
        oid,
        builtin::DATE | builtin::TIME | builtin::TIMETZ | builtin::TIMESTAMP | builtin::TIMESTAMPTZ
    )
}

/// Whether a constant in the tree holds these bytes.
pub(super) fn holds_constant(tree: &str, bytes: &[u8]) -> bool {
    // Bytes are written as signed numbers, each behind a blank; words of ASCII look the same either way.
    let written: String = bytes.iter().map(|byte| format!(" {byte}")).collect();
    tree.contains(&written)
}

/// Brackets, and everything between blanks and brackets, escapes left in.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t']);
        let mut escaped = false;
        let mut end = self.rest.len();
        for (at, character) in self.rest.char_indices() {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                ' ' | '\n' | '\t' | '(' | ')' | '{' | '}' => {
                    end = at.max(1);
                    break;
                }
                _ => {}
            }
        }
        if end == 0 {
            return None;
        }
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_operators_and_session_values_are_found() {
        let tree = "{NULLTEST :arg {OPEXPR :opno 96 :opfuncid 65 :args ({FUNCEXPR :funcid 1598 :args <>} \
                    {ROWCOMPAREEXPR :rctype 1 :opnos (o 97 98) :largs ({SQLVALUEFUNCTION :op 10 :type 19})})} \
                    :nulltesttype 1}";
        let calls = calls(tree);
        assert_eq!(calls.functions, BTreeSet::from([65, 1598]));
        assert_eq!(calls.operators, BTreeSet::from([96, 97, 98]));
        assert_eq!(calls.session_values, BTreeSet::from([10]));
        assert!(!calls.reads_time_from_text);
    }

    #[test]
    fn names_cannot_pass_for_fields() {
        let tree = r#"{ROWEXPR :args <> :colnames ("x\ :funcid\ 7" "y\)\ :opno\ 8") :location -1}"#;
        assert_eq!(calls(tree), Calls::default());
    }

    #[test]
    fn unresolved_operator_functions_are_left_out() {
        assert_eq!(calls("{OPEXPR :opno 96 :opfuncid 0}").functions, BTreeSet::new());
    }

    #[test]
    fn a_session_value_that_cannot_be_read_is_still_one() {
        assert_eq!(
            calls("{SQLVALUEFUNCTION :op}").session_values,
            BTreeSet::from([u32::MAX])
        );
    }

    #[test]
    fn text_that_becomes_a_time_is_noticed() {
        assert!(
            calls("{COERCEVIAIO :arg {VAR :varno 1} :resulttype 1184 :resultcollid 0}").reads_time_from_text
        );
        assert!(!calls("{COERCEVIAIO :arg {VAR :varno 1} :resulttype 25}").reads_time_from_text);
    }

    #[test]
    fn constants_are_found_by_their_bytes() {
        let tree = "{CONST :consttype 25 :constvalue 7 [ 28 0 0 0 110 111 119 ]}";
        assert!(holds_constant(tree, b"now"));
        assert!(!holds_constant(tree, b"nox"));
    }
}
