use std::fmt;

use pipeline_core::breaker::Breaker;
use rustler::{Resource, ResourceArc};

/// A breaker, held by a term.
pub(crate) struct BreakerResource(pub(super) Breaker);

#[rustler::resource_impl]
impl Resource for BreakerResource {}

/// The circuit of a hook in a segment: a breaker that a term holds too.
#[derive(Clone)]
pub(crate) struct SegmentCircuit(ResourceArc<BreakerResource>);

impl SegmentCircuit {
    pub(crate) fn new(held: ResourceArc<BreakerResource>) -> Self {
        Self(held)
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.0.0
    }
}

impl fmt::Debug for SegmentCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SegmentCircuit")
            .field(self.breaker())
            .finish()
    }
}
