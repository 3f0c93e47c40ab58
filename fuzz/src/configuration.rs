//! A configuration, from text to what is served.

use std::io;
use std::path::Path;

use marchproxy_conf::model::Config;
use marchproxy_conf::{Loaded, Refused, Severity, dump, parse_str, report};
use marchproxy_decide::snapshot::compile;

/// The name that the text is loaded under.
const FILE: &str = "fuzz.yaml";

/// The input is the text of a configuration. What is no UTF-8 is refused before it is parsed.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse_str(FILE, text) {
        Ok(loaded) => check_loaded(&loaded, text),
        Err(refused) => check_refused(&refused, text),
    }
}

/// What a configuration says survives being shown, in all three forms.
fn check_loaded(loaded: &Loaded, text: &str) {
    assert!(loaded.warnings.iter().all(|problem| problem.severity == Severity::Warning));
    let again = parse_str(FILE, text).expect("the same text was loaded");
    assert_eq!(again.digest, loaded.digest);
    for shown in [dump::yaml(loaded), dump::plain_yaml(&loaded.config), dump::json(loaded)] {
        match parse_str(FILE, &shown) {
            Ok(again) => {
                assert_eq!(again.config, loaded.config, "shown as\n{shown}");
                assert_eq!(again.digest, loaded.digest);
            }
            Err(refused) => {
                let problems = report::render(&refused.problems, &refused.sources);
                panic!("what is shown is refused:\n{shown}\n{problems}");
            }
        }
    }
    check_compiled(&loaded.config);
}

/// What was checked compiles, or is refused with a place in the configuration.
fn check_compiled(config: &Config) {
    let mut page = |_: &Path| -> io::Result<Vec<u8>> { Ok(b"page".to_vec()) };
    match compile(config, 1, "digest", &mut page) {
        Ok(snapshot) => {
            assert_eq!(snapshot.listeners.len(), config.listeners.len());
            assert_eq!(snapshot.routes.len(), config.routes.len());
            assert_eq!(snapshot.upstreams.len(), config.upstreams.len());
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.place.steps().is_empty()));
        }
    }
}

/// What is wrong is told, with a place inside the text, on lines of a terminal.
fn check_refused(refused: &Refused, text: &str) {
    assert!(refused.problems.iter().any(|problem| problem.severity == Severity::Error));
    let shown = report::render(&refused.problems, &refused.sources);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    let told = report::to_json(&refused.problems, &refused.sources);
    assert_eq!(told.as_array().map(Vec::len), Some(refused.problems.len()));
    for problem in &refused.problems {
        let Some(position) = refused.sources.position_of_problem(problem) else { continue };
        assert_eq!(position.file, FILE);
        let lines = text.split('\n').count();
        assert!((1..=lines).contains(&position.line), "{position:?} of {lines} lines");
        assert!(position.column >= 1);
    }
}
