//! HTTP/2 by hand: frames, streams, settings and windows (RFC 9113, sections 3 to 6).

use std::net::SocketAddr;

use marchproxy_tests::client::Connection;
use marchproxy_tests::client::frames::{
    ACK, END_HEADERS, END_STREAM, Frame, Outcome, PADDED, PREFACE, RawHttp2, block, code,
    get_fields, kind,
};
use marchproxy_tests::{Origin, Proxy, within};

async fn start() -> (Origin, Proxy) {
    let origin = Origin::start().await;
    let proxy = Proxy::before(origin.address()).await;
    (origin, proxy)
}

fn get(stream: u32) -> Frame {
    Frame::headers(stream, &get_fields("/"), END_STREAM)
}

/// How a connection ends that says these frames.
async fn outcome_of(address: SocketAddr, frames: &[Frame], stream: u32) -> Outcome {
    let mut client = RawHttp2::open(address).await;
    client.send(frames).await;
    client.outcome(stream).await
}

async fn connection_error(frames: &[Frame], codes: &[u32]) {
    let (_origin, proxy) = start().await;
    let outcome = outcome_of(proxy.web(), frames, u32::MAX >> 1).await;
    // RFC 9113, section 7: PROTOCOL_ERROR may stand for a more specific code.
    let fits = |told: u32| codes.contains(&told) || told == code::PROTOCOL_ERROR;
    let told = outcome.goaway.is_none_or(fits);
    assert!(outcome.connection_error() && told, "{outcome:?}, wanted {codes:?}");
    assert_eq!(proxy.get("/").await.status, 200);
}

#[tokio::test]
async fn rfc9113_3_3_http2_by_prior_knowledge_is_spoken_on_plain_text() {
    let (_origin, proxy) = start().await;
    let outcome = outcome_of(proxy.web(), &[get(1)], 1).await;
    assert_eq!(outcome.status, Some(200));
    assert!(!outcome.body.is_empty());
}

