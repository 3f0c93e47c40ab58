//! Session tickets and the keys that seal them.

use boring::base64::encode_block;
use marchproxy_tests::certs::{Authority, Kind};
use marchproxy_tests::client::{Openssl, Shaken};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Proxy, eventually};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

fn text(tickets: &str) -> String {
    TEXT.replace("@tickets@", tickets)
}

const TEXT: &str = r#"
listeners:
  - name: web
    address: "127.0.0.1:@web-port@"
    tls: { certificates: [shop], tickets: { @tickets@ } }
certificates: [{ name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" } }]
routes: [{ name: all, match: { path: / }, respond: { status: 200, body: fine } }]
"#;

const SHARED: &str = r#"keys: { file: "@dir@/keys" }"#;

fn setup() -> Setup {
    Setup::new().leaf("shop", &Authority::new().leaf(&["shop.example.com"], Kind::Ecdsa))
}

/// A file of these keys, each filled with one byte.
fn keys(fillings: &[u8]) -> String {
    let lines = fillings.iter().map(|filling| encode_block(&[*filling; 80]) + "\n");
    "# first seals\n"
        .chars()
        .chain(lines.flat_map(|line| line.chars().collect::<Vec<_>>()))
        .collect()
}

fn client(proxy: &Proxy, version: &'static str) -> Openssl {
    Openssl::new(proxy.web(), "shop.example.com", version)
}

#[tokio::test]
async fn a_session_is_resumed_also_after_a_reload() {
    let mut proxy = setup().start(&text("")).await;
    for version in VERSIONS {
        let client = client(&proxy, version);
        assert_eq!(client.begin().await, Shaken::New);
        assert_eq!(client.again().await, Shaken::Reused, "{version}");
        proxy.reload(&text("").replace("fine", version)).await;
        assert_eq!(client.again().await, Shaken::Reused, "{version}");
    }
}

#[tokio::test]
async fn without_tickets_each_handshake_is_a_full_one() {
    let proxy = setup().start(&text("mode: off")).await;
    for version in VERSIONS {
        let client = client(&proxy, version);
        assert_eq!(client.begin().await, Shaken::New);
        let again = client.again().await;
        // There is no session to come with.
        assert!(
            again == Shaken::New
                || matches!(&again, Shaken::Failed(told) if told.contains("session")),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn what_a_key_of_the_listener_sealed_is_no_use_when_its_time_is_over() {
    let proxy = setup().start(&text("rotate: 1s")).await;
    for version in VERSIONS {
        // A session that is not renewed: each attempt comes with the first ticket.
        let client = client(&proxy, version).keeping_the_first();
        assert_eq!(client.begin().await, Shaken::New);
        eventually("the key is gone", async || {
            let shaken = client.again().await;
            assert!(!matches!(shaken, Shaken::Failed(_)), "{shaken:?}");
            (shaken == Shaken::New).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn proxies_with_the_same_keys_resume_each_others_sessions() {
    let one = setup().file("keys", keys(b"a")).start(&text(SHARED)).await;
    let other = setup().file("keys", keys(b"ba")).start(&text(SHARED)).await;
    let strange = setup().file("keys", keys(b"c")).start(&text(SHARED)).await;
    for version in VERSIONS {
        let mut client = client(&one, version).keeping_the_first();
        assert_eq!(client.begin().await, Shaken::New);
        client.go_to(other.web());
        assert_eq!(client.again().await, Shaken::Reused, "{version}");
        client.go_to(strange.web());
        assert_eq!(client.again().await, Shaken::New, "{version}");
    }
}

#[tokio::test]
async fn keys_may_come_from_the_environment() {
    let one = setup().file("keys", keys(b"a")).start(&text(SHARED)).await;
    let other = setup().environment("TICKET_KEYS", &keys(b"ba"));
    let other = other.start(&text("keys: { env: TICKET_KEYS }")).await;
    let mut client = client(&one, "-tls1_3");
    assert_eq!(client.begin().await, Shaken::New);
    client.go_to(other.web());
    assert_eq!(client.again().await, Shaken::Reused);
}

#[tokio::test]
async fn a_key_that_is_rotated_out_once_opens_and_twice_does_not() {
    for version in VERSIONS {
        let proxy = setup().file("keys", keys(b"a")).start(&text(SHARED)).await;
        let client = client(&proxy, version).keeping_the_first();
        assert_eq!(client.begin().await, Shaken::New);
        rotate(&proxy, b"ba").await;
        assert_eq!(client.again().await, Shaken::Reused, "{version}");
        rotate(&proxy, b"cb").await;
        assert_eq!(client.again().await, Shaken::New, "{version}");
    }
}

#[tokio::test]
async fn a_ticket_of_a_key_that_is_rotated_out_is_renewed() {
    let proxy = setup().file("keys", keys(b"a")).start(&text(SHARED)).await;
    let (new, old) = (client(&proxy, "-tls1_3"), client(&proxy, "-tls1_2"));
    assert_eq!((new.begin().await, old.begin().await), (Shaken::New, Shaken::New));
    rotate(&proxy, b"ba").await;
    assert_eq!(new.again().await, Shaken::Reused);
    // Of a session that was resumed in TLS 1.2, `openssl` shows the new ticket and keeps the old.
    assert_eq!(old.key_of_ticket().await, "62".repeat(16));
    rotate(&proxy, b"cb").await;
    assert_eq!(new.again().await, Shaken::Reused);
}

async fn rotate(proxy: &Proxy, fillings: &[u8]) {
    let before = proxy.generation().await;
    proxy.folder().write("keys", keys(fillings));
    proxy.generation_after(before).await;
}

#[tokio::test]
async fn a_file_of_keys_that_is_wrong_names_its_line_and_no_key() {
    let short = encode_block(b"s3cr3t");
    let twice = keys(b"zz");
    for (content, told) in [
        ("", "keys: holds no key"),
        (&*format!("\n{short}\n"), "keys: line 2 is not 80 bytes in base64"),
        (&*twice, "keys: line 3 has the name of a key before it"),
        (&*keys(b"abcdefghijklmnopq"), "keys: holds more than 16 keys"),
    ] {
        let mut setup = setup().file("keys", content);
        let ended = setup.run(&["run", "--config"], &text(SHARED)).await;
        assert_ne!(ended.code(), 0);
        assert!(ended.output().contains(told), "{told}: {}", ended.output());
        assert!(!ended.output().contains(&short), "{}", ended.output());
    }
}

#[tokio::test]
async fn a_wrong_file_of_keys_leaves_those_that_were_there() {
    let proxy = setup().file("keys", keys(b"a")).start(&text(SHARED)).await;
    let client = client(&proxy, "-tls1_3");
    assert_eq!(client.begin().await, Shaken::New);
    proxy.folder().write("keys", "nothing\n");
    proxy.log.wait_for("the file is named", |line| line.contains("line 1 is not 80 bytes")).await;
    assert_eq!(client.again().await, Shaken::Reused);
}

#[tokio::test]
async fn keys_without_tickets_are_warned_of() {
    let mut setup = setup().file("keys", keys(b"a"));
    let ended = setup.run(&["check"], &text(&format!("mode: off, {SHARED}"))).await;
    assert_eq!(ended.code(), 0, "{}", ended.output());
    assert!(ended.output().contains("unused-ticket-keys"), "{}", ended.output());
}

/// What a connection is encrypted with is told to nobody.
#[tokio::test]
async fn a_key_log_is_never_written() {
    let folder = marchproxy_tests::folder::Folder::new();
    let log = folder.path().join("keys.log");
    let setup = setup().environment("SSLKEYLOGFILE", log.to_str().unwrap());
    let proxy = setup.start(&text("")).await;
    for version in VERSIONS {
        assert_eq!(client(&proxy, version).begin().await, Shaken::New);
    }
    assert!(!log.exists());
}
