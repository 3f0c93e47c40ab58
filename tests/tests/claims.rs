//! `docs/claims.md` says which promise is kept by what. It names no test that does not run, and no
//! place that is not there.

use marchproxy_tests::repository::{at, is_a_test, read};

const NOT_YET: &str = "not yet";

/// A row of the table: id, claim, state, code, tests.
struct Row {
    id: String,
    state: String,
    code: Vec<String>,
    tests: Vec<String>,
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let page = read(&at("docs/claims.md"));
    let lines = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _claim, state, code, tests] = cells[..] else { panic!("five cells: {line}") };
        Row { id: id.to_owned(), state: state.to_owned(), code: quoted(code), tests: quoted(tests) }
    };
    lines.map(row).collect()
}

#[test]
fn every_claim_has_one_row() {
    let mut expected: Vec<String> = Vec::new();
    for (letter, count) in
        [("A", 8), ("B", 6), ("C", 5), ("D", 4), ("E", 6), ("F", 4), ("G", 8), ("K", 2)]
    {
        expected.extend((1..=count).map(|number| format!("{letter}{number}")));
    }
    let found: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_kept_names_its_code_and_its_tests_and_what_is_not_says_so() {
    for Row { id, state, code, tests } in rows() {
        let is_empty = code.is_empty() && tests.is_empty();
        match state.as_str() {
            NOT_YET => assert!(is_empty, "{id} is not kept and names code or tests"),
            "in part" | "yes" => {
                assert!(!code.is_empty() && !tests.is_empty(), "{id} names no code or no test");
            }
            other => panic!("{id}: `{other}` is no state"),
        }
    }
}

#[test]
fn every_place_and_test_that_a_claim_names_is_there() {
    for Row { id, code, tests, .. } in rows() {
        for place in code {
            assert!(at(&place).exists(), "{id}: there is no {place}");
        }
        for name in tests {
            assert!(is_a_test(&name), "{id}: {name} is no test that runs");
        }
    }
}
