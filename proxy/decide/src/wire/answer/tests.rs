use proptest::prelude::*;

use super::*;

/// Whether the final head is complete.
fn look(text: &str) -> Result<bool, Reason> {
    let mut rest = text.as_bytes();
    while let Some(facts) = AnswerScanner::new().inspect(rest)? {
        if facts.status == 101 || facts.status >= 200 {
            return Ok(true);
        }
        rest = &rest[facts.length..];
    }
    Ok(false)
}

#[test]
fn a_head_is_taken_apart() {
    let head = "HTTP/1.1 404 Not here\r\nContent-Length: 5\r\nConnection: x, close\r\n\r\n";
    let facts = AnswerScanner::new().inspect(head.as_bytes()).unwrap().unwrap();
    assert_eq!(head.get(facts.phrase.clone()), Some("Not here"));
    assert!(head.get(facts.fields_start..).unwrap().starts_with("Content-Length"));
    assert_eq!((facts.length, facts.status, facts.fields), (head.len(), 404, 2));
    assert_eq!((facts.framing, facts.keep_alive), (AnswerFraming::Length(5), false));
}

#[test]
fn a_connection_is_kept_as_its_version_and_its_options_say() {
    for (head, kept) in [
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n\r\n", false),
    ] {
        let facts = AnswerScanner::new().inspect(head.as_bytes()).unwrap().unwrap();
        assert_eq!(facts.keep_alive, kept, "{head:?}");
    }
}

#[test]
fn a_plain_head_ends_where_its_empty_line_does() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(look(head), Ok(true));
    assert_eq!(look(head.strip_suffix('\n').unwrap()), Ok(false));
    // What follows is the body's affair.
    assert_eq!(look(&format!("{head}\0\nhello")), Ok(true));
}

#[test]
fn what_is_unusual_but_right_passes() {
    for head in [
        "HTTP/1.0 200 \r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 404 Nicht gefunden \u{e9}\r\nX:\r\nY:\t a\tb \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\u{81}",
    ] {
        assert_eq!(look(head), Ok(true), "{head:?}");
    }
}

#[test]
fn what_a_parser_would_mend_is_refused() {
    for head in [
        // RFC 9112, sections 2.2 and 4.
        "HTTP/1.1 200 OK\nX: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\n\r\n",
        "HTTP/1.1 200 OK\r\n\n",
        "HTTP/1.1 200 OK\rX: a\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        // Section 5.
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n",
        // Section 6.3.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(look(head), Err(Reason::UpstreamMalformed), "{head:?}");
    }
}

#[test]
fn the_heads_of_1xx_are_followed_by_another() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(look(hints), Ok(false));
    assert_eq!(look(&format!("{hints}{hints}{last}")), Ok(true));
    let broken = format!("{hints}HTTP/1.1 200 OK\r\nX : a\r\n\r\n");
    assert_eq!(look(&broken), Err(Reason::UpstreamMalformed));
}

#[test]
fn a_head_may_be_as_long_as_its_limit_and_no_longer() {
    let frame = "HTTP/1.1 200 OK\r\nX: \r\n\r\n".len();
    let head = |size: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(size - frame));
    assert_eq!(look(&head(MAX_HEAD)), Ok(true));
    assert_eq!(look(&head(MAX_HEAD + 1)), Err(Reason::UpstreamHeadSize));
    assert_eq!(look(&"x".repeat(MAX_HEAD + 1)), Err(Reason::UpstreamHeadSize));
    let fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(count));
    assert_eq!(look(&fields(MAX_FIELDS)), Ok(true));
    assert_eq!(look(&fields(MAX_FIELDS + 1)), Err(Reason::UpstreamHeadSize));
}

fn any_head() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n".to_owned()),
        Just("Content-Length: 5\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("A: b\n".to_owned()),
        "[a-z :\t]{0,8}\r\n",
    ];
    proptest::collection::vec(line, 0..8)
        .prop_map(|lines| format!("HTTP/1.1 200 OK\r\n{}\r\nbody\n", lines.concat()))
}

proptest! {
    #[test]
    fn byte_by_byte_gives_the_same_answer_as_all_at_once(head in any_head()) {
        let whole = AnswerScanner::new().inspect(head.as_bytes());
        let mut scanner = AnswerScanner::new();
        let mut last = Ok(None);
        for end in 1..=head.len() {
            last = scanner.inspect(&head.as_bytes()[..end]);
            if last != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(last, whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = AnswerScanner::new().inspect(&bytes);
    }
}
