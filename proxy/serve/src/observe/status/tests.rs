use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Source {
    ready: bool,
}

impl StatusSource for Source {
    fn ready(&self) -> Result<(), String> {
        if self.ready { Ok(()) } else { Err(String::from("draining")) }
    }

    fn metrics(&self) -> Result<Vec<u8>, String> {
        Ok(b"marchproxy_requests_total 1\n".to_vec())
    }

    fn status(&self) -> serde_json::Value {
        serde_json::json!({ "generation": 7 })
    }
}

/// Sends one request line with a host and gives the whole answer back.
fn ask_of(source: Source, line: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(source)));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
}

fn ask(line: &str) -> String {
    ask_of(Source { ready: true }, line)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn health_and_readiness_are_told() {
    let health = ask("GET /healthz");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert_eq!(body(&health), "ok\n");
    assert_eq!(body(&ask("GET /readyz")), "ready\n");
}

#[test]
fn who_is_not_ready_says_why() {
    let answer = ask_of(Source { ready: false }, "GET /readyz");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(body(&answer), "draining\n");
}

#[test]
fn metrics_and_status_are_told_in_their_formats() {
    let metrics = ask("GET /metrics");
    assert!(
        metrics.to_lowercase().contains("content-type: text/plain; version=0.0.4"),
        "{metrics}"
    );
    assert_eq!(body(&metrics), "marchproxy_requests_total 1\n");
    let status = ask("GET /status");
    let status: serde_json::Value = serde_json::from_str(body(&status)).unwrap();
    assert_eq!(status["generation"], 7);
}

#[test]
fn an_answer_to_head_has_the_length_and_no_body() {
    let answer = ask("HEAD /healthz");
    assert!(answer.to_lowercase().contains("content-length: 3\r\n"), "{answer}");
    assert_eq!(body(&answer), "");
}

#[test]
fn anything_else_is_a_problem() {
    let missing = ask("GET /nothing");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(missing.contains("application/problem+json"), "{missing}");
    let method = ask("DELETE /status");
    assert!(method.starts_with("HTTP/1.1 405"), "{method}");
    assert!(method.to_lowercase().contains("allow: get, head"), "{method}");
}
