//! HTTP/2 by hand: requests as fields (RFC 9113, section 8), and floods (section 10).

use marchproxy_tests::client::frames::{
    END_HEADERS, END_STREAM, Frame, Outcome, RawHttp2, block, code, get_fields, kind,
};
use marchproxy_tests::{Origin, Proxy, within};

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// What becomes of requests that must not be forwarded.
async fn all_refused(cases: &[Fields<'_>]) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut wrong = Vec::new();
    for fields in cases {
        let outcome = outcome_of(&proxy, fields).await;
        if !outcome.refused() {
            wrong.push(format!("{fields:?}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(origin.seen().len(), 0, "{:?}", origin.seen());
    assert_eq!(proxy.get("/").await.status, 200);
}

async fn outcome_of(proxy: &Proxy, fields: &[(&str, &str)]) -> Outcome {
    let mut client = RawHttp2::open(proxy.web()).await;
    client.send(&[Frame::headers(1, fields, END_STREAM)]).await;
    client.outcome(1).await
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Fields<'a> {
    [get_fields("/"), more.to_vec()].concat()
}

#[tokio::test]
async fn rfc9113_8_2_1_field_names_are_lower_case_tokens_and_values_hold_no_controls() {
    all_refused(&[
        with(&[("X-Upper", "a")]),
        with(&[("x space", "a")]),
        with(&[("x\u{0}", "a")]),
        with(&[("x-a", "b\r\nx-c: d")]),
        with(&[("x-a", "b\nc")]),
        with(&[("x-a", "b\u{0}c")]),
        with(&[("", "a")]),
    ])
    .await;
}

#[tokio::test]
async fn rfc9113_8_2_2_fields_of_an_http1_connection_are_refused() {
    all_refused(&[
        with(&[("connection", "close")]),
        with(&[("connection", "x-a"), ("x-a", "b")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("keep-alive", "1")]),
        with(&[("proxy-connection", "a")]),
        with(&[("upgrade", "h2c")]),
        with(&[("te", "gzip")]),
    ])
    .await;
}

#[tokio::test]
async fn rfc9113_8_2_2_te_trailers_is_taken() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    assert_eq!(outcome_of(&proxy, &with(&[("te", "trailers")])).await.status, Some(200));
}

#[tokio::test]
async fn rfc9113_8_3_pseudo_fields_are_complete_known_unique_and_first() {
    let get = get_fields("/");
    let without = |name: &str| -> Fields<'_> {
        get.iter().copied().filter(|(own, _)| *own != name).collect()
    };
    let late = [vec![get[0], get[1], get[2]], vec![("x-a", "b"), get[3]]].concat();
    all_refused(&[
        without(":method"),
        without(":scheme"),
        without(":path"),
        with(&[(":method", "POST")]),
        [vec![(":method", "GET")], get.clone()].concat(),
        [vec![(":path", "/b")], get.clone()].concat(),
        [vec![(":status", "200")], get.clone()].concat(),
        [vec![(":unknown", "a")], get.clone()].concat(),
        late,
    ])
    .await;
}

#[tokio::test]
async fn rfc9113_8_3_1_a_path_is_a_path_and_an_authority_an_authority() {
    let request = |path: &'static str, authority: &'static str| -> Fields<'static> {
        vec![(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", path)]
    };
    all_refused(&[
        request("", "a"),
        request("x", "a"),
        request("*", "a"),
        request("/a b", "a"),
        request("/../..", "a"),
        request("/a%2fb", "a"),
        request("/", "me@a"),
        request("/", "a b"),
        request("/", "a/b"),
        request("http://b/", "a"),
        request("/ HTTP/1.1\r\nx: y", "a"),
    ])
    .await;
}

#[tokio::test]
async fn rfc9113_8_3_1_the_authority_and_the_host_agree() {
    let request = |host: &'static str| [get_fields("/"), vec![("host", host)]].concat();
    all_refused(&[request("other.example")]).await;
    let none = vec![(":method", "GET"), (":scheme", "http"), (":path", "/")];
    all_refused(std::slice::from_ref(&none)).await;
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    assert_eq!(outcome_of(&proxy, &request("test.example")).await.status, Some(200));
    let by_host = [none, vec![("host", "test.example")]].concat();
    assert_eq!(outcome_of(&proxy, &by_host).await.status, Some(200));
}

#[tokio::test]
async fn rfc9113_8_5_connect_is_not_served() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let fields = [(":method", "CONNECT"), (":authority", "a.example:443")];
    let mut client = RawHttp2::open(proxy.web()).await;
    client.send(&[Frame::headers(1, &fields, 0)]).await;
    let outcome = client.outcome(1).await;
    assert!(outcome.refused(), "{outcome:?}");
}

#[tokio::test]
async fn rfc9113_8_1_1_a_body_is_as_long_as_declared() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut fields = get_fields("/");
    fields[0].1 = "POST";
    fields.push(("content-length", "5"));
    for (data, fine) in [("hello", true), ("hell", false), ("hello!", false)] {
        let mut client = RawHttp2::open(proxy.web()).await;
        let body = Frame::data(1, data.as_bytes(), END_STREAM);
        client.send(&[Frame::headers(1, &fields, 0), body]).await;
        let outcome = client.outcome(1).await;
        assert_eq!(outcome.status == Some(200), fine, "{data}: {outcome:?}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn rfc9113_8_2_3_cookies_in_several_fields_become_one_for_http1() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    outcome_of(&proxy, &with(&[("cookie", "a=b"), ("cookie", "c=d")])).await;
    assert_eq!(origin.seen()[0].fields_named("cookie"), ["a=b; c=d"]);
}

#[tokio::test]
async fn rfc9113_10_5_1_a_field_section_beyond_the_limit_is_refused() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let long = "x".repeat(8000);
    let mut client = RawHttp2::open(proxy.web()).await;
    let many: Fields<'_> = (0..10).map(|_| ("x-a", long.as_str())).collect();
    let octets = block(&with(&many));
    let mut frames = Vec::new();
    for (number, piece) in octets.chunks(16_000).enumerate() {
        let kind = if number == 0 { kind::HEADERS } else { kind::CONTINUATION };
        frames.push(Frame::new(kind, END_STREAM * u8::from(number == 0), 1, piece));
    }
    frames.last_mut().unwrap().flags |= END_HEADERS;
    client.send(&frames).await;
    let outcome = client.outcome(1).await;
    assert!(outcome.refused() || outcome.closed, "{outcome:?}");
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn cve_2024_27316_endless_continuations_are_cut_off() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let attack = async || {
        let mut client = RawHttp2::open(proxy.web()).await;
        client.send(&[Frame::new(kind::HEADERS, END_STREAM, 1, block(&get_fields("/")))]).await;
        let piece = Frame::new(kind::CONTINUATION, 0, 1, block(&[("x-a", &"y".repeat(16_000))]));
        for _ in 0..1000 {
            client.send(std::slice::from_ref(&piece)).await;
        }
        let outcome = client.outcome(1).await;
        assert!(outcome.closed || outcome.goaway.is_some(), "{outcome:?}");
    };
    // The first connections of a process cost it some MiB, whatever they bring.
    for _ in 0..4 {
        attack().await;
    }
    let before = proxy.memory();
    for _ in 0..4 {
        attack().await;
    }
    assert!(proxy.memory() < before + (4 << 10), "{before} KiB became {}", proxy.memory());
}

#[tokio::test]
async fn cve_2023_44487_rapid_resets_are_cut_off() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = RawHttp2::open(proxy.web()).await;
    let mut fields = get_fields("/");
    fields.push(("x-script", "hold"));
    for round in 0..200_u32 {
        let frames: Vec<Frame> = (0..20)
            .flat_map(|number| {
                let stream = (round * 20 + number) * 2 + 1;
                [Frame::headers(stream, &fields, END_STREAM), Frame::reset(stream, 8)]
            })
            .collect();
        client.send(&frames).await;
    }
    client.send(&[Frame::headers(9999, &get_fields("/end"), END_STREAM)]).await;
    let outcome = client.outcome(9999).await;
    assert!(
        outcome.closed || outcome.goaway.is_some_and(|told| told != code::NO_ERROR),
        "{outcome:?}"
    );
    // Whatever became of them: others are served.
    assert_eq!(within("others are served", proxy.get("/")).await.status, 200);
}

#[tokio::test]
async fn rfc9113_10_5_floods_of_small_frames_do_not_harm_others() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    // The first connections of a process cost it some MiB, whatever they bring.
    for _ in 0..2 {
        flood(&proxy).await;
    }
    let before = proxy.memory();
    for _ in 0..2 {
        flood(&proxy).await;
    }
    assert!(proxy.memory() < before + (4 << 10), "{before} KiB became {}", proxy.memory());
}

async fn flood(proxy: &Proxy) {
    let floods = [
        Frame::new(kind::PING, 0, 0, [0; 8]),
        Frame::settings(&[(4, 65_535)]),
        Frame::new(kind::PRIORITY, 0, 1, [0, 0, 0, 0, 1]),
        Frame::data(1, b"", 0),
    ];
    for flood in floods {
        let mut client = RawHttp2::open(proxy.web()).await;
        let mut fields = get_fields("/");
        fields[0].1 = "POST";
        client.send(&[Frame::headers(1, &fields, 0)]).await;
        // Nothing is read meanwhile: answers to the flood must not pile up without end.
        let many = vec![flood; 2000];
        for _ in 0..10 {
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), client.send(&many))
                .await;
        }
        assert_eq!(proxy.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_and_recorded() {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    let mut client = RawHttp2::open(proxy.web()).await;
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    client.send(&[Frame::headers(1, &fields, END_STREAM)]).await;
    assert_eq!(client.outcome(1).await.status, Some(400));
    let line = proxy.access_line(|line| line["reason"] == "sanity.host_missing").await;
    assert_eq!((line["protocol"].as_str(), line["status"].as_u64()), (Some("HTTP/2"), Some(400)));
}
