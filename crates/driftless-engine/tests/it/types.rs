//! The matrix of types, cell by cell, with PostgreSQL as judge: what is refused is refused, whatever goes through is what a
//! cast gives and can be turned back, and whatever a cast would lose is rejected without `lossy`, and cast with it.

mod casts;
mod catalog;
mod evidence;
mod extensions;
mod generated;
mod judge;
mod lost;
mod made;
mod telling;
mod travel;
mod values;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::code;
use driftless_core::plan::matrix::{Class, Type, class, obeys_lossy};
use driftless_engine::run::prepare;
use driftless_testkit::{TestDatabase, servers};

use crate::pair::{Pair, migrate_spec};
use evidence::{Seen, Shown, contradictions, copies_bytes, fitting};
use lost::{Answer, is_lost};
use values::values;

/// Columns of one table: what PostgreSQL takes, with room for keys and for what we ask of each.
const COLUMNS: usize = 120;

/// Values of one cell that no cast takes.
const UNREADABLE: usize = 4;

/// Empty tables may have as many as PostgreSQL takes.
const MOST_COLUMNS: usize = 1500;

/// A source type and a target type.
#[derive(Debug, Clone, Copy)]
struct Cell {
    from: (usize, Type),
    to: (usize, Type),
    class: Class,
}

impl Cell {
    fn column(&self) -> String {
        format!("c{}_{}", self.from.0, self.to.0)
    }

    fn all() -> Vec<Cell> {
        let types: Vec<(usize, Type)> = Type::all().enumerate().collect();
        let of = |from: (usize, Type)| {
            types.iter().map(move |to| Cell {
                from,
                to: *to,
                class: class(from.1, to.1),
            })
        };
        types.iter().flat_map(|from| of(*from)).collect()
    }
}

/// The statements that make the types.
fn definitions() -> String {
    Type::all()
        .filter_map(Type::definition)
        .map(|definition| format!("{definition};\n"))
        .collect()
}

fn quoted(literal: &str) -> String {
    format!("'{}'", literal.replace('\'', "''"))
}

/// Tables with a column for each of these cells, `width` in each.
fn tables(prefix: &str, cells: &[Cell], width: usize, data_type: impl Fn(&Cell) -> &'static str) -> String {
    let table = |(number, part): (usize, &[Cell])| {
        let columns = part
            .iter()
            .map(|cell| format!(", {} {}", cell.column(), data_type(cell)));
        let columns: String = columns.collect();
        format!("CREATE TABLE {prefix}{number} (id int PRIMARY KEY{columns});\n")
    };
    cells.chunks(width).enumerate().map(table).collect()
}

#[tokio::test]
async fn what_is_refused_is_refused_and_nothing_else() {
    let cells = Cell::all();
    let source = definitions() + &tables("s", &cells, MOST_COLUMNS, |cell| cell.from.1.sql());
    let target = definitions() + &tables("t", &cells, MOST_COLUMNS, |cell| cell.to.1.sql());
    let pair = Pair::create("typesrefused", &source, &target).await;
    let entity = |number: usize| {
        format!("[entities.e{number}]\nfrom = \"public.s{number}\"\ninto = \"public.t{number}\"\n")
    };
    let entities: String = (0..cells.len().div_ceil(MOST_COLUMNS)).map(entity).collect();
    let error = prepare(&pair.spec(&entities)).await.expect_err("misfits");
    let mut refused = BTreeSet::new();
    for finding in error.into_findings() {
        assert_eq!(finding.code, code::TYPES_DO_NOT_FIT, "{finding}");
        // What the compiler refuses, PostgreSQL need not be asked about.
        assert!(!finding.message.contains("cannot cast"), "{finding}");
        let column = finding
            .message
            .strip_prefix("column ")
            .and_then(|rest| rest.split_once(": "));
        refused.insert(column.expect("a column").0.to_owned());
    }
    let mut wrong = Vec::new();
    for cell in &cells {
        let expected = matches!(cell.class, Class::Refused | Class::Lossy);
        if refused.contains(&cell.column()) != expected {
            wrong.push(format!(
                "{} to {}: {:?}",
                cell.from.1.sql(),
                cell.to.1.sql(),
                cell.class
            ));
        }
    }
    assert!(wrong.is_empty(), "the plan says otherwise:\n{}", wrong.join("\n"));
    println!("{} cells, {} refused", cells.len(), refused.len());
}

