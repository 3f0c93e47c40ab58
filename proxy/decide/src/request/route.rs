//! Where a request goes.

mod redirect;
#[cfg(test)]
mod tests;

use super::forward::max_forwards;
use super::{RequestHead, limit};
use crate::answer::{self, Answer};
use crate::coding;
use crate::exchange::{DeclaredBody, Exchange};
use crate::grpc_web::{self, Call};
use crate::router::{Found, Query};
use crate::snapshot::{Action, Snapshot};
use crate::verdict::{Reason, Verdict};

/// Chooses the route, notes it, and holds the declared body against its limit.
pub fn check(snapshot: &Snapshot, head: &RequestHead<'_>, exchange: &mut Exchange) -> Verdict {
    let query = Query {
        host: exchange.host(),
        path: exchange.path(),
        query: exchange.query(),
        method: head.method,
        headers: head.headers,
    };
    match snapshot.routers.find(exchange.listener, &query) {
        Found::Route(route, captures) => {
            exchange.route = Some(route);
            exchange.captures = captures;
        }
        Found::Method(allowed) => {
            let names: Vec<&str> = allowed.iter().map(http::Method::as_str).collect();
            exchange.allow = Some(names.join(", "));
            return exchange.refuse(Reason::RouteMethod);
        }
        Found::None => return exchange.refuse(Reason::RouteNone),
    }
    let Some(route) = snapshot.route(exchange) else { return exchange.refuse(Reason::RouteNone) };
    exchange.grpc_web = Call::of(route, head).map(Box::new);
    if exchange.grpc_web.is_none() {
        exchange.decode = coding::request(route, head.headers);
    }
    if let DeclaredBody::Length(length) = exchange.body
        && length > snapshot.body_limit(exchange)
    {
        return exchange.refuse(Reason::BodySize);
    }
    Verdict::Pass
}

/// Begins what the route does with a request that may pass: notes its upstream, or answers with a
/// redirect or a fixed response.
pub fn act(snapshot: &Snapshot, head: &RequestHead<'_>, exchange: &mut Exchange) -> Verdict {
    let Some(route) = snapshot.route(exchange) else { return exchange.refuse(Reason::RouteNone) };
    if let Some(answer) = grpc_web::preflight(route, head) {
        return finished(snapshot, answer, exchange);
    }
    match &route.action {
        Action::Forward(_) if max_forwards::left(head) == Some(0) => {
            finished(snapshot, answer::of_last_hop(), exchange)
        }
        Action::Forward(upstream) => {
            exchange.upstream = Some(route.upstream(*upstream, exchange.dice()[0]));
            Verdict::Pass
        }
        Action::Respond(answer) => finished(snapshot, answer.clone(), exchange),
        Action::Redirect(redirect) => match redirect::answer(redirect, exchange) {
            Ok(answer) => finished(snapshot, answer, exchange),
            Err(reason) => exchange.refuse(reason),
        },
    }
}

fn finished(snapshot: &Snapshot, mut answer: Answer, exchange: &Exchange) -> Verdict {
    answer::finish(&mut answer, &exchange.method, &exchange.request_id);
    limit::tell(snapshot, exchange, &mut answer.headers);
    if let Some(route) = snapshot.route(exchange) {
        route.response_edits.apply(exchange, &mut answer.headers);
    }
    Verdict::Answer(Box::new(answer))
}
