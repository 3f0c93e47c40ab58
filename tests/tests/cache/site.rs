//! One origin behind a proxy with a cache.

use std::net::SocketAddr;

use marchproxy_tests::client::connection;
use marchproxy_tests::origin::Seen;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Answer, Connection, Origin, Proxy, binary};

/// One origin behind a proxy with a cache.
pub struct Site {
    pub origin: Origin,
    pub proxy: Proxy,
}

/// Fields of a request: those that ask the origin for fields of its answer among them.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// Asks for an answer that is fresh for long.
pub const FRESH: (&str, &str) = ("x-reply-cache-control", "max-age=600");
/// Asks for an answer that has been on its way for long.
pub const OLD: (&str, &str) = ("x-reply-age", "1000");

impl Site {
    /// With a route that has these keys of `cache`.
    pub async fn new(keys: &str) -> Self {
        Self::with("memory: 8MiB", keys).await
    }

    /// With a cache that has these keys, and a route that has those.
    pub async fn with(cache: &str, keys: &str) -> Self {
        Self::over(Origin::start().await, &text(cache, keys)).await
    }

    /// With a whole configuration, in which `@origin@` stands for the origin.
    pub async fn over(origin: Origin, text: &str) -> Self {
        let setup = Setup::new().set("origin", origin.address());
        let proxy = setup.file("cookie.key", "sixteen bytes and more").start(text).await;
        Self { origin, proxy }
    }

    pub async fn get(&self, target: &str, fields: Fields<'_>) -> Answer {
        self.ask("GET", target, fields).await
    }

    pub async fn ask(&self, method: &str, target: &str, fields: Fields<'_>) -> Answer {
        let mut connection = self.start(method, target, fields).await;
        connection.try_answer_to(method).await.expect("an answer")
    }

    /// Sends a request, and leaves its answer to the caller.
    pub async fn start(&self, method: &str, target: &str, fields: Fields<'_>) -> Connection {
        let mut connection = self.proxy.connect().await;
        connection.send(request(method, target, fields)).await;
        connection
    }

    /// How many requests the origin has got.
    pub fn forwarded(&self) -> usize {
        self.origin.seen().len()
    }

    /// The request that the origin got last.
    pub fn last(&self) -> Seen {
        self.origin.seen().pop().expect("the origin got one")
    }

    /// Whether the second of two requests like this is answered without the origin.
    pub async fn keeps(&self, target: &str, fields: Fields<'_>) -> bool {
        let first = self.get(target, fields).await;
        let before = self.forwarded();
        let second = self.get(target, fields).await;
        let is_kept = self.forwarded() == before;
        assert_eq!(is_kept, first.body == second.body, "{first:?} {second:?}");
        assert_eq!(is_kept, told(&second).contains("; hit"), "{second:?}");
        is_kept
    }

    /// What a command of an operator comes to.
    pub async fn command(&self, words: &[&str]) -> binary::Ended {
        let config = self.proxy.folder().path().join("marchproxy.yaml");
        let config = config.to_str().expect("a path").to_owned();
        let arguments: Vec<&str> = words.iter().copied().chain(["--config", &config]).collect();
        binary::run(&arguments).await
    }

    /// The value of a metric; 0 when there is none.
    pub async fn metric(&self, name: &str, labels: Fields<'_>) -> f64 {
        self.proxy.metric(name, labels).await.unwrap_or(0.0)
    }
}

/// A configuration: a cache that has these keys, and a route that has those.
pub fn text(cache: &str, keys: &str) -> String {
    format!(
        "cache: {{ {cache} }}\n\
         listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         routes: [{{ name: site, upstream: app, cache: {{ {keys} }} }}]\n\
         upstreams: [{{ name: app, endpoints: [\"@origin@\"] }}]\n"
    )
}

/// What the cache tells of itself.
pub fn told(answer: &Answer) -> &str {
    answer.field("cache-status").unwrap_or_else(|| panic!("nothing is told: {answer:?}"))
}

/// A request on a connection of its own.
pub async fn get_at(address: SocketAddr, target: &str, fields: Fields<'_>) -> Answer {
    connection::request(address, request("GET", target, fields)).await
}

fn request(method: &str, target: &str, fields: Fields<'_>) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nhost: test.example\r\n{fields}\r\n")
}
