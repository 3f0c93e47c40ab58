//! The first message of a TLS client, read just as far as to the name that it asks for (RFC 8446,
//! section 4.1.2; RFC 6066, section 3). Nothing is answered and nothing is changed.

/// Bytes that are looked at. A hello with post-quantum key shares has about two thousand.
pub const MAX_HELLO: usize = 16 * 1024;

/// What is known of a hello so far.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hello {
    /// It goes on beyond these bytes.
    Unfinished,
    /// It is whole; the name that it asks for in lower case, without a last dot.
    Name(Option<String>),
    /// This is no hello: whoever speaks TLS may say so.
    Other,
}

/// Looks at `bytes`: all that a client has sent, from its first byte on.
pub fn inspect(bytes: &[u8]) -> Hello {
    match message(bytes) {
        Ok(message) => name(&message).unwrap_or(Hello::Other),
        Err(Hello::Unfinished) if bytes.len() < MAX_HELLO => Hello::Unfinished,
        Err(_) => Hello::Other,
    }
}

/// The body of the hello, which may come in several records.
///
/// # Errors
/// It is not whole, or no hello.
fn message(bytes: &[u8]) -> Result<Vec<u8>, Hello> {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    let mut fragments = Vec::new();
    let mut rest = bytes;
    loop {
        if let Some((kind, after)) = fragments.split_first() {
            if *kind != CLIENT_HELLO {
                return Err(Hello::Other);
            }
            if let Some(body) = Reader(after).block::<3>() {
                return Ok(body.to_vec());
            }
        }
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE)
            || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Err(Hello::Other);
        }
        let mut record = Reader(rest);
        record.take(3).ok_or(Hello::Unfinished)?;
        let fragment = record.block::<2>().ok_or(Hello::Unfinished)?;
        if fragment.is_empty() {
            return Err(Hello::Other);
        }
        fragments.extend_from_slice(fragment);
        rest = record.0;
    }
}

/// `None`: the hello is malformed.
fn name(body: &[u8]) -> Option<Hello> {
    const SERVER_NAME: &[u8] = &[0, 0];
    let mut hello = Reader(body);
    hello.take(2 + 32)?;
    hello.block::<1>()?;
    hello.block::<2>()?;
    hello.block::<1>()?;
    if hello.0.is_empty() {
        return Some(Hello::Name(None));
    }
    let mut extensions = Reader(hello.block::<2>()?);
    while !extensions.0.is_empty() {
        let kind = extensions.take(2)?;
        let content = extensions.block::<2>()?;
        if kind == SERVER_NAME {
            let mut entry = Reader(Reader(content).block::<2>()?);
            let is_host = entry.take(1)? == [0];
            let name = str::from_utf8(entry.block::<2>()?).ok()?;
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            return Some(Hello::Name(is_host.then_some(name)));
        }
    }
    Some(Hello::Name(None))
}

/// Bytes with lengths in front of them.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A block with its length in `N` bytes in front. Nothing is taken when it is not whole.
    fn block<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_at_checked(N)?;
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (block, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(width: usize, content: &[u8]) -> Vec<u8> {
        let length = content.len().to_be_bytes();
        [&length[length.len() - width..], content].concat()
    }

    fn hello_with(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &block(2, content)].concat())
            .collect();
        let body = [
            &[3, 3][..],
            &[7; 32],
            &block(1, &[9; 32]),
            &block(2, &[0x13, 1]),
            &block(1, &[0]),
            &block(2, &extensions),
        ]
        .concat();
        [&[1][..], &block(3, &body)].concat()
    }

    fn asking(name: &str) -> Vec<u8> {
        let entry = [&[0][..], &block(2, name.as_bytes())].concat();
        hello_with(&[(10, vec![1; 1200]), (0, block(2, &entry))])
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let each = message.chunks(size);
        each.flat_map(|chunk| [&[22, 3, 1][..], &block(2, chunk)].concat()).collect()
    }

    #[test]
    fn the_name_is_found_however_the_hello_is_cut() {
        for size in [1, 5, 100, 16_384] {
            let bytes = records(&asking("Shop.example.com."), size);
            assert_eq!(inspect(&bytes), Hello::Name(Some("shop.example.com".to_owned())));
            let more = [&bytes[..], b"more"].concat();
            assert_eq!(inspect(&more), inspect(&bytes), "what follows is not looked at");
            for end in (0..bytes.len()).step_by(7) {
                assert_eq!(inspect(&bytes[..end]), Hello::Unfinished, "{size} {end}");
            }
        }
    }

    #[test]
    fn a_hello_without_a_name_has_none() {
        assert_eq!(inspect(&records(&hello_with(&[]), 999)), Hello::Name(None));
    }

    #[test]
    fn what_is_no_hello_is_told_at_once() {
        let empty_records = [22, 3, 1, 0, 0].repeat(100);
        let server_hello = records(&[2, 0, 0, 0], 4);
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[0x80, 0x2e, 1], &empty_records, &server_hello] {
            assert_eq!(inspect(bytes), Hello::Other, "{bytes:?}");
        }
        let endless = [vec![1, 0xff, 0xff, 0xff], vec![0; MAX_HELLO]].concat();
        let endless = records(&endless, 16_000);
        assert_eq!(inspect(&endless), Hello::Other);
        let wrong = hello_with(&[(0, block(2, &[0, 0, 200, 1]))]);
        assert_eq!(inspect(&records(&wrong, 999)), Hello::Other);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            inspect(&bytes);
            inspect(&records(&[&[1][..], &block(3, &bytes)].concat(), 50));
        }
    }
}