/// One value on its way into one column.
#[derive(Debug)]
struct Case {
    /// The row that holds it.
    id: usize,
    cell: Cell,
    /// The number of its cell among those that are loaded.
    number: usize,
    literal: &'static str,
    /// What a cast gives.
    held: Option<String>,
    /// Whether something of it would be lost.
    lost: bool,
}

impl Case {
    /// Whether it must arrive without the word `lossy`.
    fn arrives(&self) -> bool {
        self.cell.class != Class::Lossy && self.held.is_some() && !self.lost
    }

    fn told(&self, what: &str, loaded: Option<&String>) -> String {
        format!(
            "row {} of {}: {} {:?} to {}: {what} (a cast gives {:?}, something would{} be lost, loaded is {loaded:?})",
            self.id,
            self.number / COLUMNS,
            self.cell.from.1.sql(),
            self.literal,
            self.cell.to.1.sql(),
            self.held,
            if self.lost { "" } else { " not" },
        )
    }
}

/// Asks PostgreSQL about every value of every cell. What arrives shares a row with others of the same value; what does not
/// has a row of its own, so that one fault is one case's.
async fn cases(pair: &Pair, cells: &[Cell]) -> Vec<Case> {
    let mut asked = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        let sql = cell.from.1.sql();
        let known = values(sql).unwrap_or_else(|| panic!("no values of {sql}"));
        let literals = known.iter().copied().chain(fitting(cell));
        // PostgreSQL 14 prints a single byte of a character, which is no text.
        let printed = literals.filter(|literal| cell.to.1.sql() != "\"char\"" || literal.is_ascii());
        asked.extend(printed.map(|literal| (number, *cell, literal)));
    }
    let row = |(_, cell, literal): &(usize, Cell, &str)| {
        let (from, to) = (cell.from.1, cell.to.1);
        let value = format!("{}::{}", quoted(literal), from.sql());
        let given = |sql: Option<String>| sql.map_or("NULL".to_owned(), |sql| quoted(&sql));
        format!(
            "({}, {}, {}, {}, {}, {})",
            quoted(&value),
            quoted(from.sql()),
            quoted(to.sql()),
            given(judge::forward(&value, from, to)),
            given(judge::back(from, to)),
            judge::is_by_value(from)
        )
    };
    let rows: Vec<String> = asked.iter().map(row).collect();
    let sql = format!(
        "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 3; SET jit = off; \
         SELECT found.held, found.printed, found.kept_by_cast::text, found.kept_by_text::text FROM (VALUES {}) \
         AS asked (v, f, t, forward, back, by_value), LATERAL judge(v, f, t, forward, back, by_value) AS found",
        rows.join(",\n")
    );
    let answers = pair.target.rows(&sql).await;
    assert_eq!(answers.len(), asked.len());
    let mut shared: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    let mut unreadable: BTreeMap<usize, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for ((number, cell, literal), answer) in asked.into_iter().zip(answers) {
        let text = |column: usize| answer[column].as_deref().unwrap_or_default();
        let said = Answer {
            printed: text(1),
            held: text(0).split('\u{1}').next().unwrap_or_default(),
            by_cast: text(2) == "true",
            by_text: text(3) == "true",
        };
        let mut case = Case {
            id: cases.len() + 1,
            cell,
            number,
            literal,
            held: answer[0].clone().filter(|_| !has_no_bytes(cell.to.1, said.held)),
            lost: is_lost(cell.from.1, cell.to.1, &said),
        };
        // What a type cannot read at all is the same to every reader: some of it suffices.
        let unread = unreadable.entry(number).or_insert(0);
        *unread += usize::from(case.held.is_none());
        if case.held.is_none() && *unread > UNREADABLE {
            continue;
        }
        let whole = if cell.class == Class::Lossy {
            case.held.is_some()
        } else {
            case.arrives()
        };
        if whole {
            case.id = *shared
                .entry((number / COLUMNS * 1000 + cell.from.0, literal))
                .or_insert(case.id);
        }
        cases.push(case);
    }
    cases
}

