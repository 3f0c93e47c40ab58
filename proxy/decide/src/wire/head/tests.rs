//! RFC 9112 section by section, and what is stricter here.

use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { head_size: 512, target_size: 64, fields: 8 };

fn look(text: &str) -> Inspected {
    inspect(text.as_bytes(), &LIMITS)
}

fn facts(text: &str) -> HeadFacts {
    match look(text) {
        Inspected::Complete(facts) => facts,
        other => panic!("{text:?}: {other:?}"),
    }
}

/// A request with these lines after the request line and `Host`.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn a_plain_head_is_complete() {
    let text = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\nrest";
    let facts = facts(text);
    assert_eq!(facts.length, text.len() - 4);
    assert_eq!(facts.version, Version::HTTP_11);
    assert_eq!(text.get(facts.method.clone()), Some("GET"));
    assert_eq!(text.get(facts.target.clone()), Some("/a?b"));
    assert_eq!((facts.fields, facts.framing), (1, Framing::None));
    assert!(facts.keep_alive && !facts.expect_continue);
}

#[test]
fn what_is_wrong_is_refused_with_its_reason() {
    let wire = [
        // RFC 9112, section 2.2: bare CR, bare LF, space before the first field.
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", Reason::LineEnding),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", Reason::LineEnding),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", Reason::LineEnding),
        ("GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n", Reason::LineEnding),
        ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Reason::LineEnding),
        ("\nGET / HTTP/1.1\r\n", Reason::LineEnding),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n", Reason::RequestLine),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Reason::Folding),
        // Section 3: three parts, single spaces.
        ("GET /\r\n", Reason::RequestLine),
        ("GET  / HTTP/1.1\r\n", Reason::RequestLine),
        ("GET / HTTP/1.1 \r\n", Reason::RequestLine),
        (" GET / HTTP/1.1\r\n", Reason::RequestLine),
        ("GET /a b HTTP/1.1\r\n", Reason::RequestLine),
        ("GET\t/ HTTP/1.1\r\n", Reason::RequestLine),
        ("G@T / HTTP/1.1\r\n", Reason::RequestLine),
        ("GET / http/1.1\r\n", Reason::RequestLine),
        ("GET / HTTP/1.10\r\n", Reason::RequestLine),
        ("GET / HTTP/1\r\n", Reason::RequestLine),
        ("\u{16}\u{3}\u{1}", Reason::RequestLine),
        // Section 2.3.
        ("GET / HTTP/2.0\r\n", Reason::Version),
        ("GET / HTTP/1.2\r\n", Reason::Version),
        ("GET / HTTP/0.9\r\n", Reason::Version),
        // Section 3.2.
        ("GET /\u{7f} HTTP/1.1\r\n", Reason::Target),
        ("GET /é HTTP/1.1\r\n", Reason::Target),
        ("GET /#a HTTP/1.1\r\n", Reason::Target),
        ("GET / HTTP/1.1\r\n\r\n", Reason::HostMissing),
        ("GET http://a/ HTTP/1.1\r\n\r\n", Reason::HostMissing),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Reason::HostRepeated),
        ("GET / HTTP/1.1\r\nHost: me@a\r\n", Reason::HostInvalid),
        ("GET / HTTP/1.1\r\nHost:\r\n", Reason::HostInvalid),
        ("GET a HTTP/1.1\r\n", Reason::Target),
        ("GET /< HTTP/1.1\r\n", Reason::Target),
        ("GET /?> HTTP/1.1\r\n", Reason::Target),
        ("GET /` HTTP/1.1\r\n", Reason::Target),
        ("GET /?\" HTTP/1.1\r\n", Reason::Target),
        ("GET ftp://a/ HTTP/1.1\r\n", Reason::Target),
        ("GET http:/a HTTP/1.1\r\n", Reason::Target),
        ("GET http://me@a/ HTTP/1.1\r\n", Reason::HostInvalid),
        ("GET http:///a HTTP/1.1\r\n", Reason::HostInvalid),
        ("CONNECT a:443 HTTP/1.1\r\n", Reason::MethodRefused),
        ("TRACE / HTTP/1.1\r\n", Reason::MethodRefused),
        // Section 6.1.
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Reason::CodingVersion),
    ];
    for (text, reason) in wire {
        assert_eq!(look(text), Inspected::Refused(reason), "{text:?}");
    }
}

