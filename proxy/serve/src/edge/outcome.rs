//! What an endpoint is told to have come of a request, for whoever judges and chooses endpoints.

use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use marchproxy_balance::{Latency, Outcome};
use marchproxy_conf::model::Balance;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::{Fault, Reason};

use super::AnswerHead;
use crate::clock;
use crate::upstream::{Seat, Upstream};

/// What a refusal or a failure counts as to have taken, so that nobody is preferred for it.
const PENALTY: Duration = Duration::from_secs(1);
/// The longest that `Retry-After` is believed.
const LONGEST_AVOIDANCE: Duration = Duration::from_mins(1);

/// Notes that the endpoint has answered, after `took`.
pub fn note_answer(
    upstream: &Upstream,
    seat: &Seat,
    head: &AnswerHead,
    took: Duration,
    now: Moment,
) {
    seat.note(match head.status.as_u16() {
        502..=504 => Outcome::Broken,
        500..=599 => Outcome::Error(took),
        _ => Outcome::Good(took),
    });
    if upstream.config.balance == Balance::PeakEwma {
        note_latency(seat.latency(), head, took, now);
    }
}

/// Notes a failure; `false`: it is not the endpoint's, and nothing was noted.
pub fn note_failure(upstream: &Upstream, seat: &Seat, reason: Reason) -> bool {
    let is_ours = matches!(reason, Reason::NoUpgrade | Reason::UpstreamBusy);
    let is_its_fault = matches!(reason.whose(), Fault::Upstream) && !is_ours;
    if is_its_fault {
        note_broken(upstream, seat);
    }
    is_its_fault
}

/// What became of an endpoint that is not heard, as another one is.
pub enum Lost {
    /// It has failed, for this reason.
    Failed(Reason),
    /// Nothing that says anything of it.
    Nothing,
    /// It has answered so, after so long.
    Answered(AnswerHead, Duration),
    /// It has not answered for so long.
    Waiting(Duration),
}

/// Notes what became of an endpoint that is not heard.
pub fn note_lost(upstream: &Upstream, seat: &Seat, lost: &Lost) {
    let now = clock::now();
    match lost {
        Lost::Failed(reason) => {
            note_failure(upstream, seat, *reason);
        }
        Lost::Nothing => {}
        Lost::Answered(head, took) => note_answer(upstream, seat, head, *took, now),
        Lost::Waiting(time) => {
            seat.note(Outcome::Left(*time));
            if upstream.config.balance == Balance::PeakEwma {
                seat.latency().observe(now.nanos(), nanos(*time));
            }
        }
    }
}

/// Notes that the endpoint has failed.
fn note_broken(upstream: &Upstream, seat: &Seat) {
    seat.note(Outcome::Broken);
    if upstream.config.balance == Balance::PeakEwma {
        seat.latency().penalise(clock::now().nanos(), nanos(PENALTY));
    }
}

/// Notes what an answer took, or what it stands for when it is a refusal.
fn note_latency(latency: &Latency, head: &AnswerHead, took: Duration, now: Moment) {
    let is_refusal = head.status == StatusCode::TOO_MANY_REQUESTS || head.status.is_server_error();
    if !is_refusal {
        return latency.observe(now.nanos(), nanos(took));
    }
    latency.penalise(now.nanos(), nanos(took.max(PENALTY)));
    // Seconds; a date (RFC 9110, section 10.2.3) is rare, and needs clocks that agree.
    let seconds = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(seconds) = seconds {
        let time = Duration::from_secs(seconds).min(LONGEST_AVOIDANCE);
        latency.avoid_until(now.after(time).nanos());
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
