//! Pingora's messages as maps of fields that checkpoints can change.
//!
//! Pingora keeps the spelling of each name in a second map, which would double the cost of every
//! change. It is dropped here: names, which mean the same in any spelling (RFC 9110, section 5.1),
//! leave with well-known ones in their usual spelling and others in lower case.

use std::mem;

use http::{HeaderMap, Request, Response, request, response};
use pingora_http::{RequestHeader, ResponseHeader};

/// Changes the fields of a request. A target that is no path and query must be set anew afterwards.
pub(super) fn change_request(message: &mut RequestHeader, change: impl FnOnce(&mut HeaderMap)) {
    let nothing = RequestHeader::from(Request::new(()).into_parts().0);
    let mut parts = request::Parts::from(mem::replace(message, nothing));
    change(&mut parts.headers);
    *message = RequestHeader::from(parts);
}

/// Changes the fields of an answer.
pub(super) fn change_answer(message: &mut ResponseHeader, change: impl FnOnce(&mut HeaderMap)) {
    let phrase = message.get_reason_phrase().filter(|phrase| is_special(message, phrase));
    let phrase = phrase.map(str::to_owned);
    let nothing = ResponseHeader::from(Response::new(()).into_parts().0);
    let mut parts = response::Parts::from(mem::replace(message, nothing));
    change(&mut parts.headers);
    *message = ResponseHeader::from(parts);
    if let Some(phrase) = phrase {
        // Pingora takes any phrase.
        let _ = message.set_reason_phrase(Some(&phrase));
    }
}

fn is_special(message: &ResponseHeader, phrase: &str) -> bool {
    message.status.canonical_reason() != Some(phrase)
}
