//! What the tests of this crate share.

use crate::{Loaded, Problem, Refused, parse_str};

/// A configuration without problems.
pub(crate) const FINE: &str = "\
listeners:
  - name: web
    address: 127.0.0.1:8080
routes:
  - name: all
    upstream: app
upstreams:
  - name: app
    endpoints: [127.0.0.1:3000]
";

/// Loads a text that has no errors.
pub(crate) fn loaded(text: &str) -> Loaded {
    parse_str("test.yaml", text).unwrap_or_else(|refused| {
        panic!("{}", crate::report::render(&refused.problems, &refused.sources))
    })
}

/// Loads a text that has errors.
pub(crate) fn refused(text: &str) -> Refused {
    match parse_str("test.yaml", text) {
        Ok(_) => panic!("this was not refused: {text}"),
        Err(refused) => refused,
    }
}

/// Every problem of a text, warnings too, as `code line:column`, sorted by place.
pub(crate) fn found(text: &str) -> Vec<String> {
    let (problems, sources) = match parse_str("test.yaml", text) {
        Ok(loaded) => (loaded.warnings, loaded.sources),
        Err(refused) => (refused.problems, refused.sources),
    };
    let one = |problem: &Problem| match sources.position_of_problem(problem) {
        Some(position) => (
            (position.line, position.column),
            format!("{} {}:{}", problem.code, position.line, position.column),
        ),
        None => ((0, 0), problem.code.to_owned()),
    };
    let mut found: Vec<((usize, usize), String)> = problems.iter().map(one).collect();
    found.sort_by_key(|(position, _)| *position);
    found.into_iter().map(|(_, text)| text).collect()
}

/// The label of the only problem of a text.
pub(crate) fn label(text: &str) -> String {
    let refused = refused(text);
    assert_eq!(refused.problems.len(), 1, "{:?}", refused.problems);
    refused.problems[0].label.clone().unwrap_or_default()
}
