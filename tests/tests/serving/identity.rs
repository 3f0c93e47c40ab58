//! Who clients are, by the API keys that they send.

use marchproxy_tests::binary::{self, Ended};
use marchproxy_tests::client::Http2;
use marchproxy_tests::folder::Folder;
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Answer, Origin, Proxy};

const SECRET: &str = "a secret of the server of thirty-two bytes and more";

/// A route that asks for a key, one that asks for a consumer besides, one with a limit for each
/// consumer, and a cache.
fn text(keys: &str, more: &str) -> String {
    format!(
        "cache: {{ memory: 8MiB }}\n\
         listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\" }}]\n\
         policies:\n  \
           - {{ name: partners, api_keys: {{ hash_key: {{ file: hash.key }}, keys: [{keys}]{more} }} }}\n  \
           - {{ name: only-acme, access: {{ allow: [{{ consumers: [acme] }}] }} }}\n  \
           - {{ name: slowly, limit: {{ rate: 2/h, key: [consumer] }} }}\n\
         routes:\n  \
           - {{ name: known, match: {{ path: /known }}, policies: [partners], upstream: app, cache: {{ default: 1h }}, \
                compress: {{ types: [\"application/*\"] }}, request_headers: {{ set: {{ X-Consumer: \"{{consumer}}\" }} }} }}\n  \
           - {{ name: acme, match: {{ path: /acme }}, policies: [partners, only-acme], upstream: app }}\n  \
           - {{ name: slow, match: {{ path: /slow }}, policies: [slowly, partners], upstream: app }}\n  \
           - {{ name: open, upstream: app }}\n\
         upstreams: [{{ name: app, endpoints: [\"@origin@\"] }}]\n"
    )
}

/// The key that `marchproxy key new` makes, and the entry that it says to write.
async fn make(consumer: &str, more: &[&str]) -> (String, String) {
    let folder = Folder::new();
    folder.write("hash.key", SECRET);
    let plain = text("", "").replace("@web-port@", "1").replace("@origin@", "127.0.0.1:1");
    folder.write("a.yaml", plain);
    let path = folder.path().join("a.yaml");
    let words = ["key", "new", "--consumer", consumer, "--config", path.to_str().expect("a path")];
    let ended = binary::run(&[&words[..], more].concat()).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let key = ended.stdout.lines().next().expect("a key").to_owned();
    let entry = ended.stdout.lines().last().expect("an entry").trim_start();
    (key, entry.strip_prefix("- ").expect("an item").to_owned())
}

async fn start(keys: &str, more: &str) -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let setup = Setup::new().set("origin", origin.address()).file("hash.key", SECRET);
    (origin, setup.start(&text(keys, more)).await)
}

