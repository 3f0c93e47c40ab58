//! Which certificate a client sees, and what happens when files change.

use boring::ssl::SslVersion;
use marchproxy_tests::certs::{Authority, EXPIRED, Kind, serial};
use marchproxy_tests::client::TlsClient;
use marchproxy_tests::eventually;
use marchproxy_tests::proxy::Setup;

fn text(names: &[&str]) -> String {
    let mut text = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:@web-port@\", tls: {{ certificates: [{}] }} }}]\n\
         routes: [{{ name: all, match: {{ path: / }}, respond: {{ status: 200, body: fine }} }}]\n\
         certificates:\n",
        names.join(", ")
    );
    for name in names {
        text += &format!(
            "  - {{ name: {name}, chain: \"@dir@/{name}.pem\", key: {{ file: \"@dir@/{name}.key\" }} }}\n"
        );
    }
    text
}

#[tokio::test]
async fn the_name_a_client_asks_for_chooses_the_certificate() {
    let authority = Authority::new();
    let shop = authority.leaf(&["shop.example.com", "www.example.org"], Kind::Ecdsa);
    let wild = authority.leaf(&["*.example.com"], Kind::Ecdsa);
    let api = authority.leaf(&["api.example.com"], Kind::Ecdsa);
    let setup = Setup::new().leaf("shop", &shop).leaf("wild", &wild).leaf("api", &api);
    let proxy = setup.start(&text(&["shop", "wild", "api"])).await;
    for (name, leaf) in [
        ("shop.example.com", &shop),
        ("www.example.org", &shop),
        ("api.example.com", &api),
        ("API.example.com", &api),
        ("other.example.com", &wild),
    ] {
        let client = TlsClient::trusting(&authority, name);
        let (_, facts) = client.handshake(proxy.web()).await.unwrap();
        assert_eq!(facts.serial, serial(&leaf.certificate), "{name}");
    }
    // A wildcard stands for one label (RFC 9525, section 6.3); the first is shown when none fits.
    for name in [Some("a.b.example.com"), Some("stranger.org"), None] {
        let mut client = TlsClient::trusting(&authority, "");
        client.authority = None;
        client.name = name.map(str::to_owned);
        // Nothing fits, so nothing may be verified: the client takes what it gets.
        let facts = client.unverified(proxy.web()).await;
        assert_eq!(facts.serial, serial(&shop.certificate), "{name:?}");
    }
}

#[tokio::test]
async fn one_name_may_have_an_rsa_and_an_ecdsa_certificate() {
    let authority = Authority::new();
    let rsa = authority.leaf(&["shop.example.com"], Kind::Rsa);
    let ecdsa = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let setup = Setup::new().leaf("rsa", &rsa).leaf("ecdsa", &ecdsa);
    let proxy = setup.start(&text(&["rsa", "ecdsa"])).await;
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let (_, facts) = client.handshake(proxy.web()).await.unwrap();
    assert!(!facts.rsa, "who takes both gets ECDSA");
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let mut old = client.clone().only(version);
        old.signatures = Some("rsa_pss_rsae_sha256:rsa_pkcs1_sha256");
        let (_, facts) = old.handshake(proxy.web()).await.unwrap();
        assert!(facts.rsa, "{version:?}");
    }
    let mut old = client.clone().only(SslVersion::TLS1_2);
    old.ciphers = Some("ECDHE-RSA-AES128-GCM-SHA256");
    assert!(old.handshake(proxy.web()).await.unwrap().1.rsa);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let authority = Authority::new();
    let old = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let new = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let proxy = Setup::new().leaf("shop", &old).start(&text(&["shop"])).await;
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let (mut kept, facts) = client.connect(proxy.web()).await;
    assert_eq!(facts.serial, serial(&old.certificate));
    assert_eq!(kept.get("/").await.status, 200);
    // Between the two writes chain and key do not fit: that must not be shown or break anything.
    proxy.folder().write("shop.pem", new.chain_pem());
    assert!(client.handshake(proxy.web()).await.is_ok());
    proxy.folder().write("shop.key", new.key_pem());
    eventually("the new certificate is shown", async || {
        let (_, facts) = client.handshake(proxy.web()).await.expect("a handshake at any time");
        (facts.serial == serial(&new.certificate)).then_some(())
    })
    .await;
    assert_eq!(kept.get("/").await.status, 200);
}

#[tokio::test]
async fn a_certificate_that_is_missing_at_reload_leaves_the_old_one() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let mut proxy = Setup::new().leaf("shop", &leaf).start(&text(&["shop"])).await;
    std::fs::remove_file(proxy.folder().path().join("shop.pem")).unwrap();
    let changed = text(&["shop"]).replace("fine", "changed");
    let told = proxy.refused_reload(&changed).await;
    assert!(told.contains("shop"), "{told}");
    let client = TlsClient::trusting(&authority, "shop.example.com");
    let (mut connection, facts) = client.connect(proxy.web()).await;
    assert_eq!(facts.serial, serial(&leaf.certificate));
    assert_eq!(connection.get("/").await.text(), "fine");
    proxy.log.wait_for("the certificate is named", |line| line.contains("shop.pem")).await;
}

#[tokio::test]
async fn a_start_without_its_certificate_names_it() {
    let ended = Setup::new().run(&["run", "--config"], &text(&["shop"])).await;
    assert_ne!(ended.code(), 0);
    assert!(ended.output().contains("shop.pem"), "{ended:?}");
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_an_error() {
    let authority = Authority::new();
    let one = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let other = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
    let mut setup =
        Setup::new().file("shop.pem", one.chain_pem()).file("shop.key", other.key_pem());
    let ended = setup.run(&["check", "--online"], &text(&["shop"])).await;
    assert_ne!(ended.code(), 0, "{ended:?}");
    assert!(ended.output().contains("shop"), "{ended:?}");
    assert!(!ended.output().contains("PRIVATE KEY"), "{ended:?}");
}

#[tokio::test]
async fn check_online_warns_of_an_expired_certificate() {
    let authority = Authority::new();
    let leaf = authority.leaf_with(&["shop.example.com"], Kind::Ecdsa, EXPIRED);
    let ended =
        Setup::new().leaf("shop", &leaf).run(&["check", "--online"], &text(&["shop"])).await;
    assert!(ended.output().contains("expired"), "{ended:?}");
}
