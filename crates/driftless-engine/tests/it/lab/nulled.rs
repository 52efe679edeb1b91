//! References that were dropped because their row is not there: counted where the target has none and the source has one.

/// Entity, target column, legacy relation, what is not null there.
pub(super) const NULLED: [(&str, &str, &str, &str); 25] = [
    ("offices", "head_profile_id", "dispatch_office", "head_user_id"),
    ("profiles", "office_id", "dispatch_user", "office_id"),
    ("doctors", "office_id", "dispatch_doctor", "office_id"),
    ("patients", "office_id", "dispatch_patient", "office_id"),
    ("patients", "doctor_id", "dispatch_patient", "doctor_id"),
    ("orders", "doctor_id", "dispatch_instruction", "doctor_id"),
    ("orders", "product_id", "dispatch_instruction", "product_id"),
    ("orders", "created_by", "dispatch_instruction", "created_by"),
    ("cases", "technician_id", "dispatch_case", "technician_id"),
    ("tasks", "depends_on_id", "dispatch_task", "depends_on"),
    (
        "tasks",
        "technician_role_id",
        "dispatch_task",
        "assignee_id + length(l.assignee_role)",
    ),
    ("projects", "doctor_id", "dispatch_project", "doctor_id"),
    ("projects", "office_id", "dispatch_project", "office_id"),
    (
        "treatment_plans",
        "project_id",
        "dispatch_treatment_plan",
        "project_id",
    ),
    ("files", "order_id", "dispatch_file", "instruction_id"),
    ("files", "uploader_id", "dispatch_file", "uploader_id"),
    ("discounts", "office_id", "dispatch_discount", "office_id"),
    ("payments", "discount_id", "dispatch_operation", "discount_id"),
    ("messages", "order_id", "dispatch_message", "instruction_id"),
    ("messages", "recipient_id", "dispatch_message", "recipient_id"),
    ("messages", "attachment_id", "dispatch_message", "file_id"),
    (
        "system_messages",
        "recipient_id",
        "dispatch_system_message",
        "recipient_id",
    ),
    ("comments", "author_id", "dispatch_comment", "author_id"),
    (
        "notifications",
        "message_id",
        "dispatch_notification",
        "message_id",
    ),
    (
        "feedback",
        "patient_id",
        "(SELECT f.id, i.patient_id FROM public.dispatch_feedback AS f JOIN public.dispatch_instruction AS i ON i.id = f.instruction_id)",
        "patient_id",
    ),
];

/// The query that counts one of them in the target.
pub(super) fn count(entity: &str, column: &str, legacy: &str, given: &str) -> String {
    format!(
        "SELECT count(*) FROM public.{entity} AS t JOIN driftless.identity_{entity} AS i ON i.t1 = t.id \
         JOIN {legacy} AS l ON l.id = i.k1 WHERE t.{column} IS NULL AND l.{given} IS NOT NULL"
    )
}