#[tokio::test]
async fn rfc9113_3_4_the_preface_may_come_in_pieces() {
    let (_origin, proxy) = start().await;
    let mut connection = Connection::open(proxy.web()).await;
    for byte in PREFACE {
        connection.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    let mut client = RawHttp2::bare(connection);
    client.send(&[Frame::settings(&[]), get(1)]).await;
    assert_eq!(client.outcome(1).await.status, Some(200));
}

#[tokio::test]
async fn rfc9113_3_4_a_wrong_preface_ends_the_connection() {
    let (origin, proxy) = start().await;
    for wrong in [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n"] {
        let mut connection = Connection::open(proxy.web()).await;
        connection.send(wrong).await;
        connection.finish().await;
        connection.closed().await;
    }
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn rfc9113_6_5_3_settings_are_sent_and_acknowledged() {
    let (_origin, proxy) = start().await;
    let mut client = RawHttp2::open(proxy.web()).await;
    let (mut own, mut acknowledged) = (false, false);
    while !own || !acknowledged {
        let frame = within("settings", client.next()).await.unwrap();
        own |= frame.kind == kind::SETTINGS && frame.flags & ACK == 0;
        acknowledged |= frame.kind == kind::SETTINGS && frame.flags & ACK != 0;
    }
}

#[tokio::test]
async fn rfc9113_6_7_a_ping_comes_back() {
    let (_origin, proxy) = start().await;
    let mut client = RawHttp2::open(proxy.web()).await;
    client.send(&[Frame::new(kind::PING, 0, 0, *b"12345678")]).await;
    loop {
        let frame = within("a pong", client.next()).await.unwrap();
        if frame.kind == kind::PING {
            assert_eq!((frame.flags & ACK, frame.payload.as_slice()), (ACK, &b"12345678"[..]));
            return;
        }
    }
}

#[tokio::test]
async fn rfc9113_4_2_a_frame_longer_than_allowed_is_an_error() {
    let frame = Frame::data(1, &[0; 16_385], 0);
    let fields = Frame::headers(1, &get_fields("/"), 0);
    connection_error(&[fields, frame], &[code::FRAME_SIZE_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_4_3_a_broken_field_block_is_a_compression_error() {
    let frame = Frame::new(kind::HEADERS, END_HEADERS | END_STREAM, 1, [0xff; 8]);
    connection_error(&[frame], &[code::COMPRESSION_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_5_1_1_clients_use_odd_and_growing_streams() {
    connection_error(&[get(2)], &[code::PROTOCOL_ERROR]).await;
    connection_error(&[get(0)], &[code::PROTOCOL_ERROR]).await;
    let (_origin, proxy) = start().await;
    let mut client = RawHttp2::open(proxy.web()).await;
    client.send(&[get(5)]).await;
    assert_eq!(client.outcome(5).await.status, Some(200));
    client.send(&[get(3)]).await;
    assert!(client.outcome(3).await.refused());
}

#[tokio::test]
async fn rfc9113_5_1_data_on_an_idle_stream_is_an_error() {
    connection_error(&[Frame::data(1, b"x", 0)], &[code::PROTOCOL_ERROR, code::STREAM_CLOSED])
        .await;
    connection_error(&[Frame::data(0, b"x", 0)], &[code::PROTOCOL_ERROR]).await;
    connection_error(&[Frame::reset(1, 0)], &[code::PROTOCOL_ERROR]).await;
    connection_error(&[Frame::window(1, 1)], &[code::PROTOCOL_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_5_5_unknown_frames_and_flags_are_ignored() {
    let (_origin, proxy) = start().await;
    let mut headers = get(1);
    headers.flags |= 0x40;
    let unknown = Frame::new(0xbe, 0xff, 1, *b"what");
    let outcome = outcome_of(proxy.web(), &[unknown.clone(), headers, unknown], 1).await;
    assert_eq!(outcome.status, Some(200));
}

#[tokio::test]
async fn rfc9113_6_1_padding_is_taken_off_and_checked() {
    let (_origin, proxy) = start().await;
    let mut fields = get_fields("/");
    fields[0].1 = "POST";
    let headers = Frame::headers(1, &fields, 0);
    let padded = Frame::data(1, b"\x03hello\0\0\0", PADDED | END_STREAM);
    let outcome = outcome_of(proxy.web(), &[headers.clone(), padded], 1).await;
    assert!(String::from_utf8_lossy(&outcome.body).contains("\"body\":\"hello\""), "{outcome:?}");
    let wrong = Frame::data(1, b"\x09hello", PADDED);
    let outcome = outcome_of(proxy.web(), &[headers, wrong], 1).await;
    assert!(outcome.refused() || outcome.closed, "{outcome:?}");
}

#[tokio::test]
async fn rfc9113_6_5_malformed_settings_are_errors() {
    let sized = &[code::FRAME_SIZE_ERROR];
    connection_error(&[Frame::new(kind::SETTINGS, 0, 0, [0; 5])], sized).await;
    connection_error(&[Frame::new(kind::SETTINGS, ACK, 0, [0; 6])], sized).await;
    connection_error(&[Frame::new(kind::SETTINGS, 0, 1, [])], &[code::PROTOCOL_ERROR]).await;
    // Push may be on or off; a frame is 16384 to 16777215 octets; a window has 31 bits.
    connection_error(&[Frame::settings(&[(2, 2)])], &[code::PROTOCOL_ERROR]).await;
    connection_error(&[Frame::settings(&[(5, 100)])], &[code::PROTOCOL_ERROR]).await;
    connection_error(&[Frame::settings(&[(4, 1 << 31)])], &[code::FLOW_CONTROL_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_6_7_malformed_pings_are_errors() {
    connection_error(&[Frame::new(kind::PING, 0, 0, [0; 7])], &[code::FRAME_SIZE_ERROR]).await;
    connection_error(&[Frame::new(kind::PING, 0, 1, [0; 8])], &[code::PROTOCOL_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_6_9_window_updates_are_checked() {
    connection_error(&[Frame::window(0, 0)], &[code::PROTOCOL_ERROR]).await;
    connection_error(&[Frame::window(0, 0x7fff_ffff)], &[code::FLOW_CONTROL_ERROR]).await;
    connection_error(&[Frame::new(kind::WINDOW_UPDATE, 0, 0, [0; 3])], &[code::FRAME_SIZE_ERROR])
        .await;
}

#[tokio::test]
async fn rfc9113_6_10_a_field_block_is_not_interrupted() {
    let begun = Frame::new(kind::HEADERS, END_STREAM, 1, block(&get_fields("/")));
    let other = Frame::new(kind::PING, 0, 0, [0; 8]);
    connection_error(&[begun.clone(), other], &[code::PROTOCOL_ERROR]).await;
    let elsewhere = Frame::new(kind::CONTINUATION, END_HEADERS, 3, []);
    connection_error(&[begun, elsewhere], &[code::PROTOCOL_ERROR]).await;
    let alone = Frame::new(kind::CONTINUATION, END_HEADERS, 1, block(&get_fields("/")));
    connection_error(&[alone], &[code::PROTOCOL_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_6_10_a_field_block_may_come_in_pieces() {
    let (_origin, proxy) = start().await;
    let whole = block(&get_fields("/pieces"));
    let (first, second) = whole.split_at(10);
    let frames = [
        Frame::new(kind::HEADERS, END_STREAM, 1, first),
        Frame::new(kind::CONTINUATION, 0, 1, &second[..5]),
        Frame::new(kind::CONTINUATION, END_HEADERS, 1, &second[5..]),
    ];
    assert_eq!(outcome_of(proxy.web(), &frames, 1).await.status, Some(200));
}

#[tokio::test]
async fn rfc9113_8_4_clients_do_not_push() {
    let push = Frame::new(kind::PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2]);
    connection_error(&[get(1), push], &[code::PROTOCOL_ERROR]).await;
}

#[tokio::test]
async fn rfc9113_5_2_an_answer_waits_for_the_clients_window() {
    let (_origin, proxy) = start().await;
    let mut client = RawHttp2::bare(Connection::open(proxy.web()).await);
    client.send_octets(PREFACE).await;
    let mut fields = get_fields("/");
    fields.push(("x-script", "size 100"));
    client.send(&[Frame::settings(&[(4, 10)]), Frame::headers(1, &fields, END_STREAM)]).await;
    let mut received = 0;
    while received < 10 {
        let frame = within("data", client.next_of_interest()).await.unwrap();
        if frame.kind == kind::DATA {
            received += frame.payload.len();
        }
    }
    assert_eq!(received, 10);
    client.send(&[Frame::window(1, 90)]).await;
    assert_eq!(client.outcome(1).await.body.len(), 90);
}

#[tokio::test]
async fn rfc9113_5_1_2_more_streams_than_allowed_are_refused() {
    let origin = Origin::start().await;
    let text = marchproxy_tests::proxy::SIMPLE.replace(
        "address: \"127.0.0.1:@web-port@\"",
        "address: \"127.0.0.1:@web-port@\", connections: { http2_streams: 3 }",
    );
    let proxy =
        marchproxy_tests::proxy::Setup::new().set("origin", origin.address()).start(&text).await;
    let mut client = RawHttp2::open(proxy.web()).await;
    let mut fields = get_fields("/");
    fields.push(("x-script", "hold"));
    let frames: Vec<Frame> =
        (0..4).map(|number| Frame::headers(number * 2 + 1, &fields, END_STREAM)).collect();
    client.send(&frames).await;
    let outcome = client.outcome(7).await;
    assert!(outcome.refused(), "{outcome:?}");
    origin.release();
}
