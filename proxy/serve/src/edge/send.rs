//! Sending an answer of our own through Pingora.

use bytes::Bytes;
use http::StatusCode;
use marchproxy_decide::answer::{Answer, refusal as refusal_of};
use marchproxy_decide::verdict::Reason;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::flow::Flow;

/// Sends the refusal that is due for `reason`.
pub(super) async fn refusal(session: &mut Session, flow: &mut Flow, reason: Reason) -> Result<()> {
    let Some((view, exchange)) = flow.parts() else { return Ok(()) };
    let made = refusal_of(&view.generation.snapshot, exchange, reason);
    exchange.status = made.status.as_u16();
    // A request that was interrupted has broken off somewhere in Pingora.
    if reason.closes() || flow.interrupted().is_some() {
        session.set_keepalive(None);
    }
    answer(session, flow, &made).await
}

/// Whether the client has been sent the head of an answer; those of 1xx are only its forerunners.
pub(super) fn has_begun(session: &Session) -> bool {
    session.response_written().is_some_and(|head| {
        !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
    })
}

/// Sends `answer` as it is.
pub(super) async fn answer(session: &mut Session, flow: &mut Flow, answer: &Answer) -> Result<()> {
    let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len()))?;
    for (name, value) in &answer.headers {
        header.append_header(name.clone(), value.clone())?;
    }
    let body: Bytes = answer.body.clone();
    if !session.is_body_done() {
        session.set_keepalive(None);
    }
    flow.answering(answer.status);
    session.write_response_header(Box::new(header), body.is_empty()).await?;
    if !body.is_empty() {
        flow.answer_passes(body.len());
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
