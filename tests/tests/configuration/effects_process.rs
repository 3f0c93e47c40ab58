//! What the keys of `process` do.

use marchproxy_tests::{Proxy, eventually};
use rustix::process::Signal;

fn text(process: &str) -> String {
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: all, respond: {{ status: 200 }} }}]\n\
         process: {{ {process} }}\n"
    )
}

/// How many threads of the process are workers by their name (`comm` of proc(5)).
fn workers(proxy: &Proxy) -> usize {
    let folder = format!("/proc/{}/task", proxy.pid().as_raw_nonzero());
    let threads = std::fs::read_dir(folder).expect("the proxy runs");
    let names = threads.filter_map(|thread| {
        std::fs::read_to_string(thread.expect("an entry").path().join("comm")).ok()
    });
    names.filter(|name| name.starts_with("worker-")).count()
}

#[tokio::test]
async fn as_many_workers_serve_as_told() {
    for number in [1, 5] {
        let proxy = Proxy::start(&text(&format!("workers: {number}"))).await;
        // A thread takes its name a moment after it was started.
        eventually("all workers", async || (workers(&proxy) == number).then_some(())).await;
        assert_eq!(proxy.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn only_what_is_severe_enough_is_logged() {
    for (level, serving) in [("error", false), ("warn", false), ("info", true), ("debug", true)] {
        let proxy = Proxy::start(&text(&format!("workers: 1, log: {level}"))).await;
        // The error comes after all that a start has to say.
        std::fs::remove_file(proxy.folder().path().join("marchproxy.yaml")).unwrap();
        proxy.signal(Signal::HUP);
        proxy.log.wait_for("an error", |line| line.contains("ERROR")).await;
        let told = proxy.log.all().iter().any(|line| line.contains("INFO"));
        assert_eq!(told, serving, "{level}");
    }
}
