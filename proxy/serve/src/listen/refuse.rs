//! Refusing what never became a request.

use std::time::SystemTime;

use marchproxy_decide::answer::wire_refusal;
use marchproxy_decide::request::sanity;
use marchproxy_decide::verdict::Reason;

use crate::edge::{Arrival, Edge, Flow};

/// Records the refusal of what `came`, and gives the bytes to be sent. The connection must be closed after it.
pub fn at_the_wire(edge: &Edge, arrival: Arrival, came: &[u8], reason: Reason) -> Vec<u8> {
    let mut flow = Flow::begin(edge, arrival, None);
    sanity::keep_refused(came, &mut flow.exchange);
    let answer = wire_refusal(reason, &flow.exchange.request_id);
    flow.exchange.status = answer.status.as_u16();
    flow.exchange.bytes_out = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    flow.never_began(reason);
    let mut bytes = Vec::with_capacity(512);
    answer.to_http1(&httpdate::fmt_http_date(SystemTime::now()), true, &mut bytes);
    bytes
}
