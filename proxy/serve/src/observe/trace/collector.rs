//! The collector that spans are sent to: OTLP over HTTP. It is reached as the endpoint of an
//! upstream is, so that names, TLS and kept connections are the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use marchproxy_conf::model;
use marchproxy_decide::verdict::Reason;
use serde_json::json;
use tokio::time::timeout;

use super::protobuf::{self, Value};
use crate::certificate::Certificate;
use crate::clock;
use crate::edge::{AnswerHead, Manner, Outbound, OutboundBody, Piece};
use crate::observe::Observer;
use crate::resolver::Resolver;
use crate::secret;
use crate::upstream::{Endpoint, Failure, Fate, Pool, Session, Surroundings, Upstream, Wish};

/// What it is called in logs and metrics.
const NAME: &str = "traces-collector";
/// Bytes of an answer that are looked at; real ones have a few dozen.
const LARGEST_ANSWER: usize = 64 << 10;

/// The collector that spans are sent to.
pub struct Collector {
    upstream: Arc<Upstream>,
    pool: Pool,
    /// What is sent, but for the length of the body.
    outbound: Outbound,
    timeout: Duration,
}

/// Why spans were not taken.
#[derive(Debug)]
pub struct Fault {
    /// For people.
    pub why: String,
    /// Whether to try again, and how long to wait at least.
    pub again: Option<Duration>,
}

impl Fault {
    fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: Some(Duration::ZERO) }
    }
}

impl Collector {
    /// Reads what `config` names.
    ///
    /// # Errors
    /// What is wrong with a file or a variable.
    pub fn load(
        config: &model::Traces,
        certificate: Option<&Arc<Certificate>>,
    ) -> Result<Self, String> {
        let endpoint = &config.endpoint;
        let around = Surroundings { own_zone: None, certificate };
        let upstream = upstream(config).map_err(|error| error.to_string())?;
        let upstream = Upstream::new(&upstream, around, None)?;
        let outbound = Outbound {
            method: Method::POST,
            target: endpoint.target().to_owned(),
            headers: headers(config)?,
            body: OutboundBody::Unknown,
            is_websocket: false,
            manner: Manner {
                scheme: if endpoint.is_https() { "https" } else { "http" },
                keeps_connection: true,
                announced: None,
            },
        };
        let timeout = config.timeout.duration();
        Ok(Self { upstream: Arc::new(upstream), pool: Pool::new(), outbound, timeout })
    }

    /// Whether this is as good as `new`, which was loaded for the same configuration.
    pub fn is_still(
        &self,
        new: &Self,
        config: &model::Traces,
        certificate: Option<&Arc<Certificate>>,
    ) -> bool {
        let around = Surroundings { own_zone: None, certificate };
        self.outbound.headers == new.outbound.headers
            && upstream(config).is_ok_and(|config| self.upstream.is_still(&config, around))
    }

    /// Looks its name up, now and again. To be called once, on the control thread.
    pub async fn begin(&self, resolver: &Arc<Resolver>, observer: &Arc<Observer>) {
        self.upstream.resolve_once(resolver).await;
        self.upstream.begin(resolver, observer);
    }

    /// Sends a message. Gives how many of its spans the collector rejects.
    ///
    /// # Errors
    /// Why nothing was taken.
    pub async fn send(&self, message: &Bytes) -> Result<u64, Fault> {
        let sent = timeout(self.timeout, self.exchange(message)).await;
        let late = || Fault::passing(format!("no answer within {:?}", self.timeout));
        let (head, body) = sent.map_err(|_| late())?.map_err(|failure| {
            // The reason's title is written for clients of the proxy.
            Fault::passing(failure.reason.code())
        })?;
        match head.status.as_u16() {
            200..=299 => Ok(rejected(&body)),
            status @ (429 | 502 | 503 | 504) => Err(Fault {
                why: format!("status {status}"),
                again: Some(retry_after(&head.headers).unwrap_or_default()),
            }),
            status => Err(Fault { why: format!("status {status}"), again: None }),
        }
    }

