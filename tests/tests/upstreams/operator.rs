//! What an operator sees and does by the local socket.

use marchproxy_tests::binary::{self, Ended};
use marchproxy_tests::{Fault, eventually};

use crate::group::Group;

impl Group {
    async fn command(&self, words: &[&str]) -> Ended {
        let config = self.proxy.folder().path().join("marchproxy.yaml");
        let config = config.to_str().expect("a path").to_owned();
        let arguments: Vec<&str> = words.iter().copied().chain(["--config", &config]).collect();
        binary::run(&arguments).await
    }

    pub async fn endpoint(&self, change: &str, endpoint: usize, more: &[&str]) -> Ended {
        let address = self.faults[endpoint].address().to_string();
        let words: Vec<&str> =
            ["endpoint", change, "app", &address].iter().chain(more).copied().collect();
        self.command(&words).await
    }
}

#[tokio::test]
async fn endpoints_are_drained_disabled_enabled_and_weighed_while_traffic_flows() {
    let keys = "    health: { http: /health, every: 100ms }";
    let mut group = Group::of(2, keys).await;
    let ended = group.endpoint("drain", 0, &[]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.output().contains("gets nothing new"), "{ended:?}");
    assert_eq!(group.states().await, ["draining", "serving"]);
    assert_eq!(group.answers(10).await["b"], 10);

    assert_eq!(group.endpoint("disable", 0, &[]).await.code(), 0);
    assert_eq!(group.states().await, ["disabled", "serving"]);
    let text = group.text("    retry: { attempts: 1 }");
    group.proxy.reload(&text).await;
    assert_eq!(group.states().await, ["disabled", "serving"], "a reload keeps it");

    assert_eq!(group.endpoint("enable", 0, &[]).await.code(), 0);
    assert_eq!(group.endpoint("weight", 0, &["3"]).await.code(), 0);
    let counts = group.answers(40).await;
    assert_eq!((counts["a"], counts["b"]), (30, 10), "{counts:?}");
    assert_eq!(group.endpoint("weight", 0, &[]).await.code(), 0);
    assert_eq!(group.answers(40).await["a"], 20);
}

#[tokio::test]
async fn an_endpoint_that_is_disabled_is_not_checked() {
    let group = Group::of(1, "    health: { every: 100ms }").await;
    assert_eq!(group.endpoint("disable", 0, &[]).await.code(), 0);
    let answer = group.proxy.get("/").await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "upstream.no_endpoint"));
    // One check may have been on its way.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let before = group.faults[0].connections();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(group.faults[0].connections(), before);
}

#[tokio::test]
async fn the_upstreams_are_shown() {
    let group = Group::of(2, "").await;
    assert_eq!(group.endpoint("drain", 1, &[]).await.code(), 0);
    let ended = group.command(&["upstreams"]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let lines: Vec<String> = ended.output().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "app");
    assert!(lines[1].contains(&group.faults[0].address().to_string()), "{lines:?}");
    assert!(lines[1].contains("serving") && lines[2].contains("draining"), "{lines:?}");
    let ended = group.command(&["upstreams", "--json", "--only", "app"]).await;
    let told: serde_json::Value = serde_json::from_str(&ended.output()).expect("JSON");
    assert_eq!(told[0]["endpoints"][1]["state"], "draining");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let group = Group::of(1, "").await;
    let ended = group.command(&["upstreams", "--only", "ap"]).await;
    assert_eq!(ended.code(), 2);
    assert!(ended.output().contains("there is no upstream `ap`; there are: app"), "{ended:?}");
    let ended = group.command(&["endpoint", "drain", "app", "10.0.0.1:1"]).await;
    assert_eq!(ended.code(), 2);
    let known = format!("has no endpoint 10.0.0.1:1; it has: {}", group.faults[0].address());
    assert!(ended.output().contains(&known), "{ended:?}");
    let ended = group.endpoint("weight", 0, &["0"]).await;
    assert_eq!(ended.code(), 2, "{ended:?}");
}

#[tokio::test]
async fn an_operator_is_heard_while_the_files_are_broken() {
    let mut group = Group::of(1, "").await;
    let status = group.proxy.address("status");
    group
        .proxy
        .write(&format!("status: {{ address: \"{status}\" }}\nlisteners: [{{ nam: web }}]\n"));
    assert_eq!(group.endpoint("drain", 0, &[]).await.code(), 0);
    assert_eq!(group.states().await, ["draining"]);
    group.proxy.write("listeners: [\n");
    let ended = group.endpoint("enable", 0, &[]).await;
    assert_eq!(ended.code(), 2, "nobody knows whom to ask: {ended:?}");
}

#[tokio::test]
async fn a_draining_endpoint_that_fails_keeps_nobody() {
    let keys = "    sticky: { cookie: srv, key: { file: cookie.key } }\n    \
                retry: { attempts: 1 }\n    ejection: { consecutive: 3 }\n    \
                timeouts: { first_byte: 200ms }";
    let group = Group::of(2, keys).await;
    let first = group.proxy.get("/").await;
    let cookie = first.field("set-cookie").expect("a cookie").split(';').next().unwrap().to_owned();
    let at = usize::from(first.seen().origin != "a");
    assert_eq!(group.endpoint("drain", at, &[]).await.code(), 0);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
    assert_eq!(group.proxy.request(&request).await.seen().origin, first.seen().origin);
    group.faults[at].set(Fault::Frozen);
    eventually("its clients go elsewhere", async || {
        (group.proxy.request(&request).await.status == 200).then_some(())
    })
    .await;
    let answer = group.proxy.request(&request).await;
    assert_ne!(answer.seen().origin, first.seen().origin);
    assert!(answer.field("set-cookie").is_some(), "and stay there");
}
