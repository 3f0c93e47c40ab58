use proptest::prelude::*;

use super::*;

fn chunked(bytes: &[u8], limit: u64) -> Result<Progress, Reason> {
    BodyWatch::new(Framing::Chunked, limit).advance(bytes)
}

#[test]
fn a_body_of_known_length_ends_where_it_should() {
    let mut watch = BodyWatch::new(Framing::Length(5), 10);
    assert_eq!(watch.advance(b"abc"), Ok(Progress { taken: 3, done: false }));
    assert_eq!(watch.advance(b"deGET"), Ok(Progress { taken: 2, done: true }));
    assert_eq!(watch.advance(b"GET"), Ok(Progress { taken: 0, done: true }));
    assert_eq!(watch.content(), 5);
}

#[test]
fn no_body_is_done_at_once() {
    assert!(BodyWatch::new(Framing::None, 0).is_done());
    assert!(BodyWatch::new(Framing::Length(0), 0).is_done());
}

#[test]
fn chunks_extensions_and_trailers_are_followed() {
    let body = b"5\r\nhello\r\n0A;a;b=c;d=\"e;\\\" f\"\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(b"GET / HTTP/1.1");
    let mut watch = BodyWatch::new(Framing::Chunked, 15);
    assert_eq!(watch.advance(&bytes), Ok(Progress { taken: body.len(), done: true }));
    assert_eq!(watch.content(), 15);
}

#[test]
fn what_is_wrong_with_chunks_is_refused() {
    let cases: [(&[u8], Reason); 26] = [
        // RFC 9112, section 7.1.
        (b"\r\n", Reason::ChunkSize),
        (b"g\r\n", Reason::ChunkSize),
        (b"0x5\r\n", Reason::ChunkSize),
        (b"+5\r\n", Reason::ChunkSize),
        (b" 5\r\n", Reason::ChunkSize),
        (b"5 \r\n", Reason::ChunkSize),
        (b"5\n", Reason::ChunkSize),
        (b"5\r5", Reason::ChunkSize),
        (b"00000000000000005\r\n", Reason::ChunkSize),
        (b"1\r\na\r\nffffffffffffffff\r\n", Reason::ChunkSize),
        (b"8000000000000000\r\n", Reason::ChunkSize),
        (b"1\r\na\r\n7fffffffffffffff\r\n", Reason::ChunkSize),
        (b"5\r\nhelloX", Reason::ChunkEnd),
        (b"5\r\nhello\n", Reason::ChunkEnd),
        (b"5\r\nhello\rX", Reason::ChunkEnd),
        // Section 7.1.1.
        (b"5;\r\n", Reason::ChunkExtension),
        (b"5;a\n", Reason::ChunkExtension),
        (b"5;a=\r\n", Reason::ChunkExtension),
        (b"5; a\r\n", Reason::ChunkExtension),
        (b"5;a=\"b\rc\"\r\n", Reason::ChunkExtension),
        (b"5;a=\"b\"c\r\n", Reason::ChunkExtension),
        // Section 7.1.2; RFC 9110, section 6.5.1.
        (b"0\r\nX y\r\n", Reason::Trailer),
        (b"0\r\nContent-Length: 5\r\n", Reason::Trailer),
        (b"0\r\nhost: a\r\n", Reason::Trailer),
        (b"0\r\n\n", Reason::LineEnding),
        (b"0\r\nA: b\rc\r\n", Reason::LineEnding),
    ];
    for (bytes, reason) in cases {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(chunked(bytes, u64::MAX), Err(reason), "{text:?}");
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extension = |length: usize| format!("1;{}\r\na\r\n", "x".repeat(length - 1));
    assert!(chunked(extension(255).as_bytes(), 9).is_ok());
    assert_eq!(chunked(extension(257).as_bytes(), 9), Err(Reason::ChunkExtension));
    let many = extension(200).repeat(100);
    assert_eq!(chunked(many.as_bytes(), 999), Err(Reason::ChunkExtension));
    let lines = format!("0\r\n{}", "A: b\r\n".repeat(65));
    assert_eq!(chunked(lines.as_bytes(), 9), Err(Reason::Trailer));
    let long = format!("0\r\nA: {}", "b".repeat(9000));
    assert_eq!(chunked(long.as_bytes(), 9), Err(Reason::Trailer));
}

#[test]
fn a_body_over_its_limit_is_refused_before_it_comes() {
    assert_eq!(BodyWatch::new(Framing::Length(11), 10).advance(b""), Err(Reason::BodySize));
    assert_eq!(chunked(b"b\r\n", 10), Err(Reason::BodySize));
    assert_eq!(chunked(b"5\r\nhello\r\n6\r\n", 10), Err(Reason::BodySize));
    assert!(chunked(b"5\r\nhello\r\n5\r\n", 10).is_ok());
}

#[test]
fn a_limit_that_becomes_known_later_counts_what_has_passed() {
    let mut watch = BodyWatch::new(Framing::Chunked, u64::MAX);
    watch.advance(b"5\r\nhel").unwrap();
    watch.set_limit(4);
    assert_eq!(watch.advance(b"lo"), Err(Reason::BodySize));
    let mut watch = BodyWatch::new(Framing::Length(5), u64::MAX);
    watch.set_limit(5);
    assert!(watch.advance(b"hello").is_ok());
}

#[test]
fn an_error_stays() {
    let mut watch = BodyWatch::new(Framing::Chunked, 10);
    assert_eq!(watch.advance(b"x"), Err(Reason::ChunkSize));
    assert_eq!(watch.advance(b"0\r\n\r\n"), Err(Reason::ChunkSize));
}

#[test]
fn many_tiny_chunks_are_legal() {
    let body = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(10_000));
    assert_eq!(chunked(body.as_bytes(), 10_000), Ok(Progress { taken: body.len(), done: true }));
}