#[test]
fn a_field_that_is_wrong_is_refused_with_its_reason() {
    let fields = [
        // Section 5.
        ("host: b\r\n", Reason::HostRepeated),
        ("A : b\r\n", Reason::FieldName),
        ("A\u{b}: b\r\n", Reason::FieldName),
        (": b\r\n", Reason::FieldName),
        ("A\r\n", Reason::FieldName),
        ("Ä: b\r\n", Reason::FieldName),
        ("A: b\0\r\n", Reason::FieldValue),
        ("A: b\u{1}c\r\n", Reason::FieldValue),
        ("A: b\u{7f}\r\n", Reason::FieldValue),
        ("A: b\r\n c\r\n", Reason::Folding),
        ("A: b\r\n\tc\r\n", Reason::Folding),
        // Section 6.2 and 6.3.
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Reason::LengthInvalid),
        ("Content-Length: 1\r\ncontent-length: 2\r\n", Reason::LengthInvalid),
        ("Content-Length: 1, 1\r\n", Reason::LengthInvalid),
        ("Content-Length: +1\r\n", Reason::LengthInvalid),
        ("Content-Length: -1\r\n", Reason::LengthInvalid),
        ("Content-Length: 1 1\r\n", Reason::LengthInvalid),
        ("Content-Length: 0x1\r\n", Reason::LengthInvalid),
        ("Content-Length:\r\n", Reason::LengthInvalid),
        ("Content-Length: 00000000000000000001\r\n", Reason::LengthInvalid),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Reason::FramingConflict),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", Reason::FramingConflict),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Reason::FramingConflict),
        // Section 6.1: known to be unsupported, or not understood at all.
        ("Transfer-Encoding: gzip, chunked\r\n", Reason::CodingUnknown),
        ("Transfer-Encoding: gzip\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding: chunked, gzip\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding: chunked, chunked\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding: xchunked\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding: \"chunked\"\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding: chunked;a=b\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding: , chunked\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding:\r\n", Reason::CodingInvalid),
        ("Transfer-Encoding : chunked\r\n", Reason::FieldName),
        ("Transfer-Encoding: \u{b}chunked\r\n", Reason::FieldValue),
        // RFC 9110, section 10.1.1.
        ("Expect: 100-continue, x\r\n", Reason::Expectation),
        ("Expect: x\r\n", Reason::Expectation),
        ("A: b\r\n\r", Reason::LineEnding),
    ];
    for (lines, reason) in fields {
        assert_eq!(look(&with(lines)), Inspected::Refused(reason), "{lines:?}");
    }
}

#[test]
fn what_is_unusual_but_right_passes() {
    let cases = [
        "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nhOsT:a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost:\t a \r\nX:\r\nY: \u{e9}\tz\r\n\r\n",
        "GET http://a/{}|^\"[]\\?`{}| HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ];
    for text in cases {
        assert_eq!(facts(text).length, text.len(), "{text:?}");
    }
}

#[test]
fn the_body_is_framed_as_the_head_says() {
    let cases = [
        ("Content-Length: 0\r\n", Framing::None),
        ("Content-Length: 17\r\n", Framing::Length(17)),
        ("content-length: 0017\r\n", Framing::Length(17)),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
        ("Content-Length: 9999999999999999999\r\n", Framing::Length(9_999_999_999_999_999_999)),
    ];
    for (lines, framing) in cases {
        assert_eq!(facts(&with(lines)).framing, framing, "{lines:?}");
    }
}

#[test]
fn connection_and_expect_are_read() {
    assert!(!facts(&with("Connection: x, Close\r\n")).keep_alive);
    assert!(!facts("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert!(facts("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert!(facts(&with("Expect: 100-Continue\r\n")).expect_continue);
    assert!(!facts("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
}

#[test]
fn a_limit_is_met_before_the_head_ends() {
    let long = "a".repeat(600);
    let cases = [
        (format!("GET /{long}"), Reason::TargetSize),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(64)), Reason::TargetSize),
        (long.clone(), Reason::RequestLine),
        (format!("{} / HTTP/1.1\r\n", "a".repeat(33)), Reason::RequestLine),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}"), Reason::HeadSize),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n"), Reason::HeadSize),
        (format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(9)), Reason::Fields),
    ];
    for (text, reason) in cases {
        assert_eq!(look(&text), Inspected::Refused(reason), "{text:?}");
    }
}

#[test]
fn a_limit_can_be_used_up() {
    let head = format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(63));
    let head = format!("{head}{}", "A: b\r\n".repeat(7));
    let exact = HeadLimits { head_size: head.len() + 2, ..LIMITS };
    let text = format!("{head}\r\n");
    assert!(matches!(inspect(text.as_bytes(), &exact), Inspected::Complete(_)));
    let less = HeadLimits { head_size: head.len() + 1, ..LIMITS };
    assert_eq!(inspect(text.as_bytes(), &less), Inspected::Refused(Reason::HeadSize));
}

#[test]
fn a_bare_line_feed_is_refused_at_once() {
    let mut scanner = HeadScanner::new();
    assert_eq!(scanner.inspect(b"GET / HTTP/1.1", &LIMITS), Inspected::Incomplete);
    let refused = Inspected::Refused(Reason::LineEnding);
    assert_eq!(scanner.inspect(b"GET / HTTP/1.1\n", &LIMITS), refused);
}

#[test]
fn a_request_has_begun_with_its_first_byte() {
    let mut scanner = HeadScanner::new();
    assert!(!scanner.has_begun());
    scanner.inspect(b"\r\n", &LIMITS);
    assert!(!scanner.has_begun());
    scanner.inspect(b"\r\nG", &LIMITS);
    assert!(scanner.has_begun());
}

fn any_head() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("Host: a\r\n".to_owned()),
        Just("Content-Length: 5\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("A: b\n".to_owned()),
        Just("A: b\r".to_owned()),
        "[a-z :\t]{0,8}\r\n",
    ];
    let start = prop_oneof![Just("GET / HTTP/1.1\r\n"), Just("\r\nGET /a HTTP/1.0\r\n"), Just("G")];
    (start, proptest::collection::vec(line, 0..10))
        .prop_map(|(start, lines)| format!("{start}{}\r\nGET /next HTTP/1.1\r\n", lines.concat()))
}

proptest! {
    #[test]
    fn byte_by_byte_gives_the_same_answer_as_all_at_once(head in any_head()) {
        let whole = inspect(head.as_bytes(), &LIMITS);
        let mut scanner = HeadScanner::new();
        let mut last = Inspected::Incomplete;
        for end in 0..=head.len() {
            last = scanner.inspect(&head.as_bytes()[..end], &LIMITS);
            if last != Inspected::Incomplete {
                break;
            }
        }
        prop_assert_eq!(last, whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = inspect(&bytes, &LIMITS);
    }
}