    async fn exchange(&self, message: &Bytes) -> Result<(AnswerHead, Vec<u8>), Failure> {
        let seat = self.upstream.pick(Wish::default()).ok_or_else(|| self.upstream.why_nobody())?;
        let endpoint = &seat.endpoint;
        if let Some(mut session) = self.pool.take(endpoint, &self.outbound) {
            match self.ask(&mut session, message).await {
                Ok(answer) => {
                    self.give_back(endpoint, session);
                    return Ok(answer);
                }
                // A kept connection may have been closed before the message was seen.
                Err(failure) if failure.fate < Fate::Begun => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut session = self.pool.connect(&self.upstream, endpoint, &self.outbound).await?;
        let answer = self.ask(&mut session, message).await?;
        self.give_back(endpoint, session);
        Ok(answer)
    }

    fn give_back(&self, endpoint: &Arc<Endpoint>, session: Session) {
        self.pool.give_back(&self.upstream, endpoint, &self.outbound, session, clock::now());
    }

    async fn ask(
        &self,
        session: &mut Session,
        message: &Bytes,
    ) -> Result<(AnswerHead, Vec<u8>), Failure> {
        let length = u64::try_from(message.len()).unwrap_or(u64::MAX);
        let mut outbound = self.outbound.clone();
        outbound.body = OutboundBody::Length(length);
        outbound.headers.insert(CONTENT_LENGTH, length.into());
        session.start(&outbound)?;
        std::future::poll_fn(|context| session.poll_room(context)).await?;
        session.send(Piece::Data(message.clone()))?;
        session.send(Piece::End(None))?;
        std::future::poll_fn(|context| session.poll_flush(context)).await?;
        let head = loop {
            let head = std::future::poll_fn(|context| session.poll_head(context)).await?;
            if !head.is_interim() {
                break head;
            }
        };
        let mut body = Vec::new();
        if session.is_answer_over() {
            return Ok((head, body));
        }
        loop {
            match std::future::poll_fn(|context| session.poll_body(context)).await? {
                Piece::Data(_) if body.len() > LARGEST_ANSWER => {
                    return Err(Reason::UpstreamMalformed.into());
                }
                Piece::Data(bytes) => body.extend_from_slice(&bytes),
                Piece::End(_) => return Ok((head, body)),
            }
        }
    }
}

/// The collector as an upstream with one endpoint. What is not said here has its default.
fn upstream(config: &model::Traces) -> Result<model::Upstream, serde_json::Error> {
    let https = config.endpoint.is_https().then(|| config.tls.clone().unwrap_or_default());
    let time = config.timeout;
    serde_json::from_value(json!({
        "name": NAME,
        "endpoints": [config.endpoint.host().to_string()],
        "tls": https,
        "timeouts": { "connect": time, "first_byte": time, "idle": time, "request": time },
    }))
}

fn headers(config: &model::Traces) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let agent = concat!("marchproxy/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    let host = HeaderValue::from_str(config.endpoint.authority());
    headers.insert(HOST, host.map_err(|error| error.to_string())?);
    for (name, from) in &config.headers {
        let secret = secret::read(from)?;
        // Files end with a line feed.
        let value = HeaderValue::from_bytes(secret.bytes().trim_ascii());
        let value = value.map_err(|_| format!("{}: not the value of a field", secret.place()));
        let mut value = value?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        headers.insert(name.map_err(|error| error.to_string())?, value);
    }
    Ok(headers)
}

/// How many spans an `ExportTraceServiceResponse` rejects.
fn rejected(answer: &[u8]) -> u64 {
    let Some(Value::Bytes(partial_success)) = protobuf::find(answer, 1) else { return 0 };
    match protobuf::find(partial_success, 1) {
        Some(Value::Integer(count)) => count,
        _ => 0,
    }
}

/// How long not to send anything (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()
}
