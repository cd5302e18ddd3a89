use pipeline_core::hook::Flow as CoreFlow;

/// How a run goes on after a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next hook; from a replace hook, what stands in the context is the result.
    Continue,
    /// Not with the next before hook: what stands in the context is the answer. Means `Continue` in other phases.
    Answer,
    /// From a replace hook: the next replace hook, and finally the base operation, takes over, with the context as it
    /// stands. Means `Continue` in other phases.
    Decline,
}

/// The core's before hooks cannot decline.
impl From<Flow> for CoreFlow {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue | Flow::Decline => Self::Continue,
            Flow::Answer => Self::Answer,
        }
    }
}
