#![expect(clippy::string_slice, reason = "keys are ASCII")]
#![expect(clippy::unchecked_time_subtraction, reason = "the times are written here")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::from_secs(1_730_882_977);

fn server_key() -> HashKey {
    HashKey::new(Secret::new(*b"a test key of the server, 32 bytes")).unwrap()
}

fn new(seed: u8) -> NewKey {
    let mut seed = u64::from(seed);
    let mut random = [0; RANDOM];
    for byte in &mut random {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = seed.to_be_bytes()[0];
    }
    NewKey::new(&mut random)
}

fn entry(key: &NewKey, owner: &'static str) -> Entry<&'static str> {
    let hash = key.hash(&server_key()).unwrap();
    Entry { id: key.id().into(), hash, expires: Some(NOW), owner }
}

fn table(entries: Vec<Entry<&'static str>>) -> Table<&'static str> {
    Table::new(server_key(), entries).unwrap()
}

fn before() -> Duration {
    NOW - Duration::from_nanos(1)
}

#[test]
fn a_key_is_found_until_it_expires() {
    let (one, other) = (new(1), new(2));
    let table = table(vec![entry(&one, "one"), entry(&other, "other")]);
    assert_eq!(table.find(one.text().as_bytes(), before()).unwrap().owner, "one");
    assert_eq!(table.find(other.text().as_bytes(), before()).unwrap().owner, "other");
    assert_eq!(table.find(one.text().as_bytes(), NOW).unwrap_err(), Refused::Expired);
    assert_eq!(table.find(new(3).text().as_bytes(), NOW).unwrap_err(), Refused::Unknown);
}

#[test]
fn a_wrong_secret_is_not_told_that_the_key_has_expired() {
    let (one, other) = (new(1), new(2));
    let mixed = Entry { id: one.id().into(), ..entry(&other, "mixed") };
    let table = table(vec![mixed]);
    for now in [before(), NOW] {
        assert_eq!(table.find(one.text().as_bytes(), now).unwrap_err(), Refused::Secret);
    }
}

#[test]
fn a_key_has_its_form() {
    let key = new(1);
    let text = key.text();
    assert_eq!(text.len(), LENGTH);
    assert!(text.starts_with(&format!("mp_{}_", key.id())));
    assert_eq!(key.id().len(), 12);
    let check = format!("{:0>6}", in_base62(base62::crc32(&text.as_bytes()[..LENGTH - 6])));
    assert!(text.ends_with(&check));
    let other = Table::new(HashKey::new(Secret::new([1; 32])).unwrap(), [entry(&key, "one")]);
    assert_eq!(other.unwrap().find(text.as_bytes(), before()).unwrap_err(), Refused::Secret);
}

fn in_base62(mut number: u32) -> String {
    let mut text = Vec::new();
    while number > 0 {
        text.insert(
            0,
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[number as usize % 62],
        );
        number /= 62;
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_no_key_is_told_from_a_mistyped_one() {
    let table = table(vec![]);
    let refused = |text: &str| table.find(text.as_bytes(), NOW).unwrap_err();
    let key = new(1);
    let text = key.text();
    for other in
        ["", "mq_", &text.replace("mp_", "mP_"), &text.replace('_', "-"), &"x".repeat(LENGTH)]
    {
        assert_eq!(refused(other), Refused::Malformed, "{other}");
    }
    assert_eq!(refused(&text[..LENGTH - 1]), Refused::Mistyped);
    assert_eq!(refused(&format!("{text} ")), Refused::Mistyped);
}

#[test]
fn an_id_twice_is_refused() {
    let entries = [entry(&new(1), "one"), entry(&new(1), "other")];
    let twice = Table::new(server_key(), entries).unwrap_err();
    assert_eq!(twice, Twice(new(1).id().into()));
}

#[test]
fn neither_the_key_nor_its_hash_is_shown() {
    let key = new(1);
    let hash = key.hash(&server_key()).unwrap();
    let shown = format!("{key:?} {:?}", table(vec![entry(&key, "one")]));
    assert!(
        !shown.contains(&key.text()[16..]) && !shown.contains(&hash.to_string()[..8]),
        "{shown}"
    );
}

#[test]
fn a_hash_is_read_as_it_is_written() {
    let hash = new(1).hash(&server_key()).unwrap();
    assert_eq!(hash.to_string().parse::<Hash>().unwrap().bytes(), hash.bytes());
    let text = hash.to_string();
    for other in
        ["", &text[1..], &format!("{text}00"), &format!("+{}", &text[1..]), &"\u{e4}".repeat(32)]
    {
        assert_eq!(other.parse::<Hash>().err(), Some(NoHash), "{other}");
    }
}

#[test]
fn random_bytes_are_used_and_overwritten() {
    let mut random = [7; RANDOM];
    let key = NewKey::new(&mut random);
    assert_eq!(random, [0; RANDOM]);
    random[RANDOM - 1] = 1;
    assert_ne!(NewKey::new(&mut random).text(), key.text());
}

proptest! {
    #[test]
    fn a_typing_error_is_told_without_a_look_up(place in 3..LENGTH, other in "[0-9A-Za-z]") {
        let key = new(1);
        let mut text = key.text().to_owned();
        text.replace_range(place..=place, &other);
        let refused = table(vec![entry(&key, "one")]).find(text.as_bytes(), before()).err();
        if text == key.text() {
            prop_assert_eq!(refused, None);
        } else if place == 15 {
            prop_assert_eq!(refused, Some(Refused::Malformed));
        } else {
            prop_assert_eq!(refused, Some(Refused::Mistyped));
        }
    }

    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(table(vec![]).find(&text, NOW).is_err());
    }

    #[test]
    fn no_text_of_the_length_of_a_key_panics(text in "mp_[0-9A-Za-z_ä]{50,51}") {
        prop_assert!(table(vec![]).find(text.as_bytes(), NOW).is_err());
    }
}
