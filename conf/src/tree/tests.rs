use super::{Kind, Node, parse};
use crate::problem::Place;
use crate::testing::{FINE, found, loaded, refused};

fn read(text: &str) -> Node {
    let (node, problems) = parse(0, text);
    assert_eq!(problems, []);
    node
}

fn slice<'a>(text: &'a str, node: &Node) -> &'a str {
    text.get(node.span.start as usize..node.span.end as usize).unwrap()
}

#[test]
fn every_value_knows_its_bytes() {
    let text = "a: [1, 'two']\nb:\n  c: {d: e}\n  f: |\n    text\ng: x # not this\n";
    let root = read(text);
    let place = |keys: &[&str]| keys.iter().fold(Place::root(), |place, key| place.key(key));
    let at = |place: Place| slice(text, root.find(&place).node);
    assert_eq!(at(place(&["a"])), "[1, 'two']");
    assert_eq!(at(place(&["a"]).index(1)), "'two'");
    assert_eq!(at(place(&["b", "c"])), "{d: e}");
    assert_eq!(at(place(&["b", "c", "d"])), "e");
    assert_eq!(at(place(&["g"])), "x");
}

#[test]
fn scalars_keep_their_text() {
    let root = read("[1.20, 0x10, yes, 'a', \"b\\n\", ~, null, 'null', 1e3]");
    let texts: Vec<Option<&str>> = root.items().iter().map(Node::text).collect();
    let expected = [
        Some("1.20"),
        Some("0x10"),
        Some("yes"),
        Some("a"),
        Some("b\n"),
        None,
        None,
        Some("null"),
        Some("1e3"),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_duplicate_key_is_an_error_at_its_second_place() {
    let refused = refused(&format!("{FINE}routes: []\n"));
    assert_eq!(refused.problems.len(), 1);
    assert_eq!(refused.problems[0].code, "duplicate-key");
    assert_eq!(refused.sources.position_of_problem(&refused.problems[0]).unwrap().line, 10);
    assert_eq!(refused.problems[0].notes[0].0, "the first is on line 4");
}

#[test]
fn a_duplicate_among_many_keys_is_found() {
    let lines: Vec<String> = (0..50).map(|key| format!("k{key}: 1\n")).collect();
    let mut text = lines.concat();
    text.push_str("k7: 2\nk49: 3\n");
    let (root, problems) = parse(0, &text);
    assert_eq!(root.entries().len(), 50);
    assert_eq!(problems.len(), 2);
}

#[test]
fn an_alias_stands_for_what_it_repeats() {
    let text = FINE.replace("routes:\n", "routes:\n  - &r { name: a, upstream: app }\n");
    let twice = FINE.replace("routes:\n", "routes:\n  - { name: a, upstream: app }\n");
    assert_eq!(loaded(&text).digest, loaded(&twice).digest);
    let again = FINE.replace("routes:\n", "routes:\n  - &r { name: a, upstream: app }\n  - *r\n");
    assert_eq!(found(&again), ["duplicate-name 6:5"]);
}

#[test]
fn aliases_cannot_grow_a_small_text_into_a_large_tree() {
    let mut lines = vec!["a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned()];
    for level in 1..10 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(", ");
        lines.push(format!("b{level}: &a{level} [{items}]\n"));
    }
    assert_eq!(found(&lines.concat())[0].split(' ').next(), Some("too-large"));
}

#[test]
fn aliases_cannot_grow_a_shallow_text_into_a_deep_tree() {
    let mut lines = vec!["a: &a0 [x]\n".to_owned()];
    for level in 1..100 {
        lines.push(format!("b{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(found(&lines.concat())[0].split(' ').next(), Some("too-large"));
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        assert!(!parse(0, &text).1.is_empty());
    }
}

#[test]
fn what_is_not_plain_yaml_is_an_error() {
    let code = |text: &str| parse(0, text).1.first().map(|problem| problem.code);
    assert_eq!(code("a: !!str b"), Some("yaml-tag"));
    assert_eq!(code("a: !tag b"), Some("yaml-tag"));
    assert_eq!(code("a: 1\n---\nb: 2"), Some("second-document"));
    assert_eq!(code("%YAML 1.2\n---\na: 1"), Some("yaml-syntax"));
    assert_eq!(code("[a]: 1"), Some("bad-key"));
    assert_eq!(code("&x a: 1"), Some("bad-key"));
    assert_eq!(code("a: *b"), Some("yaml-syntax"));
    assert_eq!(code("a: &x [*x]"), Some("bad-alias"));
    assert_eq!(code("a: [1"), Some("yaml-syntax"));
    assert_eq!(code("a:\n\t- b"), Some("yaml-syntax"));
    assert_eq!(code("---\na: 1\n...\n"), None);
    assert_eq!(code("\u{feff}a: 1"), None);
}

#[test]
fn nothing_but_comments_is_nothing() {
    assert!(matches!(read("# a\n\n# b\n").kind, Kind::Null));
    assert!(matches!(read("").kind, Kind::Null));
}

#[test]
fn a_file_may_have_line_ends_of_another_system() {
    assert_eq!(loaded(&FINE.replace('\n', "\r\n")).digest, loaded(FINE).digest);
}
