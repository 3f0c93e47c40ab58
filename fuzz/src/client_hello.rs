//! The first message of a TLS client, as far as to the name that it asks for.

use marchproxy_decide::wire::client_hello::{Hello, MAX_HELLO, inspect};

use crate::cuts;

/// The input is what a client sends first, and perhaps what follows it.
pub fn client_hello(bytes: &[u8]) {
    let whole = inspect(bytes);
    for ends in cuts::ways(bytes) {
        // However it comes, what is settled stays so.
        let settled = ends.iter().map(|end| inspect(&bytes[..*end])).find(is_settled);
        if let Some(settled) = settled {
            assert_eq!(settled, whole, "cut at {ends:?}");
        }
    }
    match whole {
        Hello::Unfinished => assert!(bytes.len() < MAX_HELLO),
        Hello::Name(Some(name)) => {
            assert!(name.len() < bytes.len());
            assert!(!name.bytes().any(|c| c.is_ascii_uppercase()), "{name}");
        }
        Hello::Name(None) | Hello::Other => {}
    }
}

fn is_settled(hello: &Hello) -> bool {
    *hello != Hello::Unfinished
}
