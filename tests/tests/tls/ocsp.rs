//! OCSP answers that are stapled, and those that must not be.

use std::time::Duration;

use boring::ssl::SslVersion;
use marchproxy_tests::bounded::eventually_in;
use marchproxy_tests::certs::{Authority, EXPIRED, Kind, Leaf, VALID};
use marchproxy_tests::client::TlsClient;
use marchproxy_tests::folder::Folder;
use marchproxy_tests::ocsp::{Manner, Register, Responder, question_about};
use marchproxy_tests::proxy::Setup;
use marchproxy_tests::{Proxy, eventually, ports};

const TEXT: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:@web-port@", tls: { certificates: [shop] } }]
certificates:
  - { name: shop, chain: "@dir@/shop.pem", key: { file: "@dir@/shop.key" }, ocsp: { @ocsp@ } }
routes: [{ name: all, match: { path: / }, respond: { status: 200, body: fine } }]
"#;

struct Site {
    authority: Authority,
    leaf: Leaf,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf(&["shop.example.com"], Kind::Ecdsa);
        Self { authority, leaf }
    }

    fn register(&self) -> Register {
        Register::of(&self.authority, &self.leaf)
    }

    fn setup(&self) -> Setup {
        Setup::new().leaf("shop", &self.leaf).file("ca.pem", self.authority.pem())
    }

    /// A proxy that asks this responder.
    async fn start(&self, url: &str) -> Proxy {
        self.setup().start(&asking(url, "")).await
    }

    async fn staple(&self, proxy: &Proxy) -> Option<Vec<u8>> {
        let client = TlsClient::trusting(&self.authority, "shop.example.com");
        client.handshake(proxy.web()).await.expect("a handshake at any time").1.staple
    }

    async fn is_stapled(&self, proxy: &Proxy) -> Vec<u8> {
        eventually("there is a staple", async || self.staple(proxy).await).await
    }
}

fn asking(url: &str, more: &str) -> String {
    let ocsp = format!("responder: \"{url}\", issuer: \"@dir@/ca.pem\"{more}");
    TEXT.replace("@ocsp@", &ocsp)
}

async fn count(proxy: &Proxy, outcome: &str) -> f64 {
    let labels = [("certificate", "shop"), ("outcome", outcome)];
    proxy.metric("marchproxy_ocsp_refreshes_total", &labels).await.unwrap_or(0.0)
}

async fn expiry(proxy: &Proxy) -> f64 {
    let name = "marchproxy_ocsp_staple_expiry_timestamp_seconds";
    proxy.metric(name, &[("certificate", "shop")]).await.unwrap_or(-1.0)
}

async fn counted(proxy: &Proxy, outcome: &str, bound: Duration) {
    eventually_in(bound, outcome, async || (count(proxy, outcome).await > 0.0).then_some(())).await;
}

#[tokio::test]
async fn an_answer_that_says_good_is_stapled() {
    let site = Site::new();
    let responder = Responder::start(Manner::Answer(site.register())).await;
    let proxy = site.start(&responder.url()).await;
    let staple = site.is_stapled(&proxy).await;
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let client = TlsClient::trusting(&site.authority, "shop.example.com").only(version);
        let (_, facts) = client.handshake(proxy.web()).await.unwrap();
        assert_eq!(facts.staple.as_ref(), Some(&staple));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let left = expiry(&proxy).await - now.as_secs_f64();
    assert!((80_000.0..=86_400.0).contains(&left), "{left}");
    assert_eq!((count(&proxy, "good").await, responder.asked()), (1.0, 1));
}

#[tokio::test]
async fn the_responder_that_the_certificate_names_is_asked_about_it() {
    let responder = Responder::start(Manner::Hang).await;
    let root = Authority::new();
    let below = root.below("one below");
    let place = format!("OCSP;URI:{}", responder.url());
    let extensions = [("authorityInfoAccess", place.as_str())];
    let leaf = below.leaf_saying(&["shop.example.com"], Kind::Rsa, VALID, &extensions);
    responder.behave(Manner::Answer(Register::of(&below, &leaf)));
    let proxy = Setup::new().leaf("shop", &leaf).start(&TEXT.replace("@ocsp@", "")).await;
    let site = Site { authority: root, leaf };
    site.is_stapled(&proxy).await;
}

#[tokio::test]
async fn openssl_answers_and_openssl_believes_it() {
    let site = Site::new();
    let folder = Folder::new();
    let port = ports::free().to_string();
    let mut command = tokio::process::Command::new("openssl");
    command.args(["ocsp", "-port", &port]).args(site.register().arguments(&folder));
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let _responder = command.kill_on_drop(true).spawn().expect("run openssl");
    let proxy = site.start(&format!("http://localhost:{port}/")).await;
    site.is_stapled(&proxy).await;
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-status", "-servername", "shop.example.com", "-connect"]);
    command.arg(proxy.web().to_string()).arg("-CAfile").arg(folder.path().join("ca.pem"));
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let ended = marchproxy_tests::within("openssl", command.output()).await.unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(text.contains("OCSP Response Status: successful"), "{text}");
    assert!(text.contains("Cert Status: good"), "{text}");
}

