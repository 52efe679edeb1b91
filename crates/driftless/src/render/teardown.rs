//! What a teardown removes.

use driftless_engine::run::report::TeardownReport;

use super::figure::count;
use super::table::{Align, Table, clean};

/// What was removed, and what is left.
pub(crate) fn torn_down(report: &TeardownReport, forget: bool) -> String {
    if forget {
        return format!(
            "removed: schema {} with everything in it\n",
            clean(&report.state_schema)
        );
    }
    let left = match report.identities.len() {
        0 => "no identities were on record".to_owned(),
        1 => "the identities of 1 table stay".to_owned(),
        number => format!("the identities of {number} tables stay"),
    };
    format!(
        "removed: what schema {} had on record; {left}\n",
        clean(&report.state_schema)
    )
}

/// Everything of the pipeline's state, and whether it goes.
pub(crate) fn teardown(report: &TeardownReport, forget: bool, width: Option<usize>) -> String {
    let headings = [
        ("what", Align::Left),
        ("name", Align::Left),
        ("rows", Align::Right),
        ("", Align::Left),
    ];
    let mut table = Table::new(&headings);
    let (state, fate) = if forget {
        ("dropped", "dropped")
    } else {
        ("emptied", "kept: --forget-identities drops it")
    };
    for (name, rows) in &report.state {
        table.row(["state".to_owned(), name.clone(), count(*rows), state.to_owned()]);
    }
    for (name, rows) in &report.identities {
        table.row([
            "identities".to_owned(),
            name.clone(),
            format!("~{}", count(*rows)),
            fate.to_owned(),
        ]);
    }
    for (name, item) in &report.set_aside {
        let fate = "set aside: driftless migrate --abandon puts it back".to_owned();
        table.row([name.clone(), item.clone(), String::new(), fate]);
    }
    format!(
        "teardown of pipeline {}, in schema {} of {}; the rows that were loaded stay:\n{}",
        clean(&report.pipeline),
        clean(&report.state_schema),
        clean(&report.target),
        table.text(width)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_and_what_stays() {
        let report = TeardownReport {
            pipeline: "lab".to_owned(),
            state_schema: "driftless".to_owned(),
            target: "owner@127.0.0.1:5433/target".to_owned(),
            state: vec![("chunk".to_owned(), 120)],
            identities: vec![("identity_orders".to_owned(), 39_663)],
            set_aside: vec![("public.orders".to_owned(), "orders_pkey".to_owned())],
        };
        insta::assert_snapshot!(format!(
            "{}{}\n{}{}",
            teardown(&report, false, None),
            torn_down(&report, false),
            teardown(&report, true, None),
            torn_down(&report, true),
        ));
    }
}
