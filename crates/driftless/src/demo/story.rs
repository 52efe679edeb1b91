//! The story, told with the commands that an operator would use.

use std::time::Instant;

use driftless_core::code::{self, Exit};
use driftless_engine::run::report::RejectFilter;
use driftless_engine::run::{ids, rejects};
use driftless_pg::{ConnectConfig, PgError, Session};

use super::laboratory::Laboratory;
use crate::commands::{
    Format, Work, check, ids as ids_command, migrate, plan, rejects as rejects_command, validate,
};
use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// The patient whose way is shown: one without anything odd.
const PATIENT: &str = "1208";

/// Rejects of which one each is shown: an order with a price that is no number, a patient's number given twice.
const EXAMPLES: [(&str, &str); 2] = [("orders", "DL0404"), ("patients", "DL0406")];

/// What is going to happen.
pub(super) fn opening(terminal: &Terminal) -> Result<(), Failure> {
    terminal.print(
        "
A dental laboratory moves: from a legacy database that has grown for fifteen years
to the database of its new application, which has another shape and UUIDs for keys.

    legacy                              target, in the shape of a Supabase project

    dispatch_user ─────────┬─────────►  auth.users        not ours to alter
     1, 2, 3, …            └─────────►  profiles          profiles.id = auth.users.id
    dispatch_patient ────────────────►  patients          9c0e…, 41d7…, …
    dispatch_instruction ────────────►  orders            \"12.50\" becomes 12.50
    dispatch_comment ────────────────►  comments          on orders, cases or patients
    … 24 tables                         … 26 entities

It has the dirt that real ones have: references to rows that are gone, prices that
are no numbers, e-mail addresses given twice. Nothing is lost without a word.

",
    )
}

/// Everything, in order. The exit code is that of the proof at the end.
pub(super) async fn tell(work: &Work, laboratory: &Laboratory) -> Result<Exit, Failure> {
    let begin = Instant::now();
    chapter(work, "Is the mapping right?", "check")?;
    check::run(&check::Arguments::default(), work).await?;
    chapter(work, "What would happen, and why?", "plan")?;
    plan::run(&plan::Arguments::default(), work).await?;
    chapter(work, "Do it.", "migrate")?;
    migrate::run(&migrate::Arguments::default(), work).await?;
    chapter(work, "What was not loaded, and why?", "rejects list --groups")?;
    let groups = rejects_command::List {
        groups: true,
        ..rejects_command::List::default()
    };
    rejects_command::list(&groups, work).await?;
    for (entity, code) in EXAMPLES {
        example(work, entity, code).await?;
    }
    patient(work, laboratory).await?;
    chapter(work, "Is everything there?", "validate")?;
    let exit = validate::run(&validate::Arguments::default(), work).await?;
    let proof = if exit == Exit::Done {
        "Every row is in the target, or on record with the reason."
    } else {
        "The two sides differ; the table above says where."
    };
    let took = render::duration(i64::try_from(begin.elapsed().as_millis()).unwrap_or(i64::MAX));
    work.terminal
        .print(&format!("\n{proof} From check to validate: {took}.\n"))?;
    Ok(exit)
}

fn chapter(work: &Work, title: &str, command: &str) -> Result<(), Failure> {
    let rule = "─".repeat(72_usize.saturating_sub(title.chars().count() + 4));
    work.terminal
        .print(&format!("\n── {title} {rule}\n\n$ driftless {command}\n\n"))
}

/// One rejected row with this code in full, if there is one.
async fn example(work: &Work, entity: &str, code: &str) -> Result<(), Failure> {
    let filter = RejectFilter {
        entities: vec![entity.to_owned()],
        codes: vec![code.to_owned()],
        ..RejectFilter::default()
    };
    for record in rejects::list(work.spec(), &filter, 1).await? {
        work.terminal
            .print(&format!("\n$ driftless rejects show {entity} {}\n\n", record.key))?;
        let arguments = rejects_command::Show {
            entity: record.entity,
            key: vec![record.key],
            format: Format::default(),
        };
        rejects_command::show(&arguments, work).await?;
    }
    Ok(())
}

/// One patient's way, forwards and backwards.
async fn patient(work: &Work, laboratory: &Laboratory) -> Result<(), Failure> {
    chapter(
        work,
        "Where did this patient go?",
        &format!("ids get patients {PATIENT}"),
    )?;
    let arguments = ids_command::Get {
        entity: "patients".to_owned(),
        key: vec![PATIENT.to_owned()],
        format: Format::default(),
    };
    ids_command::get(&arguments, work).await?;
    let record = ids::get(work.spec(), "patients", PATIENT).await?;
    let uuid = record
        .and_then(|record| record.target.first()?.1.parse().ok())
        .ok_or_else(|| {
            Failure::new(code::INTERNAL, "demo", "the patient has no UUID")
                .remedy("report this with the output above")
        })?;
    let text = picture(laboratory).await?;
    work.terminal.print(&text)?;
    work.terminal
        .print(&format!("\n$ driftless ids find {uuid}\n\n"))?;
    let arguments = ids_command::Find {
        uuid,
        format: Format::default(),
    };
    ids_command::find(&arguments, work).await?;
    Ok(())
}

/// The patient's columns on both sides, as the two databases have them.
async fn picture(laboratory: &Laboratory) -> Result<String, PgError> {
    let legacy = "SELECT id::text, patient_number::text, first_name::text, gender::text, tel::text, office_id::text, \
                  doctor_id::text FROM public.dispatch_patient WHERE id = ";
    let target = "SELECT id::text, patient_number::text, first_name::text, gender::text, phone::text, \
                  office_id::text, doctor_id::text FROM public.patients WHERE legacy_patient_id = ";
    let before = columns(&laboratory.source_url(), legacy).await?;
    let after = columns(&laboratory.target_url(), target).await?;
    let mut text = "\n    dispatch_patient                     patients\n".to_owned();
    for ((name, old), (new_name, new)) in before.iter().zip(&after) {
        let old = render::clean(old);
        let blank = " ".repeat(14_usize.saturating_sub(console::measure_text_width(&old)));
        text.push_str(&format!(
            "    {name:<15} {old}{blank} ───►  {new_name:<15} {}\n",
            render::clean(new)
        ));
    }
    Ok(text)
}

async fn columns(url: &str, sql: &str) -> Result<Vec<(String, String)>, PgError> {
    let session = Session::connect(&ConnectConfig::parse(url)?, "demo").await?;
    let row = session.query_one(&format!("{sql}{PATIENT}"), &[]).await?;
    let names = row
        .columns()
        .iter()
        .map(|column| column.name.clone())
        .collect::<Vec<_>>();
    let mut columns = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let value: Option<String> = row.get(index)?;
        columns.push((name, value.unwrap_or_else(|| "(null)".to_owned())));
    }
    Ok(columns)
}
