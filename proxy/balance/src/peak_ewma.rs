//! Peak EWMA: of two endpoints drawn at random, the one that costs less (linkerd, finagle).

use crate::pair::Pairs;

/// How many times the cost of the other makes an endpoint the worse one. Less than that is noise, and
/// to go by it would give a light endpoint as much as a heavy one.
const CLEARLY: f64 = 1.25;

/// Draws by weight, and compares what another request would cost.
#[derive(Clone, Debug)]
pub struct PeakEwma {
    /// Relative to the mean of those that are not 0.
    weights: Vec<f64>,
    pairs: Pairs,
}

impl PeakEwma {
    /// For endpoints with these weights. An endpoint of weight 0 is never picked.
    pub fn new(weights: &[u32]) -> Self {
        let each = || weights.iter().copied().map(f64::from);
        let count: f64 = each().map(|weight| weight.min(1.0)).sum();
        let mean = each().sum::<f64>() / count.max(1.0);
        Self { weights: each().map(|weight| weight / mean).collect(), pairs: Pairs::new(weights) }
    }

    /// The position of the endpoint to take; `None` when there is none. `below` draws a number below
    /// its argument, each as likely as the others; `cost` is that of one more request for the endpoint
    /// at a position with this weight, relative to the mean weight (see
    /// [`Latency::cost`](crate::Latency::cost)). Endpoints of about the same cost are taken by weight.
    pub fn pick(
        &self,
        below: impl FnMut(u64) -> u64,
        cost: impl Fn(usize, f64) -> f64,
    ) -> Option<usize> {
        let (first, second) = self.pairs.draw(below)?;
        let cost = |at: usize| self.weights.get(at).map_or(f64::MAX, |weight| cost(at, *weight));
        Some(if cost(first) > cost(second) * CLEARLY { second } else { first })
    }
}

#[cfg(test)]
mod tests;
