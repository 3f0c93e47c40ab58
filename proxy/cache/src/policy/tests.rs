//! Cases of the public cache tests (<https://github.com/http-tests/cache-tests>) that fields alone
//! decide, with the identifiers they have there, and cases of our own beside them.

mod answers;
mod arbitrary;
mod conditions;
mod requests;

use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::*;
use crate::testing::{at, headers};

/// A policy that guesses nothing.
fn strict() -> Policy {
    Policy { targeted: Some(HeaderName::from_static("cdn-cache-control")), ..Policy::default() }
}

fn judge(
    policy: &Policy,
    request: &HeaderMap,
    status: u16,
    answer: &HeaderMap,
) -> Result<Terms, Refusal> {
    let wish = wish(policy, &Method::GET, request, false).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    terms(policy, &wish, status, answer, Timing { asked: at(0), answered: at(0) })
}
