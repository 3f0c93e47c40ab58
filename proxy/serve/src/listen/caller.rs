//! Whose connection it is.

use std::sync::Arc;

use marchproxy_decide::exchange::{Connection, Moment};

use super::table::{Admitted, Listener};
use crate::drain::Drain;
use crate::edge::Arrival;

/// Whose connection it is; held as long as anything of the connection is.
#[derive(Clone)]
pub struct Caller {
    /// Its place among the connections of its listener.
    place: Arc<Admitted>,
    /// What is known of it.
    connection: Arc<Connection>,
    /// How it learns of its end.
    drain: Drain,
}

impl Caller {
    /// The one who holds this place.
    pub fn new(place: Arc<Admitted>, connection: Arc<Connection>) -> Self {
        let drain = place.listener.drain();
        Self { place, connection, drain }
    }

    /// The listener that accepted the connection.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.place.listener
    }

    /// A request comes by the connection; its first byte came at `began`. It is served with the
    /// configuration of this moment.
    pub fn arrival(&self, began: Moment) -> Arrival {
        let view = self.listener().view();
        Arrival {
            generation: Arc::clone(&view.generation),
            listener: view.index,
            connection: Arc::clone(&self.connection),
            drain: self.drain.clone(),
            began,
        }
    }
}
