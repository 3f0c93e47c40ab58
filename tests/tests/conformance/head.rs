//! The request line, the target and the host.

use marchproxy_tests::{Origin, Proxy};

use crate::refusal::Refuser;

#[tokio::test]
async fn rfc9112_2_2_a_line_ends_with_cr_lf_alone() {
    let reason = "sanity.line_ending";
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", 400, reason),
            ("GET / HTTP/1.1\nHost: a\n\n", 400, reason),
            ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc9112_2_2_empty_lines_before_a_request_are_skipped() {
    Refuser::start()
        .await
        .takes(&[
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ])
        .await;
}

#[tokio::test]
async fn rfc9112_3_a_request_line_is_method_target_version() {
    let reason = "sanity.request_line";
    Refuser::start()
        .await
        .refuses(&[
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            ("GET /\r\nHost: a\r\n\r\n", 400, reason),
            ("GET\r\nHost: a\r\n\r\n", 400, reason),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            ("\u{16}\u{03}\u{01}\u{02}\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc9110_2_5_other_versions_are_refused() {
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "sanity.version"),
            ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "sanity.version"),
        ])
        .await;
}

#[tokio::test]
async fn rfc9112_2_3_a_version_is_spelled_exactly() {
    let refuser = Refuser::start().await;
    for version in ["http/1.1", "HTTP/1.10", "HTTP/1", "HTTP/01.1", "HTTP 1.1", "ICY/1.1"] {
        let request = format!("GET / {version}\r\nHost: a\r\n\r\n");
        let answer = refuser.proxy.request(&request).await;
        assert!([400, 505].contains(&answer.status), "{version}: {answer:?}");
    }
    assert_eq!(refuser.origin.seen().len(), 0);
}

#[tokio::test]
async fn rfc9112_3_2_a_target_holds_no_spaces_controls_or_foreign_letters() {
    let refuser = Refuser::start().await;
    for target in ["/a b", "/a\u{0}", "/a\u{7f}", "/\u{e9}", "/a\u{1}", "a", "?x", "//", "ftp://a/"]
    {
        let bytes: Vec<u8> = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
            .chars()
            .map(|c| u8::try_from(c).unwrap())
            .collect();
        let answer = refuser.proxy.request(&bytes).await;
        let harmless = target == "//" && answer.status == 200;
        assert!(answer.status == 400 || harmless, "{target:?}: {answer:?}");
    }
}

#[tokio::test]
async fn rfc9112_3_2_there_is_exactly_one_host() {
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\r\n\r\n", 400, "sanity.host_missing"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "sanity.host_repeated"),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, "sanity.host_repeated"),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "sanity.host_repeated"),
            ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "sanity.host_repeated"),
        ])
        .await;
}

#[tokio::test]
async fn rfc9110_7_2_a_host_is_a_host_and_perhaps_a_port() {
    let reason = "sanity.host_invalid";
    Refuser::start()
        .await
        .refuses(&[
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, reason),
            ("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc9112_3_2_hosts_in_their_proper_forms_are_taken() {
    Refuser::start()
        .await
        .takes(&[
            "GET / HTTP/1.1\r\nHost: shop.example.com:8080\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhOsT:a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
        ])
        .await;
}

#[tokio::test]
async fn rfc9112_3_2_2_an_absolute_target_agrees_with_the_host_and_is_forwarded_in_origin_form() {
    let refuser = Refuser::start().await;
    refuser
        .refuses(&[
            ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400, "sanity.host_differs"),
            ("GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n", 400, "sanity.host_differs"),
        ])
        .await;
    let request = "GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let seen = refuser.proxy.request(request).await.seen();
    assert_eq!((seen.target.as_str(), seen.field("host")), ("/x?y", Some("a.example")));
    let seen = refuser.proxy.request("GET http://a.example/x HTTP/1.0\r\n\r\n").await.seen();
    assert_eq!((seen.target.as_str(), seen.field("host")), ("/x", Some("a.example")));
}

#[tokio::test]
async fn rfc9110_4_2_4_a_target_with_user_information_is_refused() {
    let refuser = Refuser::start().await;
    let answer = refuser.proxy.request("GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn rfc9112_3_2_4_the_asterisk_goes_with_options_alone() {
    let refuser = Refuser::start().await;
    refuser.refuses(&[("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.target")]).await;
    let answer = refuser.proxy.request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.status == 200 || answer.status == 204, "{answer:?}");
}

#[tokio::test]
async fn rfc9110_9_3_connect_and_trace_are_not_served() {
    let reason = "sanity.method_refused";
    Refuser::start()
        .await
        .refuses(&[
            ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, reason),
            ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc3986_5_2_4_a_path_never_leads_above_its_root() {
    let refuser = Refuser::start().await;
    let reason = "sanity.path_above_root";
    refuser
        .refuses(&[
            ("GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            ("GET /a/../../b HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
            ("GET /%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, reason),
        ])
        .await;
}

#[tokio::test]
async fn rfc3986_2_4_escapes_that_servers_disagree_on_are_refused() {
    Refuser::start()
        .await
        .refuses(&[
            ("GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.encoded_slash"),
            ("GET /a%5Cb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.encoded_slash"),
            ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.encoded_slash"),
            ("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.path_escape"),
            ("GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.path_escape"),
            ("GET /a% HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.path_escape"),
            ("GET /%c0%af HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.path_escape"),
            ("GET /a/..;x/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "sanity.path_dots"),
        ])
        .await;
}

#[tokio::test]
async fn rfc3986_6_2_2_what_is_forwarded_is_the_normal_form() {
    let refuser = Refuser::start().await;
    for (sent, forwarded) in [
        ("/%41%7e", "/A~"),
        ("/%e2%82%ac", "/%E2%82%AC"),
        ("/a/./b/../c", "/a/c"),
        ("//a///b", "/a/b"),
        ("/a/b/..", "/a/"),
        ("/a?b=%2f&c=/../", "/a?b=%2f&c=/../"),
        ("/a?", "/a?"),
    ] {
        let seen = refuser.proxy.get(sent).await.seen();
        assert_eq!(seen.target, forwarded, "{sent}");
    }
}

#[tokio::test]
async fn no_byte_of_a_target_is_refused_without_a_reason() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    for byte in 0x21..=0x7e_u8 {
        for before in ["/a", "/?a=", "http://a/", "http://a/?"] {
            let mut request = format!("GET {before}").into_bytes();
            request.push(byte);
            request.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = proxy.request(&request).await;
            let what = format!("{before}{}", char::from(byte));
            assert!(answer.field("server").is_none(), "{what}: {answer:?}");
            if answer.status != 200 {
                assert!(answer.reason().starts_with("sanity."), "{what}: {answer:?}");
            }
        }
    }
}