/// Decodes a whole body in the plainest way; `None`: not valid, or not complete. Knows no quoted
/// extension values: none are generated.
fn reference(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut rest = bytes;
    let line = |rest: &mut &[u8]| {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        // As Latin-1, so that every byte is a character.
        let text: String = rest[..end].iter().map(|c| char::from(*c)).collect();
        *rest = &rest[end + 2..];
        (!text.contains(['\r', '\n'])).then_some(text)
    };
    let is_token = |text: &str| {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(is_fine)
    };
    loop {
        let size_line = line(&mut rest)?;
        let mut parts = size_line.split(';');
        let size = parts.next()?;
        for extension in parts {
            let (name, value) = extension.split_once('=').unwrap_or((extension, "x"));
            if !is_token(name) || !is_token(value) {
                return None;
            }
        }
        if size.len() > 16 || !size.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let trailer = line(&mut rest)?;
        if trailer.is_empty() {
            return Some((content, bytes.len() - rest.len()));
        }
        let (name, value) = trailer.split_once(':')?;
        let is_control = |c: char| c != '\t' && c.is_ascii_control();
        if !is_token(name) || name.eq_ignore_ascii_case("te") || value.contains(is_control) {
            return None;
        }
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("1\r\na\r\n"),
        Just("3;a=b\r\na\r\n\r\n"),
        Just("0c\r\nhello, world\r\n"),
        Just("2;a\r\nab\r\n"),
        Just("0\r\n"),
        Just("0\r\nx: y\r\n\r\n"),
        Just("\r\n"),
        Just("te: a\r\n"),
        Just("GET / HTTP/1.1\r\n"),
        Just("5\r\n"),
        Just("x"),
    ];
    let end = prop_oneof![4 => Just("0\r\n\r\n"), 1 => Just("")];
    (
        proptest::collection::vec(piece, 0..8),
        end,
        any::<proptest::sample::Index>(),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(pieces, end, place, byte, spoil)| {
            let mut bytes = format!("{}{end}", pieces.concat()).into_bytes();
            if spoil && !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes
        })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer_as_one_piece(
        body in any_body(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let whole = chunked(&body, 1000);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.push(body.len());
        ends.sort_unstable();
        let mut watch = BodyWatch::new(Framing::Chunked, 1000);
        let mut taken = 0;
        let mut start = 0;
        let mut result = Ok(Progress { taken: 0, done: false });
        for end in ends {
            result = watch.advance(&body[start..end]);
            match result {
                Ok(progress) => taken += progress.taken,
                Err(_) => break,
            }
            start = end;
        }
        match (whole, result) {
            (Ok(whole), Ok(last)) => prop_assert_eq!((whole.taken, whole.done), (taken, last.done)),
            (whole, last) => prop_assert_eq!(whole.err(), last.err()),
        }
    }

    #[test]
    fn it_agrees_with_a_plain_decoder(body in any_body()) {
        let mut watch = BodyWatch::new(Framing::Chunked, 1000);
        let found = watch.advance(&body).ok().filter(|progress| progress.done);
        let expected = reference(&body);
        prop_assert_eq!(found.map(|progress| progress.taken), expected.as_ref().map(|(_, end)| *end));
        if let Some((content, _)) = expected {
            prop_assert_eq!(watch.content(), content.len() as u64);
        }
    }
}
