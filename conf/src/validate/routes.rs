use super::{edits, item, pages};
use crate::model::{Config, Listener, Redirect, RedirectScheme, Respond, Rewrite, Route};
use crate::problem::{Place, Problem};
use crate::values::{Piece, Template};

/// Variables of header edits, besides the names of the route's path.
pub(super) const VARIABLES: [&str; 11] = [
    "client",
    "client_certificate",
    "client_subject",
    "consumer",
    "host",
    "method",
    "path",
    "query",
    "scheme",
    "request_id",
    "route",
];
/// Variables of redirects and rewrites, besides the names of the route's path.
const TARGET_VARIABLES: [&str; 2] = ["host", "path"];

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    if config.routes.is_empty() {
        let place = Place::root().key("routes");
        let message = "there is no route, so every request is answered with 404";
        problems.push(Problem::new("no-routes", place, message).warning());
    }
    for (index, route) in config.routes.iter().enumerate() {
        let mut check = RouteCheck { route, index, listeners: &config.listeners, problems };
        check.action();
        check.without_upstream();
        check.header_matches();
        check.split();
        if let Some(rewrite) = &route.rewrite {
            check.rewrite(rewrite);
        }
        if let Some(redirect) = &route.redirect {
            check.redirect(redirect);
        }
        if let Some(respond) = &route.respond {
            check.respond(respond);
        }
        edits::validate(route, &|| item("routes", index), problems);
        if !route.error_pages.is_empty() {
            let place = item("routes", index).key("error_pages");
            pages::validate(&route.error_pages, &place, problems);
        }
    }
}

const ITSELF: &str = "redirect-to-itself";

struct RouteCheck<'a> {
    route: &'a Route,
    index: usize,
    listeners: &'a [Listener],
    problems: &'a mut Vec<Problem>,
}

impl RouteCheck<'_> {
    fn place(&self) -> Place {
        item("routes", self.index)
    }

    fn add(&mut self, code: &'static str, place: Place, message: impl Into<String>, label: &str) {
        self.problems.push(Problem::new(code, place, message).label(label));
    }

    fn action(&mut self) {
        let route = self.route;
        let actions: Vec<&str> = [
            ("upstream", route.upstream.is_some()),
            ("redirect", route.redirect.is_some()),
            ("respond", route.respond.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_there)| is_there.then_some(key))
        .collect();
        match actions.as_slice() {
            [] => {
                let message = format!("route `{}` does nothing with its requests", route.name);
                let label = "it needs one of `upstream`, `redirect` and `respond`";
                self.add("no-action", self.place().key("name"), message, label);
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("route `{}` has both `{first}` and `{second}`", route.name);
                let problem = Problem::new("two-actions", self.place().key(second), message);
                let first = self.place().key(first);
                let problem = problem.at_key().label("only one of them can be done");
                self.problems.push(problem.note("the other is here", Some(first)));
            }
        }
    }

    fn without_upstream(&mut self) {
        let route = self.route;
        if route.upstream.is_some() || (route.redirect.is_none() && route.respond.is_none()) {
            return;
        }
        let label = "remove it, or forward to an `upstream`";
        if route.rewrite.is_some() {
            let message = "only what is forwarded can be rewritten";
            let problem =
                Problem::new("rewrite-without-upstream", self.place().key("rewrite"), message);
            self.problems.push(problem.at_key().label(label));
        }
        let edits = &route.request_headers;
        let has_edits = !(edits.remove.is_empty() && edits.set.is_empty() && edits.add.is_empty());
        for (key, is_there) in [
            ("request_headers", has_edits),
            ("timeout", route.timeout.is_some()),
            ("split", !route.split.is_empty()),
            ("mirror", route.mirror.is_some()),
            ("hedge", route.hedge.is_some()),
            ("request_buffer", route.request_buffer.bytes() > 0),
        ] {
            if is_there {
                let message = format!("`{key}` has no effect on what is not forwarded");
                let problem = Problem::new("no-effect", self.place().key(key), message);
                self.problems.push(problem.warning().at_key().label(label));
            }
        }
    }

    fn split(&mut self) {
        let parts = self.route.split.iter().map(|split| u32::from(split.share.as_percent()));
        let sum: u32 = parts.sum();
        if sum > 100 {
            let message = format!("the parts of route `{}` are {sum}% together", self.route.name);
            let label = "make them 100% or less; the rest goes to `upstream`";
            self.add("split-sum", self.place().key("split"), message, label);
        }
    }

    fn header_matches(&mut self) {
        for (position, header) in self.route.matches.headers.iter().enumerate() {
            let Some(value) = &header.value else { continue };
            // RFC 9110, section 5.5: space around a value is no part of it.
            if value.trim_matches([' ', '\t']) != value
                || value.chars().any(|c| c.is_control() && c != '\t')
            {
                let list = self.place().key("match").key("headers");
                let message = format!("no `{}` can have this value", header.name);
                let label = "remove what is around it, and control characters";
                self.add("never-matches", list.index(position).key("value"), message, label);
            }
        }
    }

    fn rewrite(&mut self, rewrite: &Rewrite) {
        let place = self.place().key("rewrite");
        if rewrite.path.is_some()
            && (rewrite.strip_prefix.is_some() || rewrite.add_prefix.is_some())
        {
            let problem = Problem::new(
                "rewrite-path-and-prefix",
                place.key("path"),
                "`path` replaces the whole path, so prefixes beside it have no effect",
            );
            self.problems.push(problem.at_key().label("remove it, or the prefixes"));
        }
        if rewrite.path.is_none() && rewrite.strip_prefix.is_none() && rewrite.add_prefix.is_none()
        {
            let label = "it needs `strip_prefix`, `add_prefix` or `path`";
            self.add("empty-rewrite", place.clone(), "this rewrite changes nothing", label);
        }
        let prefixes =
            [("strip_prefix", &rewrite.strip_prefix), ("add_prefix", &rewrite.add_prefix)];
        for (key, prefix) in prefixes {
            if let Some(why) = prefix.as_deref().and_then(wrong_prefix) {
                self.add("bad-prefix", place.key(key), format!("`{key}` {why}"), PREFIX);
            }
        }
        if let Some(path) = &rewrite.path {
            self.path_template(path, &place.key("path"));
        }
    }

    fn redirect(&mut self, redirect: &Redirect) {
        let place = self.place().key("redirect");
        if ![301, 302, 303, 307, 308].contains(&redirect.status) {
            let message = format!("{} is not the status of a redirect", redirect.status);
            let label = "it is one of 301, 302, 303, 307, 308";
            self.add("bad-status", place.key("status"), message, label);
        }
        self.redirect_to_itself(redirect);
        if let Some(host) = &redirect.host {
            self.target_variables(host, &place.key("host"));
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
            if host.pieces().is_empty() || !texts(host).all(|text| text.chars().all(fits)) {
                let message = "`host` holds more than a host and a port";
                let label = "it is written like `www.example.com` or `{host}:8443`";
                self.add("bad-host", place.key("host"), message, label);
            }
        }
        if let Some(path) = &redirect.path {
            self.path_template(path, &place.key("path"));
        }
    }

    fn redirect_to_itself(&mut self, redirect: &Redirect) {
        if redirect.host.is_some() || redirect.path.is_some() {
            return;
        }
        let Some(scheme) = redirect.scheme else {
            let message = "this redirect goes to where it comes from";
            let label = "it needs `scheme`, `host` or `path`";
            return self.add(ITSELF, self.place().key("redirect"), message, label);
        };
        let names = &self.route.listeners;
        let is_own = |listener: &&Listener| names.is_empty() || names.contains(&listener.name);
        let has_scheme =
            |listener: &&Listener| listener.tls.is_some() == (scheme == RedirectScheme::Https);
        let listener = self.listeners.iter().filter(is_own).find(has_scheme);
        // Only a warning: more specific routes may take all such requests.
        if let Some(listener) = listener {
            let message = format!(
                "on listener `{}` this redirect goes to where it comes from",
                listener.name
            );
            let place = self.place().key("redirect").key("scheme");
            let label = "name the listeners it is for in the route's `listeners`";
            self.problems.push(Problem::new(ITSELF, place, message).warning().label(label));
        }
    }

    fn respond(&mut self, respond: &Respond) {
        let place = self.place().key("respond");
        if matches!(respond.status, 204 | 205 | 304) && !respond.body.is_empty() {
            let message = format!("an answer with status {} has no body", respond.status);
            self.add("body-without-place", place.key("body"), message, "remove it");
        }
    }

    fn path_template(&mut self, path: &Template, place: &Place) {
        self.target_variables(path, place);
        let starts_well = match path.pieces().first() {
            Some(Piece::Text(text)) => text.starts_with('/'),
            Some(Piece::Variable(name)) => name == "path",
            None => false,
        };
        if !starts_well {
            let message = "a path starts with `/`";
            self.add("bad-path", place.clone(), message, "write `/` in front");
        }
        let fits = |c: char| c.is_ascii_graphic() && !"?#\\\"<>".contains(c);
        if !texts(path).all(|text| text.chars().all(fits)) {
            let message = "a path cannot hold spaces, `?`, `#` or letters beyond ASCII";
            self.add("bad-path", place.clone(), message, "percent-encode them");
        }
    }

    fn target_variables(&mut self, template: &Template, place: &Place) {
        let problems =
            unknown_variables(template, self.route, &TARGET_VARIABLES, &|| place.clone());
        self.problems.extend(problems);
    }
}

