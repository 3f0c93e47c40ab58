//! Where a redirect leads.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{HeaderMap, HeaderValue};
use marchproxy_conf::model::RedirectScheme;

use crate::answer::Answer;
use crate::authority::Authority;
use crate::exchange::{Exchange, Scheme};
use crate::snapshot::Redirect;
use crate::verdict::Reason;

/// The answer, with an absolute `Location`, so that no path can be taken for a host.
pub(super) fn answer(redirect: &Redirect, exchange: &Exchange) -> Result<Answer, Reason> {
    let location = location(redirect, exchange)?;
    let location = HeaderValue::try_from(location).map_err(|_| Reason::Internal)?;
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(Answer { status: redirect.status, headers, body: Bytes::new() })
}

fn location(redirect: &Redirect, exchange: &Exchange) -> Result<String, Reason> {
    let scheme = match redirect.scheme {
        Some(RedirectScheme::Http) => Scheme::Http,
        Some(RedirectScheme::Https) => Scheme::Https,
        None => exchange.scheme,
    };
    let mut location = String::with_capacity(96);
    location.push_str(scheme.as_str());
    location.push_str("://");
    match &redirect.host {
        Some(template) => {
            let start = location.len();
            template.write(exchange, &mut location);
            let host = location.get(start..).unwrap_or_default();
            // A name of the path may stand in it, and the client chose its text.
            Authority::read(host.as_bytes(), scheme)?;
        }
        None if scheme == exchange.scheme => location.push_str(exchange.outer_authority()),
        // The port was the other scheme's.
        None => location.push_str(without_port(exchange.outer_authority())),
    }
    match &redirect.path {
        Some(template) => {
            let start = location.len();
            template.write(exchange, &mut location);
            if !location.get(start..).is_some_and(|path| path.starts_with('/')) {
                location.insert(start, '/');
            }
        }
        None if exchange.path() == "*" => location.push('/'),
        None => location.push_str(exchange.path()),
    }
    if let Some(query) = exchange.query() {
        location.push('?');
        location.push_str(query);
    }
    Ok(location)
}

fn without_port(authority: &str) -> &str {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority.get(end..).and_then(|rest| rest.find(':')) {
        Some(colon) => authority.get(..end + colon).unwrap_or(authority),
        None => authority,
    }
}
