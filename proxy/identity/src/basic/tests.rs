#![expect(clippy::unchecked_time_subtraction, reason = "the times are written here")]

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::secret::{HashKey, Secret};

const NOW: Duration = Duration::from_secs(1_730_882_977);
/// Made by `argon2-cffi`, of passwords that are of no use anywhere else.
const FILE: &str = "\
# users of tests

alice:$argon2id$v=19$m=8192,t=1,p=1$EoxDNqdLctT5dC+/y7h6eQ$ratj3kXD/kWIU+pAK1g7HRUy73rRO+0GY+a2JWbxu0w
bob:$argon2id$v=19$m=8192,t=1,p=1$mgjGjUiM7Al4vcP9Fi1dvw$GLVnpp/N9r0ElSAtesyCswKVmfnvZ6uavkEDb92qYao
carol:$argon2id$v=19$m=4096,t=2,p=2$P0ZSQU1zYNoJYRYPcAyK0Q$b95sQfDAztjU9Hu9qvLOrHYaEEBbMzO3rwSejW6+968
";

fn users() -> Users {
    Users::parse(FILE).unwrap()
}

fn headers(values: &[&str]) -> HeaderMap {
    let field = |value: &&str| (AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    values.iter().map(field).collect()
}

fn find(value: &str) -> Result<Credentials, Refused> {
    Credentials::find(&headers(&[value]))
}

fn credentials(name: &str, password: &str) -> Credentials {
    find(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))).unwrap()
}

fn verify(name: &str, password: &str) -> Result<String, Refused> {
    users().verify(&credentials(name, password)).map(|user| user.name().to_owned())
}

#[test]
fn a_password_is_that_of_its_user() {
    assert_eq!(verify("alice", "correct horse").unwrap(), "alice");
    assert_eq!(verify("bob", "p\u{e4}ssword:with colon").unwrap(), "bob");
    assert_eq!(verify("carol", "x").unwrap(), "carol");
    for (name, password) in [
        ("alice", "correct hors"),
        ("alice", ""),
        ("alice", "p\u{e4}ssword:with colon"),
        ("Alice", "correct horse"),
        ("nobody", "correct horse"),
        ("# users of tests", ""),
    ] {
        assert_eq!(verify(name, password), Err(Refused::Wrong), "{name} {password}");
    }
}

#[test]
fn an_unknown_name_takes_as_long_as_a_known_one() {
    let users = users();
    let time = |name: &str| {
        let credentials = credentials(name, "wrong");
        let start = Instant::now();
        assert!(users.verify(&credentials).is_err());
        start.elapsed()
    };
    // The shortest of many, as other tests run at the same time; without the hash it would be a
    // thousandth.
    let times: Vec<_> = (0..12).map(|_| (time("alice"), time("nobody"))).collect();
    let known = times.iter().map(|(known, _)| *known).min().unwrap();
    let unknown = times.iter().map(|(_, unknown)| *unknown).min().unwrap();
    assert!(unknown > known / 3 && unknown < known * 3, "{known:?} {unknown:?}");
}

#[test]
fn credentials_are_found_in_one_header() {
    let encoded = STANDARD.encode("alice:secret");
    for value in [format!("Basic {encoded}"), format!("bASIC   {encoded} ")] {
        assert_eq!(find(&value).unwrap().name(), "alice", "{value}");
    }
    let unpadded = STANDARD_NO_PAD.encode("alice:secrets");
    assert_eq!(find(&format!("Basic {unpadded}")).unwrap().password(), b"secrets");
    assert_eq!(find("Bearer abc").unwrap_err(), Refused::Missing);
    assert_eq!(Credentials::find(&HeaderMap::new()).unwrap_err(), Refused::Missing);
    let twice = headers(&[&format!("Basic {encoded}"), &format!("Basic {encoded}")]);
    assert_eq!(Credentials::find(&twice).unwrap_err(), Refused::Several);
    let beside = headers(&["Bearer abc", &format!("Basic {encoded}")]);
    assert!(Credentials::find(&beside).is_ok());
}

#[test]
fn malformed_credentials_are_refused() {
    let malformed = |text: &[u8]| {
        find(&format!("Basic {}", STANDARD.encode(text))).err() == Some(Refused::Malformed)
    };
    for text in [&b""[..], b"alice", b":secret", b"a\0:b", b"a:b\n", b"a:\x7f", b"a:\xff"] {
        assert!(malformed(text), "{text:?}");
    }
    assert!(malformed(&[&[b'a'; 256][..], b":b"].concat()));
    assert!(malformed(&[&b"a:"[..], &[b'b'; 1025]].concat()));
    assert!(!malformed(&[&[b'a'; 255][..], b":", &[b'b'; 1024]].concat()));
    for value in ["Basic", "Basic ", "Basic !", "Basic YTpi YTpi", "Basic YTpj="] {
        assert_eq!(find(value).err(), Some(Refused::Malformed), "{value}");
    }
    assert_eq!(find(&format!("Basic {}", "A".repeat(100_000))).err(), Some(Refused::Malformed));
}

#[test]
fn each_wrong_line_is_named_and_not_shown() {
    let good = FILE.lines().last().unwrap();
    let file = format!("alice\n:x\n{good}\n\n# x\n{good}\nbob:secret\na\u{1}b:x\n");
    let faults = Users::parse(&file).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.fault.clone())).collect();
    assert_eq!(
        found,
        [
            (1, Fault::NoColon),
            (2, Fault::Name),
            (6, Fault::Twice),
            (7, Fault::Hash(Flaw::Algorithm)),
            (8, Fault::Name),
        ]
    );
    let shown: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(shown[3], "line 7: the hash is not argon2id, version 19");
    assert!(!shown.concat().contains("secret"));
}

