//! The head of a request: from bytes to what is forwarded.

mod forwarded;

use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::head::{HeadFacts, HeadLimits, HeadScanner, Inspected, inspect};

use crate::cuts;

/// The defaults of the configuration language, and limits that small inputs reach.
const LIMITS: [HeadLimits; 2] = [
    HeadLimits { head_size: 32 << 10, target_size: 8 << 10, fields: 100 },
    HeadLimits { head_size: 256, target_size: 64, fields: 4 },
];

/// The input is a head, and perhaps what follows it on the connection.
pub fn request_head(bytes: &[u8]) {
    for limits in LIMITS {
        let whole = inspect(bytes, &limits);
        for ends in cuts::ways(bytes) {
            let pieces = in_pieces(bytes, &ends, &limits);
            assert!(is_same(&pieces, &whole), "{pieces:?}, {whole:?} as one, cut at {ends:?}");
        }
        if let Inspected::Complete(facts) = whole {
            check_limits(&facts, &limits);
            forwarded::check(bytes, &facts);
        }
    }
}

/// Shows a scanner more and more of the input, up to its verdict.
fn in_pieces(bytes: &[u8], ends: &[usize], limits: &HeadLimits) -> Inspected {
    let mut scanner = HeadScanner::new();
    for end in ends {
        let inspected = scanner.inspect(&bytes[..*end], limits);
        if inspected != Inspected::Incomplete {
            return inspected;
        }
    }
    scanner.inspect(bytes, limits)
}

/// A head in pieces may be refused before the fault that the whole of it is refused for has come: for
/// its first byte, or for its size.
fn is_same(pieces: &Inspected, whole: &Inspected) -> bool {
    match (pieces, whole) {
        (Inspected::Refused(early), Inspected::Refused(reason)) => {
            early == reason
                || matches!(early, Reason::RequestLine | Reason::TargetSize | Reason::HeadSize)
        }
        _ => pieces == whole,
    }
}

fn check_limits(facts: &HeadFacts, limits: &HeadLimits) {
    assert!(facts.length <= limits.head_size);
    assert!(facts.target.len() <= limits.target_size);
    assert!(facts.fields <= limits.fields);
}