/// Whether PostgreSQL writes the value in a binary form that it does not read itself.
fn has_no_bytes(to: Type, printed: &str) -> bool {
    matches!(to.sql(), "int2vector" | "oidvector" | "tsquery") && printed.is_empty()
}

/// The rows of the source.
fn rows(cases: &[Case]) -> String {
    let mut by_row: BTreeMap<(usize, usize), Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_row
            .entry((case.number / COLUMNS, case.id))
            .or_default()
            .push(case);
    }
    let row = |((table, id), cases): (&(usize, usize), &Vec<&Case>)| {
        let columns: String = cases
            .iter()
            .map(|case| format!(", {}", case.cell.column()))
            .collect();
        let values: String = cases
            .iter()
            .map(|case| format!(", {}", quoted(case.literal)))
            .collect();
        format!("INSERT INTO s{table} (id{columns}) VALUES ({id}{values});\n")
    };
    by_row.iter().map(row).collect()
}

/// The entities: as they are, and what `lossy` changes into tables of their own.
fn mapping(cells: &[Cell]) -> String {
    let table = |(number, part): (usize, &[Cell])| {
        let lossy_only = part.iter().filter(|cell| cell.class == Class::Lossy);
        let skip: Vec<String> = lossy_only.map(|cell| format!("\"{}\"", cell.column())).collect();
        let cut = part.iter().filter(|cell| is_cut(cell));
        let columns: String = cut
            .map(|cell| format!("{0} = {{ copy = \"{0}\", lossy = true }}\n", cell.column()))
            .collect();
        format!(
            "[entities.e{number}]\nfrom = \"public.s{number}\"\ninto = \"public.t{number}\"\nskip = [{}]\nmax_rejects = \"100%\"\n\
             [entities.l{number}]\nfrom = \"public.s{number}\"\ninto = \"public.l{number}\"\ncopy = \"none\"\nmax_rejects = \"100%\"\n\
             [entities.l{number}.columns]\nid = \"id\"\n{columns}",
            skip.join(", ")
        )
    };
    cells.chunks(COLUMNS).enumerate().map(table).collect()
}

/// Whether `lossy` lets the cast have its way.
fn is_cut(cell: &Cell) -> bool {
    cell.class == Class::Lossy || obeys_lossy(cell.from.1, cell.to.1)
}

/// What columns of such cells hold: for each cell and row, text and bytes.
async fn loaded(
    database: &TestDatabase,
    prefix: &str,
    cells: &[Cell],
    wanted: fn(&Cell) -> bool,
) -> BTreeMap<(usize, usize), String> {
    let mut found = BTreeMap::new();
    for (table, part) in cells.chunks(COLUMNS).enumerate() {
        let one = |(index, cell): (usize, &Cell)| {
            let (number, column) = (table * COLUMNS + index, cell.column());
            format!(
                "SELECT {number}, id, {column}::text || chr(1) || encode(record_send(ROW({column})), 'hex') \
                 FROM {prefix}{table} WHERE {column} IS DISTINCT FROM NULL"
            )
        };
        let columns = part.iter().enumerate().filter(|(_, cell)| wanted(cell));
        let parts: Vec<String> = columns.map(one).collect();
        if parts.is_empty() {
            continue;
        }
        let sql = format!(
            "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 3; SET jit = off; {}",
            parts.join(" UNION ALL ")
        );
        for mut row in database.rows(&sql).await {
            let mut next = || row.pop().flatten().expect("no null");
            let (value, id, index) = (next(), next(), next());
            let number = |text: &str| text.parse::<usize>().expect("a number");
            found.insert((number(&index), number(&id)), value);
        }
    }
    found
}

