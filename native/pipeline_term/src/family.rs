use crate::context::TermContext;
use crate::failure::Failure;
use pipeline_core::hook::ContextFamily;

/// The context family of native hooks: a term of the calling process, with its writes.
#[derive(Clone, Copy, Debug)]
pub enum Terms {}

impl ContextFamily for Terms {
    type Context<'a> = TermContext<'a>;
    type Error = Failure;

    fn is_refusal(error: &Failure) -> bool {
        matches!(error, Failure::Refused(_))
    }
}
