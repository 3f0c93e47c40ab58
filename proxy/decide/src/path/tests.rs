use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

#[test]
fn a_path_is_brought_into_normal_form() {
    let cases = [
        ("", "/"),
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/%61/%7Eb", "/a/~b"),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/a%2541", "/a%2541"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("//admin", "/admin"),
        ("/a///b//", "/a/b/"),
        ("/.well-known/x", "/.well-known/x"),
        ("/...", "/..."),
        ("/a;b=1/c", "/a;b=1/c"),
        ("/{a}|^[b]\"", "/%7Ba%7D%7C%5E%5Bb%5D%22"),
    ];
    for (from, to) in cases {
        assert_eq!(normalise(from.as_bytes()).as_deref(), Ok(to), "{from}");
    }
}

#[test]
fn a_path_that_servers_disagree_about_is_refused() {
    let cases = [
        ("a", Reason::Target),
        ("/a b", Reason::Target),
        ("/a\u{e9}", Reason::Target),
        ("/a#b", Reason::Target),
        ("/%", Reason::PathEscape),
        ("/%4", Reason::PathEscape),
        ("/%zz", Reason::PathEscape),
        ("/%00", Reason::PathEscape),
        ("/%0d%0a", Reason::PathEscape),
        ("/%7f", Reason::PathEscape),
        ("/%c0%af", Reason::PathEscape),
        ("/%e0%80%af", Reason::PathEscape),
        ("/a%2fb", Reason::EncodedSlash),
        ("/a%5Cb", Reason::EncodedSlash),
        ("/a\\b", Reason::EncodedSlash),
        ("/..", Reason::PathAboveRoot),
        ("/a/../../b", Reason::PathAboveRoot),
        ("//..", Reason::PathAboveRoot),
        ("/a/..;x/b", Reason::PathDots),
        ("/a/%2e.;/b", Reason::PathDots),
    ];
    for (path, reason) in cases {
        assert_eq!(normalise(path.as_bytes()), Err(reason), "{path}");
    }
}

#[test]
fn a_normal_path_is_borrowed() {
    assert!(matches!(normalise(b"/shop/cart/17"), Ok(Cow::Borrowed(_))));
}

proptest! {
    #[test]
    fn the_normal_form_is_its_own_normal_form(path in "/[a-c./%2eEfF;~\\[é]{0,24}") {
        if let Ok(normal) = normalise(path.as_bytes()) {
            prop_assert_eq!(normalise(normal.as_bytes()), Ok(Cow::Borrowed(&*normal)));
        }
    }

    #[test]
    fn no_segment_of_a_normal_path_is_empty_or_dots(path in "/[ab./%2eE]{0,24}") {
        if let Ok(normal) = normalise(path.as_bytes()) {
            let segments: Vec<&str> = normal.split('/').skip(1).collect();
            let last = segments.len() - 1;
            for (position, segment) in segments.iter().enumerate() {
                prop_assert!(*segment != "." && *segment != "..");
                prop_assert!(!segment.is_empty() || position == last);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(path in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = normalise(&path);
    }
}
