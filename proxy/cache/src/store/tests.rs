use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::entry::{Head, Place};
use crate::policy::{Policy, Timing, Wish};
use crate::testing::{at, headers, key};
use http::{HeaderName, StatusCode};

fn store(bytes: usize) -> Store {
    Store::new(Limits { bytes, variants: 3 })
}

/// An answer for `path` that was asked for so many seconds after the beginning.
fn entry(path: &str, fields: &[(&str, &str)], length: usize, seconds: u64) -> Arc<Entry> {
    let policy = Policy { tags: Some(HeaderName::from_static("tags")), ..Policy::default() };
    let mut answer = headers(&[("cache-control", "max-age=60")]);
    answer.extend(headers(fields));
    let head = Head::new(
        Place { key: key(path), space: Arc::from("app") },
        &policy,
        (&Wish::default(), &headers(fields)),
        (StatusCode::OK, &answer),
        Timing { asked: at(seconds), answered: at(seconds) },
    );
    let body = Arc::from([bytes::Bytes::from(vec![0; length])]);
    Arc::new(head.unwrap().with_body(body, length))
}

fn put(store: &Store, entry: &Arc<Entry>, request: &[(&str, &str)]) -> Result<(), Refusal> {
    let room = store.reserve(entry.weight)?;
    store.insert(entry, room, &headers(request), store.mark())
}

fn has(store: &Store, path: &str) -> bool {
    store.find(&key(path), "app", &HeaderMap::new()).entry.is_some()
}

#[test]
fn what_is_used_outlives_a_scan() {
    let store = store(200_000);
    for number in 0..20 {
        let path = format!("/hot/{number}");
        put(&store, &entry(&path, &[], 1000, 0), &[]).unwrap();
        assert!(has(&store, &path));
    }
    for number in 0..2000 {
        put(&store, &entry(&format!("/scan/{number}"), &[], 1000, 0), &[]).unwrap();
    }
    let left = (0..20).filter(|number| has(&store, &format!("/hot/{number}"))).count();
    assert_eq!(left, 20);
    assert!(store.figures().evictions > 1000);
}

#[test]
fn what_comes_back_soon_after_it_went_stays() {
    let store = store(200_000);
    let mut number = 0;
    let mut scan = |count| {
        for _ in 0..count {
            put(&store, &entry(&format!("/scan/{number}"), &[], 1000, 0), &[]).unwrap();
            number += 1;
        }
    };
    put(&store, &entry("/again", &[], 1000, 0), &[]).unwrap();
    for _ in 0..500 {
        scan(1);
        if !store.by_key("/again") {
            break;
        }
    }
    assert!(!store.by_key("/again"), "nothing ever uses it");
    put(&store, &entry("/again", &[], 1000, 0), &[]).unwrap();
    scan(60);
    assert!(store.by_key("/again"));
}

impl Store {
    /// Whether something is stored, without counting as a use of it.
    fn by_key(&self, path: &str) -> bool {
        self.part(&key(path)).unwrap().read().holds(&key(path))
    }
}

#[test]
fn what_is_on_its_way_takes_half_at_the_most_and_puts_out_nothing_beyond() {
    let store = store(50_000);
    let stored = entry("/", &[], 14_000, 0);
    put(&store, &stored, &[]).unwrap();
    put(&store, &entry("/2", &[], 14_000, 0), &[]).unwrap();
    let room = store.reserve(15_000).unwrap();
    assert_eq!(store.reserve(10_001).err(), Some(Refusal::NoRoom));
    assert_eq!(store.figures().entries, 2);
    let more = store.reserve(10_000).unwrap();
    assert_eq!(store.figures().entries, 1, "one had to go for what may come");
    drop((room, more));
    assert!(store.figures().bytes <= stored.weight + 1);
    assert!(store.reserve(25_000).is_ok());
}

#[test]
fn a_reservation_that_grows_stays_within_half() {
    let store = store(50_000);
    let mut room = store.reserve(20_000).unwrap();
    assert_eq!(room.become_exactly(25_001), Err(()));
    assert_eq!(room.become_exactly(25_000), Ok(()));
    assert_eq!(store.figures().bytes, 25_000);
}

