use super::{render, summary, to_json};
use crate::problem::{Place, Problem};
use crate::testing::{FINE, loaded, refused};

fn shown(text: &str) -> String {
    let refused = refused(text);
    render(&refused.problems, &refused.sources)
}

#[test]
fn a_mistake_is_shown_with_its_line_and_what_to_do() {
    let expected = "\
error[unknown-key]: `upsteam` is not a key of a route
 --> test.yaml:6:5
  |
6 |     upsteam: app
  |     ^^^^^^^ did you mean `upstream`?

1 error in 1 file.
";
    assert_eq!(shown(&FINE.replace("upstream: app", "upsteam: app")), expected);
}

#[test]
fn a_note_names_the_file_and_line_it_speaks_of() {
    let expected = "\
error[duplicate-name]: the name `all` is used twice in `routes`
  --> test.yaml:11:11
   |
11 |   - name: all
   |           ^^^ choose another name
   = note: it is used first here (test.yaml:5)

1 error in 1 file.
";
    let routes = "  - name: all\n    upstream: app\n";
    let text = FINE.replace("upstreams:", &format!("\n\n\n\n{routes}upstreams:"));
    assert_eq!(shown(&text), expected);
}

#[test]
fn errors_and_warnings_are_sorted_by_place_and_counted() {
    let text = FINE.replace("name: app", "name: apps").replace("name: web", "name: web web");
    let shown = shown(&text);
    assert!(shown.ends_with("\n1 error in 1 file.\n"), "{shown}");
    let text = FINE.replace("name: app", "name: apps").replace("listeners:", "listeners: []\nx:");
    let refused = refused(&text);
    assert_eq!(refused.problems.len(), 1, "{:?}", refused.problems);
    let text = FINE.replace("name: app", "name: apps");
    let refused = super::super::testing::refused(&text);
    let shown = render(&refused.problems, &refused.sources);
    let unknown = shown.find("error[unknown-upstream]").unwrap();
    let unused = shown.find("warning[unused-upstream]").unwrap();
    assert!(unknown < unused);
    assert!(shown.ends_with("\n1 error and 1 warning in 1 file.\n"), "{shown}");
}

#[test]
fn no_problems_are_one_line() {
    let loaded = loaded(FINE);
    assert_eq!(render(&loaded.warnings, &loaded.sources), "no problems in 1 file.\n");
}

#[test]
fn a_problem_without_a_place_is_shown_without_an_excerpt() {
    let expected = "\
error[no-listeners]: there is no listener, so nobody could connect
 = note: add one under `listeners`, with a `name` and an `address`

";
    assert!(shown("").starts_with(expected), "{}", shown(""));
}

#[test]
fn carets_stand_under_what_is_meant_whatever_is_in_front() {
    let line = |text: &str| {
        let shown = shown(&FINE.replace("address: 127.0.0.1:8080", text));
        let mut lines = shown.lines().skip(3);
        let (line, carets) = (lines.next().unwrap(), lines.next().unwrap());
        let (start, end) = (carets.find('^').unwrap(), carets.rfind('^').unwrap() + 1);
        line.chars().skip(start).take(end - start).collect::<String>()
    };
    assert_eq!(line("address: here"), "here");
    assert_eq!(line("address:\there"), "here");
    assert_eq!(line("\"\\u0061ddress\": here"), "here");
    assert_eq!(line("ädress: 1"), "ädress");
}

#[test]
fn wide_letters_take_two_columns() {
    let shown = shown(&FINE.replace("address: 127.0.0.1:8080", "{地址: 1}: 2"));
    assert!(shown.contains("error["));
    let refused = refused(&format!("{FINE}process: {{ 地: 1, wörk: 2 }}\n"));
    let shown = render(&refused.problems, &refused.sources);
    assert!(shown.contains("10 | process: { 地: 1, wörk: 2 }\n   |            ^^ "), "{shown}");
    assert!(shown.contains("   |                   ^^^^ "), "{shown}");
}

#[test]
fn a_long_line_is_cut_around_what_is_meant() {
    let filler = "[".to_owned() + &"GET, ".repeat(40_000) + "get, " + &"PUT, ".repeat(40_000) + "]";
    let text = FINE
        .replace("upstream: app", &format!("upstream: app\n    match: {{ methods: {filler} }}"));
    let shown = shown(&text);
    let line = shown.lines().nth(3).unwrap();
    assert!(line.starts_with("7 | ...") && line.ends_with("..."), "{line}");
    assert!(line.chars().count() < 120);
    let carets = shown.lines().nth(4).unwrap().find('^').unwrap();
    assert_eq!(line.get(carets..carets + 4), Some("get,"));
}

#[test]
fn text_of_a_file_cannot_steer_the_terminal() {
    let text = format!("{FINE}\"\\e[31mred\\u202e\": 1 # \u{202e}\u{1b}[0m\n");
    let refused = refused(&text);
    let shown = render(&refused.problems, &refused.sources);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn json_has_every_problem_with_its_place() {
    let refused = refused(&FINE.replace("upstream: app", "upsteam: app"));
    let expected = serde_json::json!([{
        "severity": "error",
        "code": "unknown-key",
        "message": "`upsteam` is not a key of a route",
        "place": "routes[0].upsteam",
        "file": "test.yaml",
        "line": 6,
        "column": 5,
        "label": "did you mean `upstream`?",
    }]);
    assert_eq!(to_json(&refused.problems, &refused.sources), expected);
}

#[test]
fn problems_of_others_are_placed_by_their_place() {
    let loaded = loaded(FINE);
    let place = Place::root().key("routes").index(0);
    let problem = Problem::new("unreachable-route", place, "`all` can never be chosen");
    let shown = render(&[problem.clone().warning()], &loaded.sources);
    assert!(shown.contains("--> test.yaml:5:5"), "{shown}");
    assert_eq!(summary(&[problem], &loaded.sources), "1 error in 1 file.");
    // A default has no line of its own: the innermost key around it is pointed at.
    let place = Place::root().key("listeners").index(0).key("requests").key("fields");
    let shown = render(&[Problem::new("x", place, "x")], &loaded.sources);
    assert!(shown.contains("--> test.yaml:2:5"), "{shown}");
}
