//! Reloads and upgrades under 64 busy connections: no request fails, no stream is cut.

use std::time::Duration;

use marchproxy_tests::load::{Load, Mix, Totals};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Origin, Proxy, eventually};

/// Each round has another route, another timeout and another weight of the upstream, and a
/// listener that changes its port.
fn round(number: usize, drain: &str) -> String {
    let (weight, side) = (number % 5 + 1, number % 2);
    format!(
        r#"
listeners:
  - {{ name: web, address: "127.0.0.1:@web-port@" }}
  - {{ name: side, address: "127.0.0.1:@side{side}-port@", requests: {{ fields: {fields} }} }}
routes:
  - {{ name: everything, match: {{ path: / }}, upstream: app }}
  - {{ name: round, match: {{ path: "=/round" }}, respond: {{ status: 200, body: "{number}" }} }}
upstreams:
  - name: app
    endpoints: [{{ address: "@one@", weight: {weight} }}, "@other@"]
    timeouts: {{ first_byte: {time}s }}
process: {{ workers: 2, drain: {drain} }}
"#,
        fields = 50 + number % 10,
        time = 30 + number % 10,
    )
}

#[derive(Clone, Copy)]
struct Counts {
    drain: &'static str,
    reloads: usize,
    upgrades: usize,
}

async fn run(counts: Counts) -> Totals {
    let (one, other) = (Origin::named("one").await, Origin::named("other").await);
    let setup = Setup::new().set("one", one.address()).set("other", other.address());
    let mut proxy = setup.start(&round(0, counts.drain)).await;
    let load = Load::start(proxy.web(), Mix::SIXTY_FOUR);
    eventually("the load runs", async || (load.done() > 200).then_some(())).await;
    let between = counts.reloads / counts.upgrades;
    for number in 1..=counts.reloads {
        proxy.write(&round(number, counts.drain));
        served(&proxy, number).await;
        if number % between == 0 {
            proxy.upgrade().await;
            proxy.old_ended(Duration::from_secs(30)).await;
            served(&proxy, number).await;
        }
    }
    let totals = load.stop().await;
    println!(
        "{} reloads, {} upgrades: {} requests, {} streams, {} sent again, {} failed, {} cut",
        counts.reloads,
        counts.upgrades,
        totals.fine,
        totals.streams,
        totals.again,
        totals.failed.len(),
        totals.cut.len()
    );
    if !totals.failed.is_empty() || !totals.cut.is_empty() {
        println!("{}", proxy.log.text());
        let refused = |line: &&str| line.contains("\"reason\"");
        proxy.access.text().lines().filter(refused).for_each(|line| println!("{line}"));
    }
    totals
}

/// Waits until the configuration of a round is in force.
async fn served(proxy: &Proxy, number: usize) {
    eventually("the round is served", async || {
        let answer = marchproxy_tests::proxy::try_get(proxy.web(), "/round").await?;
        (answer.text() == number.to_string()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_and_upgrades_under_load_cost_nothing() {
    let totals = run(Counts { drain: "15s", reloads: 200, upgrades: 5 }).await;
    assert!(totals.failed.is_empty(), "failed: {:#?}", totals.failed);
    assert!(totals.cut.is_empty(), "cut: {:#?}", totals.cut);
    assert!(totals.streams > 50, "{} streams", totals.streams);
    // Each end of a connection may cost a request that was on its way; more would be careless.
    assert!(totals.again * 20 < totals.fine, "{} of {} sent again", totals.again, totals.fine);
}

/// The test of the test: with the drain disabled the same run must see failures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_drain_the_same_run_fails() {
    let totals = run(Counts { drain: "0s", reloads: 4, upgrades: 2 }).await;
    assert!(!totals.failed.is_empty() || !totals.cut.is_empty(), "nothing was cut");
}
