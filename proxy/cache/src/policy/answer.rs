//! Whether an answer may be stored, and on which terms.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, CONTENT_RANGE, DATE, EXPIRES, SET_COOKIE};
use http::{HeaderMap, HeaderName, StatusCode};

use super::{Policy, Terms, Wish};
use crate::control::AnswerControl;
use crate::fields::{self, MOST_SECONDS, Malformed};
use crate::now::Now;
use crate::validator::Validators;

/// `Set-Cookie2` (RFC 2965), which some servers still send.
const SET_COOKIE2: HeaderName = HeaderName::from_static("set-cookie2");

/// Why an answer is not stored.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// Its status is not one that is known to be safe to store.
    Status,
    /// It is a part of something.
    Partial,
    /// `no-store`.
    NoStore,
    /// `private`.
    Private,
    /// It sets a cookie.
    SetCookie,
    /// The request had credentials, and the answer is not said to be for everyone.
    Credentials,
    /// The request had cookies, and the answer does not say itself how long it is fresh.
    Cookie,
    /// `Vary: *`, or more in `Vary` than anyone can need.
    Vary,
    /// A field that counts is malformed or contradicts itself.
    Malformed,
    /// It is never fresh, and there is nothing to validate it with.
    NeverFresh,
    /// More bytes than may be stored of one answer.
    TooLarge,
    /// More tags than may be.
    TooManyTags,
    /// It was purged while it was on its way.
    Purged,
    /// There is no room, and none could be made.
    NoRoom,
    /// It ended before its end.
    Incomplete,
    /// What is stored was asked for later.
    Older,
}

impl Refusal {
    /// The reason as logs and metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Partial => "partial",
            Self::NoStore => "no_store",
            Self::Private => "private",
            Self::SetCookie => "set_cookie",
            Self::Credentials => "credentials",
            Self::Cookie => "cookie",
            Self::Vary => "vary",
            Self::Malformed => "malformed",
            Self::NeverFresh => "never_fresh",
            Self::TooLarge => "too_large",
            Self::TooManyTags => "too_many_tags",
            Self::Purged => "purged",
            Self::NoRoom => "no_room",
            Self::Incomplete => "incomplete",
            Self::Older => "older",
        }
    }

    /// Whether the next answer to the same request is likely to be refused, too.
    pub(crate) const fn is_lasting(self) -> bool {
        !matches!(self, Self::Purged | Self::NoRoom | Self::Incomplete | Self::Older)
    }
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// When a request was sent to the origin, and when the head of its answer came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timing {
    /// The request was sent.
    pub asked: Now,
    /// The answer came.
    pub answered: Now,
}

/// The terms on which an answer may be stored (RFC 9111, section 3). `wish` is that of the request.
///
/// # Errors
/// Why it must not be.
pub fn terms(
    policy: &Policy,
    wish: &Wish,
    status: StatusCode,
    headers: &HeaderMap,
    timing: Timing,
) -> Result<Terms, Refusal> {
    check_kind(status, headers)?;
    let targeted = policy.targeted.as_ref().filter(|name| headers.contains_key(*name));
    let control = AnswerControl::read(headers, targeted.unwrap_or(&CACHE_CONTROL))?;
    check_control(&control, wish)?;
    let date = fields::date(headers, &DATE)?;
    let stated = match control.s_maxage.or(control.max_age) {
        Some(lifetime) => Some(lifetime),
        None if targeted.is_some() => None,
        None => until_expiry(headers, date.unwrap_or(timing.answered.unix)),
    };
    let guess = policy.default_lifetime.map(|lifetime| lifetime.as_secs().min(MOST_SECONDS));
    let guess = guess.filter(|_| may_guess(status) && !control.no_cache);
    let lifetime = match stated.or(guess).or(control.no_cache.then_some(0)) {
        Some(_) if stated.is_none() && guess.is_some() && wish.has_cookie && !control.public => {
            return Err(Refusal::Cookie);
        }
        Some(lifetime) => lifetime,
        None => return Err(Refusal::NeverFresh),
    };
    let takes_defaults = takes_defaults(&control, stated);
    let stale = |own, default: Duration| match own {
        _ if must_validate(&control) => 0,
        Some(own) => own,
        None if takes_defaults => default.as_secs().min(MOST_SECONDS),
        None => 0,
    };
    let terms = Terms {
        lifetime,
        initial_age: initial_age(headers, date, timing)?,
        received: timing.answered.nanos,
        asked: timing.asked.nanos,
        always_validate: control.no_cache,
        may_be_stale: takes_defaults,
        stale_while_revalidate: stale(
            control.stale_while_revalidate,
            policy.stale_while_revalidate,
        ),
        stale_if_error: stale(control.stale_if_error, policy.stale_if_error),
        is_public: is_public(&control),
        is_guess: stated.is_none() && !control.public,
        unstored: control.unstored,
    };
    let is_of_use = !terms.is_never_fresh() || Validators::of(headers).is_some();
    if is_of_use { Ok(terms) } else { Err(Refusal::NeverFresh) }
}

