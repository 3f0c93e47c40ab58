use crate::problem::{Place, Problem};
use crate::shape::{self, Shape};
use crate::tree::{Entry, Kind, Node};

/// Puts the trees of several files together: the items of lists one after the other, anything else
/// in one file only.
pub(super) fn merge(trees: Vec<Node>) -> (Node, Vec<Problem>) {
    if trees.len() == 1 {
        return (trees.into_iter().next().unwrap_or_default(), Vec::new());
    }
    let mut entries: Vec<Entry> = Vec::new();
    let mut problems = Vec::new();
    for tree in trees {
        match tree.kind {
            Kind::Null => {}
            Kind::Mapping(own) => {
                for entry in own {
                    add(entry, &mut entries, &mut problems);
                }
            }
            _ => {
                let message = "expected a mapping for the configuration";
                let problem = Problem::at_span("wrong-type", tree.span, message);
                problems.push(problem.label("a file holds keys such as `routes:`"));
            }
        }
    }
    (Node { kind: Kind::Mapping(entries), ..Node::default() }, problems)
}

fn add(entry: Entry, entries: &mut Vec<Entry>, problems: &mut Vec<Problem>) {
    let Shape::Mapping(mapping) = shape::configuration() else { return };
    let known = mapping.key(&entry.key);
    let first = entries.iter_mut().find(|other| other.key == entry.key);
    // An unknown key of a second file is kept, to be called unknown as well.
    let (Some(known), Some(first)) = (known, first) else {
        entries.push(entry);
        return;
    };
    let key_span = entry.key_span;
    match (&known.shape, &mut first.value.kind, entry.value.kind) {
        (Shape::List { .. }, Kind::Sequence(items), Kind::Sequence(more)) => items.extend(more),
        (Shape::List { .. }, ..) => {
            let message = format!("expected lists for `{}` in all files", known.name);
            let problem = Problem::at_span("wrong-type", key_span, message);
            let first = Place::root().key(&known.name);
            problems.push(problem.at_key().note("the first is here", Some(first)));
        }
        _ => {
            let message = format!("`{}` stands in a second file", known.name);
            let problem = Problem::at_span("duplicate-key", key_span, message);
            let first = Place::root().key(&known.name);
            let label = "only lists may be split among files";
            problems.push(problem.at_key().label(label).note("the first is here", Some(first)));
        }
    }
}
