use super::*;

fn normalise(path: &str) -> Option<String> {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                segments.pop()?;
            }
            other => segments.push(other),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

#[test]
fn each_part_counts() {
    let key = |scheme, authority, path, query| Key::new(scheme, authority, path, query).unwrap();
    let one = key("https", "example.com", "/a", None);
    assert_eq!(one, key("https", "EXAMPLE.com", "/a", None));
    for other in [
        key("http", "example.com", "/a", None),
        key("https", "example.com:8443", "/a", None),
        key("https", "example.com", "/A", None),
        key("https", "example.com", "/a", Some("")),
        key("https", "example.com", "/a", Some("b")),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn parts_cannot_be_moved_from_one_to_the_other() {
    for (scheme, authority, path) in [
        ("ftp", "a", "/"),
        ("https", "", "/"),
        ("https", "a/b", "/"),
        ("https", "a?b", "/"),
        ("https", "u@a", "/"),
        ("https", "a", ""),
        ("https", "a", "b"),
        ("https", "a", "/b?c"),
        ("https", "a", "/b#c"),
    ] {
        assert!(Key::new(scheme, authority, path, None).is_none(), "{scheme} {authority} {path}");
    }
}

#[test]
fn equal_hashes_make_no_equal_keys() {
    let one = Key::new("https", "a", "/1", None).unwrap();
    let other = Key { hash: one.hash, ..Key::new("https", "a", "/2", None).unwrap() };
    assert_ne!(one, other);
    let map: ReadyMap<Key, u8> = [(one.clone(), 1), (other.clone(), 2)].into_iter().collect();
    assert_eq!((map.get(&one), map.get(&other)), (Some(&1), Some(&2)));
}

#[test]
fn a_uri_has_the_key_of_its_requests() {
    let of = |uri| Key::of_uri(uri, &normalise).map(|key| key.as_str().to_owned());
    assert_eq!(of("HTTPS://Example.com:443").as_deref(), Some("https://example.com/"));
    assert_eq!(of("http://a:80/x/../y?q#f").as_deref(), Some("http://a/y?q"));
    assert_eq!(of("https://a?q").as_deref(), Some("https://a/?q"));
    assert_eq!(of("ftp://a/"), None);
    assert_eq!(of("https:///x"), None);
    assert_eq!(of("/x"), None);
    assert_eq!(of("https://a/../x"), None);
}

#[test]
fn references_are_resolved_and_stay_within_the_origin() {
    let base = Key::new("https", "a", "/b/c", Some("q")).unwrap();
    let resolved =
        |reference| base.resolve(reference, &normalise).map(|key| key.as_str().to_owned());
    for (reference, expected) in [
        ("", Some("https://a/b/c?q")),
        ("#x", Some("https://a/b/c?q")),
        ("?z", Some("https://a/b/c?z")),
        ("d", Some("https://a/b/d")),
        ("../d?e", Some("https://a/d?e")),
        ("/d", Some("https://a/d")),
        ("//a/d", Some("https://a/d")),
        ("https://A:443/d", Some("https://a/d")),
        ("//b/d", None),
        ("http://a/d", None),
        ("https://a.b/d", None),
        ("mailto:x", None),
        ("../../../d", None),
    ] {
        assert_eq!(resolved(reference).as_deref(), expected, "{reference}");
    }
}