fn check_kind(status: StatusCode, headers: &HeaderMap) -> Result<(), Refusal> {
    if status == StatusCode::PARTIAL_CONTENT || headers.contains_key(CONTENT_RANGE) {
        return Err(Refusal::Partial);
    }
    if !is_understood(status) {
        return Err(Refusal::Status);
    }
    if headers.contains_key(SET_COOKIE) || headers.contains_key(SET_COOKIE2) {
        return Err(Refusal::SetCookie);
    }
    Ok(())
}

fn check_control(control: &AnswerControl, wish: &Wish) -> Result<(), Refusal> {
    if control.no_store {
        return Err(Refusal::NoStore);
    }
    if control.private {
        return Err(Refusal::Private);
    }
    // RFC 9111, section 3.5 also names `must-revalidate`, which many send who think of nothing but
    // staleness: it is not taken as a word about other people.
    if wish.has_credentials && !is_public(control) {
        return Err(Refusal::Credentials);
    }
    Ok(())
}

const fn is_public(control: &AnswerControl) -> bool {
    control.public || control.s_maxage.is_some()
}

const fn must_validate(control: &AnswerControl) -> bool {
    control.must_revalidate || control.proxy_revalidate || control.no_cache
}

/// Whether it may be used stale without the origin's own word. `s-maxage` forbids it (RFC 9111,
/// section 5.2.2.10); but an origin that writes `stale-if-error` beside it means this very cache.
/// And who states a lifetime of nothing (`max-age=0`, `Expires: 0`) wants it not to be used again.
const fn takes_defaults(control: &AnswerControl, stated: Option<u64>) -> bool {
    !must_validate(control) && control.s_maxage.is_none() && !matches!(stated, Some(0))
}

/// Seconds from `Date` to `Expires`; none left when that is no date (RFC 9111, section 5.3).
fn until_expiry(headers: &HeaderMap, date: u64) -> Option<u64> {
    match fields::date(headers, &EXPIRES) {
        Ok(expires) => expires.map(|expires| expires.saturating_sub(date).min(MOST_SECONDS)),
        Err(Malformed) => Some(0),
    }
}

/// `corrected_initial_age` of RFC 9111, section 4.2.3, in seconds. Of several ages the greatest
/// counts: whichever of them is wrong, nothing is used for too long.
fn initial_age(headers: &HeaderMap, date: Option<u64>, timing: Timing) -> Result<u64, Malformed> {
    let Timing { asked, answered } = timing;
    let mut age: u64 = 0;
    for element in fields::all_elements(headers, &AGE) {
        age = age.max(fields::seconds(element?)?);
    }
    let apparent = answered.unix.saturating_sub(date.unwrap_or(answered.unix));
    let corrected = age.saturating_add(answered.seconds_since(asked.nanos));
    Ok(apparent.max(corrected))
}

/// The final statuses whose answers can be kept and given to others without knowing more than the
/// fields say. None of a server's failures: one that is kept outlives its cause.
const fn is_understood(status: StatusCode) -> bool {
    may_guess(status) || matches!(status.as_u16(), 302 | 303 | 307 | 451)
}

/// RFC 9110, section 15.1, without 206.
const fn may_guess(status: StatusCode) -> bool {
    let status = status.as_u16();
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}
