//! The body of a request, followed as it streams past.

use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::body::BodyWatch;
use marchproxy_decide::wire::head::Framing;

use crate::cuts;

/// What became of a body: bytes taken, whether it ended, its content; or why it was refused.
type Outcome = Result<(usize, bool, u64), Reason>;

/// The input is a body, and perhaps what follows it on the connection.
pub fn request_body(bytes: &[u8]) {
    let length = bytes.len() as u64;
    let lengths = [0, 1, length / 2, length, length + 1].map(Framing::Length);
    for framing in [Framing::None, Framing::Chunked].into_iter().chain(lengths) {
        for limit in [u64::MAX, 16] {
            follow(bytes, framing, limit);
        }
    }
}

fn follow(bytes: &[u8], framing: Framing, limit: u64) {
    let whole = outcome(&mut BodyWatch::new(framing, limit), [bytes]);
    for ends in cuts::ways(bytes) {
        let pieces = outcome(&mut BodyWatch::new(framing, limit), pieces(bytes, &ends));
        assert_eq!(pieces, whole, "cut at {ends:?}, {framing:?}, limit {limit}");
    }
    let mut late = BodyWatch::new(framing, u64::MAX);
    late.set_limit(limit);
    assert_eq!(
        outcome(&mut late, [bytes]),
        whole,
        "a limit set before the first byte, {framing:?}"
    );

    let Ok((taken, done, content)) = whole else { return };
    assert!(taken <= bytes.len() && content <= limit);
    assert!(done || taken == bytes.len(), "bytes of a body that goes on were left");
    match framing {
        Framing::None => assert_eq!((taken, done), (0, true)),
        Framing::Length(length) => {
            assert_eq!((content, taken as u64), (length.min(bytes.len() as u64), content));
        }
        Framing::Chunked if done => {
            let reading = read_chunked(bytes);
            assert_eq!(reading, Some((taken, content)), "another reader sees another body");
        }
        Framing::Chunked => {}
    }
}

fn pieces<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| &bytes[start..*end])
}

/// Feeds the pieces, and one more after the end or the error, which must change neither.
fn outcome<'a>(watch: &mut BodyWatch, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut taken = 0;
    for piece in pieces {
        match watch.advance(piece) {
            Ok(progress) => {
                taken += progress.taken;
                assert_eq!(progress.done, watch.is_done());
                assert!(progress.done || progress.taken == piece.len());
            }
            Err(reason) => {
                assert_eq!(watch.advance(b"0\r\n\r\n"), Err(reason), "the error did not stay");
                return Err(reason);
            }
        }
    }
    if watch.is_done() {
        let after = watch.advance(b"GET / HTTP/1.1\r\n").map(|progress| progress.taken);
        assert_eq!(after, Ok(0), "bytes were taken after the end");
    }
    Ok((taken, watch.is_done(), watch.content()))
}

/// A second, simple reader of RFC 9112, section 7.1, as lenient as servers are: the length of a
/// chunked body and of its content; `None` if it does not end.
fn read_chunked(bytes: &[u8]) -> Option<(usize, u64)> {
    let mut rest = bytes;
    let mut content = 0;
    loop {
        let size = take_line(&mut rest)?.split(|c| *c == b';').next()?;
        let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        content += size;
        rest = rest.get(usize::try_from(size).ok()?..)?;
        if !take_line(&mut rest)?.is_empty() {
            return None;
        }
    }
    while !take_line(&mut rest)?.is_empty() {}
    Some((bytes.len() - rest.len(), content))
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, after) = rest.split_at(end);
    *rest = &after[2..];
    Some(line)
}
