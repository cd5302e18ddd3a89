use pipeline_core::hook::verdict::Returned;

/// How a run goes on after a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next hook; from a replace hook, what stands in the context is the result.
    Continue,
    /// Not with the next before hook: what stands in the context is the answer. Means `Continue` in other
    /// phases.
    Answer,
    /// From a replace hook: the next replace hook, and finally the base operation, takes over, with the
    /// context as it stands. Means `Continue` in other phases.
    Decline,
}

impl From<Flow> for Returned {
    #[inline]
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Self::Continue,
            Flow::Answer => Self::Answer,
            Flow::Decline => Self::Decline,
        }
    }
}