#[test]
fn nothing_is_left_of_what_went() {
    let store = store(100_000);
    for number in 0..5000 {
        let (path, tag) = (format!("/{number}"), number.to_string());
        put(&store, &entry(&path, &[("tags", &tag)], 1000, 0), &[]).unwrap();
        // First with others that have to go, then without.
        if number % 3 == 0 || number > 2000 {
            store.purge_key(&key(&path));
        }
    }
    store.parts.iter().for_each(|part| part.read().check());
    while store.evict_one() {}
    store.parts.iter().for_each(|part| part.read().check());
    assert_eq!(store.figures().bytes, 0);
}

#[test]
fn a_newer_answer_takes_the_place_of_an_older_one_only() {
    let store = store(50_000);
    put(&store, &entry("/", &[], 1, 5), &[]).unwrap();
    let newer = entry("/", &[], 2, 6);
    put(&store, &newer, &[]).unwrap();
    assert_eq!(store.figures().bytes, newer.weight);
    assert_eq!(put(&store, &entry("/", &[], 3, 4), &[]), Err(Refusal::Older));
    let found = store.find(&key("/"), "app", &HeaderMap::new()).entry.unwrap();
    assert_eq!(found.length, 2);
    assert_eq!(store.figures(), Figures { bytes: newer.weight, entries: 1, evictions: 0 });
}

#[test]
fn a_resource_has_no_more_variants_than_may_be() {
    let store = store(100_000);
    for number in 0_u64..5 {
        let value = number.to_string();
        let fields = [("vary", "x"), ("x", value.as_str())];
        put(&store, &entry("/", &fields, 1, number), &fields[1..]).unwrap();
    }
    let has = |value: &str| store.find(&key("/"), "app", &headers(&[("x", value)])).entry.is_some();
    assert_eq!(["0", "1", "2", "3", "4"].map(has), [false, false, true, true, true]);
    assert_eq!(store.figures().entries, 3);
}

#[test]
fn what_is_purged_on_its_way_is_not_stored() {
    for purge in [
        &(|store: &Store| store.purge_key(&key("/"))) as &dyn Fn(&Store) -> usize,
        &|store| store.purge_tag(b"b"),
        &|store| store.purge_all(),
    ] {
        let store = store(50_000);
        let mark = store.mark();
        purge(&store);
        let entry = entry("/", &[("tags", "a b")], 1, 0);
        let room = store.reserve(entry.weight).unwrap();
        let stored = store.insert(&entry, room, &HeaderMap::new(), mark);
        assert_eq!(stored, Err(Refusal::Purged));
        assert_eq!(store.figures(), Figures::default());
        put(&store, &entry, &[]).unwrap();
        assert_eq!(purge(&store), 1);
        assert_eq!(store.figures(), Figures::default());
    }
}

#[test]
fn a_purge_of_one_leaves_the_others() {
    let store = store(100_000);
    put(&store, &entry("/1", &[("tags", "a, b")], 1, 0), &[]).unwrap();
    put(&store, &entry("/2", &[("tags", "b c")], 1, 0), &[]).unwrap();
    put(&store, &entry("/3", &[("tags", "bc")], 1, 0), &[]).unwrap();
    assert_eq!(store.purge_tag(b"a"), 1);
    assert_eq!([has(&store, "/1"), has(&store, "/2"), has(&store, "/3")], [false, true, true]);
    assert_eq!(store.purge_key(&key("/2")), 1);
    assert_eq!([has(&store, "/2"), has(&store, "/3")], [false, true]);
    assert_eq!(store.purge_tag(b"b"), 0);
}

