use super::item;
use crate::model::{Cache, Config};
use crate::problem::{Place, Problem};

pub(super) fn validate(config: &Config, problems: &mut Vec<Problem>) {
    for (index, route) in config.routes.iter().enumerate() {
        if route.cache.is_none() {
            continue;
        }
        let place = item("routes", index).key("cache");
        if config.cache.is_none() {
            let message = format!("route `{}` has nowhere to keep answers", route.name);
            let problem = Problem::new("no-cache", place, message).at_key();
            problems.push(problem.label("add `cache: { memory: 64MiB }` to the configuration"));
        } else if route.upstream.is_none() {
            let message = "`cache` has no effect on what is not forwarded";
            let problem = Problem::new("no-effect", place, message).warning().at_key();
            problems.push(problem.label("remove it, or forward to an `upstream`"));
        }
    }
    let Some(cache) = &config.cache else { return };
    bounds(cache, problems);
    if config.routes.iter().all(|route| route.cache.is_none()) {
        let problem = Problem::new("unused-cache", Place::root().key("cache"), "no route uses it");
        problems.push(problem.warning().at_key().label("add `cache: {}` to a route"));
    }
}

/// What is on its way into the cache may take half of it.
fn bounds(cache: &Cache, problems: &mut Vec<Problem>) {
    if cache.largest.bytes() > cache.memory.bytes() / 2 {
        let place = Place::root().key("cache").key("largest");
        let message = "`largest` is more than half of `memory`";
        let label = format!("`memory` is {}", cache.memory);
        problems.push(Problem::new("cache-largest", place, message).label(label));
    }
}