/// Problems with the variables of a template that stands in `route` and may use `known` ones.
pub(super) fn unknown_variables(
    template: &Template,
    route: &Route,
    known: &[&str],
    place: &dyn Fn() -> Place,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in template.variables() {
        let own = || route.matches.path.variables();
        match (known.contains(&name), own().any(|own| own == name)) {
            (false, false) => {}
            (true, true) => {
                let message = format!("`{{{name}}}` is here the name in the route's path");
                let problem = Problem::new("hidden-variable", place(), message).warning();
                let label = "it hides the variable that every route has: choose another name";
                problems.push(problem.label(label));
                continue;
            }
            _ => continue,
        }
        let all = || known.iter().copied().chain(own());
        let label = if let Some(known) = crate::nearest::nearest(name, all()) {
            format!("did you mean `{{{known}}}`?")
        } else {
            let all: Vec<String> = all().map(|name| format!("`{{{name}}}`")).collect();
            format!("there are {}", all.join(", "))
        };
        let message = format!("there is no variable `{{{name}}}` here");
        problems.push(Problem::new("unknown-variable", place(), message).label(label));
    }
    problems
}

const PREFIX: &str = "a prefix is written like `/orders`";

fn wrong_prefix(prefix: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_ascii_graphic() && !"?#\\\"<>{}".contains(c);
    if !prefix.starts_with('/') {
        Some("starts with `/`")
    } else if !prefix.chars().all(fits) {
        Some("cannot hold spaces, braces, `?`, `#` or letters beyond ASCII")
    } else if prefix.split('/').any(|segment| segment == "." || segment == "..") {
        Some("cannot hold `.` or `..` segments")
    } else if prefix.contains("//") {
        Some("cannot hold an empty segment")
    } else {
        None
    }
}

fn texts(template: &Template) -> impl Iterator<Item = &str> {
    template.pieces().iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Variable(_) => None,
    })
}
