//! Copies of requests for a second upstream. Whatever becomes of them, the client and the first
//! upstream see nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use marchproxy_decide::verdict::Reason;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::outcome::{note_answer, note_failure};
use super::{AnswerHead, Edge, Flow, Outbound, Piece};
use crate::clock;
use crate::observe::Observer;
use crate::observe::metrics::Mirrored;
use crate::upstream::{Failure, Pool, Seat, Session, Upstream, Wish};

/// Copies that one worker sends at one time.
const MOST: usize = 1024;
/// Pieces of a body that wait for a slow upstream; with more the copy is given up.
const WAITING: usize = 16;
/// How long a copy may take as a whole.
const LONGEST: Duration = Duration::from_mins(1);

/// A copy that is being sent.
pub struct Mirror {
    pieces: Option<mpsc::Sender<Piece>>,
}

/// One of the copies of a worker.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Mirror {
    /// None.
    pub fn none() -> Self {
        Self { pieces: None }
    }

    /// Begins to send a copy, if the route wants one.
    pub fn begin(edge: &Edge, flow: &Flow, outbound: &Outbound) -> Self {
        if flow.is_ours() {
            return Self::none();
        }
        let generation = &flow.arrival.generation;
        let wanted = generation
            .snapshot
            .route(&flow.exchange)
            .and_then(|route| route.mirror(flow.exchange.dice()[1]));
        let upstream = wanted.and_then(|at| generation.upstreams.get(at));
        let Some(upstream) = upstream.filter(|_| !outbound.is_websocket) else {
            return Self::none();
        };
        let place = Place(Arc::clone(&edge.mirrors));
        let has_room = edge.mirrors.fetch_add(1, Ordering::Relaxed) < MOST;
        let pass = upstream.gate.try_enter().filter(|_| has_room);
        let Some(pass) = pass else {
            edge.observer.metrics.upstreams.mirrored(&upstream.name, Mirrored::Dropped);
            return Self::none();
        };
        let (pieces, received) = mpsc::channel(WAITING);
        let (pool, observer) = (Arc::clone(&edge.pool), Arc::clone(&edge.observer));
        let upstream = Arc::clone(upstream);
        let outbound = Outbound { manner: flow.manner(&upstream), ..outbound.clone() };
        tokio::spawn(async move {
            let _held = (place, pass);
            run(&pool, &observer, upstream, outbound, received).await;
        });
        Self { pieces: Some(pieces) }
    }

    /// Copies a piece of the request's body. When the second upstream does not keep up, the copy
    /// ends here, and without its end no origin takes it for whole.
    pub fn copy(&mut self, piece: &Piece) {
        if let Some(pieces) = &self.pieces
            && pieces.try_send(piece.clone()).is_err()
        {
            self.pieces = None;
        }
    }
}

async fn run(
    pool: &Pool,
    observer: &Observer,
    upstream: Arc<Upstream>,
    outbound: Outbound,
    pieces: mpsc::Receiver<Piece>,
) {
    let sent = timeout(LONGEST, send(pool, &upstream, &outbound, pieces)).await;
    let mirrored = match sent {
        Ok(Ok(())) => Mirrored::Done,
        Ok(Err(_)) | Err(_) => Mirrored::Failed,
    };
    observer.metrics.upstreams.mirrored(&upstream.name, mirrored);
}

/// Sends the copy and reads its answer, of which nobody wants anything but how it went.
async fn send(
    pool: &Pool,
    upstream: &Arc<Upstream>,
    outbound: &Outbound,
    pieces: mpsc::Receiver<Piece>,
) -> Result<(), Failure> {
    let seat = upstream.pick(Wish::default()).ok_or_else(|| upstream.why_nobody())?;
    let kept = pool.take(&seat.endpoint, outbound);
    let is_kept = kept.is_some();
    let mut session = match kept {
        Some(session) => session,
        None => connect(pool, upstream, &seat, outbound).await?,
    };
    let done = exchange(&mut session, (upstream, &seat), outbound, pieces).await;
    if let Err(failure) = done {
        // The endpoint may close what has idled, and cannot be blamed for it.
        if !is_kept || failure.reason != Reason::UpstreamReset {
            note_failure(upstream, &seat, failure.reason);
        }
        return Err(failure);
    }
    pool.give_back(upstream, &seat.endpoint, outbound, session, clock::now());
    Ok(())
}

async fn connect(
    pool: &Pool,
    upstream: &Arc<Upstream>,
    seat: &Seat,
    outbound: &Outbound,
) -> Result<Session, Reason> {
    let connecting = pool.connect(upstream, &seat.endpoint, outbound);
    let connected = timeout(upstream.config.timeouts.connect.duration(), connecting).await;
    let connected = connected.unwrap_or(Err(Reason::ConnectTimeout));
    connected.inspect_err(|reason| {
        note_failure(upstream, seat, *reason);
    })
}

async fn exchange(
    session: &mut Session,
    (upstream, seat): (&Upstream, &Seat),
    outbound: &Outbound,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<(), Failure> {
    session.start(outbound)?;
    loop {
        let Some(piece) = pieces.recv().await else { return Err(Reason::ClientGone.into()) };
        let is_end = matches!(piece, Piece::End(_));
        std::future::poll_fn(|context| session.poll_room(context)).await?;
        session.send(piece)?;
        std::future::poll_fn(|context| session.poll_flush(context)).await?;
        if is_end {
            break;
        }
    }
    // How fast the client sends is not the endpoint's doing.
    let asked = clock::now();
    let patience = upstream.config.timeouts.first_byte.duration();
    let head = timeout(patience, take_head(session)).await;
    let head = head.unwrap_or_else(|_| Err(Reason::UpstreamTimeout.into()))?;
    let now = clock::now();
    note_answer(upstream, seat, &head, now.since(asked), now);
    if session.is_answer_over() {
        return Ok(());
    }
    while let Piece::Data(_) = std::future::poll_fn(|context| session.poll_body(context)).await? {}
    Ok(())
}

async fn take_head(session: &mut Session) -> Result<AnswerHead, Failure> {
    loop {
        let head = std::future::poll_fn(|context| session.poll_head(context)).await?;
        if !head.is_interim() {
            return Ok(head);
        }
    }
}
