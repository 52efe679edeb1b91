//! Values that expressions refuse: what it takes to find the rows, batch by batch.

use driftless_core::batch::Batch;
use driftless_core::catalog::builtin;
use driftless_core::plan::{Evaluation, EvaluationInput, EvaluationOutput, EvaluationSource};
use driftless_core::transform::RowFault;
use driftless_engine::shape::evaluate::{Experience, evaluate};
use driftless_pg::Session;
use driftless_testkit::{Cluster, ClusterOptions, Server, TestDatabase};

use crate::session::session;

/// Rows of a batch, more than are simply asked about.
const ROWS: usize = 1_000;

/// A name that is never the same, a price that hardly is, and a document.
fn evaluation(settled: bool) -> Evaluation {
    let input = |number, name: &str| EvaluationInput {
        name: name.to_owned(),
        from: EvaluationSource::Input(number),
        element: builtin::TEXT,
        array: builtin::TEXT_ARRAY,
        cast: None,
    };
    let output = |sql: &str, place: &str, input, settled| EvaluationOutput {
        sql: sql.to_owned(),
        place: place.to_owned(),
        column: place.strip_prefix("column ").map(str::to_owned),
        reads: false,
        inputs: vec![input],
        settled,
        local: None,
        for_rules: false,
    };
    Evaluation {
        inputs: vec![input(0, "name"), input(1, "price"), input(2, "document")],
        outputs: vec![
            output("upper(name)", "column name", 0, false),
            output("price::numeric(12,2)", "column price", 1, settled),
            output("length(document)", "column length", 2, settled),
            output("document::jsonb IS NOT NULL", "rule document", 2, settled),
        ],
    }
}

/// The n-th batch: values that are refused are the same in all batches, or some prices are new in each.
fn batch(nth: usize, same: bool) -> Batch {
    let mut batch = Batch::new(3);
    for row in 0..ROWS {
        let name = format!("{nth} {row}");
        let price = match row % 100 {
            7 if same => "n/a".to_owned(),
            7 => format!("n/a {name}"),
            8 => String::new(),
            _ => format!("{}.25", nth * ROWS + row),
        };
        let document = match row % 50 {
            7 if same => "{cut off",
            9 if same => r#"["\u0000"]"#,
            _ => "[]",
        };
        batch.push_row([&name, &price, document].map(|text| Some(text.as_bytes())));
    }
    batch
}

async fn faults(
    session: &mut Session,
    evaluation: &Evaluation,
    experience: &Experience,
    batch: &Batch,
) -> Vec<RowFault> {
    let rows: Vec<usize> = (0..ROWS).collect();
    let mut subject = batch.clone();
    let answers = evaluate(session, evaluation, experience, &mut subject, &rows)
        .await
        .expect("answers");
    let mut faults = answers.failed;
    faults.sort_by_key(|fault| fault.row);
    faults
}

/// A server that notes every statement.
async fn noted(name: &str) -> (Cluster, TestDatabase, Session) {
    let options = ClusterOptions {
        settings: vec![("log_statement".to_owned(), "all".to_owned())],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&options).expect("a server");
    let database = TestDatabase::create(&Server::of(&cluster), name).await;
    let session = session(&database).await;
    (cluster, database, session)
}

/// Functions that were made, and evaluations that were asked for.
fn counted(log: &str) -> (usize, usize) {
    // A statement that fails is noted once more, as what the error is about.
    let lines = log.lines().filter(|line| line.contains("LOG:  "));
    let of = |what: &str| lines.clone().filter(|line| line.contains(what)).count();
    (
        of("CREATE FUNCTION pg_temp.driftless_failing"),
        of("SELECT \"driftless ord\""),
    )
}

/// Functions and evaluations of each batch, whose faults are compared with those of asking about everything.
async fn statements(name: &str, evaluation: &Evaluation, same: bool, batches: usize) -> Vec<(usize, usize)> {
    let (cluster, _database, mut session) = noted(name).await;
    let ways = [Experience::new, Experience::without_recall].map(|way| way(evaluation));
    let mut found = Vec::new();
    for nth in 0..batches {
        let batch = batch(nth, same);
        let before = cluster.log().len();
        let told = faults(&mut session, evaluation, &ways[0], &batch).await;
        found.push(counted(&cluster.log()[before..]));
        let expected = faults(&mut session, evaluation, &ways[1], &batch).await;
        assert_eq!(told, expected, "batch {nth}");
        assert_eq!(told.len(), ROWS / 100 * if same { 5 } else { 2 });
    }
    found
}

#[tokio::test]
async fn values_that_are_known_to_be_refused_make_no_function() {
    let found = statements("refused", &evaluation(true), true, 5).await;
    // The first batch is surprised, and documents with a price that is refused are told by their price. The second one looks for
    // more in vain. From there on rows are asked about once, those that are refused about what comes before.
    assert_eq!(found[0], (1, 2));
    assert_eq!(found[1].0, 1);
    assert_eq!(found[2..], [(0, 3); 3]);
}

#[tokio::test]
async fn values_that_are_refused_and_new_are_looked_for_before() {
    for (name, settled, same) in [("new", true, false), ("unsettled", false, true)] {
        let found = statements(name, &evaluation(settled), same, 5).await;
        for (made, asked) in &found[1..] {
            // One function finds candidates, and one tells which output is the first that fails for them.
            assert!(*made == 2 && *asked <= 2, "{name}: {found:?}");
        }
    }
}
