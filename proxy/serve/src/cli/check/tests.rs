use std::path::PathBuf;

use super::*;

const START: &str = "listeners: [{ name: web, address: \"127.0.0.1:1\" }]\n";

/// A configuration in a file of its own.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("marchproxy-check-{}-{name}.yaml", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn report(name: &str, routes: &str) -> Report {
    let written = Written::new(name, &format!("{START}routes:\n{routes}"));
    check(&written.0, false)
}

fn codes(report: &Report) -> Vec<&'static str> {
    let Err(refused) = &report.loaded else { panic!("it was loaded") };
    refused.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn what_may_be_served_is_one_line() {
    let report = report("fine", "  - { name: all, respond: { status: 200 } }\n");
    assert_eq!(report.code(), DONE);
    let line = summary(report.loaded.as_ref().unwrap(), 0);
    assert!(line.starts_with("ok: 1 listener, 1 route, 0 upstreams (digest "), "{line}");
    let json = report.to_json();
    assert_eq!((&json["ok"], &json["routes"]), (&json!(true), &json!(1)));
    assert_eq!(json["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn routes_that_are_the_same_are_found_by_compiling() {
    let same =
        "  - { name: a, respond: { status: 200 } }\n  - { name: b, respond: { status: 200 } }\n";
    let report = report("same", same);
    assert_eq!(report.code(), WRONG);
    assert_eq!(codes(&report), ["route-conflict"]);
    let json = report.to_json();
    assert_eq!(
        (&json["ok"], &json["problems"][0]["code"]),
        (&json!(false), &json!("route-conflict"))
    );
}

#[test]
fn a_conflict_is_told_beside_a_mistake_elsewhere_but_not_one_that_may_come_from_it() {
    let elsewhere = "  - { name: a, respond: { status: 200 }, colour: red }\n  \
                     - { name: b, respond: { status: 200 } }\n";
    assert_eq!(codes(&report("elsewhere", elsewhere)), ["unknown-key", "route-conflict"]);
    let inside = "  - { name: a, match: { hots: a.example }, respond: { status: 200 } }\n  \
                  - { name: b, match: { path: / }, respond: { status: 200 } }\n";
    assert_eq!(codes(&report("inside", inside)), ["unknown-key"]);
    let beside = "  - { name: a, path: /a, respond: { status: 200 } }\n  \
                  - { name: b, match: { path: / }, respond: { status: 200 } }\n";
    assert_eq!(codes(&report("beside", beside)), ["unknown-key"]);
}

#[test]
fn a_page_that_is_no_file_is_refused_without_reading_it() {
    let routes = "  - { name: a, respond: { status: 200 }, error_pages: [{ statuses: [502], \
                  file: /dev/zero, content_type: text/html }] }\n";
    assert_eq!(codes(&report("page", routes)), ["error-page"]);
}
