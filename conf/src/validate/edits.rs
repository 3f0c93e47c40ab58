use super::routes::{VARIABLES, unknown_variables};
use crate::model::{HeaderEdits, Route};
use crate::problem::{Place, Problem};
use crate::values::FieldName;

/// Fields that frame a message or belong to one connection (RFC 9110, section 7.6.1): the proxy
/// writes them itself, and an edit would break what it promised to the other side.
pub(super) const OWN: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `route_place` gives the place of the route.
pub(super) fn validate(
    route: &Route,
    route_place: &dyn Fn() -> Place,
    problems: &mut Vec<Problem>,
) {
    let both = [
        ("request_headers", &route.request_headers, true),
        ("response_headers", &route.response_headers, false),
    ];
    for (key, edits, is_request) in both {
        fields(edits, is_request, &|| route_place().key(key), problems);
        for (list, fields) in [("set", &edits.set), ("add", &edits.add)] {
            for (name, value) in fields {
                // The place has the name as it is canonical; the file may have capitals.
                let place = || route_place().key(key).key(list).key(name.as_str());
                problems.extend(unknown_variables(value, route, &VARIABLES, &place));
            }
        }
    }
}

fn fields(
    edits: &HeaderEdits,
    is_request: bool,
    place: &dyn Fn() -> Place,
    problems: &mut Vec<Problem>,
) {
    let removed = edits.remove.iter().enumerate();
    let removed = removed.map(|(index, name)| ("remove", name, Some(index)));
    let set = edits.set.keys().map(|name| ("set", name, None));
    let added = edits.add.keys().map(|name| ("add", name, None));
    for (list, name, index) in removed.chain(set).chain(added) {
        let Some((message, label)) = refused(list, name, is_request) else { continue };
        let place = place().key(list);
        let problem = match index {
            Some(index) => Problem::new("forbidden-field", place.index(index), message),
            None => Problem::new("forbidden-field", place.key(name.as_str()), message).at_key(),
        };
        problems.push(problem.label(label));
    }
}

fn refused(list: &str, name: &FieldName, is_request: bool) -> Option<(String, &'static str)> {
    let name = name.as_str();
    if OWN.contains(&name) {
        let message = format!("`{name}` is written by the proxy itself");
        return Some((message, "remove it: editing it would break the connection"));
    }
    if is_request && name == "host" && list != "set" {
        return Some(("a request has exactly one `host`".to_owned(), "it can only be set"));
    }
    None
}
