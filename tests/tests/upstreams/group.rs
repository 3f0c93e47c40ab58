//! Several origins behind one proxy, each with a fault proxy in front.

use std::collections::BTreeMap;

use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{FaultProxy, Origin, Proxy, eventually};
use serde_json::Value;

/// Several origins behind one proxy.
pub struct Group {
    pub origins: Vec<Origin>,
    pub faults: Vec<FaultProxy>,
    pub proxy: Proxy,
}

/// Names of origins.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Group {
    /// So many origins of an upstream that has these keys besides.
    pub async fn of(count: usize, keys: &str) -> Self {
        let mut origins = Vec::new();
        for name in &NAMES[..count] {
            origins.push(Origin::named(name).await);
        }
        Self::over(origins, keys).await
    }

    /// These origins behind an upstream that has these keys besides.
    pub async fn over(origins: Vec<Origin>, keys: &str) -> Self {
        let mut faults = Vec::new();
        for origin in &origins {
            faults.push(FaultProxy::before(origin.address()).await);
        }
        let setup = Setup::new().file("cookie.key", "sixteen bytes and more");
        let proxy = setup.start(&text(&faults, keys)).await;
        Self { origins, faults, proxy }
    }

    /// The configuration with other keys.
    pub fn text(&self, keys: &str) -> String {
        text(&self.faults, keys)
    }

    /// How many of so many requests each origin answers with 200, and other statuses.
    pub async fn answers(&self, requests: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            let answer = self.proxy.get("/").await;
            let who = match answer.status {
                200 => answer.seen().origin,
                status => status.to_string(),
            };
            *counts.entry(who).or_insert(0) += 1;
        }
        counts
    }

    /// What `/status` says of the endpoints.
    pub async fn endpoints(&self) -> Vec<Value> {
        let status = self.proxy.status().await;
        status["upstreams"][0]["endpoints"].as_array().expect("a list").clone()
    }

    /// The states of the endpoints.
    pub async fn states(&self) -> Vec<String> {
        let endpoints = self.endpoints().await;
        let state = |endpoint: &Value| endpoint["state"].as_str().expect("a state").to_owned();
        endpoints.iter().map(state).collect()
    }

    /// Sends requests until the endpoint is in that state.
    pub async fn is_driven(&self, endpoint: usize, state: &str) {
        eventually(&format!("endpoint {endpoint} is {state}"), async || {
            self.proxy.get("/").await;
            (self.states().await[endpoint] == state).then_some(())
        })
        .await;
    }

    /// Waits until the endpoint is in that state.
    pub async fn becomes(&self, endpoint: usize, state: &str) {
        eventually(&format!("endpoint {endpoint} is {state}"), async || {
            (self.states().await[endpoint] == state).then_some(())
        })
        .await;
    }
}

fn text(faults: &[FaultProxy], keys: &str) -> String {
    let endpoints: Vec<String> =
        faults.iter().map(|fault| format!("\"{}\"", fault.address())).collect();
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: everything, upstream: app }}]\n\
         upstreams:\n  - name: app\n    endpoints: [{}]\n{keys}\n\
         process: {{ workers: 1 }}\n",
        endpoints.join(", "),
    )
}
