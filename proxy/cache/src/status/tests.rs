use super::*;
use crate::testing::{World, at};
use crate::{Look, Policy};

#[test]
fn a_stored_answer_tells_how_long_it_is_fresh() {
    let world = World::new(Policy::default());
    world.store("/", &[("cache-control", "max-age=60, stale-while-revalidate=60")], "x", at(0));
    let value = |seconds| {
        let hit = world.hit("/", &[], at(seconds));
        CacheStatus::hit("marchproxy", &hit).value().unwrap()
    };
    assert_eq!(value(50), "marchproxy; hit; ttl=10");
    assert_eq!(value(70), "marchproxy; hit; ttl=-10");
}

#[test]
fn a_forwarded_request_tells_why() {
    let world = World::new(Policy::default());
    let Look::Fetch(fetch) = world.get("/", &[], at(0)) else { panic!("nothing is stored") };
    let status = CacheStatus::forwarded("marchproxy", fetch.why()).with_status(StatusCode::OK);
    let value = status.stored().collapsed().value().unwrap();
    assert_eq!(value, "marchproxy; fwd=uri-miss; fwd-status=200; stored; collapsed");
    let value = CacheStatus::forwarded("marchproxy", Bypass::Range.into()).value().unwrap();
    assert_eq!(value, "marchproxy; fwd=partial");
}
