//! What a teardown removes.

use driftless_engine::run::report::TeardownReport;

use super::figure::count;
use super::table::{Align, Table};

/// Everything of the pipeline's state, and whether it goes.
pub(crate) fn teardown(report: &TeardownReport, forget: bool, width: Option<usize>) -> String {
    let headings = [
        ("what", Align::Left),
        ("name", Align::Left),
        ("rows", Align::Right),
        ("", Align::Left),
    ];
    let mut table = Table::new(&headings);
    for (name, rows) in &report.state {
        table.row([
            "state".to_owned(),
            name.clone(),
            format!("~{}", count(*rows)),
            "removed".to_owned(),
        ]);
    }
    let fate = if forget {
        "removed"
    } else {
        "kept: --forget-identities removes it"
    };
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
    table.text(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_and_what_stays() {
        let report = TeardownReport {
            state: vec![("driftless.chunk".to_owned(), 120)],
            identities: vec![("driftless.identity_orders".to_owned(), 39_663)],
            set_aside: vec![("public.orders".to_owned(), "orders_pkey".to_owned())],
        };
        insta::assert_snapshot!(format!(
            "{}\n{}",
            teardown(&report, false, None),
            teardown(&report, true, None)
        ));
    }
}
