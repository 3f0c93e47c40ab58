//! Many requests for the same, one request to the origin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use http::{HeaderMap, StatusCode};

use crate::testing::{World, at, complete, filling, headers};
use crate::{Answered, Look, Next, Policy, Waiter};

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait(mut waiter: Waiter) -> Next {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(next) = waiter.poll(&Context::from_waker(&waker)) {
            return next;
        }
        std::thread::park();
    }
}

fn waiter(look: Look) -> Waiter {
    match look {
        Look::Wait(waiter) => waiter,
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn the_others_wait_until_the_answer_is_stored() {
    let world = World::new(Policy::default());
    let fetch = world.fetch("/", &[], at(0));
    let waiting = waiter(world.get("/", &[], at(0)));
    let mut filling = filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0)));
    filling.add(b"x");
    let late = waiter(world.get("/", &[], at(0)));
    filling.complete().unwrap();
    assert_eq!((wait(waiting), wait(late)), (Next::LookAgain, Next::LookAgain));
    assert!(world.has("/", at(0)));
}

#[test]
fn the_others_go_alone_when_nothing_can_be_stored() {
    let world = World::new(Policy::default());
    let fetch = world.fetch("/", &[], at(0));
    let waiting = waiter(world.get("/", &[], at(0)));
    let private = headers(&[("cache-control", "private")]);
    let answered = fetch.answered(StatusCode::OK, &private, at(0));
    assert!(matches!(answered, Answered::Pass(_)));
    assert_eq!(wait(waiting), Next::GoAlone);
    let (one, two) = (world.fetch("/", &[], at(1)), world.fetch("/", &[], at(1)));
    assert!(!one.is_leading() && !two.is_leading(), "they do not queue up again");
    complete(two.answered(StatusCode::OK, &headers(&[FRESH]), at(1)), "x");
    assert!(world.has("/", at(1)), "what can be stored after all is");
}

#[test]
fn the_others_go_alone_when_the_one_fails() {
    let world = World::new(Policy::default());
    for end in [0, 1, 2] {
        let fetch = world.fetch("/", &[], at(0));
        assert!(fetch.is_leading());
        let waiting = waiter(world.get("/", &[], at(0)));
        match end {
            0 => drop(fetch),
            1 => assert!(fetch.failed(at(0)).is_none()),
            _ => drop(fetch.answered(StatusCode::BAD_GATEWAY, &HeaderMap::new(), at(0))),
        }
        assert_eq!(wait(waiting), Next::GoAlone, "{end}");
    }
    let fetch = world.fetch("/", &[], at(0));
    let waiting = waiter(world.get("/", &[], at(0)));
    drop(filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0))));
    assert_eq!(wait(waiting), Next::GoAlone);
}

#[test]
fn another_one_leads_when_the_first_hands_over() {
    let world = World::new(Policy::default());
    let fetch = world.fetch("/", &[], at(0));
    let (one, two) = (waiter(world.get("/", &[], at(0))), waiter(world.get("/", &[], at(0))));
    fetch.hand_over();
    assert_eq!(wait(one), Next::LookAgain);
    let fetch = world.fetch("/", &[], at(0));
    assert!(fetch.is_leading());
    assert_eq!(wait(two), Next::LookAgain);
    let two = waiter(world.get("/", &[], at(0)));
    filling(fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0))).hand_over();
    assert_eq!(wait(two), Next::LookAgain);
    assert!(world.fetch("/", &[], at(0)).is_leading());
}

#[test]
fn all_of_it_may_pass_from_thread_to_thread() {
    fn passes<T: Send + Sync>() {}
    passes::<crate::Cache>();
    passes::<crate::Fetch>();
    passes::<crate::Filling>();
    passes::<crate::Hit>();
    passes::<Look>();
    passes::<Waiter>();
}

#[test]
fn nobody_waits_for_what_must_be_validated_each_time() {
    let world = World::new(Policy::default());
    world.store("/no-cache", &[("cache-control", "no-cache"), ("etag", "\"a\"")], "x", at(0));
    world.store("/zero", &[("cache-control", "max-age=0"), ("etag", "\"a\"")], "x", at(0));
    world.store("/fresh", &[FRESH], "x", at(0));
    for (path, fields) in [
        ("/no-cache", &[][..]),
        ("/zero", &[]),
        ("/fresh", &[("cache-control", "no-cache")]),
        ("/fresh", &[("cache-control", "min-fresh=99")]),
        ("/missing", &[("authorization", "x")]),
        ("/missing", &[("if-none-match", "\"a\"")]),
    ] {
        let (one, two) = (world.fetch(path, fields, at(1)), world.fetch(path, fields, at(1)));
        assert!(!one.is_leading() && !two.is_leading(), "{path} {fields:?}");
    }
}

#[test]
fn variants_are_fetched_side_by_side_once_they_are_known() {
    let world = World::new(Policy::default());
    let fetch = world.fetch("/", &[("x", "1")], at(0));
    let waiting = waiter(world.get("/", &[("x", "2")], at(0)));
    let answer = headers(&[FRESH, ("vary", "x")]);
    complete(fetch.answered(StatusCode::OK, &answer, at(0)), "1");
    assert_eq!(wait(waiting), Next::LookAgain);
    let two = world.fetch("/", &[("x", "2")], at(0));
    let three = world.fetch("/", &[("x", "3")], at(0));
    assert!(two.is_leading() && three.is_leading());
    waiter(world.get("/", &[("x", "2")], at(0)));
}

#[test]
fn of_many_threads_one_asks_the_origin_for_each_resource() {
    const PATHS: usize = 50;
    let world = World::new(Policy::default());
    let asked: Vec<AtomicUsize> = (0..PATHS).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (number, asked) in asked.iter().enumerate() {
                    get(&world, &format!("/{number}"), asked);
                }
            });
        }
    });
    assert!(asked.iter().all(|asked| asked.load(Ordering::SeqCst) == 1));
    assert_eq!(world.cache.figures().entries, PATHS);
}

fn get(world: &World, path: &str, asked: &AtomicUsize) {
    for _ in 0..10 {
        match world.get(path, &[], at(0)) {
            Look::Hit(..) => return,
            Look::Wait(waiter) => assert_eq!(wait(waiter), Next::LookAgain),
            Look::Fetch(fetch) => {
                asked.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                let answered = fetch.answered(StatusCode::OK, &headers(&[FRESH]), at(0));
                complete(answered, path);
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it waits for ever");
}