async fn ask(proxy: &Proxy, path: &str, fields: &str) -> Answer {
    proxy.request(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await
}

fn with(key: &str) -> String {
    format!("X-Api-Key: {key}\r\n")
}

#[tokio::test]
async fn who_has_a_key_is_known_and_who_has_none_gets_401() {
    let ((acme, one), (globex, two)) = (make("acme", &[]).await, make("globex", &[]).await);
    let (origin, proxy) = start(&format!("{one}, {two}"), "").await;
    let answer = ask(&proxy, "/known?a=1", &format!("{}X-Consumer: forged\r\n", with(&acme))).await;
    let seen = answer.seen();
    assert_eq!(seen.field("x-consumer"), Some("acme"));
    assert_eq!(seen.field("x-api-key"), None, "the key is not passed on");
    assert_eq!(proxy.access_line_of("/known?a=1").await["consumer"], "acme");
    assert_eq!(ask(&proxy, "/acme", &with(&acme)).await.status, 200);
    let other = ask(&proxy, "/acme", &with(&globex)).await;
    assert_eq!((other.status, other.reason().as_str()), (403, "access.denied"));
    let swapped =
        format!("{}{}", &acme[..acme.len() - 1], if acme.ends_with('0') { '1' } else { '0' });
    let strange = make("acme", &[]).await.0;
    let twice = format!("{}{}", with(&acme), with(&acme));
    for (fields, reason) in [
        (String::new(), "identity.missing"),
        (with(""), "identity.api_key_malformed"),
        (with("mp_nonsense"), "identity.api_key_malformed"),
        (with(&swapped), "identity.api_key_malformed"),
        (twice, "identity.api_key_malformed"),
        (with(&strange), "identity.api_key_unknown"),
    ] {
        let answer = ask(&proxy, "/known", &fields).await;
        assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{fields}");
        assert_eq!(answer.field("www-authenticate"), Some("ApiKey realm=\"marchproxy\""));
        assert!(!String::from_utf8_lossy(&answer.body).contains("mp_"), "{answer:?}");
    }
    assert_eq!(origin.seen().len(), 2);
    let refusals =
        proxy.metric("marchproxy_policy_refusals_total", &[("policy", "partners")]).await;
    assert_eq!(refusals, Some(6.0));
    let mut http2 = Http2::open(proxy.web()).await;
    let mut request = http2.request("GET", "/known");
    request.headers_mut().insert("x-api-key", globex.parse().unwrap());
    let answer = http2.send(request, None, None).await.unwrap();
    assert_eq!(answer.seen().field("x-consumer"), Some("globex"));
}

#[tokio::test]
async fn a_key_is_in_no_log_and_in_no_metric() {
    let (acme, one) = make("acme", &[]).await;
    let (_origin, proxy) = start(&one, "").await;
    ask(&proxy, "/known", &with(&acme)).await;
    ask(&proxy, "/known", &with(&acme[..acme.len() - 2])).await;
    proxy.access_line(|line| line["status"] == 401).await;
    let secret = &acme[16..40];
    assert!(!proxy.log.text().contains(secret));
    let metrics = proxy.ask("/metrics").await.body;
    assert!(!String::from_utf8_lossy(&metrics).contains(secret));
}

#[tokio::test]
async fn what_one_consumer_gets_is_neither_kept_nor_compressed_for_another() {
    let ((acme, one), (globex, two)) = (make("acme", &[]).await, make("globex", &[]).await);
    let (origin, proxy) = start(&format!("{one}, {two}"), "").await;
    for key in [&acme, &globex, &acme] {
        let fields = format!("{}Accept-Encoding: gzip\r\nx-script: size 5000\r\n", with(key));
        let answer = ask(&proxy, "/known", &fields).await;
        assert_eq!(answer.field("cache-status"), Some("marchproxy; fwd=bypass"));
        assert_eq!(answer.field("content-encoding"), None);
    }
    assert_eq!(origin.seen().len(), 3);
}

#[tokio::test]
async fn each_consumer_has_a_limit_of_its_own_with_whichever_key() {
    let ((acme, one), (again, two)) = (make("acme", &[]).await, make("acme", &[]).await);
    let (globex, three) = make("globex", &[]).await;
    let (_origin, proxy) = start(&format!("{one}, {two}, {three}"), "").await;
    for (key, status) in [(&acme, 200), (&again, 200), (&acme, 429), (&again, 429), (&globex, 200)]
    {
        assert_eq!(ask(&proxy, "/slow", &with(key)).await.status, status);
    }
    assert_eq!(ask(&proxy, "/slow", &with("mp_")).await.status, 401, "and is not counted");
    assert_eq!(ask(&proxy, "/slow", &with(&globex)).await.status, 200);
}

#[tokio::test]
async fn a_key_ends_when_its_day_begins_and_when_it_is_taken_out() {
    let (gone, past) = make("acme", &["--expires", "2020-01-01"]).await;
    let (good, future) = make("acme", &["--expires", "2999-12-31"]).await;
    let (origin, mut proxy) = start(&format!("{past}, {future}"), "").await;
    assert_eq!(ask(&proxy, "/known", &with(&gone)).await.reason(), "identity.api_key_expired");
    assert_eq!(ask(&proxy, "/known", &with(&good)).await.status, 200);
    let without = text(&past, "").replace("@origin@", &origin.address().to_string());
    proxy.reload(&without).await;
    assert_eq!(ask(&proxy, "/known", &with(&good)).await.reason(), "identity.api_key_unknown");
}

#[tokio::test]
async fn the_field_may_be_another_and_may_be_passed_on() {
    let (acme, one) = make("acme", &[]).await;
    let (_origin, proxy) = start(&one, ", header: X-Partner, forwarding: pass").await;
    let answer = ask(&proxy, "/known", &format!("X-Partner: {acme}\r\n")).await;
    assert_eq!(answer.seen().field("x-partner"), Some(acme.as_str()));
    assert_eq!(ask(&proxy, "/known", &with(&acme)).await.reason(), "identity.missing");
}

#[tokio::test]
async fn the_hash_is_one_that_openssl_makes_too() {
    let (acme, entry) = make("acme", &[]).await;
    let mut openssl = tokio::process::Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", SECRET]).stdin(std::process::Stdio::piped());
    let mut child = openssl.stdout(std::process::Stdio::piped()).spawn().expect("openssl runs");
    let mut input = child.stdin.take().expect("its input");
    tokio::io::AsyncWriteExt::write_all(&mut input, acme.as_bytes()).await.expect("it reads");
    drop(input);
    let told = child.wait_with_output().await.expect("it ends").stdout;
    let told = String::from_utf8(told).expect("text");
    let hash = told.trim_end().rsplit(' ').next().expect("a hash");
    assert!(entry.contains(hash), "{entry} {told}");
}

#[tokio::test]
async fn the_secret_may_be_in_the_environment() {
    let (acme, one) = make("acme", &[]).await;
    let origin = Origin::start().await;
    let text = text(&one, "").replace("{ file: hash.key }", "{ env: HASH_KEY }");
    for (secret, status) in [(SECRET, 200), ("another secret, of thirty-two bytes too", 401)] {
        let setup = Setup::new().set("origin", origin.address());
        let proxy = setup.environment("HASH_KEY", secret).start(&text).await;
        assert_eq!(ask(&proxy, "/known", &with(&acme)).await.status, status);
    }
}

async fn refused(secret: &str, keys: &str, words: &[&str]) -> Ended {
    let folder = Folder::new();
    folder.write("hash.key", secret);
    let plain = text(keys, "").replace("@web-port@", "1").replace("@origin@", "127.0.0.1:1");
    folder.write("a.yaml", plain);
    let path = folder.path().join("a.yaml");
    binary::run(&[words, &["--config", path.to_str().expect("a path")]].concat()).await
}

#[tokio::test]
async fn what_is_wrong_with_keys_is_told() {
    let new = ["key", "new", "--consumer", "acme"];
    let ended = refused("short", "", &new).await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended.output().contains("`hash_key`") && ended.output().contains("shorter than 32 bytes"),
        "{ended:?}"
    );
    assert!(!ended.output().contains("short\n"), "the secret is not shown");
    let ended = refused(SECRET, "", &[&new[..], &["--policy", "others"]].concat()).await;
    assert_eq!(ended.code(), 2);
    assert!(
        ended.output().contains("no policy `others` has `api_keys`; these have: partners"),
        "{ended:?}"
    );
    for (words, code) in [(&["key", "new"][..], 2), (&["key", "new", "--consumer", "A B"], 2)] {
        assert_eq!(refused(SECRET, "", words).await.code(), code, "{words:?}");
    }
    let (_, entry) = make("acme", &[]).await;
    for keys in [
        format!("{entry}, {entry}"),
        entry.replace("hash: ", "hash: X"),
        entry.replace("id: ", "id: -"),
    ] {
        let ended = refused(SECRET, &keys, &["check"]).await;
        assert_eq!(ended.code(), 2, "{ended:?}");
    }
}
