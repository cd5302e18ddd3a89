use pipeline_core::breaker::Breaker;
use std::sync::Arc;

/// The circuit of a hook: a breaker that a term holds, and the segment of its hook too.
#[derive(Clone, Debug)]
pub(crate) struct SegmentCircuit(Arc<Breaker>);

impl SegmentCircuit {
    pub(super) fn new(breaker: Breaker) -> Self {
        Self(Arc::new(breaker))
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.0
    }
}
