//! The one type that Pingora calls: it turns hooks into checkpoints, and decides nothing itself.

mod failure;
mod fields;
mod flow;
mod host;
mod send;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use marchproxy_decide::request::{RequestHead, forward, respond, route, sanity};
use marchproxy_decide::verdict::{Reason, Verdict};
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use crate::listen::link::{self, Link};
use crate::observe::Observer;
use crate::upstream::Handshake;
use flow::Flow;
pub use host::{Proxy, start};

/// What Pingora calls for each request.
pub struct Edge {
    observer: Arc<Observer>,
    worker: usize,
}

impl Edge {
    /// For the worker at this position.
    pub fn new(observer: Arc<Observer>, worker: usize) -> Self {
        Self { observer, worker }
    }
}

/// Ends Pingora's work on a request for a reason of ours; `fail_to_proxy` sends the refusal.
fn refuse<T>(flow: &mut Flow, reason: Reason) -> Result<T> {
    flow.refuse(reason);
    Error::e_explain(ErrorType::HTTPStatus(reason.status().as_u16()), reason.code())
}

fn link_of(session: &Session) -> Result<Arc<Link>> {
    let link = session.digest().and_then(link::carried).cloned();
    link.ok_or_else(|| Error::explain(ErrorType::InternalError, "a session without a link"))
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Flow;

    fn new_ctx(&self) -> Flow {
        Flow::new(Arc::clone(&self.observer), self.worker)
    }

    /// None of Pingora's own modules is wanted.
    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {}

    async fn request_filter(&self, session: &mut Session, flow: &mut Flow) -> Result<bool> {
        // A `100 Continue` must not end the connection; `send` and `response_filter` see to it that
        // an answer before the end of the body does.
        session.set_close_on_response_before_downstream_finish(false);
        let link = link_of(session)?;
        let Some((view, exchange)) = flow.begin(&link) else {
            return Err(Error::explain(ErrorType::InternalError, "a request begun twice"));
        };
        let snapshot = &view.generation.snapshot;
        let verdict = {
            let request = session.req_header();
            let head = request_head(request);
            match sanity::check(snapshot, &head, exchange) {
                Verdict::Pass => route::check(snapshot, &head, exchange),
                refused => refused,
            }
        };
        exchange.marks.head = Some(link::now());
        if let Some(listener) = snapshot.listener_of(exchange) {
            session.set_read_timeout(Some(listener.body_idle));
            session.set_write_timeout(Some(listener.answer_idle));
            session.set_total_drain_timeout(Some(listener.body_idle));
        }
        match verdict {
            Verdict::Pass => {
                flow.limit_time(&link);
                Ok(false)
            }
            Verdict::Answer(answer) => {
                exchange.status = answer.status.as_u16();
                send::answer(session, flow, &answer).await?;
                Ok(true)
            }
            Verdict::Refuse(reason) => {
                flow.refuse(reason);
                send::refusal(session, flow, reason).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _: &mut Session, flow: &mut Flow) -> Result<Box<HttpPeer>> {
        match flow.pick() {
            Ok(endpoint) => {
                let mut peer = flow.peer(&endpoint);
                flow.bound(&mut peer.options);
                Ok(Box::new(peer))
            }
            Err(reason) => refuse(flow, reason),
        }
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _reused: bool,
        _: &HttpPeer,
        _: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        flow: &mut Flow,
    ) -> Result<()> {
        let handshake = digest
            .and_then(|digest| digest.ssl_digest.as_ref())
            .and_then(|tls| tls.extension.get::<Handshake>());
        match flow.check_handshake(handshake) {
            Ok(()) => Ok(()),
            Err(reason) => refuse(flow, reason),
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        flow: &mut Flow,
    ) -> Result<()> {
        let Some((view, exchange)) = flow.parts() else { return Ok(()) };
        let snapshot = &view.generation.snapshot;
        let head = request_head(session.req_header());
        fields::change_request(request, |to| forward::prepare(snapshot, &head, exchange, to));
        request.set_raw_path(forward::target(snapshot, exchange).as_bytes())?;
        let is_http1 = request.version == http::Version::HTTP_11;
        if is_http1 && !exchange.websocket && !flow.keeps_upstream_connections() {
            request.insert_header(http::header::CONNECTION, "close")?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        flow: &mut Flow,
    ) -> Result<()> {
        let count = body.as_ref().map_or(0, Bytes::len);
        if flow.body_passes(count) { Ok(()) } else { refuse(flow, Reason::BodySize) }
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        answer: &mut ResponseHeader,
        flow: &mut Flow,
    ) -> Result<()> {
        let Some((_, exchange)) = flow.parts() else { return Ok(()) };
        exchange.marks.first_byte = Some(link::now());
        match respond::check(exchange, answer.status, answer.version, &answer.headers) {
            Verdict::Refuse(reason) => refuse(flow, reason),
            Verdict::Pass | Verdict::Answer(_) => Ok(()),
        }
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        flow: &mut Flow,
    ) -> Result<()> {
        flow.answering(answer.status);
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            // It is a tunnel now: only the upstream's `idle` bounds its silence.
            session.set_read_timeout(None);
            session.set_write_timeout(None);
        }
        if answer.status.is_informational() && answer.status != StatusCode::SWITCHING_PROTOCOLS {
            fields::change_answer(answer, respond::prepare_interim);
            return Ok(());
        }
        let Some((view, exchange)) = flow.parts() else { return Ok(()) };
        exchange.status = answer.status.as_u16();
        let (snapshot, version) = (&view.generation.snapshot, answer.version);
        fields::change_answer(answer, |to| respond::prepare(snapshot, exchange, version, to));
        // Without a length, an answer to HTTP/1.0 is ended by the end of its connection.
        let ends_by_closing = exchange.version == http::Version::HTTP_10
            && !answer.headers.contains_key(http::header::CONTENT_LENGTH);
        if ends_by_closing || !session.is_body_done() {
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        flow: &mut Flow,
    ) -> Result<Option<std::time::Duration>> {
        flow.answer_passes(body.as_ref().map_or(0, Bytes::len));
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        flow: &mut Flow,
    ) -> FailToProxy {
        let reason = failure::reason(error, flow);
        flow.refuse(reason);
        let mut can_reuse_downstream = false;
        if !reason.is_log_only() && !send::has_begun(session) {
            // The client may be gone by now: nothing is left to be told to anyone.
            let sent = send::refusal(session, flow, reason).await;
            can_reuse_downstream = sent.is_ok() && session.get_keepalive().is_some();
            if can_reuse_downstream {
                flow.goes_on();
            }
        }
        FailToProxy { error_code: reason.status_number(), can_reuse_downstream }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, flow: &mut Flow) {
        flow.finish(Some(&session.req_header().headers));
    }

    fn suppress_error_log(&self, _: &Session, _: &Flow, _: &Error) -> bool {
        // What went wrong is in the access log, with its reason, once.
        true
    }
}

fn request_head(request: &RequestHeader) -> RequestHead<'_> {
    let is_http2 = request.version == http::Version::HTTP_2;
    RequestHead {
        method: &request.method,
        target: request.raw_path(),
        authority: request
            .uri
            .authority()
            .filter(|_| is_http2)
            .map(|authority| authority.as_str().as_bytes()),
        version: request.version,
        headers: &request.headers,
    }
}
