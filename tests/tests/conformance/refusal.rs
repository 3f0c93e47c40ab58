//! Sending what must be refused, and looking at the refusal.

use marchproxy_tests::bounded::STEP;
use marchproxy_tests::{Origin, Proxy};

/// A proxy before an origin that must not see what is refused.
pub struct Refuser {
    pub origin: Origin,
    pub proxy: Proxy,
}

/// Bytes, and the status and reason that they must get.
pub type Case<'a> = (&'a str, u16, &'a str);

impl Refuser {
    pub async fn start() -> Self {
        let origin = Origin::start().await;
        let proxy = Proxy::before(origin.address()).await;
        Self { origin, proxy }
    }

    /// All of them must be refused as told, the connection closed, and the origin left alone; and
    /// the proxy must serve afterwards as if nothing had been.
    pub async fn refuses(&self, cases: &[Case<'_>]) {
        let mut wrong = Vec::new();
        for (bytes, status, reason) in cases {
            if let Err(what) = self.refusal_of(bytes, *status, reason).await {
                wrong.push(format!("{:?}: {what}", bytes.chars().take(160).collect::<String>()));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        assert_eq!(self.origin.seen().len(), 0, "{:?}", self.origin.seen());
        assert_eq!(self.proxy.get("/fine").await.status, 200);
    }

    async fn refusal_of(&self, bytes: &str, status: u16, reason: &str) -> Result<(), String> {
        // A char is a byte here, so that bytes above 127 can be written as `\u{80}` to `\u{ff}`.
        let bytes: Vec<u8> = bytes.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let mut connection = self.proxy.connect().await;
        connection.send(bytes).await;
        let answer = tokio::time::timeout(STEP, connection.try_answer()).await;
        let answer = answer.map_err(|_| "no answer".to_owned())?;
        let answer = answer.map_err(|broken| format!("{broken:?}"))?;
        if answer.status != status {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        let told = answer.reason();
        if told != reason {
            return Err(format!("reason {told}"));
        }
        match tokio::time::timeout(STEP, connection.closed()).await {
            Ok(()) => Ok(()),
            Err(_) => Err("the connection stays open".to_owned()),
        }
    }

    /// All of them must be forwarded.
    pub async fn takes(&self, cases: &[&str]) {
        for bytes in cases {
            let answer = self.proxy.request(bytes).await;
            assert_eq!(answer.status, 200, "{bytes:?}: {answer:?} {}", answer.text());
        }
        assert_eq!(self.origin.seen().len(), cases.len());
    }
}