#[tokio::test]
async fn who_was_named_for_it_may_sign_and_nobody_else_of_the_authority() {
    let site = Site::new();
    let signing = [("extendedKeyUsage", "OCSPSigning")];
    let critical = [("extendedKeyUsage", "OCSPSigning"), ("1.2.3.4", "critical,DER:0500")];
    let other = Authority::new();
    let signer = |authority: &Authority, validity, extensions: &[(&str, &str)]| {
        authority.leaf_saying(&["ocsp.internal"], Kind::Rsa, validity, extensions)
    };
    for (what, signer, is_fine) in [
        ("named", signer(&site.authority, VALID, &signing), true),
        ("not named", signer(&site.authority, VALID, &[]), false),
        ("out of date", signer(&site.authority, EXPIRED, &signing), false),
        ("named by another", signer(&other, VALID, &signing), false),
        ("with a condition", signer(&site.authority, VALID, &critical), false),
    ] {
        for arguments in [&["-ndays", "1"][..], &["-ndays", "1", "-resp_key_id"]] {
            let signer = signer.clone();
            let register = Register { signer, arguments: arguments.to_vec(), ..site.register() };
            let responder = Responder::start(Manner::Answer(register)).await;
            let proxy = site.start(&responder.url()).await;
            counted(&proxy, if is_fine { "good" } else { "invalid" }, Duration::from_secs(10))
                .await;
            assert_eq!(site.staple(&proxy).await.is_some(), is_fine, "{what} {arguments:?}");
        }
    }
}

#[tokio::test]
async fn what_may_not_be_believed_is_never_stapled() {
    let site = Site::new();
    let register = site.register();
    let other = site.authority.leaf(&["other.example.com"], Kind::Ecdsa);
    let strange = Site::new();
    let mut knows_other = register.clone();
    knows_other.good = Register::of(&site.authority, &other).good;
    let about_other = question_about(&site.authority, &other).await;
    let endless = Register { arguments: Vec::new(), ..register.clone() };
    let weak = Register { arguments: vec!["-ndays", "1", "-rmd", "sha1"], ..register.clone() };
    let of_strange = Register { signer: strange.authority.own().clone(), ..register.clone() };
    let try_later = vec![0x30, 0x03, 0x0a, 0x01, 0x03];
    let http = |text: &str| Manner::SendRaw(text.as_bytes().to_vec());
    for (what, manner, outcome) in [
        ("forged", Manner::Forge(register.clone()), "invalid"),
        ("of another", Manner::AnswerAnother(knows_other.clone(), about_other), "invalid"),
        ("without an end", Manner::Answer(endless), "invalid"),
        ("signed with SHA-1", Manner::Answer(weak), "invalid"),
        ("signed by a stranger", Manner::Answer(of_strange), "invalid"),
        ("no answer", Manner::Send(b"good".to_vec()), "invalid"),
        ("nothing", Manner::Send(Vec::new()), "invalid"),
        ("too large", Manner::Send(vec![0x30; 40_000]), "invalid"),
        ("far too large", Manner::Send(vec![0x30; 4_000_000]), "invalid"),
        ("try later", Manner::Send(try_later), "refused"),
        ("a failure", http("HTTP/1.0 500 Sorry\r\nContent-Length: 0\r\n\r\n"), "refused"),
        ("no HTTP", http("garbage\r\n\r\n"), "invalid"),
        ("cut off", http("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nshort"), "invalid"),
        ("closed", http(""), "invalid"),
        ("unknown", Manner::Answer(knows_other), "unknown"),
        ("revoked", Manner::Answer(register.revoking()), "revoked"),
    ] {
        let responder = Responder::start(manner).await;
        let proxy = site.start(&responder.url()).await;
        counted(&proxy, outcome, Duration::from_secs(10)).await;
        assert_eq!(site.staple(&proxy).await, None, "{what}");
        assert_eq!((count(&proxy, "good").await, expiry(&proxy).await), (0.0, 0.0), "{what}");
        let told = |line: &str| line.contains("OCSP answer") || line.contains("nothing is stapled");
        proxy.log.wait_for(what, |line| line.contains("shop") && told(line)).await;
    }
}

#[tokio::test]
async fn a_responder_that_hangs_or_is_not_there_holds_nothing_up() {
    let site = Site::new();
    let responder = Responder::start(Manner::Hang).await;
    let away = format!("http://127.0.0.1:{}/", ports::free());
    for url in [responder.url(), away] {
        let proxy = site.start(&url).await;
        assert_eq!(site.staple(&proxy).await, None);
        counted(&proxy, "unreachable", Duration::from_secs(20)).await;
        assert_eq!(site.staple(&proxy).await, None);
    }
}