/// The cells through which something may come.
fn open_cells() -> Vec<Cell> {
    let cells = Cell::all().into_iter();
    cells.filter(|cell| cell.class != Class::Refused).collect()
}

#[tokio::test]
async fn values_go_through_as_a_cast_would_have_them_or_not_at_all() {
    let cells = open_cells();
    let source = definitions() + &tables("s", &cells, COLUMNS, |cell| cell.from.1.sql());
    let target = [
        definitions(),
        judge::FUNCTIONS.to_owned(),
        tables("t", &cells, COLUMNS, |cell| cell.to.1.sql()),
        tables("l", &cells, COLUMNS, |cell| cell.to.1.sql()),
    ];
    let pair = Pair::create("types", &source, &target.concat()).await;
    let cases = cases(&pair, &cells).await;
    pair.source.run(&rows(&cases)).await;
    let report = migrate_spec(&pair.spec(&mapping(&cells))).await.expect("a load");
    let (plain, cut) = (
        loaded(&pair.target, "t", &cells, |_| true).await,
        loaded(&pair.target, "l", &cells, is_cut).await,
    );

    let mut wrong = Vec::new();
    let mut rejected = BTreeSet::new();
    for case in &cases {
        let key = (case.number, case.id);
        let found = plain.get(&key);
        if case.cell.class != Class::Lossy {
            wrong.extend(verdict(case, case.arrives(), found).err());
            if found.is_none() {
                rejected.insert((case.number / COLUMNS, case.id));
            }
        }
        if is_cut(&case.cell) {
            let found = cut.get(&key);
            wrong.extend(
                verdict(case, case.held.is_some(), found)
                    .err()
                    .map(|told| format!("lossy: {told}")),
            );
        }
    }
    let entities = report
        .entities
        .iter()
        .filter(|entity| entity.entity.starts_with('e'));
    let counted: i64 = entities.map(|entity| entity.rejected).sum();
    println!(
        "{} cells, {} values, {} rejected",
        cells.len(),
        cases.len(),
        rejected.len()
    );
    if !wrong.is_empty() {
        let sql = "SELECT entity, key, column_name, message FROM driftless.rejects ORDER BY entity, length(key), key";
        for reason in pair.target.rows(sql).await {
            eprintln!("{}", reason.into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(
        counted,
        rejected.len() as i64,
        "rows that are rejected, and nothing else is lost"
    );
    let wrong = unproven(&pair, &cells, &cases, [&plain, &cut]).await;
    assert!(
        wrong.is_empty(),
        "{} cells are not what they are said to be:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What contradicts the classes of cells, or leaves them without proof.
async fn unproven(
    pair: &Pair,
    cells: &[Cell],
    cases: &[Case],
    [plain, cut]: [&BTreeMap<(usize, usize), String>; 2],
) -> Vec<String> {
    let sent = loaded(&pair.source, "s", cells, copies_bytes).await;
    let sql = "SELECT entity, key, code FROM driftless.rejects WHERE entity LIKE 'e%'";
    let rejects = pair.target.rows(sql).await.into_iter();
    let codes: BTreeMap<(String, String), String> = rejects
        .map(|mut row| {
            let mut next = || row.pop().flatten().expect("no null");
            let (code, key, entity) = (next(), next(), next());
            ((entity, key), code)
        })
        .collect();
    let mut shown: BTreeMap<usize, Shown> = BTreeMap::new();
    for case in cases {
        let key = (case.number, case.id);
        let arrived = if case.cell.class == Class::Lossy {
            cut
        } else {
            plain
        };
        let reject = (format!("e{}", case.number / COLUMNS), case.id.to_string());
        let seen = Seen {
            sent: sent.get(&key).map(|held| bytes(held)),
            arrived: arrived.get(&key).map(|held| bytes(held)),
            code: codes.get(&reject).map(String::as_str),
        };
        shown.entry(case.number).or_default().add(case, &seen);
    }
    contradictions(cells, &mut shown)
}

/// The bytes of what is held, without the number of their type.
fn bytes(held: &str) -> &str {
    let (_, row) = held.split_once('\u{1}').expect("text and bytes");
    &row[16..]
}

/// Whether a case came out as it should.
fn verdict(case: &Case, arrives: bool, loaded: Option<&String>) -> Result<(), String> {
    match loaded {
        Some(_) if !arrives => Err(case.told("loaded", loaded)),
        Some(_) if loaded != case.held.as_ref() => Err(case.told("another value", loaded)),
        None if arrives => Err(case.told("rejected", loaded)),
        _ => Ok(()),
    }
}

/// Casts that PostgreSQL has and that mean something else, or take a zone from the session.
#[tokio::test]
async fn only_conversions_that_mean_the_same_are_made() {
    let database = TestDatabase::create(&servers().target, "typescasts").await;
    database.run(&definitions()).await;
    let cells: Vec<Cell> = Cell::all()
        .into_iter()
        .filter(|cell| !cell.from.1.is_characters() && !cell.to.1.is_characters())
        // Before PostgreSQL 15 everything was cast to "char" and from it, as text is.
        .filter(|cell| ![cell.from.1.sql(), cell.to.1.sql()].contains(&"\"char\""))
        .collect();
    let rows = cells.iter().map(|cell| {
        let cast = format!("NULL::{}::{}", cell.from.1.sql(), cell.to.1.sql());
        format!("({})", quoted(&cast))
    });
    let sql = format!(
        "SELECT exists_cast(sql)::text FROM (VALUES {}) AS asked (sql)",
        rows.collect::<Vec<_>>().join(", ")
    );
    database.run(EXISTS_CAST).await;
    let answers = database.rows(&sql).await;
    assert_eq!(answers.len(), cells.len());
    let (mut refused, mut without) = (BTreeSet::new(), BTreeSet::new());
    for (cell, answer) in cells.iter().zip(answers) {
        let names = (cell.from.1.sql(), cell.to.1.sql());
        let has_cast = answer[0].as_deref() == Some("true");
        match (has_cast, cell.class) {
            (true, Class::Refused | Class::Lossy) => refused.insert(names),
            (false, Class::Refused | Class::Lossy) | (true, _) => false,
            // Labels are characters, in arrays, too.
            (false, _) if [names.0, names.1].contains(&"few[]") => false,
            (false, _) => without.insert(names),
        };
    }
    let told = |names: &BTreeSet<(&str, &str)>, list: &[(&str, &str)]| -> Vec<String> {
        let unlisted = names.iter().filter(|names| !list.contains(names));
        unlisted
            .map(|(from, to)| format!("(\"{from}\", \"{to}\"),"))
            .collect()
    };
    let (more, other) = (
        told(&refused, casts::REFUSED),
        told(&without, casts::WITHOUT_CAST),
    );
    assert!(
        more.is_empty(),
        "refused, though PostgreSQL has a cast:\n{}",
        more.join("\n")
    );
    assert!(
        other.is_empty(),
        "made, though PostgreSQL has no cast:\n{}",
        other.join("\n")
    );
    for names in casts::REFUSED {
        let cell = cells
            .iter()
            .find(|cell| (cell.from.1.sql(), cell.to.1.sql()) == *names);
        assert_eq!(cell.map(|cell| cell.class), Some(Class::Refused), "{names:?}");
    }
}

const EXISTS_CAST: &str = "CREATE FUNCTION exists_cast(sql text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || sql; \
     RETURN true; EXCEPTION WHEN cannot_coerce THEN RETURN false; END $$";