#[test]
fn what_a_hash_may_cost_is_bounded() {
    let flaw = |before: &str, hash: &str| {
        let line = format!("a:{before}{}", hash.split_once('$').map_or("", |_| hash));
        match Users::parse(&line).map_err(|faults| faults[0].fault.clone()) {
            Ok(_) => None,
            Err(Fault::Hash(flaw)) => Some(flaw),
            Err(other) => panic!("{other:?}"),
        }
    };
    let rest = "$EoxDNqdLctT5dC+/y7h6eQ$ratj3kXD/kWIU+pAK1g7HRUy73rRO+0GY+a2JWbxu0w";
    for (cost, expected) in [
        ("m=4096,t=1,p=1", None),
        ("m=262144,t=4,p=16", None),
        ("m=4095,t=1,p=1", Some(Flaw::Memory)),
        ("m=262145,t=1,p=1", Some(Flaw::Memory)),
        ("m=4294967295,t=1,p=1", Some(Flaw::Memory)),
        ("m=262144,t=5,p=1", Some(Flaw::Work)),
        ("m=4096,t=17,p=1", Some(Flaw::Work)),
        ("m=4096,t=1,p=17", Some(Flaw::Work)),
        ("m=4096,t=0,p=1", Some(Flaw::Form)),
        ("m=04096,t=1,p=1", Some(Flaw::Form)),
        ("m=+4096,t=1,p=1", Some(Flaw::Form)),
        ("m=4294967296,t=1,p=1", Some(Flaw::Form)),
        ("m=4096,t=1", Some(Flaw::Form)),
        ("t=1,m=4096,p=1", Some(Flaw::Form)),
        ("m=4096,t=1,p=1,x=1", Some(Flaw::Form)),
    ] {
        assert_eq!(flaw(&format!("$argon2id$v=19${cost}"), rest), expected, "{cost}");
    }
    for other in ["$argon2i$v=19", "$argon2id$v=16", "argon2id$v=19", "$2y$10", "{SHA}x"] {
        assert_eq!(
            flaw(&format!("{other}$m=4096,t=1,p=1"), rest),
            Some(Flaw::Algorithm),
            "{other}"
        );
    }
    let form = "$argon2id$v=19$m=4096,t=1,p=1";
    assert_eq!(flaw(form, "$AAAA$ratj3kXD/kWIU+pAK1g7HRUy73rRO+0GY+a2JWbxu0w"), Some(Flaw::Length));
    assert_eq!(flaw(form, "$EoxDNqdLctT5dC+/y7h6eQ$AAAA"), Some(Flaw::Length));
    assert_eq!(flaw(form, "$EoxDNqdLctT5dC+/y7h6eQ"), Some(Flaw::Form));
    assert_eq!(flaw(form, &format!("{rest}$")), Some(Flaw::Form));
}

fn known(seconds: u64) -> Known {
    let key = HashKey::new(Secret::new([7; 32])).unwrap();
    Known::new(key, Duration::from_secs(seconds), 100)
}

#[test]
fn a_password_that_was_right_is_known_for_a_time() {
    let (users, known) = (users(), known(60));
    let right = credentials("alice", "correct horse");
    assert!(known.recall(&users, &right, NOW).is_none());
    known.note(users.verify(&right).unwrap(), &right, NOW);
    let last = NOW + Duration::from_mins(1) - Duration::from_nanos(1);
    assert_eq!(known.recall(&users, &right, last).unwrap().name(), "alice");
    assert!(known.recall(&users, &right, last + Duration::from_nanos(1)).is_none());
    assert_eq!(known.figures().entries, 0);
}

#[test]
fn nothing_else_is_known_by_it() {
    let (users, known) = (users(), known(60));
    let right = credentials("alice", "correct horse");
    known.note(users.verify(&right).unwrap(), &right, NOW);
    for (name, password) in [("alice", "correct hors"), ("bob", "correct horse"), ("nobody", "")] {
        assert!(known.recall(&users, &credentials(name, password), NOW).is_none(), "{name}");
    }
    let set_back = NOW - Duration::from_secs(1);
    assert!(known.recall(&users, &right, set_back).is_none());
}

#[test]
fn a_changed_hash_or_a_removed_user_is_known_no_more() {
    let known = known(60);
    let right = credentials("alice", "correct horse");
    known.note(users().verify(&right).unwrap(), &right, NOW);
    let bob = FILE.lines().nth(3).unwrap();
    let changed = Users::parse(&bob.replace("bob:", "alice:")).unwrap();
    assert!(known.recall(&changed, &right, NOW).is_none());
    assert!(known.recall(&Users::parse(bob).unwrap(), &right, NOW).is_none());
    assert!(known.recall(&users(), &right, NOW).is_some());
}

#[test]
fn neither_password_nor_hash_is_shown() {
    let shown = format!("{:?} {:?}", credentials("alice", "correct horse"), users());
    assert!(shown.contains("alice"));
    assert!(!shown.contains("correct") && !shown.contains("ratj3"), "{shown}");
}

proptest! {
    #[test]
    fn no_line_panics(line in "[a-z]{0,3}:?(\\$argon2id)?(\\$v=19)?(\\$m=[0-9]{1,12},t=[0-9]{1,3},p=1)?[$A-Za-z0-9+/=:]{0,60}") {
        let _ = Users::parse(&line);
    }

    #[test]
    fn no_header_panics(value in "(?i:basic) ?[ -~]{0,60}") {
        let _ = find(&value);
    }

    #[test]
    fn what_is_sent_is_found(name in "[^:\\p{C}]{1,20}", password in "[^\\p{C}]{0,40}") {
        let found = credentials(&name, &password);
        prop_assert_eq!((found.name(), found.password()), (&*name, password.as_bytes()));
    }
}
