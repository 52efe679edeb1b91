/// What an error from the server means for the work that ran into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Nothing is wrong with the work: a lost connection, a serialization failure, a full server. Try again.
    Retry,
    /// One row's data was refused. The other rows may be fine.
    Row,
    /// The role may not do this, or may not log in. Trying again makes it worse.
    Permission,
    /// A relation, column, schema, type or function is not there.
    Gone,
    /// Anything else, and everything unknown: stop and tell.
    Stop,
}

/// What an SQLSTATE asks for. Unknown ones stop.
pub fn disposition(sqlstate: &str) -> Disposition {
    match sqlstate {
        // The client sent a malformed stream: no row's fault, however the class reads.
        "22P04" | "08P01" => Disposition::Stop,
        "57P01" | "57P02" | "57P03" | "40001" | "40P01" | "53300" | "55006" | "55P03" => Disposition::Retry,
        "42501" => Disposition::Permission,
        "42P01" | "42703" | "42704" | "42883" | "3F000" | "3D000" => Disposition::Gone,
        "P0001" => Disposition::Row,
        _ => match class(sqlstate) {
            "08" => Disposition::Retry,
            "22" | "23" | "44" => Disposition::Row,
            "28" => Disposition::Permission,
            _ => Disposition::Stop,
        },
    }
}

/// What a standby says to readers that keep its replay waiting. Our transactions have no other reason to meet it: writers
/// are READ COMMITTED, and the others only read.
pub(crate) const REPLAY_CONFLICT: &str = "40001";

/// Whether the server, by this SQLSTATE, ends or refuses connections for now and takes them again by itself: it stops, starts,
/// recovers, is full, ended this session (a standby whose replay could not wait, too), or lost it. Not what a login or a statement was refused for, and nothing unknown.
pub fn connections_come_back(sqlstate: &str) -> bool {
    matches!(sqlstate, "57P01" | "57P02" | "57P03" | "53300" | REPLAY_CONFLICT)
        || (class(sqlstate) == "08" && sqlstate != "08P01")
}

/// The condition's name as PostgreSQL documents it, or its class's name, or `unknown condition`.
pub fn condition(sqlstate: &str) -> &'static str {
    let find = |key: &str| {
        CONDITIONS
            .binary_search_by_key(&key, |entry| entry.0)
            .ok()
            .map(|index| CONDITIONS[index].1)
    };
    find(sqlstate)
        .or_else(|| find(class(sqlstate)))
        .unwrap_or("unknown condition")
}

/// What to do where the server has run out of something, whatever was asked of it.
pub(crate) fn remedy(sqlstate: &str) -> Option<&'static str> {
    Some(match sqlstate {
        REPLAY_CONFLICT => {
            "on a standby: set hot_standby_feedback = on there, raise its max_standby_streaming_delay for the time of the load, \
             or read the primary; then start again"
        }
        "53100" => {
            "make room on that server's disk, then start again: what was committed stays, and it goes on from there"
        }
        "53200" => {
            "give that server more memory, or lower its work_mem or our max_connections; then start again"
        }
        "53400" => {
            "raise the limit that PostgreSQL names on that server, for this role if you like; then start again"
        }
        _ => return None,
    })
}

/// Whether the server's message of such an error speaks of statements and objects, never of a row's values.
pub(crate) fn message_is_free_of_values(sqlstate: &str) -> bool {
    const FREE: &[&str] = &[
        "08", "0A", "0L", "0P", "25", "26", "28", "2B", "34", "3B", "3D", "3F", "40", "42", "53", "54", "55",
        "57", "58", "F0",
    ];
    FREE.contains(&class(sqlstate))
}

/// The first two characters; the whole text if it is no SQLSTATE.
fn class(sqlstate: &str) -> &str {
    sqlstate.get(..2).unwrap_or(sqlstate)
}