#[tokio::test]
async fn a_responder_that_failed_is_asked_again() {
    let site = Site::new();
    let responder = Responder::start(Manner::SendRaw(Vec::new())).await;
    let proxy = site.start(&responder.url()).await;
    counted(&proxy, "invalid", Duration::from_secs(10)).await;
    responder.behave(Manner::Answer(site.register()));
    site.is_stapled(&proxy).await;
    // A reload keeps what there is, and asks nobody.
    let asked = responder.asked();
    let before = proxy.generation().await;
    proxy.signal(rustix::process::Signal::HUP);
    proxy.generation_after(before).await;
    assert!(site.staple(&proxy).await.is_some());
    assert_eq!(responder.asked(), asked);
}

/// The shortest time that `openssl` makes answers for is a minute.
#[tokio::test]
async fn an_answer_is_renewed_in_time_and_gone_when_the_certificate_is_revoked() {
    let site = Site::new();
    let short = Register { arguments: vec!["-nmin", "1"], ..site.register() };
    let responder = Responder::start(Manner::Answer(short.clone())).await;
    let kept = Folder::new();
    let cache = format!(", cache: \"{}\"", kept.path().display());
    let proxy = site.setup().start(&asking(&responder.url(), &cache)).await;
    site.is_stapled(&proxy).await;
    responder.behave(Manner::Answer(short.revoking()));
    // Before the minute is over.
    counted(&proxy, "revoked", Duration::from_secs(50)).await;
    assert_eq!(site.staple(&proxy).await, None);
    assert_eq!(expiry(&proxy).await, 0.0);
    // Nor does the next process staple what was kept before.
    drop(proxy);
    let away = format!("http://127.0.0.1:{}/", ports::free());
    let proxy = site.setup().start(&asking(&away, &cache)).await;
    assert_eq!(site.staple(&proxy).await, None);
}

#[tokio::test]
async fn a_kept_answer_is_there_at_the_next_start_and_verified_again() {
    let site = Site::new();
    let mut register = site.register();
    // So that the signature is what comes last.
    register.arguments.push("-resp_no_certs");
    let responder = Responder::start(Manner::Answer(register)).await;
    let kept = Folder::new();
    let cache = format!(", cache: \"{}\"", kept.path().display());
    let proxy = site.setup().start(&asking(&responder.url(), &cache)).await;
    let staple = site.is_stapled(&proxy).await;
    drop(proxy);
    let away = format!("http://127.0.0.1:{}/", ports::free());
    let text = asking(&away, &cache);
    let proxy = site.setup().start(&text).await;
    assert_eq!(site.staple(&proxy).await.as_ref(), Some(&staple), "at the first handshake");
    drop(proxy);
    let mut forged = staple.clone();
    *forged.last_mut().unwrap() ^= 1;
    for bytes in [forged, Vec::new(), vec![0x30; 100_000]] {
        kept.write("shop.ocsp", bytes);
        let proxy = site.setup().start(&text).await;
        assert_eq!(site.staple(&proxy).await, None);
    }
    // One of another certificate.
    kept.write("shop.ocsp", &staple);
    let other = Site { leaf: site.authority.leaf(&["shop.example.com"], Kind::Ecdsa), ..site };
    let proxy = other.setup().start(&text).await;
    assert_eq!(other.staple(&proxy).await, None);
}

#[tokio::test]
async fn a_certificate_that_must_have_a_staple_is_warned_of_without_one() {
    let authority = Authority::new();
    let must = [("1.3.6.1.5.5.7.1.24", "DER:3003020105")];
    let leaf = authority.leaf_saying(&["shop.example.com"], Kind::Ecdsa, VALID, &must);
    let site = Site { authority, leaf };
    let responder = Responder::start(Manner::Answer(site.register())).await;
    let told = |line: &str| line.contains("WARN") && line.contains("refuse this certificate");
    let proxy = site.start(&responder.url()).await;
    proxy.log.wait_for("none is there yet", |line| told(line) && line.contains("yet")).await;
    site.is_stapled(&proxy).await;
    let without = asking("http://a/", "").replace(", ocsp:", " } #");
    let proxy = site.setup().start(&without).await;
    proxy.log.wait_for("none is configured", |line| told(line) && line.contains("`ocsp`")).await;
    let plain = Site::new();
    let proxy = plain.start(&responder.url()).await;
    assert!(!proxy.log.text().contains("refuse this certificate"));
}

#[tokio::test]
async fn nobody_to_ask_or_to_believe_is_an_error() {
    let site = Site::new();
    let strange = Authority::new();
    for (ocsp, told) in [
        ("responder: \"http://127.0.0.1:9/\"", "name who signed it in `ocsp.issuer`"),
        ("issuer: \"@dir@/ca.pem\"", "names no responder"),
        ("responder: \"http://127.0.0.1:9/\", issuer: \"@dir@/strange.pem\"", "was not signed by"),
        ("responder: \"http://127.0.0.1:9/\", issuer: \"@dir@/shop.key\"", "not a certificate"),
    ] {
        let mut setup = site.setup().file("strange.pem", strange.pem());
        let ended = setup.run(&["run", "--config"], &TEXT.replace("@ocsp@", ocsp)).await;
        assert_ne!(ended.code(), 0);
        assert!(ended.output().contains(told), "{told}: {}", ended.output());
    }
}