#[test]
fn replacing_keeps_the_place_and_its_tags_up_to_date() {
    let store = store(100_000);
    let old = entry("/", &[("tags", "a b")], 10, 0);
    let new = entry("/", &[("tags", "b c"), ("x-long", "a value of some length")], 10, 1);
    assert_eq!(store.replace(&old, Arc::clone(&new), store.mark()), Err(Refusal::Older));
    put(&store, &old, &[]).unwrap();
    store.replace(&old, Arc::clone(&new), store.mark()).unwrap();
    assert_eq!(store.figures(), Figures { bytes: new.weight, entries: 1, evictions: 0 });
    assert_eq!(store.purge_tag(b"a"), 0);
    let before = store.mark();
    store.purge_tag(b"a");
    assert_eq!(store.replace(&new, Arc::clone(&old), before), Err(Refusal::Purged));
    assert_eq!(store.replace(&new, Arc::clone(&old), store.mark()), Ok(()));
    assert_eq!(store.figures().bytes, old.weight);
    assert_eq!(store.remove(&new), 0);
    assert_eq!(store.purge_tag(b"a"), 1);
    assert_eq!(store.figures(), Figures::default());
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize, u8),
    Find(u8),
    PurgeKey(u8),
    PurgeTag(u8),
    Hold(usize),
    Release,
    PurgeAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (any::<u8>(), 0_usize..20_000, 0_u8..4).prop_map(|(path, size, tag)| Step::Put(path, size, tag)),
        20 => any::<u8>().prop_map(Step::Find),
        4 => any::<u8>().prop_map(Step::PurgeKey),
        1 => (0_u8..4).prop_map(Step::PurgeTag),
        2 => (0_usize..30_000).prop_map(Step::Hold),
        2 => Just(Step::Release),
        1 => Just(Step::PurgeAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_stay_within_the_bound_and_what_is_purged_is_gone(
        steps in prop::collection::vec(step(), 1..400),
    ) {
        const BOUND: usize = 100_000;
        let store = store(BOUND);
        let mut held = Vec::new();
        for (time, step) in (0..).zip(&steps) {
            match step {
                Step::Put(path, size, tag) => {
                    let entry = entry(&format!("/{path}"), &[("tags", &tag.to_string())], *size, time);
                    let _ = put(&store, &entry, &[]);
                }
                Step::Find(path) => {
                    has(&store, &format!("/{path}"));
                }
                Step::PurgeKey(path) => {
                    let path = format!("/{path}");
                    store.purge_key(&key(&path));
                    prop_assert!(!has(&store, &path));
                }
                Step::PurgeTag(tag) => {
                    let tag = tag.to_string();
                    store.purge_tag(tag.as_bytes());
                    prop_assert!(!store.entries().iter().any(|it| *it.head.tags[0] == *tag.as_bytes()));
                }
                Step::Hold(bytes) => held.extend(store.reserve(*bytes)),
                Step::Release => drop(held.pop()),
                Step::PurgeAll => {
                    store.purge_all();
                    prop_assert_eq!(store.figures().entries, 0);
                }
            }
            prop_assert!(store.figures().bytes <= BOUND);
        }
        drop(held);
        let entries = store.entries();
        prop_assert_eq!(store.figures().entries, entries.len());
        prop_assert_eq!(store.figures().bytes, entries.iter().map(|it| it.weight).sum::<usize>());
        store.purge_all();
        prop_assert_eq!(store.figures().bytes, 0);
    }
}

impl Store {
    fn entries(&self) -> Vec<Arc<Entry>> {
        self.parts.iter().flat_map(|part| part.read().all()).collect()
    }
}

#[test]
fn many_threads_leave_the_books_in_order() {
    const BOUND: usize = 300_000;
    let store = store(BOUND);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..3000 {
                    let path = format!("/{}", random.u8(..));
                    match random.u8(..10) {
                        0 => drop(store.purge_key(&key(&path))),
                        1 => drop(store.reserve(random.usize(..50_000))),
                        2..5 => drop(put(
                            store,
                            &entry(&path, &[("tags", "a")], random.usize(..9000), random.u64(..99)),
                            &[],
                        )),
                        _ => drop(has(store, &path)),
                    }
                    assert!(store.figures().bytes <= BOUND);
                }
            });
        }
    });
    let entries = store.entries();
    assert_eq!(store.figures().bytes, entries.iter().map(|it| it.weight).sum::<usize>());
    assert_eq!(store.figures().entries, entries.len());
    assert_eq!(store.purge_tag(b"a"), entries.len());
    assert_eq!(store.figures().bytes, 0);
}