/// Conditions by SQLSTATE, ascending, and the classes (two characters) for those not listed.
const CONDITIONS: &[(&str, &str)] = &[
    ("08", "connection_exception"),
    ("08000", "connection_exception"),
    ("08001", "sqlclient_unable_to_establish_sqlconnection"),
    ("08003", "connection_does_not_exist"),
    ("08004", "sqlserver_rejected_establishment_of_sqlconnection"),
    ("08006", "connection_failure"),
    ("08P01", "protocol_violation"),
    ("0A", "feature_not_supported"),
    ("0L", "invalid_grantor"),
    ("0P", "invalid_role_specification"),
    ("21", "cardinality_violation"),
    ("22", "data_exception"),
    ("22000", "data_exception"),
    ("22001", "string_data_right_truncation"),
    ("22003", "numeric_value_out_of_range"),
    ("22004", "null_value_not_allowed"),
    ("22007", "invalid_datetime_format"),
    ("22008", "datetime_field_overflow"),
    ("22009", "invalid_time_zone_displacement_value"),
    ("2200N", "invalid_xml_content"),
    ("22011", "substring_error"),
    ("22012", "division_by_zero"),
    ("22015", "interval_field_overflow"),
    ("2201E", "invalid_argument_for_logarithm"),
    ("2201F", "invalid_argument_for_power_function"),
    ("22021", "character_not_in_repertoire"),
    ("22023", "invalid_parameter_value"),
    ("22025", "invalid_escape_sequence"),
    ("22026", "string_data_length_mismatch"),
    ("2202E", "array_subscript_error"),
    ("22030", "duplicate_json_object_key_value"),
    ("22032", "invalid_json_text"),
    ("22P01", "floating_point_exception"),
    ("22P02", "invalid_text_representation"),
    ("22P03", "invalid_binary_representation"),
    ("22P04", "bad_copy_file_format"),
    ("22P05", "untranslatable_character"),
    ("23", "integrity_constraint_violation"),
    ("23000", "integrity_constraint_violation"),
    ("23001", "restrict_violation"),
    ("23502", "not_null_violation"),
    ("23503", "foreign_key_violation"),
    ("23505", "unique_violation"),
    ("23514", "check_violation"),
    ("23P01", "exclusion_violation"),
    ("25", "invalid_transaction_state"),
    ("25001", "active_sql_transaction"),
    ("25006", "read_only_sql_transaction"),
    ("25P01", "no_active_sql_transaction"),
    ("25P02", "in_failed_sql_transaction"),
    ("25P03", "idle_in_transaction_session_timeout"),
    ("25P04", "transaction_timeout"),
    ("26000", "invalid_sql_statement_name"),
    ("28", "invalid_authorization_specification"),
    ("28000", "invalid_authorization_specification"),
    ("28P01", "invalid_password"),
    ("2B", "dependent_privilege_descriptors_still_exist"),
    ("2BP01", "dependent_objects_still_exist"),
    ("34000", "invalid_cursor_name"),
    ("3B001", "invalid_savepoint_specification"),
    ("3D000", "invalid_catalog_name"),
    ("3F000", "invalid_schema_name"),
    ("40", "transaction_rollback"),
    ("40001", "serialization_failure"),
    ("40003", "statement_completion_unknown"),
    ("40P01", "deadlock_detected"),
    ("42", "syntax_error_or_access_rule_violation"),
    ("42501", "insufficient_privilege"),
    ("42601", "syntax_error"),
    ("42701", "duplicate_column"),
    ("42702", "ambiguous_column"),
    ("42703", "undefined_column"),
    ("42704", "undefined_object"),
    ("42710", "duplicate_object"),
    ("42725", "ambiguous_function"),
    ("42804", "datatype_mismatch"),
    ("42809", "wrong_object_type"),
    ("42830", "invalid_foreign_key"),
    ("42846", "cannot_coerce"),
    ("42883", "undefined_function"),
    ("428C9", "generated_always"),
    ("42939", "reserved_name"),
    ("42P01", "undefined_table"),
    ("42P02", "undefined_parameter"),
    ("42P04", "duplicate_database"),
    ("42P06", "duplicate_schema"),
    ("42P07", "duplicate_table"),
    ("42P10", "invalid_column_reference"),
    ("42P16", "invalid_table_definition"),
    ("42P17", "invalid_object_definition"),
    ("42P18", "indeterminate_datatype"),
    ("44", "with_check_option_violation"),
    ("53", "insufficient_resources"),
    ("53100", "disk_full"),
    ("53200", "out_of_memory"),
    ("53300", "too_many_connections"),
    ("53400", "configuration_limit_exceeded"),
    ("54", "program_limit_exceeded"),
    ("54000", "program_limit_exceeded"),
    ("54001", "statement_too_complex"),
    ("54011", "too_many_columns"),
    ("55", "object_not_in_prerequisite_state"),
    ("55000", "object_not_in_prerequisite_state"),
    ("55006", "object_in_use"),
    ("55P03", "lock_not_available"),
    ("57", "operator_intervention"),
    ("57014", "query_canceled"),
    ("57P01", "admin_shutdown"),
    ("57P02", "crash_shutdown"),
    ("57P03", "cannot_connect_now"),
    ("57P04", "database_dropped"),
    ("57P05", "idle_session_timeout"),
    ("58", "system_error"),
    ("58030", "io_error"),
    ("58P01", "undefined_file"),
    ("72000", "snapshot_too_old"),
    ("P0", "plpgsql_error"),
    ("P0001", "raise_exception"),
    ("P0002", "no_data_found"),
    ("P0003", "too_many_rows"),
    ("P0004", "assert_failure"),
    ("XX", "internal_error"),
    ("XX000", "internal_error"),
    ("XX001", "data_corrupted"),
    ("XX002", "index_corrupted"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_searched() {
        assert!(CONDITIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(condition("23505"), "unique_violation");
        assert_eq!(condition("23999"), "integrity_constraint_violation");
        assert_eq!(condition("ZZ999"), "unknown condition");
        assert_eq!(condition(""), "unknown condition");
    }

    #[test]
    fn what_is_unknown_stops() {
        for state in [
            "", "Z", "é", "XX000", "57014", "53100", "25006", "22P04", "08P01", "P0002",
        ] {
            assert_eq!(disposition(state), Disposition::Stop, "{state}");
        }
    }

    #[test]
    fn classes_and_single_states() {
        for (state, expected) in [
            ("08006", Disposition::Retry),
            ("57P01", Disposition::Retry),
            ("40P01", Disposition::Retry),
            ("55P03", Disposition::Retry),
            ("22P02", Disposition::Row),
            ("23503", Disposition::Row),
            ("44000", Disposition::Row),
            ("P0001", Disposition::Row),
            ("28P01", Disposition::Permission),
            ("42501", Disposition::Permission),
            ("42P01", Disposition::Gone),
            ("42703", Disposition::Gone),
        ] {
            assert_eq!(disposition(state), expected, "{state}");
        }
    }

    #[test]
    fn data_errors_keep_their_message_to_themselves() {
        for state in ["22001", "23505", "44000", "P0001", "XX000", "21000"] {
            assert!(!message_is_free_of_values(state), "{state}");
        }
        assert!(message_is_free_of_values("42P01"));
    }
}
