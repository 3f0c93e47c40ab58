//! What the `x-script` field of a request may ask of an origin: steps separated by `;`.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::Seen;

/// The steps of one answer.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// `status N`
    pub status: Option<u16>,
    /// `delay MS`: before the head of the answer.
    pub delay: Option<Duration>,
    /// `hold`: no answer before [`super::Origin::release`].
    pub hold: bool,
    /// `size N`: a body of so many bytes.
    pub size: Option<usize>,
    /// `chunked`: no length is declared.
    pub chunked: bool,
    /// `trailers`: `x-checksum` follows a chunked body.
    pub trailers: bool,
    /// `events N MS`: so many server-sent events with a pause before each but the first.
    pub events: Option<(usize, Duration)>,
    /// `early`: the answer does not wait for the body.
    pub early: bool,
    /// `drip N MS`: a body of so many bytes, one by one with a pause before each.
    pub drip: Option<(usize, Duration)>,
    /// `grpc-status N`
    pub grpc_status: Option<u16>,
    /// `close`: the connection is closed after the answer.
    pub close: bool,
    /// `no-continue`: no 100 is sent for `Expect: 100-continue`.
    pub no_continue: bool,
    /// `early-hints`: a 103 comes first.
    pub early_hints: bool,
}

impl Script {
    /// The script of a request.
    ///
    /// # Panics
    /// When a step is none of those above.
    pub fn of(fields: &[(String, String)]) -> Self {
        let mut script = Self::default();
        for text in crate::client::answer::named(fields, "x-script") {
            text.split(';').map(str::trim).for_each(|step| script.step(step));
        }
        script
    }

    fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<usize>().expect("a number in a script");
        let short = |at: usize| words[at].parse::<u16>().expect("a status in a script");
        let time = |at: usize| Duration::from_millis(number(at) as u64);
        match words[0] {
            "status" => self.status = Some(short(1)),
            "delay" => self.delay = Some(time(1)),
            "hold" => self.hold = true,
            "size" => self.size = Some(number(1)),
            "chunked" => self.chunked = true,
            "trailers" => self.trailers = true,
            "events" => self.events = Some((number(1), time(2))),
            "early" => self.early = true,
            "drip" => self.drip = Some((number(1), time(2))),
            "grpc-status" => self.grpc_status = Some(short(1)),
            "close" => self.close = true,
            "no-continue" => self.no_continue = true,
            "early-hints" => self.early_hints = true,
            other => panic!("no step of a script: {other}"),
        }
    }

    /// Waits as the script says, before the answer.
    pub async fn wait(&self, released: &watch::Sender<bool>) {
        if let Some(delay) = self.delay {
            sleep(delay).await;
        }
        if self.hold {
            let mut released = released.subscribe();
            // The sender lives as long as the origin.
            let _ = released.wait_for(|released| *released).await;
        }
    }

    /// The body and its media type.
    pub fn body(&self, seen: &Seen) -> (Vec<u8>, &'static str) {
        match self.size {
            Some(size) => (vec![b'x'; size], "application/octet-stream"),
            None => (seen.to_json().to_string().into_bytes(), "application/json"),
        }
    }

    /// Fields that the request asks for: `x-reply-NAME: VALUE`.
    pub fn reply_fields(seen: &Seen) -> Vec<(String, String)> {
        let asked = seen.fields.iter().filter_map(|(name, value)| {
            name.strip_prefix("x-reply-").map(|name| (name.to_owned(), value.clone()))
        });
        asked.collect()
    }

    /// One server-sent event.
    pub fn event(number: usize) -> String {
        format!("id: {number}\ndata: event {number}\n\n")
    }
}
