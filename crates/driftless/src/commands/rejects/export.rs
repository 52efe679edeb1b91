use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use driftless_core::code::Exit;
use driftless_engine::run::rejects;
use driftless_engine::run::report::{RejectRecord, WarningRecord};
use serde::Serialize;
use serde_json::json;

use super::super::{Format, Work};
use super::Selection;
use super::csv::{self, Line};
use super::destination::{Destination, Wanted};
use super::list::OF_REJECTS;
use crate::failure::Failure;
use crate::render;

/// Write rejected rows, with everything on record about them, as CSV or JSON lines
///
/// All rows that fit the filters, in the order of entity and key, as they are on record at one moment. CSV is written as
/// PostgreSQL's COPY writes it, with a line of names, and can be read back with it: null is nothing, an empty text is two
/// quotes. JSON lines have one object a row, with the members of `rejects show --json`.
///
/// An export holds what the record holds: the values of the source's rows among it, without those of columns that the
/// mapping calls sensitive. A file can be read by nobody else.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  driftless rejects export --output rejects.csv
  driftless rejects export orders --code DL0404 | less
  driftless rejects export --as jsonl | jq -r '[.entity, .key, .source_row.price] | @tsv'
  driftless rejects export --warnings --output warnings.csv")]
pub(crate) struct Export {
    #[command(flatten)]
    selection: Selection,
    /// How rows are written [default: as FILE is called, else csv]
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,
    /// Write this file instead of standard output; it appears when it is whole. Asks before it replaces one.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Rows that were loaded although a rule warns of them.
    #[arg(long, conflicts_with_all = OF_REJECTS)]
    warnings: bool,
    /// Print one JSON document that says what was written; docs/reference/json.md describes it.
    #[arg(long, requires = "output")]
    json: bool,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Comma-separated values, with a line of names
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Form {
    /// The form that a file's name says.
    fn of(path: &Path) -> Form {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_lowercase).as_deref() {
            Some("jsonl" | "ndjson" | "json") => Form::Jsonl,
            _ => Form::Csv,
        }
    }
}

/// An export under way.
struct Writer {
    form: Form,
    destination: Destination,
    rows: i64,
    failed: Option<Failure>,
}

impl Writer {
    fn new(form: Form, destination: Destination) -> Writer {
        Writer {
            form,
            destination,
            rows: 0,
            failed: None,
        }
    }

    fn take<L: Line + Serialize>(&mut self, record: &L) -> ControlFlow<()> {
        let line = match self.form {
            Form::Csv if self.rows == 0 => csv::heading::<L>() + &csv::line(record),
            Form::Csv => csv::line(record),
            Form::Jsonl => {
                let line = serde_json::to_string(record);
                line.expect("records are made of texts, numbers and objects") + "\n"
            }
        };
        self.rows += 1;
        match self.destination.write(&line) {
            Ok(Wanted::More) => ControlFlow::Continue(()),
            Ok(Wanted::NoMore) => ControlFlow::Break(()),
            Err(failure) => {
                self.failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    }

    /// How many records were written. A CSV without records has its names all the same.
    fn finish<L: Line>(mut self) -> Result<i64, Failure> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        if self.rows == 0 && self.form == Form::Csv {
            self.destination.write(&csv::heading::<L>())?;
        }
        self.destination.finish()?;
        Ok(self.rows)
    }
}

/// # Errors
/// The state cannot be read, or the file cannot be written.
pub(super) async fn export(arguments: &Export, work: &Work) -> Result<Exit, Failure> {
    let path = arguments.output.as_deref();
    if !may_replace(path, work).await? {
        return Ok(Exit::Done);
    }
    let exported = write(arguments, work).await?;
    let format = Format { json: arguments.json };
    if arguments.json {
        let document = json!({ "rows": exported, "file": path });
        work.report(&format, "export", document, |_, _| String::new())?;
    } else if let Some(path) = path {
        let file = render::clean(&path.display().to_string());
        work.terminal
            .tell(&format!("{} in {file}", render::rows(exported)));
    }
    Ok(Exit::Done)
}

async fn write(arguments: &Export, work: &Work) -> Result<i64, Failure> {
    let filter = arguments.selection.filter(work.spec())?;
    let path = arguments.output.as_deref();
    let form = arguments.form.or(path.map(Form::of)).unwrap_or(Form::Csv);
    let destination = Destination::open(path)?;
    let mut writer = Writer::new(form, destination);
    if arguments.warnings {
        rejects::export_warnings(work.spec(), &filter, |record| writer.take(&record)).await?;
        return writer.finish::<WarningRecord>();
    }
    rejects::export(work.spec(), &filter, |record| writer.take(&record)).await?;
    writer.finish::<RejectRecord>()
}

/// Whether a file may be written: where one is, somebody says so.
async fn may_replace(path: Option<&Path>, work: &Work) -> Result<bool, Failure> {
    let Some(path) = path.filter(|path| path.is_file()) else {
        return Ok(true);
    };
    let file = render::clean(&path.display().to_string());
    work.terminal.warn(&format!("this replaces {file}"));
    work.confirm(&format!("Replace {file}?")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_form() {
        assert_eq!(Form::of(Path::new("a/rejects.JSONL")), Form::Jsonl);
        assert_eq!(Form::of(Path::new("rejects.csv")), Form::Csv);
        assert_eq!(Form::of(Path::new("rejects")), Form::Csv);
    }
}
