use super::metered_segment::MeteredSegment;
use crate::vm::ResourceType;
use rustler::{Env, Term};

/// Segments, held by terms.
pub(super) static SEGMENTS: ResourceType<MeteredSegment> = ResourceType::new();

/// To be called by a library that calls `rustler::init!` itself, while it loads:
///
/// ```ignore
/// rustler::init!("Elixir.My.Hooks", load = pipeline_term::load);
/// ```
///
/// [`library!`](crate::library) does it by itself. `false` if the VM refuses.
pub fn load(env: Env<'_>, _info: Term<'_>) -> bool {
    SEGMENTS.open(env, c"pipeline_term_segment")
}
