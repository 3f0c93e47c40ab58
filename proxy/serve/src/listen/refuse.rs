//! Refusing what never became a request.

use std::time::SystemTime;

use marchproxy_decide::answer::wire_refusal;
use marchproxy_decide::verdict::Reason;

use crate::edge::{Arrival, Edge, Flow};

/// Records a refusal, and gives the bytes to be sent. The connection must be closed after it.
pub fn at_the_wire(edge: &Edge, arrival: Arrival, reason: Reason) -> Vec<u8> {
    let mut flow = Flow::begin(edge, arrival);
    let answer = wire_refusal(reason, &flow.exchange.request_id);
    flow.exchange.status = answer.status.as_u16();
    flow.exchange.bytes_out = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    flow.never_began(reason);
    let mut bytes = Vec::with_capacity(512);
    answer.to_http1(&httpdate::fmt_http_date(SystemTime::now()), true, &mut bytes);
    bytes
}
